"""Write the trained network as ONNX, in fp32 and quantised to int8.

    python -m training.export training/recipes/minilm.toml

Writes two artifact directories beside the network, <runs-dir>/<recipe>/artifact (int8: the one to
serve) and artifact-fp32 (to compare with), both still without calibration: `training.calibrate` fits it.
The int8 graph of a BERT encoder is written by `training.int8`, its activations scaled on training rows;
any other encoder is quantised dynamically, which is slower, and lets a score move with its batch.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
import onnxruntime
import torch
import typer
from onnxruntime.quantization import QuantType, quantize_dynamic
from rich.console import Console
from tokenizers import Tokenizer
from torch import Tensor, nn

from labels import taxonomy
from serving import cpu
from serving.artifact import MODEL, TOKENIZER, Head, Manifest, SpanHead, sha256, write_manifest
from serving.scorer import LOGITS, TOKEN_LOGITS
from training import corpus, int8, network, record, script
from training.network import MARKED, Network
from training.recipe import Recipe, load
from training.settings import Settings

ARTIFACT, REFERENCE = "artifact", "artifact-fp32"
ONNX_TOLERANCE = 1e-3  # logits; fp32 ONNX against torch on the same inputs
OPSET = 18
SCALING_ROWS, SCALING_BATCH = 512, 32  # training rows that show how large activations get


class ExportError(ValueError):
    """The exported model strays too far from the trained one. The message gives both numbers."""


class Exported(nn.Module):
    """A network as a graph has it: logits, and those of the tokens if it marks them."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """What `Network.read` gives."""
        return tuple(logits for logits in self.network.read(input_ids, attention_mask) if logits is not None)


def to_onnx(trained: Network, path: Path) -> None:
    """Writes the network as fp32 ONNX with free numbers of rows and tokens, and checks it.

    Raises ExportError if a logit differs by more than ONNX_TOLERANCE from torch's.
    """
    trained.eval()
    names = [LOGITS, *([TOKEN_LOGITS] if trained.token_head else [])]
    ids = torch.randint(1, 100, (2, 16))
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings():
        # The exporter warns of its own internals (tree specs, axis names), none of which we can mend.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            Exported(trained).eval(),
            (ids, mask),
            dynamo=True,
            opset_version=OPSET,
            input_names=["input_ids", "attention_mask"],
            output_names=names,
            dynamic_shapes={"input_ids": axes, "attention_mask": axes},
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    # Shapes noted for intermediate values contradict the ones that the quantiser infers afresh.
    del model.graph.value_info[:]
    # The exporter notes the source file and line behind each part: paths of the machine that trained.
    del model.metadata_props[:]
    graph = model.graph
    for part in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, path)

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 100, (5, 33), generator=generator)
    mask = torch.ones_like(ids)
    mask[0, 20:] = 0
    with torch.inference_mode():
        expected = [logits.numpy() for logits in trained.read(ids, mask) if logits is not None]
    found = session.run(names, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
    for mine, theirs in zip(found, expected, strict=True):
        if (worst := float(np.abs(mine - theirs).max())) > ONNX_TOLERANCE:
            raise ExportError(f"fp32 ONNX: a logit is {worst:.2g} off torch's; at most {ONNX_TOLERANCE:g} is allowed")


def batches(tokenizer: Tokenizer, texts: Sequence[str], limit: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Token ids and masks of texts, cut to `limit` tokens, in batches of like length."""
    rows = [torch.tensor(found.ids[:limit]) for found in tokenizer.encode_batch(list(texts))]
    rows.sort(key=len)
    for start in range(0, len(rows), SCALING_BATCH):
        batch = rows[start : start + SCALING_BATCH]
        masks = [torch.ones_like(row) for row in batch]
        yield (
            torch.nn.utils.rnn.pad_sequence(batch, batch_first=True),
            torch.nn.utils.rnn.pad_sequence(masks, batch_first=True),
        )


