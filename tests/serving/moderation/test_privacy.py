from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from serving.moderation import appeals, audit, decisions, keeping, privacy, webhooks
from serving.moderation.tables import (
    Appeal,
    AuditEntry,
    Author,
    Case,
    Comment,
    Decision,
    Delivery,
    Report,
    Revision,
    Story,
)
from serving.store import Feedback, Store, now
from tests import databases
from tests.service import running
from tests.serving.moderation.calls import call
from tests.serving.moderation.conftest import Service
from tests.serving.moderation.test_decisions import KEY, decided, hook
from tests.serving.moderation.world import World

PERSON, NAME = "person-8c1f4a", "Person-8C1F4A"  # what World makes of an id
SECRET = "my confession 77e1b0"


def reachable(store: Store, *needles: str) -> list[str]:
    """Which of them the database's files or dump still hold."""
    content = databases.content(store.engine.url.render_as_string(hide_password=False))
    return [needle for needle in needles if needle.encode() in content]


def populated(world: World) -> dict[str, str]:
    """Comments of many, and of one person who has it all: revisions, reports, decisions, appeals."""
    for number in range(60):
        mine = number % 5 == 0
        text = f"{SECRET} {number} " + "word " * (number * 7 % 150)
        case = world.case(
            f"c{number}", author=PERSON if mine else f"other{number}", text=text if mine else "x" * number
        )
    with world.store.writing() as session:
        for comment in session.query(Comment).filter(Comment.external_id.in_(["c0", "c5"])):
            comment.revision = 2
            session.add(Revision(comment_id=comment.id, number=2, text=f"{SECRET} reworded", digest=b"1" * 32))
        theirs = session.query(Report).join(Comment, Comment.id == Report.comment_id).join(Author)
        for report in theirs.filter(Author.external_id == PERSON):
            report.details = f"He says: {SECRET}"
            report.notice = {"explanation": SECRET}
        session.add(Feedback(text=f"{SECRET} 10 " + "word " * (70 % 150), attribute="TOXICITY", value=1, languages=[]))
        session.add(Feedback(text="of somebody else", attribute="TOXICITY", value=1, languages=[]))
    hook(world.store)
    with world.store.writing() as session:
        made = {}
        for external in ("c10", "c15", "c20"):
            comment = world.row(session, external)
            note = f"again {SECRET}"
            made[external] = decisions.decide_comment(session, comment, "remove", KEY, reason="abusive", note=note).id
        told = {"who": {"id": PERSON, "ids": [PERSON, "c10"]}}
        webhooks.enqueue(session, world.site, "case.opened", told)
    for external in ("c10", "c15"):
        with world.store.writing() as session:
            appeal = appeals.file(session, session.get_one(Decision, made[external]), PERSON, SECRET, "key:1")
            if external == "c15":
                appeals.decide(session, appeal, "upheld", KEY, f"no: {SECRET}")
    assert case
    return made


def test_an_erased_author_is_nowhere_to_be_found(world: World) -> None:
    made = populated(world)
    with world.store.session() as session:
        before = session.query(Decision).count()
    assert reachable(world.store, PERSON, NAME, SECRET) == [PERSON, NAME, SECRET]
    with world.store.writing() as session:
        erased = privacy.erase(session, world.site, "author", PERSON, "key:ab12")
    assert (erased.persons, erased.texts, erased.appeals) == (1, 14, 2)
    world.store.forget()
    assert reachable(world.store, PERSON, NAME, SECRET) == []
    assert reachable(world.store, "other1", "of somebody else") == ["other1", "of somebody else"]
    with world.store.session() as session:
        assert session.query(Decision).count() == before
        assert session.get_one(Decision, made["c10"]).reason == "abusive"
        assert [row.state for row in session.query(Appeal)] == ["upheld"]  # the open one is nobody's any more
        assert list(audit.verify(session)) == []
        last = session.query(AuditEntry).order_by(AuditEntry.number.desc()).first()
        assert last and last.action == "author.erased"
        author = session.query(Author).filter(Author.erased_at.is_not(None)).one()
        assert last.subject == f"author:{author.id}"
        waiting = session.query(Case).join(Comment).filter(Comment.author_id == author.id, Case.closed_at.is_(None))
        assert waiting.count() == 0
        assert session.query(Case).filter(Case.closed_at.is_(None)).count() == 48
        bodies = [row.body for row in session.query(Delivery)]
        assert {"who": {"id": None, "ids": [None, "c10"]}} in bodies
    with world.store.writing() as session:
        assert privacy.erase(session, world.site, "author", PERSON, "key:ab12") == privacy.Erased()


