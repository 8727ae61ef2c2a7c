"""The multi-task network: a shared encoder, masked mean pooling, one logit per attribute."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from training.recipe import RecipeError

WEIGHTS = "network.safetensors"
TOKEN_HEAD = "token_head.weight"  # there only in a network that marks words
MARKED = "toxicity"  # what marked words are evidence of: the sets that mark any mark toxic ones
RARELY = -2.0  # logit of a mark before anything is learnt: about one token in eight is marked


class Output(NamedTuple):
    """`loss` is a scalar, `logits` float32 [rows, attributes]."""

    loss: Tensor
    logits: Tensor


class Network(nn.Module):
    """Scores token ids [rows, tokens] with one logit per attribute.

    `prior` float32 [2, attributes] holds intercept and slope of a frozen linear prior over the log of
    the text's length: the sum of `sizes` float32 [vocabulary], which is 1 for each token where length
    counts tokens, and the token's characters where it counts those. Where length alone separates a
    label, the prior carries that part and the head is left with what the words add ("bias product":
    Clark, Yatskar, Zettlemoyer 2019, arXiv:1909.03683). It is zero for every other attribute.

    With `marks` there is a second head, one logit for each token: whether annotators would mark it as toxic.
    """

    prior: Tensor
    sizes: Tensor
    ranked: tuple[int, ...] = ()  # columns of the attributes that also learn from pairs
    rank_weight: float = 0.0
    mark_weight: float = 1.0
    teacher_weight: float = 1.0

    def __init__(self, encoder: nn.Module, hidden: int, attributes: tuple[str, ...], *, marks: bool = False) -> None:
        super().__init__()
        vocabulary: int = encoder.config.vocab_size  # type: ignore[assignment, union-attr]
        self.encoder = encoder
        self.head = nn.Linear(hidden, len(attributes))
        self.token_head = nn.Linear(hidden, 1) if marks else None
        self.attributes = attributes
        self.register_buffer("prior", torch.zeros(2, len(attributes)))
        self.register_buffer("sizes", torch.ones(vocabulary))
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        if self.token_head:
            nn.init.normal_(self.token_head.weight, std=0.02)
            nn.init.constant_(self.token_head.bias, RARELY)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor | None = None,
        weights: Tensor | None = None,
        groups: Tensor | None = None,
        marks: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Output | Tensor:
        """Logits [rows, attributes]; with `labels` (NaN = unknown) and `weights` [rows] also the loss.

        `groups` [rows] says which rows may be ranked against each other, `marks` [rows, tokens] which tokens are
        marked (NaN = unknown), `targets` [rows, attributes] what a teacher gave (NaN = nothing): the network learns its
        probabilities beside the labels (distillation: Hinton, Vinyals, Dean 2015, arXiv:1503.02531).
        """
        logits, of_tokens = self.read(input_ids, attention_mask)
        if labels is None or weights is None:
            return logits
        loss = masked_loss(logits, labels, weights)
        if self.ranked and groups is not None:
            chosen = list(self.ranked)
            loss = loss + self.rank_weight * rank_loss(logits[:, chosen], labels[:, chosen], weights, groups)
        if of_tokens is not None and marks is not None:
            loss = loss + self.mark_weight * mark_loss(of_tokens, marks, weights)
        if targets is not None:
            loss = loss + self.teacher_weight * masked_loss(logits, targets, weights)
        return Output(loss, logits)

    def read(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits [rows, attributes], and those of the tokens [rows, tokens] if the network marks them."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        count = mask.sum(dim=1).clamp(min=1)
        pooled = ((hidden * mask).sum(dim=1) / count).float()
        with torch.autocast(pooled.device.type, enabled=False):
            length = (
                (self.sizes[input_ids].unsqueeze(-1) * attention_mask.unsqueeze(-1).float()).sum(dim=1).clamp(min=1)
            )
            logits: Tensor = self.head(pooled) + self.prior[0] + self.prior[1] * torch.log(length)
            of_tokens = self.token_head(hidden.float()).squeeze(-1) if self.token_head else None
        return logits, of_tokens


def masked_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Binary cross-entropy with soft targets over the known labels, summed per row, mean over rows.

    Shapes: logits and labels [rows, attributes], weights [rows]. An unknown label is NaN and has no
    gradient.
    """
    known = ~torch.isnan(labels)
    losses = nn.functional.binary_cross_entropy_with_logits(logits, torch.where(known, labels, 0.0), reduction="none")
    per_row = (losses * known).sum(dim=1)
    return (per_row * weights).sum() / len(labels)


def mark_loss(logits: Tensor, marks: Tensor, weights: Tensor) -> Tensor:
    """Binary cross-entropy over the tokens that are known to be marked or not, mean per row, then over all rows.

    Shapes: logits and marks [rows, tokens], weights [rows]. An unknown mark is NaN and has no gradient.
    """
    known = ~torch.isnan(marks)
    losses = nn.functional.binary_cross_entropy_with_logits(logits, torch.where(known, marks, 0.0), reduction="none")
    per_row = (losses * known).sum(dim=1) / known.sum(dim=1).clamp(min=1)
    return (per_row * weights).sum() / len(marks)


