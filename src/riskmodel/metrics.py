"""How good scores are: ranking, calibration, and what a list of as many students as coaches have time for would find.

Every figure is by student; intervals come from resampling students, and two scores are compared on the same resamples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

RESAMPLES = 1000
MOST_DRAWS = 20_000_000


@dataclass(frozen=True)
class Interval:
    """A figure with the ends of its interval."""

    value: float
    low: float
    high: float


def roc_auc(y: np.ndarray, score: np.ndarray) -> float:
    """Give the chance that a leaver scores higher than a stayer, ties counting half; NaN where there are none of either.

    Parameters
    ----------
    y : numpy.ndarray, shape (n,)
        1.0 or 0.0.
    score : numpy.ndarray, shape (n,)
        Any increasing function of the risk.
    """
    leavers = y > 0
    positives, negatives = int(leavers.sum()), int((~leavers).sum())
    if not positives or not negatives:
        return math.nan
    ranks = rankdata(score)
    return float((ranks[leavers].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(y: np.ndarray, score: np.ndarray) -> float:
    """Give the mean precision over the leavers as the list grows, students with equal scores entering together; NaN without leavers."""
    if not (y > 0).any():
        return math.nan
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(y[order])
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    recall = hits[ends] / hits[-1]
    precision = hits[ends] / (ends + 1)
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def brier(y: np.ndarray, probability: np.ndarray) -> float:
    """Give the mean squared difference between probability and outcome (Brier, 1950)."""
    return float(((probability - y) ** 2).mean())


def calibration_line(y: np.ndarray, decision: np.ndarray) -> tuple[float, float]:
    """Give slope and intercept of the outcome's log-odds on the predicted log-odds (Cox, 1958): 1 and 0 where calibration is perfect.

    The intercept is calibration-in-the-large: fitted with the slope held at 1.
    """
    if len(set(y)) < 2:
        return math.nan, math.nan

    def fit(free_slope: bool) -> np.ndarray:
        def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
            slope = line[1] if free_slope else 1.0
            margin = line[0] + slope * decision
            residual = expit(margin) - y
            gradient = [residual.sum(), (residual @ decision) if free_slope else 0.0]
            return (np.logaddexp(0.0, margin) - y * margin).sum() / len(y), np.array(gradient) / len(y)

        return np.asarray(minimize(loss, np.array([0.0, 1.0]), jac=True, method="L-BFGS-B").x)

    return float(fit(True)[1]), float(fit(False)[0])


def found_at_capacity(y: np.ndarray, score: np.ndarray, share: float, weights: np.ndarray | None = None) -> float:
    """Give how many leavers a list of a share of the students holds, in expectation where a lot decides between equal scores.

    Parameters
    ----------
    y : numpy.ndarray, shape (n,)
    score : numpy.ndarray, shape (n,)
    share : float
        Capacity as a share of the students; the list holds `share * n` students, a fraction of the last ones if need be.
    weights : numpy.ndarray, shape (n,), optional
        How often each student counts, as in a resample.

    Returns
    -------
    float
    """
    times = np.ones(len(y)) if weights is None else weights
    values, group = np.unique(-score, return_inverse=True)
    students = np.bincount(group, weights=times, minlength=len(values))
    leavers = np.bincount(group, weights=times * y, minlength=len(values))
    return float(_found(students, leavers, share * times.sum()))


def _found(students: np.ndarray, leavers: np.ndarray, capacity: float) -> float:
    before = np.concatenate([[0.0], np.cumsum(students)[:-1]])
    taken = np.clip(capacity - before, 0.0, students)
    return float((leavers * np.divide(taken, students, out=np.zeros_like(taken), where=students > 0)).sum())


def precision_at_capacity(y: np.ndarray, score: np.ndarray, share: float) -> float:
    """Give the share of leavers among those invited."""
    return found_at_capacity(y, score, share) / (share * len(y))


def recall_at_capacity(y: np.ndarray, score: np.ndarray, share: float) -> float:
    """Give the share of all leavers who are invited; NaN without leavers."""
    return found_at_capacity(y, score, share) / float(y.sum()) if y.sum() else math.nan


def lift_at_capacity(y: np.ndarray, score: np.ndarray, share: float) -> float:
    """Give how many times as many leavers are invited as by lot; NaN without leavers."""
    return precision_at_capacity(y, score, share) / float(y.mean()) if y.sum() else math.nan


def resamples(n: int, seed: int, times: int = RESAMPLES) -> np.ndarray:
    """Draw how often each of n students counts in each resample, shape (times, n); fewer times where n is large, to stay within memory."""
    generator = np.random.default_rng(seed)
    times = max(100, min(times, MOST_DRAWS // max(n, 1)))
    return np.stack([np.bincount(generator.integers(0, n, n), minlength=n) for _ in range(times)]).astype(float)


def _weighted_auc(y: np.ndarray, score: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Give the AUC in every resample at once, shape (times,)."""
    values, group = np.unique(score, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(values)))
    leavers = np.add.reduceat((draws * y)[:, order], starts, axis=1)
    stayers = np.add.reduceat((draws * (1 - y))[:, order], starts, axis=1)
    below = np.cumsum(stayers, axis=1) - stayers
    pairs = leavers.sum(axis=1) * stayers.sum(axis=1)
    won = (leavers * (below + 0.5 * stayers)).sum(axis=1)
    return np.divide(won, pairs, out=np.full(len(draws), np.nan), where=pairs > 0)


