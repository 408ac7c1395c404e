"""MLproject: the entry points that MLflow runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from institution import Shop

from riskmodel.cli.main import app
from riskmodel.workspace import Workspace
from training.tracking import CHALLENGER, load_registered, open_tracking

ROOT = Path(__file__).resolve().parents[2]


def test_the_entry_points_are_the_steps_that_a_data_team_runs() -> None:
    project = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))
    assert list(project["entry_points"]) == ["synth", "train", "evaluate", "promote", "score"]
    commands = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    for name, entry in project["entry_points"].items():
        words = entry["command"].split()
        assert name in words
        assert name in commands | {"synth"}
        for parameter in entry["parameters"]:
            assert f"{{{parameter}}}" in entry["command"]


@pytest.mark.slow
def test_mlflow_runs_the_training_step_with_another_python_first_on_the_path(trained: Shop, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    command = [sys.executable, "-m", "mlflow", "run", str(ROOT), "-e", "train", "--env-manager", "local"]
    command += ["-P", f"folder={trained.folder}", "-P", f"workspace={workspace.folder}", "-P", "family=logistic"]
    environment = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": f"sqlite:///{(tmp_path / 'runs.db').as_posix()}",
    }
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    model = load_registered(open_tracking(workspace), "leave", CHALLENGER)
    assert model is not None
    assert model.recipe.family == "logistic"
