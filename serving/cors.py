"""Lets pages of other origins call those dialects that browsers call directly, and no other path."""

from __future__ import annotations

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from serving import dialects


class BrowserCalls:
    """Cross-origin requests for the dialects marked `browsers`. Credentials are never allowed: keys are explicit."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.shared = CORSMiddleware(
            app,
            allow_origins=["*"],
            allow_methods=["GET", "POST", "OPTIONS"],
            allow_headers=["*"],
            allow_private_network=True,  # a moderation service stands on the publisher's own network
            expose_headers=["Retry-After", "X-Request-ID", "X-RateLimit-Limit", "X-RateLimit-Remaining"],
            max_age=86400,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        browsers = scope["type"] == "http" and dialects.of(scope["path"]).browsers
        await (self.shared if browsers else self.app)(scope, receive, send)
