"""What Coral accepts as the answer of an External Moderation Phase, written anew from its Joi schema.

Joi with `presence: "optional"` and `stripUnknown`: unknown keys go, any null fails (only `undefined` is
absent), a string may not be empty, `.only()` takes nothing but the listed values, and an array whose items
are `required()` needs at least one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Check = Callable[[Any], Any]

CODES = (
    "OFFENSIVE",
    "ABUSIVE",
    "SPAM",
    "BANNED_WORD",
    "AD",
    "ILLEGAL_CONTENT",
    "HARASSMENT_BULLYING",
    "MISINFORMATION",
    "HATE_SPEECH",
    "IRRELEVANT_CONTENT",
    "OTHER",
)
STATUSES = ("NONE", "APPROVED", "REJECTED", "PREMOD", "SYSTEM_WITHHELD")


class JoiError(ValueError):
    """Coral would drop the whole answer."""


def string(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        raise JoiError(f"expected a string that is not empty, found {value!r}")
    return value


def only(*allowed: str) -> Check:
    def check(value: Any) -> Any:
        if value not in allowed or not isinstance(value, str):
            raise JoiError(f"expected one of {allowed}, found {value!r}")
        return value

    return check


def array(item: Check, required: bool = False) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, list):
            raise JoiError(f"expected an array, found {value!r}")
        if required and not value:
            raise JoiError("the array does not contain its required item")
        return [item(one) for one in value]

    return check


def keys(required: tuple[str, ...] = (), **known: Check) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise JoiError(f"expected an object, found {value!r}")
        for name in required:
            if name not in value:
                raise JoiError(f"{name} is required")
        return {name: known[name](one) for name, one in value.items() if name in known}

    return check


RESPONSE = keys(
    actions=array(
        keys(
            ("actionType", "reason"),
            actionType=only("FLAG"),
            reason=only("COMMENT_DETECTED_TOXIC", "COMMENT_DETECTED_SPAM"),
        )
    ),
    status=only(*STATUSES),
    tags=array(only("FEATURED", "STAFF"), required=True),
    moderationAction=keys(
        status=only(*STATUSES),
        rejectionReason=keys(
            code=only(*CODES),
            legalGrounds=string,
            detailedExplanation=string,
            customReason=string,
        ),
    ),
)


def accepted(body: Any) -> dict[str, Any]:
    """What Coral keeps of an answer. Raises JoiError."""
    kept: dict[str, Any] = RESPONSE(body)
    return kept
