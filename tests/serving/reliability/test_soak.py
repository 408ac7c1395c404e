"""Thirty-two connections for a while, one student and many by turns: no error, memory that stays flat, and nobody who waits far longer than the rest."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from serving.settings import PREFIX
from tests.serving.conftest import Place
from tests.serving.reliability.conftest import token_of
from tests.serving.test_scores import request as raw_request

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
CONNECTIONS, MANY = 32, 50
FEATURES, ROWS, BATCH = 0, 1, 2
MOST_MORE, MOST_TAIL = 0.05, 10.0


def requests() -> list[dict[str, Any]]:
    ready = {"landmark": 56, "features": {"attendance_share": 0.5, "first_test_passed": 1}}
    one = {"students": [{"enrolment_id": "e", **ready}]}
    raw = raw_request()
    student = raw["students"][0]
    start = dt.date.fromisoformat(student["enrolment"]["start_date"])
    days = [start + dt.timedelta(days=day) for day in range(60)]
    student["attendance"] = [
        {"date": day.isoformat(), "scheduled": 1, "attended": day.day % 2} for day in days if day.isoformat() <= raw["on"]
    ]
    many = {"students": [{"enrolment_id": f"e{number}", **ready} for number in range(MANY)]}
    turns = [(FEATURES, one)] * 40 + [(ROWS, raw)] * 40 + [(BATCH, many)] * 4
    return [{"kind": kind, "path": "/v1/scores", "body": json.dumps(body)} for kind, body in turns[::3] + turns[1::3] + turns[2::3]]


def soak(place: Place, folder: Path, warm: float, seconds: float) -> dict[str, Any]:
    """Serve in a process of its own, warm up, load it from another process, and give what came back with the memory before and after."""
    settings = place.settings(store_url=f"sqlite:///{(folder / 'store.db').as_posix()}")
    token = token_of(settings)["Authorization"].removeprefix("Bearer ")
    port = 18_000 + os.getpid() % 10_000
    told = {f"{PREFIX}{name.upper()}": str(getattr(settings, name)) for name in ("champion_folder", "keys_file", "audit_heads")}
    told |= {
        f"{PREFIX}STORE_URL": settings.store_url.get_secret_value(),
        f"{PREFIX}SECURE_COOKIES": "false",
        f"{PREFIX}REQUESTS_A_MINUTE": "100000000",
    }
    command = [sys.executable, "-m", "riskmodel", "--workspace", str(place.workspace.folder), "serve", "--port", str(port)]
    file = folder / "requests"
    file.write_text("\n".join(json.dumps(each) for each in requests()), encoding="utf-8")

    def load(for_seconds: float) -> dict[str, Any]:
        call = [sys.executable, str(ROOT / "benchmarks" / "load.py"), str(file), "--port", str(port), "--token", token]
        call += ["--connections", str(CONNECTIONS), "--seconds", str(for_seconds)]
        found: dict[str, Any] = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
        return found

    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(command, env={**os.environ, **told}, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz")
                break
            except httpx.TransportError:
                assert time.monotonic() < until, (folder / "log").read_text()
                time.sleep(0.1)
        load(warm)
        memory = psutil.Process(service.pid).memory_info
        before = memory().rss
        found = load(seconds)
        return found | {"before_mb": before / 2**20, "after_mb": memory().rss / 2**20}
    finally:
        service.terminate()
        service.wait(30)


def hold(found: dict[str, Any]) -> None:
    assert found["errors"] == 0, found["first_error"]
    assert found["after_mb"] <= found["before_mb"] * (1 + MOST_MORE), found
    assert set(found["kinds"]) == {str(kind) for kind in (FEATURES, ROWS, BATCH)}
    for kind in found["kinds"].values():
        assert kind["p99"] < MOST_TAIL * kind["p50"], found


@pytest.mark.slow
def test_twenty_seconds_of_mixed_work_bring_no_error_and_no_growth(place: Place, tmp_path: Path) -> None:
    hold(soak(place, tmp_path, 8, 20))


@pytest.mark.endurance
@pytest.mark.timeout(900)
def test_five_minutes_of_mixed_work_bring_no_error_and_no_growth(place: Place, tmp_path: Path) -> None:
    found = soak(place, tmp_path, 30, 300)
    kinds = {name: found["kinds"][str(kind)] for name, kind in (("features", FEATURES), ("rows", ROWS), (f"{MANY} students", BATCH))}
    tails = ", ".join(f"{name}: p50 {kind['p50']:.0f} ms, p99 {kind['p99']:.0f} ms" for name, kind in kinds.items())
    memory = f"{found['before_mb']:.0f} MB after warming up, {found['after_mb']:.0f} MB in the end"
    print(f"\nendurance: {CONNECTIONS} connections, {found['requests']} requests, {found['errors']} errors; {memory}; {tails}")
    hold(found)
