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
# Counts held at once, so that a block of resamples stays in the processor's cache.
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

    The intercept is calibration-in-the-large: fitted with the slope held at 1. NaN where all left or none did; the slope also
    where all predictions are equal.
    """
    line, intercept = _calibration(y, decision)
    return float(line[1]), intercept


def _calibration(y: np.ndarray, decision: np.ndarray) -> tuple[np.ndarray, float]:
    """Give the line of free slope (intercept, slope), and the intercept where the slope is 1."""
    if len(np.unique(y)) < 2:
        return np.full(2, np.nan), math.nan

    def fit(free_slope: bool) -> np.ndarray:
        def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
            slope = line[1] if free_slope else 1.0
            margin = line[0] + slope * decision
            residual = expit(margin) - y
            gradient = [residual.sum(), (residual @ decision) if free_slope else 0.0]
            return (np.logaddexp(0.0, margin) - y * margin).sum() / len(y), np.array(gradient) / len(y)

        return np.asarray(minimize(loss, np.array([0.0, 1.0]), jac=True, method="L-BFGS-B").x)

    line = fit(True) if np.ptp(decision) > 0 else np.full(2, np.nan)
    return line, float(fit(False)[0])


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
    return float(ranked(y, score, share, np.ones((1, len(y)), dtype=np.uint8)).found[0])


def precision_at_capacity(y: np.ndarray, score: np.ndarray, share: float) -> float:
    """Give the share of leavers among those invited."""
    return found_at_capacity(y, score, share) / (share * len(y))


def recall_at_capacity(y: np.ndarray, score: np.ndarray, share: float) -> float:
    """Give the share of all leavers who are invited; NaN without leavers."""
    return found_at_capacity(y, score, share) / float(y.sum()) if y.sum() else math.nan


def lift_at_capacity(y: np.ndarray, score: np.ndarray, share: float) -> float:
    """Give how many times as many leavers are invited as by lot; NaN without leavers."""
    return precision_at_capacity(y, score, share) / float(y.mean()) if y.sum() else math.nan


def gain_curve(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the corners of the line that tells which share of the leavers a list of which share of the students reaches.

    Between corners the line is straight, as a lot decides between equal scores.

    Returns
    -------
    tuple of numpy.ndarray, shape (corners,) each
        Shares of the students invited, and of the leavers reached; NaN without leavers.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.unique(_ties(score[order])[1])
    hits = np.cumsum(y[order])[ends - 1]
    reached = hits / hits[-1] if len(hits) and hits[-1] else np.full(len(hits), np.nan)
    return np.append(0.0, ends / max(1, len(y))), np.append(0.0, reached)


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


@dataclass(frozen=True)
class Ranked:
    """How well a score ranks, in every resample; NaN where a resample has no leavers, or no stayers.

    Attributes
    ----------
    roc_auc, average_precision, found, precision, recall, lift : numpy.ndarray, shape (times,)
        `found` is how many leavers a list at capacity holds; precision, recall and lift are at capacity too.
    """

    roc_auc: np.ndarray
    average_precision: np.ndarray
    found: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    lift: np.ndarray


def ranked(y: np.ndarray, score: np.ndarray, share: float, draws: np.ndarray) -> Ranked:
    """Measure how well a score ranks in every resample, looking through the list once.

    Parameters
    ----------
    y : numpy.ndarray, shape (n,)
    score : numpy.ndarray, shape (n,)
    share : float
        Capacity as a share of the students.
    draws : numpy.ndarray of int, shape (times, n)
        What `resamples` gives.
    """
    order = np.argsort(-score, kind="stable")
    starts, ends = _ties(score[order])
    leaver = (y[order] > 0).astype(np.uint8)
    who = np.flatnonzero(leaver)
    auc, precision, found, left, drawn = (np.empty(len(draws)) for _ in range(5))
    for rows in _blocks(draws):
        counts = draws[rows][:, order]
        students, leavers = _running(counts), _running(counts * leaver)
        times = counts[:, who].astype(float)
        left[rows], drawn[rows] = leavers[:, -1], students[:, -1]
        # Stayers that stand above each leaver, those of equal score counting half.
        above = students[:, starts[who]] + students[:, ends[who]] - leavers[:, starts[who]] - leavers[:, ends[who]]
        pairs = left[rows] * (drawn[rows] - left[rows])
        auc[rows] = 1.0 - _ratio((times * above).sum(axis=1) / 2, pairs)
        # Where a leaver was drawn, so were students of that score.
        share_of_leavers = leavers[:, ends[who]] / np.maximum(students[:, ends[who]], 1)
        precision[rows] = _ratio((times * share_of_leavers).sum(axis=1), left[rows])
        found[rows] = _filled(students, leavers, share * drawn[rows], starts, ends)
    return Ranked(auc, precision, found, found / (share * drawn), _ratio(found, left), _ratio(found / share, left))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0))


def _filled(students: np.ndarray, leavers: np.ndarray, capacity: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Fill a list to its capacity; students whose score equals the last one's share what is left of it."""
    last = (students[:, 1:] < capacity[:, None]).sum(axis=1).clip(max=len(starts) - 1)
    start, end, row = starts[last], ends[last], np.arange(len(students))
    before, equal = students[row, start], students[row, end] - students[row, start]
    among = leavers[row, end] - leavers[row, start]
    taken = np.divide(capacity - before, equal, out=np.zeros(len(row)), where=equal > 0)
    return np.asarray(leavers[row, start] + among * taken)


