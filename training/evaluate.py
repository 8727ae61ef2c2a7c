"""Evaluate the artifact, through the serving scorer, on held-out splits and evaluation-only sets.

    python -m training.evaluate training/recipes/minilm.toml --output docs/evaluation

Writes evaluation.json, auc.png and reliability.png into the output directory (by default the run's
own `evaluation`). Baselines are trained on the same training rows and measured on the same test rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from labels import taxonomy
from labels.sources import SOURCES
from serving import cpu
from serving.artifact import MANIFEST, Artifact, sha256
from serving.scorer import Scorer
from training import baselines, bootstrap, corpus, examples, lineage, network, pictures, record, scoring, script, speed
from training.bootstrap import Interval
from training.corpus import Corpus
from training.export import ARTIFACT, REFERENCE
from training.measure import FEWEST, by_share, measure, within_bands
from training.metrics import length_bands
from training.recipe import Bar, Evaluate, Recipe, RecipeError, load
from training.revive import revived
from training.scoring import Kept
from training.settings import Settings
from training.splits import uniform

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scored:
    """One set with scores [rows, attributes] of the artifact and of each rival, by name."""

    source: str
    kind: str
    rows: Corpus
    scores: Floats
    rivals: dict[str, Floats]


def sets(directory: Path, attributes: tuple[str, ...], settings: Evaluate, seed: int) -> list[tuple[str, Corpus]]:
    """("held out" | "evaluation only", rows of one source): natural rows, at most `max_rows`, by hash."""
    found: list[tuple[str, Corpus]] = []
    for split, kind in (("test", "held out"), ("evaluation", "evaluation only")):
        rows = corpus.read(directory, split, attributes)
        rows = rows.select(rows.natural)
        for source in dict.fromkeys(rows.sources):
            mine = rows.of(source)
            order = np.argsort([uniform(key, seed) for key in mine.keys], kind="stable")
            found.append((kind, mine.select(order[: settings.max_rows])))
    return found


def reference(fp32: Kept, width: int, found: Sequence[tuple[str, Corpus]], chosen: set[str]) -> Floats:
    """The fp32 model's scores of the chosen sources' rows, NaN elsewhere: it takes four times as long.

    `width` is the number of its attributes.
    """
    parts = [
        fp32.scores(rows.texts, f"scoring {rows.sources[0]} with fp32")
        if rows.sources[0] in chosen
        else np.full((len(rows), width), np.nan, np.float32)
        for _, rows in found
    ]
    return np.concatenate(parts)


def measurements(
    item: Scored, attributes: tuple[str, ...], banded: Sequence[str], settings: Evaluate, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """One measurement for each attribute that the set's own source labels: by `measure`, or else in the second list."""
    halves: list[dict[str, Any]] = []
    shares: list[dict[str, Any]] = []
    for name in SOURCES[item.source].attributes:
        if name not in attributes:
            continue
        column = attributes.index(name)
        known = ~np.isnan(item.rows.labels[:, column])
        labels, scores = item.rows.labels[known, column], item.scores[known, column]
        rivals = {rival: values[known, column] for rival, values in item.rivals.items()}
        weights = bootstrap.draws(len(labels), settings.bootstrap, seed)
        what = {"source": item.source, "kind": item.kind, "attribute": name}
        if (found := measure(labels, scores, rivals, settings.thresholds, weights)) is not None:
            if name in banded:
                lengths = np.array([len(text) for text, here in zip(item.rows.texts, known, strict=True) if here])
                found["within_length_bands"] = within_bands(labels, scores, rivals, lengths, weights)
            halves.append(what | found)
        elif (found := by_share(labels, scores, rivals, weights)) is not None:
            shares.append(what | found)
    return halves, shares


