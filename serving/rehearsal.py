"""The commands of an operator who connects Coral: check the file of sites, and rehearse what Coral will do."""

from __future__ import annotations

import json
import time
from http.client import HTTPException
from pathlib import Path
from typing import Annotated
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import typer
from pydantic import ValidationError

from serving import settings
from serving.admin import service_at
from serving.mendable import one_line_errors
from serving.policy.words import in_words
from serving.sites import DEFAULT, Site, Sites, SitesError

coral = typer.Typer(no_args_is_help=True, help="Check the file of Coral sites, and send a comment as Coral does.")

_File = Annotated[Path | None, typer.Option("--file", help="File of sites; that of EVENHAND_CORAL if left out.")]


@coral.command("check")
def check(file: _File = None) -> None:
    """Read the file of sites as the service does, and show what stands in force; secrets are only counted."""
    with one_line_errors():
        sites = _sites(file)
        for site in [*sites.listed.values(), *([sites.default] if sites.default else [])]:
            secrets = "1 secret" if len(site.secrets) == 1 else f"{len(site.secrets)} secrets"
            typer.echo(f"{site.id}: {secrets}, {site.format}, answers within {site.deadline * 1000:.0f} ms")
            for number, rule in enumerate(site.rules, start=1):
                typer.echo(f"  {number}. {in_words(rule)}")


@coral.command("try")
def rehearse(
    text: Annotated[str, typer.Argument(help="The comment.")] = "You absolute clown, resign.",
    site: Annotated[str, typer.Option(help="The site's id in Coral.")] = DEFAULT,
    url: Annotated[str | None, typer.Option(help="Address of the service; from the settings if left out.")] = None,
    file: _File = None,
) -> None:
    """Send a signed comment to a running service as Coral would; show the answer, and whether Coral would take it."""
    from serving.dialects.coral.schemas import ModerationAnswer
    from serving.dialects.coral.signature import HEADER, sign

    with one_line_errors():
        known = _sites(file).find(site)
        if known is None:
            raise SitesError(f"the file has no site {site!r} and no [default] with secrets")
        base = service_at(url)
        body = request_of(text, known).encode()
        headers = {"Content-Type": "application/json", HEADER: sign(body, known.secrets)}
        began = time.perf_counter()
        late = f"no answer in {known.timeout_ms} ms"
        try:
            request = Request(f"{base}/coral/moderate", body, headers)
            with build_opener(_Stay).open(request, timeout=known.timeout_ms / 1000) as answer:
                status, content = answer.status, answer.read()
        except HTTPError as error:
            with error:
                said = error.read(2000).decode("utf-8", "replace")
            raise ValueError(f"{base}: {error.code}, so that Coral would ignore it and go on: {said}") from None
        except OSError as error:
            why = getattr(error, "reason", None) or (late if isinstance(error, TimeoutError) else error)
            raise ValueError(f"{base}: {why}; Coral would go on without an answer") from None
        except HTTPException as error:
            raise ValueError(f"{base}: not an evenhand service ({type(error).__name__})") from None
        took = (time.perf_counter() - began) * 1000
        if took > known.timeout_ms:  # the time-out is for each piece of an answer
            raise ValueError(f"{base}: {late}, but in {took:.0f}; Coral would go on without an answer")
        if not content:
            typer.echo(f"{status} in {took:.0f} ms: no opinion, Coral goes on")
            return
        try:
            found = ModerationAnswer.model_validate_json(content)
        except ValidationError:
            raise ValueError(f"{base}: the answer is not one that Coral takes; is this evenhand?") from None
        typer.echo(f"{status} in {took:.0f} ms: Coral takes this")
        typer.echo(json.dumps(json.loads(found.wire()), indent=2))


class _Stay(HTTPRedirectHandler):
    """Follows no redirect, as Coral does not."""

    def redirect_request(self, *given: object) -> None:
        """Called by urllib: there is no other request to make."""


def request_of(text: str, site: Site) -> str:
    """The body that Coral sends for a new comment. A text for a site that takes HTML is escaped, as Coral does."""
    from html import escape

    content = {
        "action": "NEW",
        "comment": {"body": escape(text, quote=False) if site.format == "HTML" else text, "parentID": None},
        "author": {"id": "rehearsal", "role": "COMMENTER"},
        "story": {"id": "rehearsal", "url": "https://news.example/rehearsal"},
        "site": {"id": site.id},
        "tenantID": "rehearsal",
        "tenantDomain": "news.example",
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _sites(file: Path | None) -> Sites:
    found = settings.read()
    path = file or found.coral
    if path is None:
        raise SitesError("no file of sites: set EVENHAND_CORAL, or give --file")
    return Sites.load(path, strict=found.mode == "keys")
