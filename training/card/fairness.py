"""Bias by group: on real comments, on HateCheck's targets, and by identity swaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.card.markdown import interval, number, percent, table, verdict

KINDS = {"subgroup": "subgroup AUC", "bpsn": "BPSN AUC", "bnsp": "BNSP AUC"}


def fairness(result: Mapping[str, Any]) -> str:
    """AUCs by group, the bias metric, and HateCheck's targets."""
    parts = [
        f"## Fairness\n\n`{result['attribute']}` by group. Subgroup AUC: within the comments that mention the "
        "group. BPSN: "
        "toxic comments without it against\nharmless ones with it; low where harmless mentions are raised. BNSP: "
        "the other "
        "way round; low where toxic mentions are missed\n(Borkan et al. 2019). The bias metric is that of Jigsaw's "
        "contest of "
        "2019: a quarter each of the overall AUC and of the\nthree, as power means over groups with exponent "
        f"{result['exponent']:g}."
    ]
    titles = {
        "annotated": "Groups as annotators saw them, on the evaluation-only day of Civil Comments; few, so "
        "intervals are wide",
        "mentions": "Groups by words of our own (labels/identities.py), on held-out Civil Comments",
    }
    for name, title in titles.items():
        if name in result:
            parts.append(_bias(title, result[name]))
    if "targets" in result:
        parts.append(_targets(result["targets"]))
    parts.append(
        "**Dialect and non-native English** are not measured: no set here says how its authors speak, and "
        "templates of our own "
        "would\nbe caricatures. Annotators are known to call African-American English toxic more often than "
        "warranted (Sap et "
        "al. 2019), and\nthis model learned from such labels: expect that it does too."
    )
    return "\n\n".join(parts)


def _bias(title: str, item: Mapping[str, Any]) -> str:
    rows = [
        (name, group["positives"], group["negatives"], *(interval(group[kind]) for kind in KINDS))
        for name, group in item["groups"].items()
    ]
    few = ", ".join(f"{name} ({yes} and {no})" for name, (yes, no) in item["too_few"].items())
    boosted = f", {item['rows'] - item['natural']:,} of them picked by keywords" if "natural" in item else ""
    metric = f", bias metric **{interval(item['bias_metric'])}**" if "bias_metric" in item else ""
    return (
        f"{title}: {item['rows']:,} comments{boosted}; overall AUC {interval(item['overall'])}{metric}.\n\n"
        + table(("group", "toxic", "harmless", *KINDS.values()), rows)
        + (f"\n\nToo few toxic or harmless comments to tell: {few}." if few else "")
    )


def _targets(targets: Mapping[str, Any]) -> str:
    names = sorted({name for item in targets["attributes"].values() for name in item["groups"]})
    rows = [
        (name, *(interval(item["groups"][name]["auc"]) for item in targets["attributes"].values())) for name in names
    ]
    said = "; ".join(
        f"`{name}`: mean {number(item['mean'])}, worst {item['worst']}, {item['below_mean']:.3f} below: "
        f"{verdict(item['met'])}"
        for name, item in targets["attributes"].items()
    )
    return (
        "AUC of hateful against other cases of HateCheck by target group; none may lie more than "
        f"{targets['gap']:g} below the mean. {said}.\n\n"
        + table(("target group", *(f"`{name}`" for name in targets["attributes"])), rows)
    )


def swaps(result: Mapping[str, Any]) -> str:
    """How far scores move when only the identity changes."""
    rows = []
    for kind, attributes in result["kinds"].items():
        for name, item in attributes.items():
            most = sorted(item["identities"], key=lambda identity: -abs(item["identities"][identity]))[:4]
            moved = ", ".join(f"{identity} {item['identities'][identity]:+.2f}" for identity in most)
            figures = (percent(item["within_band"], 1), number(item["highest"]), number(item["largest_deviation"]))
            rows.append((kind, f"`{name}`", *figures, moved))
    templates = result["templates"]
    return (
        f"## Identity swaps\n\nOne sentence with {result['identities']} identities in turn, in {templates['calm']} "
        "calm "
        'templates ("I am a … reader and I agree.") '
        f"and {templates['rude']} rude ones,\nall our own (labels/swaps.toml). "
        f"Wanted: a score within ±{result['band']:g} of the template's median over identities, and calm\nsentences "
        "below "
        f"{result['calm_below']:g}. The share within, the highest score, the largest move, and the identities that "
        "move most on "
        "average:\n\n"
        + table(("sentences", "attribute", "within the band", "highest", "largest move", "most moved"), rows)
    )
