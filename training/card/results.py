"""What the evaluation found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labels.sources import SOURCES
from labels.taxonomy import Taxonomy
from training.card.markdown import interval, number, table
from training.measure import FEWEST

RIVALS = {"words": "TF-IDF + LR", "length": "length"}


def bars(evaluation: Mapping[str, Any]) -> str:
    """The results to reach."""
    rows = []
    for bar in evaluation["bars"]:
        if bar["result"] is None:
            rows.append((bar["what"], "–", "–", "–", "–", bar["at_least"], "**not measured**"))
            continue
        missed = bar["at_least"] - bar["result"]["value"]
        rivals = [number(bar["rivals"].get(name)) for name in RIVALS]
        verdict = "met" if bar["met"] else f"**missed by {missed:.3f}**"
        rows.append((bar["what"], f"{bar['rows']:,}", interval(bar["result"]), *rivals, bar["at_least"], verdict))
    return (
        "## Results in short\n\nROC AUC with 95 % bootstrap intervals, on comments never trained or tuned on.\n\n"
        + table(("what", "rows", "this model", *RIVALS.values(), "bar", ""), rows)
    )


def attributes(evaluation: Mapping[str, Any], known: Taxonomy, names: Sequence[str]) -> str:
    """Definitions and training rows."""
    data = evaluation["data"]
    rows = []
    for name in names:
        counts = [
            (source, *info["positives"][name])
            for source, info in data.items()
            if not info["evaluation_only"] and name in SOURCES[source].attributes and name in info["positives"]
        ]
        evidence = ", ".join(f"{source} {yes:,}/{labelled:,}" for source, labelled, yes in counts)
        rows.append((f"`{name}`", known[name].definition, evidence or "–"))
    headlines = [known[name] for name in names if known[name].group == "headline"]
    derivations = "\n".join(f"- `{a.name}`: {' '.join(a.derivation.split())}" for a in headlines)
    return (
        "## Attributes and their evidence\n\nTraining rows by source: positive (one half of annotators or more) of "
        "labelled.\n\n"
        + table(("attribute", "definition", "evidence"), rows)
        + "\n\nHow the headline labels are derived:\n\n"
        + derivations
    )


def measurements(evaluation: Mapping[str, Any], pictures: str) -> str:
    """Every measurement beside its baselines."""
    rows = []
    for m in evaluation["measurements"]:
        rows.append(
            (
                f"`{m['attribute']}`",
                _set(m),
                f"{m['rows']:,}",
                f"{m['positives']:,}",
                interval(m["auc"]),
                *_beside(m),
                f"{m['average_precision']['value']:.3f}",
                f"{m['calibration_error']:.3f}",
            )
        )
    head = (
        "attribute", "set", "rows", "positives", "AUC", *RIVALS.values(), "gain over TF-IDF", "AP", "ECE",
    )  # fmt: skip
    compared = [m for m in (*evaluation["measurements"], *evaluation["by_share"]) if "words" in m["rivals"]]
    below = [f"`{m['attribute']}` on {m['source']}" for m in compared if m["rivals"]["words"]["gain"]["value"] <= 0]
    verdict = (
        "The model is above TF-IDF with logistic regression on every line."
        if not below
        else f"The model is **not** above TF-IDF with logistic regression for {', '.join(below)}. "
        + _by_attribute(compared)
    )
    return (
        "## Measurements\n\nHeld-out rows of the training sources, split by article, thread or near-duplicate group, "
        "and evaluation-only sets\n(marked *). Baselines are trained on the same training rows. AP is average "
        "precision, ECE the expected calibration\nerror of ten equal-count bins. Intervals resample single comments; "
        "those of one article or thread are alike, so that the\ntrue uncertainty is wider. Where a set's share "
        "of positives is far from that of ordinary comments (the hate sets\nabove all), a large ECE is expected.\n\n"
        + table(head, rows)
        + _by_share(evaluation["by_share"])
        + f"\n\n{verdict}\n\n![AUC beside baselines]({pictures}/auc.png)\n\n"
        + f"![Reliability curves]({pictures}/reliability.png)"
    )


def _set(measured: Mapping[str, Any]) -> str:
    return f"{measured['source']}{' *' if measured['kind'] == 'evaluation only' else ''}"


def _beside(measured: Mapping[str, Any]) -> tuple[str, ...]:
    """The baselines' AUC, and the gain over TF-IDF."""
    words = measured["rivals"].get("words")
    gain = f"{words['gain']['value']:+.3f} ({words['gain']['low']:+.3f}–{words['gain']['high']:+.3f})" if words else "–"
    return (*(number(measured["rivals"].get(name, {}).get("auc")) for name in RIVALS), gain)


