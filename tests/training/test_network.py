from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import BertConfig, BertModel

from training.network import Network, Output, freeze, inherit, mark_loss, masked_loss, rank_loss, restore, save
from training.recipe import RecipeError

ATTRIBUTES = ("incivility", "constructive", "threat")
UNKNOWN = math.nan


def tiny(*, marks: bool = False) -> Network:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
    )
    return Network(BertModel(config, add_pooling_layer=False), 16, ATTRIBUTES, marks=marks).eval()


@pytest.fixture
def network() -> Network:
    return tiny()


def logits(network: Network, ids: list[list[int]]) -> Tensor:
    """Scores padded rows without labels."""
    longest = max(map(len, ids))
    padded = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
    with torch.inference_mode():
        result = network(padded, mask)
    assert isinstance(result, Tensor)
    return result


def test_one_logit_an_attribute(network: Network) -> None:
    assert logits(network, [[1, 2, 3], [4]]).shape == (2, 3)


@given(st.floats(-20, 20), st.floats(0, 1))
def test_unknown_label_takes_no_part_in_the_loss(logit: float, other: float) -> None:
    weights = torch.ones(2)
    labels = torch.tensor([[1.0, UNKNOWN], [UNKNOWN, other]])
    known = torch.tensor([[0.3, 0.0], [0.0, -0.7]])
    changed = torch.tensor([[0.3, logit], [-logit, -0.7]])
    assert masked_loss(changed, labels, weights) == masked_loss(known, labels, weights)


def test_unknown_label_has_no_gradient() -> None:
    values = torch.tensor([[2.0, -30.0, 0.1], [0.5, 9.0, -2.0]], requires_grad=True)
    labels = torch.tensor([[1.0, UNKNOWN, 0.2], [UNKNOWN, UNKNOWN, UNKNOWN]])
    torch.autograd.backward(masked_loss(values, labels, torch.ones(2)))
    assert values.grad is not None
    assert (values.grad == 0).tolist() == [[False, True, False], [True, True, True]]


def test_loss_is_cross_entropy_summed_over_a_row_weighed_and_averaged() -> None:
    values = torch.tensor([[0.0, 0.0], [math.log(3), 5.0]])
    labels = torch.tensor([[1.0, 0.3], [1.0, UNKNOWN]])
    # sigmoid(0) costs log 2 under any label, sigmoid(log 3) = 3/4 costs log 4/3 under 1.
    expected = (2 * math.log(2) * 1.0 + math.log(4 / 3) * 0.5) / 2
    assert masked_loss(values, labels, torch.tensor([1.0, 0.5])).item() == pytest.approx(expected)


def test_soft_label_is_learned_as_it_is() -> None:
    value = torch.tensor([[math.log(0.3 / 0.7)]], requires_grad=True)
    torch.autograd.backward(masked_loss(value, torch.tensor([[0.3]]), torch.ones(1)))
    assert value.grad is not None
    assert value.grad.item() == pytest.approx(0.0, abs=1e-7)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 49), min_size=1, max_size=12), st.integers(1, 25))
def test_padding_does_not_change_a_rows_logits(ids: list[int], longer: int) -> None:
    network = tiny()
    alone = logits(network, [ids])[0]
    neighbour = [3] * (len(ids) + longer)
    torch.testing.assert_close(logits(network, [ids, neighbour])[0], alone, atol=1e-5, rtol=1e-4)


def test_length_prior_is_added_to_the_logits(network: Network) -> None:
    rows = [[1, 2, 3, 4], [5]]
    before = logits(network, rows)
    network.prior[:, 1] = torch.tensor([-2.0, 0.5])
    added = logits(network, rows) - before
    expected = [[0.0, -2.0 + 0.5 * math.log(4), 0.0], [0.0, -2.0, 0.0]]
    torch.testing.assert_close(added, torch.tensor(expected), atol=1e-6, rtol=0)


def test_length_prior_is_frozen_while_everything_else_learns(network: Network) -> None:
    network.train()
    network.prior[:, 1] = torch.tensor([-2.0, 0.5])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    ids = torch.tensor([[1, 2, 3]])
    output = network(ids, torch.ones_like(ids), labels=torch.tensor([[1.0, 0.0, UNKNOWN]]), weights=torch.ones(1))
    assert isinstance(output, Output)
    head = network.head.weight.detach().clone()
    torch.autograd.backward(output.loss)
    optimizer.step()
    assert "prior" not in dict(network.named_parameters())
    assert network.prior[:, 1].tolist() == [-2.0, 0.5]
    moved = (network.head.weight != head).any(dim=1)
    assert moved.tolist() == [True, True, False]


