"""What routes ask for, by name; what needs no waiting is given at once, since handing it to a thread costs ten times as much as itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from serving.access.wall import stand_around
from serving.champions import Champions, Serving
from serving.observing import Metrics
from serving.settings import Settings
from serving.store.weeks import Store


async def _settings(request: Request) -> Settings:
    return request.app.state.settings  # type: ignore[no-any-return]


async def _champions(request: Request) -> Champions:
    return request.app.state.champions  # type: ignore[no-any-return]


async def serving_now(request: Request) -> Serving:
    """Give the models that serve now; only where a new champion may have to be read is that left to a thread."""
    champions: Champions = request.app.state.champions
    return await run_in_threadpool(champions.get) if champions.due else champions.get()


async def _store(request: Request) -> Store:
    return request.app.state.store  # type: ignore[no-any-return]


async def _metrics(request: Request) -> Metrics:
    return request.app.state.metrics  # type: ignore[no-any-return]


def _session(request: Request) -> Iterator[Session]:
    with request.app.state.store.session() as session:
        stand_around(session, request)
        yield session


async def _today(request: Request) -> dt.date:
    return request.app.state.today()  # type: ignore[no-any-return]


TodayDep = Annotated[dt.date, Depends(_today)]
SettingsDep = Annotated[Settings, Depends(_settings)]
ChampionsDep = Annotated[Champions, Depends(_champions)]
ServingDep = Annotated[Serving, Depends(serving_now)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
StoreDep = Annotated[Store, Depends(_store)]
SessionDep = Annotated[Session, Depends(_session)]
