"""Evaluate: score a labelled set with the registered models, as figures that other programs read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riskmodel.contract.dataset import Dataset, load_dataset
from riskmodel.errors import DataFault
from riskmodel.landmarks import landmark_frames
from riskmodel.measuring import measure
from riskmodel.model import RiskModel, shared_recent_days
from riskmodel.policy import read_policy
from riskmodel.progress import Progress, silent
from riskmodel.tables import TARGETS
from riskmodel.workspace import Workspace
from training.tracking import CHALLENGER, CHAMPION, load_registered, nothing_trained, open_tracking

RESULT = (
    "target",
    "landmark",
    "students",
    "base_rate",
    "roc_auc",
    "roc_auc_low",
    "roc_auc_high",
    "average_precision",
    "precision_at_10_percent",
    "brier",
)
BASELINE = ("roc_auc", "roc_auc_low", "roc_auc_high", "average_precision", "precision_at_10_percent")


@dataclass(frozen=True)
class Evaluation:
    """What registered models are worth on one cohort.

    Attributes
    ----------
    cohort : str
        The cohort scored.
    models : dict of target to (alias, RiskModel)
        What it was scored with.
    measured : list of dict
        Per target and landmark `target`, `landmark`, and what `riskmodel.measuring.measure` gives.
    notes : list of str
        Which figures are not held out.
    """

    cohort: str
    models: dict[str, tuple[str, RiskModel]]
    measured: list[dict[str, Any]]
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """Give `{"results": [...]}` as other programs read it: the figures of `RESULT`, with those of `BASELINE` per baseline.

        A figure or baseline that does not exist is None.
        """
        results = []
        for figures in self.measured:
            beside = {name: told and {key: told[key] for key in BASELINE} for name, told in figures["baselines"].items()}
            results.append({**{key: figures[key] for key in RESULT}, "baselines": beside})
        return {"results": results}


def evaluate(folder: Path, workspace: Workspace, *, cohort: str | None = None, progress: Progress = silent) -> Evaluation:
    """Score the students of one closed cohort with the champion of each target, or its challenger where there is none.

    Parameters
    ----------
    folder : Path
        A data folder with outcomes.
    workspace : Workspace
    cohort : str, optional
        The cohort; the latest closed one by default.
    progress : Progress

    Raises
    ------
    ModelFault
        Nothing was trained yet, or a model's files are damaged.
    DataFault
        The data can't be used, have no such closed cohort, or lack a feature that a model needs.
    """
    mlflow = open_tracking(workspace)
    models = {target: found for target in TARGETS if (found := best_registered(mlflow, target))}
    if not models:
        raise nothing_trained(workspace)
    recent_days = shared_recent_days(model for _, model in models.values())
    dataset = load_dataset(folder, progress=progress).with_recent(recent_days)
    chosen = _cohort(dataset, cohort)
    capacity = read_policy(folder).capacity_share
    landmarks = sorted({landmark for _, model in models.values() for landmark in model.landmarks})
    frames = landmark_frames(dataset, landmarks, (chosen,), progress).frames
    measured, notes = [], []
    for place, (target, (alias, model)) in enumerate(models.items()):
        progress(place, len(models), f"measuring {target}")
        lacking = [name for name in model.catalogue if name not in frames[landmarks[0]]]
        if lacking:
            raise DataFault(
                f"the data do not have {', '.join(lacking)}, which the {alias} for '{target}' looks at.",
                place=str(folder),
                remedy="Declare the same extra columns as in the data that it was trained on, or train on these data.",
            )
        if chosen in model.facts.trained_on:
            sure = dataset.fingerprint == model.facts.fingerprint
            told = (
                "has learnt from"
                if sure
                else "has learnt from a cohort of the same name; if these are the same students, it has learnt from"
            )
            notes.append(f"the {alias} for '{target}' {told} {chosen}, and these figures are not held out.")
        for landmark in model.landmarks:
            figures = measure(model, frames[landmark], landmark, capacity)
            if figures is not None:
                measured.append({"target": target, "landmark": landmark, **figures})
    progress(1, 1, "measured")
    return Evaluation(chosen, models, measured, notes)


def best_registered(mlflow: Any, target: str) -> tuple[str, RiskModel] | None:
    """Give a target's champion with its alias, or its challenger where there is none, or None."""
    for alias in (CHAMPION, CHALLENGER):
        model = load_registered(mlflow, target, alias)
        if model is not None:
            return alias, model
    return None


def _cohort(dataset: Dataset, asked: str | None) -> str:
    closed = dataset.definition.closed_cohorts
    if not closed:
        raise DataFault(
            "no cohort is closed, so there is no outcome to evaluate on.",
            place=str(dataset.folder),
            remedy="Say closed = true in dataset.toml once a cohort's outcomes are final.",
        )
    if asked is not None and asked not in closed:
        raise DataFault(f"there is no closed cohort '{asked}'.", place=str(dataset.folder), remedy=f"Closed are: {', '.join(closed)}.")
    return asked or closed[-1]
