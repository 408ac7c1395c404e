"""How a student comes to leave: latent fit, study skills, level and circumstances, and from these a probability of each outcome.

Dropping out, switching and continuing follow a multinomial logit in the latent traits. Its intercepts are solved for over the students of
each cohort, so that the mean true probability of each cell is the margin asked for; outcomes then vary as chance does.
"""

from __future__ import annotations

from collections.abc import Mapping

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


def solve_intercepts(
    kinds: np.ndarray, slopes: np.ndarray, dropout: Mapping[str, float], switch: Mapping[str, float] = SWITCH
) -> np.ndarray:
    """Find, for each student's kind of prior education, the intercepts at which the mean true probabilities are the margins exactly.

    Parameters
    ----------
    kinds : ndarray of str, shape (n,)
        Prior education of each student.
    slopes : ndarray, shape (n, 2)
        What traits and programme add to the log-odds of dropping out and of switching.
    dropout, switch : mapping of kind to share
        Margins asked for.

    Returns
    -------
    ndarray, shape (n, 2)
        The intercepts of each student's kind, on the scale of log-odds against continuing.
    """
    found = np.zeros(slopes.shape)
    for kind in KINDS:
        who = kinds == kind
        if not who.any():
            continue
        asked = np.array([dropout[kind], switch[kind]])
        solved = root(_gap, np.log(asked / (1 - asked.sum())) - slopes[who].mean(axis=0), args=(slopes[who], asked), tol=1e-10)
        if not solved.success:
            raise RuntimeError(f"no intercepts give the margins of {kind}: {solved.message}")
        found[who] = solved.x
    return found


def _gap(intercepts: np.ndarray, slopes: np.ndarray, asked: np.ndarray) -> np.ndarray:
    return np.asarray(_probabilities(intercepts + slopes).mean(axis=0) - asked)


def _probabilities(log_odds: np.ndarray) -> np.ndarray:
    odds = np.exp(log_odds)
    return np.asarray(odds / (1 + odds.sum(axis=1, keepdims=True)))


def draw_traits(kinds: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw the traits of students, shape (n, 4), evenly spread (a scrambled Halton sequence) so that means keep close to their expectation."""
    points = qmc.Halton(d=len(TRAITS), scramble=True, rng=generator).random(len(kinds))
    standard = norm.ppf(np.clip(points, 1e-9, 1 - 1e-9))
    return np.asarray(standard + np.array([MEANS[kind] for kind in kinds]).reshape(-1, len(TRAITS)))


def outcome_probabilities(
    kinds: np.ndarray, traits: np.ndarray, effect: np.ndarray, dropout: Mapping[str, float], *, noise: bool
) -> np.ndarray:
    """Give the true probabilities of dropping out and of switching, shape (n, 2), given kind, traits and programme.

    Their mean is the margin, for each kind of prior education. With `noise` traits and programme play no part.
    """
    weights = np.column_stack([DROPOUT_WEIGHTS, SWITCH_WEIGHTS])
    slopes = np.zeros((len(kinds), 2)) if noise else effect[:, None] + traits @ weights
    return _probabilities(solve_intercepts(kinds, slopes, dropout) + slopes)


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
