"""How well the model marks the words that people marked, by characters, as SemEval-2021 Task 5 measures it.

    python -m training.marks training/recipes/minilm-5.toml --output docs/evaluation

Writes marks.json. For each comment the F1 of its characters, then the mean over comments (Da San Martino et al. 2019;
Pavlopoulos et al. 2021: SemEval-2021 Task 5, SemEval). Rivals: marking everything, marking nothing, and a word list
made of the training rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from serving.artifact import SpanHead
from serving.scorer import Scorer
from serving.spans import Tokens, joined
from training import bootstrap, corpus, lineage, logistic, script
from training.bootstrap import Interval
from training.corpus import Corpus, Span
from training.exam import Exam, ExamError, ship
from training.perturbations import WORD

Floats = npt.NDArray[np.float32]

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(2, 17))  # that are tried on development rows
OFTEN, FEWEST = 0.5, 3  # a word of the list was marked in so many of its places, and in so many comments at least
RESAMPLES = 1000


def f1(found: Sequence[Span], marked: Sequence[Span]) -> float:
    """F1 of the characters of two lists of places [start, end); 1 where neither has any, 0 where one has none."""
    ours = {place for start, end in found for place in range(start, end)}
    theirs = {place for start, end in marked for place in range(start, end)}
    if not ours or not theirs:
        return float(not ours and not theirs)
    return 2 * len(ours & theirs) / (len(ours) + len(theirs))


def known(tokens: Tokens, marked: Sequence[Span]) -> Floats:
    """For each token 1 if most of its characters are marked, else 0."""
    inside = [sum(max(0, min(end, e) - max(start, s)) for s, e in marked) for start, end in tokens.places]
    return np.array(
        [2 * part >= end - start > 0 for part, (start, end) in zip(inside, tokens.places, strict=True)], np.float32
    )


def fit(scorer: Scorer, texts: Sequence[str], marked: Sequence[Sequence[Span]]) -> SpanHead:
    """The scorer's head that marks words, calibrated on texts in normal form with their marks, its threshold that of
    THRESHOLDS with the highest mean F1 there.

    Raises ValueError if nothing or everything is marked.
    """
    head = scorer.manifest.spans
    assert head is not None
    tokens = scorer.tokens(texts)
    logits = np.concatenate([found.logits for found in tokens])
    line = logistic.fit(logits, np.concatenate([known(*pair) for pair in zip(tokens, marked, strict=True)]))
    if line is None or line.slope <= 0:
        raise ValueError("marks: expected marked and unmarked words, and a head that ranks the marked ones higher")

    def mean(threshold: float) -> float:
        spans = (
            joined(text, found, line.predict(found.logits).astype(np.float32), threshold)
            for text, found in zip(texts, tokens, strict=True)
        )
        return float(
            np.mean([f1([(s.start, s.end) for s in mine], theirs) for mine, theirs in zip(spans, marked, strict=True)])
        )

    best = max(THRESHOLDS, key=mean)
    return SpanHead(attribute=head.attribute, slope=line.slope, intercept=line.intercept, threshold=best)


def word_list(texts: Sequence[str], marked: Sequence[Sequence[Span]]) -> frozenset[str]:
    """Words in lower case that were marked where they stood, in most of their places."""
    every: Counter[str] = Counter()
    yes: Counter[str] = Counter()
    for text, places in zip(texts, marked, strict=True):
        for word in WORD.finditer(text):
            every[word[0].lower()] += 1
            yes[word[0].lower()] += any(start <= word.start() and word.end() <= end for start, end in places)
    return frozenset(word for word, times in yes.items() if times >= FEWEST and times >= OFTEN * every[word])


def held_out(exam: Exam) -> tuple[Corpus, list[list[Span]]]:
    """The test rows that are marked, with their marks. Raises ExamError if there are none."""
    marks = corpus.marks(exam.directory / "data", "test")
    rows = corpus.read(exam.directory / "data", "test", exam.scorer.attributes)
    rows = rows.select(np.array([key in marks for key in rows.keys], np.bool_))
    if not len(rows):
        raise ExamError(f"{exam.directory / 'data'} holds no marked test rows")
    return rows, [marks[key] for key in rows.keys]


def listed(exam: Exam) -> frozenset[str]:
    """The word list of all marked rows that the network was trained on."""
    folders = [exam.directory, *lineage.folders(exam.directory.parent, exam.recipe)]
    marks = {key: places for folder in folders for key, places in corpus.marks(folder / "data", "train").items()}
    train = lineage.seen(exam.directory, exam.scorer.attributes, exam.recipe)
    texts = {key: text for key, text in zip(train.keys, train.texts, strict=True) if key in marks}
    return word_list(list(texts.values()), [marks[key] for key in texts])


def measured(exam: Exam) -> dict[str, Any]:
    """Mean F1 with its 95 % interval, and that of each rival."""
    rows, marked = held_out(exam)
    words = listed(exam)
    found: Mapping[str, list[list[Span]]] = {
        "model": [[(span.start, span.end) for span in spans] for spans in exam.scorer.spans(rows.texts)],
        "word list": [[m.span() for m in WORD.finditer(text) if m[0].lower() in words] for text in rows.texts],
        "everything": [[(0, len(text))] for text in rows.texts],
        "nothing": [[] for _ in rows.texts],
    }
    each = {name: np.array([f1(*pair) for pair in zip(spans, marked, strict=True)]) for name, spans in found.items()}
    draws = bootstrap.draws(len(rows), RESAMPLES, exam.recipe.seed)
    head = exam.scorer.manifest.spans
    assert head is not None
    return {
        "attribute": head.attribute,
        "threshold": head.threshold,
        "rows": len(rows),
        "unmarked": sum(not places for places in marked),
        "listed": len(words),
        "f1": {
            name: asdict(Interval.of(float(values.mean()), draws @ values / len(values)))
            for name, values in each.items()
        },
    }


def main(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE")],
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
    output: Annotated[Path | None, typer.Option(help="directory for the JSON")] = None,
) -> None:
    """Measure the head that marks words on held-out comments."""
    exam, folder = ship(recipe_file, runs_dir, output)
    if exam.scorer.manifest.spans is None:
        raise typer.BadParameter("the recipe's model has no head that marks words", param_hint="RECIPE")
    result = measured(exam)
    table = Table(title=f"F1 of the characters marked, mean over {result['rows']:,} held-out comments")
    table.add_column("by")
    table.add_column("F1", justify="right")
    for name, value in result["f1"].items():
        table.add_row(name, f"{value['value']:.3f} ({value['low']:.3f}–{value['high']:.3f})")
    Console().print(table)
    typer.echo(f"written to {exam.report(folder, 'marks', result)}")


if __name__ == "__main__":
    script.run(main)
