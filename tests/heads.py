"""Copies of the model that ships, with its head that marks words changed or taken out."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import onnx

from serving.artifact import DEFAULT, MODEL, Artifact, SpanHead, sha256, write_manifest
from serving.scorer import TOKEN_LOGITS, Scorer


def shipped() -> SpanHead:
    """The head of the model that ships."""
    head = Artifact.load().manifest.spans
    assert head is not None
    return head


def with_head(folder: Path, head: SpanHead | None, output: bool = True) -> Path:
    """The model that ships with another table `spans` in its manifest, or none.

    `output` False takes the output out of the model as well.
    """
    path = folder / "model"
    shutil.copytree(DEFAULT, path)
    if not output:
        model = onnx.load(path / MODEL)
        for part in (model.graph.output, model.graph.node):
            for item in [item for item in part if item.name == TOKEN_LOGITS]:
                part.remove(item)
        onnx.save(model, path / MODEL)
    manifest = Artifact.load().manifest
    files = {name: sha256(path / name) for name in manifest.files}
    write_manifest(path, manifest.model_copy(update={"files": files, "spans": head}))
    return path


def marked(scorer: Scorer, texts: Sequence[str]) -> list[list[str]]:
    """What each text has marked."""
    found = zip(texts, scorer.spans(texts), strict=True)
    return [[text[span.start : span.end] for span in spans] for text, spans in found]
