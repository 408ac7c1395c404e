"""Evaluate: score a labelled set with the registered models, as figures that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from riskmodel.contract.dataset import load_dataset
from riskmodel.errors import DataFault, ModelFault
from riskmodel.landmarks import landmark_frames
from riskmodel.measuring import measure
from riskmodel.policy import read_policy
from riskmodel.progress import Progress, silent
from riskmodel.tables import TARGETS
from riskmodel.workspace import Workspace
from training.tracking import CHALLENGER, CHAMPION, load_registered, open_tracking

_FIGURES = ("roc_auc", "roc_auc_low", "roc_auc_high", "average_precision", "precision_at_10_percent", "brier")
_BASELINE_FIGURES = ("roc_auc", "average_precision", "precision_at_10_percent")


def evaluate(folder: Path, workspace: Workspace, *, cohort: str | None = None, progress: Progress = silent) -> dict[str, Any]:
    """Score the students of one closed cohort with the champion of each target, or its challenger where there is none.

    Parameters
    ----------
    folder : Path
        A data folder with outcomes.
    workspace : Workspace
    cohort : str, optional
        The cohort; the latest closed one by default.
    progress : Progress

    Returns
    -------
    dict
        `results`: a list with, per target and landmark, target, landmark, students, base_rate, roc_auc, roc_auc_low, roc_auc_high,
        average_precision, precision_at_10_percent, brier and baselines (per name the same kind of figures, or None where the baseline does not
        exist). `cohort`, `models` and `notes` say what was scored with what; a note says so where a model had learnt from these very students.

    Raises
    ------
    ModelFault
        Nothing was trained yet.
    DataFault
        The data can't be used or lack a feature that the model needs.
    """
    mlflow = open_tracking(workspace)
    models = {}
    for target in TARGETS:
        for alias in (CHAMPION, CHALLENGER):
            model = load_registered(mlflow, target, alias)
            if model is not None:
                models[target] = (alias, model)
                break
    if not models:
        raise ModelFault("no model is registered yet.", place=str(workspace.folder), remedy="Run 'riskmodel train FOLDER' first.")
    dataset = load_dataset(folder, progress=progress)
    closed = dataset.definition.closed_cohorts
    if cohort is not None and cohort not in closed:
        raise DataFault(f"there is no closed cohort '{cohort}'.", place=str(folder), remedy=f"Closed are: {', '.join(closed) or 'none'}.")
    if not closed:
        raise DataFault("no cohort is closed, so there is no outcome to evaluate on.", place=str(folder), remedy="Say closed = true once outcomes are final.")
    chosen = cohort or closed[-1]
    capacity = read_policy(folder).capacity_share
    landmarks = sorted({landmark for _, model in models.values() for landmark in model.landmarks})
    frames = landmark_frames(dataset, landmarks, (chosen,), progress).frames
    results, notes = [], []
    for target, (alias, model) in models.items():
        lacking = [name for name in model.catalogue if name not in frames[landmarks[0]]]
        if lacking:
            raise DataFault(
                f"the data do not have {', '.join(lacking)}, which the {alias} for '{target}' looks at.",
                place=str(folder),
                remedy="Declare the same extra columns as in the data that it was trained on, or train on these data.",
            )
        if chosen in model.facts.trained_on and dataset.fingerprint == model.facts.fingerprint:
            notes.append(f"the {alias} for '{target}' has learnt from cohort {chosen}: these figures are not held out.")
        for landmark in model.landmarks:
            figures = measure(model, frames[landmark], landmark, capacity)
            if figures is None:
                continue
            baselines = {
                name: None if told is None else {figure: told[figure] for figure in _BASELINE_FIGURES} for name, told in figures["baselines"].items()
            }
            head = {"target": target, "landmark": landmark, "students": figures["students"], "base_rate": figures["base_rate"]}
            results.append({**head, **{name: figures[name] for name in _FIGURES}, "baselines": baselines})
    named = {target: {"alias": alias, "trained_on": list(model.facts.trained_on)} for target, (alias, model) in models.items()}
    return {"results": results, "cohort": chosen, "models": named, "notes": notes}
