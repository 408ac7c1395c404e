"""How a student comes to leave: latent fit, study skills, level and circumstances, and from these a probability of each outcome.

Dropping out, switching and continuing follow a multinomial logit in the latent traits. Its intercepts are solved for numerically, so that
the mean true probability of each cell is the margin asked for; outcomes then vary as chance does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import root
from scipy.stats import gamma, norm, qmc

from riskmodel.synth.settings import INTAKE, SWITCH

KINDS = tuple(INTAKE)
TRAITS = ("fit", "skills", "level", "circumstances")
# What a trait does to the log-odds of dropping out and of switching against continuing.
DROPOUT_WEIGHTS = np.array([-0.75, -1.05, -0.85, 0.85])
SWITCH_WEIGHTS = np.array([-1.15, -0.25, -0.35, 0.15])
# Where a kind of prior education stands on average: havo lacks independence rather than level, mbo the reverse, vwo neither.
MEANS = {"havo": (0.0, -0.20, 0.15, 0.0), "mbo": (0.1, 0.10, -0.30, 0.15), "vwo": (-0.1, 0.15, 0.45, -0.1), "other": (0.0, 0.0, 0.0, 0.1)}
LEAVES_IN_YEAR = {"dropped_out": 0.75, "switched": 0.45}
LEAVING_DAYS = {"dropped_out": (2.2, 62.0), "switched": (2.6, 62.0)}  # shape and scale of a gamma distribution, in days
FIRST_DAY_TO_LEAVE = 7
LAST_DAY_TO_LEAVE = 330
LOOKS_WELL = 0.12
_NODES = 24


@dataclass(frozen=True)
class Intercepts:
    """Log-odds of dropping out and of switching at traits of zero, per kind of prior education."""

    dropout: Mapping[str, float]
    switch: Mapping[str, float]


def solve_intercepts(
    dropout: Mapping[str, float],
    effects: Sequence[float],
    weights: Sequence[float],
    *,
    noise: bool = False,
    switch: Mapping[str, float] = SWITCH,
) -> Intercepts:
    """Find the intercepts at which each kind's mean probabilities are the margins.

    Parameters
    ----------
    dropout, switch : mapping of kind to share
        Margins asked for.
    effects, weights : sequence of float
        What each programme adds to both log-odds, and its share of the students.
    noise : bool
        Whether traits and programmes play no part.

    Notes
    -----
    The mean over traits is a Gauss-Hermite quadrature: the two log-odds are jointly normal given prior education.
    """
    found_dropout, found_switch = {}, {}
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(_NODES)
    node_weights = node_weights / node_weights.sum()
    covariance = np.array([[DROPOUT_WEIGHTS @ DROPOUT_WEIGHTS, DROPOUT_WEIGHTS @ SWITCH_WEIGHTS], [0.0, SWITCH_WEIGHTS @ SWITCH_WEIGHTS]])
    covariance[1, 0] = covariance[0, 1]
    lower = np.linalg.cholesky(covariance)
    grid = np.array(np.meshgrid(nodes, nodes, indexing="ij")).reshape(2, -1)
    mass = np.outer(node_weights, node_weights).ravel()
    spread = np.zeros_like(grid) if noise else lower @ grid
    shift = np.zeros(1) if noise else np.asarray(effects, dtype=float)
    share = np.ones(1) if noise else np.asarray(weights, dtype=float) / np.sum(weights)
    for kind in KINDS:
        centre = np.zeros(2) if noise else np.array([DROPOUT_WEIGHTS @ np.array(MEANS[kind]), SWITCH_WEIGHTS @ np.array(MEANS[kind])])
        asked = np.array([dropout[kind], switch[kind]])

        def gap(intercept: np.ndarray, centre: np.ndarray = centre, asked: np.ndarray = asked) -> np.ndarray:
            odds = np.exp(intercept[:, None, None] + centre[:, None, None] + spread[:, :, None] + shift[None, None, :])
            probability = odds / (1 + odds.sum(axis=0))
            return np.asarray(np.einsum("knp,n,p->k", probability, mass, share) - asked)

        solved = root(gap, np.log(asked / (1 - asked.sum())) - centre, tol=1e-10)
        found_dropout[kind], found_switch[kind] = float(solved.x[0]), float(solved.x[1])
    return Intercepts(found_dropout, found_switch)


def draw_traits(kinds: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw the traits of students, shape (n, 4), evenly spread (a scrambled Halton sequence) so that means keep close to their expectation."""
    points = qmc.Halton(d=len(TRAITS), scramble=True, rng=generator).random(len(kinds))
    standard = norm.ppf(np.clip(points, 1e-9, 1 - 1e-9))
    return np.asarray(standard + np.array([MEANS[kind] for kind in kinds]).reshape(-1, len(TRAITS)))


def outcome_probabilities(kinds: np.ndarray, traits: np.ndarray, effect: np.ndarray, intercepts: Intercepts, *, noise: bool) -> np.ndarray:
    """Give the true probabilities of dropping out and of switching, shape (n, 2), given kind, traits and programme."""
    base = np.array([[intercepts.dropout[kind], intercepts.switch[kind]] for kind in kinds]).reshape(-1, 2)
    if not noise:
        base = base + effect[:, None] + traits @ np.column_stack([DROPOUT_WEIGHTS, SWITCH_WEIGHTS])
    odds = np.exp(base)
    return np.asarray(odds / (1 + odds.sum(axis=1, keepdims=True)))


def draw_outcomes(probabilities: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw an outcome for each student, shape (n,)."""
    uniform = generator.random(len(probabilities))
    dropped = uniform < probabilities[:, 0]
    switched = ~dropped & (uniform < probabilities.sum(axis=1))
    return np.where(dropped, "dropped_out", np.where(switched, "switched", "continued"))


def draw_leaving(outcomes: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw the day on which each student leaves, shape (n,); NaN for who stays till the year's end."""
    days = np.full(len(outcomes), np.nan)
    for outcome, share in LEAVES_IN_YEAR.items():
        who = outcomes == outcome
        shape, scale = LEAVING_DAYS[outcome]
        drawn = FIRST_DAY_TO_LEAVE + np.floor(generator.gamma(shape, scale, len(outcomes)))
        in_year = generator.random(len(outcomes)) < share
        days = np.where(who & in_year & (drawn <= LAST_DAY_TO_LEAVE), drawn, days)
    return days


def still_enrolled(outcome: str, day: int) -> float:
    """Give the chance that somebody with this outcome has not left by a day."""
    if outcome == "continued":
        return 1.0
    shape, scale = LEAVING_DAYS[outcome]
    # Days are floored, so 'left by the end of this day' is 'drawn below the next'; who would leave after the last day stays till the end.
    latest = LAST_DAY_TO_LEAVE - FIRST_DAY_TO_LEAVE + 1
    gone = gamma.cdf(max(0, min(day - FIRST_DAY_TO_LEAVE + 1, latest)), shape, scale=scale)
    return float(1 - LEAVES_IN_YEAR[outcome] * gone)


def probabilities_at(probabilities: np.ndarray, day: int) -> np.ndarray:
    """Give the true probabilities of dropping out and of switching for those who have not left by a day, shape (n, 2), exactly, by Bayes' rule."""
    alive = np.array([still_enrolled("dropped_out", day), still_enrolled("switched", day)])
    weighted = probabilities * alive
    return np.asarray(weighted / (weighted.sum(axis=1, keepdims=True) + 1 - probabilities.sum(axis=1, keepdims=True)))
