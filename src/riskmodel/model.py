"""A fitted model of one target: what it was made from, its decision values and probabilities, its explanations, and its folder of text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from threadpoolctl import threadpool_limits

from riskmodel.calibration import Platt, fit_platt, partly_pooled, slope_error, with_slope
from riskmodel.catalogue import Catalogue, Feature
from riskmodel.certainty import Certainty, HowSure, fit_certainty
from riskmodel.contract.definition import DEFAULT_RECENT_DAYS, RecentDays
from riskmodel.design import Design
from riskmodel.errors import DataFault, ModelFault
from riskmodel.explain.shapley import PatternCounts, TreeExplainer
from riskmodel.families.boosted import fit_boosted, read_trees
from riskmodel.families.logistic import Logistic, fit_logistic
from riskmodel.families.recipe import Recipe
from riskmodel.features.context import ProgrammeContext
from riskmodel.files import atomic_folder
from riskmodel.parallel import in_order
from riskmodel.progress import Progress, silent
from riskmodel.unusual import Seen

FORMAT = "riskmodel"
FORMAT_VERSION = 2
MODEL_FILE, CHECKSUM_FILE = "model.json", "checksums.json"
LEAST_LEAVERS = 10
LEAST_LEFT = 0.2
# Standard errors by which another share of the blend must be better than the recipe's.
BEYOND_DOUBT = 2.0
_BLEND_GRID = tuple(round(0.1 * step, 1) for step in range(11))


@dataclass(frozen=True)
class ModelFacts:
    """Where a model comes from; kept with it and told on its card.

    Attributes
    ----------
    definition : dict
        Cohorts and the definition of the outcome, as `dataset.toml` says them.
    fingerprint : str
        SHA-256 of the data.
    students : dict
        Per cohort: students and leavers at the first landmark.
    trained_on : tuple of str
        Cohorts that it learnt from.
    tested_on : str
        The cohort that its figures were measured on, or nothing.
    versions : dict
        Versions of the libraries that it was fitted with.
    prior_education_rates : dict
        Per landmark (as text): how many of each kind left, for the comparison with prior education alone.
    set_apart : dict
        Per table and rule: rows that the check set apart.
    """

    definition: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    students: dict[str, Any] = field(default_factory=dict)
    trained_on: tuple[str, ...] = ()
    tested_on: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    prior_education_rates: dict[str, dict[str, float]] = field(default_factory=dict)
    set_apart: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Explanation:
    """Contributions in calibrated log-odds; baseline plus the sum of a row is that row's decision value.

    Attributes
    ----------
    baseline : float
        Mean decision value of the background.
    contributions : numpy.ndarray, shape (n, features)
    features : tuple of str
        Names, in the order of the columns.
    """

    baseline: float
    contributions: np.ndarray
    features: tuple[str, ...]


class Member:
    """What a model says at one landmark: logistic regression, trees or both, blended and calibrated in log-odds.

    Parameters
    ----------
    logistic : Logistic or None
    trees : str or None
        LightGBM's text.
    weight : float
        Share of the logistic regression in the blend.
    platt : Platt
    linear_mean : numpy.ndarray or None, shape (columns,)
        Mean of the logistic terms in the background.
    patterns : PatternCounts or None
        The background's patterns in the trees.
    columns : int
        Columns of the design matrix.
    """

    def __init__(
        self,
        logistic: Logistic | None,
        trees: str | None,
        weight: float,
        platt: Platt,
        linear_mean: np.ndarray | None,
        patterns: PatternCounts | None,
        columns: int,
    ) -> None:
        self.logistic = logistic
        self.trees_text = trees
        self.weight = weight
        self.platt = platt
        self.linear_mean = linear_mean
        self.patterns = patterns
        if (logistic is not None and len(logistic.weight) != columns) or (linear_mean is not None and len(linear_mean) != columns):
            raise ValueError("coefficients and columns differ in number")
        self.trees: TreeExplainer | None = None
        if trees is not None and patterns is not None:
            parsed = read_trees(trees, columns)
            self.trees = TreeExplainer(parsed, patterns.weights(parsed))

    def decision(self, X: np.ndarray) -> np.ndarray:
        """Give calibrated log-odds, shape (n,)."""
        total = np.zeros(len(X))
        if self.logistic is not None:
            total += self.weight * self.logistic.decision(X)
        if self.trees is not None:
            total += (1 - self.weight) * self.trees.decision(X)
        return self.platt.apply(total)

    def explain(self, X: np.ndarray) -> tuple[float, np.ndarray]:
        """Give the baseline and the contributions of columns, shape (n, columns), in calibrated log-odds."""
        baseline, total = 0.0, np.zeros_like(X)
        if self.logistic is not None and self.linear_mean is not None:
            total += self.weight * (self.logistic.terms(X) - self.linear_mean)
            baseline += self.weight * (self.logistic.intercept + float(self.linear_mean.sum()))
        if self.trees is not None:
            total += (1 - self.weight) * self.trees.contributions(X)
            baseline += (1 - self.weight) * self.trees.baseline
        return self.platt.slope * baseline + self.platt.intercept, self.platt.slope * total


@dataclass(frozen=True)
class RiskModel:
    """A fitted model of one target at all its landmarks.

    Attributes
    ----------
    target : str
        'dropout' or 'leave'.
    catalogue : Catalogue
        The features that it looks at.
    design : Design
        How they become columns.
    members : mapping of landmark to Member
    recipe : Recipe
    facts : ModelFacts
    measured : dict
        What was measured on the test cohort, per landmark as text; empty where nothing was.
    contexts : mapping of landmark to ProgrammeContext
        What was usual in the programmes of the newest cohort, for a student who is scored alone.
    version : str
        Given at registration; empty before.
    certainty : mapping of landmark to Certainty
        How sure its scores are; empty for a model that was fitted without.
    """

    target: str
    catalogue: Catalogue
    design: Design
    members: Mapping[int, Member]
    recipe: Recipe
    facts: ModelFacts
    measured: dict[str, Any] = field(default_factory=dict)
    contexts: Mapping[int, ProgrammeContext] = field(default_factory=dict)
    version: str = ""
    certainty: Mapping[int, Certainty] = field(default_factory=dict)

    @property
    def landmarks(self) -> tuple[int, ...]:
        """Days at which it can score, in rising order."""
        return tuple(sorted(self.members))

    def landmark_for(self, day: float) -> int | None:
        """Give the last landmark passed by a day, or None before the first."""
        passed = [landmark for landmark in self.landmarks if landmark <= day]
        return passed[-1] if passed else None

    @property
    def recent_days(self) -> RecentDays:
        """Days that 'recent' stands for in its features."""
        told: RecentDays = self.recipe.recent_days or self.facts.definition.get("recent_days", DEFAULT_RECENT_DAYS)
        return told

    def _member(self, landmark: int) -> Member:
        if landmark not in self.members:
            known = ", ".join(map(str, self.landmarks))
            raise ModelFault(f"this model has no landmark {landmark}.", remedy=f"It has {known}.")
        return self.members[landmark]

    def decision(self, frame: pd.DataFrame, landmark: int) -> np.ndarray:
        """Give calibrated log-odds.

        Parameters
        ----------
        frame : pandas.DataFrame, shape (n, any)
            Holds every feature of the catalogue.
        landmark : int
            One of the model's landmarks.

        Returns
        -------
        numpy.ndarray, shape (n,)

        Raises
        ------
        ModelFault
            The model has no such landmark.
        """
        return self._member(landmark).decision(self.design.matrix(frame, landmark))

    def probability(self, frame: pd.DataFrame, landmark: int) -> np.ndarray:
        """Give the probability of the target, shape (n,), in the open interval from 0 to 1."""
        return np.asarray(expit(self.decision(frame, landmark)))

    def explain(self, frame: pd.DataFrame, landmark: int) -> Explanation:
        """Give the contribution of every feature, in calibrated log-odds, against the training students of that landmark."""
        return self.explain_matrix(self.design.matrix(frame, landmark), landmark)

    def explain_matrix(self, X: np.ndarray, landmark: int) -> Explanation:
        """Give what `explain` gives, of a design matrix, shape (n, columns)."""
        baseline, columns = self._member(landmark).explain(X)
        return Explanation(baseline, self.design.by_feature(columns), self.design.features)

    @property
    def interval_level(self) -> float | None:
        """How often the interval of a score should cover, over students; None where it has none."""
        return next((each.level for each in self.certainty.values()), None)

    def how_sure(self, frame: pd.DataFrame, landmark: int) -> HowSure | None:
        """Give the interval of each probability, and what is unusual about each student; None for a model that was fitted without.

        Parameters
        ----------
        frame : pandas.DataFrame, shape (n, any)
            Holds every feature of the catalogue.
        landmark : int
            One of the model's landmarks.

        Raises
        ------
        ModelFault
            The model has no such landmark.
        """
        member = self._member(landmark)
        if landmark not in self.certainty:
            return None
        X = self.design.matrix(frame, landmark)
        return self.certainty[landmark].tell(frame, X, member.decision(X), self._seen_later(landmark))

    def how_sure_rows(self, rows: Sequence[Mapping[str, Any]], X: np.ndarray, decision: np.ndarray, landmark: int) -> HowSure | None:
        """Give what `how_sure` gives, of rows that never were a frame, with their design matrix and their log-odds."""
        if landmark not in self.certainty:
            return None
        return self.certainty[landmark].tell_rows(rows, X, decision, self._seen_later(landmark))

    def _seen_later(self, landmark: int) -> Seen | None:
        return next((self.certainty[day].seen for day in self.landmarks if day > landmark and day in self.certainty), None)

    def save(self, folder: Path) -> None:
        """Write the model as a folder of text, whole or not at all; equal models give equal bytes.

        Raises
        ------
        RiskModelError
            The folder can't be written or holds something already.
        """
        with atomic_folder(folder) as place:
            for name, text in self._files().items():
                (place / name).write_bytes(text.encode())
            (place / CHECKSUM_FILE).write_bytes(_dumps(self.checksums()).encode())

    def checksums(self) -> dict[str, str]:
        """Give the SHA-256 of each file that the model is saved as; equal for equal models."""
        return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in self._files().items()}

    def _files(self) -> dict[str, str]:
        trees = {f"trees-{landmark}.txt": member.trees_text for landmark, member in self.members.items() if member.trees_text is not None}
        sure = {f"certainty-{landmark}.json": _dumps_short(each.to_dict()) for landmark, each in self.certainty.items()}
        return {MODEL_FILE: _dumps(self._content()), **trees, **sure}

    def _content(self) -> dict[str, Any]:
        members = {}
        for landmark, member in sorted(self.members.items()):
            members[str(landmark)] = {
                "weight": member.weight,
                "platt": asdict(member.platt),
                "logistic": None if member.logistic is None else member.logistic.to_dict(),
                "trees": None if member.trees_text is None else f"trees-{landmark}.txt",
                "linear_mean": None if member.linear_mean is None else member.linear_mean.tolist(),
                "patterns": None
                if member.patterns is None
                else {name: getattr(member.patterns, name).tolist() for name in ("tree", "pattern", "count")},
            }
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "target": self.target,
            "version": self.version,
            "recipe": self.recipe.model_dump(mode="json"),
            "facts": asdict(self.facts),
            "measured": self.measured,
            "catalogue": [asdict(feature) for feature in self.catalogue.values()],
            "design": self.design.to_list(),
            "members": members,
            "contexts": {str(landmark): context.to_dict() for landmark, context in sorted(self.contexts.items())},
        }


def shared_recent_days(models: Iterable[RiskModel]) -> RecentDays:
    """Give the days that 'recent' stands for in models that are to look at the same features.

    Raises
    ------
    ModelFault
        They differ.
    """
    told = {model.recent_days: f"'{model.target}'{' ' + model.version if model.version else ''} at {model.recent_days}" for model in models}
    if len(told) > 1:
        raise ModelFault(
            f"these models look at recent weeks of different length, in days: {', '.join(told[days] for days in sorted(told))}.",
            remedy="Train and promote them with the same recent_days, in the recipe or in dataset.toml.",
        )
    return next(iter(told), DEFAULT_RECENT_DAYS)


def _dumps(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _dumps_short(content: Any) -> str:
    """Write thousands of figures, a line per part rather than a line per figure."""
    parts = [
        f"{json.dumps(name)}: {json.dumps(content[name], ensure_ascii=False, sort_keys=True, allow_nan=False)}" for name in sorted(content)
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def load_model(folder: Path) -> RiskModel:
    """Read a model from its folder; no code of the folder's is run.

    Parameters
    ----------
    folder : Path
        What `RiskModel.save` wrote.

    Raises
    ------
    ModelFault
        The folder is missing, damaged, foreign or of a newer format; the reason is named.
    """
    remedy = "Fetch the model folder again, whole, or promote once more."
    try:
        sums = json.loads((folder / CHECKSUM_FILE).read_text(encoding="utf-8"))
        texts = {}
        for name, expected in sums.items():
            if Path(name).name != name:
                raise ModelFault("a checksum names a file outside the folder.", place=str(folder), remedy=remedy)
            content = (folder / name).read_bytes()
            if hashlib.sha256(content).hexdigest() != expected:
                raise ModelFault(f"the file {name} was changed after the model was written.", place=str(folder), remedy=remedy)
            texts[name] = content.decode("utf-8")
        told = json.loads(texts[MODEL_FILE], parse_constant=_refuse_constant)
        if not isinstance(told, dict) or told.get("format") != FORMAT:
            raise ModelFault("this is not a model of this product.", place=str(folder), remedy=remedy)
        if told["format_version"] > FORMAT_VERSION:
            raise ModelFault("this model was written by a newer version of the product.", place=str(folder), remedy="Upgrade riskmodel.")
        if told["format_version"] < FORMAT_VERSION:
            raise ModelFault(
                "this model was written by an older version of the product.", place=str(folder), remedy="Train and promote anew."
            )
        return _from_content(told, texts)
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise ModelFault(f"the file {missing} is missing, so this is no whole model folder.", place=str(folder), remedy=remedy) from None
    except OSError as error:
        raise ModelFault(f"the folder can't be read ({error.strerror}).", place=str(folder), remedy=remedy) from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise ModelFault(f"this model folder is damaged ({type(error).__name__}: {error}).", place=str(folder), remedy=remedy) from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number that a model holds")


def _from_content(told: dict[str, Any], texts: Mapping[str, str]) -> RiskModel:
    design = Design.from_list(told["design"])
    members = {}
    for landmark, each in told["members"].items():
        patterns = each["patterns"]
        members[int(landmark)] = Member(
            None if each["logistic"] is None else Logistic.from_dict(each["logistic"]),
            None if each["trees"] is None else texts[each["trees"]],
            float(each["weight"]),
            Platt(**each["platt"]),
            None if each["linear_mean"] is None else np.array(each["linear_mean"], dtype=float),
            None
            if patterns is None
            else PatternCounts(*(np.array(patterns[name], dtype=np.int64) for name in ("tree", "pattern", "count"))),
            len(design.columns),
        )
    catalogue = Catalogue(Feature(**(each | {"categories": tuple(each["categories"])})) for each in told["catalogue"])
    certainty = {}
    for landmark in members:
        if (name := f"certainty-{landmark}.json") in texts:
            certainty[landmark] = Certainty.from_dict(json.loads(texts[name], parse_constant=_refuse_constant), design, catalogue)
    facts = told["facts"] | {"trained_on": tuple(told["facts"]["trained_on"])}
    return RiskModel(
        target=told["target"],
        catalogue=catalogue,
        design=design,
        members=members,
        recipe=Recipe.model_validate(told["recipe"]),
        facts=ModelFacts(**facts),
        measured=told["measured"],
        contexts={int(landmark): ProgrammeContext.from_dict(each) for landmark, each in told["contexts"].items()},
        version=told["version"],
        certainty=certainty,
    )


def fit_model(
    frames: Mapping[int, pd.DataFrame],
    target: str,
    catalogue: Catalogue,
    recipe: Recipe,
    *,
    facts: ModelFacts | None = None,
    contexts: Mapping[int, ProgrammeContext] | None = None,
    progress: Progress = silent,
    intervals: bool = True,
) -> RiskModel:
    """Fit one target's model.

    The blend's weight and the calibration are fitted on out-of-fold decision values: each cohort is predicted from the others. Where
    there is one cohort, or where without one of them less than a fifth of the students is left, each fold of students is predicted from
    the other folds. A student never stands on both sides.

    Parameters
    ----------
    frames : mapping of landmark to pandas.DataFrame
        Features of the training cohorts with student_id, cohort and a column named as the target; rows without a label are left out.
    target : str
        'dropout' or 'leave'.
    catalogue : Catalogue
        Features to look at.
    recipe : Recipe
        Family and parameters.
    facts : ModelFacts, optional
        Where the data come from.
    contexts : mapping of landmark to ProgrammeContext, optional
        Kept for students who are scored alone.
    progress : Progress
        Told which landmark is being fitted.
    intervals : bool
        Whether to learn how sure scores are as well; who fits many models to compare them needs no intervals.

    Returns
    -------
    RiskModel

    Raises
    ------
    DataFault
        There are fewer than ten students who left, or who stayed, at a landmark.
    """
    pooled = recipe.layout == "pooled"
    design = Design.of(catalogue, with_day=pooled)
    for landmark, frame in sorted(frames.items()):
        _require_both(frame, target, landmark)
    members: dict[int, Member] = {}
    certainty: dict[int, Certainty] = {}

    def sure(landmark: int, sample: _Sample) -> Certainty | None:
        frame = frames[landmark]
        known = frame[frame[target].notna()]
        return fit_certainty(known, sample.X, sample.y, design, catalogue, recipe.interval_level) if intervals else None

    def fitted(landmark: int) -> tuple[Member, Certainty | None, np.ndarray, np.ndarray]:
        # A landmark's matrix is made when its turn comes: that of a large institution is as large as all the rest.
        sample = _Sample.of(frames[landmark], target, design, landmark)
        parts = _fit_and_calibrate(sample, design, recipe.for_target(target))
        return parts.member(sample, recipe, len(design.columns)), sure(landmark, sample), parts.out_of_fold, sample.y

    def keep(landmark: int, member: Member, told: Certainty | None) -> None:
        members[landmark] = member
        if told is not None:
            certainty[landmark] = told

    with threadpool_limits(limits=recipe.threads):  # the artefact's bytes depend on the number of threads
        if pooled:
            progress(0, 1, f"fitting {target}")
            samples = {landmark: _Sample.of(frame, target, design, landmark) for landmark, frame in sorted(frames.items())}
            parts = _fit_and_calibrate(_Sample.join(list(samples.values())), design, recipe.for_target(target))
            for landmark, sample in samples.items():
                keep(landmark, parts.member(sample, recipe, len(design.columns)), sure(landmark, sample))
        else:
            progress(0, len(frames), f"fitting {target}")
            out_of_fold = []
            for place, (member, told, margin, y) in enumerate(in_order(fitted, sorted(frames))):
                landmark = sorted(frames)[place]
                keep(landmark, member, told)
                out_of_fold.append((margin, y))
                progress(place + 1, len(frames), f"fitted {target} at day {landmark}")
            _pool_slopes([members[landmark] for landmark in sorted(frames)], out_of_fold)
    progress(1, 1, f"fitted {target}")
    return RiskModel(target, catalogue, design, members, recipe, facts or ModelFacts(), contexts=contexts or {}, certainty=certainty)


@dataclass(frozen=True)
class _Sample:
    X: np.ndarray
    y: np.ndarray
    cohort: np.ndarray
    student: np.ndarray

    @classmethod
    def of(cls, frame: pd.DataFrame, target: str, design: Design, landmark: int) -> _Sample:
        known = frame[frame[target].notna()]
        y = known[target].to_numpy(dtype=float)
        return cls(design.matrix(known, landmark), y, known["cohort"].to_numpy(dtype="U"), known["student_id"].to_numpy(dtype="U"))

    @classmethod
    def join(cls, samples: Sequence[_Sample]) -> _Sample:
        return cls(*(np.concatenate([getattr(sample, name) for sample in samples]) for name in ("X", "y", "cohort", "student")))

    def where(self, chosen: np.ndarray) -> _Sample:
        return _Sample(self.X[chosen], self.y[chosen], self.cohort[chosen], self.student[chosen])

    def held_out(self, folds: int) -> list[np.ndarray]:
        """Give, per fold, which rows are predicted from the others: each cohort, or folds of students.

        Folds of students where there is one cohort, or where without one of them too little is left to learn from: a September intake can't
        be predicted from the few of one February.
        """
        by_cohort = [self.cohort == cohort for cohort in sorted(set(self.cohort))]
        if len(by_cohort) > 1 and all(self.apart_from(held).mean() >= LEAST_LEFT for held in by_cohort):
            return by_cohort
        fold = np.array([int(hashlib.sha256(str(student).encode()).hexdigest()[:8], 16) % folds for student in self.student])
        return [fold == each for each in range(folds) if (fold == each).any()]

    def apart_from(self, held: np.ndarray) -> np.ndarray:
        """Tell which rows are neither held out nor of a student who is."""
        return np.asarray(~held & ~np.isin(self.student, self.student[held]))


@dataclass(frozen=True)
class _Parts:
    logistic: Logistic | None
    trees: str | None
    weight: float
    platt: Platt
    out_of_fold: np.ndarray

    def member(self, sample: _Sample, recipe: Recipe, columns: int) -> Member:
        """Put the parts together with the background of one landmark: its training students, evenly thinned to the recipe's number."""
        step = max(1, -(-len(sample.y) // recipe.background))
        background = sample.X[::step]
        mean = None if self.logistic is None else self.logistic.terms(background).mean(axis=0)
        patterns = None if self.trees is None else PatternCounts.of(read_trees(self.trees, columns), background)
        return Member(self.logistic, self.trees, self.weight, self.platt, mean, patterns, columns)


def _require_both(frame: pd.DataFrame, target: str, landmark: int) -> None:
    y = frame[target].dropna()
    if y.sum() < LEAST_LEAVERS or (1 - y).sum() < LEAST_LEAVERS:
        raise DataFault(
            f"at day {landmark} {int(y.sum())} of {len(y)} students have the outcome '{target}'; a model needs {LEAST_LEAVERS} on either side.",
            remedy="Add a cohort, or take this landmark out of dataset.toml; the first-test rule needs no model.",
        )


def _fit_and_calibrate(sample: _Sample, design: Design, recipe: Recipe) -> _Parts:
    out_of_fold = np.zeros((2, len(sample.y)))
    for held in sample.held_out(recipe.folds):
        rest = sample.apart_from(held)
        if len(set(sample.y[rest])) < 2:
            raise DataFault("the students left for training all have the same outcome.", remedy="Check the outcomes, or add a cohort.")
        logistic, trees = _fit_once(sample.where(rest), design, recipe)
        if logistic is not None:
            out_of_fold[0, held] = logistic.decision(sample.X[held])
        if trees is not None:
            out_of_fold[1, held] = read_trees(trees, len(design.columns)).decision(sample.X[held])
    weight = _blend_weight(out_of_fold, sample, recipe)
    margin = weight * out_of_fold[0] + (1 - weight) * out_of_fold[1]
    logistic, trees = _fit_once(sample, design, recipe)
    return _Parts(logistic, trees, weight, fit_platt(margin, sample.y), margin)


def _pool_slopes(members: Sequence[Member], out_of_fold: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Let the landmarks lend each other strength in how steep their calibration is."""
    slopes = np.array([member.platt.slope for member in members])
    errors = np.array([slope_error(member.platt, *told) for member, told in zip(members, out_of_fold, strict=True)])
    for member, slope, own, (margin, y) in zip(members, partly_pooled(slopes, errors), slopes, out_of_fold, strict=True):
        if slope != own:
            member.platt = with_slope(float(slope), margin, y)


def _fit_once(sample: _Sample, design: Design, recipe: Recipe) -> tuple[Logistic | None, str | None]:
    logistic = trees = None
    if recipe.family in ("logistic", "blend"):
        logistic = fit_logistic(sample.X, sample.y, design.signs, recipe.logistic.l2)
    if recipe.family in ("lightgbm", "blend"):
        trees = fit_boosted(sample.X, sample.y, design.signs, recipe.lightgbm, seed=recipe.seed, threads=recipe.threads)
    return logistic, trees


def _blend_weight(out_of_fold: np.ndarray, sample: _Sample, recipe: Recipe) -> float:
    if recipe.family == "logistic":
        return 1.0
    if recipe.family == "lightgbm":
        return 0.0
    own = recipe.blend_weight if isinstance(recipe.blend_weight, float) else None
    if own is not None and (not recipe.share_moves or len(set(sample.cohort)) < 2):
        return own
    y = sample.y

    def losses(weight: float) -> np.ndarray:
        margin = weight * out_of_fold[0] + (1 - weight) * out_of_fold[1]
        margin = fit_platt(margin, y).apply(margin)
        return np.asarray(np.logaddexp(0.0, margin) - y * margin)

    told = {weight: losses(weight) for weight in _BLEND_GRID}
    best = min(told, key=lambda weight: (told[weight].mean(), abs(weight - 0.5)))
    if own is None:
        return best
    gain = losses(own) - told[best]
    # In every cohort: thousands of students of one year say nothing of another year.
    parts = [gain[sample.cohort == cohort] for cohort in set(sample.cohort)]
    sure = all(len(part) > 1 and part.mean() > BEYOND_DOUBT * part.std(ddof=1) / np.sqrt(len(part)) for part in parts)
    return best if sure else own


def with_measured(model: RiskModel, measured: dict[str, Any], version: str = "") -> RiskModel:
    """Give the same model with what was measured of it."""
    return replace(model, measured=measured, version=version or model.version)
