"""The head that marks words, fitted anew on the finished network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.batches import Encoded, collate, plan
from training.network import Network

STEPS, DECAY = 60, 1e-4  # of L-BFGS, which ends much earlier; a weak pull of the weights to zero


def refit(network: Network, rows: Encoded, budget: int) -> None:
    """Replaces the head that marks words by the logistic regression of the rows' marks on their token vectors.

    Training moves the encoder and this head at once and sees each marked row once; a mean of two networks moves the
    encoder away from the head. With the encoder fixed the best head is found exactly. `budget`: padded tokens a batch.
    Nothing changes if the network marks nothing, or no row is marked.
    """
    numbers = sorted(rows.marks)
    if network.token_head is None or not numbers:
        return
    vectors: list[Tensor] = []
    marks: list[Tensor] = []
    network.eval()
    with torch.inference_mode():
        for batch in plan([len(rows.ids[number]) for number in numbers], [1] * len(numbers), budget, passes=1, seed=0):
            inputs = collate([rows[numbers[place]] for place in batch])
            known = ~torch.isnan(inputs["marks"])
            hidden = network.encoder(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
            vectors.append(hidden.last_hidden_state[known])
            marks.append(inputs["marks"][known])
    values, labels = torch.cat(vectors).clone(), torch.cat(marks).clone()
    head = network.token_head
    optimiser = torch.optim.LBFGS(head.parameters(), max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        found = nn.functional.binary_cross_entropy_with_logits(head(values).squeeze(-1), labels)
        found = found + DECAY * head.weight.square().sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimiser.step(loss)  # type: ignore[no-untyped-call]