def test_frozen_layers_have_no_gradient(network: Network) -> None:
    freeze(network, 1)
    ids = torch.tensor([[1, 2, 3]])
    output = network.train()(ids, torch.ones_like(ids), labels=torch.ones(1, 3), weights=torch.ones(1))
    torch.autograd.backward(output.loss)
    learning = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    kept = tuple(f"encoder.{part}" for part in ("embeddings.", "encoder.layer.0."))
    assert learning == {name for name, _ in network.named_parameters() if not name.startswith(kept)}
    with pytest.raises(RecipeError, match=r"train\.frozen_layers: the encoder has 2 layers, not 3"):
        freeze(network, 3)


def test_a_teacher_s_probabilities_are_learned_beside_the_labels(network: Network) -> None:
    ids = torch.tensor([[1, 2, 3]])
    known = {"labels": torch.tensor([[1.0, UNKNOWN, UNKNOWN]]), "weights": torch.ones(1)}
    targets = torch.tensor([[0.25, 0.5, UNKNOWN]])
    network.teacher_weight = 0.5
    logit = network(ids, torch.ones_like(ids))
    plain = network(ids, torch.ones_like(ids), **known)
    taught = network(ids, torch.ones_like(ids), **known, targets=targets)
    expected = masked_loss(logit, targets, torch.ones(1))
    assert (taught.loss - plain.loss).item() == pytest.approx(0.5 * expected.item(), abs=1e-6)
    assert expected.item() == pytest.approx(masked_loss(logit[:, :2], targets[:, :2], torch.ones(1)).item())


def test_restored_network_is_the_same(network: Network, tmp_path: Path) -> None:
    network.prior[:, 0] = torch.tensor([1.0, -1.0])
    save(network, tmp_path / "network")
    again = restore(tmp_path / "network", ATTRIBUTES).eval()
    assert again.state_dict().keys() == network.state_dict().keys()
    assert torch.equal(logits(again, [[1, 2, 3]]), logits(network, [[1, 2, 3]]))


def test_network_does_not_fit_other_attributes(network: Network, tmp_path: Path) -> None:
    save(network, tmp_path)
    with pytest.raises(RuntimeError, match=r"head\.weight"):
        restore(tmp_path, ATTRIBUTES[:2])


def test_pairs_of_one_group_cost_by_how_their_logits_are_ordered() -> None:
    values = torch.tensor([[2.0], [-1.0], [9.0]])
    labels, groups = torch.tensor([[1.0], [0.0], [0.0]]), torch.tensor([0, 0, 1])
    # The third row would be ordered wrongly, but it is of another group: two of three rows have a partner.
    cost = rank_loss(values, labels, torch.ones(3), groups).item()
    assert cost == pytest.approx(math.log1p(math.exp(-3.0)) * 2 / 3)
    assert rank_loss(-values, labels, torch.ones(3), groups).item() > 1
    assert rank_loss(values, labels, torch.ones(3), torch.arange(3)).item() == 0


def test_pairs_count_by_the_difference_of_their_labels() -> None:
    values = torch.tensor([[0.0], [1.0], [2.0]])
    labels, groups = torch.tensor([[0.9], [0.1], [0.5]]), torch.zeros(3)

    def cost(difference: float) -> float:
        return math.log1p(math.exp(-difference))

    expected = (0.8 * cost(-1.0) + 0.4 * cost(-2.0) + 0.4 * cost(1.0)) / 1.6
    assert rank_loss(values, labels, torch.ones(3), groups).item() == pytest.approx(expected)


@given(st.lists(st.tuples(st.floats(-9, 9), st.sampled_from([0.0, 0.4, 1.0, UNKNOWN])), min_size=1, max_size=9))
def test_unknown_labels_make_no_pairs(rows: list[tuple[float, float]]) -> None:
    values = torch.tensor([[value] for value, _ in rows], requires_grad=True)
    labels = torch.tensor([[label] for _, label in rows])
    torch.autograd.backward(rank_loss(values, labels, torch.ones(len(rows)), torch.zeros(len(rows))))
    assert values.grad is not None
    assert values.grad.isfinite().all()
    assert (values.grad[labels.isnan()] == 0).all()
    # Pairs say nothing of the level: what one logit gains the others lose.
    assert values.grad.sum().item() == pytest.approx(0.0, abs=1e-5)


def test_network_ranks_only_what_it_is_told_to(network: Network) -> None:
    ids = torch.tensor([[1, 2, 3], [4, 5, 6]])
    given = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "labels": torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]),
        "weights": torch.ones(2),
    }
    plain = network(**given, groups=torch.zeros(2)).loss
    network.ranked, network.rank_weight = (1,), 2.0
    output = network(**given, groups=torch.zeros(2))
    pairs = rank_loss(output.logits[:, [1]], given["labels"][:, [1]], given["weights"], torch.zeros(2))
    torch.testing.assert_close(output.loss, plain + 2.0 * pairs)


