from __future__ import annotations

import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from labels import taxonomy
from serving import keys
from serving.api import create_app
from serving.artifact import Artifact
from serving.dialects.coral import signature
from serving.dialects.coral.answers import answer, code_of
from serving.dialects.coral.markup import text_of
from serving.dialects.coral.schemas import CODES
from serving.policy import Rule, first_match
from serving.scorer import Scorer
from serving.settings import Settings
from serving.sites import Site
from serving.store import Feedback, Store
from tests import databases, joi
from tests.service import Server, running

RUDE = "You absolute clown, resign."
CALM = "Thank you, I had not thought of that."
MARKED = "Zanzibar-marmalade-7750"
SECRET, OLD, FOREIGN = ("empsec_" + digit * 64 for digit in "abc")
FLAG = {"actionType": "FLAG", "reason": "COMMENT_DETECTED_TOXIC"}
AGENT = {"User-Agent": "Coral Moderation/9.11.8", "Content-Type": "application/json"}

# Sites whose only rule matches every score: what is tested is the wire, not the model.
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


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("coral")
    sites = folder / "sites.toml"
    sites.write_text(SITES)
    database_url = databases.fresh(folder)
    store = Store(database_url)
    store.open()
    key, admin = (keys.create(store, name, scopes, 0)[1] for name, scopes in (
        ("coral", ["score", "feedback"]), ("operator", ["admin"]),
    ))  # fmt: skip
    os.environ["CORAL_SECRETS"] = f"{SECRET} {OLD}"
    with running(folder / "log", mode="keys", database_url=database_url, coral=sites) as server:
        yield Service(server, key, admin, sites, store)
    del os.environ["CORAL_SECRETS"]
    store.close()


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


# ------------------------------------------------------------------------------------------ signature

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


# -------------------------------------------------------------------------------------------- answers


def test_hold_withholds_and_flags(service: Service, scorer: Scorer) -> None:
    kept, ours = opinion(ask(service, site="hold"))
    assert kept == {"status": "SYSTEM_WITHHELD", "actions": [FLAG]}
    assert (ours["model"], ours["version"]) == (scorer.manifest.name, scorer.manifest.version)
    assert (ours["rule"], ours["attribute"], ours["threshold"]) == (1, "insult", 0.0)
    assert ours["score"] == ours["scores"]["insult"]
    assert ours["scores"] == pytest.approx(dict(scorer.score([RUDE])[0]), abs=0.02)


def test_flag_leaves_the_status_to_coral(service: Service) -> None:
    assert opinion(ask(service, site="flag"))[0] == {"actions": [FLAG]}


def test_reject_says_so_twice_with_the_taxonomys_code(service: Service) -> None:
    kept, _ = opinion(ask(service, site="reject"))
    reason = {"code": "ABUSIVE"}
    assert kept == {"status": "REJECTED", "moderationAction": {"status": "REJECTED", "rejectionReason": reason}}


def test_the_author_reads_the_rules_reason_and_the_sites_text(service: Service) -> None:
    reason = opinion(ask(service, site="worded"))[0]["moderationAction"]["rejectionReason"]
    assert reason == {
        "code": "HARASSMENT_BULLYING",
        "detailedExplanation": "Threats are not printed. Ask us: desk@news.example.",
    }


def test_a_reason_that_coral_has_no_code_for_is_named_by_the_rule(service: Service) -> None:
    reason = opinion(ask(service, site="named"))[0]["moderationAction"]["rejectionReason"]
    assert reason == {
        "code": "OTHER",
        "customReason": "Uncivil",
        "detailedExplanation": "Ask us: desk@news.example.",
    }


def test_feature_is_a_tag_alone(service: Service) -> None:
    assert opinion(ask(service, site="feature"))[0] == {"tags": ["FEATURED"]}


def test_accept_bypasses_premoderation_only_where_the_site_wants_it(service: Service) -> None:
    silent = ask(service, site="accept")
    assert (silent.status_code, silent.content) == (204, b"")
    assert opinion(ask(service, site="approve"))[0] == {"status": "APPROVED"}


