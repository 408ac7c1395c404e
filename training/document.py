"""Document: gather what registry, run and audit know of a model, for its papers."""

from __future__ import annotations

import ast
import datetime as dt
import json
from pathlib import Path
from typing import Any

from riskmodel.documents import RunFacts
from riskmodel.errors import ModelFault
from riskmodel.model import RiskModel
from riskmodel.workspace import Workspace
from training.tracking import CHALLENGER, CHAMPION, load_registered, nothing_trained, open_tracking, registered_name, registered_version


def gather(workspace: Workspace, target: str, alias: str) -> tuple[RiskModel, RunFacts]:
    """Give a registered model with what is known of its making.

    Parameters
    ----------
    workspace : Workspace
    target : str
        'dropout' or 'leave'.
    alias : str
        'champion' or 'challenger'.

    Raises
    ------
    ModelFault
        There is no such model, or its files are damaged.
    """
    mlflow = open_tracking(workspace)
    version, model = registered_version(mlflow, target, alias), load_registered(mlflow, target, alias)
    if version is None or model is None:
        if registered_version(mlflow, target, CHALLENGER) is None:
            raise nothing_trained(workspace, target)
        raise ModelFault(
            f"{registered_name(target)} has no {alias}.",
            place=str(workspace.folder),
            remedy=f"Run 'riskmodel promote', or document {registered_name(target)}@{CHALLENGER if alias == CHAMPION else CHAMPION}.",
        )
    run = mlflow.get_run(version.run_id)
    trained = run
    if "challenger_run" in run.data.tags:
        trained = mlflow.get_run(run.data.tags["challenger_run"])
    return model, RunFacts(
        name=registered_name(target),
        alias=alias,
        run_id=version.run_id,
        fitted_on=dt.datetime.fromtimestamp(run.info.start_time / 1000, tz=dt.UTC).date().isoformat(),
        fitted_by=run.data.tags.get("mlflow.user", ""),
        gates=_gates(mlflow, run),
        landmark=_first_landmark(trained.data.params.get("policy.promote_at", "")),
        fairness=audit_of(workspace, target, model.version),
    )


def _gates(mlflow: Any, run: Any) -> str:
    from mlflow.exceptions import MlflowException

    names = {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    if "gates.txt" not in names:
        return ""
    try:
        return str(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/gates.txt"))
    except MlflowException:
        return ""


def _first_landmark(told: str) -> int | None:
    """Read the first day of a policy's `promote_at` as a run keeps it, e.g. '[56, 84]'."""
    try:
        days = ast.literal_eval(told)
    except (ValueError, SyntaxError):
        return None
    return int(days[0]) if isinstance(days, list | tuple) and days else None


def audit_of(workspace: Workspace, target: str, version: str) -> dict[str, Any] | None:
    """Give the audit's aggregates of this very version, or None."""
    path = Path(workspace.folder) / "fairness" / f"{target}-{version}.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelFault(
            f"the audit's aggregates can't be read ({error}).", place=str(path), remedy="Run 'riskmodel fairness' again."
        ) from None
    return told if isinstance(told, dict) else None