def reach(
    bar: Bar, items: Sequence[Scored], attributes: tuple[str, ...], settings: Evaluate, seed: int
) -> dict[str, Any]:
    """The mean over a bar's attributes, with an interval over resamples of rows.

    `result` is None where the set is not there, lacks an attribute, or holds too few of a class.
    """
    missing = bar.model_dump(mode="json") | {"rows": 0, "result": None, "rivals": {}, "met": False}
    item = next((item for item in items if item.source == bar.source), None)
    if item is None or any(name not in attributes for name in bar.attributes):
        return missing
    columns = [attributes.index(name) for name in bar.attributes]
    known = ~np.isnan(item.rows.labels[:, columns]).any(axis=1)
    truth = item.rows.labels[known][:, columns] >= 0.5
    if (truth.sum(axis=0) < FEWEST).any() or ((~truth).sum(axis=0) < FEWEST).any():
        return missing
    weights = bootstrap.draws(len(truth), settings.bootstrap, seed)
    weights = np.concatenate([np.ones((1, len(truth)), np.int64), weights])
    bands = length_bands(np.array([len(item.rows.texts[i]) for i in np.flatnonzero(known)]))

    def mean(scores: Floats) -> npt.NDArray[np.floating]:
        each = [
            bootstrap.weighted_auc(truth[:, i], scores[known][:, column], weights)
            if bar.measure == "auc"
            else bootstrap.weighted_banded_auc(truth[:, i], scores[known][:, column], bands, weights)
            for i, column in enumerate(columns)
        ]
        result: npt.NDArray[np.floating] = np.mean(each, axis=0)
        return result

    ours = mean(item.scores)
    rivals = {
        name: round(float(mean(values)[0]), 4)
        for name, values in item.rivals.items()
        if not np.isnan(values[:, columns]).any()
    }
    return {
        **bar.model_dump(mode="json"),
        "rows": len(truth),
        "result": asdict(Interval.of(ours[0], ours[1:])),
        "rivals": rivals,
        "met": bool(ours[0] >= bar.at_least),
    }


