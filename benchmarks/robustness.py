"""AUC lost when comments are disguised or dressed up, and innocent words that must not be raised.

    python benchmarks/robustness.py training/recipes/minilm-5.toml --output docs/evaluation

Writes robustness.json. Held-out natural comments of Civil Comments, harmless and toxic ones alike, are perturbed in
each way of training/perturbations.py and scored anew. Where words are disguised, it is up to SUSPECTS words of a
comment, those that a word model trained on the training rows finds most toxic, if they are among its HEAVIEST: what
somebody who wants to get past a filter would disguise, and what stands in a harmless comment by chance.
`--split dev` looks at development rows, to choose a normal form by.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # a script's own folder comes first, where http.py would hide the library's
    sys.path[0] = str(Path(__file__).parents[1])

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from serving.text import normalise
from training import bootstrap, lineage, suspects
from training.bootstrap import Interval
from training.corpus import Corpus
from training.exam import Exam, ship
from training.perturbations import TEXTS, WORDS, perturb
from training.scoring import identity

Floats = npt.NDArray[np.floating]

ATTRIBUTE, SOURCE = "toxicity", "civil_comments"
POSITIVES, NEGATIVES = 300, 600
BAR = 0.02
RESAMPLES = 500
LIMIT = 1000  # characters: longer comments are left out, so that one bad word is not lost in them

# Innocent words that hold others, innocent sentences around them, our own. The last ones are names of places.
_WORDS = (
    "assassin assess assessment asset assist associate assume bass brass class classic embarrass grass pass passage "
    "passion cockpit cocktail peacock hancock shuttlecock dickens cumulative document circumstance accumulate "
    "analysis canal analyst titled title constitution competition scrap scrape shitake hello shell hellenic "
    "therapist therapy grape drape sextant sextet essex sussex middlesex saturday matsushita country count account "
    "discount scunthorpe penistone clitheroe lightwater arsenal parse coarse hearse"
)
SCUNTHORPE = _WORDS.split()
AROUND = ("The word is {}.", "We talked about {} at the meeting yesterday.", "I had to look up {} in the dictionary.")
RAISED = 0.1  # how far a harmless sentence's score may lie above that of the same sentence with a plain word
PLAIN = ("table", "window", "garden", "letter", "bridge")


def word_weights(exam: Exam) -> dict[str, float]:
    """Word -> its weight in a logistic regression of toxicity on word counts of the training rows; kept on disk."""
    key = exam.stamp()["data_fingerprint"]
    path = exam.directory / "scores" / f"suspects-{key[:16]}.json"
    if path.is_file():
        stored: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
        return stored
    train = lineage.seen(exam.directory, exam.scorer.attributes, exam.recipe)
    column = exam.column(ATTRIBUTE)
    known = np.flatnonzero(~np.isnan(train.labels[:, column]))
    weights = suspects.weigh([train.texts[i] for i in known], train.labels[known, column] >= 0.5, exam.recipe.seed)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(weights), encoding="utf-8")
    return weights


def sample(rows: Corpus, column: int, *, fresh: bool) -> Corpus:
    """At most POSITIVES toxic and NEGATIVES harmless rows of at most LIMIT characters, in the order given.

    `fresh` leaves out as many of each that come first: by those of the test rows the normal form was chosen.
    """
    short = np.array([len(text) <= LIMIT for text in rows.texts], dtype=np.bool_)
    labels = rows.labels[:, column]
    yes, no = np.flatnonzero(short & (labels >= 0.5)), np.flatnonzero(short & (labels < 0.5))
    yes, no = (yes[POSITIVES:], no[NEGATIVES:]) if fresh else (yes, no)
    return rows.select(np.sort(np.concatenate([yes[:POSITIVES], no[:NEGATIVES]])))


def losses(exam: Exam, rows: Corpus, names: Sequence[str]) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """The AUC of the clean rows, and for each perturbation that of the perturbed ones and what is lost."""
    column = exam.column(ATTRIBUTE)
    truth, weights = rows.labels[:, column] >= 0.5, suspects.heaviest(word_weights(exam))
    draws = bootstrap.draws(len(rows), RESAMPLES, exam.recipe.seed)
    draws = np.concatenate([np.ones((1, len(rows)), np.int64), draws])
    clean = exam.scores(rows.texts, "scoring clean rows")[:, column]
    before = bootstrap.weighted_auc(truth, clean, draws)
    spans = [suspects.places(text, weights) for text in rows.texts]
    found = []
    for name in names:
        texts = [perturb(text, name, where) for text, where in zip(rows.texts, spans, strict=True)]
        scores = exam.scores(texts, f"scoring: {name}")[:, column]
        after = bootstrap.weighted_auc(truth, scores, draws)
        lost = Interval.of(float((before - after)[0]), (before - after)[1:])
        found.append(
            {
                "name": name,
                "auc": round(float(after[0]), 4),
                "lost": asdict(lost),
                "met": lost.value <= BAR,
                "mean_change_toxic": round(float((scores - clean)[truth].mean()), 4),
                "mean_change_harmless": round(float((scores - clean)[~truth].mean()), 4),
                "same_normal_form": round(
                    float(np.mean([normalise(a) == normalise(b) for a, b in zip(texts, rows.texts, strict=True)])), 4
                ),
            }
        )
    return asdict(Interval.of(float(before[0]), before[1:])), found


def scunthorpe(exam: Exam) -> dict[str, Any]:
    """Innocent words in innocent sentences, against plain words in the same: how many are RAISED, by attribute."""
    result: dict[str, Any] = {"words": len(SCUNTHORPE), "sentences": len(AROUND), "raised_by": RAISED, "attributes": {}}
    for name in ("toxicity", "profanity", "insult", "report_worthy"):
        if name not in exam.scorer.attributes:
            continue
        raised: set[str] = set()
        column, most = exam.column(name), 0.0
        for frame in AROUND:
            plain = float(exam.scores([frame.format(word) for word in PLAIN])[:, column].mean())
            scores = exam.scores([frame.format(word) for word in SCUNTHORPE])[:, column] - plain
            most = max(most, float(scores.max()))
            raised |= {word for word, score in zip(SCUNTHORPE, scores, strict=True) if score > RAISED}
        result["attributes"][name] = {"raised": sorted(raised), "most": round(most, 4)}
    return result


def main() -> None:
    """Prints and writes the losses."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--runs-dir", type=Path)
    parser.add_argument("--output", type=Path, help="directory for the JSON")
    parser.add_argument("--split", choices=("test", "dev"), default="test")
    parser.add_argument("--only", nargs="*", default=[*WORDS, *TEXTS])
    options = parser.parse_args()
    exam, folder = ship(options.recipe, options.runs_dir, options.output)
    source = exam.rows(SOURCE) if options.split == "test" else exam.development(SOURCE)
    rows = sample(source, exam.column(ATTRIBUTE), fresh=options.split == "test")
    clean, found = losses(exam, rows, options.only)
    table = Table(title=f"AUC of {ATTRIBUTE} on {len(rows)} {options.split} rows: clean {clean['value']:.4f}")
    for heading in ("perturbation", "AUC", "lost", f"bar {BAR}", "toxic moved", "harmless moved", "undone"):
        table.add_column(heading, justify="left" if heading == "perturbation" else "right")
    for item in found:
        lost = f"{item['lost']['value']:+.4f} ({item['lost']['low']:+.4f}–{item['lost']['high']:+.4f})"
        moved = [f"{item[key]:+.3f}" for key in ("mean_change_toxic", "mean_change_harmless")]
        verdict = "met" if item["met"] else "MISSED"
        table.add_row(item["name"], f"{item['auc']:.4f}", lost, verdict, *moved, f"{item['same_normal_form']:.0%}")
    console = Console(width=140)
    console.print(table)
    words = scunthorpe(exam)
    console.print(words)
    if options.split == "test" and list(options.only) == [*WORDS, *TEXTS]:
        result = {
            "attribute": ATTRIBUTE,
            "source": SOURCE,
            "bar": BAR,
            "suspects": suspects.SUSPECTS,
            "heaviest": suspects.HEAVIEST,
            "resamples": RESAMPLES,
            "identity": identity(exam.scorer.manifest),
            "rows": len(rows),
            "positives": int((rows.labels[:, exam.column(ATTRIBUTE)] >= 0.5).sum()),
            "clean": clean,
            "perturbations": found,
            "innocent_words": words,
        }
        console.print(f"written to {exam.report(folder, 'robustness', result)}")


if __name__ == "__main__":
    main()
