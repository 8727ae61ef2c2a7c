from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labels
from labels.taxonomy import TaxonomyError, WireSystem, load

HEADLINE = ("incivility", "report_worthy", "constructive")
DETAIL = (
    "toxicity",
    "severe_toxicity",
    "insult",
    "attack_on_commenter",
    "profanity",
    "threat",
    "identity_attack",
    "sexually_explicit",
    "hostile",
    "antagonistic",
    "dismissive",
    "condescending",
    "sarcastic",
    "unfair_generalisation",
    "reasoning",
    "personal_story",
)
HARD_CASES = (
    "Quoted abuse",
    "Criticism of public figures",
    "Sarcasm",
    "Reclaimed words",
    "Medical and legal terms",
    "Self-directed words",
    "Counter-speech",
)

Table = dict[str, object]
Write = Callable[..., Path]


def table(name: object = "calm", **changes: object) -> Table:
    """A valid attribute with some keys changed; None takes the key out."""
    valid: Table = {
        "name": name,
        "group": "detail",
        "definition": "The comment is calm.",
        "question": "Is this comment calm?",
        "derivation": "Counted by hand.",
        "range": [0, 1],
        "combine": "mean",
        "present": ["Let us wait for the report."],
        "absent": ["Do something, now!"],
        "wire": wire(),
    }
    return {key: value for key, value in (valid | changes).items() if value is not None}


def wire(**changes: object) -> Table:
    valid: Table = {"perspective": [], "openai": [], "coral": []}
    return {key: value for key, value in (valid | changes).items() if value is not None}


