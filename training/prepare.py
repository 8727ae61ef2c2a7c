"""Gather, normalise, deduplicate and split the labelled comments of a recipe.

    python -m training.prepare training/recipes/minilm.toml --data-dir DATA

Writes <runs-dir>/<recipe>/data/{train,dev,test,evaluation}.parquet and prepare.json, and prints a
table of sources. A finished preparation of the same recipe and files is not repeated.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from labels import checks, taxonomy
from labels.checks import Suite
from labels.sources import SOURCES, Source
from labels.sources.reader import Reading, locate, read_file, read_hub
from serving.text import aligned, normalise
from training import corpus, lineage, record, script, shortage
from training.corpus import Row, Span
from training.duplicates import Duplicates
from training.recipe import Prepare, Recipe, SourceChoice, load
from training.settings import Settings
from training.splits import Components, assign, uniform

ROOT = Path(__file__).parents[1]
# What decides a row besides the recipe and the files: a change here is a reason to prepare again.
CODE = (
    *sorted((ROOT / "labels" / "sources").glob("*.py")),
    *sorted((ROOT / "labels" / "checks").glob("*.*")),
    *(ROOT / "serving" / f"{name}.py" for name in ("disguise", "text", "words")),
    *(ROOT / "training" / f"{name}.py" for name in ("corpus", "duplicates", "prepare", "splits")),
)
CONFLICT = 0.5  # near duplicates whose labels differ by this much are contrasts, not copies


class LeakError(ValueError):
    """A text to train or tune on repeats an evaluation text. The message names both rows."""


@dataclass
class Tally:
    """What became of the rows, by source and reason."""

    read: Counter[str] = field(default_factory=Counter)
    malformed: dict[str, dict[str, int]] = field(default_factory=dict)
    unlabelled: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)
    leaked: Counter[str] = field(default_factory=Counter)
    merged: Counter[str] = field(default_factory=Counter)
    capped: Counter[str] = field(default_factory=Counter)


def gather(readings: Iterable[Reading], tally: Tally, *, unlabelled: bool = False) -> list[Row]:
    """All rows with normalised texts. Those without a visible character, or a label, are left out and counted.

    `unlabelled` keeps rows without a label: an evaluation text is kept out of training all the same.
    """
    rows: list[Row] = []
    for reading in readings:
        name = reading.source.name
        for item in reading:
            tally.read[name] += 1
            if not item.labels and item.marks is None and not unlabelled:
                tally.unlabelled[name] += 1
            elif text := normalise(item.text):
                group = None if item.group is None else f"{name}/{item.group}"
                marks = None if item.marks is None else moved(item.text, item.marks)
                rows.append(Row(name, item.row, text, dict(item.labels), group, item.natural, item.weight, marks=marks))
            else:
                tally.empty[name] += 1
        if reading.skipped:
            tally.malformed[name] = reading.skipped
    return rows


def moved(text: str, marks: Sequence[Span]) -> tuple[Span, ...]:
    """Where the places `marks` of a text lie in its normal form: runs of characters that come from any of them."""
    marked = np.zeros(len(text), np.bool_)
    for start, end in marks:
        marked[start:end] = True
    runs: list[Span] = []
    for place, (start, end) in enumerate(aligned(text)[1]):
        if not marked[start:end].any():
            continue
        if runs and runs[-1][1] == place:
            runs[-1] = (runs[-1][0], place + 1)
        else:
            runs.append((place, place + 1))
    return tuple(runs)


def held_back(suite: Suite) -> list[Row]:
    """The functional suite's texts as rows without labels: no recipe has to name it for it to be kept out."""
    return [Row("checks", n, normalise(text), {}, None, natural=False) for n, text in enumerate(suite.texts, start=1)]


def agree(one: Row, other: Row) -> bool:
    """Whether no attribute that both rows label is contradicted."""
    return all(abs(value - other.labels.get(name, value)) < CONFLICT for name, value in one.labels.items())


def merge(kept: Row, copy: Row) -> None:
    """Folds a duplicate's labels into the row that is kept: the mean of all copies that know an attribute.

    The marks of an exact copy are those of the row that is kept; a near copy's would lie elsewhere in it.
    """
    if kept.marks is None and kept.text == copy.text:
        kept.marks = copy.marks
    for name, value in copy.labels.items():
        votes = kept.votes.get(name, 1) if name in kept.labels else 0
        kept.labels[name] = (kept.labels.get(name, 0.0) * votes + value) / (votes + 1)
        kept.votes[name] = votes + 1
    kept.natural |= copy.natural
    kept.weight = max(kept.weight, copy.weight)


