"""A small made-up world to train in: sentences of three kinds, a tiny encoder that knows their words, a recipe."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

ROOT = Path(__file__).parents[2]
Kind = Literal["neutral", "rude", "constructive"]
PEOPLE = [
    "mayor",
    "council",
    "neighbour",
    "teacher",
    "driver",
    "editor",
    "minister",
    "baker",
    "doctor",
    "farmer",
    "tenant",
    "judge",
    "pupil",
    "nurse",
]
DEEDS = [
    "closed",
    "opened",
    "painted",
    "visited",
    "measured",
    "counted",
    "sold",
    "rented",
    "moved",
    "planned",
    "crossed",
    "cleaned",
    "found",
    "left",
]
THINGS = [
    "library",
    "bridge",
    "market",
    "road",
    "school",
    "garden",
    "station",
    "harbour",
    "theatre",
    "park",
    "bakery",
    "museum",
    "mill",
    "tower",
]
TIMES = [
    "today",
    "yesterday",
    "tonight",
    "often",
    "twice",
    "again",
    "early",
    "late",
    "monday",
    "friday",
    "spring",
    "winter",
    "soon",
    "never",
]
RUDE = ["idiot", "moron", "clown", "liar", "scum", "stupid", "pathetic", "disgusting", "worthless", "vile"]
REASONED = [
    "because",
    "therefore",
    "evidence",
    "report",
    "compare",
    "suggest",
    "figures",
    "example",
    "measured",
    "experience",
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
UCC = ("antagonise", "condescending", "dismissive", "generalisation", "generalisation_unfair", "hostile", "sarcastic")
C3_BAD = (
    "noncon_sarcastic",
    "noncon_provocative",
    "noncon_no_respect",
    "tox_personal_attack",
    "tox_abusive",
)
C3_GOOD = ("constructive", "con_specific_points", "con_evidence", "con_personal_story")
SIX = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")


def sentence(kind: Kind, draw: random.Random) -> str:
    """A sentence of one kind: rude ones call names, constructive ones reason and are longer."""
    clauses = 2 if kind != "constructive" else 4
    words: list[str] = []
    for _ in range(clauses):
        words += ["the", draw.choice(PEOPLE), draw.choice(DEEDS), "a", draw.choice(THINGS), draw.choice(TIMES)]
    for extra in draw.sample({"neutral": TIMES, "rude": RUDE, "constructive": REASONED}[kind], 3):
        words.insert(draw.randrange(len(words) + 1), extra)
    return " ".join(words).capitalize() + "."


def sentences(count: int, kinds: Sequence[Kind], draw: random.Random) -> Iterator[tuple[Kind, str]]:
    for number in range(count):
        kind = kinds[number % len(kinds)]
        yield kind, sentence(kind, draw)


def data(folder: Path) -> list[str]:
    """Writes the made-up sources, in the three formats, and returns all their texts.

    Two of the texts to train on repeat evaluation texts.
    """
    draw = random.Random(1)
    both: tuple[Kind, ...] = ("neutral", "rude")
    evaluation: list[dict[str, Any]] = [
        {"text": text, "uncivil": int(kind == "rude")} for kind, text in sentences(80, both, random.Random(2))
    ]
    civil: list[dict[str, Any]] = [
        {"text": text, "toxic": int(kind == "rude"), "is_random": int(number % 4 > 1)}
        for number, (kind, text) in enumerate(sentences(240, both, draw))
    ]
    civil += [{"text": row["text"].upper(), "toxic": 0, "is_random": 1} for row in evaluation[:2]]
    c3: list[dict[str, Any]] = []
    for number, (kind, text) in enumerate(sentences(240, ("constructive", *both), draw)):
        row = dict.fromkeys(C3_GOOD, 0.9 if kind == "constructive" else 0.1)
        row |= dict.fromkeys(C3_BAD, 0.8 if kind == "rude" else 0.0) | {
            "crowd_toxicity_level": 1 + 2 * (kind == "rude")
        }
        c3.append({"text": text, "article_id": number // 3} | row)
    ucc: list[dict[str, Any]] = [
        {"text": text, "healthy": int(kind != "rude"), "healthy:confidence": 0.9}
        | {column: int(kind == "rude") for column in UCC}
        | {f"{column}:confidence": 0.8 for column in UCC}
        for kind, text in sentences(200, both, draw)
    ]
    cmv: list[dict[str, Any]] = [
        {"text": text, "removed_rule2": int(kind == "rude"), "thread": f"t{number // 2}"}
        for number, (kind, text) in enumerate(sentences(160, both, draw))
    ]
    wikipedia: list[dict[str, Any]] = [
        {"text": text} | {column: int(kind == "rude") for column in SIX} for kind, text in sentences(160, both, draw)
    ]
    marked: list[dict[str, Any]] = []
    for _, text in sentences(80, both, draw):
        places = [m.span() for m in re.finditer(rf"\b({'|'.join(RUDE)})\b", text, re.IGNORECASE)]
        offsets = [place for start, end in places for place in range(start, end)]
        marked.append({"text": text, "spans": json.dumps(offsets)})
    folder.mkdir()
    for name, rows in {"civil_comments": civil, "c3": c3, "reddit_incivility": evaluation}.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    for name, rows in {
        "ucc_val": ucc,
        "wikipedia_six_labels": wikipedia,
        "toxic_spans_semeval": marked,
    }.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with (folder / "cmv_moderation.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(cmv[0]))
        table.writeheader()
        table.writerows(cmv)
    return [str(row["text"]) for rows in (civil, c3, ucc, cmv, wikipedia, marked) for row in rows]


def encoder(folder: Path, texts: Sequence[str]) -> None:
    """Saves a random two-layer BERT with a word-piece tokenizer made of the texts."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=400, special_tokens=SPECIAL))
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,  # the taxonomy’s examples are long in these word pieces
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)


