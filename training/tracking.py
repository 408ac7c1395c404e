"""MLflow as this product uses it: one SQLite file and a folder, quiet, and without a word to the outside."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import pandas as pd

from riskmodel.errors import ModelFault
from riskmodel.files import writing_fault
from riskmodel.model import RiskModel, load_model
from riskmodel.workspace import Workspace

EXPERIMENT = "riskmodel"
CHALLENGER, CHAMPION = "challenger", "champion"
MODEL_ARTEFACT = "riskmodel"
RUN_BY = "mlflow.user"
LIBRARIES = ("riskmodel", "numpy", "pandas", "scipy", "lightgbm", "duckdb", "narwhals")
# `mlflow run` keeps a run of its own and names it here; ours lie in the workspace.
_RUN_OF_ANOTHER = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME")


def registered_name(target: str) -> str:
    """Give the name under which a target's models are registered."""
    return f"riskmodel-{target}"


def open_tracking(workspace: Workspace, *, make: bool = False) -> Any:
    """Point MLflow at the workspace and give the module.

    Parameters
    ----------
    workspace : Workspace
    make : bool
        Whether the registry is made where it is missing.

    Raises
    ------
    ModelFault
        Nothing was trained in this workspace yet and it is not to be made, or its registry is damaged.
    RiskModelError
        The workspace can't be written.
    """
    if not make and not workspace.registry.exists():
        raise nothing_trained(workspace)
    import mlflow

    # What goes wrong is raised as well, and told once, with a remedy.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"mlflow.*")
    for name in _RUN_OF_ANOTHER:
        os.environ.pop(name, None)
    try:
        workspace.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_fault(error, workspace.folder) from error
    mlflow.set_tracking_uri(workspace.tracking_uri)
    mlflow.set_registry_uri(workspace.tracking_uri)
    with _registry_faults(workspace), _whole_or_not_at_all(workspace.registry):
        if mlflow.get_experiment_by_name(EXPERIMENT) is None:
            workspace.artefacts.mkdir(parents=True, exist_ok=True)
            mlflow.create_experiment(EXPERIMENT, artifact_location=workspace.artefacts.resolve().as_uri())
    return mlflow


@contextlib.contextmanager
def _whole_or_not_at_all(registry: Path) -> Iterator[None]:
    """Take away a registry whose first making was interrupted or ran out of room: half of one could not be used or mended."""
    new = not registry.exists()
    try:
        yield
    except BaseException:
        if new:
            for ending in ("", "-journal", "-wal", "-shm"):
                registry.with_name(registry.name + ending).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _registry_faults(workspace: Workspace) -> Iterator[None]:
    """Turn a registry that can't be used into an error that says what to do."""
    try:
        yield
    except Exception as error:
        told = str(error).lower()
        if "not a database" in told or "malformed" in told:
            remedy = "Put it back from a backup, or move it away and train again."
            raise ModelFault(
                "this file is no registry of MLflow, or it is damaged.", place=str(workspace.registry), remedy=remedy
            ) from error
        if "out-of-date database schema" in told:
            remedy = f"Make a copy of it, then run 'mlflow db upgrade {workspace.tracking_uri}'."
            raise ModelFault(
                "this registry was made by another version of MLflow.", place=str(workspace.registry), remedy=remedy
            ) from error
        raise


def start_run(mlflow: Any, name: str, by: str = "") -> Any:
    """Begin a run of this product's experiment, as a context manager; no other code in this process is made to use that experiment.

    Parameters
    ----------
    mlflow : module
        What `open_tracking` gives.
    name : str
    by : str
        Who does it; MLflow's own idea of the user by default.
    """
    tags = {RUN_BY: by} if by else {}
    return mlflow.start_run(run_name=name, experiment_id=mlflow.get_experiment_by_name(EXPERIMENT).experiment_id, tags=tags)


