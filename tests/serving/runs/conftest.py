"""A service on an empty store of each database, with a champion and data, and real worker processes beside it."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from serving.access.tokens import make_token
from serving.app import create_app
from serving.settings import Settings
from serving.store.keys import make_keys, write_keys
from serving.store.runs import NewRun, begin_run, new_id
from serving.store.schema import connect, migrate
from serving.store.tables import Run
from serving.store.weeks import Store, now
from serving.working import Worker
from tests.serving.conftest import MONDAY, Place
from tests.serving.store.conftest import postgres, store_url

__all__ = ["postgres", "store_url"]
ALL = ("runs:make", "runs:read", "scores:read", "metrics:read")
ENDED = ("done", "failed", "cancelled")


@dataclass
class Service:
    """A service with an empty store, and what its workers need.

    Attributes
    ----------
    place : Place
        Data and champion.
    folder : Path
        Keys, uploads and the audit trail's codes.
    url : str
        The store's.
    client : TestClient
    """

    place: Place
    folder: Path
    url: str
    client: TestClient

    @property
    def settings(self) -> Settings:
        return self.client.app.state.settings  # type: ignore[attr-defined, no-any-return]

    @property
    def store(self) -> Store:
        return self.client.app.state.store  # type: ignore[attr-defined, no-any-return]

    def token(self, name: str, *scopes: str) -> dict[str, str]:
        """Give the header of a fresh token."""
        with Session(self.store.engine) as session, session.begin():
            return {"Authorization": f"Bearer {make_token(session, name, scopes, 30, at=now(), by='test').text}"}

    def post(self, key: str | None = None, **body: Any) -> Any:
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.client.post("/v1/score-runs", json={"folder": "first-years", "on": MONDAY.isoformat(), **body}, headers=headers)

    def begin(self, **body: Any) -> str:
        answer = self.post(**body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def told(self, run: str) -> dict[str, Any]:
        return self.client.get(f"/v1/score-runs/{run}").json()  # type: ignore[no-any-return]

    def results(self, run: str, limit: int = 200, **headers: str) -> list[dict[str, Any]]:
        """Follow the pages of a run that has ended to the end."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.client.get(f"/v1/score-runs/{run}/results", params={"limit": limit, **cursor}, headers=headers).json()
            found += page["results"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    def until(self, run: str, wanted: Callable[[dict[str, Any]], bool], seconds: float = 300) -> dict[str, Any]:
        """Wait until a run stands as wanted."""
        limit = time.monotonic() + seconds
        while not wanted(told := self.told(run)):
            assert time.monotonic() < limit, told
            time.sleep(0.02)
        return told

    def work(self) -> None:
        """Do every run that waits, in this process."""
        worker = Worker(self.settings, self.store)
        while worker.do_one():
            pass

    @contextmanager
    def thread(self, **changes: object) -> Iterator[Worker]:
        """Run a worker in a thread."""
        worker = Worker(self.settings.model_copy(update=changes), self.store)
        thread = threading.Thread(target=worker.work)
        thread.start()
        try:
            yield worker
        finally:
            worker.stop()
            thread.join()

    def environment(self, **changes: object) -> dict[str, str]:
        """Give the settings as a process of its own reads them."""
        told = {
            **self.settings.model_dump(
                include={"champion_folder", "keys_file", "audit_heads", "uploads_folder", "run_chunk", "run_attempts"}
            ),
            "store_url": self.url,
            "run_folders": json.dumps({name: str(path) for name, path in self.settings.run_folders.items()}),
            "run_lease_seconds": self.settings.run_lease_seconds,
            **changes,
        }
        return os.environ | {f"RISKMODEL_SERVICE_{name.upper()}": str(value) for name, value in told.items()}

    @contextmanager
    def worker(self, **changes: object) -> Iterator[BaseProcess]:
        """Run `riskmodel worker` in a process of its own; it is killed at the end if it is still there."""
        process = _SERVER.Process(target=_work, args=(self.environment(**changes), self.folder))
        process.start()
        try:
            yield process
        finally:
            process.kill()
            process.join()

    @contextmanager
    def command(self, **changes: object) -> Iterator[subprocess.Popen[bytes]]:
        """Run the same as a person at the keyboard does."""
        command = [sys.executable, "-m", "riskmodel", "--workspace", str(self.folder), "worker"]
        process = subprocess.Popen(command, env=self.environment(**changes), stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


# Forks processes that have imported already what a worker needs, so that a test can kill many.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["riskmodel.cli.runs", "serving.working", "serving.observing", "riskmodel.features", "duckdb", "pyarrow.parquet"]
)


def _work(environment: dict[str, str], folder: Path) -> None:
    from riskmodel.cli.main import run

    os.environ.clear()
    os.environ.update(environment)
    run(["--workspace", str(folder), "worker"])


HEAVY = pytest.mark.parametrize("store_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True)
"""Read and score data: on PostgreSQL among the long tests."""


@pytest.fixture
def service(place: Place, tmp_path: Path, store_url: str) -> Iterator[Service]:
    """Give a service whose caller may have cohorts scored and read what came of it."""
    keys = make_keys()
    write_keys(keys, tmp_path / "keys.json")
    engine = connect(store_url)
    migrate(engine, keys)
    engine.dispose()
    settings = place.settings(
        store_url=store_url,
        keys_file=tmp_path / "keys.json",
        audit_heads=tmp_path / "heads.jsonl",
        run_folders={"first-years": place.data},
        accept_uploads=True,
        uploads_folder=tmp_path / "uploads",
        run_chunk=20,
        run_lease_seconds=1.0,
        run_attempts=1000,
    )
    with TestClient(create_app(settings)) as client:
        found = Service(place, tmp_path, store_url, client)
        client.headers.update(found.token("runs", *ALL))
        yield found


def queue(service: Service) -> Run:
    """Put a run in line without asking the service, as the command does."""
    asked = NewRun(new_id(), "test", None, "", "first-years", MONDAY)
    with Session(service.store.engine, expire_on_commit=False) as session, session.begin():
        return begin_run(session, service.store.keys, asked, at=now(), most_waiting=100)[0]
