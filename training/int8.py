"""A BERT network as an int8 ONNX graph, written operator by operator for ONNX Runtime on CPUs.

What a general exporter and quantiser leave on the table, and this graph does not (docs/performance-log.md has
the measurements):

- Activations have fixed scales, found on training comments, not one computed from each batch: a comment's
  score does not depend on its neighbours, and no pass over the activations is spent on finding a scale.
- Weights have 7 bits and one scale a column. Then the 16-bit sums of AVX2, which has no VNNI instructions,
  cannot overflow (255 * 63 * 2 < 2**15), and every processor computes the same integers. ONNX Runtime's
  "Quantize ONNX Models" calls this reduce_range.
- Matrix products, scales and bias are one operator (MatMulIntegerToFloat), the projections and the heads
  of attention another (QAttention). Both are described in ONNX Runtime's "Contrib Operators".
- Add and LayerNormalization stay apart: together, as SkipLayerNormalization, they take several times as long.
- Word vectors are int8 with one scale a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from serving.scorer import LOGITS, TOKEN_LOGITS
from training.network import TOKEN_HEAD, Network

OPSET, IR_VERSION = 18, 9
CONTRIB = "com.microsoft"
WEIGHT_STEPS, BYTE_STEPS = 63, 127  # largest integer of a weight, and of a word vector

Range = tuple[float, float]
Floats = npt.NDArray[np.float32]


def supports(network: Network) -> bool:
    """Whether the encoder is of the architecture that `write` knows."""
    config: Any = network.encoder.config
    return bool(config.model_type == "bert" and config.hidden_act == "gelu" and not config.is_decoder)


def _linears(network: Network) -> dict[str, nn.Module]:
    """Name -> a layer whose input is quantised. Query stands for key and value, which share its input."""
    encoder: Any = network.encoder
    found: dict[str, nn.Module] = {}
    for number, layer in enumerate(encoder.encoder.layer):
        found[f"{number}.attention"] = layer.attention.self.query
        found[f"{number}.projection"] = layer.attention.output.dense
        found[f"{number}.widen"] = layer.intermediate.dense
        found[f"{number}.narrow"] = layer.output.dense
    return found


def ranges(network: Network, batches: Iterable[tuple[Tensor, Tensor]]) -> dict[str, Range]:
    """Smallest and largest input of each quantised layer over batches of (token ids, mask), padding left out."""
    found: dict[str, Range] = {}
    real = torch.empty(0, dtype=torch.bool)

    def watch(name: str) -> Any:
        def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            values = inputs[0][real]
            low, high = found.get(name, (0.0, 0.0))
            found[name] = (min(low, float(values.min())), max(high, float(values.max())))

        return note

    hooks = [layer.register_forward_pre_hook(watch(name)) for name, layer in _linears(network).items()]
    try:
        with torch.inference_mode():
            for ids, mask in batches:
                real = mask.bool()
                network(ids, mask)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def integers(weight: Floats, axis: int, most: int) -> tuple[npt.NDArray[np.int8], Floats]:
    """Integers in -most..most and their scales, one for each slice along `axis`, so that weight = integers * scales."""
    scales = np.maximum(np.abs(weight).max(axis=axis, keepdims=True), 1e-8) / most
    return np.rint(weight / scales).astype(np.int8), scales.astype(np.float32)


def _array(tensor: Tensor) -> Floats:
    return tensor.detach().float().numpy()


class _Graph:
    """Nodes and constants in the making. Every method returns the name of what it adds."""

    def __init__(self, ranges: Mapping[str, Range]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self._ranges = ranges

    def constant(self, name: str, value: Any) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name)
        return name

    def node(self, kind: str, *inputs: str, domain: str = "", output: str = "", **attributes: Any) -> str:
        output = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def norm(self, name: str, layer: nn.LayerNorm, *terms: str) -> str:
        """LayerNormalization of the sum of two terms."""
        scale, shift = (self.constant(f"{name}.{part}", _array(getattr(layer, part))) for part in ("weight", "bias"))
        return self.node("LayerNormalization", self.node("Add", *terms), scale, shift, epsilon=layer.eps)

    def quantise(self, name: str, value: str) -> tuple[str, str, str]:
        """The value in uint8 with the scale and zero point that its range gives."""
        low, high = self._ranges[name]
        step = max(high - low, 1e-8) / 255
        scale = self.constant(f"{name}.scale", np.float32(step))
        zero = self.constant(f"{name}.zero", np.uint8(np.clip(round(-low / step), 0, 255)))
        return self.node("QuantizeLinear", value, scale, zero), scale, zero

    def weights(self, name: str, layers: Iterable[nn.Linear]) -> tuple[str, str, str]:
        """Weights [in, out] of layers side by side as integers, their scales, and their biases."""
        layers = list(layers)
        both = np.concatenate([_array(layer.weight) for layer in layers]).T
        whole, scales = integers(both, 0, WEIGHT_STEPS)
        bias = np.concatenate([_array(layer.bias) for layer in layers])
        return (
            self.constant(f"{name}.weight", whole),
            self.constant(f"{name}.weight_scale", scales[0]),
            self.constant(f"{name}.bias", bias),
        )

    def linear(self, name: str, layer: nn.Linear, value: str) -> str:
        """The value through a linear layer."""
        value, scale, zero = self.quantise(name, value)
        weight, weight_scale, bias = self.weights(name, [layer])
        inputs = (value, weight, scale, weight_scale, zero, "", bias)
        return self.node("MatMulIntegerToFloat", *inputs, domain=CONTRIB)

    def attention(self, name: str, layer: Any, value: str, mask: str, heads: int) -> str:
        """Self-attention up to the joined heads, the projection after them not included."""
        value, scale, zero = self.quantise(name, value)
        weight, weight_scale, bias = self.weights(name, (layer.query, layer.key, layer.value))
        inputs = (value, weight, bias, scale, weight_scale, mask, zero)
        return self.node("QAttention", *inputs, domain=CONTRIB, num_heads=heads)

    def embed(self, layer: Any) -> str:
        """Word, position and (first) type vectors, summed and normalised."""
        whole, scales = integers(_array(layer.word_embeddings.weight), 1, BYTE_STEPS)
        words = self.node("Gather", self.constant("words", whole), "input_ids")
        scaled = self.node("Gather", self.constant("words.scale", scales), "input_ids")
        words = self.node("Mul", self.node("Cast", words, to=TensorProto.FLOAT), scaled)
        places = _array(layer.position_embeddings.weight) + _array(layer.token_type_embeddings.weight)[0]
        bounds = (self.constant("zero", np.array([0])), self.node("Shape", "input_ids", start=1, end=2))
        places = self.node("Slice", self.constant("positions", places), *bounds, "zero")
        return self.norm("embedding", layer.LayerNorm, words, places)

    def pool(self, network: Network, value: str) -> None:
        """The masked mean through the heads, with the length prior: see training.network."""
        mask = self.node("Cast", "attention_mask", to=TensorProto.FLOAT)
        tokens = self.constant("token_axis", np.array([1]))
        count = self.node("ReduceSum", mask, tokens, keepdims=1)
        count = self.node("Max", count, self.constant("one", np.float32(1)))
        total = self.node("Squeeze", self.node("MatMul", self.node("Unsqueeze", mask, tokens), value), tokens)
        weight = self.constant("heads.weight", _array(network.head.weight))
        bias = self.constant("heads.bias", _array(network.head.bias + network.prior[0]))
        logits = self.node("Gemm", self.node("Div", total, count), weight, bias, transB=1)
        sizes = self.node("Gather", self.constant("sizes", _array(network.sizes)), "input_ids")
        length = self.node("ReduceSum", self.node("Mul", sizes, mask), tokens, keepdims=1)
        length = self.node("Max", length, self.constant("least", np.float32(1)))
        prior = self.node("Mul", self.node("Log", length), self.constant("prior", _array(network.prior[1:2])))
        self.node("Add", logits, prior, output=LOGITS)

    def mark(self, head: nn.Linear, value: str) -> None:
        """One logit for each token: the second output, which costs nothing unless it is asked for."""
        weight = self.constant(TOKEN_HEAD, _array(head.weight))
        turned = self.node("Transpose", weight, perm=[1, 0])
        bias = self.constant("token_head.bias", _array(head.bias))
        marks = self.node("Add", self.node("MatMul", value, turned), bias)
        self.node("Squeeze", marks, self.constant("last_axis", np.array([-1])), output=TOKEN_LOGITS)


def write(network: Network, found: Mapping[str, Range], path: Path) -> None:
    """Writes the network in int8, its activations scaled to the ranges `found` by `ranges`."""
    encoder: Any = network.encoder
    graph = _Graph(found)
    mask = graph.node("Cast", "attention_mask", to=TensorProto.INT32)
    value = graph.embed(encoder.embeddings)
    for number, layer in enumerate(encoder.encoder.layer):
        heads = encoder.config.num_attention_heads
        mixed = graph.attention(f"{number}.attention", layer.attention.self, value, mask, heads)
        mixed = graph.linear(f"{number}.projection", layer.attention.output.dense, mixed)
        value = graph.norm(f"{number}.mixed", layer.attention.output.LayerNorm, mixed, value)
        wide = graph.linear(f"{number}.widen", layer.intermediate.dense, value)
        wide = graph.node("Gelu", wide, domain=CONTRIB)
        narrow = graph.linear(f"{number}.narrow", layer.output.dense, wide)
        value = graph.norm(f"{number}.output", layer.output.LayerNorm, narrow, value)
    graph.pool(network, value)
    outputs = [helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["rows", len(network.attributes)])]
    if network.token_head:
        graph.mark(network.token_head, value)
        outputs.append(helper.make_tensor_value_info(TOKEN_LOGITS, TensorProto.FLOAT, ["rows", "tokens"]))
    shape = ["rows", "tokens"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "network", inputs, outputs, list(graph.constants.values())),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)],
        ir_version=IR_VERSION,
        producer_name="evenhand",
    )
    onnx.save(model, path)


def read(path: Path, network: Network) -> None:
    """Gives a network the weights of a graph that `write` wrote, as they are after rounding to 7 bits.

    Position and type vectors come back as their sum, the heads' bias with the length prior's intercept in it. Raises
    ValueError if the graph is not of this network's shape.
    """
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    encoder: Any = network.encoder

    def put(parameter: Tensor, value: npt.NDArray[Any]) -> None:
        if tuple(parameter.shape) != value.shape:
            raise ValueError(f"{path}: expected {tuple(parameter.shape)}, found {value.shape}")
        parameter.copy_(torch.from_numpy(np.array(value, np.float32)))

    def put_linears(name: str, layers: Iterable[nn.Linear]) -> None:
        layers = list(layers)
        weight = (values[f"{name}.weight"] * values[f"{name}.weight_scale"]).T
        for layer, part, bias in zip(
            layers, np.split(weight, len(layers)), np.split(values[f"{name}.bias"], len(layers)), strict=True
        ):
            put(layer.weight, part)
            put(layer.bias, bias)

    def put_norm(name: str, layer: nn.LayerNorm) -> None:
        put(layer.weight, values[f"{name}.weight"])
        put(layer.bias, values[f"{name}.bias"])

    try:
        with torch.no_grad():
            words = encoder.embeddings
            put(words.word_embeddings.weight, values["words"] * values["words.scale"])
            put(words.position_embeddings.weight, values["positions"])
            words.token_type_embeddings.weight.zero_()
            put_norm("embedding", words.LayerNorm)
            for number, layer in enumerate(encoder.encoder.layer):
                mixing = layer.attention.self
                put_linears(f"{number}.attention", (mixing.query, mixing.key, mixing.value))
                put_linears(f"{number}.projection", [layer.attention.output.dense])
                put_norm(f"{number}.mixed", layer.attention.output.LayerNorm)
                put_linears(f"{number}.widen", [layer.intermediate.dense])
                put_linears(f"{number}.narrow", [layer.output.dense])
                put_norm(f"{number}.output", layer.output.LayerNorm)
            put(network.head.weight, values["heads.weight"])
            put(network.head.bias, values["heads.bias"])
            put(network.sizes, values["sizes"])
            put(network.prior[1:2], values["prior"])
            if network.token_head:
                put(network.token_head.weight, values["token_head.weight"])
                put(network.token_head.bias, values["token_head.bias"])
    except KeyError as error:
        raise ValueError(f"{path}: there is no {error.args[0]} in the graph") from None


def marks_words(path: Path) -> bool:
    """Whether a graph that `write` wrote marks words."""
    return TOKEN_HEAD in {tensor.name for tensor in onnx.load(path).graph.initializer}