def toml(value: object) -> str:
    """One value as TOML, whose strings, numbers and lists are written as in JSON."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    # JSON leaves DEL bare, which TOML forbids.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def document(*attributes: Table) -> str:
    lines: list[str] = []
    for attribute in attributes:
        lines += ["[[attribute]]", *(f"{toml(key)} = {toml(value)}" for key, value in attribute.items())]
    return "\n".join(lines)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*attributes: Table) -> Path:
        path = tmp_path / "taxonomy.toml"
        path.write_text(document(*attributes), encoding="utf-8")
        return path

    return write


# The packaged taxonomy


def test_packaged_taxonomy_has_every_attribute_in_order() -> None:
    taxonomy = load()
    assert taxonomy.names == HEADLINE + DETAIL
    assert tuple(a.name for a in taxonomy.attributes if a.group == "headline") == HEADLINE
    assert load() is taxonomy


@pytest.mark.parametrize("name", HEADLINE + DETAIL)
def test_packaged_attribute_is_complete(name: str) -> None:
    attribute = load()[name]
    assert attribute.range == (0.0, 1.0)
    assert attribute.definition.endswith(".")
    assert attribute.question.endswith("?")
    assert len(attribute.present) >= 3
    assert len(attribute.absent) >= 3
    assert not set(attribute.present) & set(attribute.absent)
    assert name.upper() in attribute.perspective
    quality = {"constructive", "reasoning", "personal_story"}
    assert attribute.combine == ("mean" if name in quality else "max")


@pytest.mark.parametrize(
    ("system", "wire_name", "name"),
    [
        ("perspective", "TOXICITY", "toxicity"),
        ("perspective", "TOXICITY_FAST", "toxicity"),
        ("perspective", "LIKELY_TO_REJECT", "report_worthy"),
        ("perspective", "OBSCENE", "profanity"),
        ("perspective", "INFLAMMATORY", "antagonistic"),
        ("perspective", "PERSONAL_STORY_EXPERIMENTAL", "personal_story"),
        ("openai", "harassment/threatening", "threat"),
        ("coral", "HATE_SPEECH", "identity_attack"),
    ],
)
def test_wire_name_finds_its_attribute(system: WireSystem, wire_name: str, name: str) -> None:
    taxonomy = load()
    assert taxonomy.by_wire(system, wire_name) is taxonomy[name]


@pytest.mark.parametrize(
    ("system", "wire_name"),
    [
        ("perspective", "SPAM"),
        ("perspective", "toxicity"),
        ("openai", "TOXICITY"),
        ("openai", "self-harm"),
        ("coral", "MISINFORMATION"),
    ],
)
def test_unassessed_wire_name_finds_nothing(system: WireSystem, wire_name: str) -> None:
    assert load().by_wire(system, wire_name) is None


def test_unknown_attribute_is_named_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"'grumpy'.*report_worthy"):
        load()["grumpy"]


# Reading


def test_changed_taxonomy_is_read_as_written(write: Write) -> None:
    calm = table(range=[0, 0.5], wire=wire(perspective=["CALM", "SERENE"], coral=["CALM"]))
    taxonomy = load(write(calm, table("brief", present=["Yes.", "No."])))

    assert taxonomy.names == ("calm", "brief")
    assert taxonomy["calm"].range == (0.0, 0.5)
    assert taxonomy["calm"].perspective == ("CALM", "SERENE")
    assert taxonomy["brief"].present == ("Yes.", "No.")
    assert taxonomy.by_wire("coral", "CALM") is taxonomy["calm"]


def test_one_wire_name_may_serve_two_systems(write: Write) -> None:
    taxonomy = load(write(table("calm", wire=wire(coral=["QUIET"])), table("brief", wire=wire(openai=["QUIET"]))))
    assert taxonomy.by_wire("coral", "QUIET") is taxonomy["calm"]
    assert taxonomy.by_wire("openai", "QUIET") is taxonomy["brief"]


@pytest.mark.parametrize("key", [key for key in table() if key != "name"])
def test_missing_key_is_named(write: Write, key: str) -> None:
    with pytest.raises(TaxonomyError, match=f"'calm': missing key '{key}'"):
        load(write(table(**{key: None})))


def test_attribute_without_a_name_is_counted(write: Write) -> None:
    with pytest.raises(TaxonomyError, match="attribute number 2: missing key 'name'"):
        load(write(table(), table(name=None)))


@pytest.mark.parametrize("key", ["defintion", "threshold"])
def test_unknown_key_is_named(write: Write, key: str) -> None:
    with pytest.raises(TaxonomyError, match=f"'calm': unknown key '{key}'"):
        load(write(table(**{key: "?"})))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(wire(coral=None), "missing key 'coral'"), (wire(disqus=[]), "unknown key 'disqus'"), (7, "table")],
)
def test_wrong_wire_table_is_named(write: Write, wrong: object, message: str) -> None:
    with pytest.raises(TaxonomyError, match=f"'calm', key 'wire': .*{message}"):
        load(write(table(wire=wrong)))


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("definition", 3),
        ("question", "  "),
        ("derivation", ["a list"]),
        ("group", "footer"),
        ("combine", "median"),
        ("present", "one string"),
        ("absent", [1]),
        ("absent", [""]),
        ("range", [0]),
        ("range", [1, 0]),
        ("range", [0.5, 0.5]),
        ("range", [False, True]),
        ("range", [0, 10**400]),
        ("range", [float("nan"), 1]),
        ("range", ["0", "1"]),
    ],
)
def test_wrong_value_names_attribute_key_and_value(write: Write, key: str, wrong: object) -> None:
    with pytest.raises(TaxonomyError) as caught:
        load(write(table(**{key: wrong})))
    assert f"'calm': key '{key}' " in str(caught.value)
    assert str(caught.value).endswith(repr(wrong))


@pytest.mark.parametrize("name", ["Calm", "very-calm", "_calm", "calm2", "calm\n", ""])
def test_name_must_be_lower_case_with_underscores(write: Write, name: str) -> None:
    with pytest.raises(TaxonomyError, match="key 'name' must be lower-case"):
        load(write(table(name)))


def test_two_attributes_of_one_name_are_refused(write: Write) -> None:
    with pytest.raises(TaxonomyError, match=r"'calm'.*two attributes"):
        load(write(table(), table("brief"), table()))


@pytest.mark.parametrize("system", ["perspective", "openai", "coral"])
def test_shared_wire_name_is_refused_with_both_owners(write: Write, system: str) -> None:
    shared = wire(**{system: ["QUIET"]})
    with pytest.raises(TaxonomyError) as caught:
        load(write(table("calm", wire=shared), table("brief", wire=shared)))
    for part in (system, "'QUIET'", "'calm'", "'brief'"):
        assert part in str(caught.value)


@pytest.mark.parametrize("side", ["present", "absent"])
def test_attribute_without_examples_names_the_empty_side(write: Write, side: str) -> None:
    with pytest.raises(TaxonomyError, match=f"'calm': key '{side}' needs at least one example"):
        load(write(table(**{side: []})))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "missing key 'attribute'"),
        (b"attribute = []", "one or more"),
        (b"attribute = [1]", "attribute number 1: must be a table"),
        (b"version = 1", "unknown key 'version'"),
        (b"[[attribute]", "not valid TOML"),
        (b"a = '\xff'", "not valid TOML"),
        (b"a = " + b"9" * 5000, "not valid TOML"),
        (b"a = " + b"[" * 5000, "not valid TOML"),
        (document(table(range=None)).encode() + b"\nrange = [0, 0x" + b"f" * 5000 + b"]", "limit"),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_wrong_file_names_the_path_and_the_fault(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(TaxonomyError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


def loads_or_refuses(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        taxonomy = load(path)
    except TaxonomyError:
        return
    assert all(taxonomy[name].present and taxonomy[name].absent for name in taxonomy.names)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("taxonomy") / "any.toml"


@settings(deadline=None)  # it writes files, whose speed is not under test
@given(content=st.binary() | st.text().map(str.encode))
def test_any_bytes_load_or_raise_taxonomy_error(scratch: Path, content: bytes) -> None:
    loads_or_refuses(scratch, content)


texts = st.text(max_size=8)
values = st.recursive(
    st.booleans() | st.integers() | st.floats() | texts | st.sampled_from(["max", "detail"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
edits = st.dictionaries(st.sampled_from(list(table())) | texts, values, max_size=2)


@settings(deadline=None)  # it writes files, whose speed is not under test
@given(edits=st.lists(edits, max_size=3))
def test_any_toml_loads_or_raises_taxonomy_error(scratch: Path, edits: list[Table]) -> None:
    loads_or_refuses(scratch, document(*(table() | edit for edit in edits)).encode())


# The guide for humans


@pytest.fixture(scope="module")
def guide() -> str:
    return (Path(labels.__path__[0]) / "guidelines.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", HEADLINE)
def test_guide_explains_every_headline_attribute(guide: str, name: str) -> None:
    assert f"### How to answer `{name}`" in guide


@pytest.mark.parametrize("case", HARD_CASES)
def test_guide_gives_every_hard_case_two_to_four_examples(guide: str, case: str) -> None:
    section = guide.split(f"### {case}\n", maxsplit=1)[1].split("\n#", maxsplit=1)[0]
    assert 2 <= section.count('\n- "') <= 4