def now() -> str:
    """Give this moment in UTC, to the second (ISO 8601)."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def keep_verdict(mlflow: Any, target: str, number: str, reason: str, by: str, because: str = "") -> None:
    """Keep with a registered version whether it passed the gates, who asked, and when.

    Parameters
    ----------
    mlflow : module
        What `open_tracking` gives.
    target, number : str
        The registered version.
    reason : str
        Why it was refused; empty where it passed.
    by : str
    because : str
        Why one failed gate was overridden; empty where none was.
    """
    client, name = mlflow.MlflowClient(), registered_name(target)
    for key, value in {"gates": "refused" if reason else "passed", "gates_by": by, "gates_at": now()}.items():
        client.set_model_version_tag(name, number, key, value)
    if reason:
        client.set_model_version_tag(name, number, "gates_reason", reason)
    else:
        client.delete_model_version_tag(name, number, "gates_reason")
    if because:
        client.set_model_version_tag(name, number, "gates_because", because)


def nothing_trained(workspace: Workspace, target: str = "") -> ModelFault:
    """Give the error that says what to do where there is no model."""
    what = f"there is no challenger for '{target}'." if target else "nothing was trained in this workspace yet."
    return ModelFault(
        what, place=str(workspace.folder), remedy="Run 'riskmodel train FOLDER' first, or name another folder with --workspace."
    )


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
    version = registered_version(mlflow, target, alias)
    return None if version is None else load_version(mlflow, version)


def load_version(mlflow: Any, version: Any) -> RiskModel:
    """Load a registered version from the registry's files.

    Raises
    ------
    ModelFault
        The files are gone or damaged.
    """
    from mlflow.utils.file_utils import local_file_uri_to_path

    # MLflow's own download writes into the folder that it reads; this looks only.
    folder = Path(local_file_uri_to_path(mlflow.MlflowClient().get_model_version_download_uri(version.name, version.version)))
    if not folder.is_dir():
        what = f"the files of {version.name} version {version.version} are gone."
        raise ModelFault(what, place=str(folder), remedy="Put the workspace back as it was, or train once more.")
    return replace(load_model(folder / "artifacts" / MODEL_ARTEFACT), version=str(version.version))


def log_model(mlflow: Any, model: RiskModel, students: pd.DataFrame) -> str:
    """Log a model in the run under way as a pyfunc made from code, register it, and give its version.

    Parameters
    ----------
    mlflow : module
        What `open_tracking` gives.
    model : RiskModel
        Becomes an artefact folder of text; the package's code goes with it.
    students : pandas.DataFrame
        Students that the input example is made typical of; no row of theirs is kept.
    """
    import riskmodel

    with tempfile.TemporaryDirectory(prefix="riskmodel-", ignore_cleanup_errors=True) as scratch:
        place = Path(scratch) / MODEL_ARTEFACT
        model.save(place)
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("pyfunc.py")),
            artifacts={MODEL_ARTEFACT: str(place)},
            code_paths=[str(Path(riskmodel.__file__).parent)],
            signature=_signature(model),
            input_example=typical_input(model, students),
            pip_requirements=[f"{name}=={installed_version(name)}" for name in ("mlflow", *LIBRARIES) if name != "riskmodel"],
        )
    return _register(mlflow, registered_name(model.target), logged.model_id)


def _signature(model: RiskModel) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    inputs = [ColSpec("long", "landmark")]
    inputs += [ColSpec("string" if f.kind == "category" else "double", f.name, required=False) for f in model.catalogue.values()]
    return ModelSignature(Schema(inputs), Schema([ColSpec("double", "probability")]), ParamSchema([ParamSpec("reasons", "string", "")]))


def _register(mlflow: Any, name: str, model_id: str) -> str:
    from mlflow.exceptions import MlflowException

    client = mlflow.MlflowClient()
    try:
        client.get_registered_model(name)
    except MlflowException:
        client.create_registered_model(name)
    run = mlflow.active_run().info.run_id
    return str(client.create_model_version(name, source=f"models:/{model_id}", run_id=run, model_id=model_id).version)


def typical_input(model: RiskModel, students: pd.DataFrame) -> pd.DataFrame:
    """Give one row of typical values, each the middle or the most frequent of its own column, so that the example is nobody's.

    Parameters
    ----------
    model : RiskModel
    students : pandas.DataFrame
        Features of many students.
    """
    row: dict[str, Any] = {"landmark": model.landmarks[-1]}
    for feature in model.catalogue.values():
        known = students[feature.name].dropna()
        if feature.kind == "category":
            row[feature.name] = str(known.mode().iloc[0]) if len(known) else feature.categories[0]
        else:
            row[feature.name] = round(float(known.median()), 2) if len(known) else 0.0
    return pd.DataFrame([row])


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Give nested values under names with dots, as MLflow keeps parameters."""
    told: dict[str, Any] = {}
    for name, value in values.items():
        told |= flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return told
