from __future__ import annotations

import json
import time
from pathlib import Path

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient

from serving.api import create_app
from serving.dialects.coral import signature
from serving.scorer import Scorer
from serving.settings import Settings
from tests.serving.dialects.coral.calls import (
    CALM,
    FLAG,
    FOREIGN,
    MARKED,
    OLD,
    RUDE,
    SECRET,
    SITES,
    Service,
    ask,
    assert_error,
    opinion,
    post,
    request_body,
)


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
    linked = f'{CALM} <a href="http://a.example">One</a>, <a href="http://b.example">two</a>.'
    assert opinion(ask(service, linked, "facts"))[0]["status"] == "SYSTEM_WITHHELD"


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
