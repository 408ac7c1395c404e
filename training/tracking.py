"""MLflow as this product uses it: one SQLite file and a folder, quiet, and without a word to the outside."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

from riskmodel.errors import ModelFault
from riskmodel.model import RiskModel, load_model
from riskmodel.workspace import Workspace

EXPERIMENT = "riskmodel"
CHALLENGER, CHAMPION = "challenger", "champion"
MODEL_ARTEFACT = "riskmodel"


def registered_name(target: str) -> str:
    """Give the name under which a target's models are registered."""
    return f"riskmodel-{target}"


def open_tracking(workspace: Workspace) -> Any:
    """Point MLflow at the workspace and give the module; the registry is made where it is missing."""
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"mlflow.*")
    workspace.folder.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(workspace.tracking_uri)
    mlflow.set_registry_uri(workspace.tracking_uri)
    if mlflow.get_experiment_by_name(EXPERIMENT) is None:
        workspace.artefacts.mkdir(parents=True, exist_ok=True)
        mlflow.create_experiment(EXPERIMENT, artifact_location=workspace.artefacts.resolve().as_uri())
    mlflow.set_experiment(EXPERIMENT)
    return mlflow


def registered_version(mlflow: Any, target: str, alias: str) -> Any | None:
    """Give the registered version behind an alias, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return mlflow.MlflowClient().get_model_version_by_alias(registered_name(target), alias)
    except MlflowException:
        return None


def load_registered(mlflow: Any, target: str, alias: str) -> RiskModel | None:
    """Load the model behind an alias from the registry's files, or None where there is none.

    Raises
    ------
    ModelFault
        The registry names a model whose files are gone or damaged.
    """
    from mlflow.exceptions import MlflowException

    version = registered_version(mlflow, target, alias)
    if version is None:
        return None
    try:
        folder = Path(mlflow.artifacts.download_artifacts(f"models:/{registered_name(target)}/{version.version}"))
    except (MlflowException, OSError) as error:
        raise ModelFault(
            f"the files of {registered_name(target)} version {version.version} are gone ({type(error).__name__}).", remedy="Train once more."
        ) from None
    return load_model(folder / "artifacts" / MODEL_ARTEFACT)
