"""What is wrong with a request, found deep in its work, as the answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from serving.errors import ApiError
from serving.moderation.problems import Kind, ModerationError
from serving.moderation.queue import CursorError
from serving.moderation.reports import LimitError
from serving.moderation.sites import SiteError
from serving.policy import PolicyError

STATUS: dict[Kind, int] = {"missing": 404, "conflict": 409, "refused": 403, "invalid": 422}


@contextmanager
def complaints() -> Iterator[None]:
    """Makes the errors of moderation the answer: 404 for what is not there, 422 for a bad field, 429 for too much."""
    try:
        yield
    except SiteError as error:
        status, code = (404, "unknown_site") if error.field == "site" else (422, "invalid_request")
        raise ApiError(status, code, str(error), error.field) from None
    except ModerationError as error:
        raise ApiError(STATUS[error.kind], error.code, str(error), error.field) from None
    except PolicyError as error:
        raise ApiError(422, "invalid_policy", str(error), "source") from None
    except CursorError as error:
        raise ApiError(422, "invalid_request", str(error), "cursor") from None
    except LimitError as error:
        headers = {"Retry-After": str(error.retry_after)}
        raise ApiError(429, "too_many_reports", str(error), headers=headers) from None
