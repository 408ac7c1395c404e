"""The registered models as a list, and the way back to an earlier champion. Reads and turns pointers; fits nothing."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from riskmodel.champion import current, previous, roll_back
from riskmodel.errors import ModelFault
from riskmodel.history import Step, happened, read_history
from riskmodel.model import RiskModel, load_model
from riskmodel.tables import TARGETS
from riskmodel.workspace import Workspace
from training.alone import only_change
from training.tracking import CHAMPION, RUN_BY, load_version, now, open_tracking, registered_name, registered_version

_REFERENCE = re.compile(r"^(?:riskmodel-)?(?P<target>[a-z]+)@(?P<which>[A-Za-z0-9_-]+)$")


@dataclass(frozen=True)
class Listed:
    """One registered version.

    Attributes
    ----------
    target, version : str
    aliases : tuple of str
        'challenger', 'champion', or others that a data team gave.
    serves : bool
        Whether the champion folder lets it serve.
    family : str
    trained_on, tested_on : str
        Cohorts.
    gates : str
        'passed', 'refused', or empty where nobody asked to promote it.
    gates_reason : str
        Why it was refused.
    by, made : str
        Who trained it, and when in UTC.
    fingerprint : str
        SHA-256 of the data that it learnt from.
    run_id : str
    """

    target: str
    version: str
    aliases: tuple[str, ...]
    serves: bool
    family: str
    trained_on: str
    tested_on: str
    gates: str
    gates_reason: str
    by: str
    made: str
    fingerprint: str
    run_id: str


@dataclass(frozen=True)
class Registry:
    """What there is, and how it came to serve.

    Attributes
    ----------
    models : tuple of Listed
        Per target, newest first.
    history : tuple of Step
        Who let what serve, oldest first.
    """

    models: tuple[Listed, ...]
    history: tuple[Step, ...]

    @property
    def apart(self) -> list[tuple[str, str, str]]:
        """Give target, the registry's champion and what serves, where an interruption left them apart; the next step mends it."""
        serving = {step.target: step.model for step in self.history}
        champions = {model.target: model.version for model in self.models if CHAMPION in model.aliases}
        return [
            (target, champions.get(target, "none"), name) for target, name in serving.items() if name != f"{target}-{champions.get(target)}"
        ]

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return {"models": [asdict(model) for model in self.models], "history": [asdict(step) for step in self.history]}


def list_models(workspace: Workspace, targets: Sequence[str] = TARGETS) -> Registry:
    """List the registered versions of each target.

    Raises
    ------
    ModelFault
        Nothing was trained yet, or the champion folder's pointer is damaged.
    """
    mlflow = open_tracking(workspace)
    client = mlflow.MlflowClient()
    serving = current(workspace.champion)
    found = []
    for target in targets:
        aliases = _aliases(mlflow, target)
        versions = client.search_model_versions(f"name='{registered_name(target)}'", max_results=10_000)
        for version in sorted(versions, key=lambda each: -int(each.version)):
            run = client.get_run(version.run_id).data
            number = str(version.version)
            found.append(
                Listed(
                    target=target,
                    version=number,
                    aliases=tuple(sorted(alias for alias, behind in aliases.items() if behind == number)),
                    serves=serving.get(target) == f"{target}-{number}",
                    family=run.tags.get("family", run.params.get("family", "")),
                    trained_on=run.tags.get("trained_on", ""),
                    tested_on=run.tags.get("tested_on", ""),
                    gates=version.tags.get("gates", ""),
                    gates_reason=version.tags.get("gates_reason", ""),
                    by=run.tags.get(RUN_BY, ""),
                    made=_moment(version.creation_timestamp),
                    fingerprint=run.tags.get("data_fingerprint", ""),
                    run_id=version.run_id,
                )
            )
    history = happened(read_history(workspace.champion), serving)
    return Registry(tuple(found), tuple(step for step in history if step.target in targets))


def _aliases(mlflow: Any, target: str) -> dict[str, str]:
    from mlflow.exceptions import MlflowException

    try:
        told = mlflow.MlflowClient().get_registered_model(registered_name(target)).aliases
    except MlflowException:
        return {}
    return {str(alias): str(version) for alias, version in told.items()}


def _moment(milliseconds: int) -> str:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class RolledBack:
    """What a rollback did.

    Attributes
    ----------
    serving : dict of target to str
        The model folder that serves now.
    before : dict of target to str
        The one that served before.
    finished : bool
        Whether this call only finished a rollback that had been interrupted, and went no further back.
    """

    serving: dict[str, str]
    before: dict[str, str]
    finished: bool = False


