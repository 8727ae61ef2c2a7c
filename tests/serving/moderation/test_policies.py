from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from serving import policy
from serving.moderation import audit, policies, sites
from serving.moderation.problems import ModerationError
from serving.moderation.sites import SiteError
from serving.moderation.tables import AuditEntry, Comment, Decision, Policy, PolicyState, Revision, RevisionScores
from serving.policy import Facts, PolicyError
from serving.store import Store

HOLD = '[[rules]]\nattribute = "insult"\nat_least = 0.5\naction = "hold" # as written\n'
FLAG = HOLD.replace("hold", "flag")


@pytest.fixture
def site(store: Store) -> str:
    with store.writing() as session:
        sites.put(session, "gazette", "The Gazette", None, "command")
        sites.put(session, "other", "The Other", None, "command")
    return "gazette"


def save(store: Store, site: str, source: str = HOLD, note: str | None = None) -> int:
    with store.writing() as session:
        return policies.save(session, site, source, actor="moderator:7", note=note).version


def put(store: Store, site: str, version: int, state: PolicyState) -> None:
    with store.writing() as session:
        policies.change(session, site, version, state, actor="moderator:7")


def states(store: Store, site: str) -> dict[int, str]:
    with store.session() as session:
        return {row.version: row.state for row in policies.versions(session, site)}


def test_versions_are_numbered_drafts_and_kept_word_for_word(store: Store, site: str) -> None:
    assert [save(store, site, note="first"), save(store, site, FLAG), save(store, "other")] == [1, 2, 1]
    with store.session() as session:
        latest, first = policies.versions(session, site)
        assert (latest.version, latest.source, first.source, first.note) == (2, FLAG, HOLD, "first")
        assert policies.find(session, site, 1).id == first.id
    assert states(store, site) == {1: "draft", 2: "draft"}


def test_one_version_is_live_and_one_in_shadow(store: Store, site: str) -> None:
    for _ in range(4):
        save(store, site)
    put(store, site, 1, "live")
    put(store, site, 2, "shadow")
    put(store, site, 3, "shadow")
    assert states(store, site) == {1: "live", 2: "draft", 3: "shadow", 4: "draft"}
    put(store, site, 3, "live")
    assert states(store, site) == {1: "retired", 2: "draft", 3: "live", 4: "draft"}
    put(store, site, 1, "live")  # back to the one before
    assert states(store, site) == {1: "live", 2: "draft", 3: "retired", 4: "draft"}
    put(store, site, 1, "retired")
    with store.session() as session:
        assert policies.live(session, site) == policies.Standing(policy.DEFAULT)


def test_every_change_is_in_the_audit_log(store: Store, site: str) -> None:
    save(store, site)
    save(store, site)
    put(store, site, 1, "live")
    put(store, site, 1, "live")  # nothing happens
    put(store, site, 2, "live")
    with store.session() as session:
        assert list(audit.verify(session)) == []
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.action.startswith("policy.")).order_by(AuditEntry.number)
        ).all()
        assert [(entry.action, entry.details) for entry in entries] == [
            ("policy.saved", {"version": 1}),
            ("policy.saved", {"version": 2}),
            ("policy.changed", {"version": 1, "from": "draft", "to": "live"}),
            ("policy.changed", {"version": 1, "from": "live", "to": "retired"}),
            ("policy.changed", {"version": 2, "from": "draft", "to": "live"}),
        ]
        assert {(entry.actor, entry.site_id) for entry in entries} == {("moderator:7", site)}


def test_what_cannot_be_is_refused_and_changes_nothing(store: Store, site: str) -> None:
    with pytest.raises(PolicyError, match="rule 1: attribute"):
        save(store, site, HOLD.replace("insult", "wit"))
    with pytest.raises(ModerationError, match="note: 501 characters"):
        save(store, site, note="a" * 501)
    with pytest.raises(SiteError, match="no site"):
        save(store, "nowhere")
    assert states(store, site) == {}
    save(store, site)
    put(store, site, 1, "live")
    with pytest.raises(ModerationError, match="version 1 is live; from there it can become retired"):
        put(store, site, 1, "shadow")
    with pytest.raises(ModerationError, match="has no version 2"):
        put(store, site, 2, "live")
    with pytest.raises(ModerationError, match="has no version 1"):
        put(store, "other", 1, "live")
    assert states(store, site) == {1: "live"}


