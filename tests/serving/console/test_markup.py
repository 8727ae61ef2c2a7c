"""Markup in every column of the database that holds text, and every page that shows any of it: it stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser
from sqlalchemy import Column, String, cast, func, literal, select, update

from serving import keys
from serving.moderation import appeals, audit, decisions, hooks, logins, moderators, policies, sites
from serving.moderation.decisions import By
from serving.moderation.sites import SiteSettings
from serving.moderation.tables import Case, Comment, Decision, Model, Moderator, Report
from serving.scorer import Scorer
from serving.store import Base, Feedback, Store
from tests import databases
from tests.service import running
from tests.serving.console.browsing import NAMES, make_accounts
from tests.serving.console.newsroom import fill
from tests.serving.console.test_routes import RULES

# Columns that hold no words of anybody: the service makes what is in them, or takes nothing but a word from a list.
OURS = {
    "api_keys": {"id", "sha256"},
    "appeals": {"id", "state"},
    "audit": {"actor", "action", "subject", "site_id", "hash"},  # its details are filled below, as it cannot be changed
    "cases": {"id", "origin"},
    "comments": {"state"},
    "decisions": {"id", "actor", "key_id", "action", "reason", "bulk_id"},
    "deliveries": {"id", "event", "problem"},
    "feedback": {"attribute", "key_id"},
    "hooks": {"id"},
    "logins": {"sha256", "csrf"},
    "models": {"sha256", "state"},
    "moderators": {"password_hash", "role"},
    "policies": {"state", "source"},  # a source is filled below, as it has to be one
    "reports": {"reason"},
    "revisions": {"language"},  # at most 16 characters
    "secrets": {"name"},
    "sites": {"id"},  # a-z, 0-9 and hyphens
}
# What pages show; all else is looked at by nobody, or shown by its number.
SHOWN = {
    "appeals.note", "appeals.text", "audit.details", "authors.name", "cases.explanation", "decisions.law",
    "decisions.note", "decisions.rule", "moderators.name", "policies.note", "policies.source", "reports.details",
    "reports.notice", "revisions.text", "scores.model", "sites.name", "sites.settings", "stories.section",
    "stories.title", "stories.url",
}  # fmt: skip
MARKUP = "<script>ran=1</script><img src=x onerror=ran=1>\"'{{7919*7907}}"
RULE = '''
[[rules]]
attribute = "report_worthy"
at_least = 0.4
action = "hold"
reason = """policies.source <script>ran=1</script><img src=x onerror=ran=1>"""
'''


def nasty(name: str) -> str:
    return f"{name} {MARKUP}"


def texts() -> list[Column[str]]:
    """The columns that hold people's words."""
    return [
        column
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, String) and not column.foreign_keys and column.name not in OURS.get(table.name, ())
    ]


@dataclass(frozen=True)
class Infested:
    """A newsroom in which every text is markup, someone's cookie, and the pages to look at."""

    url: str
    cookie: str
    pages: tuple[str, ...]


def add_what_is_missing(store: Store) -> str:
    """What the newsroom has not: an appeal, a policy, a hook, a key, a model, feedback. The id of a removal."""
    settings = SiteSettings(
        terms_url=f"https://x.example/{MARKUP}", legal_ground=nasty("sites.settings"), redress=nasty("sites.settings")
    )
    keys.create(store, "x", ["score"], 0)
    with store.writing() as session:
        sites.put(session, "courier", "x", settings, "command")
        admin = session.scalars(select(Moderator).where(Moderator.name == NAMES["admin"])).one()
        comment = session.scalars(select(Comment).where(Comment.external_id == "c1")).one()
        assert comment.author and comment.author.external_id
        by = By("moderator", admin.id)
        made = decisions.decide_comment(session, comment, "remove", by, reason="illegal", note="x", law="x")
        appeals.file(session, made, comment.author.external_id, "x", "key:x").note = "x"
        row = policies.save(session, "courier", f"# {nasty('policies.source')}\n{RULE}", actor="command", note="x")
        policies.change(session, "courier", row.version, "shadow", actor="command")
        hooks.add(session, "courier", "https://news.example/hook", [], "local", "command")
        session.add(Model(path="x", name="x", sha256="x", state="retired"))
        session.add(Feedback(text="x", attribute="TOXICITY", value=1, languages=[]))
        details = {nasty("audit.details"): nasty("audit.details")}
        audit.append(session, "command", "site.changed", "site:courier", site="courier", details=details)
        return made.id


