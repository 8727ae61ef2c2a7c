"""Makes serving/english.txt, the English words that the normal form knows.

    python -m training.english

From the frequency dictionary of SymSpell, which the package symspellpy holds: words that are both in Google's n-grams
(CC BY 3.0) and in the spelling lists of SCOWL, with their frequencies. Only their order is kept.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from serving.english import FILE

SOURCE = "frequency_dictionary_en_82_765.txt"
SHORTEST = 4
HEAD = """\
# English words, the most frequent first. Made by python -m training.english; not to be edited.
#
# From the frequency dictionary of SymSpell: Google Books Ngrams (CC BY 3.0), the words of SCOWL's lists among them.
# Copyright (c) 2021 Wolf Garbe (SymSpell), (c) 2025 mmb L (symspellpy). Under the MIT License:
#
# Permission is hereby granted, free of charge, to any person obtaining a copy
# of this software and associated documentation files (the "Software"), to deal
# in the Software without restriction, including without limitation the rights
# to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
# copies of the Software, and to permit persons to whom the Software is
# furnished to do so, subject to the following conditions:
#
# The above copyright notice and this permission notice shall be included in all
# copies or substantial portions of the Software.
#
# THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
# IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
# FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
# AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
# LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
# OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
# SOFTWARE.
"""


def words(dictionary: str) -> list[str]:
    """Words of ASCII letters from lines of a word and its frequency, the most frequent first."""
    counts = {}
    for line in dictionary.splitlines():
        word, count = line.split()
        if len(word) >= SHORTEST and word.isascii() and word.isalpha() and word.islower():
            counts[word] = int(count)
    return sorted(counts, key=lambda word: (-counts[word], word))


def content() -> str:
    """What the file must hold. Raises ModuleNotFoundError without symspellpy."""
    if find_spec("symspellpy") is None:
        raise ModuleNotFoundError("symspellpy, whose dictionary the words are from, is not installed")
    package = files("symspellpy")
    found = words((package / SOURCE).read_text(encoding="utf-8-sig"))
    return HEAD + "".join(f"{word}\n" for word in found)


def main() -> None:
    """Writes the file."""
    Path(FILE).write_text(content(), encoding="utf-8")


if __name__ == "__main__":
    main()
