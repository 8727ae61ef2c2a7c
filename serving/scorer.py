"""Scores texts with the model artifact: the one door that API, command line and evaluation share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from serving.artifact import MODEL, TOKENIZER, Artifact, ArtifactError, Manifest, SpanHead
from serving.cpu import cores
from serving.spans import NoSpansError, Tokens, ToxicSpan, joined, read
from serving.text import normalise
from serving.windows import bounded, combine, cut, sentences

# Padded tokens of one inference. So few that activations stay in a core's cache: docs/performance-log.md.
BATCH_TOKENS = 256
# ONNX Runtime would join Add and LayerNormalization to one operator, which takes several times as long.
SLOW = ["SkipLayerNormFusion"]
# A batch is tokenised by the thread that scores it: waking others for it takes longer up to 32 texts, and at 256 gains
# nothing where they all have work. The library takes its order from here only.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
AT_ONCE = 256  # texts that are tokenised and sorted together
# The model's outputs; the second is there where words can be marked. ONNX Runtime computes it whether it is asked for
# or not, so that it has to stay small: one product with a vector costs scoring less than can be measured.
LOGITS, TOKEN_LOGITS = "logits", "token_logits"

Floats = npt.NDArray[np.float32]


class ScoringError(ValueError):
    """A text cannot be scored. `index` is its place in the list that was passed in."""

    def __init__(self, index: int, rule: str) -> None:
        super().__init__(f"text {index}: {rule}")
        self.index = index
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Scores(Mapping[str, float]):
    """Calibrated scores of one text: attribute -> number in 0..1, in the model's order."""

    names: tuple[str, ...]
    values_: tuple[float, ...]

    def __getitem__(self, name: str) -> float:
        try:
            return self.values_[self.names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class Scorer:
    """An ONNX Runtime session with its tokenizer and calibration. Safe to share between threads."""

    def __init__(self, artifact: Artifact, threads: int = 0, prepare: Callable[[], None] = lambda: None) -> None:
        """Starts the runtime; `threads` batches of one call are run at a time, 0: one for each core. If more than one,
        each of the threads that run them calls `prepare` first.

        Raises ArtifactError if it cannot.
        """
        manifest = artifact.manifest
        self.manifest: Manifest = manifest
        self.attributes: tuple[str, ...] = tuple(head.name for head in manifest.attributes)
        self._slope = np.array([head.slope for head in manifest.attributes], np.float32)
        self._intercept = np.array([head.intercept for head in manifest.attributes], np.float32)
        self._highest = np.array([head.combine == "max" for head in manifest.attributes], np.bool_)
        options = onnxruntime.SessionOptions()
        # Threads that share one inference wait for each other at every operator; two inferences do not.
        options.intra_op_num_threads = 1
        # From the runtime's arena inferences at once would get what another core wrote last, and have to fetch it from
        # there: now and then a fifth of the time. The system's allocator has memory for each thread.
        options.enable_cpu_mem_arena = False
        threads = threads or cores()
        self._pool = ThreadPoolExecutor(threads, "inference", prepare) if threads > 1 else None
        try:
            self._tokenizer = Tokenizer.from_file(str(artifact.path / TOKENIZER))
            self._session = onnxruntime.InferenceSession(
                str(artifact.path / MODEL), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW
            )
        except Exception as error:  # both libraries raise bare Exception subclasses of their own
            raise ArtifactError(f"{artifact.path}: the model cannot be loaded: {error}") from error
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        width = outputs.get(LOGITS, [0])[-1]
        if width != len(self.attributes):
            raise ArtifactError(f"{artifact.path}: the model has {width} heads, its manifest {len(self.attributes)}")
        if (TOKEN_LOGITS in outputs) != (manifest.spans is not None):
            has, lacks = ("model", "manifest") if TOKEN_LOGITS in outputs else ("manifest", "model")
            what = {"model": f"output {TOKEN_LOGITS}", "manifest": "table spans"}
            raise ArtifactError(f"{artifact.path}: the {has} has the {what[has]}, the {lacks} has no {what[lacks]}")
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        empty = self._tokenizer.encode("").ids
        if len(empty) != 2:
            raise ArtifactError(f"{artifact.path / TOKENIZER}: expected one token before and one after a text")
        self._first, self._last = empty
        ends = (self._tokenizer.token_to_id(mark) for mark in ".!?;")
        self._ends: frozenset[int] = frozenset(end for end in ends if end is not None)

    @classmethod
    def load(cls, path: Path | None = None, threads: int = 0) -> Scorer:
        """The scorer of an artifact directory, hashes verified; `None` is the model that ships.

        Raises ArtifactError.
        """
        return cls(Artifact.load(path), threads)

    def score(self, texts: Sequence[str]) -> list[Scores]:
        """Scores of each text, in order; one text or many give a list.

        A text longer than the model's token limit is scored in overlapping windows, and sentence by sentence. Raises
        ScoringError for the first item that is not a string, or that holds no visible character.
        """
        return self.score_clean(self.clean(texts))

    def score_clean(self, clean: Sequence[str], encoded: Sequence[Sequence[int]] | None = None) -> list[Scores]:
        """Scores of each text, in order, of what `clean` returned; `encoded` is what `encode` made of it, if known."""
        values = self.calibrate(self._all_logits(clean) if encoded is None else self._windowed(encoded))
        return [Scores(self.attributes, tuple(row)) for row in values.tolist()]

    def encode(self, clean: Sequence[str]) -> list[Sequence[int]]:
        """Token ids of each text of what `clean` returned, special tokens left out, not cut."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(clean, add_special_tokens=False)]

    def logits(self, texts: Sequence[str]) -> Floats:
        """Uncalibrated logits [texts, attributes], windows combined. Raises ScoringError as `score`."""
        return self._all_logits(self.clean(texts))

    def spans(self, texts: Sequence[str]) -> list[list[ToxicSpan]]:
        """The words of each text that are evidence of `manifest.spans.attribute`, in order: see `serving.spans.joined`.

        Another inference than that of `score`. Raises NoSpansError if the model cannot mark words, ScoringError as
        `score`.
        """
        head = self._head()
        found = zip(texts, self.tokens(texts), strict=True)
        return [joined(text, tokens, self.probabilities(tokens.logits), head.threshold) for text, tokens in found]

    def tokens(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text with the logits of the head that marks words; of two windows the higher one.

        Raises NoSpansError and ScoringError as `spans`.
        """
        self._head()
        self.clean(texts)
        limit, overlap = self.manifest.token_limit - 2, self.manifest.window_overlap
        infer = partial(self._outputs, output=TOKEN_LOGITS)
        found: list[Tokens] = []
        for start in range(0, len(texts), AT_ONCE):
            part = [_encodable(text) for text in texts[start : start + AT_ONCE]]
            found += read(part, self._tokenizer, infer, limit, overlap)
        return found

    def probabilities(self, logits: Floats) -> Floats:
        """Probabilities in 0..1, of whatever shape, of the logits of the head that marks words. Raises NoSpansError."""
        head = self._head()
        return _sigmoid(np.float32(head.slope) * logits + np.float32(head.intercept))

    def clean(self, texts: Sequence[str]) -> list[str]:
        """The texts in normal form. Raises ScoringError as `score`."""
        if isinstance(texts, str):
            raise TypeError("expected a sequence of texts, found one str; pass [text]")
        return [self._clean(index, text) for index, text in enumerate(texts)]

    def _head(self) -> SpanHead:
        if self.manifest.spans is None:
            raise NoSpansError(f"{self.manifest.name} {self.manifest.version} has no head that marks words")
        return self.manifest.spans

    def _all_logits(self, clean: Sequence[str]) -> Floats:
        # A few at a time: a request may hold a thousand long texts, millions of tokens.
        starts = range(0, len(clean), AT_ONCE)
        parts = [self._windowed(self.encode(clean[start : start + AT_ONCE])) for start in starts]
        return np.concatenate(parts) if parts else np.empty((0, len(self.attributes)), np.float32)

    def _windowed(self, texts: Sequence[Sequence[int]]) -> Floats:
        """Logits [texts, attributes] of encoded texts, windows combined."""
        limit, overlap = self.manifest.token_limit - 2, self.manifest.window_overlap
        windows: list[Sequence[int]] = []
        owners: list[int] = []
        closer: list[Sequence[int]] = []
        spoken: list[int] = []  # whose sentences they are
        for owner, tokens in enumerate(texts):
            cuts = cut(tokens, limit, overlap)
            if len(cuts) > 1:
                parts = sentences(tokens, self._ends, limit)
                cuts = [cuts[number] for number in bounded(cuts)]
                kept = [parts[number] for number in bounded(parts)]
                closer += kept
                spoken += [owner] * len(kept)
            windows += cuts
            owners += [owner] * len(cuts)
        if not closer:  # as nearly always: nothing to combine
            return self._infer(windows)
        scored = self._once([*windows, *closer])
        result = np.empty((len(texts), len(self.attributes)), np.float32)
        numbers = np.arange(len(texts) + 1)
        starts, firsts = np.searchsorted(owners, numbers), len(windows) + np.searchsorted(spoken, numbers)
        sizes = np.array([max(1, len(window)) for window in windows], np.int64)
        for owner in range(len(texts)):
            mine, parts_of = slice(starts[owner], starts[owner + 1]), slice(firsts[owner], firsts[owner + 1])
            if parts_of.start == parts_of.stop:
                result[owner] = scored[mine.start]
            else:
                result[owner] = combine(scored[mine], sizes[mine], self._highest, scored[parts_of])
        return result

    def token_ids(self, text: str) -> list[int]:
        """Token ids of one text, special tokens included, not cut: what the network is given."""
        ids: list[int] = self._tokenizer.encode(self._clean(0, text)).ids
        return ids

    def calibrate(self, logits: Floats) -> Floats:
        """Calibrated scores in 0..1 of logits [texts, attributes]."""
        return _sigmoid(self._slope * logits + self._intercept)

    @staticmethod
    def _clean(index: int, text: object) -> str:
        if not isinstance(text, str):
            raise ScoringError(index, f"expected a string, found {type(text).__name__}")
        clean = normalise(_encodable(text))
        if not clean:
            raise ScoringError(index, "expected a text with at least one visible character")
        return clean

    def _infer(self, windows: Sequence[Sequence[int]]) -> Floats:
        """Logits [windows, attributes]."""
        result = np.empty((len(windows), len(self.attributes)), np.float32)
        for batch, logits in self._outputs(windows, LOGITS):
            result[batch] = logits
        return result

    def _once(self, windows: Sequence[Sequence[int]]) -> Floats:
        """As `_infer`; a window that is there several times is scored once."""
        numbers: dict[tuple[int, ...], int] = {}
        places = [numbers.setdefault(tuple(window), len(numbers)) for window in windows]
        return self._infer(list(numbers))[places]

    def _outputs(self, windows: Sequence[Sequence[int]], output: str) -> Iterator[tuple[list[int], Floats]]:
        """Numbers of windows with their rows of an output, in batches of like length, several run at once where threads
        allow.
        """
        batches = _batches([len(window) + 2 for window in windows])
        run = partial(self._run, windows, output)
        answers = self._pool.map(run, batches) if self._pool and len(batches) > 1 else map(run, batches)
        return zip(batches, answers, strict=True)

    def _run(self, windows: Sequence[Sequence[int]], output: str, batch: Sequence[int]) -> Floats:
        """One output, [batch, …], of one inference."""
        ids = np.zeros((len(batch), max(len(windows[number]) for number in batch) + 2), np.int64)
        mask = np.zeros_like(ids)
        for row, number in enumerate(batch):
            tokens = (self._first, *windows[number], self._last)
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        (values,) = self._session.run([output], {"input_ids": ids, "attention_mask": mask})
        return cast(Floats, values)


def _encodable(text: str) -> str:
    """The text with a stand-in, as long, for each lone surrogate, which is no character: because of one the tokenizer
    would refuse the whole list.
    """
    return text.encode("utf-8", "replace").decode("utf-8")


def _sigmoid(values: Floats) -> Floats:
    return cast(Floats, 1 / (1 + np.exp(-np.clip(values, -30, 30))))


def _batches(sizes: Sequence[int]) -> list[list[int]]:
    """Numbers of like size together, each batch within BATCH_TOKENS padded tokens; largest first, so that the
    threads that share them end at about the same time.
    """
    batches: list[list[int]] = []
    for number in sorted(range(len(sizes)), key=lambda number: -sizes[number]):
        if not batches or (len(batches[-1]) + 1) * sizes[batches[-1][0]] > BATCH_TOKENS:
            batches.append([])
        batches[-1].append(number)
    return batches