RECIPE = """
name = "tiny"
seed = 11
[prepare]
evaluation = ["reddit_incivility"]
{sources}
[train]
encoder = "{encoder}"
max_tokens = 48
batch_tokens = 640
passes = 4
learning_rate = 2e-3
head_factor = 4.0
dropout = 0.1
evaluations = 4
patience = 9
length_prior = ["constructive"]
mark_weight = 4.0
[train.augment]
disguised = 20
joined = 10
[export]
name = "tiny"
version = "0.0.1"
licence = "CC BY-NC-SA 4.0"
auc_tolerance = 0.05
score_tolerance = 0.2
window_overlap = 8
[calibrate.on]
toxicity = ["civil_comments"]
[evaluate]
bootstrap = 50
[[evaluate.bars]]
what = "Incivility elsewhere"
source = "reddit_incivility"
attributes = ["incivility"]
at_least = 0.6
[[evaluate.bars]]
what = "Constructiveness within length bands"
source = "c3"
attributes = ["constructive"]
measure = "within_length_bands"
at_least = 0.99
"""
SOURCES = ("civil_comments", "c3", "ucc_val", "cmv_moderation", "wikipedia_six_labels", "toxic_spans_semeval")


@dataclass(frozen=True)
class World:
    """Folders with the data and the encoder; `run` calls a training script as its user does."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def recipe(self, name: str = "recipe", sources: Sequence[str] = SOURCES, **changes: object) -> Path:
        """Writes the recipe, with other values for some of its keys."""
        tables = (f'[[prepare.sources]]\nname = "{source}"\ndev = 0.25\ntest = 0.3\n' for source in sources)
        text = RECIPE.format(sources="".join(tables), encoder=self.folder / "encoder")
        lines = text.splitlines()
        for key, value in changes.items():
            (place,) = (number for number, line in enumerate(lines) if line.startswith(f"{key} = "))
            lines[place] = f"{key} = {value}"
        path = self.folder / f"{name}.toml"
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    def run(self, *command: object) -> subprocess.CompletedProcess[str]:
        """`python -m ...` with one thread, from the checkout; the caller looks at its end."""
        return subprocess.run(
            [sys.executable, "-m", *map(str, command)],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "160"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def build(folder: Path) -> World:
    """A world on disk."""
    encoder(folder / "encoder", data(folder / "data"))
    return World(folder)
