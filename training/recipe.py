"""A recipe: everything that decides a training run, in one TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from labels import taxonomy
from labels.sources import SOURCES

NAME = r"^[a-z0-9][a-z0-9-]*$"  # of a run: it becomes a folder
Name = Annotated[str, Field(pattern=NAME)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


class RecipeError(ValueError):
    """A recipe cannot be used. The message names file, key and rule."""


class Part(BaseModel):
    """Base of the recipe's tables: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceChoice(Part):
    """How much of one source a run uses.

    `dev` and `test` are fractions of its groups. `max_positives` and `max_negatives` cap the training
    rows with and without any label of one half or more; `repeat` shows each training row that many
    times; `weight` scales its loss.
    """

    name: str
    file: Path | None = Field(None, description="the rows, where they are not <data_dir>/<name>.*")
    hub: bool = Field(False, description="read the original from its hub by name")
    dev: Fraction = 0.04
    test: Fraction = 0.08
    max_positives: int | None = Field(None, ge=0)
    max_negatives: int | None = Field(None, ge=0)
    repeat: int = Field(1, ge=1, le=50)
    weight: float = Field(1.0, gt=0.0, le=100.0)

    @model_validator(mode="after")
    def _known(self) -> SourceChoice:
        if self.name not in SOURCES:
            raise ValueError(f"no source is called {self.name!r}; there are {', '.join(SOURCES)}")
        source = SOURCES[self.name]
        if source.left_out:
            raise ValueError(f"{self.name} is left out: {source.left_out}")
        if self.dev + self.test >= 1:
            raise ValueError(f"{self.name}: dev + test must leave rows to train on")
        return self


class Prepare(Part):
    """Gathering, deduplication and splits."""

    licence: Literal["any", "commercial"] = Field("any", description="`commercial` keeps only what permits it")
    skip_malformed: bool = Field(False, description="count malformed rows and go on, instead of stopping")
    near_duplicate: float = Field(0.8, gt=0.0, le=1.0, description="Jaccard similarity of word triples")
    evaluation: tuple[str, ...] = Field((), description="evaluation-only sources")
    sources: tuple[SourceChoice, ...]

    @model_validator(mode="after")
    def _roles(self) -> Prepare:
        names = [choice.name for choice in self.sources]
        for choice in self.sources:
            if SOURCES[choice.name].evaluation_only:
                raise ValueError(f"{choice.name} is for evaluation only: it can never be trained on")
            if names.count(choice.name) > 1:
                raise ValueError(f"{choice.name} is named twice")
        for name in self.evaluation:
            if name not in SOURCES or not SOURCES[name].evaluation_only:
                raise ValueError(f"{name} is not an evaluation-only source")
        return self


class Pretrain(Part):
    """Further pretraining of the encoder on the training rows' texts, before it is fine-tuned: training/pretrain.py."""

    steps: int = Field(ge=1, description="batches, of `train.batch_tokens`")
    learning_rate: float = Field(3e-4, gt=0.0, lt=1.0)
    masked: float = Field(0.15, gt=0.0, lt=1.0, description="share of the tokens that are to be guessed")
    evaluations: int = Field(4, ge=1, description="times the loss on development rows is taken on the way")
    development_rows: int = Field(2000, ge=1, description="development rows of those evaluations")


class Augment(Part):
    """Copies of training rows to add, at most so many of each kind: training/augment.py."""

    disguised: int = Field(0, ge=0, description="words masked, misspelt or written in digits, or emoji between them")
    joined: int = Field(0, ge=0, description="comments of one source one after the other")
    swapped: int = Field(0, ge=0, description="groups of people exchanged for others")


