from __future__ import annotations

import math

import pytest
import torch

from labels.sources import SOURCES, AnyOf
from training.anyof import Link, fit, link

UNKNOWN = math.nan
ATTRIBUTES = ("incivility", "threat", "hostile", "dismissive")
LABEL = AnyOf("incivility", ("hostile", "dismissive"))
LINK = Link(whole=0, parts=(2, 3), chances=torch.tensor([0.9, 0.5]), rest=0.1, groups=torch.tensor([1]))


def rows(*whole: float) -> torch.Tensor:
    """Labels of rows of which only the first is known."""
    return torch.tensor([[value, UNKNOWN, UNKNOWN, UNKNOWN] for value in whole])


def test_fit_finds_the_chances_that_made_the_labels() -> None:
    torch.manual_seed(1)
    parts = (torch.rand(20_000, 2) < 0.2).float()
    none = (1 - 0.1) * (1 - 0.9 * parts[:, 0]) * (1 - 0.5 * parts[:, 1])
    chances, rest = fit(parts, (torch.rand(20_000) > none).float())
    assert chances.tolist() == pytest.approx([0.9, 0.5], abs=0.03)
    assert rest == pytest.approx(0.1, abs=0.01)


def test_loss_is_that_of_the_label_under_a_noisy_or() -> None:
    logits = torch.tensor([[5.0, 5.0, 0.0, 2.0], [5.0, 5.0, 0.0, 2.0]])
    p = 1 / (1 + math.exp(-2.0))
    likely = 1 - (1 - 0.1) * (1 - 0.9 * 0.5) * (1 - 0.5 * p)
    expected = (-math.log(likely) - 0.5 * math.log(1 - likely)) / 2
    found = LINK.loss(logits, rows(1.0, 0.0), torch.tensor([1.0, 0.5]), torch.tensor([1, 1]))
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_a_label_raises_or_lowers_what_it_may_stand_for_and_nothing_else() -> None:
    logits = torch.zeros(2, 4, requires_grad=True)
    LINK.loss(logits, rows(1.0, 0.0), torch.ones(2), torch.tensor([1, 1])).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert (logits.grad[0, 2:] < 0).all()
    assert (logits.grad[1, 2:] > 0).all()
    assert (logits.grad[:, :2] == 0).all()


def test_rows_without_the_label_and_of_other_sources_teach_nothing() -> None:
    logits = torch.zeros(3, 4, requires_grad=True)
    groups = torch.tensor([1, 0, 1])
    LINK.loss(logits, rows(UNKNOWN, 1.0, 1.0), torch.ones(3), groups).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert (logits.grad[:2] == 0).all()
    assert (logits.grad[2, 2:] != 0).all()


def test_link_is_fitted_where_the_attributes_are_known_and_used_where_they_are_not() -> None:
    torch.manual_seed(2)
    known = (torch.rand(500, 4) < 0.3).float()
    known[:, 0] = known[:, 2:].any(dim=1).float()
    sources = ["ucc_val"] * 500 + ["ucc_train_healthy"] * 2
    found = link(sources, torch.cat([known, rows(1.0, 0.0)]), ATTRIBUTES, torch.tensor([0] * 500 + [4] * 2))
    assert found is None  # four attributes of its label have no head here

    label = SOURCES["ucc_train_healthy"].any_of
    assert label is not None
    attributes = (label.whole, *label.parts)
    known = (torch.rand(500, 7) < 0.3).float()
    known[:, 0] = known[:, 1:].any(dim=1).float()
    unknown = torch.full((2, 7), UNKNOWN)
    unknown[:, 0] = torch.tensor([1.0, 0.0])
    found = link(sources, torch.cat([known, unknown]), attributes, torch.tensor([0] * 500 + [4] * 2))
    assert found is not None
    assert (found.whole, found.parts, found.groups.tolist()) == (0, (1, 2, 3, 4, 5, 6), [4])
    assert (found.chances > 0.9).all()
    assert found.rest < 0.1


def test_without_such_a_source_or_rows_to_fit_on_there_is_no_link() -> None:
    label = SOURCES["ucc_train_healthy"].any_of
    assert label is not None
    attributes = (label.whole, *label.parts)
    unknown = torch.full((1, 7), UNKNOWN)
    unknown[:, 0] = 1.0
    assert link(["ucc_val"], torch.ones(1, 7), attributes, torch.zeros(1)) is None
    assert link(["ucc_train_healthy"], unknown, attributes, torch.zeros(1)) is None


def test_two_sources_with_different_labels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = SOURCES["cmv_moderation"]
    monkeypatch.setitem(SOURCES, "cmv_moderation", other.__class__(**(vars(other) | {"any_of": LABEL})))
    sources = ["cmv_moderation", "ucc_train_healthy"]
    with pytest.raises(ValueError, match="cmv_moderation, ucc_train_healthy: their labels stand for different attr"):
        link(sources, rows(1.0, 1.0), ATTRIBUTES, torch.tensor([0, 1]))