def deduplicate(
    rows: Sequence[Row], evaluation: Sequence[Row], threshold: float, tally: Tally
) -> tuple[list[Row], list[str]]:
    """Rows without duplicates and without evaluation texts, and for each the key of its component.

    Exact copies, and near copies with agreeing labels, become one row with merged labels. Near copies
    whose labels disagree are both kept (contrast sets are made of them) in one component, as are rows
    of one group. A row that repeats an evaluation text, exactly or nearly, is left out.
    """
    texts = [row.text for row in evaluation] + [row.text for row in rows]
    duplicates = Duplicates(texts, threshold)
    offset = len(evaluation)
    for index in range(offset):
        duplicates.add(index)
    components = Components(len(rows))
    kept: list[int] = []
    first_of_group: dict[str, int] = {}
    for number, row in enumerate(track(rows, "deduplicating", transient=True)):
        exact, near = duplicates.of(offset + number)
        if (exact is not None and exact < offset) or any(other < offset for other in near):
            tally.leaked[row.source] += 1
            continue
        # One text with several originals joins all of their components.
        known = ([exact - offset] if exact is not None else []) + [other - offset for other in near]
        for other in known:
            components.join(number, other)
        if row.group is not None:
            components.join(number, first_of_group.setdefault(row.group, number))
        same = exact - offset if exact is not None else None
        copy = same if same is not None else next((o for o in known if agree(rows[o], row)), None)
        if copy is not None:
            merge(rows[copy], row)
            tally.merged[row.source] += 1
            continue
        duplicates.add(offset + number)
        kept.append(number)
    return [rows[n] for n in kept], [rows[components.root(n)].key for n in kept]


def check_leaks(rows: Sequence[Row], evaluation: Sequence[Row], threshold: float) -> None:
    """Raises LeakError if a row repeats an evaluation text, exactly or nearly.

    It looks from the other side than `deduplicate` does: each evaluation text is looked up among the
    rows, so that the guard is not the code that it guards.
    """
    duplicates = Duplicates([row.text for row in rows] + [row.text for row in evaluation], threshold)
    for index in range(len(rows)):
        duplicates.add(index)
    for number, row in enumerate(evaluation):
        exact, near = duplicates.of(len(rows) + number)
        if found := ([exact] if exact is not None else near):
            raise LeakError(f"{rows[found[0]].key} repeats {row.key} of an evaluation set")


def earlier(folders: Iterable[Path], names: Sequence[str]) -> list[Row]:
    """The rows, without labels, of some splits of the corpora of runs before this one, each text once."""
    found: dict[str, Row] = {}
    for folder in folders:
        for name in names:
            rows = corpus.read(folder, name, ())
            for key, text in zip(rows.keys, rows.texts, strict=True):
                source, _, number = key.rpartition(":")
                found.setdefault(text, Row(source, int(number), text, {}, None, natural=True))
    return list(found.values())


def repeats(rows: Sequence[Row], others: Sequence[Row], threshold: float) -> list[bool]:
    """For each row whether it repeats one of the others, exactly or nearly."""
    duplicates = Duplicates([row.text for row in others] + [row.text for row in rows], threshold)
    for index in range(len(others)):
        duplicates.add(index)
    found = (duplicates.of(len(others) + number) for number in range(len(rows)))
    return [exact is not None or bool(near) for exact, near in found]


def separate(splits: dict[str, list[Row]], folders: Sequence[Path], threshold: float, tally: Tally) -> None:
    """Leaves out copies of rows that a run before this one puts on the other side, and counts them as leaked.

    A changed normal form, or another source, can make copies of rows that were none before. The very same row on both
    sides is no accident (seed or fractions differ): it stays, for `check_lineage` to refuse.
    """
    trained, held = earlier(folders, ["train"]), earlier(folders, ["dev", "test", "evaluation"])
    for names, others in ((("train",), held), (("dev", "test"), trained)):
        keys = {row.key for row in others}
        for name in names:
            found = repeats(splits[name], others, threshold)
            copies = {row.key for row, copy in zip(splits[name], found, strict=True) if copy and row.key not in keys}
            tally.leaked.update(row.source for row in splits[name] if row.key in copies)
            splits[name] = [row for row in splits[name] if row.key not in copies]


