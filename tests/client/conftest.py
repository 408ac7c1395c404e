"""The real service on a port of its own, in this process, for a client that knows nothing of it but its address."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session

from serving.access.scopes import MACHINES
from serving.access.tokens import make_token
from serving.app import create_app
from serving.settings import Settings
from serving.store.weeks import Store, now
from tests.serving.conftest import Place, make_place
from tests.serving.listening import listening


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def served(settings: Settings) -> Iterator[tuple[str, FastAPI]]:
    """Give the address of a running service, and the service."""
    app = create_app(settings)
    with listening(app) as address:
        yield address, app


def token_of(store: Store, name: str, *scopes: str) -> str:
    """Make a token, by default one that may all that a machine may."""
    with Session(store.engine) as session, session.begin():
        return make_token(session, name, scopes or sorted(map(str, MACHINES)), 1, at=now(), by="test").text


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="session")
def service(place: Place) -> Iterator[tuple[str, FastAPI]]:
    with served(place.settings()) as running:
        yield running


@pytest.fixture(scope="session")
def token(service: tuple[str, FastAPI]) -> str:
    return token_of(service[1].state.store, "client-tests")
