from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labels import checks, taxonomy
from labels.checks import ChecksError, Functionality, fold, load
from tests.labels.test_taxonomy import toml

ROOT = Path(__file__).parents[2]
SUITE = load()
HEADLINE = ("incivility", "report_worthy", "constructive")
# What the suite promises to probe.
PROMISED = (
    "disagreement",
    "criticism_politicians",
    "criticism_institutions",
    "sarcasm_policy",
    "medical_language",
    "quoted_abuse",
    "counter_speech",
    "negated_insult",
    "self_deprecation",
    "insult_reader",
    "insult_author",
    "dog_whistles",
    "veiled_threats",
    "doxxing",
    "calls_for_violence",
    "condescension",
    "friendly_profanity",
    "constructive_criticism",
    "personal_stories",
    "evidence_with_links",
    "spam",
    "off_topic",
)

Table = dict[str, object]
Write = Callable[..., Path]


def table(name: object = "calm", **changes: object) -> Table:
    """A valid functionality with some keys changed; None takes the key out."""
    valid: Table = {
        "id": name,
        "title": "Calm words",
        "why": "They are calm.",
        "expect": {"insult": "absent"},
        "cases": [f"Let us wait for the report on {name}."],
    }
    return {key: value for key, value in (valid | changes).items() if value is not None}


def paired(name: object = "calmer", **changes: object) -> Table:
    pairs = {"expect": {"insult": "higher"}, "pairs": [[f"You fool, {name}.", f"You star, {name}."]], "cases": None}
    return table(name, **(pairs | changes))


