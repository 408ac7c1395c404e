"""What routes ask for, by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from serving.champions import Champions, Serving
from serving.settings import Settings


def _settings(request: Request) -> Settings:
    return request.app.state.settings  # type: ignore[no-any-return]


def _champions(request: Request) -> Champions:
    return request.app.state.champions  # type: ignore[no-any-return]


def _serving(request: Request) -> Serving:
    return _champions(request).get()


def _session(request: Request) -> Iterator[Session]:
    with Session(request.app.state.engine) as session:
        yield session


SettingsDep = Annotated[Settings, Depends(_settings)]
ChampionsDep = Annotated[Champions, Depends(_champions)]
ServingDep = Annotated[Serving, Depends(_serving)]
SessionDep = Annotated[Session, Depends(_session)]
