"""Why something asked for cannot be done, in words for the person who asked."""

from __future__ import annotations

from typing import Literal

# missing: there is no such thing. conflict: not as things stand. refused: not for this person. invalid: a bad field.
Kind = Literal["missing", "conflict", "refused", "invalid"]


class ModerationError(ValueError):
    """`code` is for programs, the message for people; `field` is to blame, where one is."""

    def __init__(self, kind: Kind, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.kind, self.code, self.field = kind, code, field


def invalid(field: str, rule: str) -> ModerationError:
    """A field breaks a rule; the message names both."""
    return ModerationError("invalid", "invalid_request", f"{field}: {rule}", field)


def conflict(code: str, field: str, words: str) -> ModerationError:
    """Not as things stand."""
    return ModerationError("conflict", code, f"{field}: {words}", field)


def missing(field: str, words: str = "there is none with this id") -> ModerationError:
    """What is asked for is not there."""
    return ModerationError("missing", f"unknown_{field}", f"{field}: {words}", field)


def refused(field: str, words: str) -> ModerationError:
    """Not for the one who asks."""
    return ModerationError("refused", "forbidden", f"{field}: {words}", field)