def test_the_rules_see_the_scores(service: Service) -> None:
    kept, ours = opinion(ask(service, RUDE, "praise"))
    assert kept == {"actions": [FLAG]}
    assert ours["rule"] == 2
    assert ask(service, CALM, "praise").status_code == 204


def test_rules_may_ask_for_role_and_links_alone(service: Service) -> None:
    text = f"{CALM} http://a.example http://b.example"
    kept, explanation = opinion(ask(service, text, "facts"))
    assert (kept["status"], explanation["rule"]) == ("SYSTEM_WITHHELD", 2)
    assert "score" not in explanation
    assert ask(service, CALM, "facts").status_code == 204
    assert ask(service, text, "facts", role="MEMBER").status_code == 204


@pytest.mark.parametrize("role", ["STAFF", "MODERATOR", "ADMIN"])
def test_staff_are_not_judged(service: Service, role: str) -> None:
    assert ask(service, role=role).status_code == 204


@pytest.mark.parametrize("role", ["COMMENTER", "MEMBER", "A ROLE TO COME"])
def test_everybody_else_is(service: Service, role: str) -> None:
    assert ask(service, role=role).status_code == 200


@pytest.mark.parametrize("text", ["", " ", "<div><br></div>", '<img src="a.png">', "&nbsp;", "\u200b"])
def test_nothing_to_read_is_no_opinion(service: Service, text: str) -> None:
    assert ask(service, text).status_code == 204


def test_html_is_scored_as_its_text(service: Service) -> None:
    html = "<div>You <b>abso</b>lute cl&#111;wn,</div><div>resign.</div>"
    expected = opinion(ask(service, RUDE, "plain"))[1]["scores"]
    assert opinion(ask(service, html))[1]["scores"] == pytest.approx(expected, abs=0.02)


def test_plain_text_is_not_taken_for_html(service: Service) -> None:
    typed = "<b you absolute clown> resign"
    assert opinion(ask(service, typed, "plain"))[1]["scores"] != opinion(ask(service, typed))[1]["scores"]


# --------------------------------------------------------------------------------------------- errors


def assert_error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == code
    assert MARKED not in response.text
    return error


def test_a_signed_body_of_a_wrong_form_names_the_field(service: Service) -> None:
    assert assert_error(ask(service, [MARKED]), 422, "invalid_request")["field"] == "comment.body"
    body = json.dumps({"site": {"id": "hold"}, "note": MARKED}).encode()
    response = post(service.server, body, signature.sign(body, [SECRET]))
    assert assert_error(response, 422, "invalid_request")["field"] == "comment"


def test_a_comment_that_is_too_long_is_an_error_not_a_pass(service: Service) -> None:
    assert ask(service, "<b>" * 5000 + RUDE + "</b>" * 5000).status_code == 200
    assert_error(ask(service, f"{MARKED} " * 1000), 422, "text_too_long")


def test_a_body_beyond_any_comment_is_not_even_parsed(service: Service) -> None:
    assert_error(ask(service, "a" * 2**19), 413, "body_too_large")


def test_coral_is_told_before_it_stops_waiting(service: Service) -> None:
    long = " ".join(f"word{number}" for number in range(1200))  # some twenty windows: far more than 50 ms
    body = request_body(long, "hurried")
    header = signature.sign(body, [SECRET])
    began = time.monotonic()
    response = post(service.server, body, header)
    took = time.monotonic() - began
    error = assert_error(response, 504, "deadline_exceeded")
    assert "Coral" in error["message"]
    assert took < 5
    while ask(service, f"after {time.monotonic()}").status_code == 504:  # an inference under way is not interrupted
        pass


