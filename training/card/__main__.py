"""`python -m training.card`."""

from __future__ import annotations

import typer

from training.card import main

typer.run(main)
