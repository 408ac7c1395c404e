"""Promote: hold the challenger against the gates, refit its recipe on all closed cohorts, and let it serve."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from riskmodel.champion import publish_champion
from riskmodel.contract.dataset import load_dataset
from riskmodel.errors import DataFault, ModelFault
from riskmodel.landmarks import landmark_frames
from riskmodel.policy import read_policy
from riskmodel.progress import Progress, silent
from riskmodel.tables import TARGETS
from riskmodel.workspace import Workspace
from training.gates import Verdict, judge
from training.tracking import CHALLENGER, CHAMPION, load_registered, open_tracking, registered_name, registered_version
from training.train import fit_targets, log_model


@dataclass(frozen=True)
class Promotion:
    """What came of it: the verdict per target, and what serves now."""

    verdicts: dict[str, Verdict]
    serving: dict[str, str]


def promote(
    workspace: Workspace, folder: Path | None = None, *, targets: tuple[str, ...] = TARGETS, progress: Progress = silent
) -> Promotion:
    """Make challengers champion that pass the gates.

    The champion is the challenger's frozen recipe, fitted anew on all closed cohorts, the test cohort included, so that it has learnt from
    the newest; its card keeps the held-out figures as the recipe's.

    Parameters
    ----------
    workspace : Workspace
    folder : Path, optional
        The data folder; the one that the challenger was trained on by default. Its content must be what it was then.
    targets : tuple of str
        Which challengers to judge; each stands for itself.
    progress : Progress

    Returns
    -------
    Promotion

    Raises
    ------
    ModelFault
        There is no challenger.
    DataFault
        The data changed since training.
    """
    mlflow = open_tracking(workspace)
    verdicts: dict[str, Verdict] = {}
    winners = {}
    for target in targets:
        version = registered_version(mlflow, target, CHALLENGER)
        model = load_registered(mlflow, target, CHALLENGER)
        if version is None or model is None:
            raise ModelFault(f"there is no challenger for '{target}'.", place=str(workspace.folder), remedy="Run 'riskmodel train FOLDER' first.")
        run = mlflow.get_run(version.run_id)
        place = folder or Path(run.data.tags["data_folder"])
        verdicts[target] = judge(target, model.measured, read_policy(place))
        if verdicts[target].passed:
            winners[target] = (model, place, version)
    champions = {}
    for target, (model, place, version) in winners.items():
        dataset = load_dataset(place, progress=progress)
        if dataset.fingerprint != model.facts.fingerprint:
            raise DataFault("the data changed since the challenger was trained on them.", place=str(place), remedy="Train again, then promote.")
        labelled = landmark_frames(dataset, progress=progress)
        closed = dataset.definition.closed_cohorts
        refitted = fit_targets(dataset, labelled, model.recipe, closed, model.facts.tested_on, targets=(target,), progress=progress)[target]
        refitted = replace(refitted, measured=model.measured)
        with mlflow.start_run(run_name=f"{target}-champion", tags={"challenger_run": version.run_id, "trained_on": ", ".join(closed)}):
            mlflow.log_text(verdicts[target].told(), "gates.txt")
            number = log_model(mlflow, refitted, {})
        mlflow.MlflowClient().set_registered_model_alias(registered_name(target), CHAMPION, number)
        champions[target] = replace(refitted, version=number)
    serving = publish_champion(workspace.champion, champions) if champions else {}
    return Promotion(verdicts, serving)