def test_an_erased_reporter_is_nowhere_to_be_found_and_the_reports_still_count(world: World) -> None:
    case = world.case("c", PERSON, "ron")
    with world.store.writing() as session:
        report = session.query(Report).order_by(Report.id).first()
        assert report
        report.details, report.notice = SECRET, {"name": NAME, "email": f"{PERSON}@example.org"}
    with world.store.writing() as session:
        assert privacy.erase(session, world.site, "reporter", PERSON, "local") == privacy.Erased(1, 0, 1, 0)
    world.store.forget()
    assert reachable(world.store, PERSON, NAME, SECRET) == []
    decided(world, case, "remove")
    with world.store.session() as session:
        assert [row.upheld for row in session.query(Report)] == [True, True]
        assert [row.notice for row in session.query(Report)] == [None, None]
    # Somebody who is known again later is somebody new.
    world.report(world.comment(), PERSON)


def test_a_person_of_the_same_id_elsewhere_stays(world: World) -> None:
    other = World.made(world.store, "weekly")
    world.comment("c", author=PERSON)
    other.comment("c2", author=PERSON, text="of another site")
    with world.store.writing() as session:
        privacy.erase(session, world.site, "author", PERSON, "local")
    with world.store.session() as session:
        assert session.query(Revision.text).join(Comment).filter(Comment.site_id == "weekly").scalar()
        assert session.query(Author).filter_by(external_id=PERSON).count() == 1


def suggest(world: World, text: str, **more: str) -> None:
    with world.store.writing() as session:
        session.add(Feedback(text=text, attribute="TOXICITY", value=1, languages=[], **more))


def test_suggested_scores_of_a_comment_of_the_same_id_elsewhere_stay(world: World) -> None:
    other = World.made(world.store, "weekly")
    for place, author, text in ((world, PERSON, "Mine."), (other, PERSON, "Another's."), (other, "bo", "I agree.")):
        with place.store.writing() as session:
            session.query(Story).filter_by(site_id=place.site).one().url = f"https://{place.site}.example/road/"
        place.comment("c1" if author == PERSON else "c2", author=author, text=text)
    world.comment("c3", author=PERSON, text="I agree.")
    suggest(world, "Mine.", comment_id="c1")
    suggest(world, "Mine.")
    suggest(world, "Mine.", comment_id="of another system")
    suggest(world, "Cut, and nobody knows whose.", comment_id="c1")
    suggest(world, "Cut, on my page.", comment_id="c1", story_url="https://daily.example/road?commentID=c1")
    suggest(world, "Cut, and only I have the id.", comment_id="c3")
    suggest(world, "I agree.")
    kept = ["Another's.", "Cut, on another page.", "I agree."]
    suggest(world, kept[0], comment_id="c1")
    suggest(world, kept[1], comment_id="c1", story_url="https://weekly.example/road?commentID=c1#top")
    suggest(world, kept[2], comment_id="c2")
    with world.store.writing() as session:
        privacy.erase(session, world.site, "author", PERSON, "local")
    with world.store.session() as session:
        assert [row.text for row in session.query(Feedback).order_by(Feedback.id)] == kept
    with world.store.writing() as session:  # whoever is left has them
        privacy.erase(session, other.site, "author", PERSON, "local")
        assert [row.text for row in session.query(Feedback)] == kept[2:]


def test_what_is_held_on_somebody_is_exported(world: World) -> None:
    populated(world)
    with world.store.session() as session:
        found = privacy.export(session, world.site, "author", PERSON)
        assert found and len(found["comments"]) == 12
        by_id = {comment["id"]: comment for comment in found["comments"]}
        assert [revision["text"] for revision in by_id["c0"]["revisions"]][1] == f"{SECRET} reworded"
        assert by_id["c0"]["revisions"][0]["scores"]["evenhand-minilm 0.2.0"]["report_worthy"] == 0.8
        assert by_id["c10"]["decisions"][0]["appeal"]["text"] == SECRET
        assert by_id["c10"]["decisions"][0]["note"] == f"again {SECRET}"
        assert "rita" not in str(found)  # who reported is another's data
        reporter = privacy.export(session, world.site, "reporter", "rita")
        assert reporter and len(reporter["reports"]) == 60
        assert privacy.export(session, world.site, "author", "nobody") is None


