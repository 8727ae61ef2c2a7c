"""Go on pretraining a recipe's encoder on the texts that it will be fine-tuned on: it guesses words that are masked.

    python -m training.pretrain training/recipes/mine.toml

For a recipe with a table `pretrain`. The encoder goes to <runs-dir>/<recipe>/encoder, where `training.train` begins
with it (domain-adaptive pretraining: Gururangan et al. 2020, arXiv:2004.10964). It learns from training rows alone, and
not their labels; of development rows it takes the loss. Checkpoints are in <runs-dir>/<recipe>/pretraining; run the
same command again after an interruption.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import (
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

from serving.artifact import sha256
from training import corpus, network, record, script, shortage
from training.batches import plan
from training.encoder import locate
from training.progress import Progress, changed, claim, watched
from training.recipe import Pretrain, Recipe, RecipeError, load
from training.settings import Settings

FOLDER = "encoder"
WEIGHTS = "model.safetensors"
# What the two kinds of training share of a recipe's table `train`.
SHARED = {"encoder", "max_tokens", "batch_tokens", "weight_decay", "warmup", "dropout", "precision"}
IGNORED = -100  # label of a token that is not to be guessed, by the collator's convention


class Guesser(nn.Module):
    """An encoder with a head that guesses masked tokens: BERT's, its output tied to the word vectors.

    The head is fresh: encoders that were made for sentences come without one.
    """

    def __init__(self, encoder: nn.Module, hidden: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.transform = nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), nn.LayerNorm(hidden))
        self.bias = nn.Parameter(torch.zeros(encoder.config.vocab_size))  # type: ignore[union-attr, arg-type]

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """`loss`, the mean negative log likelihood of the tokens [rows, tokens] whose label is not IGNORED."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        chosen = labels != IGNORED  # some of seven: a row of the whole vocabulary for each token would cost most
        vectors = self.encoder.get_input_embeddings().weight  # type: ignore[operator]
        guesses = nn.functional.linear(self.transform(hidden[chosen]), vectors, self.bias)
        loss = nn.functional.cross_entropy(guesses.float(), labels[chosen], reduction="sum")
        return {"loss": loss / chosen.sum().clamp(min=1)}


@dataclass(frozen=True)
class Texts:
    """Token ids of texts. An item is asked for with the number of its batch, which decides what is masked in it: an
    interrupted run goes on with the same guesses to make.
    """

    ids: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, place: tuple[int, int]) -> tuple[int, Sequence[int]]:
        return place[0], self.ids[place[1]]


def mask(
    rows: Sequence[tuple[int, Sequence[int]]], tokenizer: PreTrainedTokenizerBase, share: float, seed: int
) -> dict[str, Tensor]:
    """One batch of Texts, padded, some of its tokens masked: input_ids, attention_mask and labels [rows, tokens]."""
    draw = (seed + rows[0][0]) % 2**32
    masking = DataCollatorForLanguageModeling(tokenizer, mlm_probability=share, seed=draw)
    found: dict[str, Tensor] = dict(masking([{"input_ids": ids} for _, ids in rows]))
    return found


