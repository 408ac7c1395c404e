"""How good a recipe is on students that it did not learn from, within the cohorts that it is given; knows no search and no test cohort."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from riskmodel.contract.definition import DatasetDefinition
from riskmodel.errors import DataFault
from riskmodel.families.recipe import Recipe
from riskmodel.features import catalogue
from riskmodel.metrics import roc_auc
from riskmodel.model import LEAST_LEAVERS, fit_model

BLOCKS = 100
INNER_FOLDS = 3
# Of so few cohorts the spread between them says nothing.
LEAST_COHORTS = 3

Frames = Mapping[int, pd.DataFrame]


@dataclass(frozen=True)
class Fold:
    """One step of validation.

    Attributes
    ----------
    name : str
        What is predicted.
    learnt, held : mapping of landmark to pandas.DataFrame
        Students to learn from, and students to predict; nobody is on both sides.
    """

    name: str
    learnt: Frames
    held: Frames


@dataclass(frozen=True)
class Validated:
    """What a recipe is worth.

    Attributes
    ----------
    loss : float
        Mean negative log-likelihood of a student's outcome, averaged over folds, targets and landmarks; in nats, less is better.
    roc_auc : float
        The same average of the area under the ROC curve.
    blocks : numpy.ndarray, shape (blocks,)
        The loss's parts by block of students; they add up to it.
    by_fold : dict
        The loss by fold.
    """

    loss: float
    roc_auc: float
    blocks: np.ndarray
    by_fold: dict[str, float]


def rolling_folds(frames: Frames, cohorts: Sequence[str]) -> tuple[Fold, ...]:
    """Give the folds of a rolling origin: each cohort but the first is predicted from those before it.

    With one cohort, parts of it are predicted from the rest: three parts of students, and three of whole programmes where there are two
    programmes or more, because next year's students differ from this year's by more than chance.

    Parameters
    ----------
    frames : mapping of landmark to pandas.DataFrame
        With student_id, cohort and programme.
    cohorts : sequence of str
        The cohorts to use, in order of time. Rows of others are not looked at.

    References
    ----------
    Tashman (2000), 'Out-of-sample tests of forecasting accuracy', International Journal of Forecasting 16. Roberts et al. (2017),
    'Cross-validation strategies for data with temporal, spatial, hierarchical, or phylogenetic structure', Ecography 40.
    """
    if len(cohorts) > 1:
        return tuple(_fold(cohorts[place], frames, [cohorts[place]], cohorts[:place], "cohort") for place in range(1, len(cohorts)))
    only = {day: frame[frame["cohort"] == cohorts[0]] for day, frame in frames.items()}
    marked = {day: frame.assign(_part=_parts(frame["student_id"], INNER_FOLDS)) for day, frame in only.items()}
    parts = list(range(INNER_FOLDS))
    told = [_fold(f"students {part + 1}", marked, [part], [each for each in parts if each != part], "_part") for part in parts]
    sizes = only[min(only)]["programme"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    groups = [list(sizes.index[part::INNER_FOLDS]) for part in parts]
    groups = [group for group in groups if group]
    if len(groups) > 1:
        told += [
            _fold(f"programmes {part + 1}", only, group, [name for name in sizes.index if name not in group], "programme")
            for part, group in enumerate(groups)
        ]
    return tuple(told)


def _parts(students: pd.Series, parts: int) -> np.ndarray:
    return np.array([int(hashlib.sha256(f"part {student}".encode()).hexdigest()[:8], 16) % parts for student in students], dtype=np.intp)


def _fold(name: str, frames: Frames, held: Sequence[object], learnt: Sequence[object], column: str) -> Fold:
    held_frames, learnt_frames = {}, {}
    for day, frame in frames.items():
        held_frames[day] = frame[frame[column].isin(held)]
        rest = frame[frame[column].isin(learnt)]
        learnt_frames[day] = rest[~rest["student_id"].isin(held_frames[day]["student_id"])]
    return Fold(name, learnt_frames, held_frames)


class Validation:
    """Measures recipes on the same folds, so that they can be compared student by student.

    Parameters
    ----------
    definition : DatasetDefinition
        What the institution declares.
    folds : sequence of Fold
    targets : sequence of str

    Attributes
    ----------
    cells : tuple
        (fold, target, landmark) that are measured: those with enough leavers and stayers to learn from, and some of both to predict.
    left_out : tuple
        Those that are not.

    Raises
    ------
    DataFault
        Not one of them has enough.
    """

    def __init__(self, definition: DatasetDefinition, folds: Sequence[Fold], targets: Sequence[str]) -> None:
        self.definition = definition
        self.folds = {fold.name: fold for fold in folds}
        every = [(fold.name, target, day) for fold in folds for target in targets for day in sorted(fold.learnt)]
        self.cells = tuple(cell for cell in every if self._enough(*cell))
        self.left_out = tuple(cell for cell in every if cell not in self.cells)
        if not self.cells:
            raise DataFault(
                f"too few students left to search with: at no landmark {LEAST_LEAVERS} who left and {LEAST_LEAVERS} who stayed are there to learn from.",
                remedy="Train with a family's recipe as it is; a search on so few would pick what chance liked.",
            )
        people = sorted(
            {str(student) for fold in folds for frame in fold.held.values() for student in frame["student_id"]},
            key=lambda student: hashlib.sha256(f"block {student}".encode()).hexdigest(),
        )
        self.block_count = min(BLOCKS, len(people))
        self._block = {student: place % self.block_count for place, student in enumerate(people)}

    def _enough(self, name: str, target: str, day: int) -> bool:
        learnt, held = (side[day][target].dropna() for side in (self.folds[name].learnt, self.folds[name].held))
        return min(learnt.sum(), (1 - learnt).sum()) >= LEAST_LEAVERS and 0 < held.sum() < len(held)

    @property
    def students(self) -> int:
        """How many students are predicted."""
        return len(self._block)

    def measure(self, recipe: Recipe) -> Validated:
        """Fit a recipe on what each fold may learn from, and measure it on what the fold holds out."""
        blocks, aucs, by_fold = np.zeros(self.block_count), [], dict.fromkeys(self.folds, 0.0)
        in_fold = {name: sum(cell[0] == name for cell in self.cells) for name in self.folds}
        for name, target in dict.fromkeys((name, target) for name, target, _ in self.cells):
            fold, days = self.folds[name], [day for fold_name, asked, day in self.cells if (fold_name, asked) == (name, target)]
            learnt = {day: fold.learnt[day] for day in days}
            programmes = tuple(sorted({each for frame in learnt.values() for each in frame["programme"]})) if recipe.programme else ()
            model = fit_model(learnt, target, catalogue(self.definition, programmes), recipe, intervals=False)
            for day in days:
                known = fold.held[day][fold.held[day][target].notna()]
                y = known[target].to_numpy(dtype=float)
                margin = model.decision(known, day)
                each = np.logaddexp(0.0, margin) - y * margin
                place = np.array([self._block[student] for student in known["student_id"]], dtype=np.intp)
                parts = np.bincount(place, weights=each, minlength=self.block_count) / len(y)
                blocks += parts / len(self.cells)
                by_fold[name] += float(parts.sum()) / in_fold[name]
                aucs.append(roc_auc(y, margin))
        return Validated(float(blocks.sum()), float(np.mean(aucs)), blocks, {name: by_fold[name] for name in self.folds if in_fold[name]})


def worse_by(one: Validated, other: Validated) -> tuple[float, float]:
    """Give by how much the loss of one is higher than that of another, and the standard error of that difference.

    Both were measured on the same students, so what makes a student hard to predict falls out of the difference. The standard error is that
    between random blocks of students, and with three cohorts or more that between cohorts where it is larger, because next year is another
    cohort, not another student of these.

    Parameters
    ----------
    one, other : Validated
        Of the same `Validation`.

    References
    ----------
    Wolter (2007), 'Introduction to Variance Estimation', chapter 2 (random groups).
    """
    apart = one.blocks - other.blocks
    error = math.sqrt(len(apart) * float(np.var(apart, ddof=1))) if len(apart) > 1 else 0.0
    folds = np.array([one.by_fold[name] - other.by_fold[name] for name in one.by_fold])
    if len(folds) >= LEAST_COHORTS and not any(name.startswith(("students ", "programmes ")) for name in one.by_fold):
        error = max(error, float(folds.std(ddof=1)) / math.sqrt(len(folds)))
    return float(apart.sum()), error
