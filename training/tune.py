"""Search a family's declared space by trials that are kept one by one; knows Optuna and MLflow, and never looks at the test cohort."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from riskmodel.contract.dataset import load_dataset
from riskmodel.contract.definition import DEFAULT_RECENT_DAYS, DatasetDefinition, RecentDays
from riskmodel.errors import DataFault, ModelFault, RiskModelError
from riskmodel.families import search
from riskmodel.families.recipe import Recipe
from riskmodel.files import writing_fault
from riskmodel.landmarks import landmark_frames
from riskmodel.progress import Progress, silent
from riskmodel.tables import TARGETS
from riskmodel.validation import Frames, Validated, Validation, rolling_folds, worse_by
from riskmodel.workspace import Workspace
from training.alone import alone
from training.tracking import EXPERIMENT, flat, open_tracking

DEFAULT_SEED = 20
# Importances from fewer trials of a family would be guesses.
LEAST_TRIALS = 6
_RANDOM_TRIES = 1000


@dataclass(frozen=True)
class Budget:
    """When a search ends: at so many trials in all, or after so many seconds of this call, whichever comes first."""

    trials: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Tried:
    """One trial.

    Attributes
    ----------
    number : int
        Counted from 1 in the order in which trials were finished.
    recipe : Recipe
    values : dict
        What was varied, by name.
    validated : Validated
    seconds : float
    asked : bool
        Whether it is a family's recipe as it stood, rather than one that the search proposed.
    """

    number: int
    recipe: Recipe
    values: dict[str, Any]
    validated: Validated
    seconds: float
    asked: bool


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes
    ----------
    name : str
        The search's name in its store; the same data, space and seed have the same.
    tried : tuple of Tried
        In the order in which they were finished.
    best : Tried
        With the least loss.
    winner : Tried
        The simplest within one standard error of the best.
    frontier : tuple of Tried
        From simple to complex: each trial that no simpler one matches.
    importances : dict of family to dict of parameter to float
        Share of the spread in loss that each parameter accounts for; only of families with enough trials.
    folds : tuple of str
        What was predicted, in turn.
    learnt_from : tuple of str
        The cohorts used.
    untouched : str
        The test cohort.
    targets, landmarks : tuple
    students : int
        How many students were predicted.
    left_out : tuple
        (fold, target, landmark) with too few leavers.
    resumed : int
        Trials that an earlier call had made.
    ended : str
        'trials', 'time' or 'space': why it stopped.
    fingerprint : str
        SHA-256 of the data folder.
    institution : str
    seed : int
    recent_days : int
        What recent stands for in the data.
    """

    name: str
    tried: tuple[Tried, ...]
    best: Tried
    winner: Tried
    frontier: tuple[Tried, ...]
    importances: dict[str, dict[str, float]]
    folds: tuple[str, ...]
    learnt_from: tuple[str, ...]
    untouched: str
    targets: tuple[str, ...]
    landmarks: tuple[int, ...]
    students: int
    left_out: tuple[tuple[str, str, int], ...]
    resumed: int
    ended: str
    fingerprint: str
    institution: str
    seed: int
    recent_days: RecentDays