def test_a_service_that_is_not_ready_says_so(tmp_path: Path) -> None:
    (tmp_path / "sites.toml").write_text(f'[default]\nsecrets = ["{SECRET}"]\n')
    client = TestClient(create_app(Settings(coral=tmp_path / "sites.toml")))  # no lifespan: no model
    body = request_body()
    headers = {"X-Coral-Signature": signature.sign(body, [SECRET])}
    refused = client.post("/coral/moderate", content=body, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not_ready")


def test_the_log_has_the_decision_and_neither_comment_nor_secret(service: Service) -> None:
    response = ask(service, f"{MARKED} {RUDE}", "hold")
    assert response.status_code == 200
    refused = post(service.server, request_body(MARKED, "x" * 500), "sha256=" + MARKED)
    log = service.server.logged()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    (decided,) = [
        line
        for line in lines
        if line["event"] == "coral decision" and line["request_id"] == response.headers["x-request-id"]
    ]
    assert (decided["site"], decided["action"], decided["rule"]) == ("hold", "hold", 1)
    assert refused.status_code == 401
    assert "x" * 64 in log
    assert "x" * 65 not in log
    for hidden in (MARKED, SECRET, OLD, FOREIGN):
        assert hidden not in log


def test_requests_are_counted_under_coral(service: Service) -> None:
    ask(service)
    page = httpx.get(f"{service.server.url}/metrics", headers={"X-API-Key": service.admin}).text
    assert 'evenhand_requests_total{dialect="coral",status="200"}' in page


def test_sites_are_read_again_on_reload_and_bad_ones_refused(service: Service) -> None:
    def reload() -> httpx.Response:
        headers = {"X-API-Key": service.admin}
        return httpx.post(f"{service.server.url}/v1/admin/reload", headers=headers, timeout=120)

    new = '\n[sites.new]\nrules = [{attribute = "insult", at_least = 0.0, action = "feature"}]\n'
    assert "tags" not in opinion(ask(service, site="flag"))[0]
    try:
        service.sites.write_text(SITES + new)
        assert reload().status_code == 200
        assert opinion(ask(service, site="new"))[0] == {"tags": ["FEATURED"]}
        service.sites.write_text(SITES + new.replace("insult", "wit"))
        assert "'wit'" in assert_error(reload(), 409, "bad_sites")["message"]
        assert opinion(ask(service, site="new"))[0] == {"tags": ["FEATURED"]}
    finally:
        service.sites.write_text(SITES)
    assert reload().status_code == 200


# ------------------------------------------------------------------------------- every possible answer

NAMES = taxonomy.load().names
probabilities = st.floats(0, 1)
words = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
all_rules = st.lists(
    st.builds(
        lambda attribute, action, low, reason: Rule(
            attribute=attribute, action=action, at_least=low if attribute else None, reason=reason
        ),
        st.one_of(st.none(), st.sampled_from(NAMES)),
        st.sampled_from(ACTIONS),
        probabilities,
        words,
    ),
    max_size=4,
)


@given(
    rules=all_rules,
    scores=st.dictionaries(st.sampled_from(NAMES), st.one_of(probabilities, st.just(float("nan")))),
    approve=st.booleans(),
    author_text=words,
)
def test_coral_takes_whatever_is_answered(
    rules: list[Rule], scores: dict[str, float], approve: bool, author_text: str | None
) -> None:
    site = Site("a", (SECRET,), approve=approve, author_text=author_text, rules=tuple(rules))
    decision = first_match(rules, scores)
    found = answer(decision, site, MANIFEST, scores) if decision else None
    if decision is None or found is None:
        assert decision is None or (decision.action == "accept" and not approve)
        return
    kept = joi.accepted(json.loads(found.wire()))
    expected = {
        "accept": {"status"},
        "hold": {"status", "actions"},
        "flag": {"actions"},
        "reject": {"status", "moderationAction"},
        "feature": {"tags"},
    }
    assert set(kept) == expected[decision.action]
    assert kept.get("status") != "NONE"
    assert (kept.get("status") == "REJECTED") == ("moderationAction" in kept)
    if "moderationAction" in kept:
        assert kept["moderationAction"]["status"] == "REJECTED"
        assert kept["moderationAction"]["rejectionReason"]["code"] == (
            code_of(decision.attribute) if decision.attribute else "OTHER"
        )


MANIFEST = Artifact.load().manifest


@pytest.mark.parametrize(
    "bad",
    [
        [],
        {"tags": []},
        {"tags": ["MEMBER"]},
        {"status": None},
        {"status": ""},
        {"status": "none"},
        {"actions": None},
        {"actions": [{"actionType": "FLAG"}]},
        {"actions": [{"actionType": "FLAG", "reason": "COMMENT_REPORTED_SPAM"}]},
        {"moderationAction": {"status": "REJECTED", "rejectionReason": {"code": "RUDE"}}},
        {"moderationAction": {"rejectionReason": {"code": "OTHER", "detailedExplanation": ""}}},
    ],
)
def test_the_oracle_refuses_what_coral_refuses(bad: Any) -> None:
    with pytest.raises(joi.JoiError):
        joi.accepted(bad)
    assert joi.accepted({"actions": [], "evenhand": None}) == {"actions": []}


def test_every_code_of_the_taxonomy_is_one_of_corals() -> None:
    assert joi.CODES == CODES
    assert {code for attribute in taxonomy.load().attributes for code in attribute.coral} <= set(CODES)
    assert (code_of("identity_attack"), code_of("report_worthy")) == ("HATE_SPEECH", "OTHER")


# ----------------------------------------------------------------------------------------------- HTML


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain", "plain"),
        ("<div>one</div><div>two</div>", " one  two "),
        ("one<br>two<BR/>three<br />four", "one two three four"),
        ("id<b>io</b>t, <span class='a'>id</span>iot", "idiot, idiot"),
        ("&lt;3 &amp; &quot;quoted&quot; &#39;x&#39; &#x1F921;", "<3 & \"quoted\" 'x' 🤡"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("5 < 6 > 4 <3", "5 < 6 > 4 <3"),
        ("<you idiot> and <!-- idiot --> and <?idiot?>", "<you idiot> and <!-- idiot --> and <?idiot?>"),
        ("<script>idiot</script><style>fool</style>", " idiot  fool "),
        ('<a href="https://news.example/?a=1&amp;b=2">link</a>', "link"),
        ("<blockquote>said</blockquote>so", " said so"),
        ("unclosed <b", "unclosed <b"),
        ("&#" + "1" * 5000 + ";", "&#" + "1" * 5000 + ";"),
    ],
)
def test_text_of_html(html: str, text: str) -> None:
    assert text_of(html) == text


