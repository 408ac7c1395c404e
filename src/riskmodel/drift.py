"""Whether figures of now differ from those a model learnt from by more than chance gives. Knows samples and counts, not where they come from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import chi2, chi2_contingency, false_discovery_control, fisher_exact, ks_2samp, norm

Level = Literal["green", "amber", "red"]
LEVELS: tuple[Level, ...] = ("green", "amber", "red")
# What comes first can move what comes after it, so that among alarms the cause is told before what follows from it.
KINDS = ("composition", "feed_stopped", "feed_changed", "unscored", "missing", "feature", "score", "turnover",
         "calibration", "slope", "precision", "recall")  # fmt: skip
OUTCOME_KINDS = ("calibration", "slope", "precision", "recall")
# Chance lets a stable year leave green in one watch of a hundred, and turn red in one of a thousand.
AMBER, RED = 0.01, 0.001
_LEAST_EXPECTED = 5.0
_SMALLEST = 1e-300


@dataclass(frozen=True)
class Compared:
    """Two samples held beside each other.

    Attributes
    ----------
    now, before : float
        What is told of either: a median or a share.
    distance : float
        How far they are apart, from 0 (alike) to 1.
    p : float
        How often chance alone would set two samples of one source so far apart; NaN where nothing can be compared.
    which : str
        For categories: the one whose share changed most.
    """

    now: float
    before: float
    distance: float
    p: float
    which: str = ""


@dataclass(frozen=True)
class Check:
    """One thing that is watched.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    name : str
        A feature or programme; empty where it is about all students.
    compared : Compared
    size_now, size_before : int
        Students on either side.
    spread : float
        The largest distance of one earlier cohort from the others; NaN where there is one cohort.
    detail : mapping
        What words need besides, such as the days of a block.
    p_adjusted : float
        After correction for all that is watched at once.
    level : Level
    """

    kind: str
    name: str
    compared: Compared
    size_now: int
    size_before: int
    spread: float = math.nan
    detail: Mapping[str, Any] = field(default_factory=dict)
    p_adjusted: float = math.nan
    level: Level = "green"


def compare_numbers(now: np.ndarray, before: np.ndarray) -> Compared:
    """Compare two samples of numbers by their largest difference in cumulative share (Kolmogorov and Smirnov); NaN values are left out."""
    now, before = now[np.isfinite(now)], before[np.isfinite(before)]
    if not len(now) or not len(before):
        return Compared(math.nan, math.nan, math.nan, math.nan)
    told = ks_2samp(now, before, method="asymp")
    return Compared(float(np.median(now)), float(np.median(before)), float(told.statistic), float(told.pvalue))


def compare_shares(now: int, of_now: int, before: int, of_before: int) -> Compared:
    """Compare two shares by Fisher's exact test; nothing can be compared where all or none are on both sides."""
    if not of_now or not of_before:
        return Compared(math.nan, math.nan, math.nan, math.nan)
    shares = now / of_now, before / of_before
    whole = now + before in (0, of_now + of_before)
    p = math.nan if whole else float(fisher_exact([[now, of_now - now], [before, of_before - before]]).pvalue)
    return Compared(*shares, abs(shares[0] - shares[1]), p)


def compare_categories(now: Iterable[Any], before: Iterable[Any]) -> Compared:
    """Compare how two samples fall into categories (chi-squared); categories that few would be in are taken together, missing ones left out."""
    counts = pd.concat(
        [pd.Series(list(now), dtype="object").value_counts(), pd.Series(list(before), dtype="object").value_counts()], axis=1
    ).fillna(0.0)
    sizes = counts.sum().to_numpy()
    if len(counts) < 2 or not sizes.all():
        return Compared(math.nan, math.nan, math.nan, math.nan)
    shares = counts.to_numpy() / sizes
    apart = shares[:, 0] - shares[:, 1]
    most = int(np.abs(apart).argmax())
    expected = counts.sum(axis=1).to_numpy()[:, None] * sizes / sizes.sum()
    rare = (expected < _LEAST_EXPECTED).any(axis=1)
    table = counts.to_numpy()[~rare]
    if rare.any():
        table = np.vstack([table, counts.to_numpy()[rare].sum(axis=0)])
    p = float(chi2_contingency(table, correction=False).pvalue) if len(table) > 1 else math.nan
    return Compared(float(shares[most, 0]), float(shares[most, 1]), float(np.abs(apart).sum() / 2), p, str(counts.index[most]))


def over_dispersion(earlier: Sequence[Compared]) -> float:
    """Tell by how much earlier cohorts differ among themselves beyond drawing students, at least 1.

    Students of one cohort and programme share a timetable, a test and the median that they are compared with, so that cohorts differ more
    than samples of independent students would. The mean over comparisons of one earlier cohort with the others, each as a chi-squared of one
    degree of freedom with the same p, is 1 where they do not.

    Parameters
    ----------
    earlier : sequence of Compared

    References
    ----------
    McCullagh and Nelder (1989), 'Generalized Linear Models', 2nd edition, section 4.5: quasi-likelihood.
    """
    ps = np.array([each.p for each in earlier if each.p == each.p])
    return max(1.0, float(chi2.isf(np.maximum(ps, _SMALLEST), 1).mean())) if len(ps) else 1.0


