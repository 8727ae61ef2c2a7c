"""`/v1/decisions/{id}/statement`: why a comment was removed, for its author and for the DSA's database."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from sqlalchemy.orm import Session

from serving import service
from serving.moderation import decisions, statements
from serving.moderation.records import Record
from serving.moderation.routes.calls import FAILURES, admit, reading

router = APIRouter(tags=["statements"])
READABLE: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}, "text/html": {"schema": {"type": "string"}}}
ANSWERS: dict[int | str, dict[str, Any]] = {200: {"model": Record, "content": READABLE}}


@router.get("/v1/decisions/{id}/statement", response_class=Response, responses=FAILURES | ANSWERS)
async def get(
    id: str,
    request: Request,
    format: Annotated[
        Literal["json", "text", "html"], Query(description="json: for the DSA's database; text, html: for the author")
    ] = "json",
) -> Response:
    """The statement of reasons of a removal; the key needs the scope comments or moderate."""
    here = service.of(request)
    await admit(here, request, "comments", "moderate")

    def work(session: Session) -> Response:
        statement = statements.of(session, decisions.find(session, id))
        if format == "json":
            return JSONResponse(statement.record.json_ready())
        if format == "text":
            return PlainTextResponse(statements.text(statement))
        return HTMLResponse(statements.html(statement))

    return await reading(here, work)
