"""Functional suites: our own, and HateCheck."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.card.markdown import table, verdict
from training.published import published


def checks(result: Mapping[str, Any]) -> str:
    """Our own functional suite, by functionality."""
    suite, overall = result["suite"], result["overall"]
    rows: dict[str, list[str]] = {}
    for row in result["functionalities"]:
        paired = row["pair_accuracy"] is not None
        passed = row["pair_accuracy"] if paired else row["pass_at_balanced"]
        side = "" if paired else {"present": " +", "absent": " −"}[row["expected"]]
        shown = "–" if passed is None else f"{passed:.0%}"
        rows.setdefault(row["title"], [str(row["cases"])]).append(f"`{row['attribute']}`{side} {shown}")
    return (
        f"## Functional suite\n\n{suite['cases']:,} cases of our own in {suite['functionalities']} functionalities "
        "([labels/checks](labels/checks)), none of them ever trained on.\n"
        f"{overall['pass_at_balanced']:.0%} pass at the score that balances both sides of an attribute, "
        f"{overall['pass_at_half']:.0%} at 0.5; {overall['pair_accuracy']:.0%} of {overall['pairs']} minimal\n"
        f"pairs are ordered rightly; mean AUC {overall['mean_auc']:.3f}. Below: per cent that pass at the balanced "
        "score, where the attribute should be\npresent (+) or absent (−), or of pairs ordered rightly.\n\n"
        + table(("functionality", "cases", "passed"), [(t, n, ", ".join(each)) for t, (n, *each) in rows.items()])
        + "\n\n"
        + "\n".join(f"- {note}" for note in result["notes"])
    )


def hatecheck(result: Mapping[str, Any]) -> str:
    """HateCheck's functionalities and target groups beside the published figures."""
    theirs = published("hatecheck")
    models, points = theirs["models"], result["thresholds"]
    overall, met = result["overall"], result["met"]
    keys = ("accuracy", "macro_f1", "hateful", "other")
    summary = [
        (
            f"this model, `{result['attribute']}` ≥ {points[name]:g}",
            *(f"{100 * overall[name][key]:.1f}" for key in keys),
        )
        for name in ("development", "half")
    ]
    summary += [(model, *(f"{value:.1f}" for value in theirs["overall"][model])) for model in models]
    rows = []
    for name, item in result["functionalities"].items():
        title, *figures = theirs["functionalities"][name]
        ours = [f"{100 * item[point]:.1f}" for point in ("development", "half")]
        label = "hateful" if item["hateful"] else "not"
        rows.append((title, label, item["cases"], *ours, *(f"{value:.1f}" for value in figures)))
    groups = []
    for name, item in result["targets"].items():
        ours = [f"{100 * item[point]:.1f}" for point in ("development", "half")]
        groups.append((name, item["cases"], *ours, *(f"{value:.1f}" for value in theirs["targets"][name])))
    mine = (f"ours, ≥ {points['development']:g}", f"ours, ≥ {points['half']:g}")
    best = [title for title, _, _, ours, _, *figures in rows if float(ours) < max(float(value) for value in figures)]
    return (
        "## HateCheck\n\nAccuracy in per cent on 3,728 cases that were written to be hard; never trained or tuned "
        "on. The "
        f"threshold {points['development']:g} gives\nthe best macro-F1 on development rows of the hate corpora "
        f"({', '.join(result['chosen_on'])}),\nwhere hate is as common as here; 0.5 is shown beside it. Figures of "
        "others "
        f"are from [their authors' notebook]({theirs['source']}), the paper's\nTable 3: {theirs['citation']}\n\n"
        + table(("model", "accuracy", "macro-F1", "on hateful", "on not hateful"), summary)
        + f"\n\nBars: macro-F1 of {result['bars']['macro_f1']:g} {verdict(met['macro_f1'])}, accuracy on what is "
        "not hateful "
        f"of {result['bars']['other']:.0%} {verdict(met['other'])}. A model that calls everything hateful has an "
        "accuracy of "
        "68.8.\n\n"
        + table(("functionality", "cases are", "cases", *mine, *models), rows)
        + f"\n\nAt {points['development']:g} another model is ahead on {len(best)} of {len(rows)}: "
        f"{', '.join(best)}.\n\n" + table(("target group, cases from templates", "cases", *mine, *models), groups)
    )