@given(st.text())
def test_no_text_is_lost_or_fails(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert text_of(f"<b>{escaped}</b>") == text
    text_of(text)


@pytest.mark.parametrize("part", ["<", "<!--", "<a ", "</", '<a b="', "&", "&#", "<script>", "<a x="])
def test_hostile_html_takes_no_longer(part: str) -> None:
    began = time.process_time()
    text_of(part * (300_000 // len(part)))
    assert time.process_time() - began < 5


# -------------------------------------------------------------------------------------- its commands


def evenhand(service: Service, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "EVENHAND_CORAL": str(service.sites), "EVENHAND_MODE": "keys", **more}
    command = [sys.executable, "-c", "from serving.cli import app; app()", "coral", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def test_the_file_of_sites_can_be_checked(service: Service, tmp_path: Path) -> None:
    run = evenhand(service, "check")
    assert run.returncode == 0, run.stderr
    assert "hold: 2 secrets, HTML, answers within 9000 ms\n  1. insult at least 0: hold\n" in run.stdout
    assert SECRET not in run.stdout
    (tmp_path / "bad.toml").write_text("[sites.a]\n")
    bad = evenhand(service, "check", "--file", str(tmp_path / "bad.toml"))
    assert (bad.returncode, len(bad.stderr.splitlines())) == (2, 1)
    assert "site 'a'" in bad.stderr


def test_a_comment_can_be_sent_as_coral_would(service: Service) -> None:
    run = evenhand(service, "try", "--site", "reject", "--url", service.server.url)
    assert run.returncode == 0, run.stderr
    first, _, rest = run.stdout.partition("\n")
    assert first.startswith("200 in ")
    assert joi.accepted(json.loads(rest))["status"] == "REJECTED"
    assert "no opinion" in evenhand(service, "try", "--site", "accept", "--url", service.server.url).stdout
    refused = evenhand(service, "try", "--url", service.server.url, CORAL_SECRETS=FOREIGN)
    assert (refused.returncode, "401" in refused.stderr) == (2, True)
    nobody = evenhand(service, "try", "--url", "http://127.0.0.1:9")
    assert (nobody.returncode, "Coral would go on" in nobody.stderr) == (2, True)


# ----------------------------------------------------------------------- Coral's Perspective phase


def perspective(service: Service, method: str, body: dict[str, Any], key: str | None = None) -> httpx.Response:
    """As Coral calls it: the admin's endpoint, ours with `/v1alpha1`, and the key in the query."""
    return httpx.post(
        f"{service.server.url}/v1alpha1/comments:{method}",
        params={"key": service.key if key is None else key},
        headers={"User-Agent": "Coral Perspective/9.11.8", "Content-Type": "application/json"},
        content=json.dumps(body),
        timeout=60,
    )


def analysis(model: str, language: str = "en", do_not_store: bool = True) -> dict[str, Any]:
    return {
        "comment": {"text": RUDE},
        "doNotStore": do_not_store,
        "requestedAttributes": {model: {}},
        "languages": [language],
    }


@pytest.mark.parametrize("language", ["en", "es", "fr", "de", "pt"])
@pytest.mark.parametrize("model", ["TOXICITY", "SEVERE_TOXICITY", "REPORT_WORTHY", "INCIVILITY"])
def test_coral_finds_the_score_of_the_model_that_its_admin_typed(
    service: Service, model: str, language: str, scorer: Scorer
) -> None:
    answer = perspective(service, "analyze", analysis(model, language))
    assert answer.status_code == 200, answer.text
    scores = answer.json()["attributeScores"]
    assert list(scores) == [model]
    expected = scorer.score([RUDE])[0][model.lower()]
    assert scores[model]["summaryScore"]["value"] == pytest.approx(expected, abs=0.02)


def test_coral_is_refused_with_a_bad_key_or_model_and_goes_on(service: Service) -> None:
    assert perspective(service, "analyze", analysis("TOXICITY"), key="wrong").status_code == 400
    assert perspective(service, "analyze", analysis("NICENESS")).status_code == 400


@pytest.mark.parametrize(("value", "reply"), [(0, "c-1"), (1, None)])
def test_corals_feedback_becomes_a_label(service: Service, value: int, reply: str | None) -> None:
    text, url = f"{MARKED} {value}", f"https://news.example/a?commentID=c-{value}-2"
    about = {"url": url, "reply_to_id_Coral_comment_id": reply, "Coral_comment_id": f"c-{value}-2"}
    sent = {
        "comment": {"text": text},
        "context": {"entries": [{"text": json.dumps(about)}]},
        "attributeScores": {"REPORT_WORTHY": {"summaryScore": {"value": value}}},
        "languages": ["en"],
        "communityId": "Coral:https://news.example",
        "clientToken": f"comment:c-{value}-2",
    }
    answer = perspective(service, "suggestscore", sent)
    assert answer.status_code == 200, answer.text
    assert answer.json()["clientToken"] == sent["clientToken"]
    with service.store.session() as session:
        (row,) = session.scalars(select(Feedback).where(Feedback.text == text))
    assert (row.attribute, row.value, row.comment_id, row.reply_to) == ("REPORT_WORTHY", value, f"c-{value}-2", reply)
    assert (row.story_url, row.community_id) == (url, "Coral:https://news.example")
    assert row.client_token == sent["clientToken"]
    assert row.key_id
