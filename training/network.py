"""The multi-task network: a shared encoder, masked mean pooling, one logit per attribute."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

WEIGHTS = "network.safetensors"


class Output(NamedTuple):
    """`loss` is a scalar, `logits` float32 [rows, attributes]."""

    loss: Tensor
    logits: Tensor


class Network(nn.Module):
    """Scores token ids [rows, tokens] with one logit per attribute.

    `prior` float32 [2, attributes] holds intercept and slope of a frozen linear prior over the log of
    the number of tokens. Where length alone separates a label, the prior carries that part and the
    head is left with what the words add ("bias product": Clark, Yatskar, Zettlemoyer 2019,
    arXiv:1909.03683). It is zero for every other attribute.
    """

    prior: Tensor

    def __init__(self, encoder: nn.Module, hidden: int, attributes: tuple[str, ...]) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(hidden, len(attributes))
        self.attributes = attributes
        self.register_buffer("prior", torch.zeros(2, len(attributes)))
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Output | Tensor:
        """Logits [rows, attributes]; with `labels` (NaN = unknown) and `weights` [rows] also the loss."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        count = mask.sum(dim=1).clamp(min=1)
        pooled = ((hidden * mask).sum(dim=1) / count).float()
        with torch.autocast(pooled.device.type, enabled=False):
            logits: Tensor = self.head(pooled) + self.prior[0] + self.prior[1] * torch.log(count.float())
        if labels is None or weights is None:
            return logits
        return Output(masked_loss(logits, labels, weights), logits)


def masked_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Binary cross-entropy with soft targets over the known labels, summed per row, mean over rows.

    Shapes: logits and labels [rows, attributes], weights [rows]. An unknown label is NaN and has no
    gradient.
    """
    known = ~torch.isnan(labels)
    losses = nn.functional.binary_cross_entropy_with_logits(logits, torch.where(known, labels, 0.0), reduction="none")
    per_row = (losses * known).sum(dim=1)
    return (per_row * weights).sum() / len(labels)


def build(encoder: str, attributes: tuple[str, ...], dropout: float) -> Network:
    """A network on a pretrained encoder (a local directory or a hub name), heads fresh."""
    config = AutoConfig.from_pretrained(encoder)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
    arguments: dict[str, Any] = {"config": config, "dtype": torch.float32}
    if config.model_type == "bert":
        arguments["add_pooling_layer"] = False
    return Network(AutoModel.from_pretrained(encoder, **arguments), config.hidden_size, attributes)


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
    network = Network(encoder, config.hidden_size, attributes)
    network.load_state_dict(load_file(directory / WEIGHTS))
    return network
