from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labels import taxonomy
from labels.sources import SOURCES, RuleError
from labels.sources.source import share

# How the taxonomy's derivations name each source.
CALLED = {
    "civil_comments": "Civil Comments",
    "c3": "C3",
    "ucc_val": "Unhealthy Comments",
    "ucc_train_healthy": "Unhealthy Comments",
    "toxic_spans_annotated": "Toxic Spans",
    "cmv_moderation": "ChangeMyView",
    "appropriateness": "Appropriateness corpus",
    "kaggle_insults": "Kaggle insults",
    "mupid": "MUPID",
    "theocharis": "Theocharis",
    "sarcasm_v2": "Sarcasm Corpus V2",
    "ruddit": "Ruddit",
    "youtube_toxicity": "YouTube",
    "wikipedia_six_labels": "Wikipedia talk pages",
    "wikipedia_toxic": "Wikipedia talk pages",
    "sbic": "Social Bias Inference Corpus",
}
HATE_CORPORA = {"measuring_hate_speech", "dynahate", "misogyny_reddit", "hatemoji_build", "edos", "gab_hate_corpus"}

LISTED = (
    "civil_comments",
    "civil_comments_full",
    "c3",
    "ucc_val",
    "ucc_train_healthy",
    "toxic_spans_annotated",
    "toxic_spans_semeval",
    "cmv_moderation",
    "appropriateness",
    "kaggle_insults",
    "reddit_incivility",
    "mupid",
    "theocharis",
    "sarcasm_v2",
    "stanford_politeness",
    "ruddit",
    "youtube_toxicity",
    "wikipedia_toxic",
    "wikipedia_six_labels",
    "measuring_hate_speech",
    "dynahate",
    "edos",
    "gab_hate_corpus",
    "sbic",
    "misogyny_reddit",
    "hatemoji_build",
    "hatecheck",
    "openai_moderation",
)
EVALUATION_ONLY = {"hatecheck", "reddit_incivility", "civil_comments_full", "openai_moderation"}
NON_COMMERCIAL = {
    "c3",
    "ucc_val",
    "ucc_train_healthy",
    "appropriateness",
    "kaggle_insults",
    "mupid",
    "theocharis",
    "sarcasm_v2",
    "youtube_toxicity",
}
SURE = {f"{name}:confidence": 0.9 for name in ("antagonise", "condescending", "dismissive", "hostile", "sarcastic")}
UCC = SURE | {
    "antagonise": 0,
    "condescending": 0,
    "dismissive": 0,
    "hostile": 0,
    "sarcastic": 0,
    "generalisation": 0,
    "generalisation:confidence": 0.9,
    "generalisation_unfair": 0,
    "generalisation_unfair:confidence": 0.9,
    "healthy": 1,
    "healthy:confidence": 0.9,
}
WIKIPEDIA = {"toxic": 0, "severe_toxic": 0, "obscene": 0, "threat": 0, "insult": 0, "identity_hate": 0}
SPANS = {"annotators": 4, "not_toxic_share": 0.25, "spans": "[]"}
EDOS = {"label_sexist": "sexist", "label_category": "1. threats, plans to harm and incitement"}
SBIC = {"offensiveYN": 0.5, "sexYN": 0, "targetCategory": '["gender"]'}


def read(name: str, row: dict[str, Any]) -> dict[str, float | None]:
    """Attribute -> label of a hand-made row of a source."""
    return {target.attribute: target.read(row) for target in SOURCES[name].targets}


def test_every_documented_data_set_has_an_entry() -> None:
    assert set(SOURCES) == {*LISTED, "publisher"}


@pytest.mark.parametrize("name", SOURCES)
def test_entry_is_complete(name: str) -> None:
    source = SOURCES[name]
    assert source.name == name
    for said in (source.title, source.citation, source.licence.name, source.unknown):
        assert said.strip()
    # What is used has targets; what is not says why.
    assert bool(source.targets or source.marks) != bool(source.left_out)
    targets = source.targets + (source.hub.targets if source.hub else ())
    assert {target.attribute for target in targets} <= set(taxonomy.load().names)
    assert all(target.how and target.columns for target in targets)
    assert len(source.attributes) == len(source.targets)


def test_left_out_sets() -> None:
    assert {name for name, source in SOURCES.items() if source.left_out} == {"stanford_politeness"}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("[]", []), ("[0, 1, 2]", [(0, 3)]), ("[7, 3, 4, 8, 4]", [(3, 5), (7, 9)]), (None, None)],
)
def test_marked_characters_are_runs_of_offsets(cell: str | None, expected: list[tuple[int, int]] | None) -> None:
    marks = SOURCES["toxic_spans_semeval"].marks
    assert marks is not None
    assert marks.read({"spans": cell}) == expected


@pytest.mark.parametrize("cell", ["no", "3", '["a"]', "[-1]", "[1.5]", "[true]"])
def test_other_marks_are_refused(cell: str) -> None:
    marks = SOURCES["toxic_spans_semeval"].marks
    assert marks is not None
    with pytest.raises(RuleError, match="expected JSON: a list of character offsets"):
        marks.read({"spans": cell})


