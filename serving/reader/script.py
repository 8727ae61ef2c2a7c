"""`GET /report.js`: the script that a publisher's pages embed. docs/readers-side.md."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response

SCRIPT = Path(__file__).parent / "static" / "report.js"
FRESH_SECONDS = 3600  # how long a browser shows a reader the script that it has; then it asks whether that still is it

router = APIRouter(tags=["reader"])


@cache
def _script() -> tuple[bytes, bytes, str]:
    """The script, the same packed, and its tag."""
    plain = SCRIPT.read_bytes()
    return plain, gzip.compress(plain, mtime=0), f'"{hashlib.sha256(plain).hexdigest()[:16]}"'


@router.get(
    "/report.js",
    response_class=Response,
    responses={200: {"content": {"text/javascript": {"schema": {"type": "string"}}}}, 304: {"description": "the same"}},
)
async def report_js(request: Request) -> Response:
    """The script that puts "Unsuitable or offensive? Report this comment" under comments."""
    plain, packed, tag = _script()
    headers = {
        "ETag": tag,
        "Cache-Control": f"public, max-age={FRESH_SECONDS}",
        "Vary": "Accept-Encoding",
        # Pages of any origin may embed it, those that check its integrity or isolate themselves too.
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if tag in (known.strip().removeprefix("W/") for known in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, headers=headers | {"Content-Encoding": "gzip"}, media_type="text/javascript")
    return Response(plain, headers=headers, media_type="text/javascript")
