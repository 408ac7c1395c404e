"""docs/score-runs.md: every command and unit that it shows is run or checked, from the first to the last."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import psutil
import pytest

from riskmodel.cli.store import open_store
from riskmodel.workspace import Workspace
from serving.store.runs import read_runs
from tests.serving.conftest import Place
from tests.serving.runs.test_uploads import trimmed

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "score-runs.md").read_text(encoding="utf-8")
BLOCKS = {
    heading.strip() or kind: content
    for kind, heading, content in re.findall(r"^```(\w+)( [^\n]*)?\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
}
pytestmark = pytest.mark.slow


@pytest.fixture
def folder(place: Place, tmp_path: Path) -> Path:
    """Give a folder with `data`, a workspace that is configured as the page says, and `riskmodel` on the path."""
    shutil.copytree(place.workspace.champion, tmp_path / "workspace" / "champion")
    shutil.copytree(place.data, tmp_path / "data")
    (tmp_path / "workspace" / "service.toml").write_text(BLOCKS["toml"])
    command = tmp_path / "bin" / "riskmodel"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m riskmodel "$@"\n')
    command.chmod(0o755)
    for name in ("dataset.toml", "enrolments.parquet", "attendance.parquet", "results.parquet"):
        shutil.copy(place.data / name, tmp_path / name)
    told = trimmed((tmp_path / "dataset.toml").read_text())
    (tmp_path / "dataset.toml").write_text("\n[".join(part for part in told.split("\n[") if not part.startswith("tables.outcomes")))
    return tmp_path


def environment(folder: Path, **more: str) -> dict[str, str]:
    return os.environ | {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", **more}


def shell(folder: Path, text: str, **more: str) -> str:
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", text],
        cwd=folder,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def serving(folder: Path, **more: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve, and give the address once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "riskmodel", "serve", "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, env=environment(folder, **more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


def test_what_the_page_shows_of_the_api_works_as_it_stands(folder: Path) -> None:
    token = shell(folder, BLOCKS["token"]).split()[0]
    with serving(folder) as (address, process):
        more = {"SERVICE": address, "TOKEN": token}
        told = shell(folder, BLOCKS["begin"] + BLOCKS["wait"] + BLOCKS["results"], **more)
        state = json.loads(told)
        assert state["state"] == "done"
        assert state["students"]["done"] == state["students"]["total"] > 0
        assert len(json.loads((folder / "page.json").read_text())["results"]) == 100
        files = pd.read_csv(folder / "scores.csv", sep=";", decimal=","), pd.read_parquet(folder / "scores.parquet")
        assert list(files[0]["enrolment_id"]) == list(files[1]["enrolment_id"])
        again = shell(folder, BLOCKS["begin"] + BLOCKS["cancel"], **more)
        assert json.loads(again)["type"] == "/problems/run-ended"  # the same run
        (folder / "run.json").write_text(shell(folder, BLOCKS["upload"], **more))
        ended = shell(folder, "RUN=$(jq --raw-output .id run.json)\n" + BLOCKS["wait"], **more)
        assert json.loads(ended)["state"] == "done"
        [child] = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert psutil.wait_procs([child], timeout=30)[1] == []  # its worker ends with it, however it ended


def test_the_weekly_command_does_the_run_goes_on_with_it_and_finds_it_done(folder: Path) -> None:
    command = [sys.executable, "-m", "riskmodel", "run-scores", "first-years", "--date", "2026-11-02"]
    shell(folder, BLOCKS["token"])  # makes the store
    slow = {"RISKMODEL_SERVICE_RUN_CHUNK": "1", "RISKMODEL_SERVICE_RUN_LEASE_SECONDS": "1"}
    process = subprocess.Popen(command, cwd=folder, env=environment(folder, **slow), stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 60
    while done_of(folder) == 0:
        assert time.monotonic() < limit
        time.sleep(0.1)
    process.kill()
    process.wait()
    before = done_of(folder)
    told = shell(folder, BLOCKS["schedule"], RISKMODEL_SERVICE_RUN_LEASE_SECONDS="1")
    assert "looked at on 2026-11-02, begun before" in told
    assert 0 < before < done_of(folder)
    assert shell(folder, BLOCKS["schedule"]) == told
    # What failed is begun anew once it is mended, also on the same day.
    enrolments = folder / "data" / "enrolments.parquet"
    whole = enrolments.read_bytes()
    again = [sys.executable, "-m", "riskmodel", "run-scores", "first-years", "--date", "2026-11-09"]
    enrolments.write_bytes(whole[:100])
    failed = subprocess.run(again, cwd=folder, env=environment(folder), capture_output=True, text=True)
    assert (failed.returncode, "begins a new run" in failed.stderr) == (3, True), failed.stderr
    enrolments.write_bytes(whole)
    assert "looked at on 2026-11-09." in shell(folder, "riskmodel run-scores first-years --date 2026-11-09")
    assert "looked at on 2026-11-09, begun before." in shell(folder, "riskmodel run-scores first-years --date 2026-11-09")
    wrong = subprocess.run(
        [sys.executable, "-m", "riskmodel", "run-scores", "second-years"],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
    )
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "first-years" in wrong.stderr


def done_of(folder: Path) -> int:
    with open_store(Workspace(folder / "workspace")) as store, store.session() as session:
        found = read_runs(session, most=2)
        assert len(found) < 2
        return found[0].done if found else 0


def test_a_worker_of_its_own_takes_runs_where_the_service_starts_none(folder: Path) -> None:
    token = shell(folder, BLOCKS["token"]).split()[0]
    with serving(folder, RISKMODEL_SERVICE_RUN_WORKERS="0") as (address, service):
        more = {"SERVICE": address, "TOKEN": token}
        shell(folder, BLOCKS["begin"], **more)
        assert psutil.Process(service.pid).children() == []
        worker = subprocess.Popen(BLOCKS["worker"].split(), cwd=folder, env=environment(folder), stderr=subprocess.DEVNULL)
        try:
            told = shell(folder, "RUN=$(jq --raw-output .id run.json)\n" + BLOCKS["wait"], **more)
            assert json.loads(told)["state"] == "done"
        finally:
            worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0


def test_the_units_are_what_systemd_takes(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("there is no systemd here")
    units = [name for name in BLOCKS if name.endswith((".service", ".timer"))]
    assert len(units) == 3
    for name in units:
        # The paths and the user are the reader's; that they are not here is no fault of the unit.
        text = BLOCKS[name].replace("/srv/riskmodel/.venv/bin/riskmodel", "/bin/true").replace("User=riskmodel\n", "")
        (tmp_path / name).write_text(text)
    done = subprocess.run([verify, "verify", *(str(tmp_path / name) for name in units)], capture_output=True, text=True)
    told = [line for line in done.stderr.splitlines() if "riskmodel-" in line]
    assert told == [], told
    calendar = re.findall(r"OnCalendar=(.*)", PAGE)
    assert calendar
    assert subprocess.run([verify, "calendar", *calendar], capture_output=True).returncode == 0