def stored(output: Path) -> dict[str, Any] | None:
    """The evaluation that a folder holds, if it holds one."""
    path = output / "evaluation.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def timed(scorer: Scorer, texts: Sequence[str], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """`speed` that `speed.measure` finds and the `cpu` that it was measured on; or both as an evaluation of the same
    model found them before.
    """
    if before and before["model"] == {"name": scorer.manifest.name, "version": scorer.manifest.version}:
        return {key: before[key] for key in ("cpu", "speed")}
    here = {"name": cpu.model_name(), "features": list(cpu.features())}
    return {"cpu": here, "speed": speed.measure(scorer, texts)}


def evaluate(recipe: Recipe, directory: Path, output: Path, *, keep_speed: bool = False) -> dict[str, Any]:
    """Evaluates a run's artifact and writes JSON and pictures. Returns what the JSON holds.

    `keep_speed` takes the speed from the results that are in `output` already, if they are of the same model. Of a run
    that `training.revive` made anew there is no fp32 model: how far int8 is from it is taken from those results too.
    Raises FileNotFoundError that names the step to run first, or says that those results are not there, RecipeError if
    there is neither a test row nor an evaluation set.
    """
    data = directory / "data"
    prepared = record.read(data, "prepare")
    attributes = corpus.attributes(data)
    settings = recipe.evaluate
    artifact = Artifact.load(directory / ARTIFACT)
    scorer, manifest = Scorer(artifact), sha256(artifact.path / MANIFEST)
    before, anew = stored(output), revived(directory)
    if not anew:
        quantisation = record.read(directory, "calibrate")["results"]["int8_against_fp32"]
    elif before and before["manifest_sha256"] == manifest:
        quantisation = before["quantisation"]  # only the network that is gone could tell, and so with torch's scores
    else:
        raise FileNotFoundError(
            f"{output / 'evaluation.json'} holds no evaluation of this artifact, from which to take what its fp32 "
            "model told: give --output the folder of one"
        )
    found = sets(data, attributes, settings, recipe.seed)
    if not found:
        raise RecipeError(f"{recipe.name}: nothing to measure on: there are no test rows and no evaluation sets")
    texts = [text for _, rows in found for text in rows.texts]
    timing = timed(scorer, texts[:1000], before if keep_speed else None)
    train = lineage.seen(directory, attributes, recipe)
    data_of = [directory, *lineage.folders(directory.parent, recipe)]
    prints = [str(record.read(folder / "data", "prepare")["data_fingerprint"]) for folder in data_of]
    common = (*prints, settings.model_dump_json(), str(recipe.seed))

    def kept(name: str, compute: Callable[[], Floats]) -> Floats:
        key = record.fingerprint(part.encode() for part in common)
        return scoring.keep(directory / "scores" / f"{name}-{key[:16]}.npy", compute)

    ours = Kept(scorer, directory / "scores").scores(texts, "scoring with int8")
    rivals = {
        "length": baselines.by_length(train, texts),
        "words": kept("words", lambda: baselines.by_words(train, texts, recipe.seed)),
    }
    if anew:
        assert before is not None
        torch_scores = before["examples"]["torch"]
    else:
        fp32 = Scorer.load(directory / REFERENCE)
        plain = Kept(fp32, directory / "scores")
        rivals["fp32"] = reference(plain, len(attributes), found, {bar.source for bar in settings.bars})
        torch_scores = examples.torch_scores(network.restore(directory / "network", attributes), fp32, taxonomy.load())
    items, start = [], 0
    for kind, rows in found:
        part = slice(start, start + len(rows))
        start += len(rows)
        items.append(Scored(rows.sources[0], kind, rows, ours[part], {name: v[part] for name, v in rivals.items()}))
    banded = recipe.train.length_prior
    measured = [measurements(item, attributes, banded, settings, recipe.seed) for item in items]
    every = [m for halves, _ in measured for m in halves]
    result = {
        "model": {"name": artifact.manifest.name, "version": artifact.manifest.version},
        "manifest_sha256": manifest,
        "recipe": recipe.model_dump(mode="json"),
        "stages": [folder.name for folder in reversed(lineage.folders(directory.parent, recipe))] + [recipe.name],
        "data_fingerprint": prepared["data_fingerprint"],
        "versions": record.versions(),
        **timing,
        "data": lineage.account(prepared["results"]["sources"], train, attributes),
        "quantisation": quantisation,
        "bars": [reach(bar, items, attributes, settings, recipe.seed) for bar in settings.bars],
        "measurements": every,
        "by_share": [m for _, shares in measured for m in shares],
        "examples": examples.check(scorer, taxonomy.load()) | {"torch": torch_scores},
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "evaluation.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    pictures.auc(every, output / "auc.png")
    pictures.reliability(every, output / "reliability.png")
    return result


def table(result: dict[str, Any]) -> Table:
    """The measurements, one line each."""
    summary = Table(title="ROC AUC with 95 % intervals, and of the baselines")
    for heading in ("attribute", "set", "rows", "positives", "AUC", "words", "length", "within length bands"):
        summary.add_column(heading, justify="left" if heading in ("attribute", "set") else "right")
    for m in result["measurements"]:
        auc, bands = m["auc"], m.get("within_length_bands")
        summary.add_row(
            m["attribute"],
            f"{m['source']}, {m['kind']}",
            f"{m['rows']:,}",
            f"{m['positives']:,}",
            f"{auc['value']:.3f} ({auc['low']:.3f}–{auc['high']:.3f})",
            *(f"{m['rivals'][r]['auc']:.3f}" if r in m["rivals"] else "-" for r in ("words", "length")),
            f"{bands['auc']['value']:.3f}" if bands else "",
        )
    return summary


def main(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE")],
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
    output: Annotated[Path | None, typer.Option(help="directory for JSON and pictures")] = None,
    keep_speed: Annotated[bool, typer.Option(help="keep the speed measured before: the machine is busy now")] = False,
) -> None:
    """Evaluate a calibrated artifact on held-out and evaluation-only comments."""
    recipe = load(recipe_file)
    directory = (runs_dir or Settings().runs_dir) / recipe.name
    result = evaluate(recipe, directory, output or directory / "evaluation", keep_speed=keep_speed)
    console = Console()
    console.print(table(result))
    for bar in result["bars"]:
        if bar["result"] is None:
            console.print(f"{bar['what']}: not measured, the set is absent or too small")
            continue
        verdict = "met" if bar["met"] else f"MISSED by {bar['at_least'] - bar['result']['value']:.3f}"
        console.print(f"{bar['what']}: {bar['result']['value']:.3f}, bar {bar['at_least']}: {verdict}")


if __name__ == "__main__":
    script.run(main)
