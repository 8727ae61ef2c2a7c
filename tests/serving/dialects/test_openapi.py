"""The OpenAPI document: every route keeps to it, and it says what the hand-read bodies are."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from serving.api import create_app
from serving.settings import Settings
from tests.service import Server
from tests.serving.dialects.calls import ANALYZE, DISCOVERY, SUGGEST

BARE = {"/v1/admin/reload", "/v1/sites/{site}/hooks/{id}/replay"}  # the path says it all
DOCUMENT = create_app(Settings()).openapi()
schema = schemathesis.openapi.from_dict(DOCUMENT)


def test_every_dialect_is_described() -> None:
    paths = DOCUMENT["paths"]
    assert {ANALYZE, SUGGEST, DISCOVERY, "/batch", "/v1/moderations", "/predict", "/health", "/info"} < set(paths)
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert any(status.startswith("2") for status in operation["responses"]), (method, path)
            if method == "post" and path not in BARE:
                assert operation["requestBody"]["content"], path


# A schema cannot say "a visible character" or "a name we know", so bodies that are read by hand may be refused.
BY_HAND = {ANALYZE, SUGGEST, "/batch", "/predict", "/v1/moderations"}
# Nor which sites, comments, cases and moderators there are, or which moments are told from one another.
ABOUT = ("/v1/sites", "/v1/reports", "/v1/queue", "/v1/cases", "/v1/decisions", "/v1/appeals", "/v1/transparency")
# More is read here than is said, as it was at Google: numbers in quotes, one language for a list of one, null.
LENIENT = {ANALYZE, SUGGEST, "/v1/sites/{site}", "/v1/queue", "/v1/queue/next"}


@schema.parametrize()
@settings(max_examples=20, deadline=None, derandomize=True)  # what lands is what was tested
def test_the_document_holds(case: Any, shipped_server: Server) -> None:
    unsaid = [positive_data_acceptance] if case.path in BY_HAND or case.path.startswith(ABOUT) else []
    unsaid += [negative_data_rejection] if case.path in LENIENT else []
    case.call_and_validate(base_url=shipped_server.url, excluded_checks=unsaid)
