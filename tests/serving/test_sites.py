from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

from serving import policy
from serving.api import create_app
from serving.settings import Settings
from serving.sites import Sites, SitesError, Table

ROOT = Path(__file__).parents[2]
SECRET = "empsec_" + "0a" * 32
OTHER = "empsec_" + "1b" * 32
DEFAULT = f'[default]\nsecrets = ["{SECRET}"]\n'


def load(tmp_path: Path, text: str, variables: Mapping[str, str] | None = None, strict: bool = True) -> Sites:
    path = tmp_path / "coral.toml"
    path.write_text(text, encoding="utf-8")
    return Sites.load(path, strict=strict, variable=(variables or {}).get)


def test_no_file_is_no_site() -> None:
    assert Sites.load(None).find("any") is None


def test_the_example_loads() -> None:
    sites = Sites.load(ROOT / "docs" / "examples" / "coral.toml")
    assert sites.default is not None
    (listed,) = sites.listed.values()
    assert listed.secrets == sites.default.secrets
    assert (listed.timeout_ms, sites.default.timeout_ms) == (1500, 800)
    assert [rule.action for rule in sites.default.rules] == ["hold", "flag", "feature"]


def test_defaults_hold_for_sites_that_are_not_listed(tmp_path: Path) -> None:
    site = load(tmp_path, DEFAULT).find("anything")
    assert site is not None
    assert (site.secrets, site.format, site.timeout_ms, site.approve) == ((SECRET,), "HTML", 800, False)
    assert site.rules == policy.DEFAULT_RULES


def test_without_secrets_by_default_strangers_are_not_served(tmp_path: Path) -> None:
    sites = load(tmp_path, f'[default]\ntimeout_ms = 2000\n[sites.a]\nsecrets = ["{SECRET}"]\n')
    assert sites.find("b") is None
    site = sites.find("a")
    assert site is not None
    assert site.timeout_ms == 2000


def test_a_site_goes_before_the_default_key_by_key(tmp_path: Path) -> None:
    text = (
        DEFAULT
        + 'format = "PLAIN_TEXT"\ntimeout_ms = 500\n'
        + '[[default.rules]]\nattribute = "insult"\nat_least = 0.9\naction = "hold"\n'
        + f'[sites.a]\nsecrets = ["{OTHER}"]\ntimeout_ms = 1000\n[sites.b]\nrules = []\napprove = true\n'
    )
    sites = load(tmp_path, text)
    a, b = sites.listed["a"], sites.listed["b"]
    assert (a.secrets, a.format, a.timeout_ms, len(a.rules)) == ((OTHER,), "PLAIN_TEXT", 1000, 1)
    assert (b.secrets, b.timeout_ms, b.approve, b.rules) == ((SECRET,), 500, True, ())


def test_secrets_may_stand_in_the_environment_several_in_one_variable(tmp_path: Path) -> None:
    sites = load(tmp_path, '[default]\nsecrets_from = ["A", "B"]\n', {"A": f"{SECRET} {OTHER}\n", "B": OTHER})
    assert sites.default is not None
    assert sites.default.secrets == (SECRET, OTHER)
    assert SECRET not in repr(sites)


def test_the_deadline_leaves_time_for_the_way(tmp_path: Path) -> None:
    for timeout, deadline in ((100, 0.05), (800, 0.72), (10_000, 9.0)):
        site = load(tmp_path, f"{DEFAULT}timeout_ms = {timeout}\n").default
        assert site is not None
        assert site.deadline == pytest.approx(deadline)


