"""The commands of an operator who connects Coral: check the file of sites, and rehearse what Coral will do."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import typer
from pydantic import ValidationError

from serving import settings
from serving.mendable import one_line_errors
from serving.policy.words import in_words
from serving.sites import DEFAULT, Site, Sites, SitesError

coral = typer.Typer(no_args_is_help=True, help="Check the file of Coral sites, and send a comment as Coral does.")

_File = Annotated[Path | None, typer.Option("--file", help="File of sites. [default: EVENHAND_CORAL]")]


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
        base = (url or settings.read().address).rstrip("/")
        body = request_of(text, known).encode()
        headers = {"Content-Type": "application/json", HEADER: sign(body, known.secrets)}
        began = time.perf_counter()
        try:
            with urlopen(Request(f"{base}/coral/moderate", body, headers), timeout=known.timeout_ms / 1000) as answer:
                status, content = answer.status, answer.read()
        except HTTPError as error:
            with error:
                said = error.read(2000).decode("utf-8", "replace")
            raise ValueError(f"{base}: {error.code}, so that Coral would ignore it and go on: {said}") from None
        except (URLError, TimeoutError) as error:
            why = getattr(error, "reason", None) or f"no answer in {known.timeout_ms} ms"
            raise ValueError(f"{base}: {why}; Coral would go on without an answer") from None
        took = (time.perf_counter() - began) * 1000
        if not content:
            typer.echo(f"{status} in {took:.0f} ms: no opinion, Coral goes on")
            return
        try:
            found = ModerationAnswer.model_validate_json(content)
        except ValidationError:
            raise ValueError(f"{base}: the answer is not one that Coral takes; is this evenhand?") from None
        typer.echo(f"{status} in {took:.0f} ms: Coral takes this")
        typer.echo(json.dumps(json.loads(found.wire()), indent=2))


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
