"""Compare the networks of several runs on the development rows that all of them hold out.

    python -m training.compare training/recipes/minilm.toml training/recipes/minilm-2.toml
    python -m training.compare training/recipes/minilm-2.toml --words attack_on_commenter

Recipes are chosen between by these figures; test rows are for the evaluation alone. `--words` adds TF-IDF with
logistic regression for an attribute, trained on the rows that the last recipe's network has seen; `--mean` the mean of
all runs' probabilities, which is what they could teach another network.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from tokenizers import Tokenizer

from labels.sources import SOURCES
from serving.artifact import TOKENIZER, sha256
from training import baselines, batches, bootstrap, corpus, lineage, network, scoring, script
from training.corpus import Corpus
from training.measure import FEWEST
from training.metrics import auc, length_bands
from training.network import WEIGHTS, Network
from training.recipe import Recipe, load
from training.record import fingerprint
from training.settings import Settings

Floats = npt.NDArray[np.float32]
BANDS = 30  # narrower than the evaluation's deciles: within these, length alone is near 0.5


def score(trained: Network, tokenizer: Tokenizer, texts: Sequence[str], recipe: Recipe) -> Floats:
    """Logits [texts, attributes] of the torch network, of each text's first `max_tokens` tokens."""
    tokenizer.enable_truncation(recipe.train.max_tokens)
    ids = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    result = np.empty((len(texts), len(trained.attributes)), np.float32)
    plan = batches.plan([len(i) for i in ids], [1] * len(ids), recipe.train.batch_tokens * 2, passes=1, seed=0)
    trained.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=recipe.train.precision == "bf16"):
        for batch in track(plan, f"scoring with {recipe.name}", transient=True):
            padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(ids[row]) for row in batch], batch_first=True)
            mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(ids[row])) for row in batch], batch_first=True)
            result[batch] = trained(padded, mask.long()).numpy()
    return result


def common(directories: Sequence[Path], attributes: tuple[str, ...]) -> Corpus:
    """The last run's development rows that every run holds out as such."""
    parts = [corpus.read(directory / "data", "dev", attributes) for directory in directories]
    shared = set.intersection(*(set(part.keys) for part in parts))
    return parts[-1].select(np.array([key in shared for key in parts[-1].keys], dtype=np.bool_))


def of_run(recipe: Recipe, directory: Path, rows: Corpus, attributes: tuple[str, ...]) -> Floats:
    """A run's logits [rows, attributes], NaN for attributes that it has no head for. Kept in the run's scores."""
    own = corpus.attributes(directory / "data")
    key = fingerprint(part.encode() for part in (sha256(directory / "network" / WEIGHTS), *rows.keys, *rows.texts))
    found = scoring.keep(
        directory / "scores" / f"compare-{key[:16]}.npy",
        lambda: score(
            network.restore(directory / "network", own),
            Tokenizer.from_file(str(directory / "network" / TOKENIZER)),
            rows.texts,
            recipe,
        ),
    )
    result = np.full((len(rows), len(attributes)), np.nan, np.float32)
    for column, name in enumerate(attributes):
        if name in own:
            result[:, column] = found[:, own.index(name)]
    return result


def words(recipe: Recipe, directory: Path, rows: Corpus, attributes: tuple[str, ...], chosen: Sequence[str]) -> Floats:
    """TF-IDF's scores [rows, attributes] of the chosen attributes, NaN elsewhere, trained on rows that know one."""
    columns = [attributes.index(name) for name in chosen]
    train = lineage.seen(directory, tuple(chosen), recipe)
    train = train.select(np.flatnonzero(~np.isnan(train.labels).all(axis=1)))
    result = np.full((len(rows), len(attributes)), np.nan, np.float32)
    result[:, columns] = baselines.by_words(train, rows.texts, recipe.seed)
    return result


def mean(scores: Sequence[Floats]) -> Floats:
    """Mean probability [rows, attributes] over the runs that have a head for an attribute, from their logits."""
    found: Floats = np.nanmean([1 / (1 + np.exp(-logits)) for logits in scores], axis=0, dtype=np.float32)
    return found


def compare(rows: Corpus, scores: dict[str, Floats], attributes: tuple[str, ...], banded: Sequence[str]) -> list[Any]:
    """AUC of each scorer by source and attribute, from logits [rows, attributes]; `banded` also within length bands."""
    lengths = np.array([len(text) for text in rows.texts])
    every = scores | {"length": np.repeat(lengths[:, None], len(attributes), axis=1).astype(np.float32)}
    sources = np.array(rows.sources)
    found = []
    for source in dict.fromkeys(rows.sources):
        for name in (name for name in SOURCES[source].attributes if name in attributes):
            column = attributes.index(name)
            known = (sources == source) & ~np.isnan(rows.labels[:, column])
            labels = rows.labels[known, column]
            truth = labels >= 0.5
            if min(int(truth.sum()), int((~truth).sum())) < FEWEST:
                continue
            item: dict[str, Any] = {"source": source, "attribute": name}
            item |= {"rows": len(labels), "positives": int(truth.sum())}
            item["auc"] = {
                scorer: auc(labels, values[known, column])
                for scorer, values in every.items()
                if not np.isnan(values[known, column]).any()
            }
            found.append(item)
            if name in banded:
                bands = length_bands(lengths[known], BANDS)
                once = np.ones((1, len(truth)), np.int64)
                within = {
                    scorer: float(bootstrap.weighted_banded_auc(truth, values[known, column], bands, once)[0])
                    for scorer, values in every.items()
                    if not np.isnan(values[known, column]).any()
                }
                found.append(item | {"auc": within, "bands": BANDS})
    return found


def main(
    recipe_files: Annotated[list[Path], typer.Argument(metavar="RECIPE...")],
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
    words_for: Annotated[list[str] | None, typer.Option("--words", help="attribute to train TF-IDF for")] = None,
    with_mean: Annotated[bool, typer.Option("--mean", help="also the mean of all runs")] = False,
) -> None:
    """Development AUCs of several runs' networks, side by side."""
    recipes = [load(file) for file in recipe_files]
    directories = [(runs_dir or Settings().runs_dir) / recipe.name for recipe in recipes]
    last, directory = recipes[-1], directories[-1]
    attributes = corpus.attributes(directory / "data")
    rows = common(directories, attributes)
    scores = {r.name: of_run(r, d, rows, attributes) for r, d in zip(recipes, directories, strict=True)}
    if with_mean:
        scores["mean"] = mean(list(scores.values()))
    if words_for:
        scores["words"] = words(last, directory, rows, attributes, words_for)
    found = compare(rows, scores, attributes, last.train.length_prior)
    (directory / "compare.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    names = [*scores, "length"]
    table = Table(title=f"AUC on {len(rows):,} development rows")
    for heading in ("source", "attribute", "rows", "positives", *names):
        table.add_column(heading, justify="left" if heading in ("source", "attribute") else "right")
    for item in found:
        attribute = item["attribute"] + (f", within {item['bands']} length bands" if "bands" in item else "")
        cells = [f"{item['auc'][name]:.3f}" if name in item["auc"] else "-" for name in names]
        table.add_row(item["source"], attribute, f"{item['rows']:,}", f"{item['positives']:,}", *cells)
    Console().print(table)


if __name__ == "__main__":
    script.run(main)
