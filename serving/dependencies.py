"""What routes ask for, by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from serving.champions import Champions, Serving
from serving.observing import Metrics
from serving.settings import Settings
from serving.store.weeks import Store


def _settings(request: Request) -> Settings:
    return request.app.state.settings  # type: ignore[no-any-return]


def _champions(request: Request) -> Champions:
    return request.app.state.champions  # type: ignore[no-any-return]


def _serving(request: Request) -> Serving:
    return _champions(request).get()


def _store(request: Request) -> Store:
    return request.app.state.store  # type: ignore[no-any-return]


def _metrics(request: Request) -> Metrics:
    return request.app.state.metrics  # type: ignore[no-any-return]


def _session(request: Request) -> Iterator[Session]:
    with _store(request).session() as session:
        yield session


SettingsDep = Annotated[Settings, Depends(_settings)]
ChampionsDep = Annotated[Champions, Depends(_champions)]
ServingDep = Annotated[Serving, Depends(_serving)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
StoreDep = Annotated[Store, Depends(_store)]
SessionDep = Annotated[Session, Depends(_session)]