def test_two_editors_at_once_leave_one_live_and_no_gap(store: Store, site: str) -> None:
    def edit(_: int) -> None:
        put(store, site, save(store, site), "live")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(edit, range(12)))
    found = states(store, site)
    assert sorted(found) == list(range(1, 13))
    assert sorted(found.values()) == ["live", *["retired"] * 11]


def test_the_live_version_decides_and_the_shadow_is_recorded(store: Store, site: str) -> None:
    facts = Facts(section="sport", links=1)
    with store.session() as session:
        default = policies.decide(session, site, {"report_worthy": 0.6, "insult": 0.6}, facts)
    assert (default.decision.action, default.policy_id, default.record["version"]) == ("hold", None, None)
    assert "shadow" not in default.record
    save(store, site, FLAG)
    save(store, site, HOLD)
    put(store, site, 1, "live")
    put(store, site, 2, "shadow")
    with store.session() as session:
        outcome = policies.decide(session, site, {"insult": 0.6}, facts)
        row = policies.find(session, site, 1)
    assert (outcome.decision.action, outcome.policy_id) == ("flag", row.id)
    assert json.loads(json.dumps(outcome.record)) == outcome.record
    assert (outcome.record["action"], outcome.record["version"]) == ("flag", 1)
    assert outcome.record["facts"] == {"section": "sport", "links": 1}
    shadow = outcome.record["shadow"]
    assert (shadow["version"], shadow["action"], shadow["why"], shadow["reasons"][0]["rule"]) == (2, "hold", "rule", 1)


def test_a_live_version_that_an_upgrade_broke_holds_everything_and_says_so(store: Store, site: str) -> None:
    save(store, site)
    save(store, site, FLAG)
    put(store, site, 1, "live")
    put(store, site, 2, "shadow")
    with store.writing() as session:
        session.execute(update(Policy).values(source=HOLD.replace("insult", "an_attribute_of_old")))
    with store.session() as session, capture_logs() as logs:
        outcome = policies.decide(session, site, {"insult": 0.1}, Facts())
    assert (outcome.decision.action, outcome.record["version"]) == ("hold", 1)
    assert "shadow" not in outcome.record
    assert {(line["event"], line["state"]) for line in logs} == {
        ("a policy is not valid any more", "live"),
        ("a policy is not valid any more", "shadow"),
    }
    put(store, site, 2, "draft")
    with pytest.raises(PolicyError, match="an_attribute_of_old"):
        put(store, site, 2, "live")
    assert states(store, site) == {1: "live", 2: "draft"}


def test_what_a_shadow_would_have_done_adds_up(store: Store, site: str) -> None:
    save(store, site, FLAG)
    save(store, site, HOLD)
    put(store, site, 1, "live")
    put(store, site, 2, "shadow")
    with store.writing() as session:
        for number, score in enumerate((0.9, 0.7, 0.1)):
            comment = Comment(site_id=site, external_id=f"c{number}")
            comment.revisions.append(Revision(number=1, text="A text."))
            comment.revisions[0].scores.append(RevisionScores(model="evenhand 1", scores={"insult": score}))
            session.add(comment)
            session.flush()
            outcome = policies.decide(session, site, {"insult": score}, Facts())
            session.add(
                Decision(
                    site_id=site, comment_id=comment.id, revision=1, actor="policy",
                    action=outcome.decision.action, policy_id=outcome.policy_id, rule=outcome.record,
                )
            )  # fmt: skip
    with store.session() as session:
        assert policies.shadowed(session, site, 2) == {("flag", "hold"): 2, ("accept", "accept"): 1}
        assert policies.shadowed(session, site, 1) == {}
        report = policies.backtest(session, site, HOLD.replace("0.5", "0.8"))
        assert report.matrix == {("flag", "hold"): 1, ("flag", "accept"): 1, ("accept", "accept"): 1}
        with pytest.raises(PolicyError):
            policies.backtest(session, site, "rules = 3")
        with pytest.raises(SiteError):
            policies.backtest(session, "nowhere", HOLD)
