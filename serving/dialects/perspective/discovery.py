"""The discovery document: what Google's own client libraries read before their first call.

It holds what they use (names, paths, references) and the schemas of requests and answers, made from the
same classes that read and write them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel

from serving.dialects.perspective import schemas

VERSION = "v1alpha1"
SCOPE = "https://www.googleapis.com/auth/userinfo.email"
MESSAGES: tuple[type[BaseModel], ...] = (
    schemas.AnalyzeCommentRequest,
    schemas.AnalyzeCommentResponse,
    schemas.SuggestCommentScoreRequest,
    schemas.SuggestCommentScoreResponse,
)
PARAMETERS: dict[str, tuple[str, dict[str, Any]]] = {
    "$.xgafv": ("V1 error format.", {"enum": ["1", "2"], "enumDescriptions": ["v1 error format", "v2 error format"]}),
    "access_token": ("OAuth access token.", {}),
    "alt": ("Data format for response.", {"default": "json", "enum": ["json"], "enumDescriptions": ["JSON"]}),
    "callback": ("JSONP", {}),
    "fields": ("Selector specifying which fields to include in a partial response.", {}),
    "key": ("API key.", {}),
    "oauth_token": ("OAuth 2.0 token for the current user.", {}),
    "prettyPrint": ("Returns response with indentations and line breaks.", {"type": "boolean", "default": "true"}),
    "quotaUser": ("Available to use for quota purposes for server-side applications.", {}),
    "uploadType": ("Legacy upload protocol for media.", {}),
    "upload_protocol": ("Upload protocol for media.", {}),
}


def document(root: str) -> dict[str, Any]:
    """The document of a service that clients reach at `root`, which ends in a slash."""
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": "commentanalyzer:v1alpha1",
        "name": "commentanalyzer",
        "canonicalName": "Comment Analyzer",
        "version": VERSION,
        "revision": "20200426",
        "title": "Perspective Comment Analyzer API, served by evenhand",
        "description": "Scores comments for attributes such as toxicity.",
        "protocol": "rest",
        "rootUrl": root,
        "baseUrl": root,
        "servicePath": "",
        "basePath": "",
        "batchPath": "batch",
        "ownerDomain": "google.com",
        "ownerName": "Google",
        "icons": {},
        "auth": {"oauth2": {"scopes": {SCOPE: {"description": "See your email address"}}}},
        "parameters": {
            name: {"type": "string", "location": "query", "description": description} | more
            for name, (description, more) in PARAMETERS.items()
        },
        "schemas": _schemas(),
        "resources": {
            "comments": {
                "methods": {
                    "analyze": _method("analyze", "AnalyzeComment", "Scores a comment."),
                    "suggestscore": _method("suggestscore", "SuggestCommentScore", "Suggests scores for a comment."),
                }
            }
        },
    }


def _method(name: str, message: str, description: str) -> dict[str, Any]:
    return {
        "id": f"commentanalyzer.comments.{name}",
        "path": f"v1alpha1/comments:{name}",
        "flatPath": f"v1alpha1/comments:{name}",
        "httpMethod": "POST",
        "parameters": {},
        "parameterOrder": [],
        "request": {"$ref": f"{message}Request"},
        "response": {"$ref": f"{message}Response"},
        "scopes": [SCOPE],
        "description": description,
    }


@cache
def _schemas() -> dict[str, Any]:
    """The messages as discovery schemas: JSON Schema, with ids and with references that are bare names."""
    found: dict[str, Any] = {}
    for message in MESSAGES:
        schema = message.model_json_schema(by_alias=True, ref_template="{model}")
        found |= schema.pop("$defs", {})
        found[message.__name__] = schema
    return {name: {"id": name} | _plain(schema) for name, schema in sorted(found.items())}


def _plain(schema: Any) -> Any:
    """Without what discovery does not know: unions with null, titles, defaults, bounds."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if options := schema.get("anyOf"):
        schema = {**schema, **next(option for option in options if option.get("type") != "null")}
    kept = ("type", "description", "properties", "items", "additionalProperties", "$ref")
    plain = {key: schema[key] for key in kept if key in schema and not isinstance(schema[key], bool)}
    if "properties" in plain:
        plain["properties"] = {name: _plain(value) for name, value in plain["properties"].items()}
    return {key: _plain(value) if key in ("items", "additionalProperties") else value for key, value in plain.items()}
