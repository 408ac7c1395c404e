"""Runs over cohorts and rights of students by the client, against the real service with a store of its own, and a real worker."""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from fastapi import FastAPI

import riskmodel_client
from riskmodel.handed_out import PURPOSES
from riskmodel_client import Client, ProblemError
from serving.store.schema import connect, migrate
from serving.working import Worker
from tests.client.conftest import served, token_of
from tests.client.test_client import raw
from tests.serving.conftest import Place
from tests.serving.runs.test_uploads import NEEDED

ON = dt.date(2026, 11, 2)
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "integrating.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```python ([\w-]+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def running(place: Place, tmp_path: Path) -> Iterator[tuple[str, FastAPI]]:
    url = f"sqlite:///{(tmp_path / 'store.db').as_posix()}"
    engine = connect(url)
    migrate(engine, place.keys)
    engine.dispose()
    more = {"run_folders": {"first-years": place.data}, "accept_uploads": True, "uploads_folder": tmp_path / "uploads"}
    with served(place.settings(store_url=url, **more)) as service:
        yield service


@pytest.fixture
def client(running: tuple[str, FastAPI]) -> Iterator[Client]:
    """Give a client that lets a worker do what there is to do whenever it waits."""
    address, app = running
    worker = Worker(app.state.settings, app.state.store)
    with Client(address, token_of(app.state.store, "client-runs"), language="en", sleep=lambda _: worker.do_one() and None) as client:
        yield client


@contextmanager
def working(app: FastAPI) -> Iterator[None]:
    worker = Worker(app.state.settings, app.state.store)
    thread = threading.Thread(target=worker.work)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join()


@pytest.mark.slow
def test_a_cohort_is_scored_once_per_key_and_its_results_are_typed(client: Client, tmp_path: Path) -> None:
    begun = client.begin_run("first-years", ON, key="week-45")
    assert client.begin_run("first-years", ON, key="week-45").id == begun.id
    with pytest.raises(ProblemError, match="idempotency-key-reused"):
        client.begin_run("first-years", ON - dt.timedelta(days=7), key="week-45")
    assert client.begin_run("first-years", ON).id != begun.id
    with pytest.raises(ProblemError, match="run-not-done"):
        client.run_file(begun.id, tmp_path / "scores.csv")
    assert list(tmp_path.glob("*scores.csv*")) == []
    ended = client.wait_for_run(begun.id, every=0)
    assert (ended.state, ended.students.done) == ("done", ended.students.total)
    results = list(client.run_results(begun.id))
    assert len(results) == ended.students.done
    scored = [each for each in results if each.scores]
    assert all(score.reasons and 0 <= score.probability <= 1 for each in scored for score in each.scores.values())
    client.run_file(begun.id, tmp_path / "scores.parquet", format="parquet", purpose="check")
    table = pd.read_parquet(tmp_path / "scores.parquet")
    assert set(table["enrolment_id"]) == {each.enrolment_id for each in scored}
    assert set(table["purpose"]) == {PURPOSES["check"]}
    assert [run.id for run in client.runs()][-1] == begun.id
    with pytest.raises(ProblemError, match="run-ended"):
        client.cancel_run(begun.id)


@pytest.mark.slow
def test_tables_are_sent_along_and_a_run_that_waits_can_be_stopped_or_given_up_on(client: Client, place: Place) -> None:
    stopped = client.begin_run("first-years", ON)
    with pytest.raises(TimeoutError, match="waiting"):
        client.wait_for_run(stopped.id, longest=-1)
    assert client.cancel_run(stopped.id).state == client.cancel_run(stopped.id).state == "cancelled"
    files = [place.data / name for name in NEEDED if name not in ("dataset.toml", "outcomes.parquet")]
    sent = client.upload_run(files, ON, key="sent")
    assert client.upload_run(files, ON, key="sent").id == sent.id
    ended = client.wait_for_run(sent.id, every=0)
    assert (ended.state, ended.folder) == ("done", None)
    with pytest.raises(ProblemError, match="upload-refused"):
        client.upload_run(files[:1], ON)


def test_what_a_student_asks_for_by_right_is_done_and_told_in_words(client: Client) -> None:
    [result] = client.score([raw(1)], on=ON, keep=True)
    assert result.kept
    held = client.data_of("s-client-1")
    assert any(section.rows for section in held.held)
    assert client.seen_by("s-client-1").events
    objection = client.object_for("s-client-1")
    assert (objection.objected, objection.known) == (True, True)
    assert client.score([raw(1)], on=ON)[0].scores == {}
    assert not client.withdraw_objection("s-client-1").objected
    assert not client.object_for("s-client-unknown").known
    erased = client.erase("s-client-1")
    assert (erased.scores, erased.name_and_enrolments) == (2, True)
    assert erased.kept
    assert client.erase("s-client-1").erased_at == erased.erased_at
    with pytest.raises(ProblemError, match="not-found"):
        list(client.history("s-client-1"))


@pytest.mark.slow
def test_what_the_guide_shows_of_runs_and_rights_works_as_it_stands(running: tuple[str, FastAPI], tmp_path: Path) -> None:
    address, app = running
    sources = str(Path(riskmodel_client.__file__).parents[1])
    more = {"RISKMODEL_ADDRESS": address, "RISKMODEL_TOKEN": token_of(app.state.store, "guide"), "PYTHONPATH": sources, "PYTHONUTF8": "1"}
    told = {}
    assert set(BLOCKS) == {"whole-cohort", "rights"}
    with working(app):
        for name, block in BLOCKS.items():
            done = subprocess.run(
                [sys.executable, "-c", block],
                cwd=tmp_path,
                env={"PATH": os.environ["PATH"], **more},
                capture_output=True,
                text=True,
                encoding="utf-8",
            )
            assert done.returncode == 0, done.stderr
            told[name] = done.stdout
    assert re.match(r"done \d+\n", told["whole-cohort"])
    assert len(pd.read_parquet(tmp_path / "week-45.parquet")) > 100
    assert "times seen" in told["rights"]
