"""Promote: hold the challenger against the gates, refit its recipe on all closed cohorts, and let it serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from riskmodel.champion import publish_champion
from riskmodel.contract.dataset import Dataset, load_dataset
from riskmodel.contract.definition import RecentDays, read_definition
from riskmodel.errors import DataFault
from riskmodel.landmarks import LandmarkFrames, landmark_frames
from riskmodel.model import RiskModel, with_measured
from riskmodel.policy import Policy, read_policy
from riskmodel.progress import Progress, silent
from riskmodel.tables import TARGETS
from riskmodel.workspace import Workspace
from training.alone import only_change
from training.document import audit_of
from training.environment import MADE_FROM, made_from
from training.examining import examine
from training.gates import Gate, Verdict, judge
from training.tracking import (
    CHALLENGER,
    CHAMPION,
    keep_verdict,
    load_registered,
    log_model,
    nothing_trained,
    now,
    open_tracking,
    registered_name,
    registered_version,
    start_run,
)
from training.train import explanation_error, facts_tags, fit_targets


@dataclass(frozen=True)
class Promotion:
    """What came of it: the verdict per target, and the model folder of each target that was promoted."""

    verdicts: dict[str, Verdict]
    serving: dict[str, str]


def promote(
    workspace: Workspace,
    folder: Path | None = None,
    *,
    targets: tuple[str, ...] = TARGETS,
    by: str = "",
    because: str = "",
    progress: Progress = silent,
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
    by : str
        Who promotes; kept in the registry and in the champions' history.
    because : str
        Why one failed gate is overridden; kept in the registry and the card.
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
    RiskModelError
        Another promotion or rollback is under way.
    """
    mlflow = open_tracking(workspace)
    with only_change(workspace):
        return _promote(mlflow, workspace, folder, targets, by, because, progress)


def _promote(
    mlflow: Any, workspace: Workspace, folder: Path | None, targets: tuple[str, ...], by: str, because: str, progress: Progress
) -> Promotion:
    verdicts: dict[str, Verdict] = {}
    winners: dict[str, _Winner] = {}
    read = _Read({}, progress)
    for target in targets:
        version = registered_version(mlflow, target, CHALLENGER)
        model = load_registered(mlflow, target, CHALLENGER)
        if version is None or model is None:
            raise nothing_trained(workspace, target)
        place = folder or Path(mlflow.get_run(version.run_id).data.tags["data_folder"])
        if folder is None and not place.is_dir():
            raise DataFault("the data folder is not there.", place=str(place), remedy="Name it: riskmodel promote FOLDER.")
        read_definition(place)  # what would stop the refit is said before anything is judged
        policy = read_policy(place)
        verdict = judge(target, model.measured, policy)
        if verdict.gates:  # what was measured can be judged at all
            examined = _examined(mlflow, workspace, model, version.version, place, policy, read)
            verdict = judge(target, model.measured, policy, examined, because)
        verdicts[target] = verdict
        keep_verdict(mlflow, target, version.version, verdict.reason, by, verdict.because)
        if verdict.passed:
            winners[target] = _Winner(model, place, version.run_id, verdict)
    champions = _refit(mlflow, winners, by, read, progress) if winners else {}
    serving = publish_champion(workspace.champion, champions, by=by, at=now()) if champions else {}
    for target, champion in champions.items():
        mlflow.MlflowClient().set_registered_model_alias(registered_name(target), CHAMPION, champion.version)
    return Promotion(verdicts, {target: serving[target] for target in champions})


@dataclass(frozen=True)
class _Read:
    """Data that were read once, with their features; by folder and by how long recent is."""

    found: dict[tuple[Path, int], tuple[Dataset, LandmarkFrames]]
    progress: Progress

    def of(self, folder: Path, model: RiskModel, recent_days: RecentDays | None = None) -> tuple[Dataset, LandmarkFrames]:
        """Give the data of a model, with its own recent weeks or with others.

        Raises
        ------
        DataFault
            They changed since it was trained on them.
        """
        days = recent_days or model.recent_days
        asked = folder, days
        if asked not in self.found:
            dataset = load_dataset(folder, progress=self.progress)
            if dataset.fingerprint != model.facts.fingerprint:
                raise DataFault(
                    "the data changed since the challenger was trained on them.", place=str(folder), remedy="Train again, then promote."
                )
            dataset = dataset.with_recent(days)
            self.found[asked] = dataset, landmark_frames(dataset, progress=self.progress)
        return self.found[asked]


def _examined(mlflow: Any, workspace: Workspace, model: RiskModel, number: str, folder: Path, policy: Policy, read: _Read) -> list[Gate]:
    dataset, labelled = read.of(folder, model)
    champion = load_registered(mlflow, model.target, CHAMPION)
    _, of_its_champion = read.of(folder, model, champion.recent_days if champion else None)
    tested, of_champion = (_of_cohort(each.frames, model.facts.tested_on) for each in (labelled, of_its_champion))
    return examine(
        model,
        champion,
        tested,
        policy.promote_at,
        policy.capacity_share,
        policy.gates,
        explanation_error=explanation_error(model, tested),
        warnings=len(dataset.report.warnings),
        audit=audit_of(workspace, model.target, number),
        of_champion=of_champion,
    )


def _of_cohort(frames: Mapping[int, pd.DataFrame], cohort: str) -> dict[int, pd.DataFrame]:
    return {day: frame[frame["cohort"] == cohort] for day, frame in frames.items()}


@dataclass(frozen=True)
class _Winner:
    model: RiskModel
    folder: Path
    run_id: str
    verdict: Verdict


def _refit(mlflow: Any, winners: Mapping[str, _Winner], by: str, read: _Read, progress: Progress) -> dict[str, RiskModel]:
    """Fit each winner's recipe on all closed cohorts, log it, and give the models with their versions."""
    champions = {}
    for target, winner in winners.items():
        dataset, labelled = read.of(winner.folder, winner.model)
        closed = dataset.definition.closed_cohorts
        recipe, tested = winner.model.recipe, winner.model.facts.tested_on
        fitted = fit_targets(dataset, labelled, recipe, closed, tested, targets=(target,), progress=progress)[target]
        fitted = with_measured(fitted, winner.model.measured)
        progress(0, 1, f"logging {target}")
        error = explanation_error(fitted, labelled.frames)
        with start_run(mlflow, f"{target}-champion", by):
            mlflow.set_tags(
                {
                    "challenger_run": winner.run_id,
                    "data_folder": str(winner.folder.resolve()),
                    "family": recipe.family,
                    **facts_tags(fitted),
                }
            )
            mlflow.log_dict(made_from(dataset, read_policy(winner.folder), closed), MADE_FROM)
            mlflow.log_metric("explanation_error", error)
            mlflow.log_text(winner.verdict.told() + "\n", "gates.txt")
            number = log_model(mlflow, fitted, labelled.frames[fitted.landmarks[-1]])
            keep_verdict(mlflow, target, number, winner.verdict.reason, by, winner.verdict.because)
        champions[target] = replace(fitted, version=number)
    progress(1, 1, "promoted")
    return champions
