"""A model with a head that marks words, made of the one that ships."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from serving.artifact import DEFAULT, MODEL, Artifact, SpanHead, sha256, write_manifest
from serving.scorer import Scorer

HEAD = SpanHead(attribute="toxicity", slope=1.0, intercept=0.0, threshold=0.5)
# Its token vectors, with these in the middle, are what the head looks for, and those of the calm ones what it does not.
RUDE = ("moron", "idiot", "stupid", "fuck", "pathetic", "clown", "scum")
CALM = (
    "The bridge is late again and they say that the council will publish a timetable in June, if you believe them.",
    "Thank you; I had not thought of that. What is the bus fare now, and who pays for the works in the old town?",
    "You are right, I think: well-known people like you and me have to wait for the next one. He said so too.",
)
FRAMES = ("You are a {}.", "what a {} he is", "{}", "Go away, {} people!", "I say: {}, and again {}")


def with_head(folder: Path, head: SpanHead | None = HEAD, output: bool = True) -> Path:
    """The model that ships with a second output: one product of the last layer with a vector that separates a few rude
    words from others. Real numbers over real tokens, good enough to tell where they end up; no good model.

    `head` None leaves the manifest without the table; `output` False the model without the output.
    """
    path = folder / "marking"
    shutil.copytree(DEFAULT, path)
    if output:
        model = onnx.load(path / MODEL)
        vector = _direction(path, model)
        _add(model, vector)
        onnx.save(model, path / MODEL)
    manifest = Artifact.load().manifest
    files = {name: sha256(path / name) for name in manifest.files}  # written after them: its own hashes match
    write_manifest(path, manifest.model_copy(update={"files": files, "spans": head}))
    return path


def _last(model: Any) -> str:
    """The output of the last layer, which is what the heads are given."""
    norms = [node for node in model.graph.node if node.op_type == "LayerNormalization"]
    name: str = norms[-1].output[0]
    return name


def _add(model: Any, vector: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    """Adds `token_logits`; `vector` [width + 1], the last of it the bias."""
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(vector[:-1, None], "spans.weight"))
    graph.initializer.append(numpy_helper.from_array(vector[-1:], "spans.bias"))
    graph.initializer.append(numpy_helper.from_array(np.array([2]), "spans.axis"))
    graph.node.append(helper.make_node("MatMul", [_last(model), "spans.weight"], ["spans.product"]))
    graph.node.append(helper.make_node("Add", ["spans.product", "spans.bias"], ["spans.sum"]))
    graph.node.append(helper.make_node("Squeeze", ["spans.sum", "spans.axis"], ["token_logits"]))
    graph.output.append(helper.make_tensor_value_info("token_logits", TensorProto.FLOAT, ["rows", "tokens"]))


def _direction(path: Path, model: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """By ridge regression on the token vectors of rude and calm texts: 6 for a piece of a rude word, -6 for others."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.append(helper.make_tensor_value_info(_last(model), TensorProto.FLOAT, ["rows", "tokens", None]))
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    tokenizer = Scorer.load()._tokenizer
    texts = [*CALM, *(frame.replace("{}", word) for word in RUDE for frame in FRAMES)]
    vectors, wanted = [], []
    for text in texts:
        encoding = tokenizer.encode(text)
        ids = np.array([encoding.ids], np.int64)
        (found,) = session.run([_last(model)], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        vectors.append(found[0])
        wanted += [6.0 if _rude(text, *place) else -6.0 for place in encoding.offsets]
    rows = np.concatenate(vectors)
    rows = np.concatenate([rows, np.ones((len(rows), 1), rows.dtype)], axis=1)
    solved = np.linalg.solve(rows.T @ rows + 0.3 * np.eye(rows.shape[1]), rows.T @ np.array(wanted))
    return solved.astype(np.float32)


def _rude(text: str, start: int, end: int) -> bool:
    """Whether a token at [start, end) lies in a rude word."""
    found = [match.span() for match in re.finditer("|".join(RUDE), text)]
    return start < end and any(first <= start and end <= last for first, last in found)


def marked(scorer: Scorer, texts: Sequence[str]) -> list[list[str]]:
    """What each text has marked."""
    found = zip(texts, scorer.spans(texts), strict=True)
    return [[text[span.start : span.end] for span in spans] for text, spans in found]