def rank_loss(logits: Tensor, labels: Tensor, weights: Tensor, groups: Tensor) -> Tensor:
    """Logistic loss on the difference of two logits, over pairs of rows (RankNet: Burges et al. 2005, ICML).

    Shapes as in `masked_loss`, `groups` [rows]. A pair is two rows of one group whose labels differ; it
    counts by that difference. Batches are cut from rows sorted by length, so that the two are about
    equally long: where length separates a label, the pairs teach what the words add, which the sum over
    single rows barely does once length has explained nearly all of it. And a rare label, which single
    rows leave to a few terms among many, decides all of its pairs.

    Each attribute's mean over pairs is weighted by the share of the batch's rows that have a label and a
    partner, so that the term is on the scale of the loss over single rows.
    """
    gap = labels.unsqueeze(1) - labels.unsqueeze(0)  # [row, other, attribute]
    same = (groups.unsqueeze(1) == groups.unsqueeze(0)).unsqueeze(-1)
    pairs = torch.where(same & (gap > 0), gap, 0.0)  # NaN > 0 is false: an unknown label makes no pair
    pairs = pairs * torch.minimum(weights.unsqueeze(1), weights.unsqueeze(0)).unsqueeze(-1)
    losses = nn.functional.softplus(logits.unsqueeze(0) - logits.unsqueeze(1))
    mean = (losses * pairs).sum(dim=(0, 1)) / pairs.sum(dim=(0, 1)).clamp(min=1e-6)
    partnered = ((pairs > 0).any(dim=0) | (pairs > 0).any(dim=1)).float().mean(dim=0)
    return (mean * partnered).sum()


def inherit(
    network: Network, directory: Path, attributes: tuple[str, ...], share: float = 1.0, *, encoder: bool = True
) -> None:
    """Gives the network the encoder that `save` wrote, and its heads by name; heads of other attributes stay.

    `attributes` are those of the saved network, in its order. With a `share` below 1 every weight becomes the
    mean of the saved one, at that share, and the network's own: between a network and what it was fine-tuned
    from, such means often do better than either, and forget less (Wortsman et al. 2022, arXiv:2109.01903).
    Without `encoder` the network keeps its own.
    Raises RecipeError if the encoders differ, or the attributes are not those of the saved heads.
    """
    saved = load_file(directory / WEIGHTS)
    prefix = "encoder."
    own = network.encoder.state_dict()
    theirs = {name.removeprefix(prefix): value for name, value in saved.items() if name.startswith(prefix)}
    if {name: value.shape for name, value in own.items()} != {name: value.shape for name, value in theirs.items()}:
        raise RecipeError(f"{directory} holds another encoder")
    if len(saved["head.bias"]) != len(attributes):
        raise RecipeError(f"{directory} has {len(saved['head.bias'])} heads, its corpus {len(attributes)} attributes")
    if encoder:
        network.encoder.load_state_dict(
            {
                name: torch.lerp(value, theirs[name], share) if value.is_floating_point() else value
                for name, value in own.items()
            }
        )
    with torch.no_grad():
        for column, name in enumerate(network.attributes):
            if name in attributes:
                row = attributes.index(name)
                network.head.weight[column].lerp_(saved["head.weight"][row], share)
                network.head.bias[column].lerp_(saved["head.bias"][row], share)
        if network.token_head and TOKEN_HEAD in saved:
            network.token_head.weight.lerp_(saved[TOKEN_HEAD], share)
            network.token_head.bias.lerp_(saved["token_head.bias"], share)


def pretrained(encoder: str, dropout: float = 0.0) -> nn.Module:
    """A pretrained encoder (a local directory or a hub name) in float32, without a pooling layer."""
    config = AutoConfig.from_pretrained(encoder)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
    arguments: dict[str, Any] = {"config": config, "dtype": torch.float32}
    if config.model_type == "bert":
        arguments["add_pooling_layer"] = False
    found: nn.Module = AutoModel.from_pretrained(encoder, **arguments)
    return found


def build(encoder: str, attributes: tuple[str, ...], dropout: float, *, marks: bool = False) -> Network:
    """A network on a pretrained encoder (a local directory or a hub name), heads fresh."""
    found = pretrained(encoder, dropout)
    return Network(found, found.config.hidden_size, attributes, marks=marks)  # type: ignore[union-attr, arg-type]


def freeze(network: Network, layers: int) -> None:
    """Keeps the encoder's embeddings and its first `layers` layers as they are: they have no gradient.

    Nothing happens with 0. Raises RecipeError if the encoder has fewer layers.
    """
    if not layers:
        return
    stack = max((m for m in network.encoder.modules() if isinstance(m, nn.ModuleList)), key=len)
    if layers > len(stack):
        raise RecipeError(f"train.frozen_layers: the encoder has {len(stack)} layers, not {layers}")
    for module in (network.encoder.embeddings, *stack[:layers]):
        assert isinstance(module, nn.Module)
        module.requires_grad_(False)


def save(network: Network, directory: Path) -> None:
    """Writes weights and encoder configuration. Tied tensors are written once each."""
    directory.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, directory / WEIGHTS)
    network.encoder.config.save_pretrained(directory)  # type: ignore[operator, union-attr]


def restore(directory: Path, attributes: tuple[str, ...]) -> Network:
    """The network that `save` wrote. Raises RuntimeError if the attributes do not fit the weights."""
    config = AutoConfig.from_pretrained(directory)
    arguments = {"add_pooling_layer": False} if config.model_type == "bert" else {}
    encoder = AutoModel.from_config(config, **arguments)  # type: ignore[no-untyped-call]
    saved = load_file(directory / WEIGHTS)
    network = Network(encoder, config.hidden_size, attributes, marks=TOKEN_HEAD in saved)
    # Networks that were saved before there were sizes count tokens.
    network.load_state_dict({"sizes": network.sizes} | saved)
    return network
