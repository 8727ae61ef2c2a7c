"""`comments:suggestscore`: what a client says the scores should have been becomes a stored label."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from serving import language
from serving.dialects.bodies import load
from serving.dialects.perspective import names, schemas, spans
from serving.dialects.perspective.comments import checked, parsed
from serving.dialects.perspective.errors import PerspectiveError
from serving.dialects.perspective.schemas import (
    Context,
    SuggestCommentScoreRequest,
    SuggestCommentScoreResponse,
    SuggestedScore,
    SuggestedScores,
)
from serving.keys import Key
from serving.service import Service
from serving.store import Feedback

CORAL_TOKEN = "comment:"  # Coral's clientToken is this and the comment's id


async def suggest(here: Service, key: Key | None, body: bytes) -> SuggestCommentScoreResponse:
    """Stores one label for each attribute and span, all or none; with `doNotStore`, none.

    Raises ApiError.
    """
    message = parsed(body, SuggestCommentScoreRequest)
    text = checked(message.comment, message.context)
    if not message.attribute_scores:
        raise PerspectiveError("Missing attribute_scores", "NO_REQUESTED_ATTRIBUTES")
    origin = origin_of(message.context, message.client_token)
    labels = [
        (name, label)
        for name, scores in message.attribute_scores.items()
        for label in _labels(name, scores, spans.utf16(text))
    ]
    if len(labels) > schemas.MOST_SCORES:
        raise PerspectiveError(f"Too many scores: {len(labels)}, at most {schemas.MOST_SCORES} of all attributes")
    here.access.spend(key, 1)

    def store(session: Session) -> None:
        rows = [
            Feedback(
                key_id=key.id if key else None,
                text=text,
                attribute=name[:100],
                value=score.value,
                begin=begin,
                end=end,
                languages=message.languages,
                community_id=_text(message.community_id),
                session_id=_text(message.session_id),
                client_token=_text(message.client_token),
                **origin,
            )
            for name, (begin, end, score) in labels
        ]
        if message.context:  # once: it may be a whole article
            rows[0].context = message.context.model_dump(exclude_none=True)
        session.add_all(rows)

    if not message.do_not_store:
        await here.writer.do(store)
        here.metrics.feedback.inc(len(labels))
    return SuggestCommentScoreResponse(
        client_token=message.client_token,
        detected_languages=[found.code for found in language.detect(text)] or ["und"],
        requested_languages=message.languages,
    )


def _labels(name: str, scores: SuggestedScores, length: int) -> list[tuple[int | None, int | None, SuggestedScore]]:
    """Begin, end (None: the whole text, of that length) and score of each label for one attribute.

    Raises PerspectiveError.
    """
    if names.resolve(name) is None:
        raise PerspectiveError(f"Unknown requested attribute: {name[:100]}")
    labels: list[tuple[int | None, int | None, SuggestedScore]] = []
    if scores.summary_score:
        labels.append((None, None, scores.summary_score))
    labels += [(span.begin, span.end, span.score) for span in scores.span_scores]
    if not labels:
        raise PerspectiveError(f"Attribute {name[:100]}: expected summary_score or span_scores")
    for begin, end, score in labels:
        if score.type not in (None, "PROBABILITY", "SCORE_TYPE_UNSPECIFIED"):
            raise PerspectiveError(
                f"Requested score type {score.type[:100]} is not supported by attribute {name[:100]}"
            )
        if begin is not None and end is not None and not begin < end <= length:
            raise PerspectiveError(f"Attribute {name[:100]}: a span must end after it begins, inside the text")
    return labels


def origin_of(context: Context | None, client_token: str | None) -> dict[str, Any]:
    """Which comment a suggestion is about, as columns of Feedback.

    Coral puts a JSON string with the ids into the first context entry; its clientToken names the comment too.
    """
    found: dict[str, Any] = {}
    entries = context.entries if context else None
    told: Any = None
    if entries and entries[0].text:
        try:
            told = load(entries[0].text)
        except (ValueError, RecursionError):
            told = None
    if isinstance(told, dict):
        found["comment_id"] = _text(told.get("Coral_comment_id"))
        found["reply_to"] = _text(told.get("reply_to_id_Coral_comment_id"))
        found["story_url"] = _text(told.get("url"), 2000)
    if not found.get("comment_id") and client_token and client_token.startswith(CORAL_TOKEN):
        found["comment_id"] = client_token.removeprefix(CORAL_TOKEN)[:256] or None
    return found


def _text(value: Any, most: int = 256) -> str | None:
    """A text cut to its column, which some databases enforce."""
    return value[:most] if isinstance(value, str) and value else None