def test_heads_are_inherited_by_name(network: Network, tmp_path: Path) -> None:
    save(network, tmp_path)
    config = network.encoder.config
    assert isinstance(config, BertConfig)
    other = Network(BertModel(config, add_pooling_layer=False), 16, ("threat", "profanity", "incivility")).eval()
    fresh = other.head.weight[1].detach().clone()
    inherit(other, tmp_path, ATTRIBUTES)
    rows = [[1, 2, 3], [4]]
    assert torch.equal(logits(other, rows)[:, [2, 0]], logits(network, rows)[:, [0, 2]])
    assert torch.equal(other.head.weight[1], fresh)
    mixed = tiny()
    mixed.head.bias.data += 1
    inherit(mixed, tmp_path, ATTRIBUTES, share=0.25)
    torch.testing.assert_close(mixed.head.bias, network.head.bias + 0.75)
    torch.testing.assert_close(mixed.encoder.state_dict(), network.encoder.state_dict())
    own = {name: value + 1 for name, value in network.encoder.state_dict().items()}
    mixed.encoder.load_state_dict(own)
    inherit(mixed, tmp_path, ATTRIBUTES, encoder=False)
    torch.testing.assert_close(mixed.head.weight, network.head.weight)
    torch.testing.assert_close(mixed.encoder.state_dict(), own)
    with pytest.raises(RecipeError, match="3 heads, its corpus 2 attributes"):
        inherit(other, tmp_path, ATTRIBUTES[:2])


def test_length_prior_can_count_other_sizes_than_tokens(network: Network, tmp_path: Path) -> None:
    rows = [[1, 2, 3], [4]]
    before = logits(network, rows)
    network.prior[:, 1] = torch.tensor([0.0, 1.0])
    network.sizes[:] = torch.arange(50)
    expected = before[:, 1] + torch.log(torch.tensor([6.0, 4.0]))
    torch.testing.assert_close(logits(network, rows)[:, 1], expected, atol=1e-5, rtol=0)
    save(network, tmp_path)
    assert torch.equal(restore(tmp_path, ATTRIBUTES).sizes, network.sizes)


def test_unknown_marks_take_no_part_in_the_loss() -> None:
    marks = torch.tensor([[1.0, 0.0, UNKNOWN], [UNKNOWN, UNKNOWN, UNKNOWN]])
    logits = torch.tensor([[0.5, -0.5, 9.0], [3.0, 4.0, 5.0]])
    changed = torch.tensor([[0.5, -0.5, -9.0], [0.0, 0.0, 0.0]])
    weights = torch.ones(2)
    # Two tokens of one row of two, each log(1 + e^-0.5).
    assert float(mark_loss(logits, marks, weights)) == pytest.approx(math.log1p(math.exp(-0.5)) / 2)
    assert mark_loss(changed, marks, weights) == mark_loss(logits, marks, weights)
    assert mark_loss(logits, marks, 2 * weights) == 2 * mark_loss(logits, marks, weights)


def test_a_head_that_marks_tokens_adds_to_the_loss_and_changes_no_logit(tmp_path: Path) -> None:
    plain, marking = tiny(), tiny(marks=True)
    ids = torch.tensor([[1, 2, 3], [4, 5, 0]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    marking.load_state_dict(plain.state_dict(), strict=False)
    with torch.inference_mode():
        logits, of_tokens = marking.read(ids, mask)
        assert plain.read(ids, mask)[1] is None
        assert torch.equal(logits, plain.read(ids, mask)[0])
    assert of_tokens is not None
    assert of_tokens.shape == (2, 3)
    labels, weights = torch.full((2, 3), UNKNOWN), torch.ones(2)
    marks = torch.tensor([[1.0, 0.0, 0.0], [UNKNOWN, UNKNOWN, UNKNOWN]])
    marking.mark_weight = 3.0
    found = marking(ids, mask, labels, weights, marks=marks)
    assert isinstance(found, Output)
    assert found.loss.item() == pytest.approx(3 * float(mark_loss(of_tokens, marks, weights)), rel=1e-5)
    save(marking, tmp_path)
    again = restore(tmp_path, ATTRIBUTES)
    assert again.token_head is not None
    fresh = tiny(marks=True)
    inherit(fresh, tmp_path, ATTRIBUTES)
    assert marking.token_head is not None and fresh.token_head is not None
    assert torch.equal(fresh.token_head.weight, marking.token_head.weight)
    inherit(tiny(), tmp_path, ATTRIBUTES)  # what marks nothing takes the rest