def check_lineage(
    splits: Mapping[str, Sequence[Row]], held_out: Sequence[Row], folders: Sequence[Path], threshold: float
) -> None:
    """Raises LeakError if what a run before this one trained on, this one holds out, or the other way round.

    `splits` and `held_out` are this run's rows and evaluation texts; `folders` the corpora of the runs that it starts
    from. A network keeps what it has seen: rows that an earlier run trained on would flatter this run's figures as
    much as its own.
    """
    check_leaks(splits["train"], earlier(folders, ["dev", "test", "evaluation"]), threshold)
    check_leaks(earlier(folders, ["train"]), [*splits["dev"], *splits["test"], *held_out], threshold)


def cap(rows: Sequence[Row], choice: SourceChoice, seed: int) -> list[Row]:
    """The rows under the choice's caps on positives and negatives, in their order, chosen by hash."""
    kept = set()
    for wanted, limit in ((True, choice.max_positives), (False, choice.max_negatives)):
        group = sorted((r.key for r in rows if r.positive is wanted), key=lambda key: uniform(key, seed + 1))
        kept |= set(group[:limit])
    return [row for row in rows if row.key in kept]


def split(
    rows: Sequence[Row], components: Sequence[str], choices: Sequence[SourceChoice], seed: int
) -> dict[str, list[Row]]:
    """Rows by split. A component goes where the fractions of its first row's source send it."""
    by_name = {choice.name: choice for choice in choices}
    owners = [by_name[key.partition(":")[0]] for key in components]
    sides = assign(components, [c.dev for c in owners], [c.test for c in owners], seed)
    result: dict[str, list[Row]] = {"train": [], "dev": [], "test": []}
    for row, side in zip(rows, sides, strict=True):
        result[side].append(row)
    return result


def usable(recipe: Prepare, source: Source) -> bool:
    """Whether the recipe's licence filter lets the source be trained on."""
    return recipe.licence == "any" or source.licence.commercial


def readings(recipe: Prepare, data_dir: Path) -> tuple[list[Reading], list[Reading]]:
    """Readings to train on and readings for evaluation. Raises SourceError for a missing file."""

    def reading(source: Source, choice: SourceChoice | None) -> Reading:
        if choice is not None and choice.hub:
            return read_hub(source, skip_malformed=recipe.skip_malformed)
        path = choice.file if choice is not None and choice.file else locate(source, data_dir)
        return read_file(source, path, skip_malformed=recipe.skip_malformed)

    chosen = [c for c in recipe.sources if usable(recipe, SOURCES[c.name])]
    return (
        [reading(SOURCES[c.name], c) for c in chosen],
        [reading(SOURCES[name], None) for name in recipe.evaluation],
    )


def _inputs(recipe: Recipe, data_dir: Path, before: Sequence[Path]) -> str:
    """Digest of the recipe's preparation, of the corpora of runs `before` it, and of the files' names, sizes and
    times: cheap to compare.
    """
    digest = hashlib.sha256(f"{recipe.seed}{recipe.prepare.model_dump_json()}".encode())
    for folder in before:
        digest.update(str(record.read(folder, "prepare")["data_fingerprint"]).encode())
    for code in CODE:
        digest.update(code.read_bytes())
    names = [choice.name for choice in recipe.prepare.sources] + list(recipe.prepare.evaluation)
    files = [path for name in names for path in data_dir.glob(f"{name}.*")]
    files += [choice.file for choice in recipe.prepare.sources if choice.file and choice.file.is_file()]
    for path in sorted(files):
        stat = path.stat()
        digest.update(f"{path.name}{stat.st_size}{stat.st_mtime_ns}".encode())
    return digest.hexdigest()


def tables(results: dict[str, Any], attributes: Sequence[str]) -> tuple[Table, Table]:
    """The summary: rows and licence by source, and by attribute the positives of the labelled training rows."""
    sources, labels = Table(title="Rows by source"), Table(title="Positives of labelled rows by attribute")
    for column in ("source", "rows", "train", "dev", "test", "dropped", "licence"):
        sources.add_column(column, justify="left" if column in ("source", "licence") else "right")
    for name, row in results["sources"].items():
        dropped = (
            row["leaked"]
            + row["merged"]
            + row["capped"]
            + row["empty"]
            + row["unlabelled"]
            + sum(row["malformed"].values())
        )
        counts = (row["rows"], row["train"], row["dev"], row["test"], dropped)
        sources.add_row(name, *(f"{count:,}" for count in counts), row["licence"])
    labels.add_column("attribute")
    labels.add_column("training sources", overflow="fold")
    for attribute in attributes:
        found = (
            (name, *row["positives"][attribute])
            for name, row in results["sources"].items()
            if attribute in row["positives"] and not row["evaluation_only"]
        )
        labels.add_row(attribute, ", ".join(f"{name} {yes:,}/{known:,}" for name, known, yes in found))
    return sources, labels


