"""The workspace that MLflow keeps its registry in."""

from __future__ import annotations

import os
from pathlib import Path

import mlflow
import pytest

from riskmodel.errors import ModelFault, RiskModelError
from riskmodel.workspace import Workspace
from training.tracking import open_tracking


def test_a_file_that_is_no_registry_is_told_with_its_place(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.registry.write_text("this is no database, but it is long enough to be looked at as one" * 20, encoding="utf-8")
    with pytest.raises(ModelFault, match=r"mlflow\.db: this file is no registry of MLflow, or it is damaged\. Put it back"):
        open_tracking(workspace)


def test_a_file_where_the_workspace_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "workspace").write_text("in the way", encoding="utf-8")
    with pytest.raises(RiskModelError, match="workspace"):
        open_tracking(Workspace(tmp_path / "workspace"), make=True)


def test_a_workspace_where_nothing_was_trained_is_not_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(ModelFault, match="nothing was trained in this workspace yet"):
        open_tracking(Workspace(tmp_path / "workspace"))
    assert not (tmp_path / "workspace").exists()


def test_the_run_that_mlflow_run_keeps_is_left_alone(workspace_at: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    open_tracking(workspace_at(tmp_path))  # type: ignore[operator]
    assert "MLFLOW_RUN_ID" not in os.environ


def test_nothing_is_reported_to_mlflow_s_makers() -> None:
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert mlflow.telemetry.get_telemetry_client() is None
