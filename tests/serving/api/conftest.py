"""The service on each database, for tests of routes that touch the store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from serving.store.backup import back_up, restore
from serving.store.schema import connect, migrate
from serving.store.weeks import now
from tests.serving.conftest import Place, entered
from tests.serving.store.conftest import DATABASES, postgres

__all__ = ["client", "postgres", "url"]


@pytest.fixture(scope="module", params=DATABASES)
def url(request: pytest.FixtureRequest, place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a database with the place's lists in it, for one module's tests."""
    folder: Path = tmp_path_factory.mktemp("both")
    name = f"t{uuid.uuid4().hex}"
    admin = None
    if request.param == "sqlite":
        address = f"sqlite:///{(folder / 'store.db').as_posix()}"
    else:
        server = make_url(request.getfixturevalue("postgres")).set(drivername="postgresql+psycopg")
        admin = create_engine(server, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        address = server.set(database=name).render_as_string(hide_password=False)
    there = place.store()
    back_up(there.engine, folder / "backup.zip", now())
    there.engine.dispose()
    engine = connect(address)
    migrate(engine, place.keys)
    restore(engine, folder / "backup.zip")
    engine.dispose()
    yield address
    if admin is not None:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture
def client(place: Place, url: str) -> Iterator[TestClient]:
    """Give a client of a service on that database, in which somebody is logged in who may see everything."""
    with entered(place.settings(store_url=url)) as client:
        yield client