def test_evaluation_only_sets() -> None:
    assert {name for name, source in SOURCES.items() if source.evaluation_only} == EVALUATION_ONLY


def test_licences_that_bar_commercial_use() -> None:
    assert {name for name, source in SOURCES.items() if not source.licence.commercial} == NON_COMMERCIAL


def test_every_attribute_has_labelled_data_to_train_on() -> None:
    trained = {a for s in SOURCES.values() if not s.evaluation_only and s.name != "publisher" for a in s.attributes}
    assert trained == set(taxonomy.load().names)


def test_unhealthy_comments_are_softened_by_confidence() -> None:
    labels = read("ucc_val", UCC | {"sarcastic": 1, "sarcastic:confidence": 0.6, "hostile:confidence": 0.75})
    assert labels["sarcastic"] == 0.6
    assert labels["hostile"] == 0.25
    assert labels["antagonistic"] == pytest.approx(0.1)


def test_confidence_that_contradicts_its_label_is_ignored() -> None:
    labels = read("ucc_val", UCC | {"sarcastic": 1, "sarcastic:confidence": 0.4, "hostile:confidence": 0.49})
    assert labels["sarcastic"] == 1.0
    assert labels["hostile"] == 0.0
    assert read("ucc_val", UCC | {"sarcastic": 1, "sarcastic:confidence": None})["sarcastic"] == 1.0


def test_only_unfair_generalisation_counts() -> None:
    fair = UCC | {"generalisation": 1, "generalisation_unfair:confidence": 1.0}
    assert read("ucc_val", fair)["unfair_generalisation"] == 0.0
    unfair = fair | {"generalisation_unfair": 1}
    assert read("ucc_val", unfair)["unfair_generalisation"] == 1.0
    # About one row in a hundred lacks it.
    assert read("ucc_val", fair | {"generalisation_unfair": math.nan})["unfair_generalisation"] is None


def test_unhealthy_is_incivility() -> None:
    assert read("ucc_val", UCC)["incivility"] == pytest.approx(0.1)
    assert read("ucc_val", UCC | {"healthy": 0, "healthy:confidence": 0.7})["incivility"] == pytest.approx(0.7)
    assert read("ucc_train_healthy", {"healthy": 1}) == {"incivility": 0.0}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, 0.0),
        ({"obscene": 1}, 0.0),
        ({"toxic": 1}, 0.6),
        ({"insult": 1, "toxic": 1}, 0.6),
        ({"severe_toxic": 1, "toxic": 1}, 1.0),
        ({"threat": 1}, 1.0),
        ({"identity_hate": 1}, 1.0),
        ({"threat": None, "identity_hate": 1}, None),
    ],
)
def test_wikipedia_report(found: dict[str, Any], expected: float | None) -> None:
    assert read("wikipedia_six_labels", WIKIPEDIA | found)["report_worthy"] == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"hd": 0, "cv": 0, "vo": 0}, 0.05),
        ({"hd": 0, "cv": 0, "vo": 1}, 0.6),
        ({"hd": 1, "cv": 0, "vo": 1}, 1.0),
        ({"hd": 0, "cv": 1, "vo": 0}, 1.0),
        ({"hd": 1, "cv": None, "vo": 0}, None),
    ],
)
def test_gab_report(row: dict[str, Any], expected: float | None) -> None:
    labels = read("gab_hate_corpus", row)
    assert labels["report_worthy"] == expected
    assert [labels[a] for a in ("identity_attack", "threat", "profanity")] == [row["hd"], row["cv"], row["vo"]]


@pytest.mark.parametrize(("offence", "expected"), [(-1, 0.0), (0, 0.0), (0.4, 0.5), (0.8, 1.0), (1, 1.0)])
def test_ruddit_is_scaled(offence: float, expected: float) -> None:
    assert read("ruddit", {"offens": offence}) == {"toxicity": pytest.approx(expected)}


@pytest.mark.parametrize(("level", "expected"), [(1, 0.0), (2, 0.5), (3, 1.0), (4, 1.0), (None, None)])
def test_c3_crowd_level(level: float | None, expected: float | None) -> None:
    row = dict.fromkeys(SOURCES["c3"].columns, 0.25) | {"crowd_toxicity_level": level, "con_evidence": 0.75}
    labels = read("c3", row)
    assert labels["incivility"] == expected
    assert labels["reasoning"] == 0.75
    assert labels["personal_story"] == 0.25


def test_toxic_spans_count_annotators_not_spans() -> None:
    marks = [[0, 3, "Insult", 7], [9, 12, "Insult", 7], [0, 3, "Insult", 8], [4, 6, "Threat", 8]]
    labels = read("toxic_spans_annotated", SPANS | {"spans": json.dumps(marks)})
    assert (labels["insult"], labels["threat"], labels["profanity"]) == (0.5, 0.25, 0.0)
    assert labels["toxicity"] == 0.75
    assert labels["report_worthy"] == pytest.approx(0.7 * 0.75)


