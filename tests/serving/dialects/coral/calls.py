"""Calls as Coral makes them, and sites most of whose rules match every score: the wire is tested, not the model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from serving.dialects.coral import signature
from serving.store import Store
from tests import joi
from tests.service import Server

RUDE = "You absolute clown, resign."
CALM = "Thank you, I had not thought of that."
MARKED = "Zanzibar-marmalade-7750"
SECRET, OLD, FOREIGN = ("empsec_" + digit * 64 for digit in "abc")
FLAG = {"actionType": "FLAG", "reason": "COMMENT_DETECTED_TOXIC"}
AGENT = {"User-Agent": "Coral Moderation/9.11.8", "Content-Type": "application/json"}

ACTIONS = ("accept", "hold", "flag", "reject", "feature")
SITES = f"""
[default]
secrets_from = ["CORAL_SECRETS"]
timeout_ms = 10000

[sites.plain]
format = "PLAIN_TEXT"
rules = [{{attribute = "incivility", at_least = 0.0, action = "flag"}}]

[sites.other]
secrets = ["{FOREIGN}"]

[sites.praise]
rules = [
  {{attribute = "report_worthy", at_least = 0.9, action = "hold"}},
  {{attribute = "incivility", at_least = 0.3, action = "flag"}},
]

[sites.approve]
approve = true
rules = [{{attribute = "insult", below = 1.0, action = "accept"}}]

[sites.facts]
rules = [
  {{author.role = "member", action = "accept"}},
  {{links.at_least = 2, action = "hold"}},
]

[sites.hurried]
timeout_ms = 100

[sites.named]
author_text = "Ask us: desk@news.example."
rules = [{{attribute = "incivility", at_least = 0.0, action = "reject", reason = "Uncivil"}}]

[sites.worded]
author_text = "Ask us: desk@news.example."
rules = [{{attribute = "threat", at_least = 0.0, action = "reject", reason = "Threats are not printed."}}]
""" + "".join(
    f'\n[sites.{action}]\nrules = [{{attribute = "insult", at_least = 0.0, action = "{action}"}}]\n'
    for action in ACTIONS
)


@dataclass(frozen=True)
class Service:
    """A server in the mode `keys` with the sites above."""

    server: Server
    key: str
    admin: str
    sites: Path
    store: Store


def request_body(text: Any = RUDE, site: Any = "hold", role: str = "COMMENTER") -> bytes:
    """As Coral writes it: `JSON.stringify(request, null, 2)`."""
    content = {
        "action": "NEW",
        "comment": {"body": text, "parentID": None},
        "author": {"id": "u1", "role": role},
        "story": {"id": "s1", "url": "https://news.example/a"},
        "site": {"id": site},
        "tenantID": "t1",
        "tenantDomain": "news.example",
    }
    return json.dumps(content, indent=2, ensure_ascii=False).encode()


def post(server: Server, body: bytes, header: str | None) -> httpx.Response:
    headers = AGENT | ({} if header is None else {"X-Coral-Signature": header})
    return httpx.post(f"{server.url}/coral/moderate", content=body, headers=headers, timeout=60)


def ask(service: Service, text: Any = RUDE, site: str = "hold", role: str = "COMMENTER") -> httpx.Response:
    body = request_body(text, site, role)
    return post(service.server, body, signature.sign(body, [SECRET]))


def opinion(response: httpx.Response) -> tuple[dict[str, Any], dict[str, Any]]:
    """What Coral keeps of an answer, and our own explanation of it."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    return joi.accepted(body), body["evenhand"]


def assert_error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == code
    assert MARKED not in response.text
    return error
