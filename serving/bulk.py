"""Many comments scored, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from serving.records import Record
from serving.scorer import Scorer, Scores, ScoringError

BATCH = 256  # texts scored at a time


def scored_batches(scorer: Scorer, records: Iterable[Record]) -> Iterator[list[tuple[Record, Scores | None]]]:
    """The records in order, each with its scores; None for one that has no text to score, which fails no other."""
    iterator = iter(records)
    while batch := list(islice(iterator, BATCH)):
        yield list(zip(batch, _scored(scorer, batch), strict=True))


def _scored(scorer: Scorer, batch: Sequence[Record]) -> list[Scores | None]:
    scores: list[Scores | None] = [None] * len(batch)
    places = [place for place, record in enumerate(batch) if record.text.strip()]
    while places:
        try:
            scored = scorer.score([batch[place].text for place in places])
        except ScoringError as error:  # such as a text of invisible characters only
            del places[error.index]
            continue
        for place, item in zip(places, scored, strict=True):
            scores[place] = item
        break
    return scores