def infest(store: Store) -> None:
    """Puts markup into every text that there is."""
    with store.writing() as session:
        for column in texts():
            table = column.table
            [key] = table.primary_key.columns  # which keeps apart what must not be the same twice
            prefix = "https://x.example/" if column.name == "url" else ""
            value = literal(f"{prefix}{nasty(str(column))} ", String) + cast(key, String)
            session.execute(update(table).values({column: value}))
            assert session.scalar(select(func.count()).select_from(table)), f"nothing is in {table.name}"
        for report in session.scalars(select(Report).where(Report.reason == "illegal")):
            report.notice = dict.fromkeys(report.notice or {}, nasty("reports.notice"))
        for case in session.scalars(select(Case)):
            case.explanation = [[nasty("cases.explanation"), 0.5]]
        reason = {"rule": 1, "action": "hold", "attribute": "insult", "score": 0.5, "threshold": 0.4, "facts": {}}
        for decision in session.scalars(select(Decision).where(Decision.actor == "policy")):
            reason |= {"reason": nasty("decisions.rule"), "section": nasty("decisions.rule")}
            decision.rule = {"action": "hold", "why": "rule", "reasons": [reason]}


@pytest.fixture(scope="module")
def infested(tmp_path_factory: pytest.TempPathFactory, scorer: Scorer) -> Iterator[Infested]:
    folder = tmp_path_factory.mktemp("markup")
    url = databases.fresh(folder)
    with running(folder / "log", database_url=url) as server:
        store = Store(url)
        make_accounts(store)
        fill(store, scorer)
        with store.writing() as session:
            cookie = logins.start(session, moderators.find(session, NAMES["admin"]))
        removal = add_what_is_missing(store)
        infest(store)
        with store.session() as session:
            every = list(session.scalars(select(Case.id).order_by(Case.opened_at)))
            cases = every[:3] + every[-9:]  # decided and open ones
        store.close()
        plain = [path for method, path in RULES if method == "GET" and "{" not in path]
        yield Infested(server.url, cookie, (
            *plain,
            *(f"/console/cases/{case}" for case in cases),
            f"/console/cases/{cases[-1]}?explain=insult",
            "/console/appeals?decided", "/console/good?featured", "/console/insights?site=courier",
            "/console/batch?site=courier&from=0&to=1", "/console/policy?site=courier&version=1",
            f"/v1/decisions/{removal}/statement?format=html",
        ))  # fmt: skip


def test_every_column_of_text_is_known() -> None:
    """One that is new is filled, or has its reason above for not being."""
    assert {
        name for table, names in OURS.items() for name in names if name not in Base.metadata.tables[table].c
    } == set()
    assert all((column.type.length or 1000) >= 100 for column in texts())  # type: ignore[attr-defined]


def test_what_people_write_is_text_on_every_page(infested: Infested, chromium: Browser) -> None:
    context = chromium.new_context(base_url=infested.url)
    context.add_cookies([{"name": "evenhand", "value": infested.cookie, "url": infested.url}])
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("pageerror", lambda error: said.append(str(error)))
    seen: set[str] = set()
    for path in infested.pages:
        answer = page.goto(path)
        assert answer and answer.status == 200, path
        page.wait_for_load_state("networkidle")  # an image that fails does so after the page
        seen |= set(re.findall(r"([a-z_]+\.[a-z_]+) &lt;script&gt;ran=1&lt;/script&gt;", answer.text()))
        assert page.evaluate("typeof ran") == "undefined", path
        assert page.locator("img[src=x], main script, [onerror]").count() == 0, path
        assert page.locator("[href^='javascript']").count() == 0, path
        assert "62615533" not in page.locator("body").inner_text(), path
    assert said == []  # what the content security policy stopped would be here
    assert seen == SHOWN
    context.close()