@pytest.mark.parametrize("cell", [None, ""])
def test_toxic_spans_without_a_span_column_are_unknown(cell: str | None) -> None:
    labels = read("toxic_spans_annotated", SPANS | {"spans": cell})
    assert labels["insult"] is None
    assert labels["toxicity"] == 0.75


@pytest.mark.parametrize("cell", ["[[0, 3", "[[0, 3]]", "7", "[7]", 7])
def test_malformed_spans_break_their_rule(cell: object) -> None:
    with pytest.raises(RuleError, match="expected JSON") as caught:
        read("toxic_spans_annotated", SPANS | {"spans": cell})
    assert caught.value.column == "spans"


def test_edos_knows_threats_of_sexist_posts_only() -> None:
    assert read("edos", EDOS) == {"identity_attack": 1.0, "report_worthy": 1.0, "threat": 1.0}
    assert read("edos", EDOS | {"label_category": "2. derogation"})["threat"] == 0.0
    civil = read("edos", {"label_sexist": "not sexist", "label_category": "none"})
    assert civil == {"identity_attack": 0.0, "report_worthy": 0.1, "threat": None}


def test_bias_frames_need_a_group() -> None:
    assert read("sbic", SBIC)["identity_attack"] == 0.5
    assert read("sbic", SBIC | {"targetCategory": "[]"})["identity_attack"] == 0.0


@pytest.mark.parametrize(("rating", "expected"), [("approved", 0.0), ("rejected", 1.0), ("", None), (None, None)])
def test_the_sites_own_moderation(rating: str | None, expected: float | None) -> None:
    row = dict.fromkeys(SOURCES["civil_comments_full"].columns, 0.2) | {"rating": rating}
    assert read("civil_comments_full", row)["report_worthy"] == expected


@pytest.mark.parametrize(
    ("name", "column"), [("civil_comments_full", "rating"), ("edos", "label_sexist"), ("hatecheck", "label_gold")]
)
def test_unknown_word_breaks_its_rule(name: str, column: str) -> None:
    row = dict.fromkeys(SOURCES[name].columns, 0.2) | {column: "perhaps"}
    with pytest.raises(RuleError) as caught:
        read(name, row)
    assert caught.value.column == column
    assert "perhaps" not in str(caught.value)


def test_openai_category_that_is_missing_is_unknown() -> None:
    labels = read("openai_moderation", {"S": 1.0, "H": None, "HR": math.nan})
    assert labels == {"sexually_explicit": 1.0, "identity_attack": None, "hostile": None}


def test_youtube_report() -> None:
    row = {"IsToxic": True, "IsAbusive": True, "IsObscene": False, "IsThreat": False, "IsHatespeech": False}
    assert read("youtube_toxicity", row)["report_worthy"] == 0.6
    assert read("youtube_toxicity", row | {"IsThreat": True})["report_worthy"] == 1.0
    assert read("youtube_toxicity", row | {"IsAbusive": None})["report_worthy"] is None


def test_plain_sample_is_marked() -> None:
    natural = SOURCES["civil_comments"].natural
    assert natural is not None
    assert natural({"is_random": 1})
    assert not natural({"is_random": 0})


@pytest.mark.parametrize("empty", [None, "", math.nan, "nan"])
@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.targets])
def test_empty_row_says_nothing(name: str, empty: object) -> None:
    """An empty cell is unknown, never 0. `nan` in a column of words is a word like any other."""
    columns = {column for target in SOURCES[name].targets for column in target.columns}
    words = {
        "rating",
        "label_sexist",
        "label_category",
        "label_gold",
        "targetCategory",
        "spans",
        "decision",
        "featured",
    }
    row = {column: None if column in words and empty != "" else empty for column in columns}
    assert set(read(name, row).values()) == {None}


@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(min_value=2**1024),
        st.floats(),
        st.floats(0, 1),
        st.decimals(),
        st.text(),
        st.binary(),
        st.datetimes(),
        st.lists(st.floats()),
        st.dictionaries(st.text(), st.floats()),
    )
)
def test_any_cell_is_a_share_or_unknown_or_breaks_the_rule(cell: object) -> None:
    target = share("toxicity", "toxic")
    try:
        value = target.read({"toxic": cell})
    except RuleError as error:
        assert error.column == "toxic"
        assert "expected a number from 0 to 1" in error.rule
    else:
        assert value is None or 0.0 <= value <= 1.0


def test_each_derivation_names_every_source_behind_its_attribute() -> None:
    known = taxonomy.load()
    for name, source in SOURCES.items():
        if source.evaluation_only or name == "publisher":
            continue
        for attribute in source.attributes:
            words = known[attribute].derivation.lower()
            called = CALLED.get(name)
            generic = name in HATE_CORPORA and "hate corpora" in words
            specific = {"edos": "online sexism", "gab_hate_corpus": "gab"}.get(name, "\0") in words
            assert (called and called.lower() in words) or generic or specific, f"{attribute}: {name}"
