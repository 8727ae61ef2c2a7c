"""A decision in Coral's words."""

from __future__ import annotations

from collections.abc import Mapping

from labels import taxonomy
from serving.artifact import Manifest
from serving.dialects.coral.schemas import (
    CODES,
    Code,
    Explanation,
    Flag,
    ModerationAction,
    ModerationAnswer,
    RejectionReason,
)
from serving.policy import Reason
from serving.sites import Site


def answer(reason: Reason, site: Site, model: Manifest, scores: Mapping[str, float]) -> ModerationAnswer | None:
    """What to tell Coral; None where it is to go on as if it had not asked.

    - accept: nothing, or APPROVED where the site wants its premoderation bypassed;
    - hold: SYSTEM_WITHHELD with a flag, which is the Pending queue;
    - flag: the flag alone, so that Coral's own premoderation still applies; else published and Reported;
    - reject: REJECTED with the record that Coral shows the author;
    - feature: the tag alone.
    """
    found = ModerationAnswer(
        evenhand=Explanation(
            model=model.name,
            version=model.version,
            rule=reason.rule,
            attribute=reason.attribute,
            score=reason.score,
            threshold=reason.threshold,
            scores=dict(scores),
        )
    )
    match reason.action:
        case "accept":
            if not site.approve:
                return None
            found.status = "APPROVED"
        case "hold":
            found.status, found.actions = "SYSTEM_WITHHELD", [Flag()]
        case "flag":
            found.actions = [Flag()]
        case "reject":
            found.status = "REJECTED"
            found.moderation_action = ModerationAction(rejection_reason=_rejection(reason, site))
        case "feature":
            found.tags = ["FEATURED"]
    return found


def code_of(attribute: str) -> Code:
    """Coral's reason for rejecting what is high in an attribute, from the taxonomy; OTHER if it has none."""
    wired = taxonomy.load()[attribute].coral
    return next((code for code in CODES if code in wired), "OTHER")


def _rejection(reason: Reason, site: Site) -> RejectionReason:
    code = code_of(reason.attribute) if reason.attribute is not None else "OTHER"
    if code == "OTHER":  # the rule's words name the reason, for Coral has no name for it
        return RejectionReason(code=code, custom_reason=reason.words, detailed_explanation=site.author_text)
    words = " ".join(text for text in (reason.words, site.author_text) if text)
    return RejectionReason(code=code, detailed_explanation=words or None)