def tune(
    folder: Path,
    workspace: Workspace,
    recipes: Sequence[Recipe],
    budget: Budget,
    *,
    targets: tuple[str, ...] = TARGETS,
    seed: int = DEFAULT_SEED,
    progress: Progress = silent,
) -> Tuned:
    """Search for the simplest recipe that predicts as well as the best one does.

    Each trial is measured by a rolling origin over the closed cohorts but the latest: learn from those before a cohort, predict it. With one
    such cohort, folds of students and of programmes inside it take its place. The objective is the log loss, averaged over folds, targets and
    landmarks. A trial is kept in the workspace as soon as it is finished. A call that was ended, even by SIGKILL, is resumed by the next with
    the same data, space and seed, and the trials are those that an undisturbed call would have made.

    Parameters
    ----------
    folder : Path
        A data folder with at least two closed cohorts.
    workspace : Workspace
        Where trials and MLflow's runs are kept.
    recipes : sequence of Recipe
        One for each family; each as it stands is tried first, then what its `search` allows.
    budget : Budget
    targets : tuple of str
    seed : int
        The same seed gives the same trials.
    progress : Progress
        Told each trial, the best so far and the time left.

    Returns
    -------
    Tuned

    Raises
    ------
    DataFault
        The data can't be used, fewer than two cohorts are closed, or too few students left.
    RiskModelError
        Nothing may vary, the store can't be used, or another search is using it.

    References
    ----------
    Breiman, Friedman, Olshen and Stone (1984), 'Classification and Regression Trees', section 3.4.3, and Hastie, Tibshirani and Friedman (2009),
    'The Elements of Statistical Learning', section 7.10 (the one-standard-error rule). Bergstra et al. (2011), 'Algorithms for
    Hyper-Parameter Optimization' (tree-structured Parzen estimators, as in Optuna: Akiba et al. 2019).
    """
    if not any(search.choices(recipe) for recipe in recipes):
        raise RiskModelError("nothing may vary.", place="[search]", remedy="Give values to try under [search] in the recipe's file.")
    dataset = load_dataset(folder, progress=progress)
    recipes = [search.settled(recipe, dataset.definition.recent_days) for recipe in recipes]
    closed = dataset.definition.closed_cohorts
    if len(closed) < 2:
        what = "no cohort is closed" if not closed else f"only {closed[0]} is closed, and the latest closed cohort is kept for testing"
        raise DataFault(
            f"{what}, so there is none to search on.",
            place=str(folder),
            remedy="Train with a family's recipe as it is, and search once two cohorts are closed.",
        )
    earlier, untouched = closed[:-1], closed[-1]
    frames: dict[RecentDays, Frames] = {}
    validations: dict[RecentDays, Validation] = {}
    for days in sorted(set().union(*(_recent_days(recipe, dataset.definition) for recipe in recipes))):
        windowed = dataset.with_recent(days)
        frames[days] = landmark_frames(windowed, cohorts=earlier, progress=progress).frames
        validations[days] = Validation(windowed.definition, rolling_folds(frames[days], earlier), targets)
    validation = next(iter(validations.values()))
    name = _name(frames, dataset.definition, recipes, targets, seed)
    mlflow = open_tracking(workspace, make=True)
    with (
        alone(
            workspace.folder / "tuning.lock",
            "another search is under way in this workspace.",
            "Wait for it, or name another --workspace.",
        ),
        _store(workspace, name) as study,
    ):
        told = _Search(study, mlflow, validations, dataset.definition.recent_days, recipes, seed, progress)
        told.describe({"targets": targets, "learnt_from": earlier, "untouched": untouched, "folder": str(folder.resolve())})
        resumed, ended = told.run(budget)
        tried = told.finished()
        best = min(tried, key=lambda each: (each.validated.loss, each.number))
        landmarks = dataset.definition.landmarks
        own = dataset.definition.recent_days
        winner = simplest(tried, len(landmarks), own)
        importances = _importances(tried, recipes, seed)
        tuned = Tuned(
            name, tried, best, winner, frontier(tried, len(landmarks), own), importances, tuple(validation.folds), tuple(earlier), untouched,
            targets, landmarks, validation.students, validation.left_out, resumed, ended, dataset.fingerprint, dataset.definition.name, seed, own,
        )  # fmt: skip
        told.close(tuned)
    return tuned


def simplest(tried: Sequence[Tried], landmarks: int, recent_days: RecentDays = DEFAULT_RECENT_DAYS) -> Tried:
    """Give the simplest trial within one standard error of the best.

    The standard error is that of the difference from the best on the same students (`riskmodel.validation.worse_by`). That of the loss itself is
    mostly how hard the students are to predict, which all trials share, and would let almost anything pass.

    Parameters
    ----------
    tried : sequence of Tried
    landmarks : int
        Days at which students are scored; part of what simple means (`riskmodel.families.search.complexity`).
    recent_days : int
        What recent stands for in the data; another length is less simple.
    """
    best = min(tried, key=lambda each: (each.validated.loss, each.number))
    near = []
    for each in tried:
        worse, error = worse_by(each.validated, best.validated)
        if each is best or worse <= error:
            near.append(each)
    return min(near, key=lambda each: (search.complexity(each.recipe, landmarks, recent_days), each.validated.loss, each.number))


def frontier(tried: Sequence[Tried], landmarks: int, recent_days: RecentDays = DEFAULT_RECENT_DAYS) -> tuple[Tried, ...]:
    """Give, from simple to complex, each trial whose loss is below that of all simpler ones."""
    found: list[Tried] = []
    for each in sorted(tried, key=lambda one: (search.complexity(one.recipe, landmarks, recent_days), one.validated.loss, one.number)):
        if not found or each.validated.loss < found[-1].validated.loss:
            found.append(each)
    return tuple(found)


