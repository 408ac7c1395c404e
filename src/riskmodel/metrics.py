"""How good scores are: ranking, calibration, and what a list of as many students as coaches have time for would find.

Every figure is by student; intervals come from resampling students, and two scores are compared on the same resamples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

RESAMPLES = 1000
BLOCK = 200_000


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


def found_at_capacity(y: np.ndarray, score: np.ndarray, share: float) -> float:
    """Give how many leavers a list of a share of the students holds, in expectation where a lot decides between equal scores.

    Parameters
    ----------
    y : numpy.ndarray, shape (n,)
    score : numpy.ndarray, shape (n,)
    share : float
        Capacity as a share of the students; the list holds `share * n` students, a fraction of the last ones if need be.

    Returns
    -------
    float
    """
    return float(_found_in_each(y, score, share, np.ones((1, len(y)), dtype=np.uint8))[0])


def precision_at_capacity(y: np.ndarray, score: np.ndarray, share: float) -> float:
    """Give the share of leavers among those invited."""
    return found_at_capacity(y, score, share) / (share * len(y))


def recall_at_capacity(y: np.ndarray, score: np.ndarray, share: float) -> float:
    """Give the share of all leavers who are invited; NaN without leavers."""
    return found_at_capacity(y, score, share) / float(y.sum()) if y.sum() else math.nan


def lift_at_capacity(y: np.ndarray, score: np.ndarray, share: float) -> float:
    """Give how many times as many leavers are invited as by lot; NaN without leavers."""
    return precision_at_capacity(y, score, share) / float(y.mean()) if y.sum() else math.nan


def resamples(students: np.ndarray, seed: int, times: int = RESAMPLES) -> np.ndarray:
    """Draw students with replacement, again and again, and tell how often each row counts.

    Parameters
    ----------
    students : numpy.ndarray, shape (n,)
        Who each row is about; rows of one student are drawn together.
    seed : int
    times : int
        How many resamples.

    Returns
    -------
    numpy.ndarray of int, shape (times, n)
    """
    people, person = np.unique(students, return_inverse=True)
    generator = np.random.default_rng(seed)
    drawn = np.empty((times, len(people)), dtype=np.uint8)
    for place in range(times):
        drawn[place] = np.bincount(generator.integers(0, len(people), len(people), dtype=np.int32), minlength=len(people))
    return np.take(drawn, person, axis=1)


def _weighted_auc(y: np.ndarray, score: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Give the AUC in every resample, shape (times,); NaN where a resample has no leavers or no stayers."""
    order = np.argsort(score, kind="stable")
    starts, ends = _ties(score[order])
    leavers = np.flatnonzero(y[order] > 0)
    found = np.empty(len(draws))
    for rows in _blocks(draws):
        counts = draws[rows][:, order]
        times = counts[:, leavers].astype(float)
        counts[:, leavers] = 0
        stayers = _running(counts)
        won = (times * (stayers[:, starts[leavers]] + stayers[:, ends[leavers]])).sum(axis=1)
        pairs = 2.0 * times.sum(axis=1) * stayers[:, -1]
        found[rows] = np.divide(won, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return found


def _found_in_each(y: np.ndarray, score: np.ndarray, share: float, draws: np.ndarray) -> np.ndarray:
    """Give the leavers found at capacity in every resample, shape (times,)."""
    order = np.argsort(-score, kind="stable")
    starts, ends = _ties(score[order])
    leaver = (y[order] > 0).astype(np.uint8)
    found = np.empty(len(draws))
    for rows in _blocks(draws):
        counts = draws[rows][:, order]
        students, leavers = _running(counts), _running(counts * leaver)
        capacity = share * students[:, -1]
        # The student with whom the list is full; those of equal score share what is left of it.
        last = (students[:, 1:] < capacity[:, None]).sum(axis=1).clip(max=len(y) - 1)
        start, end, row = starts[last], ends[last], np.arange(len(counts))
        before, equal = students[row, start], students[row, end] - students[row, start]
        among = leavers[row, end] - leavers[row, start]
        found[rows] = leavers[row, start] + among * np.divide(capacity - before, equal, out=np.zeros(len(counts)), where=equal > 0)
    return found


def _ties(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give, for each place in an ordered score, where its run of equal scores starts, and where the next run does."""
    firsts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    lengths = np.diff(np.append(firsts, len(ordered)))
    return np.repeat(firsts, lengths), np.repeat(firsts + lengths, lengths)


def _running(counts: np.ndarray) -> np.ndarray:
    """Give running totals along each row, beginning with 0, shape (rows, n + 1)."""
    totals = np.zeros((counts.shape[0], counts.shape[1] + 1), dtype=np.int32)
    np.cumsum(counts, axis=1, dtype=np.int32, out=totals[:, 1:])
    return totals


def _blocks(draws: np.ndarray) -> Iterator[slice]:
    """Give slices of resamples that fit in a processor's cache."""
    step = max(1, BLOCK // max(1, draws.shape[1]))
    for start in range(0, len(draws), step):
        yield slice(start, min(start + step, len(draws)))


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
