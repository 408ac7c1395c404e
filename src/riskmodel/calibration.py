"""Platt scaling: a straight line in log-odds, so that contributions still add up after calibration (Platt, 1999)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit


@dataclass(frozen=True)
class Platt:
    """calibrated log-odds = slope * decision value + intercept."""

    slope: float
    intercept: float

    def apply(self, decision: np.ndarray) -> np.ndarray:
        """Give calibrated log-odds."""
        return self.slope * decision + self.intercept


def fit_platt(decision: np.ndarray, y: np.ndarray) -> Platt:
    """Fit slope and intercept on predictions for students that the model did not learn from.

    Parameters
    ----------
    decision : numpy.ndarray, shape (n,)
        Out-of-fold decision values.
    y : numpy.ndarray, shape (n,)
        1.0 or 0.0.

    Returns
    -------
    Platt
        The slope is never negative: where the decision values say nothing it is 0, and everybody gets the base rate.
    """
    from scipy.optimize import minimize  # 20 MB and 0.1 s, which who only scores has no use for

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        margin = line[0] * decision + line[1]
        value = np.logaddexp(0.0, margin).sum() - y @ margin
        residual = expit(margin) - y
        return value / len(y), np.array([residual @ decision, residual.sum()]) / len(y)

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)], options={"ftol": 1e-12})
    return Platt(float(found.x[0]), float(found.x[1]))


def slope_error(platt: Platt, decision: np.ndarray, y: np.ndarray) -> float:
    """Give the standard error of a fitted slope, from the observed information; infinite where the decision values do not vary."""
    probability = expit(platt.apply(decision))
    weight = probability * (1 - probability)
    centred = decision - (weight @ decision) / weight.sum()
    information = float(weight @ centred**2)
    return float(1 / np.sqrt(information)) if information > 0 else float("inf")


def partly_pooled(slopes: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Draw slopes of several landmarks towards their common mean, each by how uncertain it is, and none by more than its standard error.

    A slope that is fitted on few leavers, or where scores hardly differ, is mostly chance; the other landmarks of the same recipe tell what
    to expect. The limit keeps a landmark without any signal, whose slope is 0, from being lent the signal of the others.

    Parameters
    ----------
    slopes, errors : numpy.ndarray, shape (landmarks,)
        As fitted, with standard errors.

    Returns
    -------
    numpy.ndarray, shape (landmarks,)

    References
    ----------
    DerSimonian and Laird (1986), 'Meta-analysis in clinical trials', Controlled Clinical Trials 7. Efron and Morris (1972), 'Limiting the risk of
    Bayes and empirical Bayes estimators', Journal of the American Statistical Association 67.
    """
    known = np.isfinite(errors) & (errors > 0)
    if known.sum() < 2:
        return slopes
    weight = 1 / errors[known] ** 2
    mean = weight @ slopes[known] / weight.sum()
    spread = weight @ (slopes[known] - mean) ** 2 - (known.sum() - 1)
    between = max(0.0, spread / (weight.sum() - (weight**2).sum() / weight.sum()))
    weight = 1 / (errors[known] ** 2 + between)
    mean = weight @ slopes[known] / weight.sum()
    own = between / (between + errors[known] ** 2)
    drawn = slopes.copy()
    moved = (1 - own) * (mean - slopes[known])
    drawn[known] = slopes[known] + np.clip(moved, -errors[known], errors[known])
    return np.asarray(np.maximum(drawn, 0.0))


def with_slope(slope: float, decision: np.ndarray, y: np.ndarray) -> Platt:
    """Give Platt's line with a slope that is given, and the intercept at which as many are expected to leave as did."""
    low, high = -50.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if expit(slope * decision + middle).mean() > y.mean() else (middle, high)
    return Platt(slope, (low + high) / 2)


def log_loss(margin: np.ndarray, y: np.ndarray) -> float:
    """Give the mean negative log-likelihood of log-odds."""
    return float((np.logaddexp(0.0, margin) - y * margin).mean())
