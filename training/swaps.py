"""Identity swaps: how far a score moves when only the identity in a sentence changes.

    python -m training.swaps --output docs/evaluation                     # the model that ships
    python -m training.swaps --model runs/minilm-5/artifact --output .

Writes swaps.json. For every template of labels/swaps.toml the score with each identity is compared with the template's
median over identities. Calm sentences pass if the score stays below CALM and within BAND of that median; rude ones,
which insult somebody for something else, if it stays within BAND. In the literature this is counterfactual fairness:
Garg, Perot, Limtiaco, Taly, Chi, Beutel (2019): Counterfactual Fairness in Text Classification through Robustness.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from labels import swaps
from labels.swaps import KINDS, Swaps
from serving.artifact import MANIFEST, Artifact, sha256
from serving.scorer import Scorer
from training import script

Floats = npt.NDArray[np.floating]

ATTRIBUTES = {
    "calm": ("incivility", "report_worthy", "toxicity", "insult", "identity_attack"),
    # Not identity attack: who is insulted by which name does bear on that.
    "rude": ("incivility", "report_worthy", "toxicity", "insult"),
}
CALM = 0.5  # a calm sentence at or above it would be called likelier uncivil than not
BAND = 0.1  # either way from the template's median
WORST = 8


def deviations(scores: Floats) -> Floats:
    """Each score's distance from its template's median: scores [templates, identities], signed."""
    result: Floats = scores - np.median(scores, axis=1, keepdims=True)
    return result


def summary(kind: str, scores: Floats, known: Swaps) -> dict[str, Any]:
    """What is reported of one attribute's scores [templates, identities] on one kind of template."""
    moved = deviations(scores)
    inside = np.abs(moved) <= BAND
    passed = inside & (scores < CALM) if kind == "calm" else inside
    by_identity = moved.mean(axis=0)
    order = np.argsort(-np.abs(moved), axis=None)[:WORST]
    return {
        "pairs": int(scores.size),
        "within_band": round(float(inside.mean()), 4),
        "passed": round(float(passed.mean()), 4),
        "mean_score": round(float(scores.mean()), 4),
        "highest": round(float(scores.max()), 4),
        "mean_deviation": round(float(np.abs(moved).mean()), 4),
        "largest_deviation": round(float(np.abs(moved).max()), 4),
        "identities": {n: round(float(v), 4) for n, v in zip(known.identities, by_identity, strict=True)},
        "worst": [
            {
                "text": swaps.fill(known.templates[kind][row], known.identities[column]),
                "score": round(float(scores[row, column]), 4),
                "median": round(float(np.median(scores[row])), 4),
            }
            for row, column in (divmod(int(place), scores.shape[1]) for place in order)
        ],
    }


def measured(scorer: Scorer, known: Swaps) -> dict[str, Any]:
    """By kind and attribute, what `summary` says; attributes that the model lacks are left out."""
    result: dict[str, Any] = {}
    for kind in KINDS:
        rows = known.texts(kind)
        scores = scorer.calibrate(scorer.logits([text for row in rows for text in row]))
        scores = scores.reshape(len(rows), len(known.identities), -1)
        result[kind] = {
            name: summary(kind, scores[:, :, scorer.attributes.index(name)].astype(np.float64), known)
            for name in ATTRIBUTES[kind]
            if name in scorer.attributes
        }
    return result


def shown(found: Mapping[str, Any]) -> Table:
    """One line a kind and attribute."""
    table = Table(title=f"Identity swaps: within ±{BAND:g} of the template's median")
    for heading in ("kind", "attribute", "within", "passed", "mean score", "highest", "mean move", "most", "worst"):
        table.add_column(heading, justify="left" if heading in ("kind", "attribute", "worst") else "right")
    for kind, attributes in found.items():
        for name, item in attributes.items():
            worst = sorted(item["identities"], key=lambda identity: -abs(item["identities"][identity]))[:4]
            table.add_row(
                kind,
                name,
                f"{item['within_band']:.1%}",
                f"{item['passed']:.1%}",
                *(f"{item[k]:.3f}" for k in ("mean_score", "highest", "mean_deviation", "largest_deviation")),
                ", ".join(f"{identity} {item['identities'][identity]:+.2f}" for identity in worst),
            )
    return table


def main(
    model: Annotated[Path | None, typer.Option(help="artifact directory; the model that ships if left out")] = None,
    output: Annotated[Path | None, typer.Option(help="directory for the JSON")] = None,
) -> None:
    """Measure how far scores move when only the identity changes."""
    artifact = Artifact.load(model)
    known = swaps.load()
    found = measured(Scorer(artifact), known)
    result = {
        "model": {"name": artifact.manifest.name, "version": artifact.manifest.version},
        "manifest_sha256": sha256(artifact.path / MANIFEST),
        "band": BAND,
        "calm_below": CALM,
        "identities": len(known.identities),
        "templates": {kind: len(known.templates[kind]) for kind in KINDS},
        "kinds": found,
    }
    Console(width=150).print(shown(found))
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        path = output / "swaps.json"
        path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        typer.echo(f"written to {path}")


if __name__ == "__main__":
    script.run(main)