class _Trainer(Trainer):
    """The transformers Trainer with planned batches."""

    def __init__(self, *, batches: list[list[int]], held: list[list[int]], **rest: Any) -> None:
        super().__init__(**rest)
        self.batches, self.held = (
            [[(number, row) for row in batch] for number, batch in enumerate(each)] for each in (batches, held)
        )

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The planned batches."""
        return DataLoader(self.train_dataset, batch_sampler=self.batches, collate_fn=self.data_collator)  # type: ignore[arg-type]

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """The development rows, with the same tokens masked each time."""
        return DataLoader(self.eval_dataset, batch_sampler=self.held, collate_fn=self.data_collator)  # type: ignore[arg-type]


def pretrain(recipe: Recipe, directory: Path, *, stop_after: int | None = None) -> dict[str, Any]:
    """Pretrains a recipe's encoder in `directory`, from the last checkpoint if there is one.

    Returns the results that are also recorded. `stop_after` ends the call after that many steps with a checkpoint, as
    an interruption would. A finished run is not repeated. Raises RecipeError if the recipe has no table `pretrain`, its
    encoder no mask, a split no rows, or the checkpoints there are of another run, FileNotFoundError if its corpus is
    not prepared.
    """
    settings = recipe.pretrain
    if settings is None:
        raise RecipeError(f"{recipe.name}: there is no table `pretrain`")
    prepared = record.read(directory / "data", "prepare")
    shortage.check(recipe, prepared["results"]["sources"], "train", "dev")
    identity = _identity(recipe, prepared["data_fingerprint"])
    if (directory / "pretrain.json").is_file() and stop_after is None:
        finished: dict[str, Any] = record.read(directory, "pretrain")["results"]
        if not changed(identity, finished["identity"]):
            return finished
    set_seed(recipe.seed)
    source = locate(recipe.train.encoder)
    tokenizer = AutoTokenizer.from_pretrained(source)
    if tokenizer.mask_token is None:
        raise RecipeError(f"{recipe.name}: train.encoder: {recipe.train.encoder} has no token that masks others")
    most = recipe.train.max_tokens
    seen, held_out = (corpus.read(directory / "data", split, ()) for split in ("train", "dev"))
    held_out = watched(held_out, settings.development_rows, recipe.seed)
    rows, dev = (tokenizer(part.texts, truncation=True, max_length=most)["input_ids"] for part in (seen, held_out))
    budget = recipe.train.batch_tokens
    lengths = [len(ids) for ids in rows]
    passes = 1 + settings.steps * budget // max(1, sum(lengths))
    batches = plan(lengths, [1] * len(rows), budget, passes, recipe.seed)[: settings.steps]
    encoder = network.pretrained(source, recipe.train.dropout)
    tokens = [sum(lengths[row] for row in batch) for batch in batches]
    checkpoints = directory / "pretraining"
    claim(checkpoints, identity)
    last = get_last_checkpoint(str(checkpoints))  # type: ignore[no-untyped-call]
    trainer = _Trainer(
        model=Guesser(encoder, encoder.config.hidden_size),  # type: ignore[union-attr, arg-type]
        args=_arguments(settings, checkpoints, len(batches), recipe, first=last is None),
        train_dataset=Texts(rows),
        eval_dataset=Texts(dev),
        data_collator=partial(mask, tokenizer=tokenizer, share=settings.masked, seed=recipe.seed),
        callbacks=[Progress(tokens, stop_after)],
        batches=batches,
        held=plan([len(ids) for ids in dev], [1] * len(dev), budget * 2, passes=1, seed=0),
    )
    trainer.train(resume_from_checkpoint=last)
    losses = [line["eval_loss"] for line in trainer.state.log_history if "eval_loss" in line]
    results: dict[str, Any] = {
        "steps": trainer.state.global_step,
        "planned_steps": len(batches),
        "tokens": sum(tokens),
        "development_losses": losses,
        "finished": stop_after is None,
        "identity": identity,
    }
    if stop_after is None:
        folder = directory / FOLDER
        encoder.save_pretrained(folder)  # type: ignore[operator]
        tokenizer.save_pretrained(folder)
        record.write(directory, "pretrain", recipe, prepared["data_fingerprint"], results)
    return results


def found(recipe: Recipe, directory: Path) -> tuple[str, str]:
    """The pretrained encoder in a run's directory and the SHA-256 of its weights.

    Raises FileNotFoundError that names the step to run, RecipeError if the encoder is of other settings or rows.
    """
    done = record.read(directory, "pretrain")["results"]["identity"]
    prepared = record.read(directory / "data", "prepare")
    if differing := changed(_identity(recipe, prepared["data_fingerprint"]), done):
        raise RecipeError(
            f"{directory / FOLDER} was pretrained otherwise ({', '.join(differing)} changed): give the recipe another "
            "name and pretrain it"
        )
    return str(directory / FOLDER), sha256(directory / FOLDER / WEIGHTS)


def _identity(recipe: Recipe, fingerprint: str) -> dict[str, Any]:
    """What a checkpoint depends on: it fits no other run."""
    assert recipe.pretrain is not None, "the caller has looked"
    return {
        "pretrain": recipe.pretrain.model_dump(mode="json"),
        "train": recipe.train.model_dump(mode="json", include=SHARED),
        "seed": recipe.seed,
        "data_fingerprint": fingerprint,
    }


def _arguments(settings: Pretrain, directory: Path, steps: int, recipe: Recipe, *, first: bool) -> TrainingArguments:
    """The Trainer's arguments; the loss before any step is taken on the `first` call of a run only."""
    every = max(1, math.ceil(steps / settings.evaluations))
    return TrainingArguments(
        output_dir=str(directory),
        max_steps=steps,
        learning_rate=settings.learning_rate,
        weight_decay=recipe.train.weight_decay,
        warmup_steps=int(recipe.train.warmup * steps),
        lr_scheduler_type="linear",
        bf16=recipe.train.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        seed=recipe.seed,
        eval_strategy="steps",
        eval_steps=every,
        eval_on_start=first,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=1,
        logging_steps=max(1, min(20, steps // 10)),
        prediction_loss_only=True,
        remove_unused_columns=False,
        report_to=[],
        dataloader_pin_memory=False,
    )


def main(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE")],
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
    stop_after: Annotated[int | None, typer.Option(help="leave a checkpoint after so many steps and stop")] = None,
) -> None:
    """Pretrain a recipe's encoder on its texts, or go on where an interrupted run stopped."""
    recipe = load(recipe_file)
    if recipe.pretrain is None:
        Console().print(f"{recipe.name} has no table pretrain: nothing to do")
        return
    results = pretrain(recipe, (runs_dir or Settings().runs_dir) / recipe.name, stop_after=stop_after)
    losses = ", ".join(f"{loss:.3f}" for loss in results["development_losses"])
    Console().print(f"{results['steps']} of {results['planned_steps']} steps; loss on development rows {losses}")


if __name__ == "__main__":
    script.run(main)