def to_int8(trained: Network, recipe: Recipe, directory: Path, target: Path) -> None:
    """Writes a BERT network in int8, its activations scaled on a sample of the run's training rows."""
    rows = corpus.read(directory / "data", "train", trained.attributes)
    picked = np.random.default_rng(recipe.seed).permutation(len(rows))[:SCALING_ROWS]
    tokenizer = Tokenizer.from_file(str(directory / "network" / TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    found = int8.ranges(trained, batches(tokenizer, rows.select(picked).texts, recipe.train.max_tokens))
    int8.write(trained, found, target)


def quantise(source: Path, target: Path) -> None:
    """Dynamic int8 quantisation with signed weights, one scale a channel.

    The sizes of tokens, which the length prior sums, stay as they are: next to nothing is saved there.
    """
    sizes = [node.name for node in onnx.load(source).graph.node if node.op_type == "Gather" and "sizes" in node.input]
    quantize_dynamic(
        source,
        target,
        weight_type=QuantType.QInt8,
        per_channel=True,
        nodes_to_exclude=sizes,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def _base(encoder: str) -> str:
    """The encoder's name as published: of a local directory only its last part, which is no one's path."""
    return Path(encoder).name if Path(encoder).exists() else encoder


def manifest(
    recipe: Recipe, attributes: tuple[str, ...], files: dict[str, str], fingerprint: str, *, marks: bool
) -> Manifest:
    """A manifest without calibration (slope 1, intercept 0) and without metrics; `marks`: the network marks words."""
    known = taxonomy.load()
    return Manifest(
        name=recipe.export.name,
        version=recipe.export.version,
        licence=recipe.export.licence,
        base=_base(recipe.train.encoder),
        attributes=tuple(Head(name=name, combine=known[name].combine, slope=1.0, intercept=0.0) for name in attributes),
        spans=SpanHead(attribute=MARKED, slope=1.0, intercept=0.0, threshold=0.5) if marks else None,
        token_limit=recipe.train.max_tokens,
        window_overlap=recipe.export.window_overlap,
        files=files,
        recipe=recipe.name,
        training_data=fingerprint,
        metrics={},
        measured_on=f"{cpu.model_name()} ({', '.join(cpu.features())})",
    )


def export(recipe: Recipe, directory: Path) -> dict[str, Any]:
    """Writes both artifact directories and returns their sizes in bytes. Raises ExportError."""
    trained = record.read(directory, "train")
    attributes = corpus.attributes(directory / "data")
    model = network.restore(directory / "network", attributes)
    for name in (ARTIFACT, REFERENCE):
        shutil.rmtree(directory / name, ignore_errors=True)
        (directory / name).mkdir()
        shutil.copy(directory / "network" / TOKENIZER, directory / name / TOKENIZER)
    to_onnx(model, directory / REFERENCE / MODEL)
    if int8.supports(model):
        to_int8(model, recipe, directory, directory / ARTIFACT / MODEL)
    else:
        quantise(directory / REFERENCE / MODEL, directory / ARTIFACT / MODEL)
    sizes, fingerprint = {}, trained["data_fingerprint"]
    for name in (ARTIFACT, REFERENCE):
        folder = directory / name
        files = {file: sha256(folder / file) for file in (MODEL, TOKENIZER)}
        write_manifest(folder, manifest(recipe, attributes, files, fingerprint, marks=bool(model.token_head)))
        sizes[name] = (folder / MODEL).stat().st_size
    results = {"bytes": sizes}
    record.write(directory, "export", recipe, fingerprint, results)
    return results


def main(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE")],
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
) -> None:
    """Write a trained network as fp32 and int8 ONNX artifacts."""
    recipe = load(recipe_file)
    directory = (runs_dir or Settings().runs_dir) / recipe.name
    for name, size in export(recipe, directory)["bytes"].items():
        Console().print(f"{directory / name}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    script.run(main)