def prepare(recipe: Recipe, data_dir: Path, directory: Path) -> dict[str, Any]:
    """Writes the corpus of a recipe into `directory` and returns the results that are also recorded.

    The corpora of runs that the recipe starts from are looked for beside that directory's own run.

    Raises SourceError or RowError for unreadable data and LeakError if an evaluation text got through.
    """
    directory.mkdir(parents=True, exist_ok=True)
    before = [folder / "data" for folder in lineage.folders(directory.parent.parent, recipe)]
    inputs = _inputs(recipe, data_dir, before)
    if (directory / "prepare.json").is_file():
        earlier: dict[str, Any] = record.read(directory, "prepare")["results"]
        if earlier["inputs"] == inputs:
            return earlier
    # From here on what lies there is no finished preparation.
    (directory / "prepare.json").unlink(missing_ok=True)
    attributes = taxonomy.load().names
    plan = recipe.prepare
    tally = Tally()
    for_training, for_evaluation = readings(plan, data_dir)
    rows = gather(track(for_training, "reading", transient=True), tally)
    evaluation = gather(for_evaluation, tally, unlabelled=True)
    suite = checks.load()
    kept_out = [*evaluation, *held_back(suite)]
    rows, components = deduplicate(rows, kept_out, plan.near_duplicate, tally)
    groups = Counter(key.partition(":")[0] for key in set(components))
    splits = split(rows, components, plan.sources, recipe.seed)
    if before:
        separate(splits, before, plan.near_duplicate, tally)
    train: list[Row] = []
    for choice in plan.sources:
        mine = [row for row in splits["train"] if row.source == choice.name]
        kept = cap(mine, choice, recipe.seed)
        tally.capped[choice.name] = len(mine) - len(kept)
        train += kept
    splits["train"] = train
    check_leaks([*splits["train"], *splits["dev"]], [*kept_out, *splits["test"]], plan.near_duplicate)
    if before:
        check_lineage(splits, evaluation, before, plan.near_duplicate)
    prints = [corpus.write(directory, name, part, attributes) for name, part in splits.items()]
    prints.append(corpus.write(directory, "evaluation", evaluation, attributes))

    def summary(source: Source) -> dict[str, Any]:
        name = source.name
        mine = {side: [r for r in part if r.source == name] for side, part in splits.items()}
        labelled = mine["train"] if not source.evaluation_only else [r for r in evaluation if r.source == name]
        return {
            "rows": tally.read[name],
            "groups": groups[name],
            **{side: len(part) for side, part in mine.items()},
            "leaked": tally.leaked[name],
            "merged": tally.merged[name],
            "capped": tally.capped[name],
            "empty": tally.empty[name],
            "unlabelled": tally.unlabelled[name],
            "malformed": tally.malformed.get(name, {}),
            "positives": corpus.positives(labelled),
            "licence": source.licence.name,
            "evaluation_only": source.evaluation_only,
        }

    used = [reading.source for reading in (*for_training, *for_evaluation)]
    results: dict[str, Any] = {
        "inputs": inputs,
        "checks": suite.fingerprint,
        "left_out_by_licence": [c.name for c in plan.sources if not usable(plan, SOURCES[c.name])],
        "sources": {source.name: summary(source) for source in used},
    }
    digest = record.fingerprint(part.encode() for part in prints)
    record.write(directory, "prepare", recipe, digest, results)
    return results


def main(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE")],
    data_dir: Annotated[Path | None, typer.Option(help="directory with the data sets")] = None,
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
) -> None:
    """Gather, deduplicate and split a recipe's labelled comments."""
    settings, recipe = Settings(), load(recipe_file)
    directory = (runs_dir or settings.runs_dir) / recipe.name / "data"
    results = prepare(recipe, data_dir or settings.data_dir, directory)
    console = Console()
    console.print(*tables(results, taxonomy.load().names))
    if results["left_out_by_licence"]:
        console.print(f"left out by licence: {', '.join(results['left_out_by_licence'])}")
    console.print(f"written to {directory}")
    if message := shortage.empty(recipe, results["sources"]):
        typer.echo(f"warning: {message}", err=True)


if __name__ == "__main__":
    script.run(main)