def _by_share(measured: Sequence[Mapping[str, Any]]) -> str:
    """What is too rare for half of the annotators to agree on it."""
    if not measured:
        return ""
    rows = [
        (f"`{m['attribute']}`", _set(m), f"{m['rows']:,}", f"{100 * m['share']:.1f} %", interval(m["auc"]), *_beside(m))
        for m in measured
    ]
    head = ("attribute", "set", "rows", "mean share", "AUC by share", *RIVALS.values(), "gain over TF-IDF")
    text = (
        f"\n\nWhere fewer than {FEWEST} comments convince half of their annotators, each vote counts by itself: the\n"
        "AUC is over pairs of a vote for and one against, so that even the best ranking stays below 1.\n\n"
    )
    return text + table(head, rows)


def _by_attribute(compared: Sequence[Mapping[str, Any]]) -> str:
    """A sentence on each attribute's mean AUC over its sets, against that of TF-IDF."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    for m in compared:
        pairs.setdefault(m["attribute"], []).append((m["auc"]["value"], m["rivals"]["words"]["auc"]))
    below = []
    for name, each in pairs.items():
        ours, words = (sum(column) / len(each) for column in zip(*each, strict=True))
        if ours <= words:
            below.append(f"`{name}` ({ours:.3f} against {words:.3f})")
    exceptions = f", but for {', '.join(below)}" if below else ""
    return f"By the mean over an attribute's sets it is above it for all {len(pairs)} attributes{exceptions}."


def bands(evaluation: Mapping[str, Any]) -> str:
    """AUC within length bands."""
    rows = [
        (
            f"`{m['attribute']}`",
            m["source"],
            interval(m["within_length_bands"]["auc"]),
            *(number(m["within_length_bands"]["rivals"].get(name)) for name in RIVALS),
            interval(m["auc"]),
        )
        for m in evaluation["measurements"]
        if "within_length_bands" in m
    ]
    return (
        "## Quality beyond length\n\nLong comments are nearly always labelled constructive, so that an AUC over all "
        "pairs shows little. Within length\ndeciles only comments of like length are compared. The score itself "
        "includes a fixed prior for length; the head was\ntrained beside that prior to learn what the words add.\n\n"
        + table(("attribute", "set", "AUC within bands", *RIVALS.values(), "AUC over all pairs"), rows)
    )


def quantisation(evaluation: Mapping[str, Any]) -> str:
    """What int8 costs."""
    limits = evaluation["recipe"]["export"]
    on_bars = [
        (bar["what"], f"{bar['rivals']['fp32'] - bar['result']['value']:+.4f}")
        for bar in evaluation["bars"]
        if "fp32" in bar["rivals"]
    ]
    found = evaluation["quantisation"]
    losses = {name: values["auc_loss"] for name, values in found.items() if "auc_loss" in values}
    changes = {name: values["score_change"] for name, values in found.items()}
    worst, moved = max(losses, key=lambda n: losses[n]), max(changes, key=lambda n: changes[n])
    text = (
        "## int8 against fp32\n\nOn development rows int8 loses at most "
        f"{losses[worst]:.4f} AUC (`{worst}`; tolerance {limits['auc_tolerance']}), and moves calibrated scores\nby "
        f"{changes[moved]:.4f} on average at most (`{moved}`; tolerance {limits['score_tolerance']}). "
    )
    if not on_bars:
        return text + "Measured when the model was made: its fp32 network is gone."
    return text + "AUC lost on the results above:\n\n" + table(("what", "fp32 − int8"), on_bars)


def speed(evaluation: Mapping[str, Any]) -> str:
    """Comments per second."""
    speed, cpu = evaluation["speed"], evaluation["cpu"]
    return (
        f"## Speed\n\nOn {cpu['name']} ({', '.join(cpu['features'])}), {speed['cores']} cores, through the serving "
        f"scorer, {speed['comments']:,} held-out comments\nof {speed['mean_characters']} characters on average: "
        f"**{speed['comments_per_second']} comments/s** in one call; one comment "
        f"**{speed['single_ms_p50']} ms** (median), {speed['single_ms_p99']} ms (99th\npercentile). The int8 "
        "weights have 7 bits, so that sums do not overflow on a processor without VNNI either."
    )


def failures(evaluation: Mapping[str, Any]) -> str:
    """The worst pairs of the taxonomy's own examples."""
    pairs, failures = evaluation["examples"]["pairs"], evaluation["examples"]["failures"]
    right, of = sum(p["right"] for p in pairs.values()), sum(p["of"] for p in pairs.values())
    rows = [
        (f"`{f['attribute']}`", f"{f['score']:.3f}", f["has"], f"{f['scored']:.3f}", f["lacks"])  # one pair a line
        for f in failures
    ]
    return (
        "## Known failures\n\n"
        f"Of {of} pairs of the taxonomy's own examples (one with the attribute, one near miss), {right} are ordered "
        "rightly. The\nworst pairs, which show what the model does not understand:\n\n"
        + table(("attribute", "score", "has it", "score", "lacks it"), rows)
        + "\n\nWhat it cannot know by construction: it reads a comment without its article, its parent or its "
        "author; the six subtle\nattributes (hostile to unfair generalisation) come from a few thousand comments on "
        "one Canadian newspaper; and no\ndata behind it marks quoted abuse, reclaimed words or dialect as such."
    )
