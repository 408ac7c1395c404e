"""Train: fit on earlier cohorts, measure on the latest closed one, log everything to MLflow, register as challenger."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from riskmodel.baselines import prior_education_rates
from riskmodel.contract.dataset import Dataset, load_dataset
from riskmodel.contract.definition import DatasetDefinition
from riskmodel.errors import DataFault, ModelFault
from riskmodel.families.recipe import Recipe
from riskmodel.features import catalogue
from riskmodel.features.context import ProgrammeContext
from riskmodel.files import require_writable
from riskmodel.landmarks import LandmarkFrames, landmark_frames
from riskmodel.learning import SMALL, LearningCurve, require_enough
from riskmodel.measuring import measure
from riskmodel.model import ModelFacts, RiskModel, fit_model, with_measured
from riskmodel.policy import Policy, read_policy
from riskmodel.progress import Progress, silent
from riskmodel.tables import TARGETS
from riskmodel.workspace import Workspace
from training import plots
from training.environment import MADE_FROM, made_from
from training.learning import curve_of, learning_figure, shown_days
from training.tracking import CHALLENGER, LIBRARIES, flat, log_model, open_tracking, registered_name, start_run

EXPLAINED_ROWS = 50
LARGEST_EXPLANATION_ERROR = 1e-9
YEAR_ZERO = "year zero: no cohort is closed, so there is no outcome to learn from."
UNTIL_THEN = (
    "Until one is, list by the first-test rule (riskmodel score FOLDER --date DAY --output FILE --rule first-test), see whoever asks for a talk, "
    "and keep collecting in this shape; what can't be collected afterwards are dates on which things became known."
)


@dataclass(frozen=True)
class Trained:
    """One target's challenger.

    Attributes
    ----------
    model : RiskModel
        With what was measured.
    run_id, version : str
        Where MLflow keeps it.
    curve : LearningCurve or None
        Whether another cohort would help; drawn where there are few students and a cohort was held out.
    """

    model: RiskModel
    run_id: str
    version: str
    curve: LearningCurve | None = None


def train(
    folder: Path,
    workspace: Workspace,
    recipe: Recipe,
    *,
    targets: tuple[str, ...] = TARGETS,
    by: str = "",
    note: Callable[[str], None] = lambda text: None,
    progress: Progress = silent,
) -> dict[str, Trained]:
    """Fit, measure, log and register one challenger per target.

    Parameters
    ----------
    folder : Path
        A data folder with at least one closed cohort. With two or more, the latest closed one is held out and measured on.
    workspace : Workspace
        Where MLflow keeps runs and models.
    recipe : Recipe
        Family and parameters.
    targets : tuple of str
        What to fit.
    by : str
        Who trains; MLflow's own idea of the user by default.
    note : callable
        Told of each target that is left out while another is fitted, because too few left.
    progress : Progress
        Told what is being done.

    Returns
    -------
    dict of target to Trained

    Raises
    ------
    DataFault
        The data can't be used, no cohort is closed, or too few students left.
    RiskModelError
        The workspace can't be written to.
    """
    require_writable(workspace.folder)
    dataset = load_dataset(folder, progress=progress)
    policy = read_policy(folder)
    closed = dataset.definition.closed_cohorts
    if not closed:
        raise DataFault(YEAR_ZERO, place=str(folder), remedy=UNTIL_THEN)
    dataset = dataset.with_recent(recipe.recent_days)
    labelled = landmark_frames(dataset, progress=progress)
    learnt, tested = (closed[:-1], closed[-1]) if len(closed) > 1 else (closed, "")
    targets = _enough(labelled, learnt, targets, recipe, note)
    models = fit_targets(dataset, labelled, recipe, learnt, tested, targets=targets, progress=progress)
    mlflow = open_tracking(workspace, make=True)
    found, made = {}, made_from(dataset, policy, closed)
    for place, (target, model) in enumerate(models.items()):
        progress(place, len(models), f"measuring {target}")
        test = {day: frame[frame["cohort"] == tested] for day, frame in labelled.frames.items()} if tested else {}
        figures = {str(day): told for day, frame in test.items() if (told := measure(model, frame, day, policy.capacity_share))}
        model = with_measured(model, figures)
        progress(place, len(models), f"logging {target}")
        curve = None
        if tested and max((told["students"] for told in figures.values()), default=SMALL) < SMALL:
            day = shown_days(policy, model.landmarks)[-1]
            curve = curve_of(labelled.frames, dataset.definition, learnt, tested, target, day, recipe)
        found[target] = replace(_log(mlflow, model, labelled, test, policy, folder, made, by, curve), curve=curve)
    progress(len(models), len(models), "trained")
    return found


def _enough(
    labelled: LandmarkFrames, learnt: tuple[str, ...], targets: tuple[str, ...], recipe: Recipe, note: Callable[[str], None]
) -> tuple[str, ...]:
    """Give the targets with enough leavers; where none has, say so."""
    frames = {day: frame[frame["cohort"].isin(learnt)] for day, frame in labelled.frames.items()}
    refused: dict[str, DataFault] = {}
    for target in targets:
        try:
            require_enough(frames, target, recipe.least_leavers)
        except DataFault as error:
            refused[target] = error
    if len(refused) == len(targets):
        raise refused[targets[0]]
    for target, fault in refused.items():
        note(f"{target}: {fault}")
    return tuple(target for target in targets if target not in refused)


def explanation_error(model: RiskModel, frames: Mapping[int, pd.DataFrame]) -> float:
    """Give the largest difference between a decision value and its baseline plus contributions, over some students at every landmark.

    Raises
    ------
    ModelFault
        It is larger than rounding explains, so no reason could be trusted.
    """
    largest = 0.0
    for day, frame in frames.items():
        some = frame.head(EXPLAINED_ROWS)
        told = model.explain(some, day)
        largest = max(largest, float(np.abs(told.baseline + told.contributions.sum(axis=1) - model.decision(some, day)).max(initial=0.0)))
    if not largest <= LARGEST_EXPLANATION_ERROR:
        raise ModelFault(
            f"explanations of '{model.target}' miss its scores by {largest:.1g}.", remedy="Please report this; nothing was registered."
        )
    return largest


def fit_targets(
    dataset: Dataset,
    labelled: LandmarkFrames,
    recipe: Recipe,
    learnt: tuple[str, ...],
    tested: str,
    *,
    targets: tuple[str, ...] = TARGETS,
    progress: Progress = silent,
) -> dict[str, RiskModel]:
    """Fit every target on some cohorts.

    Parameters
    ----------
    dataset : Dataset
    labelled : LandmarkFrames
        Features and labels of at least these cohorts.
    recipe : Recipe
    learnt : tuple of str
        Cohorts to learn from.
    tested : str
        The cohort held out, or nothing; told in the facts.
    targets : tuple of str
    progress : Progress
    """
    frames = {day: frame[frame["cohort"].isin(learnt)] for day, frame in labelled.frames.items()}
    contexts = {day: _newest(context, learnt) for day, context in labelled.contexts.items()}
    programmes = tuple(sorted({name for frame in frames.values() for name in frame["programme"]})) if recipe.programme else ()
    features = catalogue(dataset.definition, programmes)
    models = {}
    for target in targets:
        facts = _facts(dataset, frames, target, learnt, tested)
        models[target] = fit_model(frames, target, features, recipe, facts=facts, contexts=contexts, progress=progress)
    return models


def _newest(context: ProgrammeContext, learnt: tuple[str, ...]) -> ProgrammeContext:
    """Keep the context of the newest cohort learnt from; a student who is scored alone is compared with it."""
    newest = learnt[-1]
    usual = context.usual[context.usual.index.get_level_values(0) == newest]
    return ProgrammeContext(usual, context.tests[context.tests["cohort"] == newest])


def _facts(dataset: Dataset, frames: Mapping[int, pd.DataFrame], target: str, learnt: tuple[str, ...], tested: str) -> ModelFacts:
    first = frames[min(frames)]
    known = first[first[target].notna()]
    counted = known.groupby("cohort")[target].agg(["size", "sum"])
    return ModelFacts(
        definition=told_definition(dataset.definition),
        fingerprint=dataset.fingerprint,
        students={str(cohort): {"students": int(row["size"]), "leavers": int(row["sum"])} for cohort, row in counted.iterrows()},
        trained_on=tuple(learnt),
        tested_on=tested,
        versions={name: version(name) for name in LIBRARIES},
        prior_education_rates={str(day): prior_education_rates(frame, target) for day, frame in frames.items()},
        set_apart={f"{finding.table}.{finding.rule}": finding.count for finding in dataset.report.warnings},
    )


def told_definition(definition: DatasetDefinition) -> dict[str, Any]:
    """Give what `dataset.toml` says of cohorts, outcome, grades, delays and signals, as plain values that a model keeps."""
    parts = (
        "name",
        "landmarks",
        "last_day",
        "recent_days",
        "cohorts",
        "outcome",
        "grades",
        "prior_education",
        "delays",
        "left_out_features",
        "extra",
        "tables",
    )
    told: dict[str, Any] = definition.model_dump(mode="json", include=set(parts))
    return told


def _log(
    mlflow: Any,
    model: RiskModel,
    labelled: LandmarkFrames,
    test: Mapping[int, pd.DataFrame],
    policy: Policy,
    folder: Path,
    made_from: dict[str, Any],
    by: str,
    curve: LearningCurve | None,
) -> Trained:
    error = explanation_error(model, labelled.frames)
    with start_run(mlflow, f"{model.target}-{model.recipe.family}", by) as run:
        mlflow.log_params(flat(model.recipe.model_dump(mode="json", exclude={"search"})) | {"target": model.target})
        mlflow.log_params({f"policy.{name}": value for name, value in policy.model_dump(mode="json").items()})
        tags = {
            "data_folder": str(folder.resolve()),
            "outcome_definition": json.dumps(model.facts.definition.get("outcome", {}), ensure_ascii=False),
            **facts_tags(model),
        }
        mlflow.set_tags(tags)
        mlflow.log_dict(asdict(model.facts), "facts.json")
        mlflow.log_dict(made_from, MADE_FROM)
        mlflow.log_metric("explanation_error", error)
        if model.measured:
            mlflow.log_dict(model.measured, "measured.json")
            for day, figures in model.measured.items():
                mlflow.log_metrics(_numbers(figures), step=int(day))
            _log_plots(mlflow, model, {day: frame for day, frame in test.items() if str(day) in model.measured}, policy)
        if curve is not None:
            mlflow.log_dict(asdict(curve), "learning_curve.json")
            figure = learning_figure(curve)
            mlflow.log_figure(figure, "plots/learning_curve.png", save_kwargs={"dpi": 80})
        registered = log_model(mlflow, model, labelled.frames[model.landmarks[-1]])
        mlflow.MlflowClient().set_registered_model_alias(registered_name(model.target), CHALLENGER, registered)
        return Trained(replace(model, version=registered), run.info.run_id, registered)


def facts_tags(model: RiskModel) -> dict[str, str]:
    """Give what a run's tags tell of the data that its model was made from."""
    facts = model.facts
    return {"data_fingerprint": facts.fingerprint, "trained_on": ", ".join(facts.trained_on), "tested_on": facts.tested_on}


def _log_plots(mlflow: Any, model: RiskModel, test: Mapping[int, pd.DataFrame], policy: Policy) -> None:
    drawings: dict[str, Callable[[], Any]] = {
        "calibration.png": lambda: plots.calibration(model, test),
        "gain.png": lambda: plots.gain(model, test, policy.capacity_share),
        "reasons.png": lambda: plots.reasons_overall(model, test),
    }
    for name, draw in drawings.items():
        figure = draw()
        mlflow.log_figure(figure, f"plots/{name}", save_kwargs={"dpi": 80})
        plots.close(figure)


def _numbers(figures: Mapping[str, Any]) -> dict[str, float]:
    numbers = {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}
    for name, baseline in figures["baselines"].items():
        if baseline:
            numbers |= {f"{name}.{key}": float(value) for key, value in baseline.items() if isinstance(value, int | float)}
            numbers[f"{name}.more_found"] = float(baseline["more_found"]["value"])
    return numbers
