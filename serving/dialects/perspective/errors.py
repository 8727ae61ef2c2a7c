"""Errors in Google's RPC-over-JSON envelope. Clients match the messages, so those are Google's own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import HTTPConnection

from serving.dialects.dialect import request_id
from serving.errors import ApiError

ANALYZER = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
REQUEST_INFO = "type.googleapis.com/google.rpc.RequestInfo"

STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
# Where Google answers with another status than the native API, and in other words.
GOOGLES = {
    "invalid_key": (400, "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"),
    "missing_key": (
        403,
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API.",
        "API_KEY_MISSING",
    ),
    "rate_limited": (429, "", "RATE_LIMIT_EXCEEDED"),
    "busy": (429, "", "RATE_LIMIT_EXCEEDED"),
    "invalid_json": (400, "Invalid JSON payload received.", "INVALID_JSON"),
    "invalid_request": (400, "", "INVALID_REQUEST"),
}
QUOTA = "Quota exceeded for quota metric 'Analysis requests (AnalyzeComment)': "


class PerspectiveError(ApiError):
    """A 400 of the comment analyzer's own, with its ErrorType and whatever else belongs to the detail."""

    def __init__(self, message: str, error_type: str = "INVALID_REQUEST", **detail: Any) -> None:
        super().__init__(400, error_type.lower(), message)
        self.problem: dict[str, Any] = {"@type": ANALYZER, "errorType": error_type} | detail


def render(error: ApiError, request: HTTPConnection) -> tuple[int, dict[str, Any]]:
    """Status and envelope of a request's answer."""
    return envelope(error, request_id(request), request.query_params)


def envelope(error: ApiError, request_id: str, query: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Status and envelope; `details` is never empty, since clients index it."""
    status, message = error.status_code, error.message
    detail: dict[str, Any]
    if isinstance(error, PerspectiveError):
        detail = error.problem
    else:
        status, words, reason = GOOGLES.get(error.code, (status, "", error.code.upper()))
        message = words or (QUOTA + message if status == 429 else message)
        detail = {"@type": ERROR_INFO, "reason": reason, "domain": "evenhand"}
        if limit := (error.headers or {}).get("X-RateLimit-Limit"):
            detail["metadata"] = {"quota_limit": "AnalyzeRequestsPerMinutePerProject", "quota_limit_value": limit}
    body: dict[str, Any] = {
        "code": status,
        "message": message,
        "status": STATUS.get(status, "INVALID_ARGUMENT" if status < 500 else "UNKNOWN"),
        "details": [detail, {"@type": REQUEST_INFO, "requestId": request_id}],
    }
    if query.get("$.xgafv") == "1":  # the older format, which some clients still ask for
        body["errors"] = [{"message": message, "domain": "global", "reason": "badRequest"}]
    return status, {"error": body}