def template(**changes: object) -> Table:
    return {key: v for key, v in ({"text": "A {thing}.", "slots": {"thing": ["b"]}} | changes).items() if v is not None}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*functionalities: Table, shared: Table | None = None, name: str = "small") -> Path:
        lines: list[str] = []
        for functionality in functionalities:
            lines += ["[[functionality]]", *(f"{toml(key)} = {toml(value)}" for key, value in functionality.items())]
        (tmp_path / f"{name}.toml").write_text("\n".join(lines), encoding="utf-8")
        if shared is not None:
            text = "\n".join(f"{toml(key)} = {toml(value)}" for key, value in shared.items())
            (tmp_path / "slots.toml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def labelled(attribute: str, label: str) -> list[str]:
    return [c.text for f in SUITE.functionalities if f.expect.get(attribute) == label for c in f.cases]


# The packaged suite


def test_suite_is_as_large_as_promised() -> None:
    assert len(SUITE.functionalities) >= 34
    assert len(SUITE.cases) >= 700
    assert sum(case.templated for case in SUITE.cases) <= 0.4 * len(SUITE.cases)
    assert load() is SUITE


@pytest.mark.parametrize("name", PROMISED)
def test_promised_functionality_is_there(name: str) -> None:
    assert SUITE[name].cases


@pytest.mark.parametrize("functionality", SUITE.functionalities, ids=lambda f: f.id)
def test_functionality_is_complete(functionality: Functionality) -> None:
    assert functionality.why.endswith(".")
    assert not functionality.title.endswith(".")
    assert set(functionality.expect) <= set(taxonomy.load().names)
    assert sum(not case.templated for case in functionality.cases) >= 6
    assert functionality.paired == functionality.id.startswith("pair_")
    assert all((case.lower is not None) == functionality.paired for case in functionality.cases)


def test_ids_and_texts_are_unique() -> None:
    assert max(Counter(case.id for case in SUITE.cases).values()) == 1
    assert max(Counter(fold(text) for text in SUITE.texts).values()) == 1


@pytest.mark.parametrize("attribute", taxonomy.load().names)
def test_every_attribute_has_cases_on_both_sides(attribute: str) -> None:
    assert len(labelled(attribute, "present")) >= 8
    assert len(labelled(attribute, "absent")) >= 8


def test_labels_are_balanced() -> None:
    counts = Counter(label for f in SUITE.functionalities for label in f.expect.values() for _ in f.cases)
    assert 0.4 <= counts["present"] / (counts["present"] + counts["absent"]) <= 0.6
    for attribute in HEADLINE:
        present, absent = (len(labelled(attribute, label)) for label in ("present", "absent"))
        assert 0.33 <= present / (present + absent) <= 0.67


@pytest.mark.parametrize("attribute", ["incivility", "report_worthy", "insult", "identity_attack", "threat"])
def test_length_does_not_give_the_label_away(attribute: str) -> None:
    present, absent = ([len(text) for text in labelled(attribute, label)] for label in ("present", "absent"))
    longer = sum((one > other) + (one == other) / 2 for one in present for other in absent)
    assert 0.3 <= longer / (len(present) * len(absent)) <= 0.7


def test_members_of_pairs_are_of_like_length() -> None:
    ratios = [len(case.text) / len(case.lower) for case in SUITE.cases if case.lower is not None]
    assert 0.85 <= sorted(ratios)[len(ratios) // 2] <= 1.15


def test_lengths_vary_from_one_line_to_several_sentences() -> None:
    sizes = [len(text) for text in SUITE.texts]
    assert sum(size <= 40 for size in sizes) >= 100
    assert sum(size >= 200 for size in sizes) >= 50


def test_every_group_stands_in_kind_and_in_hostile_sentences_alike() -> None:
    groups = tomllib.loads((Path(checks.__file__).parent / "slots.toml").read_text(encoding="utf-8"))["groups"]
    for label, least in (("present", 3), ("absent", 4)):
        texts = [t.lower() for t in labelled("identity_attack", label)]
        for group in groups:
            assert sum(group.lower() in text for text in texts) >= least, (label, group)


def test_personal_data_is_made_up() -> None:
    text = "\n".join(SUITE.texts)
    for number in re.findall(r"\b0\d{4} ?\d{6}\b", text):
        assert re.match(r"(07700 900|01632 960)\d{3}", number), number
    for host in re.findall(r"(?:https?://|www\.|\w@)([\w.-]+\w)", text):
        assert host.endswith((".example", "example.org")), host


def test_texts_are_not_the_taxonomys_examples() -> None:
    examples = {fold(text) for a in taxonomy.load().attributes for text in (*a.present, *a.absent)}
    assert not examples & {fold(text) for text in SUITE.texts}


def test_suite_is_packaged() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    assert data["labels.checks"] == ["*.toml"]


def test_unknown_functionality_is_named_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"'grumpy'.*counter_speech"):
        SUITE["grumpy"]


# Reading


def test_files_are_read_in_order_of_name(write: Write) -> None:
    write(table("second"), name="b")
    suite = load(write(table("first"), paired("pair"), name="a"))
    assert [(f.id, f.group) for f in suite.functionalities] == [("first", "a"), ("pair", "a"), ("second", "b")]
    assert suite["pair"].cases[0].texts == ("You fool, pair.", "You star, pair.")
    assert suite.texts[0] == "Let us wait for the report on first."


def test_ids_do_not_depend_on_place(write: Write) -> None:
    before = load(write(table(cases=["One.", "Two."])))
    after = load(write(table("earlier"), table(cases=["Zero.", "Two.", "One."])))
    assert {case.id for case in before.cases} < {case.id for case in after.cases}
    assert before.fingerprint != after.fingerprint


def test_template_takes_each_value_in_turn(write: Write) -> None:
    item = template(text="{who} saw {what}, {who}.", slots={"who": "people", "what": ["a cat", "a dog"]})
    suite = load(write(table(template=[item]), shared={"people": ["ann", "Ben", "Cy"]}))
    assert [case.text for case in suite.cases if case.templated] == [
        "Ann saw a cat, ann.",
        "Ben saw a dog, Ben.",
        "Cy saw a cat, Cy.",
    ]


def test_template_of_pairs_fills_both_alike(write: Write) -> None:
    item = template(text=None, higher="{who} lies.", lower="{who} lies not.", slots={"who": ["Ann", "Ben"]})
    suite = load(write(paired(template=[item])))
    assert suite.cases[1].texts == ("Ann lies.", "Ann lies not.")
    assert suite.cases[2].texts == ("Ben lies.", "Ben lies not.")


@pytest.mark.parametrize("key", ["title", "why", "expect", "cases"])
def test_missing_key_is_named(write: Write, key: str) -> None:
    with pytest.raises(ChecksError, match=rf"small\.toml: functionality 'calm': missing key '{key}'"):
        load(write(table(**{key: None})))


def test_functionality_without_an_id_is_counted(write: Write) -> None:
    with pytest.raises(ChecksError, match=r"small\.toml: functionality number 2: missing key 'id'"):
        load(write(table(), table(id=None)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": "absent"}, "unknown key 'label'"),
        ({"id": "Calm words"}, "key 'id' must be lower-case"),
        ({"title": " "}, "key 'title' must be a string"),
        ({"why": 3}, "key 'why' must be a string"),
        ({"expect": {}}, "key 'expect' must be a table"),
        ({"expect": "absent"}, "key 'expect' must be a table"),
        ({"expect": {"grumpy": "absent"}}, "key 'expect' names no attribute with 'grumpy'; there are incivility"),
        ({"expect": {"insult": "maybe"}}, "key 'expect', 'insult' must be one of present, absent, higher, not 'maybe'"),
        ({"expect": {"insult": "absent", "threat": "higher"}}, "key 'expect' must not mix"),
        ({"expect": {"insult": "higher"}}, "unknown key 'cases'"),
        ({"cases": []}, "key 'cases' must be a list of one string or more"),
        ({"cases": "One."}, "key 'cases' must be a list"),
        ({"cases": [""]}, "key 'cases' must hold only strings"),
        ({"cases": [" One."]}, "key 'cases' must hold only strings without white space"),
        ({"cases": ["One.", "one"]}, "the text 'one' stands twice, first in 'calm'"),
        ({"template": 7}, "key 'template' must be one or more"),
        ({"template": [7]}, "template 1: must be a table"),
        ({"template": [template(slots=None)]}, "template 1: missing key 'slots'"),
        ({"template": [template(slots={})]}, "template 1: key 'slots' must be a table of one slot or more"),
        ({"template": [template(slots={"what": ["b"]})]}, "template 1: key 'slots' lacks the slot 'thing'"),
        ({"template": [template(slots={"thing": ["b"], "c": ["d"]})]}, "has a slot that no text uses, 'c'"),
        ({"template": [template(slots={"thing": []})]}, "template 1, key 'slots': key 'thing' must be a list"),
        ({"template": [template(slots={"thing": "things"})]}, r"slot 'thing': slots\.toml has no list 'things'"),
        ({"template": [template(text="A {thing")]}, "template 1: expected '}'"),
        ({"template": [template(text="A {thing!r}")]}, "template 1: a slot must be lower-case"),
        ({"template": [template(text="A {}.")]}, "template 1: a slot must be lower-case"),
        ({"template": [template(higher="A {thing}.")]}, "template 1: unknown key 'higher'"),
    ],
)
def test_wrong_content_names_file_functionality_and_key(write: Write, changes: Table, message: str) -> None:
    with pytest.raises(ChecksError, match=message) as caught:
        load(write(table(**changes)))
    assert "small.toml: functionality" in str(caught.value)


@pytest.mark.parametrize("pairs", [[], "two", [["one"]], [["one", " "]], [["one", 2]], [["a", "b", "c"]]])
def test_wrong_pairs_are_named(write: Write, pairs: object) -> None:
    with pytest.raises(ChecksError, match="functionality 'calmer': key 'pairs' must "):
        load(write(paired(pairs=pairs)))


def test_two_functionalities_of_one_id_are_refused_across_files(write: Write) -> None:
    write(table(), name="a")
    with pytest.raises(ChecksError, match=r"b\.toml: functionality 'calm': key 'id' is used by two"):
        load(write(table(), name="b"))


def test_text_may_not_stand_in_two_functionalities(write: Write) -> None:
    with pytest.raises(ChecksError, match=r"functionality 'brief': the text 'ONE' stands twice, first in 'calm'"):
        load(write(table(cases=["One."]), table("brief", cases=["ONE"])))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "missing key 'functionality'"),
        (b"functionality = []", "one or more"),
        (b"functionality = [1]", "functionality number 1: must be a table"),
        (b"[[functionality]", "not valid TOML"),
        (b"a = '\xff'", "not valid TOML"),
        (b"a = " + b"[" * 5000, "not valid TOML"),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_wrong_file_names_the_path_and_the_fault(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "broken.toml").write_bytes(content)
    with pytest.raises(ChecksError, match=message) as caught:
        load(tmp_path)
    assert str(tmp_path / "broken.toml") in str(caught.value)


def test_wrong_shared_list_is_named(write: Write) -> None:
    with pytest.raises(ChecksError, match=r"slots\.toml: the file: key 'people' must be a list"):
        load(write(table(), shared={"people": "Ann"}))


def test_folder_without_functionalities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChecksError, match="no file with functionalities"):
        load(tmp_path)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checks")


strings = st.text(max_size=8)
values = st.recursive(
    st.booleans() | st.integers() | strings | st.sampled_from(["absent", "higher", "{a}", "insult"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings | st.just("a"), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from([*table(), "template", "pairs"]) | strings


@settings(deadline=None)  # it writes files, whose speed is not under test
@given(edit=st.dictionaries(keys, values, max_size=2))
def test_any_toml_loads_or_raises_checks_error(scratch: Path, edit: Table) -> None:
    lines = ["[[functionality]]", *(f"{toml(key)} = {toml(value)}" for key, value in (table() | edit).items())]
    (scratch / "any.toml").write_bytes("\n".join(lines).encode())
    try:
        suite = load(scratch)
    except ChecksError:
        return
    assert suite.cases
