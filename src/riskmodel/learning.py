"""Whether there are enough students to learn from, and whether more would help; chooses nothing and keeps no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from riskmodel.catalogue import Catalogue
from riskmodel.design import Design
from riskmodel.errors import DataFault
from riskmodel.families.logistic import fit_logistic
from riskmodel.metrics import ranked, resamples, roc_auc
from riskmodel.model import LEAST_LEAVERS

# What counts as better: so much AUC, about one more leaver found among sixty invited.
WORTH = 0.01
SHARES = (0.25, 0.4, 0.6, 0.8, 1.0)
REPEATS = 16
DRAWS = 300
LEVEL = 0.9
SMALL = 2000

Answer = Literal["helps", "little", "unclear"]


@dataclass(frozen=True)
class LearningCurve:
    """How well logistic regression ranks when it learns from more and more students.

    Attributes
    ----------
    target : str
    landmark : int
    students : tuple of int
        How many it learnt from, in rising order; the last is all.
    roc_auc, low, high : tuple of float
        Mean over random subsets, and the ends of a 90 % interval over students that are predicted and subsets.
    leavers : int
        Leavers among all that could be learnt from.
    another : int
        Students that another cohort would add.
    gain, gain_low, gain_high : float
        AUC that these are expected to add, with a 90 % interval.
    answer : {'helps', 'little', 'unclear'}
        Whether another cohort would help.
    """

    target: str
    landmark: int
    students: tuple[int, ...]
    roc_auc: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    leavers: int
    another: int
    gain: float
    gain_low: float
    gain_high: float
    answer: Answer


def require_enough(frames: Mapping[int, pd.DataFrame], target: str, least: int) -> None:
    """Refuse to learn where so few left, or stayed, that a model would give noise a name.

    Parameters
    ----------
    frames : mapping of landmark to pandas.DataFrame
        Students to learn from, with a column named as the target.
    target : str
    least : int
        Fewest leavers, and fewest stayers, at every landmark.

    Raises
    ------
    DataFault
        There are fewer somewhere; how many, where, and what can be done.

    Notes
    -----
    With 30 leavers in 200 students the share of leavers itself is known to within five percentage points, the first thing that Riley et al. ask
    (2020, 'Calculating the sample size required for developing a clinical prediction model', BMJ 368, m441), and an AUC of 0.75 has a standard
    error of 0.05 (Hanley and McNeil 1982): with fewer, not even the worth of a model could be told from that of prior education alone.
    """
    for landmark, frame in sorted(frames.items()):
        y = frame[target].dropna()
        left = int(y.sum())
        if min(left, len(y) - left) < least:
            raise DataFault(
                f"too few: at day {landmark} {left} of {len(y)} students have the outcome '{target}'; a model needs {least} on either side.",
                remedy="Add a cohort, take this landmark out of dataset.toml, or list by the first-test rule (riskmodel score --rule first-test).",
            )


def learning_curve(
    learnt: pd.DataFrame, held: pd.DataFrame, target: str, landmark: int, catalogue: Catalogue, *, l2: float, seed: int = 20
) -> LearningCurve | None:
    """Learn from more and more students of earlier cohorts, and predict a later one.

    Parameters
    ----------
    learnt, held : pandas.DataFrame
        Features and labels at the landmark; of students to draw from, and of students to predict.
    target : str
    landmark : int
    catalogue : Catalogue
        Features to look at.
    l2 : float
        Penalty of the logistic regression, which of all families needs the fewest students.
    seed : int

    Returns
    -------
    LearningCurve or None
        None where too few left to draw a curve.

    Notes
    -----
    What is still to be gained falls as one over the number of students (Amari and Murata 1993, 'Statistical theory of learning curves under
    entropic loss criterion', Neural Computation 5), so AUC = a + b / n is fitted by least squares and drawn on to one cohort more. Students are
    drawn from all earlier cohorts alike: that a new cohort is also the most like the next is not in it.
    """
    known, test = learnt[learnt[target].notna()], held[held[target].notna()]
    y, y_test = known[target].to_numpy(dtype=float), test[target].to_numpy(dtype=float)
    sizes = sorted({round(share * len(y)) for share in SHARES})
    if min(y.sum(), (1 - y).sum()) * SHARES[0] < LEAST_LEAVERS / 2 or not 0 < y_test.sum() < len(y_test):
        return None
    design = Design.of(catalogue)
    X, X_test = design.matrix(known), design.matrix(test)
    random = np.random.default_rng(seed)
    draws = resamples(test["student_id"].to_numpy(dtype=str), seed, DRAWS)
    means, drawn = [], []
    for size in sizes:
        repeats = REPEATS if size < len(y) else 1
        values: list[float] = []
        resampled: list[np.ndarray] = []
        while len(values) < repeats:
            chosen = random.permutation(len(y))[:size]
            if not 0 < y[chosen].sum() < size:
                continue
            decision = fit_logistic(X[chosen], y[chosen], design.signs, l2).decision(X_test)
            values.append(roc_auc(y_test, decision))
            resampled.append(ranked(y_test, decision, 0.2, draws).roc_auc)
        means.append(float(np.mean(values)))
        # Each draw has its own students to predict and one subset of each size to learn from: it is the spread of single training sets
        # that one institution's one next cohort is up against, not that of their mean.
        drawn.append(np.array(resampled)[random.integers(repeats, size=DRAWS), np.arange(DRAWS)])
    table = np.array(drawn)
    table = table[:, np.isfinite(table).all(axis=0)]
    cohorts = known["cohort"].value_counts()
    another = int(cohorts[sorted(cohorts.index)[-1]])
    A = np.column_stack([np.ones(len(sizes)), 1 / np.array(sizes)])
    ahead = 1 / (sizes[-1] + another) - 1 / sizes[-1]
    slopes = np.linalg.lstsq(A, np.column_stack([means, table]), rcond=None)[0][1] * ahead
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(table, ends, axis=1)
    gain_low, gain_high = np.quantile(slopes[1:], ends)
    gain = float(slopes[0])
    answer: Answer = "helps" if gain_low > 0 and gain >= WORTH else "little" if gain_high < WORTH else "unclear"
    return LearningCurve(
        target, landmark, tuple(sizes), tuple(means), tuple(map(float, low)), tuple(map(float, high)), int(y.sum()), another, gain,
        float(gain_low), float(gain_high), answer,
    )  # fmt: skip
