"""`python -m training.card`."""

from __future__ import annotations

from training import script
from training.card import main

script.run(main)
