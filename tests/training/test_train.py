from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from tests.training.world import World
from training.train import characters


@pytest.fixture
def tokenizer(world: World) -> PreTrainedTokenizerBase:
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(Path(world.folder) / "encoder")
    return found


@pytest.mark.parametrize("text", ["The mayor painted a bridge twice.", "The driver sold a mill again", "Baker"])
def test_sizes_of_tokens_add_up_to_the_text(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    sizes = characters(tokenizer, len(tokenizer))
    ids = tokenizer(text)["input_ids"]
    # The first word has no space before it.
    assert sizes[ids].sum().item() == len(text) + 1