def _found_in_each(y: np.ndarray, score: np.ndarray, share: float, draws: np.ndarray) -> np.ndarray:
    """Give the leavers found at capacity in every resample at once, shape (times,)."""
    values, group = np.unique(-score, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(values)))
    students = np.add.reduceat(draws[:, order], starts, axis=1)
    leavers = np.add.reduceat((draws * y)[:, order], starts, axis=1)
    before = np.cumsum(students, axis=1) - students
    taken = np.clip(share * draws.sum(axis=1, keepdims=True) - before, 0.0, students)
    return np.asarray((leavers * np.divide(taken, students, out=np.zeros_like(taken), where=students > 0)).sum(axis=1))


def _interval(value: float, draws: np.ndarray, level: float) -> Interval:
    known = draws[~np.isnan(draws)]
    if math.isnan(value) or not len(known):
        return Interval(value, math.nan, math.nan)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def roc_auc_interval(y: np.ndarray, score: np.ndarray, draws: np.ndarray, level: float = 0.95) -> Interval:
    """Give the AUC with its interval over resamples of students (`resamples`)."""
    return _interval(roc_auc(y, score), _weighted_auc(y, score, draws), level)


def precision_interval(y: np.ndarray, score: np.ndarray, share: float, draws: np.ndarray, level: float = 0.95) -> Interval:
    """Give the precision at capacity with its interval over resamples of students."""
    found = _found_in_each(y, score, share, draws) / (share * draws.sum(axis=1))
    return _interval(precision_at_capacity(y, score, share), found, level)


def more_found(y: np.ndarray, score: np.ndarray, other: np.ndarray, share: float, draws: np.ndarray, level: float) -> Interval:
    """Compare two scores on the same resamples: how many more leavers the first finds at capacity, with a one-sided lower end.

    Parameters
    ----------
    y : numpy.ndarray, shape (n,)
    score, other : numpy.ndarray, shape (n,)
    share : float
        Capacity as a share of the students.
    draws : numpy.ndarray, shape (times, n)
        What `resamples` gives.
    level : float
        Confidence of the lower end, e.g. 0.99.

    Returns
    -------
    Interval
        `low` is the one-sided lower end; `high` the upper end at the same level.
    """
    value = found_at_capacity(y, score, share) - found_at_capacity(y, other, share)
    difference = _found_in_each(y, score, share, draws) - _found_in_each(y, other, share, draws)
    low, high = np.quantile(difference, [1 - level, level])
    return Interval(value, float(low), float(high))