def aged(world: World, days: int) -> None:
    """All that has been written so far is that much older."""
    with world.store.writing() as session:
        for kind, column in ((Revision, "created_at"), (Report, "at"), (Decision, "at"), (Appeal, "at")):
            for row in session.query(kind):
                setattr(row, column, getattr(row, column) - timedelta(days=days))


def texts(world: World) -> dict[str, str | None]:
    with world.store.session() as session:
        rows = session.query(Comment.external_id, Revision.text).join(Revision)
        return dict(rows.filter(Comment.site_id == world.site).all())


def test_old_texts_are_forgotten_unless_they_are_needed(store: Store) -> None:
    world = World.made(store, "kept-a-year", retention_days=365, appeal_days=400)
    forever = World.made(store, "kept")
    forever.comment("f")
    for name in ("plain", "kept", "removed", "undone", "appealed", "upheld"):
        world.comment(name)
    world.case("open")
    decided(world, world.report("kept"), "keep")
    with store.writing() as session:
        made = {
            name: decisions.decide_comment(session, world.row(session, name), "remove", KEY, reason="spam", note="n").id
            for name in ("removed", "undone", "appealed", "upheld")
        }
    with store.writing() as session:
        decisions.undo(session, session.get_one(Decision, made["undone"]), KEY)
        for name in ("appealed", "upheld"):
            appeal = appeals.file(session, session.get_one(Decision, made[name]), "ann", "Why?", "local")
            if name == "upheld":
                appeals.decide(session, appeal, "upheld", KEY)
    aged(world, 380)
    world.comment("new")
    assert keeping.forget(store, "retention") == {"kept-a-year": 4}
    left = {name for name, text in texts(world).items() if text}
    assert left == {"open", "removed", "appealed", "new"}
    assert texts(forever) == {"f": "You absolute clown, resign."}
    with store.session() as session:
        notes = {row.id: row.note for row in session.query(Decision)}
        assert [notes[made[name]] for name in ("removed", "undone", "appealed", "upheld")] == ["n", None, "n", None]
        assert [row.text for row in session.query(Appeal).order_by(Appeal.at)] == ["Why?", None]
    aged(world, 30)  # the time to appeal is over
    assert keeping.forget(store, "retention") == {"kept-a-year": 1}
    assert keeping.forget(store, "retention") == {}
    with store.session() as session:
        assert list(audit.verify(session)) == []


def test_many_are_forgotten_in_small_steps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.made(store, "kept-a-day", retention_days=1)
    for _ in range(7):
        world.comment()
    aged(world, 2)
    with store.writing() as session:
        site = world.site_row(session)
        assert [privacy.retain(session, site, now(), limit=3) for _ in range(4)] == [3, 3, 1, 0]


def test_over_http(served: Service) -> None:
    world = served.world()
    world.comment("c", author=PERSON, text=SECRET)
    world.report("c", "rita|ä")
    path = f"/v1/sites/{world.site}/authors/{PERSON}"
    assert served.call("GET", path + "/export")["comments"][0]["revisions"][0]["text"] == SECRET
    assert served.call("DELETE", path) == {"persons": 1, "texts": 1, "reports": 0, "appeals": 0}
    assert served.call("DELETE", path) == {"persons": 0, "texts": 0, "reports": 0, "appeals": 0}
    assert reachable(served.store, PERSON, SECRET) == []
    served.call("GET", path + "/export", status=404)
    served.call("GET", f"/v1/sites/nowhere/authors/{PERSON}/export", status=404)
    reporter = f"/v1/sites/{world.site}/reporters/rita%7C%C3%A4"
    assert served.call("GET", reporter + "/export")["reports"][0]["comment"] == "c"
    assert served.call("DELETE", reporter)["persons"] == 1


def test_the_file_is_rewritten_while_others_write(tmp_path: Path) -> None:
    url = databases.fresh(tmp_path)
    with running(tmp_path / "log", database_url=url) as server:
        store = Store(url)
        store.open()
        world = World.made(store)
        for number in range(5):
            world.comment(f"c{number}", author=f"{PERSON}-{number}", text=SECRET)
            call(server, "PUT", "/v1/sites/daily", {"name": f"Day {number}"})
            call(server, "DELETE", f"/v1/sites/daily/authors/{PERSON}-{number}")
        assert reachable(store, PERSON, SECRET) == []
        store.close()
