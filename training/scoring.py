"""Scoring many texts with a progress bar, and keeping what took long in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import track

from serving.artifact import MODEL, TOKENIZER, Manifest
from serving.scorer import Scorer
from serving.windows import DISCOUNT, LEAST, MOST

Floats = npt.NDArray[np.float32]
CHUNK = 512
SENTENCES = (LEAST, MOST, DISCOUNT)


def logits(scorer: Scorer, texts: Sequence[str], what: str) -> Floats:
    """Uncalibrated logits [texts, attributes], with a progress bar titled `what`."""
    starts = range(0, len(texts), CHUNK)
    parts = [scorer.logits(texts[start : start + CHUNK]) for start in track(starts, what, transient=True)]
    return np.concatenate(parts) if parts else np.empty((0, len(scorer.attributes)), np.float32)


def keep(path: Path, compute: Callable[[], Floats]) -> Floats:
    """What `compute` gives, kept in `path`, so that an interrupted step goes on where it was.

    The path must name everything that the values depend on.
    """
    if path.is_file():
        stored: Floats = np.load(path, allow_pickle=False)
        return stored
    path.parent.mkdir(exist_ok=True)
    values = compute()
    partial = path.with_suffix(".partial.npy")
    np.save(partial, values)
    partial.rename(path)
    return values


def identity(manifest: Manifest) -> str:
    """What a text's logits depend on besides the text: 16 hexadecimal digits over model, tokenizer and windows."""
    parts = (manifest.files[MODEL], manifest.files[TOKENIZER], manifest.token_limit, manifest.window_overlap, SENTENCES)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


class Kept:
    """Logits of a model by text, in one file: however many measurements ask for a text, it is scored once.

    Texts are told apart by their normal form, so that a change of the normal form scores anew just the texts that it
    changes. Two processes may share the file: each adds what it has scored.
    """

    def __init__(self, scorer: Scorer, folder: Path) -> None:
        """`folder` is where the file `texts-<identity>.npz` lies or will lie."""
        self._scorer = scorer
        self._path = folder / f"texts-{identity(scorer.manifest)}.npz"
        self._known = self._read()

    def logits(self, texts: Sequence[str], what: str) -> Floats:
        """Uncalibrated logits [texts, attributes], as `Scorer.logits`; `what` titles the progress bar."""
        clean = self._scorer.clean(texts)
        keys = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in clean]
        missing = {key: text for key, text in zip(keys, clean, strict=True) if key not in self._known}
        if missing:
            values = logits(self._scorer, list(missing.values()), what)
            self._known |= self._read() | dict(zip(missing, values, strict=True))
            self._write()
        found = [self._known[key] for key in keys]
        return np.stack(found) if found else np.empty((0, len(self._scorer.attributes)), np.float32)

    def scores(self, texts: Sequence[str], what: str) -> Floats:
        """Calibrated scores [texts, attributes] in 0..1."""
        return self._scorer.calibrate(self.logits(texts, what))

    def _read(self) -> dict[bytes, Floats]:
        if not self._path.is_file():
            return {}
        with np.load(self._path, allow_pickle=False) as stored:
            keys, values = stored["keys"], stored["values"]
        return {key.tobytes(): value for key, value in zip(keys, values, strict=True)}

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial.npz")
        keys = np.frombuffer(b"".join(self._known), np.uint8).reshape(-1, 16)
        np.savez(partial, keys=keys, values=np.stack(list(self._known.values())))
        partial.rename(self._path)
