"""`/v1/transparency`: the numbers of a transparency report."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from serving import service
from serving.moderation import sites, transparency
from serving.moderation.problems import invalid
from serving.moderation.routes.calls import FAILURES, reading
from serving.moderation.transparency import Counts

router = APIRouter(tags=["statements"])
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": Counts, "content": {"text/csv": {"schema": {"type": "string"}}}}
}


@router.get("/v1/transparency", response_class=Response, responses=FAILURES | ANSWERS)
async def counts(
    request: Request,
    site: Annotated[str, Query(max_length=64)],
    first: Annotated[date, Query(alias="from", description="first day, in UTC")],
    last: Annotated[date, Query(alias="to", description="last day, included")],
    format: Literal["json", "csv"] = "json",
) -> Response:
    """What was reported, decided and appealed from one day to another; the key needs the scope moderate."""
    here = service.of(request)
    await here.admit(request, "moderate")

    def work(session: Session) -> Response:
        sites.find(session, site)
        if first > last:
            raise invalid("to", "expected a day that is not before `from`")
        found = transparency.counts(session, site, first, last)
        if format == "csv":
            return Response(transparency.table(found), media_type="text/csv")
        return JSONResponse(found.model_dump(mode="json"))

    return await reading(here, work)
