"""The entire loop in browsers: a reader reports, a moderator decides, the page follows, the author appeals, and a label
is left.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests import databases
from tests.service import Server, running

QUESTION = "Unsuitable or offensive? Report this comment"
SOON = 60_000  # milliseconds; a page looks for news every three seconds, on a machine that may be busy


@pytest.fixture
def url(tmp_path: Path) -> str:
    return databases.fresh(tmp_path)


@pytest.fixture
def demo(tmp_path: Path, url: str) -> Iterator[Server]:
    with running(tmp_path / "log", "--demo", database_url=url) as server:
        last = f"{server.url}/v1/sites/demo/comments/c12"
        deadline = time.monotonic() + 60
        while httpx.get(last).status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.2)  # the newspaper sends its comments one by one
        yield server


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The browser, and afterwards without the pages of this test."""
    yield chromium
    for context in chromium.contexts:
        context.close()


def opened(browser: Browser, address: str) -> Page:
    """Somebody's browser, by itself."""
    page = browser.new_context(accept_downloads=True).new_page()
    page.set_default_timeout(30_000)
    page.goto(address)
    return page


def report(page: Page, comment: str, reason: str, details: str) -> None:
    page.locator(f"#{comment} > article").get_by_role("button", name=QUESTION).click()
    page.get_by_label(reason).check()
    page.get_by_label("Anything a moderator should know?").fill(details)
    page.get_by_role("button", name="Send report").click()
    expect(page.get_by_role("status").filter(has_text="Thank you.")).to_be_visible()
    page.get_by_role("button", name="Close").click()


def log_in(browser: Browser, demo: Server, name: str) -> Page:
    password = re.search(r"log in as demo or demo-editor, password (\S+)", demo.log.read_text())
    assert password
    page = opened(browser, f"{demo.url}/console/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password[1])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda address: "/login" not in address)
    return page


def labels(url: str, folder: Path) -> list[dict[str, object]]:
    command = [
        sys.executable,
        "-c",
        "from serving.cli import app; app()",
        "labels",
        "export",
        str(folder / "labels.jsonl"),
    ]
    subprocess.run(command, check=True, env=os.environ | {"EVENHAND_DATABASE_URL": url}, timeout=120)
    return [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_report_goes_all_the_way(browser: Browser, demo: Server, url: str, tmp_path: Path) -> None:
    # A reader reports two comments: one that insults, one that is only sarcastic.
    reader = opened(browser, f"{demo.url}/demo")
    insult = reader.locator("#c04 > article")
    expect(insult).to_contain_text("pathetic old fool")
    report(reader, "c12", "Something else", "I do not like it.")
    report(reader, "c04", "It insults or harasses someone", "He does this to Derek every day.")
    expect(insult).to_contain_text("pathetic old fool")  # nothing is hidden by a report

    # A moderator finds the insult on top of the queue, with its reasons, and decides without touching a mouse.
    moderator = log_in(browser, demo, "demo")
    moderator.goto(f"{demo.url}/console/queue")
    cases = moderator.locator("ol.cases > li")
    expect(cases.first).to_contain_text("pathetic old fool")
    expect(cases.filter(has_text="temporary traffic lights")).to_have_count(1)
    moderator.keyboard.press("s")
    moderator.wait_for_url("**/console/cases/*")
    expect(moderator.get_by_label("The comment of this case")).to_contain_text("pathetic old fool")
    expect(moderator.get_by_text("He does this to Derek every day.")).to_be_visible()
    moderator.keyboard.press("r")
    moderator.keyboard.press("2")
    expect(moderator.get_by_text("pathetic old fool")).to_have_count(0)  # the next case is there at once

    # The article that the reader has open hides the comment, told by the webhook.
    expect(insult).to_have_text("A comment was removed by the moderators.", timeout=SOON)
    expect(reader.get_by_role("heading", name="Readers’ comments")).to_contain_text("(11)")

    # Its author reads why, takes the statement of reasons home, and appeals.
    author = opened(browser, f"{demo.url}/demo")
    expect(author.locator("#c04 > article")).not_to_contain_text("pathetic")
    author.get_by_label("You are reading as").select_option("bluntspeaker")
    author.get_by_role("button", name="Change").click()
    own = author.locator("#c04 > article")
    expect(own).to_contain_text("Your comment was removed, because it insults or harasses somebody.")
    with author.expect_download() as downloading:
        own.get_by_role("link", name="Download the statement of reasons").click()
    statement = Path(downloading.value.path()).read_text(encoding="utf-8")
    assert downloading.value.suggested_filename == "statement-of-reasons-c04.txt"
    assert "insults or harasses somebody" in statement
    assert "pathetic" not in statement
    own.get_by_text("Appeal against this decision").click()
    own.get_by_label("Why should it be shown again?").fill("Derek and I have been friends for forty years.")
    own.get_by_role("button", name="Send appeal").click()
    expect(own).to_contain_text("You have appealed.")

    # The decision has left a label.
    [row] = [row for row in labels(url, tmp_path) if "pathetic old fool" in str(row["text"])]
    assert (row["decision"], row["provenance"]) == ("rejected", "live")

    # An editor lets the author win, and the article shows the comment again.
    moderator.goto(f"{demo.url}/console/appeals")
    expect(moderator.get_by_text("An editor or admin decides this.")).to_be_visible()
    editor = log_in(browser, demo, "demo-editor")
    editor.goto(f"{demo.url}/console/appeals")
    expect(editor.get_by_text("Derek and I have been friends for forty years.")).to_be_visible()
    editor.get_by_role("button", name="Overturn it").click()
    expect(editor.get_by_text("No appeal is open.")).to_be_visible()
    expect(insult).to_contain_text("pathetic old fool", timeout=SOON)
    expect(insult.get_by_role("button", name=QUESTION)).to_be_visible()
    [row] = [row for row in labels(url, tmp_path) if "pathetic old fool" in str(row["text"])]
    assert (row["decision"], row["provenance"]) == ("accepted", "appeal")


def test_an_author_rewords_before_anybody_is_asked(browser: Browser, demo: Server) -> None:
    page = opened(browser, f"{demo.url}/demo")
    box = page.get_by_label("Your comment, as Mina Farrow")
    box.fill("Only an idiot could write this.")
    page.get_by_role("button", name="Post comment").click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody may take this for an insult.")
    expect(box).to_have_value("Only an idiot could write this.")
    assert httpx.get(f"{demo.url}/v1/queue", params={"site": "demo"}).text.count("Only an idiot") == 0
    box.fill("I think that the map leaves out half of the harbour.")
    page.get_by_role("button", name="Post").click()
    posted = page.locator("li", has_text="the map leaves out half").last
    expect(posted).to_contain_text("just now")
    expect(posted.get_by_role("button", name=QUESTION)).to_be_visible()

    # Posted as it is, it waits; featured by a moderator, it is shown with praise.
    box.fill("Only an idiot could write this.")
    page.get_by_role("button", name="Post comment").click()
    page.get_by_role("button", name="Post").click()
    waiting = page.locator("li", has_text="Only an idiot").last
    expect(waiting).to_contain_text("Your comment waits for a moderator.")
    cases = httpx.get(f"{demo.url}/v1/queue", params={"site": "demo"}).json()["cases"]
    [case] = [case for case in cases if case["comment"]["text"] == "Only an idiot could write this."]
    answer = httpx.post(f"{demo.url}/v1/cases/{case['id']}/decision", json={"verdict": "feature", "moderator": "demo"})
    assert answer.status_code == 200, answer.text
    expect(waiting).to_contain_text("The Courier’s pick", timeout=SOON)
