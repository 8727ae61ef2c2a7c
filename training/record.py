"""What a step did, written beside its output: configuration, data fingerprint, seed and versions."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from serving.cpu import features, model_name
from training.recipe import Recipe

PACKAGES = (
    "evenhand",
    "torch",
    "transformers",
    "datasets",
    "accelerate",
    "scikit-learn",
    "onnx",
    "onnxruntime",
    "tokenizers",
    "numpy",
)


def versions() -> dict[str, str]:
    """Installed versions of Python and of the packages that can change a result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def write(directory: Path, step: str, recipe: Recipe, fingerprint: str, results: Mapping[str, Any]) -> Path:
    """Writes `<step>.json` into `directory` and returns its path."""
    path = directory / f"{step}.json"
    record = {
        "step": step,
        "recipe": recipe.model_dump(mode="json"),
        "data_fingerprint": fingerprint,
        "seed": recipe.seed,
        "versions": versions(),
        "cpu": {"name": model_name(), "features": list(features())},
        "results": results,
    }
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read(directory: Path, step: str) -> dict[str, Any]:
    """The record of an earlier step. Raises FileNotFoundError that says which step to run first."""
    path = directory / f"{step}.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `python -m training.{step}` with this recipe first")
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def fingerprint(parts: Iterable[bytes]) -> str:
    """SHA-256 over the parts in their order, as hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
        digest.update(b"\x1e")
    return digest.hexdigest()
