"""What a moderator chooses for the console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError


class Preferences(BaseModel):
    """`blur`: strong text is blurred until it is asked for. `keys`: one key each for what is done often."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    blur: bool = True
    keys: bool = True
    theme: Literal["system", "light", "dark"] = "system"


def of(stored: Mapping[str, Any]) -> Preferences:
    """Preferences as they are stored; the default ones if they cannot be read."""
    try:
        return Preferences.model_validate(stored)
    except ValidationError:
        return Preferences()
