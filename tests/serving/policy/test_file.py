from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labels import taxonomy
from serving import policy
from serving.policy import AuthorFacts, Facts, PolicyError, StoryFacts, decide, load, parse
from serving.policy.words import describe
from tests.serving.policy import made

ROOT = Path(__file__).parents[3]
HOLD = '[[rules]]\nattribute = "insult"\nat_least = 0.5\naction = "hold"\n'
REJECT = '[[rules]]\nattribute = "threat"\nat_least = 0.9\naction = "reject"\n'


def test_the_example_stands_and_does_what_its_comments_say() -> None:
    rules = load(ROOT / "docs" / "examples" / "policy.toml")
    harmless = dict.fromkeys(taxonomy.load().names, 0.0)
    newcomer, regular = AuthorFacts(comments=1), AuthorFacts(comments=500, rejected=0)

    def action(facts: Facts, **scores: float) -> str:
        return decide(rules, harmless | scores, facts).action

    assert action(Facts()) == "accept"
    assert action(Facts(section="obituaries")) == "hold"
    assert action(Facts(author=regular), report_worthy=0.32) == "accept"
    assert action(Facts(author=newcomer), report_worthy=0.32) == "hold"
    assert action(Facts(author=newcomer, links=2)) == "hold"
    assert action(Facts(author=regular, links=2)) == "accept"
    assert action(Facts(section="politics", author=regular), report_worthy=0.32) == "hold"
    assert action(Facts(section="politics", story=StoryFacts(age_hours=100)), incivility=0.5) == "hold"
    assert action(Facts(author=AuthorFacts(role="Staff")), report_worthy=0.9) == "accept"
    assert action(Facts(story=StoryFacts(premoderated=True))) == "hold"
    assert action(Facts(author=AuthorFacts(rejected=3)), incivility=0.4) == "flag"
    assert action(Facts(author=regular), constructive=0.995) == "feature"


def test_the_default_is_a_file_like_any_other() -> None:
    assert parse(policy.DEFAULT_SOURCE) == policy.DEFAULT
    assert any("the author is first asked to reword" in line for line in describe(policy.DEFAULT))


@pytest.mark.parametrize(
    ("source", "section", "rule", "key", "problem"),
    [
        ("", None, None, "", "there is no rule"),
        ("[[rules]", None, None, "", "not valid TOML"),
        ("rules = 3", None, None, "rules", "valid list"),
        (HOLD + "at_leest = 0.5\n", None, 1, "at_leest", "unknown key; the keys here are attribute, at_least"),
        (HOLD + "at_leest = 0.5\n", None, 1, "at_leest", "did you mean at_least?"),
        ('note = "x"\n' + HOLD, None, None, "note", "unknown key; the keys here are allow_machine_removal"),
        (HOLD + "author.coments.below = 3\n", None, 1, "author.coments", "did you mean comments?"),
        (HOLD + "author.comments.bellow = 3\n", None, 1, "author.comments.bellow", "did you mean below?"),
        (HOLD + "[[rules]]\n" + "section = 'a'\n", None, 2, "action", "required"),
        (HOLD + "[sections.a]\nrule = 3\n", "a", None, "rule", "did you mean rules?"),
        ("[sections.a]\nrules = []\n", "a", None, "rules", "at least 1"),
        (HOLD + "[sections.a]\n", "a", None, "rules", "required"),
        (HOLD.replace("0.5", "1.5"), None, 1, "at_least", "less than or equal to 1"),
        (HOLD.replace("hold", "delete"), None, 1, "action", "'accept', 'hold', 'flag', 'reject' or 'feature'"),
        (HOLD.replace("insult", "wit"), None, 1, "attribute", "there is no 'wit'"),
        (HOLD.replace("[[rules]]", "[[sections.'The Arts'.rules]]") + "section='x'", "The Arts", 1, "section", "leave"),
        (HOLD.replace("[[rules]]", "[[sections.a.rules]]") * 2, "a", 2, "at_least", "unreachable"),
        (
            "[[sections.a.rules]]\naction='hold'\n[[sections.A.rules]]\naction='hold'\n",
            "A",
            None,
            "",
            "another section",
        ),
        (HOLD + REJECT, None, 2, "action", "allow_machine_removal = true"),
        (HOLD + REJECT.replace("[[rules]]", "[[sections.a.rules]]"), "a", 1, "action", "removes without a person"),
        ("allow_machine_removal = 1\n" + HOLD, None, None, "allow_machine_removal", "valid boolean"),
        ("#" * 70_000, None, None, "", "larger than 65536 bytes"),
        ("rules = [" + "{action='hold'}," * 201 + "]", None, None, "rules", "at most 200"),
        ("a = " + "[" * 5000, None, None, "", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(source: str, section: str | None, rule: int | None, key: str, problem: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(source, name="p.toml")
    error = caught.value
    assert (error.section, error.rule, error.key) == (section, rule, key)
    assert problem in error.problem
    parts = ["p.toml"]
    parts += [f"section {section!r}"] if section else []
    parts += [f"rule {rule}"] if rule else []
    parts += [key] if key else []
    assert str(error) == ": ".join([*parts, error.problem])


def test_machine_removal_has_to_be_asked_for() -> None:
    assert decide(parse("allow_machine_removal = true\n" + REJECT), {"threat": 0.95}).action == "reject"


def test_an_empty_list_of_rules_is_a_policy() -> None:
    assert decide(parse("rules = []"), {}).action == "accept"


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"none\.toml: cannot be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match=r"bytes\.toml: not UTF-8 at byte 0"):
        load(tmp_path / "bytes.toml")


def test_rules_may_ask_only_for_what_is_scored() -> None:
    with pytest.raises(PolicyError, match="known are threat"):
        parse(HOLD, ["threat"])
    assert parse(HOLD, ["insult"]).attributes == {"insult"}


# Lines that a policy could have, and some that it could not, in any order.
LINES = [
    "[[rules]]",
    "[[sections.politics.rules]]",
    "[sections.politics]",
    "[rules]",
    'attribute = "insult"',
    "at_least = 0.5",
    "below = 0.9",
    "below = -1",
    'action = "hold"',
    'action = "reject"',
    'action = "accept"',
    "nudge = true",
    'nudge = "Please."',
    "section = ['a', 'b']",
    "section = 5",
    "author.comments.below = 3",
    "author.role = 'staff'",
    "author = 3",
    "story.premoderated = true",
    "links = {at_least = 1}",
    "reason = 'Because.'",
    "allow_machine_removal = true",
    "rules = []",
    "x = 1",
    "= 3",
]


@made.patient
@given(st.lists(st.sampled_from(LINES), max_size=14).map("\n".join))
def test_any_text_is_a_policy_or_a_policy_error(source: str) -> None:
    try:
        rules = parse(source)
    except PolicyError as error:
        assert str(error)
    else:
        assert describe(rules)
        every = [one for _, some in [*rules.lists(None), *rules.sections.items()] for one in some]
        assert "allow_machine_removal = true" in source or all(one.action != "reject" for one in every)


@made.patient
@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(source: str) -> None:
    try:
        parse(source)
    except PolicyError as error:
        assert error.problem