@dataclass(frozen=True)
class Calibrated:
    """How well probabilities fit, in every resample: Brier score, and slope and intercept of `calibration_line`, shape (times,) each."""

    brier: np.ndarray
    slope: np.ndarray
    intercept: np.ndarray


def calibrated(y: np.ndarray, decision: np.ndarray, draws: np.ndarray) -> Calibrated:
    """Measure calibration in every resample; slope and intercept by one Newton step from those of all students.

    Parameters
    ----------
    y : numpy.ndarray, shape (n,)
    decision : numpy.ndarray, shape (n,)
        Log-odds.
    draws : numpy.ndarray of int, shape (times, n)
        What `resamples` gives.

    References
    ----------
    Davidson and MacKinnon (1999), 'Bootstrap testing in nonlinear models', International Economic Review 40.
    """
    line, intercept = _calibration(y, decision)
    centre, scale = decision.mean(), decision.std() or 1.0
    axis = (decision - centre) / scale
    fitted, shifted = expit(line[0] + line[1] * decision), expit(intercept + decision)
    spread = fitted * (1 - fitted)
    terms = [(expit(decision) - y) ** 2, y - fitted, axis * (y - fitted), spread, axis * spread, axis**2 * spread, y - shifted]
    table = np.column_stack([*terms, shifted * (1 - shifted), np.ones(len(y))])
    sums = np.concatenate([draws[rows].astype(float) @ table for rows in _blocks(draws)])
    error, g0, g1, h00, h01, h11, g, h, students = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        slope: np.ndarray = line[1] + (h00 * g1 - h01 * g0) / (h00 * h11 - h01**2) / scale
        return Calibrated(error / students, slope, intercept + g / h)


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


def interval(value: float, drawn: np.ndarray, level: float = 0.95) -> Interval:
    """Give a figure with the interval that it has over resamples; those in which it does not exist are left out."""
    known = drawn[np.isfinite(drawn)]
    if math.isnan(value) or not len(known):
        return Interval(value, math.nan, math.nan)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def more_found(value: float, own: Ranked, other: Ranked, level: float) -> Interval:
    """Compare two scores on the same resamples: how many more leavers the first finds at capacity, with one-sided ends.

    Parameters
    ----------
    value : float
        How many more it finds among the students themselves.
    own, other : Ranked
        What `ranked` gives for either, with the same resamples.
    level : float
        Confidence of each end, e.g. 0.99.
    """
    low, high = np.quantile(own.found - other.found, [1 - level, level])
    return Interval(value, float(low), float(high))