def _recent_days(recipe: Recipe, definition: DatasetDefinition) -> set[RecentDays]:
    return {recipe.recent_days or definition.recent_days, *recipe.search.recent_days}


def _name(
    frames: Mapping[RecentDays, Frames],
    definition: DatasetDefinition,
    recipes: Sequence[Recipe],
    targets: Sequence[str],
    seed: int,
) -> str:
    """Name a search by all that its trials depend on, so that it is resumed where that is the same and begun anew where it is not."""
    digest = hashlib.sha256()
    for recent_days, windowed in sorted(frames.items()):
        for day, frame in sorted(windowed.items()):
            digest.update(f"{recent_days} {day} {','.join(frame.columns)}".encode())
            digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    told = [recipe.model_dump(mode="json") for recipe in recipes]
    libraries = {library: version(library) for library in ("riskmodel", "lightgbm", "optuna")}
    declared = [extra.model_dump(mode="json") for extra in definition.extra]
    content = [told, list(targets), seed, libraries, list(definition.left_out_features), declared]
    digest.update(json.dumps(content, sort_keys=True, default=str).encode())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _store(workspace: Workspace, name: str) -> Iterator[Any]:
    """Open the search in the workspace's store of trials; nothing of Optuna's is printed."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    path = workspace.tuning
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            storage = optuna.storages.RDBStorage(f"sqlite:///{path.resolve().as_posix()}", engine_kwargs={"connect_args": {"timeout": 60}})
            study = optuna.create_study(storage=storage, study_name=name, direction="minimize", load_if_exists=True)
        except Exception as error:
            told = str(error).lower()
            if "not a database" in told or "malformed" in told:
                remedy = "Put it back from a backup, or move it away: the search then begins anew."
                raise ModelFault("this file is no store of trials, or it is damaged.", place=str(path), remedy=remedy) from error
            if isinstance(error, OSError):
                raise writing_fault(error, path) from error
            raise
        try:
            yield study
        finally:
            storage.remove_session()
            storage.engine.dispose()


@dataclass
class _Search:
    """One search at work: proposes, measures and keeps trials."""

    study: Any
    mlflow: Any
    validations: Mapping[RecentDays, Validation]
    recent_days: RecentDays
    recipes: Sequence[Recipe]
    seed: int
    progress: Progress
    _done: list[Tried] = field(default_factory=list)
    _asked: set[str] = field(default_factory=set)
    _parent: str = ""

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Find the parent run of this search in MLflow, or begin it, and close what an earlier call left open."""
        import optuna

        self.by_family = {recipe.family: recipe for recipe in self.recipes}
        client = self.mlflow.MlflowClient()
        self._parent = self.study.user_attrs.get("mlflow_run", "")
        if not self._parent or not self._there(client, self._parent):
            experiment = self.mlflow.get_experiment_by_name(EXPERIMENT).experiment_id
            tags = {"mlflow.runName": f"tune-{self.study.study_name}", "search": self.study.study_name}
            run = client.create_run(experiment, tags=tags | {name: str(value) for name, value in facts.items()})
            self._parent = run.info.run_id
            self.study.set_user_attr("mlflow_run", self._parent)
        for trial in self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            run_id = trial.user_attrs.get("mlflow_run")
            if run_id and self._there(client, run_id):
                client.set_terminated(run_id, "KILLED")
            self.study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        for trial in self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)):
            self._keep(trial)

    @staticmethod
    def _there(client: Any, run_id: str) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            client.get_run(run_id)
        except MlflowException:
            return False
        return True

    def finished(self) -> tuple[Tried, ...]:
        """Give the trials that were finished, in their order."""
        return tuple(self._done)

    def run(self, budget: Budget) -> tuple[int, str]:
        """Make trials until the budget is used or nothing is left to try; give how many there were before, and why it ended."""
        began, resumed = time.monotonic(), len(self._done)
        while True:
            spent = time.monotonic() - began
            own = self._done[resumed:]
            # The first trials of a process are slow, and of a family not of another; the mean is good enough to say when to stop.
            usual = sum(each.seconds for each in own) / len(own) if own else 0.0
            if budget.trials is not None and len(self._done) >= budget.trials:
                return resumed, "trials"
            if budget.seconds is not None and own and spent + usual > budget.seconds:
                return resumed, "time"
            self._tell_progress(budget, spent, usual)
            if not self._try_one():
                return resumed, "space"

    def _tell_progress(self, budget: Budget, spent: float, usual: float) -> None:
        told = f"trial {len(self._done) + 1}" + (f" of {budget.trials}" if budget.trials is not None else "")
        if self._done:
            best = min(self._done, key=lambda each: each.validated.loss)
            told += f", best so far {best.validated.loss:.4f} (AUC {best.validated.roc_auc:.3f}, trial {best.number})"
        left = [] if budget.seconds is None else [budget.seconds - spent]
        if budget.trials is not None and usual:
            left.append((budget.trials - len(self._done)) * usual)
        if left:
            told += f", {_duration(min(left))} left"
        by_time = budget.trials is None and budget.seconds is not None
        done, total = (spent, budget.seconds or 0.0) if by_time else (float(len(self._done)), float(budget.trials or 0))
        self.progress(min(int(done), int(total)), int(total), told)

    def _try_one(self) -> bool:
        """Make one trial; tell whether there was anything left to try."""
        found = self._propose()
        if found is None:
            return False
        trial, recipe, values, asked = found
        client, began = self.mlflow.MlflowClient(), time.monotonic()
        experiment = self.mlflow.get_experiment_by_name(EXPERIMENT).experiment_id
        number = len(self._done) + 1
        tags = {"mlflow.parentRunId": self._parent, "mlflow.runName": f"trial-{number}-{recipe.family}"}
        run_id = client.create_run(experiment, tags=tags).info.run_id
        trial.set_user_attr("mlflow_run", run_id)
        try:
            # Students, folds and outcomes are the same whatever counts as recent; only what is known of them differs.
            validated = self.validations[recipe.recent_days or self.recent_days].measure(recipe)
        except BaseException:
            client.set_terminated(run_id, "KILLED")
            raise
        seconds = time.monotonic() - began
        entities = self.mlflow.entities
        parameters = flat(recipe.model_dump(mode="json", exclude={"search"}))
        figures = {"log_loss": validated.loss, "roc_auc": validated.roc_auc, "seconds": seconds}
        figures |= {f"log_loss.{fold.replace(' ', '_')}": loss for fold, loss in validated.by_fold.items()}
        now = int(time.time() * 1000)
        client.log_batch(
            run_id,
            metrics=[entities.Metric(_plain_name(name), value, now, 0) for name, value in figures.items()],
            params=[entities.Param(name, str(value)) for name, value in parameters.items()],
        )
        client.set_terminated(run_id, "FINISHED")
        told = {
            "recipe": recipe.model_dump(mode="json"), "values": values, "roc_auc": validated.roc_auc, "blocks": validated.blocks.tolist(),
            "by_fold": validated.by_fold, "seconds": seconds, "asked": asked,
        }  # fmt: skip
        trial.set_user_attr("told", told)
        self.study.tell(trial, validated.loss)
        self._keep(self.study.get_trials(deepcopy=False)[trial.number])
        return True

    def _keep(self, trial: Any) -> None:
        told = trial.user_attrs["told"]
        validated = Validated(float(trial.value), float(told["roc_auc"]), np.array(told["blocks"]), dict(told["by_fold"]))
        recipe = Recipe.model_validate(told["recipe"])
        self._done.append(Tried(len(self._done) + 1, recipe, dict(told["values"]), validated, float(told["seconds"]), bool(told["asked"])))
        self._asked.add(_key(recipe.family, told["values"]))

    def _propose(self) -> tuple[Any, Recipe, dict[str, Any], bool] | None:
        """Choose what to try next: first each family as it stands, then what Optuna proposes, and where that was tried, anything that was not.

        The sampler is seeded by how many trials were finished, so that a resumed search goes on as an undisturbed one would.
        """
        import optuna

        for recipe in self.recipes:
            values = search.chosen(recipe)
            if values is not None and _key(recipe.family, values) not in self._asked:
                return self.study.ask(self._fixed(recipe, values)), recipe, values, True
        seed = [self.seed, len(self._done)]
        self.study.sampler = optuna.samplers.TPESampler(
            seed=int(np.random.default_rng(seed).integers(2**31)), multivariate=True, group=True
        )
        trial = self.study.ask()
        recipe, values = self._suggested(trial)
        if _key(recipe.family, values) not in self._asked:
            return trial, search.with_values(recipe, values), values, False
        self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        left = self._untried(np.random.default_rng([*seed, 1]))
        if left is None:
            return None
        recipe, values = left
        return self.study.ask(self._fixed(recipe, values)), search.with_values(recipe, values), values, False

    def _distributions(self, recipe: Recipe) -> dict[str, Any]:
        """Give, for each parameter of a family, the places in its list of values: neighbours there are neighbours to the sampler."""
        from optuna.distributions import IntDistribution

        return {f"{recipe.family}: {choice.name}": IntDistribution(0, len(choice.values) - 1) for choice in search.choices(recipe)}

    def _fixed(self, recipe: Recipe, values: Mapping[str, Any]) -> dict[str, Any]:
        """Give distributions for a trial with these values: the trial is put in the queue, and asked for next."""
        from optuna.distributions import CategoricalDistribution

        places = {f"{recipe.family}: {choice.name}": choice.values.index(values[choice.name]) for choice in search.choices(recipe)}
        told: dict[str, Any] = dict(places)
        distributions: dict[str, Any] = self._distributions(recipe)
        if len(self.recipes) > 1:
            told["family"] = recipe.family
            distributions["family"] = CategoricalDistribution(tuple(self.by_family))
        self.study.enqueue_trial(told)
        return distributions

    def _suggested(self, trial: Any) -> tuple[Recipe, dict[str, Any]]:
        family = trial.suggest_categorical("family", tuple(self.by_family)) if len(self.recipes) > 1 else self.recipes[0].family
        recipe = self.by_family[family]
        values = {}
        for choice in search.choices(recipe):
            values[choice.name] = choice.values[trial.suggest_int(f"{family}: {choice.name}", 0, len(choice.values) - 1)]
        return recipe, values

    def _untried(self, random: np.random.Generator) -> tuple[Recipe, dict[str, Any]] | None:
        left = [recipe for recipe in self.recipes if search.size(recipe) > sum(each.recipe.family == recipe.family for each in self._done)]
        if not left:
            return None
        for _ in range(_RANDOM_TRIES):
            recipe = left[int(random.integers(len(left)))]
            values = {choice.name: choice.values[int(random.integers(len(choice.values)))] for choice in search.choices(recipe)}
            if _key(recipe.family, values) not in self._asked:
                return recipe, values
        return None

    def close(self, tuned: Tuned) -> None:
        """Log what was found in the parent run."""
        client = self.mlflow.MlflowClient()
        worse, error = worse_by(tuned.winner.validated, tuned.best.validated)
        figures = {
            "best_log_loss": tuned.best.validated.loss, "log_loss": tuned.winner.validated.loss, "roc_auc": tuned.winner.validated.roc_auc,
            "worse_than_best": worse, "standard_error": error, "trials": float(len(tuned.tried)),
        }  # fmt: skip
        now = int(time.time() * 1000)
        client.log_batch(
            self._parent, metrics=[self.mlflow.entities.Metric(name, value, now, len(tuned.tried)) for name, value in figures.items()]
        )
        client.log_dict(self._parent, tuned.winner.recipe.model_dump(mode="json", exclude={"search"}), "winner.json")
        client.set_terminated(self._parent, "FINISHED")


