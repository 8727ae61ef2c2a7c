from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel

from training import int8
from training.export import quantise, to_onnx
from training.network import Network

ATTRIBUTES = ("incivility", "constructive", "reasoning")
LIMIT = 60  # tokens


def small(*, marks: bool = False, **changes: Any) -> Network:
    """A BERT network with random weights, its layer norms, prior and sizes not at their defaults."""
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=300,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        **({"intermediate_size": 96} | changes),
    )
    network = Network(BertModel(config, add_pooling_layer=False), 64, ATTRIBUTES, marks=marks).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            value.add_(torch.randn_like(value) * (0.3 if "LayerNorm" in name else 0.1))
        network.prior[:, 1] = torch.tensor([-1.5, 0.7])
        network.sizes[:] = torch.arange(300) % 9
    return network


def batch(rows: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(rows)
    ids = torch.randint(1, 300, (rows, LIMIT), generator=generator)
    mask = (torch.arange(LIMIT) < torch.randint(3, LIMIT + 1, (rows, 1), generator=generator)).long()
    return ids * mask, mask


def run(
    session: onnxruntime.InferenceSession, ids: torch.Tensor, mask: torch.Tensor
) -> np.ndarray[Any, np.dtype[np.float32]]:
    (logits,) = session.run(["logits"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
    return np.asarray(logits)


@pytest.fixture(scope="module")
def network() -> Network:
    return small()


@pytest.fixture(scope="module")
def model(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("int8") / "model.onnx"
    int8.write(network, int8.ranges(network, [batch(40)]), path)
    return path


@pytest.fixture(scope="module")
def session(model: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])


def test_int8_follows_the_network(network: Network, session: onnxruntime.InferenceSession) -> None:
    ids, mask = batch(20)
    with torch.inference_mode():
        expected = network(ids, mask).numpy()
    found = run(session, ids, mask)
    error = np.abs(found - expected).mean(axis=0)
    assert (error < 0.1 * expected.std(axis=0)).all()


def test_a_row_does_not_depend_on_its_neighbours_or_padding(session: onnxruntime.InferenceSession) -> None:
    ids, mask = batch()
    together = run(session, ids, mask)
    for row, length in enumerate(mask.sum(dim=1).tolist()):
        alone = run(session, ids[row : row + 1, :length], mask[row : row + 1, :length])
        assert np.abs(alone[0] - together[row]).max() < 1e-4


def test_ranges_hold_every_quantised_input_and_leave_padding_out(network: Network) -> None:
    ids, mask = batch()
    found = int8.ranges(network, [(ids, mask)])
    assert len(found) == 4 * 2
    assert all(low < 0 < high for low, high in found.values())
    other = torch.where(mask.bool(), ids, torch.randint_like(ids, 1, 300))
    changed = int8.ranges(network, [(other, mask)])
    assert all(np.allclose(found[name], changed[name], atol=1e-4) for name in found)


def test_weights_fit_seven_bits_so_that_no_processor_overflows(model: Path) -> None:
    constants = {item.name: onnx.numpy_helper.to_array(item) for item in onnx.load(model).graph.initializer}
    weights = [value for name, value in constants.items() if name.endswith(".weight") and value.dtype == np.int8]
    assert len(weights) == 4 * 2
    assert all(np.abs(value).max() == int8.WEIGHT_STEPS for value in weights)
    assert 2 * 255 * int8.WEIGHT_STEPS < 2**15


def test_integers_times_scales_are_the_weight() -> None:
    weight = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    weight[:, 2] = 0
    whole, scales = int8.integers(weight, 0, 63)
    assert scales.shape == (1, 5)
    assert np.abs(whole * scales - weight).max() <= scales.max() / 2 + 1e-6


def test_other_encoders_are_quantised_dynamically(tmp_path: Path) -> None:
    encoder = DistilBertModel(DistilBertConfig(vocab_size=300, dim=32, hidden_dim=64, n_layers=1, n_heads=2))
    network = Network(encoder, 32, ATTRIBUTES).eval()
    assert not int8.supports(network)
    assert not int8.supports(small(hidden_act="relu"))
    to_onnx(network, tmp_path / "fp32.onnx")
    quantise(tmp_path / "fp32.onnx", tmp_path / "int8.onnx")
    ids, mask = batch()
    one, other = (
        run(onnxruntime.InferenceSession(str(tmp_path / name), providers=["CPUExecutionProvider"]), ids, mask)
        for name in ("fp32.onnx", "int8.onnx")
    )
    assert np.abs(one - other).max() < 0.2


@pytest.fixture(scope="module")
def marking() -> Network:
    return small(marks=True)


@pytest.fixture(scope="module")
def marking_model(marking: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("marking") / "model.onnx"
    int8.write(marking, int8.ranges(marking, [batch(40)]), path)
    return path


def test_tokens_logits_are_the_second_output(marking: Network, marking_model: Path) -> None:
    session = onnxruntime.InferenceSession(str(marking_model), providers=["CPUExecutionProvider"])
    ids, mask = batch()
    (found,) = session.run(["token_logits"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
    with torch.inference_mode():
        _, expected = marking.read(ids, mask)
    assert expected is not None
    real = mask.bool().numpy()
    assert np.abs(np.asarray(found) - expected.numpy())[real].mean() < 0.1 * expected.numpy()[real].std()


@pytest.mark.parametrize("marks", [False, True])
def test_weights_come_back_from_the_graph(model: Path, marking_model: Path, marks: bool) -> None:
    path, before, after = marking_model if marks else model, small(marks=marks), small(marks=marks)
    with torch.no_grad():
        for value in after.parameters():
            value.zero_()
        after.prior.zero_()
    assert int8.marks_words(path) == marks
    int8.read(path, after)
    ids, mask = batch()
    with torch.inference_mode():
        for theirs, mine in zip(before.read(ids, mask), after.read(ids, mask), strict=True):
            assert (mine is None) == (theirs is None)
            if mine is not None and theirs is not None:
                assert (mine - theirs).abs().mean() < 0.2 * theirs.std()


def test_a_graph_of_another_shape_is_refused(model: Path) -> None:
    with pytest.raises(ValueError, match=r"expected \(100, 64\), found \(96, 64\)"):
        int8.read(model, small(intermediate_size=100))
