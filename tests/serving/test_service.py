"""The service around the scores: health, models, headers, hosts, and what happens when a champion comes or breaks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from riskmodel.champion import POINTER
from riskmodel.cli.store import open_store
from riskmodel.workspace import Workspace
from serving import champions
from tests.serving.conftest import MONDAY, Place, entered


def test_without_a_champion_it_is_alive_but_not_ready(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with open_store(workspace):
        pass  # which makes it
    with entered(Place(tmp_path, workspace, MONDAY).settings()) as client:
        assert client.get("/healthz").json() == {"status": "alive"}
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert "no model was promoted yet" in ready.json()["problems"][0]
        answer = client.post("/v1/scores", json={"students": [{"enrolment_id": "x", "landmark": 56, "features": {}}]})
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert "Er is nog geen lijst" in client.get("/").text


def test_with_a_champion_it_is_ready_and_tells_what_serves(client: TestClient) -> None:
    assert client.get("/readyz").json() == {"ready": True, "models": {"dropout": "dropout-1", "leave": "leave-1"}, "problems": []}
    told = client.get("/v1/models/leave").json()
    assert told["landmarks"] == [28, 56]
    assert told["outcome"]["measured_on"]
    assert told["measured"]["56"]["roc_auc"] > 0.6


def test_a_new_champion_is_taken_up_and_a_broken_one_is_not(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    monkeypatch.setattr(champions, "LOOK_AGAIN_AFTER", 0.0)
    folder = tmp_path / "champion"
    shutil.copytree(place.workspace.champion, folder)
    with entered(place.settings(champion_folder=folder)) as client:
        assert client.get("/readyz").json()["models"]["leave"] == "leave-1"
        (folder / POINTER).write_text('{"leave": "leave-1"}', encoding="utf-8")
        os.utime(folder / POINTER, ns=(1, 1))
        assert client.get("/readyz").json()["models"] == {"leave": "leave-1"}
        (folder / POINTER).write_text('{"leave": "leave-9"}', encoding="utf-8")
        os.utime(folder / POINTER, ns=(2, 2))
        ready = client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["models"] == {"leave": "leave-1"}
        assert "the one before serves" in ready.json()["problems"][0]


@pytest.mark.parametrize("path", ["/", "/docs", "/v1/models", "/nowhere", "/static/style.css"])
def test_every_answer_carries_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/nowhere", 404), ("DELETE", "/v1/scores", 405), ("GET", "/v1/scores", 405)]
)
def test_errors_of_the_api_are_problems(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["type"].startswith("/problems/")
    assert ("allow" in answer.headers) == (status == 405)


def test_another_host_name_is_not_answered(client: TestClient) -> None:
    assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 400


def test_the_service_loads_nothing_large_that_it_has_no_use_for() -> None:
    code = "import sys, serving.app; print([name for name in ('mlflow', 'training', 'shap', 'sklearn', 'lightgbm', 'matplotlib', 'scipy.optimize', 'pyarrow.parquet') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
