"""Whether the service is alive, and whether it can answer."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from riskmodel.errors import ModelFault
from serving.access.guard import open_to_all
from serving.dependencies import ChampionsDep, SessionDep

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """Alive."""

    status: str


class Readiness(BaseModel):
    """What is ready and what is not, each with the reason."""

    ready: bool
    models: dict[str, str]
    problems: list[str]


@router.get("/healthz", dependencies=[Depends(open_to_all)], summary="Is the process alive?")
async def healthz() -> Health:
    """Answer at once, without looking at models or the store: whoever gets no answer may start the process anew."""
    return Health(status="alive")


@router.get(
    "/readyz",
    dependencies=[Depends(open_to_all)],
    summary="Can it score, and is the newest champion in use?",
    responses={503: {"model": Readiness}},
)
def readyz(response: Response, champions: ChampionsDep, session: SessionDep) -> Readiness:
    """Say 503 with the reasons where no model can score or the store is away; a broken new champion is named while the old one serves."""
    problems, versions, able = [], {}, True
    try:
        versions = champions.get().versions
        if champions.problem:
            problems.append(f"the newest champion can't be used, the one before serves: {champions.problem}")
    except ModelFault as error:
        able = False
        problems.append(error.message)
    try:
        session.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        able = False
        problems.append(f"the store can't be reached ({type(error).__name__})")
    response.status_code = 200 if able else 503
    return Readiness(ready=able, models=versions, problems=problems)