def _key(family: str, values: Mapping[str, Any]) -> str:
    return json.dumps([family, values], sort_keys=True)


def _plain_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_.-/ " else "_" for letter in name)


def _duration(seconds: float) -> str:
    seconds = max(0.0, seconds)
    return f"{math.ceil(seconds)} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _importances(tried: Sequence[Tried], recipes: Sequence[Recipe], seed: int) -> dict[str, dict[str, float]]:
    """Ask Optuna's functional ANOVA (Hutter, Hoos and Leyton-Brown, 2014) how much of the spread in loss each parameter accounts for."""
    import optuna
    from optuna.distributions import BaseDistribution, IntDistribution

    told: dict[str, dict[str, float]] = {}
    for recipe in recipes:
        own = [each for each in tried if each.recipe.family == recipe.family]
        varied = search.choices(recipe)
        if len(own) < LEAST_TRIALS or len(varied) < 2 or np.ptp([each.validated.loss for each in own]) == 0.0:
            continue
        space: dict[str, BaseDistribution] = {choice.name: IntDistribution(0, len(choice.values) - 1) for choice in varied}
        study = optuna.create_study(direction="minimize")
        for each in own:
            places = {choice.name: choice.values.index(each.values[choice.name]) for choice in varied}
            study.add_trial(optuna.trial.create_trial(params=places, distributions=space, value=each.validated.loss))
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        told[recipe.family] = dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
    return told
