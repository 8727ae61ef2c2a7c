"""Docs are held to the code: settings, endpoints, attributes, errors; and the README's commands run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from labels import taxonomy
from serving.api import create_app
from serving.artifact import Artifact
from serving.dialects import openai
from serving.dialects.perspective import names
from serving.metrics import Metrics
from serving.moderation import webhooks
from serving.moderation.reasons import REASONS
from serving.moderation.sites import SiteSettings
from serving.schemas import ItemError
from serving.settings import Settings
from tests.service import Server
from training.card import COMMANDS as MEASUREMENTS
from training.card import CardError, card, read

ROOT = Path(__file__).parents[1]
UNSET = {"model": "the model that ships", "public_url": "as the client asked", "coral": "no site"}  # shown for None
DOCS = ROOT / "docs"


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_setting_is_in_the_operators_table_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `EVENHAND_(\w+)` \| (.+?) \|", text("docs/operators.md"), re.MULTILINE))
    assert {name.lower() for name in rows} == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        shown = rows[name.upper()].strip("`")
        assert shown == UNSET.get(name, str(field.default))


def test_every_endpoint_is_documented() -> None:
    guide = text("docs/integrators.md")
    for path, methods in create_app(Settings()).openapi()["paths"].items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in guide
    assert "`GET /docs`" in guide


def test_every_error_code_is_documented() -> None:
    guide = text("docs/integrators.md")
    codes = set(re.findall(r'"([a-z_]+)"', str(ItemError.model_fields["code"].annotation).replace("'", '"')))
    for module in (ROOT / "serving").rglob("*.py"):
        codes |= set(re.findall(r'ApiError\(\s*\d+,\s*"([a-z_]+)"', module.read_text(encoding="utf-8")))
    assert {"empty_text", "not_ready", "body_too_large", "invalid_json", "internal_error", "busy"} <= codes
    for code in codes:
        assert f"`{code}`" in guide, code


def test_every_problem_of_moderation_is_documented() -> None:
    guide = text("docs/integrators.md")
    for module in (ROOT / "serving/moderation").rglob("*.py"):
        for code in re.findall(r'conflict\(\s*"([a-z_]+)"', module.read_text(encoding="utf-8")):
            assert f"`{code}`" in guide, code
        for thing in re.findall(r'missing\(\s*"([a-z_]+)"', module.read_text(encoding="utf-8")):
            assert f"`unknown_{thing}`" in guide, thing


def test_every_event_is_documented() -> None:
    for event in webhooks.EVENTS:
        assert f"`{event}`" in text("docs/integrators.md")


def test_every_setting_of_a_site_is_in_its_table() -> None:
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.+?) \|", text("docs/operators.md"), re.MULTILINE))
    for name, field in SiteSettings.model_fields.items():
        default = "everywhere" if name == "territories" else "none" if field.default is None else str(field.default)
        assert rows[name].strip("`") == default


def test_every_reason_is_in_the_table_with_what_the_dsa_calls_it() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| ([A-Z_]+) \| ([A-Z_]*) ?\|", text("docs/dsa.md"), re.MULTILINE)
    assert rows == [
        (code, reason.category.removeprefix("STATEMENT_CATEGORY_"), (reason.keyword or "").removeprefix("KEYWORD_"))
        for code, reason in REASONS.items()
    ]


def test_every_metric_is_documented() -> None:
    guide = text("docs/operators.md")
    for metric in Metrics().registry.collect():
        name = metric.name + ("_total" if metric.type == "counter" else "")
        assert re.search(rf"`{name}[{{`]", guide), name


def test_every_perspective_name_is_in_the_mapping() -> None:
    guide = text("docs/perspective.md")
    for name in (*names.UNCOVERED, *(wire for a in taxonomy.load().attributes for wire in a.perspective)):
        assert f"`{name}`" in guide, name


def test_every_openai_category_is_in_the_mapping() -> None:
    rows = dict(re.findall(r"^\| `([a-z/]+)` \| `([a-z_]+)` \|", text("docs/integrators.md"), re.MULTILINE))
    assert rows == {category: a.name for a in taxonomy.load().attributes for category in a.openai}
    for category in openai.CATEGORIES:
        assert f"`{category}`" in text("docs/integrators.md")


@pytest.mark.parametrize("guide", ["docs/moderators.md", "model_card.md"])
def test_every_attribute_is_explained(guide: str) -> None:
    for name in taxonomy.load().names:
        assert f"`{name}`" in text(guide)


def test_links_between_documents_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *DOCS.glob("*.md"), *(ROOT / "labels").glob("*.md"), *(ROOT / "deploy").glob("*.md")]
    for page in pages:
        for target, anchor in re.findall(r"\]\(([^)#:]*)#?([^):]*)\)", page.read_text(encoding="utf-8")):
            there = page.parent / target if target else page
            assert there.exists(), f"{page.name}: {target}"
            if anchor:
                assert anchor in anchors(there), f"{page.name}: {target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links: small letters, hyphens for spaces, nothing else."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_card_is_what_its_inputs_give() -> None:
    found = read(DOCS / "evaluation")
    assert set(found) == set(MEASUREMENTS)
    assert text("model_card.md") == card(found, Artifact.load(), taxonomy.load(), "docs/evaluation")


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_the_card_takes_no_results_of_another_model(name: str) -> None:
    found = read(DOCS / "evaluation")
    found[name] = found[name] | {"manifest_sha256": "0" * 64}
    with pytest.raises(CardError, match=rf"^{name}\.json is of the manifest 0{{12}}.*{re.escape(MEASUREMENTS[name])}"):
        card(found, Artifact.load(), taxonomy.load(), "docs/evaluation")


def test_the_card_needs_an_evaluation() -> None:
    with pytest.raises(CardError, match=r"training\.evaluate"):
        card({}, Artifact.load(), taxonomy.load(), "docs/evaluation")


# README: each ```console block is commands behind "$ " with their real output below.
BLOCKS = re.findall(r"^```console\n(.*?)^```", text("README.md"), re.MULTILINE | re.DOTALL)
COMMANDS = [
    (command.replace("\\\n", " "), output)
    for block in BLOCKS
    for command, output in re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    if not command.startswith(("make", "git", "cd"))
]


def masked(output: str) -> str:
    """Without digits and widths: int8 scores differ in the last place between processors."""
    return re.sub(r"[\s─]+", " ", re.sub(r"\d+", "0", output)).strip()


def test_the_readme_has_commands_to_run() -> None:
    assert any(command.startswith("evenhand score") for command, _ in COMMANDS)
    assert any(command.startswith("curl") for command, _ in COMMANDS)


@pytest.mark.parametrize(("command", "output"), COMMANDS, ids=[command[:40] for command, _ in COMMANDS])
def test_the_readmes_commands_print_what_it_says(command: str, output: str, server: Server) -> None:
    entry = f"{shlex.quote(sys.executable)} -c 'from serving.cli import app; app()'"
    program = command.replace("http://127.0.0.1:8000", server.url)
    program = re.sub(r"^evenhand", lambda _: entry, program)
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}
    run = subprocess.run(program, shell=True, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=120)
    assert run.returncode == 0, run.stderr
    assert masked(run.stdout) == masked(output)