def cluster_dispersion(values: np.ndarray, cluster: np.ndarray, within: np.ndarray) -> float:
    """Tell by how much means of clusters differ beyond drawing students, at least 1: the ratio of mean squares between and within clusters.

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)
        Compared by rank, so that no far value weighs more than others; missing ones are left out.
    cluster : numpy.ndarray, shape (n,)
        Students who share what happens to them, e.g. a programme's cohort.
    within : numpy.ndarray, shape (n,)
        What clusters of one kind have in common, e.g. the programme: what lasts from cohort to cohort is no dispersion.

    Returns
    -------
    float
        1 where no kind has two clusters.

    References
    ----------
    Kish (1965), 'Survey Sampling': the design effect, here by one-way analysis of variance on ranks.
    """
    frame = pd.DataFrame({"value": pd.Series(values).rank(), "cluster": cluster, "within": within}).dropna()
    cells = frame.groupby(["within", "cluster"], observed=True)["value"].agg(["size", "mean", "var"])
    kinds = frame.groupby("within", observed=True)["value"].mean()
    between = float((cells["size"] * (cells["mean"] - kinds.reindex(cells.index.get_level_values("within")).to_numpy()) ** 2).sum())
    inside = float(((cells["size"] - 1) * cells["var"].fillna(0.0)).sum())
    free, left = len(cells) - len(kinds), len(frame) - len(cells)
    if free < 1 or left < 1 or inside <= 0:
        return 1.0
    return max(1.0, (between / free) / (inside / left))


def widened(compared: Compared, dispersion: float) -> Compared:
    """Give the same comparison with chance as wide as earlier cohorts show it to be."""
    if compared.p != compared.p or dispersion <= 1:
        return compared
    return replace(compared, p=float(chi2.sf(chi2.isf(max(compared.p, _SMALLEST), 1) / dispersion, 1)))


def compare_calibration(y: np.ndarray, decision: np.ndarray, learnt_from: int) -> tuple[Compared, Compared]:
    """Hold outcomes beside the probabilities that were given: in the large, and the slope of log-odds.

    Parameters
    ----------
    y : numpy.ndarray, shape (n,)
    decision : numpy.ndarray, shape (n,)
        Log-odds that were given.
    learnt_from : int
        Students that the model learnt from: what it learnt is a sample too, so the variance of chance is larger by n / learnt_from.

    Returns
    -------
    tuple of Compared
        The share that left beside the mean probability; and the slope beside 1.

    References
    ----------
    Cox (1958), 'Two further applications of a model for binary regression', Biometrika 45.
    """
    probability = expit(decision)
    spread = probability * (1 - probability)
    wider = 1 + len(y) / max(1, learnt_from)
    gap = float((y - probability).sum()) / math.sqrt(float(spread.sum()) * wider)
    large = Compared(float(y.mean()), float(probability.mean()), abs(float(y.mean() - probability.mean())), float(2 * norm.sf(abs(gap))))
    line = np.array([0.0, 1.0])
    design = np.column_stack([np.ones(len(y)), decision])
    if len(np.unique(y)) < 2 or np.ptp(decision) == 0:
        return large, Compared(math.nan, 1.0, math.nan, math.nan)
    for _ in range(25):
        fitted = expit(design @ line)
        information = design.T @ (design * (fitted * (1 - fitted))[:, None])
        step = np.linalg.solve(information, design.T @ (y - fitted))
        line = line + step
        if float(np.abs(step).max()) < 1e-9:
            break
    error = math.sqrt(float(np.linalg.inv(information)[1, 1]) * wider)
    slope = float(line[1])
    return large, Compared(slope, 1.0, min(1.0, abs(slope - 1)), float(2 * norm.sf(abs(slope - 1) / error)))


def judge(checks: Sequence[Check]) -> list[Check]:
    """Correct for how much is watched at once, give each check its level, and put causes first.

    Amber is what chance gives in less than one watch of a hundred, red in less than one of a thousand, over all that is watched: p-values
    are adjusted by Benjamini and Hochberg within what is seen before outcomes are known and within what is seen after, and by Bonferroni
    over these two. Red asks besides that no earlier cohort stood so far from the others; what earlier years did among themselves is no alarm.

    Parameters
    ----------
    checks : sequence of Check

    Returns
    -------
    list of Check
        Red before amber before green, and within a level in the order of `KINDS`, the farthest apart first.

    References
    ----------
    Benjamini and Hochberg (1995), 'Controlling the false discovery rate', Journal of the Royal Statistical Society B 57. Where nothing has
    changed it bounds the chance of any alarm.
    """
    families = [
        [each for each in checks if (each.kind in OUTCOME_KINDS) == late and each.compared.p == each.compared.p] for late in (False, True)
    ]
    families = [family for family in families if family]
    judged = [each for each in checks if each.compared.p != each.compared.p]
    for family in families:
        adjusted = false_discovery_control(np.clip([each.compared.p for each in family], 0.0, 1.0))
        judged += [_levelled(each, min(1.0, float(p) * len(families))) for each, p in zip(family, adjusted, strict=True)]
    return sorted(judged, key=lambda each: (-LEVELS.index(each.level), KINDS.index(each.kind), -_known(each.compared.distance), each.name))


def _levelled(check: Check, p: float) -> Check:
    level: Level = "green" if p >= AMBER else "amber"
    if p < RED and not check.compared.distance <= check.spread:
        level = "red"
    return replace(check, p_adjusted=p, level=level)


def _known(value: float) -> float:
    return value if value == value else 0.0


def worst(checks: Sequence[Check]) -> Level:
    """Give the level of a watch: that of its worst check."""
    return LEVELS[max((LEVELS.index(each.level) for each in checks), default=0)]
