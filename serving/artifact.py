"""The model artifact: a directory with `model.onnx`, `tokenizer.json` and `manifest.json`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

MODEL, TOKENIZER, MANIFEST = "model.onnx", "tokenizer.json", "manifest.json"
DEFAULT = Path(__file__).parent / "model"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ArtifactError(ValueError):
    """An artifact cannot be used. The message names the directory, the file and what to do."""


class Part(BaseModel):
    """Base of the manifest's tables: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Head(Part):
    """One attribute of the model: score = sigmoid(slope x logit + intercept).

    `combine` says how the logits of a long text's windows become one: the highest, or the mean
    weighted by tokens.
    """

    name: str
    combine: Literal["max", "mean"]
    slope: float = Field(gt=0)
    intercept: float


class SpanHead(Part):
    """The head that marks words, one logit a token: probability = sigmoid(slope x logit + intercept).

    The words are evidence of `attribute`. A word counts where one of its tokens' probability is at least `threshold`:
    serving/spans.py.
    """

    attribute: str
    slope: float = Field(gt=0)
    intercept: float
    threshold: float = Field(ge=0, le=1)


class Manifest(Part):
    """What `manifest.json` holds. `metrics` are the export's own checks on development data."""

    format: Literal[1] = 1
    name: str
    version: str
    licence: str
    base: str
    attributes: tuple[Head, ...] = Field(min_length=1)
    spans: SpanHead | None = Field(None, description="None: the model has no output `token_logits`")
    token_limit: int = Field(ge=8, le=512, description="tokens of one window, with the two special ones")
    window_overlap: int = Field(ge=0, description="tokens that neighbouring windows share")
    files: dict[str, Sha256] = Field(description="SHA-256 of every other file of the artifact")
    recipe: str
    training_data: str = Field(description="fingerprint of the prepared rows")
    metrics: dict[str, float]
    measured_on: str = Field(description="CPU and instruction sets behind `metrics`")

    @model_validator(mode="after")
    def _windows(self) -> Manifest:
        if self.window_overlap >= self.token_limit - 2:
            raise ValueError("window_overlap must be less than token_limit - 2, or windows do not advance")
        return self

    @model_validator(mode="after")
    def _evidence(self) -> Manifest:
        if self.spans and self.spans.attribute not in {head.name for head in self.attributes}:
            raise ValueError(f"spans.attribute: {self.spans.attribute!r} is none of the attributes")
        return self


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Artifact:
    """A verified artifact."""

    path: Path
    manifest: Manifest

    @classmethod
    def load(cls, path: Path | None = None) -> Artifact:
        """Reads the manifest and verifies every file against it; `None` is the model that ships.

        Raises ArtifactError for a missing or unreadable manifest, a missing file, or other contents
        than the manifest's hashes promise.
        """
        path = DEFAULT if path is None else path
        try:
            text = (path / MANIFEST).read_text(encoding="utf-8")
        except OSError as error:
            raise ArtifactError(f"no model in {path}: {MANIFEST} cannot be read ({error.strerror})") from None
        try:
            manifest = Manifest.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"])) or "manifest"
            raise ArtifactError(f"{path / MANIFEST}: {key}: {first['msg']}") from None
        for name in (MODEL, TOKENIZER):
            if name not in manifest.files:
                raise ArtifactError(f"{path / MANIFEST}: files: there is no hash of {name}")
        for name, expected in manifest.files.items():
            if Path(name).name != name or not (path / name).is_file():
                raise ArtifactError(f"{path}: the manifest lists {name}, which is not there")
            if sha256(path / name) != expected:
                raise ArtifactError(f"{path / name} does not match its hash in the manifest; install it again")
        return cls(path, manifest)


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Writes the manifest of an artifact directory; what is None is left out."""
    (path / MANIFEST).write_text(manifest.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")
