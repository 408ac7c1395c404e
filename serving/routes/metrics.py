"""`GET /metrics`: counts and states for a monitor, in Prometheus' text format."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import SQLAlchemyError

from riskmodel.errors import ModelFault
from serving.access.guard import Allow
from serving.access.scopes import Scope
from serving.dependencies import ChampionsDep, StoreDep
from serving.problems import NOT_LET_IN
from serving.store.runs import count_runs
from serving.store.weeks import latest_week

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    summary="Counts and states for a monitor",
    response_class=Response,
    dependencies=[Depends(Allow(Scope.METRICS_READ))],
    responses={**NOT_LET_IN, 200: {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(request: Request, champions: ChampionsDep, store: StoreDep) -> Response:
    """Give requests, latencies, the distribution of scores, which champion serves and how old the newest list is, and how runs stand; nothing of anybody."""
    try:
        versions = champions.get().versions
    except ModelFault:
        versions = {}
    newest: dt.date | None = None
    runs: Mapping[str, int] = {}
    try:
        with store.session() as session:
            week = latest_week(session)
            newest = None if week is None else week.on
            runs = count_runs(session)
    except SQLAlchemyError:  # /readyz says that the store is away; counts are to be had all the same
        newest = None
    text = request.app.state.metrics.text(versions, newest, runs, dt.datetime.now(dt.UTC).date())
    return Response(text, media_type=CONTENT_TYPE_LATEST)