class Train(Part):
    """The network and its optimisation."""

    encoder: str = Field(description="`package:NAME`, a local directory, or a hub name")
    start: str | None = Field(None, pattern=NAME, description="the run whose network training starts from")
    inherit: Literal["all", "heads"] = Field("all", description="what training starts with of that network")
    mix: float = Field(0.0, ge=0.0, lt=1.0, description="share of an earlier network's weights in the result")
    mix_with: str | None = Field(
        None, pattern=NAME, description="the run before this one that `mix` takes weights of; default: `start`"
    )
    frozen_layers: int = Field(0, ge=0, description="layers of the encoder, the first ones, that stay as they are")
    max_tokens: int = Field(192, ge=8, le=512)
    batch_tokens: int = Field(4096, ge=64, description="padded tokens of a batch, over all rows")
    passes: int = Field(1, ge=1, le=100, description="times the training rows (with repeats) are seen")
    max_steps: int | None = Field(None, ge=1, description="stop after so many steps, whatever `passes` says")
    learning_rate: float = Field(1.2e-4, gt=0.0, lt=1.0)
    head_factor: float = Field(8.0, gt=0.0, description="the heads' learning rate, over the encoder's")
    weight_decay: float = Field(0.01, ge=0.0)
    warmup: float = Field(0.06, ge=0.0, lt=1.0, description="fraction of the steps")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="inside the encoder")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16 pays where the CPU has it (AMX, AVX512-BF16)")
    evaluations: int = Field(6, ge=1, description="times the development rows are scored on the way")
    development_rows: int = Field(5000, ge=1, description="development rows of those evaluations, by hash")
    patience: int = Field(3, ge=1, description="evaluations without a gain before training stops")
    length_prior: tuple[str, ...] = Field(
        (), description="attributes whose label length alone separates: a frozen prior carries that part"
    )
    length_unit: Literal["tokens", "characters"] = Field("tokens", description="what that prior counts")
    rank: tuple[str, ...] = Field(
        (), description="attributes that also learn from pairs of one batch: which of the two has more of it"
    )
    rank_weight: float = Field(1.0, gt=0.0, le=100.0, description="factor on the loss of those pairs")

    mark_weight: float = Field(
        1.0, ge=0.0, le=100.0, description="factor on the loss of the head that marks words, where rows are marked"
    )
    teachers: tuple[Name, ...] = Field((), description="runs whose networks' mean score of a row is learnt too")
    teacher_weight: float = Field(1.0, gt=0.0, le=100.0, description="factor on the loss against that score")
    taught: tuple[str, ...] = Field((), description="sources whose rows the teachers score; default: all")
    augment: Augment = Augment()

    @model_validator(mode="after")
    def _attributes(self) -> Train:
        names = taxonomy.load().names
        for key, chosen in (("length_prior", self.length_prior), ("rank", self.rank)):
            if unknown := [name for name in chosen if name not in names]:
                raise ValueError(f"{key}: no attribute is called {unknown[0]!r}")
        if self.taught and not self.teachers:
            raise ValueError("taught: there is nobody to teach these sources' rows unless `teachers` names a run")
        if self.mix and self.start is None:
            raise ValueError("mix: there is no network to mix with unless `start` names one")
        if self.mix_with and not self.mix:
            raise ValueError("mix_with: nothing of that network is taken unless `mix` says how much")
        if self.inherit == "heads" and self.start is None:
            raise ValueError("inherit: there is no network to have heads of unless `start` names one")
        return self


class Export(Part):
    """The artifact, and how far int8 may stray from fp32 before the export fails."""

    name: str
    version: str
    licence: str
    auc_tolerance: float = Field(0.005, ge=0.0, description="largest loss of ROC AUC on development rows")
    score_tolerance: float = Field(0.03, ge=0.0, description="largest mean change of a calibrated score")
    window_overlap: int = Field(32, ge=0, description="tokens that neighbouring windows of a long text share")


class Calibrate(Part):
    """Where each attribute's calibration is fitted."""

    on: dict[str, tuple[str, ...]] = Field(
        {}, description="attribute -> sources whose natural development rows it is fitted on; default: all"
    )

    @model_validator(mode="after")
    def _known(self) -> Calibrate:
        for name, sources in self.on.items():
            if name not in taxonomy.load().names:
                raise ValueError(f"on: no attribute is called {name!r}")
            for source in sources:
                if source not in SOURCES or SOURCES[source].evaluation_only:
                    raise ValueError(f"on: {name}: {source!r} is no source to tune on")
        return self


class Bar(Part):
    """A result to reach: the mean over attributes of a measure on one set."""

    what: str
    source: str = Field(description="its test rows, or an evaluation-only source")
    attributes: tuple[str, ...] = Field(min_length=1)
    measure: Literal["auc", "within_length_bands"] = "auc"
    at_least: float = Field(gt=0.0, le=1.0)

    @model_validator(mode="after")
    def _known(self) -> Bar:
        if self.source not in SOURCES:
            raise ValueError(f"no source is called {self.source!r}")
        if unknown := [name for name in self.attributes if name not in SOURCES[self.source].attributes]:
            raise ValueError(f"{self.source} has no labels for {unknown[0]!r}")
        return self


class Evaluate(Part):
    """What the evaluation reports."""

    thresholds: tuple[float, ...] = (0.5, 0.7, 0.8, 0.9)
    bootstrap: int = Field(1000, ge=10, description="resamples behind each 95 % interval")
    max_rows: int = Field(8000, ge=10, description="rows of one set that are scored, chosen by hash")
    bars: tuple[Bar, ...] = Field((), description="results to reach; the card says which are missed")


class Recipe(Part):
    """A run's whole configuration."""

    name: str = Field(pattern=NAME)
    seed: int = Field(ge=0, lt=2**32)
    prepare: Prepare
    pretrain: Pretrain | None = None
    train: Train
    export: Export
    calibrate: Calibrate = Calibrate()
    evaluate: Evaluate = Evaluate()

    @model_validator(mode="after")
    def _runs(self) -> Recipe:
        if self.train.start == self.name:
            raise ValueError("train.start: a run cannot start from itself")
        if self.name in self.train.teachers:
            raise ValueError("train.teachers: a run cannot be its own teacher")
        if self.pretrain and self.train.start:
            raise ValueError("pretrain: the encoder of the run that `start` names would take its place")
        named = [choice.name for choice in self.prepare.sources]
        if unknown := [name for name in self.train.taught if name not in named]:
            raise ValueError(f"train.taught: {unknown[0]!r} is not among the recipe's sources")
        return self

    @model_validator(mode="after")
    def _windows(self) -> Recipe:
        if self.export.window_overlap >= self.train.max_tokens - 2:
            raise ValueError("export.window_overlap must be less than train.max_tokens - 2, or windows do not advance")
        return self


def load(path: Path) -> Recipe:
    """The recipe in a TOML file. Raises RecipeError naming file, key and rule."""
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"{path}: {key}: {first['msg']}") from None