RULE = '[[sites.a.rules]]\nattribute = "{}"\nat_least = {}\naction = "{}"\n'


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["there is no site"]),
        ("[default]\n", ["there is no site"]),
        ("[default", ["not valid TOML"]),
        ("[sites.a]\n", ["site 'a'", "secrets"]),
        (DEFAULT + "[other]\n", ["other"]),
        (DEFAULT + "timeout = 5\n", ["[default]", "timeout"]),
        (DEFAULT + "timeout_ms = 99\n", ["[default]", "timeout_ms", "100"]),
        (DEFAULT + "timeout_ms = 10001\n", ["[default]", "timeout_ms", "10000"]),
        (DEFAULT + 'format = "MARKDOWN"\n', ["[default]", "format", "PLAIN_TEXT"]),
        (DEFAULT + 'author_text = " "\n', ["[default]", "author_text"]),
        (DEFAULT + "[sites.a]\nsecrets = []\n", ["site 'a'", "secrets"]),
        ('[default]\nsecrets_from = ["NOT_SET"]\n', ["[default]", "secrets_from", "'NOT_SET'"]),
        ('[default]\nsecrets = [" "]\n', ["[default]", "secrets", "empty"]),
        (f'[default]\nsecrets = ["whsec_{"0" * 64}"]\n', ["[default]", "secrets", "webhook"]),
        ('[default]\nsecrets = ["changeme"]\n', ["[default]", "secrets", "not one that Coral makes"]),
        (DEFAULT + RULE.format("wit", 0.5, "hold"), ["site 'a'", "rule 1", "attribute", "'wit'"]),
        (DEFAULT + RULE.format("insult", 5, "hold"), ["site 'a'", "rule 1", "at_least", "less than or equal to 1"]),
        (DEFAULT + RULE.format("insult", 0.5, "delete"), ["site 'a'", "rule 1", "action", "'hold'"]),
        (
            DEFAULT + RULE.format("insult", 0.5, "hold") + RULE.format("insult", 0.9, "reject"),
            ["site 'a'", "rule 2", "at_least", "unreachable"],
        ),
        (
            DEFAULT + "[sites.a]\nrules = [{links = {at_leest = 1}, action = 'hold'}]",
            ["site 'a'", "rule 1", "links.at_leest", "unknown key", "did you mean at_least?"],
        ),
        (
            DEFAULT + "[sites.a]\nrules = [{author.comments.below = 3, action = 'hold'}]",
            ["site 'a'", "rule 1", "author.comments", "known are author.role, links"],
        ),
        (
            DEFAULT + "rules = [{attribute = 'insult', at_least = 0.5, action = 'hold', nudge = true}]",
            ["[default]", "rule 1", "nudge", "Perspective phase"],
        ),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_is(tmp_path: Path, text: str, parts: list[str]) -> None:
    with pytest.raises(SitesError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'coral.toml'}: ")
    for part in parts:
        assert part in message
    assert not any(secret in message for secret in (SECRET, "changeme", "0" * 64))


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(SitesError, match=r"none\.toml: cannot be read"):
        Sites.load(tmp_path / "none.toml")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(SitesError, match="bytes: not valid TOML"):
        Sites.load(tmp_path / "bytes")


def test_a_weak_secret_is_for_local_trials(tmp_path: Path) -> None:
    sites = load(tmp_path, '[default]\nsecrets = ["empsec_old"]\n', strict=False)
    assert sites.default is not None
    assert sites.default.secrets == ("empsec_old",)


def test_a_service_with_a_bad_file_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "coral.toml").write_text("[sites.a]\n")
    with pytest.raises(SitesError, match="site 'a'"):
        create_app(Settings(coral=tmp_path / "coral.toml"))


def test_every_key_and_action_is_in_the_guide() -> None:
    guide = (ROOT / "docs" / "coral.md").read_text(encoding="utf-8")
    rows = "".join(line for line in guide.splitlines() if line.startswith("| `"))
    for name in (*Table.model_fields, *get_args(policy.Action)):
        assert f"`{name}`" in rows, name


def test_the_file_in_the_guide_loads(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "coral.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```toml\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    site = load(tmp_path, block, {"EVENHAND_CORAL_SECRET": SECRET}).default
    assert site is not None
    assert site.rules == policy.DEFAULT_RULES
