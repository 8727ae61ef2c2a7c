from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from serving.moderation.tables import PolicyState
from serving.policy import DEFAULT, parse
from serving.policy.backtest import ACTIONS
from serving.policy.facts import PHRASES
from serving.policy.file import File
from serving.policy.rules import Rule

GUIDE = (Path(__file__).parents[3] / "docs" / "policy.md").read_text(encoding="utf-8")


def test_every_key_action_and_state_is_in_the_guide() -> None:
    rows = "".join(line for line in GUIDE.splitlines() if line.startswith("| "))
    keys = {*PHRASES, *ACTIONS, *(set(Rule.model_fields) - {"author", "story"})}
    for name in keys:
        assert f"`{name}`" in rows, name
    for state in get_args(PolicyState):
        assert f"| {state} |" in rows, state
    assert "allow_machine_removal" in File.model_fields
    assert "`allow_machine_removal = true`" in rows


def test_the_policy_in_the_guide_stands() -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert set(parse(block).sections) == {"obituaries"}


def test_the_guide_says_what_the_default_does() -> None:
    hold, flag = DEFAULT.rules
    assert f"`report_worthy` at least {hold.at_least:g} are held" in GUIDE.replace("\n", " ")
    assert f"from {flag.at_least:g} are flagged" in GUIDE.replace("\n", " ")
