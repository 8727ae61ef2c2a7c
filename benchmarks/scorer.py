"""Speed of a model artifact against torch, as ratios from one run.

    python benchmarks/scorer.py
    python benchmarks/scorer.py --model runs/minilm/artifact --threads 1 --clock cpu

Rivals, in torch fp32: the artifact's own architecture, and those of Detoxify `original` (BERT-base) and
`original-small` (ALBERT-base), https://github.com/unitaryai/detoxify. Their weights are random here: that
changes their answers, not their speed. All score the same texts on as many threads, in turn, so that a
machine whose speed drifts slows all. The rivals too get texts sorted by length and torch.inference_mode.
On a busy machine `--threads 1 --clock cpu` is fairer: it counts the work, not the waiting.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer

from labels import taxonomy
from serving.artifact import DEFAULT, TOKENIZER
from serving.scorer import Scorer
from training import network
from training.encoder import locate

BATCH = 32
SINGLES = 20  # texts that are also scored one by one
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
SHIPPED, SAME, BERT, ALBERT = "artifact, int8", "same in torch fp32", "BERT-base in torch", "ALBERT-base in torch"
BARS = {(SAME, "batched"): 2.0, (BERT, "batched"): 20.0, (BERT, "single"): 8.0}

Score = Callable[[Sequence[str]], object]


def torch_scorer(model: Any, tokenizer: Tokenizer, limit: int) -> Score:
    """A function that scores texts with a torch network, padded in batches of like length."""
    model.eval()

    def score(texts: Sequence[str]) -> None:
        ids = sorted((row.ids[:limit] for row in tokenizer.encode_batch_fast(list(texts))), key=len)
        with torch.inference_mode():
            for start in range(0, len(ids), BATCH):
                batch = [torch.tensor(row) for row in ids[start : start + BATCH]]
                padded = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True)
                masks = [torch.ones_like(row) for row in batch]
                mask = torch.nn.utils.rnn.pad_sequence(masks, batch_first=True)
                model(input_ids=padded, attention_mask=mask)

    return score


def rivals(scorer: Scorer, artifact: Path) -> dict[str, Score]:
    """Name -> function that scores texts, the artifact first."""
    tokenizer = Tokenizer.from_file(str(artifact / TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    bert = transformers.BertConfig()  # its defaults are BERT-base's
    albert = transformers.AlbertConfig(
        # albert-base-v2's; the words are BERT's, so that all read the same tokens
        vocab_size=bert.vocab_size,
        hidden_size=768,
        intermediate_size=3072,
        num_attention_heads=12,
    )
    networks = {
        SAME: network.build(locate(scorer.manifest.base), scorer.attributes, dropout=0.0),
        BERT: transformers.BertForSequenceClassification(bert),
        ALBERT: transformers.AlbertForSequenceClassification(albert),
    }
    limit = scorer.manifest.token_limit
    return {SHIPPED: scorer.score} | {name: torch_scorer(each, tokenizer, limit) for name, each in networks.items()}


def measure(score: Score, texts: Sequence[str], clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of all texts in one call, and the median of single ones."""
    began = clock()
    score(texts)
    batched = clock() - began
    singles = []
    for text in texts[:SINGLES]:
        began = clock()
        score([text])
        singles.append(clock() - began)
    return {"batched": batched, "single": statistics.median(singles)}


def main() -> None:
    """Prints medians, ratios, and whether they reach their bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", type=Path, default=DEFAULT, help="artifact directory; the one that ships if unset")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    texts = [text for a in taxonomy.load().attributes for text in (*a.present, *a.absent)]
    scorer = Scorer.load(options.model, options.threads)
    scores = rivals(scorer, options.model)
    for score in scores.values():
        score(texts[:BATCH])
    clock = CLOCKS[options.clock]
    rounds = [{name: measure(score, texts, clock) for name, score in scores.items()} for _ in range(options.rounds)]

    tokens = statistics.mean(len(scorer.token_ids(text)) for text in texts)
    table = Table(
        title=f"{len(texts)} comments of {tokens:.0f} tokens, {options.threads} thread(s), {options.clock} clock, "
        f"median of {options.rounds} rounds"
    )
    for heading in ("", "comments/s", "one comment, ms", "batched: artifact is", "single: artifact is"):
        table.add_column(heading, justify="right" if heading else "left")
    for name in scores:
        seconds = {way: statistics.median(each[name][way] for each in rounds) for way in ("batched", "single")}
        cells = [name, f"{len(texts) / seconds['batched']:,.0f}", f"{seconds['single'] * 1000:.2f}"]
        for way in ("batched", "single"):
            ratio = statistics.median(each[name][way] / each[SHIPPED][way] for each in rounds)
            bar = BARS.get((name, way))
            verdict = "" if bar is None else f" ({'reaches' if ratio >= bar else 'misses'} {bar:g} x)"
            cells.append("" if name == SHIPPED else f"{ratio:.1f} x as fast{verdict}")
        table.add_row(*cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
