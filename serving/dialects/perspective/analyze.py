"""`comments:analyze`: from a body to an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request

from serving import language
from serving.dialects.perspective import names, spans
from serving.dialects.perspective.comments import checked, parsed
from serving.dialects.perspective.errors import PerspectiveError
from serving.dialects.perspective.names import Wanted
from serving.dialects.perspective.schemas import AnalyzeCommentRequest, AttributeParameters
from serving.keys import Key
from serving.scorer import Scores
from serving.service import Service


async def analyze(here: Service, request: Request, key: Key | None, body: bytes) -> dict[str, Any]:
    """Scores of one comment under the names that were asked for: an AnalyzeCommentResponse on the wire, by hand,
    because to make its objects takes longer than to read the request.

    Nothing of it is stored, whatever `doNotStore` says. Raises ApiError and EngineError.
    """
    message = parsed(body, AnalyzeCommentRequest)
    text = checked(message.comment, message.context)
    strict = here.settings.compatibility == "strict"
    warnings: list[str] = []
    wanted = _wanted(message.requested_attributes, here.engine.attributes, strict, warnings)
    detected = [found.code for found in language.detect(text)]
    effective = _languages(message.languages, detected, wanted, strict, warnings)
    parts = [spans.whole(text)]
    if message.span_annotations:
        parts += spans.sentences(text)
    # Several attributes and spans of one comment are one query of the caller's limit.
    scored = await here.score(request, key, [part.text for part in parts], cost=1)
    summary, *of_spans = scored.scores
    answers: dict[str, Any] = {}
    for one, asked in wanted.items():
        if one.attribute is None:
            continue
        if asked.score_threshold is not None and summary[one.attribute] < asked.score_threshold:
            continue  # the whole key: every client that loops over the answer reads each summaryScore
        located = zip(parts[1:], of_spans, strict=True) if of_spans else [(parts[0], summary)]
        answers[one.wire] = {
            "spanScores": [{"begin": p.begin, "end": p.end, "score": _score(row, one)} for p, row in located],
            "summaryScore": _score(summary, one),
        }
    answer = {
        "attributeScores": answers,
        "languages": effective,
        "detectedLanguages": detected or ["und"],
        "modelVersion": f"{scored.model.name} {scored.model.version}",
    }
    if message.client_token is not None:
        answer["clientToken"] = message.client_token
    if warnings:
        answer["warnings"] = warnings
    return answer


def _score(scores: Scores, wanted: Wanted) -> dict[str, float | str]:
    """Eight decimals, as many as a float32 below 1 can tell apart."""
    return {"value": round(scores[str(wanted.attribute)], 8), "type": "PROBABILITY"}


def _wanted(
    asked: Mapping[str, AttributeParameters], scored: tuple[str, ...], strict: bool, warnings: list[str]
) -> dict[Wanted, AttributeParameters]:
    """The attributes asked for. Raises PerspectiveError for none, an unknown one, or an unknown score type."""
    if not asked:
        raise PerspectiveError("Missing requested_attributes", "NO_REQUESTED_ATTRIBUTES")
    wanted: dict[Wanted, AttributeParameters] = {}
    for name, parameters in asked.items():
        one = names.resolve(name)
        covered = one is not None and one.attribute in scored
        if one is None or (strict and not covered):
            raise PerspectiveError(f"Unknown requested attribute: {name[:100]}")
        kind = parameters.score_type or "PROBABILITY"
        if kind not in ("PROBABILITY", "SCORE_TYPE_UNSPECIFIED"):
            raise PerspectiveError(f"Requested score type {kind[:100]} is not supported by attribute {name[:100]}")
        if covered:
            wanted[one] = parameters
        else:
            warnings.append(f"{one.wire} is not assessed: no head of this model covers it.")
    if not wanted:
        raise PerspectiveError(f"Unknown requested attribute: {next(iter(asked))[:100]}")
    return wanted


def _languages(
    asked: list[str], detected: list[str], wanted: Mapping[Wanted, Any], strict: bool, warnings: list[str]
) -> list[str]:
    """The languages that the answer is for. Raises PerspectiveError in strict mode, naming one attribute."""
    effective = asked or detected[:1]
    unsupported = [code for code in effective if not language.supported(code)]
    if strict and not effective:
        raise PerspectiveError("Unable to detect language", "LANGUAGE_DETECTION_FAILED")
    if strict and unsupported:
        attribute = next(iter(wanted)).wire
        given = {"requestedLanguages": asked} if asked else {}
        raise PerspectiveError(
            f"Attribute {attribute} does not support request languages: {', '.join(unsupported)[:200]}",
            "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
            languageNotSupportedByAttributeError={"detectedLanguages": detected, "attribute": attribute} | given,
        )
    if unsupported:
        warnings.append(f"Scored as English, the only language of this model, not as {', '.join(unsupported)[:200]}.")
    elif not effective:
        warnings.append("The language could not be detected; scored as English.")
    return effective or ["en"]
