"""How faithful the word-level reasons of serving/explain.py are, and what they cost.

    python benchmarks/explanations.py training/recipes/minilm-5.toml --output docs/evaluation

Writes explanations.json. Comprehensiveness: how far the score falls without the words said to matter most; higher is
better. Sufficiency: how far it falls if only they are left; lower is better. Both as in DeYoung, Jain, Rajani, Lehman,
Xiong, Socher, Wallace (2020): ERASER, ACL: means over 1, 5, 10, 20 and 50 % of a comment's words (at least one word).
Random order and the longest words first are what a ranking must beat.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # a script's own folder comes first, where http.py would hide the library's
    sys.path[0] = str(Path(__file__).parents[1])

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from serving.explain import MOST, occlude, without, words
from training import bootstrap
from training.bootstrap import Interval
from training.exam import Exam, ship

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
ON = (
    ("incivility", "reddit_incivility"),
    ("report_worthy", "civil_comments"),
    ("condescending", "ucc_val"),
    ("sarcastic", "ucc_val"),
)
ROWS = 40  # comments an attribute: those with the highest scores, for which reasons are asked
FEWEST_WORDS, MOST_WORDS = 8, MOST
RESAMPLES = 1000


def aopc(exam: Exam, text: str, attribute: str, order: Sequence[int]) -> tuple[float, float]:
    """Comprehensiveness and sufficiency of a ranking, the numbers of a text's words with the most important first."""
    places = words(text)
    removed, kept = [], []
    for share in SHARES:
        top = set(order[: max(1, round(share * len(places)))])
        removed.append(without(text, [place for n, place in enumerate(places) if n in top]))
        kept.append(" ".join(text[a:b] for n, (a, b) in enumerate(places) if n in top))
    scores = exam.scorer.calibrate(exam.scorer.logits([text, *removed, *kept]))[:, exam.column(attribute)]
    whole = float(scores[0])
    return whole - float(scores[1 : len(SHARES) + 1].mean()), whole - float(scores[len(SHARES) + 1 :].mean())


def measured(exam: Exam, attribute: str, source: str) -> dict[str, Any]:
    """Both measures with 95 % intervals over comments for occlusion and its rivals, and the cost of an explanation."""
    rows = exam.rows(source)
    fitting = [text for text in rows.texts if FEWEST_WORDS <= len(words(text)) <= MOST_WORDS]
    scores = exam.scores(fitting, f"scoring {source}")[:, exam.column(attribute)]
    texts = [fitting[place] for place in np.argsort(-scores, kind="stable")[:ROWS]]
    found: dict[str, list[tuple[float, float]]] = {"occlusion": [], "random": [], "longest first": []}
    seconds = []
    chance = random.Random(exam.recipe.seed)
    for text in texts:
        began = time.perf_counter()
        reasons = occlude(exam.scorer, text, attribute)
        seconds.append(time.perf_counter() - began)
        numbers = list(range(len(reasons)))
        orders = {
            "occlusion": sorted(numbers, key=lambda n: -reasons[n].contribution),
            "random": chance.sample(numbers, len(numbers)),
            "longest first": sorted(numbers, key=lambda n: reasons[n].start - reasons[n].end),
        }
        for name, order in orders.items():
            found[name].append(aopc(exam, text, attribute, order))
    weights = bootstrap.draws(len(texts), RESAMPLES, exam.recipe.seed)
    result: dict[str, Any] = {
        "attribute": attribute,
        "source": source,
        "rows": len(texts),
        "mean_words": round(statistics.mean(len(words(text)) for text in texts), 1),
        "mean_score": round(float(np.sort(scores)[::-1][:ROWS].mean()), 4),
        "milliseconds": round(1000 * statistics.median(seconds), 1),
    }
    for name, pairs in found.items():
        values = np.array(pairs)
        samples = weights @ values / len(texts)
        result[name] = {
            measure: asdict(Interval.of(float(values[:, n].mean()), samples[:, n]))
            for n, measure in enumerate(("comprehensiveness", "sufficiency"))
        }
    return result


def main() -> None:
    """Prints and writes both measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--runs-dir", type=Path)
    parser.add_argument("--output", type=Path, help="directory for the JSON")
    options = parser.parse_args()
    exam, folder = ship(options.recipe, options.runs_dir, options.output)
    sets = [measured(exam, a, s) for a, s in ON if a in exam.scorer.attributes and exam.holds(s)]
    table = Table(title="Faithfulness: comprehensiveness (higher is better) / sufficiency (lower is better)")
    for heading in ("attribute", "rows", "words", "score", "occlusion", "random", "longest first", "ms"):
        table.add_column(heading, justify="left" if heading == "attribute" else "right")
    for item in sets:
        cells = [
            " / ".join(f"{item[n][m]['value']:.3f}" for m in ("comprehensiveness", "sufficiency"))
            for n in ("occlusion", "random", "longest first")
        ]
        facts = (str(item["rows"]), f"{item['mean_words']:.0f}", f"{item['mean_score']:.2f}")
        table.add_row(item["attribute"], *facts, *cells, f"{item['milliseconds']:.0f}")
    console = Console(width=130)
    console.print(table)
    result = {"shares": list(SHARES), "most_words": MOST, "resamples": RESAMPLES, "sets": sets}
    console.print(f"written to {exam.report(folder, 'explanations', result)}")


if __name__ == "__main__":
    main()
