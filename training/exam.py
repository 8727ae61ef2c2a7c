"""A trained run that is measured: its served artifact, and the labelled comments that it has never seen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from labels.sources import SOURCES
from labels.sources.reader import locate
from serving.artifact import MANIFEST, Artifact, sha256
from serving.scorer import Scorer
from serving.text import normalise
from training import corpus, record
from training.corpus import Corpus
from training.export import ARTIFACT
from training.recipe import Recipe, load
from training.revive import revived
from training.scoring import Kept
from training.settings import Settings
from training.splits import uniform

Floats = npt.NDArray[np.float32]

EVALUATION = Path("docs/evaluation")  # results of the model that ships


class ExamError(ValueError):
    """The run and the data do not belong together. The message names the file."""


@cache
def _split(directory: Path, split: str, attributes: tuple[str, ...]) -> Corpus:
    return corpus.read(directory, split, attributes)


@dataclass(frozen=True)
class Exam:
    """One run's artifact behind the serving scorer, and the rows that its recipe holds back.

    `kept` scores texts and remembers them beside the run; columns of labels and scores are the scorer's attributes.
    """

    recipe: Recipe
    directory: Path
    artifact: Artifact
    scorer: Scorer
    kept: Kept

    @classmethod
    def open(cls, recipe_file: Path, runs_dir: Path | None = None) -> Exam:
        """The exam of a recipe's finished run; `runs_dir` is EVENHAND_RUNS_DIR if None.

        Raises RecipeError, ArtifactError, or FileNotFoundError that names the step to run first.
        """
        recipe = load(recipe_file)
        directory = (runs_dir or Settings().runs_dir) / recipe.name
        if not revived(directory):
            record.read(directory, "calibrate")
        artifact = Artifact.load(directory / ARTIFACT)
        scorer = Scorer(artifact)
        return cls(recipe, directory, artifact, scorer, Kept(scorer, directory / "scores"))

    def rows(self, source: str, *, natural: bool = True, most: int | None = None) -> Corpus:
        """Rows of a source that nothing was trained or tuned on; none if the run does not hold the source.

        Its test rows, or all rows of an evaluation-only source. `natural` leaves out those that were picked for what
        they say; `most` bounds them, by hash and the recipe's seed.
        """
        split = "evaluation" if SOURCES[source].evaluation_only else "test"
        return self._part(split, source, natural, most)

    def development(self, source: str, *, natural: bool = True, most: int | None = None) -> Corpus:
        """Development rows of a source: to choose by, never to report."""
        return self._part("dev", source, natural, most)

    def _part(self, split: str, source: str, natural: bool, most: int | None) -> Corpus:
        rows = _split(self.directory / "data", split, self.scorer.attributes).of(source)
        rows = rows.select(rows.natural) if natural else rows
        if most is None or len(rows) <= most:
            return rows
        order = np.argsort([uniform(key, self.recipe.seed) for key in rows.keys], kind="stable")
        return rows.select(order[:most])

    def near(self, attribute: str) -> Corpus:
        """Held-out natural rows of the sources that an attribute's calibration is fitted on, those it is known of."""
        found = [self.rows(source) for source in self.recipe.calibrate.on.get(attribute, ())]
        if not found:
            nothing = np.empty((0, len(self.scorer.attributes)), np.float32)
            return Corpus([], [], [], np.empty(0, np.bool_), nothing, np.empty(0, np.float32))
        rows = found[0]
        for more in found[1:]:
            rows = rows.join(more)
        return rows.select(~np.isnan(rows.labels[:, self.column(attribute)]))

    def holds(self, source: str) -> bool:
        """Whether the run's recipe names the source, to train on or to evaluate."""
        plan = self.recipe.prepare
        return source in plan.evaluation or source in {choice.name for choice in plan.sources}

    def cells(self, rows: Corpus, names: Sequence[str], data_dir: Path | None = None) -> dict[str, list[Any]]:
        """Columns of the original file that are no labels, for rows of one source in their order.

        `data_dir` is EVENHAND_DATA_DIR if None. Raises SourceError if the file is not there, and ExamError if it is not
        the one that was prepared.
        """
        path = locate(SOURCES[rows.sources[0]], data_dir or Settings().data_dir)
        if path.suffix != ".parquet":
            raise ExamError(f"{path.name}: expected Parquet, whose columns can be read by row")
        table = pq.read_table(path, columns=[SOURCES[rows.sources[0]].text, *names])
        index = [int(key.rpartition(":")[2]) - 1 for key in rows.keys]
        if max(index) >= len(table):
            raise ExamError(f"{path.name} has {len(table)} rows; the run was prepared from another file")
        table = table.take(index)
        for text, found in zip(rows.texts, table[0].to_pylist(), strict=True):
            if normalise(text) != normalise(found):
                raise ExamError(f"{path.name} holds other texts than the run was prepared from")
        return {name: table[name].to_pylist() for name in names}

    def column(self, attribute: str) -> int:
        """The attribute's column in labels and scores. Raises ValueError if the model lacks it."""
        return self.scorer.attributes.index(attribute)

    def scores(self, texts: Sequence[str], what: str = "scoring") -> Floats:
        """Calibrated scores [texts, attributes], 0..1, as served."""
        return self.kept.scores(texts, what)

    def stamp(self) -> dict[str, Any]:
        """What a result is of: the model, its manifest, the data and the seed."""
        manifest = self.artifact.manifest
        return {
            "model": {"name": manifest.name, "version": manifest.version},
            "manifest_sha256": sha256(self.artifact.path / MANIFEST),
            "data_fingerprint": record.read(self.directory / "data", "prepare")["data_fingerprint"],
            "seed": self.recipe.seed,
        }

    def report(self, folder: Path, name: str, result: Mapping[str, Any]) -> Path:
        """Writes a result with its stamp as `<name>.json` and returns the path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.json"
        text = json.dumps(self.stamp() | dict(result), indent=1, ensure_ascii=False, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")
        return path


def ship(recipe_file: Path, runs_dir: Path | None, output: Path | None) -> tuple[Exam, Path]:
    """The exam of a recipe, and the folder for its results: the given one, or the run's own `evaluation`."""
    exam = Exam.open(recipe_file, runs_dir)
    return exam, output or exam.directory / "evaluation"
