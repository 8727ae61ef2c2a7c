"""Words of English that the normal form knows (serving/disguise.py), from english.txt, which training/english.py makes.

Independent of the model: the same words whichever artifact is served.
"""

from __future__ import annotations

from pathlib import Path

from serving.words import OFFENSIVE, PIECES

FILE = Path(__file__).with_name("english.txt")
BY_FREQUENCY = tuple(line for line in FILE.read_text(encoding="utf-8").split("\n") if line and line[0] != "#")

# Four letters and more each, in lower case; those of OFFENSIVE are among them.
ENGLISH = frozenset((*BY_FREQUENCY, *OFFENSIVE, *PIECES))
# Those that are met often.
COMMON = frozenset((*BY_FREQUENCY[:20_000], *OFFENSIVE))
