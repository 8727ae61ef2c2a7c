from __future__ import annotations

import hmac
from pathlib import Path

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient

from serving.api import create_app
from serving.dialects.coral import signature
from serving.settings import Settings
from tests.service import Server
from tests.serving.dialects.coral.calls import FOREIGN, OLD, SECRET, Service, post, request_body

# A worked example: computed by the rule of Coral's source, not by this code.
EXAMPLE = (
    '{\n  "action": "NEW",\n  "comment": {\n    "body": "Héllo, you total clown 🤡",\n    "parentID": null\n  },\n'
    '  "author": {\n    "id": "u1",\n    "role": "COMMENTER"\n  },\n  "story": {\n    "id": "s1",\n'
    '    "url": "https://news.example/a"\n  },\n  "site": {\n    "id": "site1"\n  },\n  "tenantID": "t1",\n'
    '  "tenantDomain": "news.example"\n}'
).encode()
EXAMPLE_HEADER = (
    "sha256=2eff43cdf153052ea8adb95bfa0d4726b8a224b0b6ad46ecdf5cf728353638bf,"
    "sha256=915dab56c8c015b1b9a501a11c92137ffe82ab1ae30f6e29ab8a860087367aed"
)


def test_the_worked_example_is_signed_as_coral_signs() -> None:
    assert request_body("Héllo, you total clown 🤡", "site1") == EXAMPLE
    assert signature.sign(EXAMPLE, ["empsec_old", "empsec_new"]) == EXAMPLE_HEADER


@pytest.mark.parametrize("secrets", [["empsec_old"], ["empsec_new"], ["another", "empsec_new"]])
def test_any_secret_of_either_side_will_do(secrets: list[str]) -> None:
    assert signature.verified(EXAMPLE, EXAMPLE_HEADER, secrets)
    assert signature.verified(EXAMPLE, EXAMPLE_HEADER.replace(",", " , "), secrets)


@pytest.mark.parametrize(
    ("body", "header", "secrets"),
    [
        (EXAMPLE + b" ", EXAMPLE_HEADER, ["empsec_old"]),
        (EXAMPLE, EXAMPLE_HEADER, ["empsec_other"]),
        (EXAMPLE, EXAMPLE_HEADER, []),
        (EXAMPLE, "", ["empsec_old"]),
        (EXAMPLE, ",", ["empsec_old"]),
        (EXAMPLE, EXAMPLE_HEADER.replace("sha256=", ""), ["empsec_old"]),
        (EXAMPLE, EXAMPLE_HEADER[:40], ["empsec_old"]),
        (EXAMPLE, "sha256=é\udcff".encode("utf-8", "replace").decode(), ["empsec_old"]),
        (EXAMPLE, "x," * 16 + EXAMPLE_HEADER, ["empsec_old"]),
    ],
)
def test_what_is_not_signed_is_not_verified(body: bytes, header: str, secrets: list[str]) -> None:
    assert not signature.verified(body, header, secrets)


def test_every_signature_is_compared_with_every_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bool] = []
    compare = hmac.compare_digest

    def counted(a: bytes, b: bytes) -> bool:
        compared.append(compare(a, b))
        return compared[-1]

    monkeypatch.setattr(hmac, "compare_digest", counted)
    assert signature.verified(EXAMPLE, EXAMPLE_HEADER, ["empsec_old", "empsec_new", "third"])
    assert sorted(compared) == [False] * 4 + [True] * 2


def test_everything_unsigned_is_refused_in_the_same_words(service: Service) -> None:
    body = request_body()
    good = signature.sign(body, [SECRET])
    other = request_body(site="other")
    refused = [
        post(service.server, body, None),
        post(service.server, body, ""),
        post(service.server, body, "sha256=" + "0" * 64),
        post(service.server, body + b" ", good),
        post(service.server, body, signature.sign(body, [FOREIGN])),
        post(service.server, other, signature.sign(other, [SECRET])),  # another site's secret
        post(service.server, b"", good),
        post(service.server, b"[" * 100_000, good),
        post(service.server, b"[]", signature.sign(b"[]", [SECRET])),
        post(service.server, b'{"site": {"id": null}}', signature.sign(b'{"site": {"id": null}}', [SECRET])),
    ]
    assert {response.status_code for response in refused} == {401}
    errors = [response.json()["error"] for response in refused]
    assert all(error.pop("request_id") for error in errors)
    assert all(error == errors[0] for error in errors)
    assert errors[0]["code"] == "invalid_signature"


def test_while_secrets_change_either_is_good(service: Service) -> None:
    body = request_body()
    for secrets in ([OLD], [SECRET], [FOREIGN, OLD], [SECRET, OLD]):
        assert post(service.server, body, signature.sign(body, secrets)).status_code == 200


def test_an_api_key_is_neither_needed_nor_enough(service: Service) -> None:
    url = f"{service.server.url}/coral/moderate?key={service.admin}"
    assert httpx.post(url, content=request_body()).status_code == 401


def test_a_service_without_sites_refuses(server: Server) -> None:
    assert post(server, EXAMPLE, EXAMPLE_HEADER).status_code == 401


def test_a_stranger_is_refused_where_only_listed_sites_are_known(tmp_path: Path) -> None:
    (tmp_path / "sites.toml").write_text(f'[sites.a]\nsecrets = ["{SECRET}"]\n')
    client = TestClient(create_app(Settings(coral=tmp_path / "sites.toml")))
    body = request_body(site="b")
    headers = {"X-Coral-Signature": signature.sign(body, [SECRET])}
    assert client.post("/coral/moderate", content=body, headers=headers).status_code == 401
