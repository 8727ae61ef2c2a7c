"""Speed of the shipped artifact against the same architecture in torch fp32, as ratios from one run.

    python benchmarks/scorer.py

Both score the same texts on the same threads, in turn, so that a machine whose speed drifts slows both.
The torch network has the shipped base encoder and random heads: its speed is that of the trained one.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # a script's own folder comes first, where http.py would hide the library's
    sys.path[0] = str(Path(__file__).parents[1])

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import torch

from labels import taxonomy
from serving.scorer import Scorer
from training import network
from training.encoder import locate

BATCH = 32


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def torch_scorer(scorer: Scorer) -> Callable[[Sequence[str]], None]:
    """A function that scores texts with the torch network, padded in batches of like length."""
    model = network.build(locate(scorer.manifest.base), scorer.attributes, dropout=0.0).eval()

    def score(texts: Sequence[str]) -> None:
        ids = sorted((scorer.token_ids(text)[: scorer.manifest.token_limit] for text in texts), key=len)
        with torch.inference_mode():
            for start in range(0, len(ids), BATCH):
                batch = [torch.tensor(row) for row in ids[start : start + BATCH]]
                padded = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True)
                mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in batch], batch_first=True)
                model(padded, mask)

    return score


def main() -> None:
    """Prints medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    texts = [text for a in taxonomy.load().attributes for text in (*a.present, *a.absent)]
    scorer = Scorer.load(threads=options.threads)
    rivals: dict[str, Callable[[Sequence[str]], object]] = {"int8": scorer.score, "torch": torch_scorer(scorer)}
    batched: dict[str, list[float]] = {name: [] for name in rivals}
    single: dict[str, list[float]] = {name: [] for name in rivals}
    for score in rivals.values():
        score(texts)
    for _ in range(options.rounds):
        for name, score in rivals.items():
            batched[name].append(timed(lambda score=score: score(texts)))  # type: ignore[misc]
            single[name] += [timed(lambda score=score, text=text: score([text])) for text in texts[:20]]  # type: ignore[misc]
    print(f"{len(texts)} comments, {options.threads} threads, median of {options.rounds} rounds")
    for name in rivals:
        rate = len(texts) / statistics.median(batched[name])
        print(f"{name:<6} {rate:8.0f} comments/s   one comment {statistics.median(single[name]) * 1000:6.2f} ms")
    for what, times in (("batched", batched), ("single", single)):
        ratios = [slow / fast for slow, fast in zip(times["torch"], times["int8"], strict=True)]
        print(f"{what}: {statistics.median(ratios):.1f} x torch fp32")


if __name__ == "__main__":
    main()