def rollback(workspace: Workspace, targets: Sequence[str] = (), *, by: str = "") -> RolledBack:
    """Return to the previous champion of each target, in the champion folder first and then in the registry.

    The folder is what serves; the registry's alias follows it. A call that finds the alias behind an earlier rollback finishes that one
    and goes no further, so that calling again after an interruption never goes back twice.

    Parameters
    ----------
    workspace : Workspace
    targets : sequence of str
        All that serve by default.
    by : str
        Who does it; kept in the history.

    Raises
    ------
    RollbackRefused
        A target has no earlier champion; nothing was changed.
    ModelFault
        Nothing was trained yet, or the earlier champion is gone from the folder or the registry; nothing was changed.
    RiskModelError
        A promotion or another rollback is under way.
    """
    mlflow = open_tracking(workspace)
    with only_change(workspace):
        return _roll_back(mlflow, workspace, targets, by)


def _roll_back(mlflow: Any, workspace: Workspace, targets: Sequence[str], by: str) -> RolledBack:
    serving = current(workspace.champion)
    chosen = tuple(targets) or tuple(serving) or TARGETS
    finished = {target: serving[target] for target in chosen if target in serving and _behind(mlflow, workspace, target, serving[target])}
    if finished:
        _point(mlflow, finished)
        return RolledBack(finished, {}, finished=True)
    for target in chosen:
        _require_registered(mlflow, previous(workspace.champion, target))
    back = roll_back(workspace.champion, chosen, by=by, at=now())
    _point(mlflow, back)
    return RolledBack(back, {target: serving[target] for target in back})


def _behind(mlflow: Any, workspace: Workspace, target: str, name: str) -> bool:
    """Tell whether the last thing done was a rollback that the registry did not hear of."""
    steps = [step for step in happened(read_history(workspace.champion), {target: name}) if step.target == target]
    if not steps or steps[-1].what != "rolled_back":
        return False
    champion = registered_version(mlflow, target, CHAMPION)
    return champion is None or f"{target}-{champion.version}" != name


def _require_registered(mlflow: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    target, number = name.rsplit("-", 1)
    try:
        mlflow.MlflowClient().get_model_version(registered_name(target), number)
    except MlflowException:
        raise ModelFault(
            f"the registry has no version {number} of {registered_name(target)} any more.",
            place=name,
            remedy="Put the workspace back as it was, or train and promote another model.",
        ) from None


def _point(mlflow: Any, serving: dict[str, str]) -> None:
    for target, name in serving.items():
        mlflow.MlflowClient().set_registered_model_alias(registered_name(target), CHAMPION, name.rsplit("-", 1)[1])


def find_model(workspace: Workspace, reference: str) -> RiskModel:
    """Load a model by a reference: `leave@3` (a version), `leave@champion` (an alias), or the path of a model folder.

    Raises
    ------
    ModelFault
        There is no such model, or its files are damaged.
    """
    told = _REFERENCE.match(reference)
    if told is None or Path(reference).is_dir():
        place = Path(reference)
        if not place.is_dir():
            raise ModelFault(
                f"'{reference}' names no model.",
                remedy="Write leave@3, leave@champion or dropout@challenger, or the path of a model folder.",
            )
        model = load_model(place)
        return model if model.version else replace(model, version=place.name)
    target, which = told["target"], told["which"]
    if target not in TARGETS:
        raise ModelFault(f"'{target}' is no target.", place=reference, remedy=f"There are {' and '.join(TARGETS)}.")
    mlflow = open_tracking(workspace)
    version = find_version(mlflow, target, which)
    if version is None:
        numbers = {str(each.version) for each in mlflow.MlflowClient().search_model_versions(f"name='{registered_name(target)}'")}
        there = sorted(numbers, key=int) + sorted(_aliases(mlflow, target))
        raise ModelFault(
            f"there is no version or alias '{which}' of '{target}'.",
            place=reference,
            remedy=f"There are {', '.join(there)}." if there else "Run 'riskmodel train FOLDER' first.",
        )
    return load_version(mlflow, version)


def find_version(mlflow: Any, target: str, which: str) -> Any | None:
    """Give the registered version with a number or behind an alias, or None."""
    from mlflow.exceptions import MlflowException

    if not which.isdigit():
        return registered_version(mlflow, target, which)
    try:
        return mlflow.MlflowClient().get_model_version(registered_name(target), which)
    except MlflowException:
        return None
