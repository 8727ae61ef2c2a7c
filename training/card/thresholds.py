"""What to set: thresholds, calibration, review budgets, and recalibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.card.markdown import interval, number, percent, short, table, verdict

STEPS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9)
SHARES = (0.01, 0.02, 0.05, 0.1)


def thresholds(result: Mapping[str, Any]) -> str:
    """Precision, recall and share flagged by threshold, and the thresholds that flag given shares."""
    steps, shares = [], []
    for name, sets in result["attributes"].items():
        for item in sets:
            where = ", ".join(item["sources"])
            rows = {row["threshold"]: row for row in item["steps"]}
            steps.append(
                (f"`{name}`", where, percent(item["positives"] / item["rows"], 1), *(_cell(rows[s]) for s in STEPS))
            )
            found = {row["share"]: row for row in item["shares"]}
            shares.append((f"`{name}`", where, *(_set(found[share]) for share in SHARES)))
    return (
        "## Thresholds\n\nPrecision / recall / share of comments flagged at a score of at least the threshold, on "
        "held-out "
        "comments at their\nnatural rate; *has it* is the share that annotators (a majority of them) said has the "
        "attribute. "
        "A dash: nothing is flagged.\nIntervals are in docs/evaluation/thresholds.json.\n\n"
        + table(("attribute", "set", "has it", *(f"≥ {step:g}" for step in STEPS)), steps)
        + "\n\n**Coming from Perspective at 0.8:** do not copy the number. A score here is the share of readers "
        "who would say "
        "so *at\nthe rate of ordinary comments*, and rare attributes seldom reach 0.8. Look up which share of your "
        "comments "
        "your old\nthreshold flagged, take the threshold that flags the same share below, watch it in shadow, then "
        "adjust.\n\n"
        "Threshold that flags at most a share of comments, with its precision / recall:\n\n"
        + table(("attribute", "set", *(f"{share:.0%} flagged" for share in SHARES)), shares)
    )


def _cell(row: Mapping[str, Any]) -> str:
    precision, recall = (short(row[key]["value"]) if row[key] else "–" for key in ("precision", "recall"))
    return f"{precision} / {recall} / {percent(row['flagged']['value'], 1)}"


def _set(row: Mapping[str, Any]) -> str:
    precision, recall = (short(row[key]["value"]) if row[key] else "–" for key in ("precision", "recall"))
    return f"**{row['threshold']:.3f}** {precision} / {recall}"


def calibration(result: Mapping[str, Any]) -> str:
    """Calibration error by attribute, by set and by group."""
    rows = []
    for name, item in result["attributes"].items():
        m = item["together"]
        others = ", ".join(f"{source} {number(found['error']['value'])}" for source, found in item["sources"].items())
        mean = (short(m["mean_label"]), short(m["mean_score"]))
        rows.append(
            (
                f"`{name}`",
                f"{m['rows']:,}",
                *mean,
                interval(m["error"]),
                number(m["floor"]),
                verdict(item["met"]),
                others,
            )
        )
    missed = [f"`{name}`" for name, item in result["attributes"].items() if not item["met"]]
    parts = [
        "## Calibration\n\nExpected calibration error (ten equal-count bins, against the share of annotators) of "
        "the int8 "
        "model on held-out\ncomments of the sets that an attribute is calibrated for, at their natural rate; the "
        "bar is "
        f"{result['bar']:g}. *Floor* is what perfectly\ncalibrated scores would show on as many rows if labels "
        "were single "
        "yeses and noes: below it nothing can be told.\n\n"
        + table(("attribute", "rows", "mean label", "mean score", "error", "floor", "bar", "by set"), rows)
        + (f"\n\nMissed by {', '.join(missed)}." if missed else "\n\nMet by every attribute.")
    ]
    for item in result["groups"]:
        groups = [
            (
                name,
                f"{m['rows']:,}",
                short(m["mean_label"]),
                short(m["mean_score"]),
                interval(m["error"]),
                number(m["floor"]),
            )
            for name, m in item["groups"].items()
        ]
        few = ", ".join(f"{name} {rows}" for name, rows in item["too_few"].items())
        parts.append(
            f"Of `{item['attribute']}` on {item['source']} among comments that mention a group (our own words for "
            "groups, "
            "labels/identities.py):\n\n"
            + table(("group", "rows", "mean label", "mean score", "error", "floor"), groups)
            + f"\n\nToo few comments to tell: {few}."
        )
    return "\n\n".join(parts)


def review(result: Mapping[str, Any]) -> str:
    """Accuracy when the least certain comments go to people."""
    rows = []
    for item in result["sets"]:
        for row in item["budgets"]:
            figures = [interval(row["accuracy"]), number(row["random"])]
            figures += [number(row[key]["value"]) if row[key] else "–" for key in ("precision", "recall")]
            rows.append((f"`{item['attribute']}`", item["source"], percent(row["budget"]), *figures))
    return (
        "## Model and moderators together\n\nIf the comments whose score is nearest to "
        f"{result['threshold']:g} go to people who decide rightly, up to a budget, and the model decides\nthe rest: "
        "accuracy, beside that with as many comments chosen at random, precision and recall "
        "(oracle-model\ncollaborative "
        "accuracy, Kivlichan et al. 2021). Nothing here says that the rest should be decided by the model alone.\n\n"
        + table(("attribute", "set", "budget", "accuracy", "at random", "precision", "recall"), rows)
    )


def shift(result: Mapping[str, Any]) -> str:
    """What recalibration from a site's decisions gains."""
    rows = []
    for item in result["sets"]:
        after = ", ".join(f"{count}: {number(found['error'])}" for count, found in item["after"].items())
        rows.append((f"`{item['attribute']}`", item["source"], f"{item['rows']:,}", number(item["before"]), after))
    return (
        "## A site of its own\n\nWhere comments, rates or house rules differ, scores are no longer rates. `python -m "
        "training.recalibrate` fits them to a\nsite's decisions: a constant on the log-odds from 10 decisions of "
        "each kind "
        "on (prior shift, Saerens et al. 2002), the\nslope too from 100 on (Platt 1999). Rankings stay. Here sets "
        "stand for "
        "sites: their development rows are the decisions,\nin random draws; calibration error is of their test "
        "rows.\n\n"
        + table(("attribute", "as a site", "test rows", "error before", "after, by number of decisions"), rows)
    )
