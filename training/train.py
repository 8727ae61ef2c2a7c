"""Fine-tune the encoder of a recipe on its prepared corpus.

    python -m training.train training/recipes/minilm.toml
    torchrun --nproc-per-node 2 -m training.train training/recipes/minilm.toml

Checkpoints go to <runs-dir>/<recipe>/checkpoints; run the same command again after an interruption
and it goes on from the last one, with the same batches and the same result. The best network by mean
AUC on the development rows is left in <runs-dir>/<recipe>/network.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from safetensors.torch import load_model
from torch.utils.data import DataLoader
from transformers import (
    AutoTokenizer,
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import SAFE_WEIGHTS_NAME

from training import corpus, curves, lineage, logistic, network, pretrain, record, script, shortage, teach
from training.augment import augment
from training.batches import Batches, Encoded, collate, plan
from training.corpus import Corpus, Span
from training.encoder import locate
from training.metrics import auc, mean_auc
from training.network import MARKED, Network
from training.probe import refit
from training.progress import Progress, changed, claim, watched
from training.recipe import Recipe, Train, load
from training.settings import Settings
from training.splits import uniform


def encode(
    rows: Corpus,
    tokenizer: PreTrainedTokenizerBase,
    max_tokens: int,
    weights: list[float],
    marks: Mapping[str, Sequence[Span]],
) -> Encoded:
    """Token ids of each row, cut at `max_tokens`, with labels, loss weights, a number for the source, and marks."""
    ids = tokenizer(rows.texts, truncation=True, max_length=max_tokens, return_attention_mask=False)["input_ids"]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(rows.sources))}
    groups = torch.tensor([numbers[name] for name in rows.sources], dtype=torch.long)
    return Encoded(
        ids,
        torch.from_numpy(rows.labels),
        torch.tensor(weights, dtype=torch.float32),
        groups,
        marked_tokens(rows, marks, tokenizer, max_tokens),
    )


def marked_tokens(
    rows: Corpus, marks: Mapping[str, Sequence[Span]], tokenizer: PreTrainedTokenizerBase, max_tokens: int
) -> dict[int, torch.Tensor]:
    """For the number of each row that `marks` has places for: 1 for each token that lies mostly within them, 0 for
    others, NaN for special tokens.
    """
    numbers = [number for number, key in enumerate(rows.keys) if key in marks]
    if not numbers:
        return {}
    texts = [rows.texts[number] for number in numbers]
    offsets = tokenizer(texts, truncation=True, max_length=max_tokens, return_offsets_mapping=True)["offset_mapping"]
    found = {}
    for number, text, places in zip(numbers, texts, offsets, strict=True):
        marked = np.zeros(len(text))
        for start, end in marks[rows.keys[number]]:
            marked[start:end] = 1
        found[number] = torch.tensor(
            [float(marked[start:end].mean() >= 0.5) if end > start else torch.nan for start, end in places]
        )
    return found


def unmarked(rows: Corpus, attributes: tuple[str, ...], marks: Mapping[str, Sequence[Span]], seed: int) -> list[str]:
    """Keys of as many harmless rows as are marked, chosen by hash: in what nobody found toxic no word is.

    Without them the head would know toxic comments only, and mark words in every text.
    """
    if not marks or MARKED not in attributes:
        return []
    labels = rows.labels[:, attributes.index(MARKED)]
    calm = [rows.keys[number] for number in np.flatnonzero(labels == 0) if rows.keys[number] not in marks]
    return sorted(calm, key=lambda key: uniform(f"unmarked {key}", seed))[: len(marks)]


def characters(tokenizer: PreTrainedTokenizerBase, vocabulary: int) -> torch.Tensor:
    """Characters [vocabulary] that a token stands for: a word's first piece brings the space before it.

    Word pieces, which mark what continues a word by "##". Special tokens stand for none.
    """
    sizes = torch.ones(vocabulary)
    for token, number in tokenizer.get_vocab().items():
        continued = token.startswith("##") and len(token) > 2
        sizes[number] = len(token) - 2 if continued else len(token) + any(letter.isalnum() for letter in token)
    sizes[tokenizer.all_special_ids] = 0
    return sizes


def length_prior(
    encoded: Encoded, attributes: tuple[str, ...], chosen: tuple[str, ...], sizes: torch.Tensor
) -> torch.Tensor:
    """Intercept and slope [2, attributes] of a logistic regression of the label on log length.

    A text's length is the sum of its tokens' `sizes` [vocabulary], as in the network.
    """
    prior = torch.zeros(2, len(attributes))
    length = np.log([max(1.0, float(sizes[torch.tensor(ids)].sum())) for ids in encoded.ids])
    for name in (name for name in chosen if name in attributes):
        column = attributes.index(name)
        if line := logistic.fit(length, encoded.labels[:, column].numpy()):
            prior[:, column] = torch.tensor([line.intercept, line.slope])
    return prior


class MultiTaskTrainer(Trainer):
    """The transformers Trainer with planned batches and a faster learning rate for the heads."""

    def __init__(self, *, batches: list[list[int]], head_factor: float, eval_budget: int, **rest: Any) -> None:
        super().__init__(**rest)
        self.batches = batches
        self.head_factor = head_factor
        self.eval_budget = eval_budget

    def get_train_dataloader(self) -> DataLoader[Any]:
        """This process's share of the planned batches."""
        share = Batches(self.batches, self.args.process_index, self.args.world_size)
        return DataLoader(self.train_dataset, batch_sampler=share, collate_fn=collate)  # type: ignore[arg-type]

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """All development rows, shortest first, on every process alike."""
        dataset = eval_dataset if eval_dataset is not None else self.eval_dataset
        assert isinstance(dataset, Encoded)
        lengths = [len(ids) for ids in dataset.ids]
        batches = plan(lengths, [1] * len(lengths), self.eval_budget, passes=1, seed=0)
        return DataLoader(dataset, batch_sampler=Batches(batches), collate_fn=collate)  # type: ignore[arg-type]

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW; heads learn `head_factor` times as fast, biases and norms do not decay."""
        if self.optimizer is None:
            assert self.model is not None
            rate, decay = self.args.learning_rate, self.args.weight_decay
            groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
            for name, parameter in self.model.named_parameters():
                if not parameter.requires_grad:
                    continue
                groups.setdefault(("head." in name, parameter.ndim > 1), []).append(parameter)
            self.optimizer = torch.optim.AdamW(
                [
                    {
                        "params": parameters,
                        "lr": rate * (self.head_factor if head else 1.0),
                        "weight_decay": decay if matrix else 0.0,
                    }
                    for (head, matrix), parameters in groups.items()
                ],
                lr=rate,
                fused=True,
            )
        return self.optimizer


def arguments(settings: Train, directory: Path, steps: int, seed: int) -> TrainingArguments:
    """The Trainer's arguments: linear decay after warm-up, evaluation and checkpoints in step."""
    every = max(1, steps // settings.evaluations)
    return TrainingArguments(
        output_dir=str(directory),
        max_steps=steps,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=int(settings.warmup * steps),
        lr_scheduler_type="linear",
        max_grad_norm=1.0,
        bf16=settings.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="auc",
        greater_is_better=True,
        # Else a resumed run would count evaluations without a gain from the start, and stop later.
        restore_callback_states_from_checkpoint=True,
        logging_steps=max(1, min(20, steps // 10)),
        label_names=["labels"],
        remove_unused_columns=False,
        report_to=[],
        ddp_find_unused_parameters=False,
        dataloader_pin_memory=False,
    )


def metrics(prediction: EvalPrediction, attributes: tuple[str, ...]) -> dict[str, float]:
    """Mean AUC over the attributes, and each one's own."""
    scores, labels = np.asarray(prediction.predictions), np.asarray(prediction.label_ids)
    each = {f"auc_{name}": auc(labels[:, i], scores[:, i]) for i, name in enumerate(attributes)}
    return {"auc": mean_auc(labels, scores)} | {key: value for key, value in each.items() if value is not None}


def _identity(
    recipe: Recipe, fingerprint: str, start: str | None, taught: str | None, pretrained: str | None
) -> dict[str, Any]:
    """What a checkpoint depends on: it fits no other run. `start` is the hash of the weights it starts from, `taught`
    that of its teachers' scores, `pretrained` that of its own pretrained encoder.

    What is made of the last checkpoint is not part of it, so that another `mix` does not train again.
    """
    return {
        "train": recipe.train.model_dump(mode="json", exclude={"mix", "mix_with"}),
        "seed": recipe.seed,
        "data_fingerprint": fingerprint,
        "starting_weights": start,
        "teachers_scores": taught,
        "pretrained_encoder": pretrained,
    }


def train(recipe: Recipe, directory: Path, *, stop_after: int | None = None) -> dict[str, Any]:
    """Trains a recipe's network in `directory`, from its last checkpoint if there is one.

    Returns the results that are also recorded. `stop_after` ends the call after that many steps with a
    checkpoint, as an interruption would. A finished run is not trained again. Raises FileNotFoundError if
    the corpus is not prepared, the run to start from not trained or the teachers' scores not made, RecipeError if
    rows or labels are too few, the checkpoints there are of another run or the run to start from holds out rows that
    this one would train on.
    """
    prepared = record.read(directory / "data", "prepare")
    shortage.check(recipe, prepared["results"]["sources"], "train", "dev")
    encoder, encoder_weights = pretrain.found(recipe, directory) if recipe.pretrain else (recipe.train.encoder, None)
    identity = _identity(
        recipe,
        prepared["data_fingerprint"],
        lineage.weights(directory.parent / recipe.train.start) if recipe.train.start else None,
        teach.identity(directory) if recipe.train.teachers else None,
        encoder_weights,
    )
    before = lineage.folders(directory.parent, recipe)
    partner = lineage.partner(recipe, before)
    mixed = {"share": recipe.train.mix, "with": partner.name, "weights": lineage.weights(partner)} if partner else None
    finished = False
    if (directory / "train.json").is_file() and stop_after is None:
        earlier: dict[str, Any] = record.read(directory, "train")["results"]
        finished = not changed(identity, earlier.get("identity", {}))
        if finished and mixed == earlier.get("mixed"):
            return earlier
    attributes = corpus.attributes(directory / "data")
    settings = recipe.train
    # The learning-rate schedule and the heads' first weights depend on the seed alone.
    set_seed(recipe.seed)
    source = locate(encoder)
    tokenizer = AutoTokenizer.from_pretrained(source)
    rows, dev = (corpus.read(directory / "data", split, attributes) for split in ("train", "dev"))
    lineage.check(rows, before)
    dev = watched(dev, settings.development_rows, recipe.seed)
    shortage.check_labels(recipe, attributes, dev)
    choices = {choice.name: choice for choice in recipe.prepare.sources}
    marks = corpus.marks(directory / "data", "train")
    marks |= {key: [] for key in unmarked(rows, attributes, marks, recipe.seed)}
    more = augment(rows, attributes, settings.augment, recipe.seed)
    repeats = [choices[name].repeat for name in rows.sources] + [1] * len(more)
    rows = rows.join(more)
    encoded = encode(
        rows,
        tokenizer,
        settings.max_tokens,
        [float(weight) * choices[name].weight for name, weight in zip(rows.sources, rows.weights, strict=True)],
        marks,
    )
    if settings.teachers:
        encoded = replace(encoded, targets=torch.from_numpy(teach.targets(directory, rows.keys, attributes)))
    held = encode(dev, tokenizer, settings.max_tokens, [1.0] * len(dev), {})
    lengths = [len(ids) for ids in encoded.ids]
    batches = plan(lengths, repeats, settings.batch_tokens, settings.passes, recipe.seed)

    model = network.build(source, attributes, settings.dropout, marks=bool(marks and settings.mark_weight))
    if before:
        network.inherit(
            model, before[0] / "network", corpus.attributes(before[0] / "data"), encoder=settings.inherit == "all"
        )
    network.freeze(model, settings.frozen_layers)
    model.ranked = tuple(attributes.index(name) for name in settings.rank if name in attributes)
    model.rank_weight, model.mark_weight = settings.rank_weight, settings.mark_weight
    model.teacher_weight = settings.teacher_weight
    if settings.length_unit == "characters":
        model.sizes.copy_(characters(tokenizer, len(model.sizes)))
    model.prior.copy_(length_prior(encoded, attributes, settings.length_prior, model.sizes))
    checkpoints = directory / "checkpoints"
    probe = TrainingArguments(output_dir=str(checkpoints), use_cpu=not torch.cuda.is_available(), report_to=[])
    world = probe.world_size
    if probe.process_index == 0:
        claim(checkpoints, identity)
    steps = min(len(batches) // world, settings.max_steps or len(batches))
    tokens = [
        sum(lengths[row] for batch in batches[s * world : (s + 1) * world] for row in batch) for s in range(steps)
    ]
    progress = Progress(tokens, stop_after)
    trainer = MultiTaskTrainer(
        model=model,
        args=arguments(settings, checkpoints, steps, recipe.seed),
        train_dataset=encoded,
        eval_dataset=held,
        data_collator=collate,
        compute_metrics=lambda prediction: metrics(prediction, attributes),
        callbacks=[progress, EarlyStoppingCallback(settings.patience)],
        batches=batches,
        head_factor=settings.head_factor,
        eval_budget=settings.batch_tokens * 4,
    )
    console = Console(stderr=True, quiet=not trainer.is_world_process_zero())
    console.print(f"{recipe.name}, seed {recipe.seed}, data {prepared['data_fingerprint'][:12]}", settings.model_dump())
    console.print(f"{len(attributes)} attributes have labels: {', '.join(attributes)}")
    console.print(
        f"{len(rows):,} rows, {len(more):,} of them copies, {len(encoded.marks):,} marked; {len(dev):,} development "
        f"rows; {steps:,} steps, {sum(tokens):,} tokens, {world} process(es), {torch.get_num_threads()} thread(s) each"
    )
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None  # type: ignore[no-untyped-call]
    if last and finished:  # the Trainer would go a step further
        console.print(f"trained already: {last}")
        trainer.state = TrainerState.load_from_json(str(Path(last) / TRAINER_STATE_NAME))
        load_model(model, checkpoints / Path(str(trainer.state.best_model_checkpoint)).name / SAFE_WEIGHTS_NAME)
    else:
        if last:
            console.print(f"going on from {last}")
        trainer.train(resume_from_checkpoint=last)

    results: dict[str, Any] = {
        "steps": trainer.state.global_step,
        "planned_steps": steps,
        "best_auc": trainer.state.best_metric,
        "best_checkpoint": trainer.state.best_model_checkpoint,
        "history": trainer.state.log_history,
        "finished": stop_after is None,
        "identity": identity,
        "mixed": mixed,
        "copies": len(more),
    }
    if trainer.is_world_process_zero() and stop_after is None:
        folder = directory / "network"
        shutil.rmtree(folder, ignore_errors=True)
        best = trainer.model
        assert isinstance(best, Network)
        if partner:
            network.inherit(best, partner / "network", corpus.attributes(partner / "data"), settings.mix)
        refit(best, encoded, settings.batch_tokens)
        network.save(best, folder)
        tokenizer.save_pretrained(folder)
        record.write(directory, "train", recipe, prepared["data_fingerprint"], results)
        curves.draw(trainer.state.log_history, directory / "curves.png")
    return results


def main(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE")],
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
    stop_after: Annotated[int | None, typer.Option(help="leave a checkpoint after so many steps and stop")] = None,
) -> None:
    """Fine-tune a recipe's encoder, or go on where an interrupted run stopped."""
    recipe = load(recipe_file)
    directory = (runs_dir or Settings().runs_dir) / recipe.name
    results = train(recipe, directory, stop_after=stop_after)
    console = Console()
    console.print(f"{results['steps']} of {results['planned_steps']} steps, best mean AUC {results['best_auc']}")
    if results["finished"]:
        console.print(f"network, record and curves are in {directory}")


if __name__ == "__main__":
    script.run(main)
