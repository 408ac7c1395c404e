"""Platt scaling: a straight line in log-odds, so that contributions still add up after calibration (Platt, 1999)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
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

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        margin = line[0] * decision + line[1]
        value = np.logaddexp(0.0, margin).sum() - y @ margin
        residual = expit(margin) - y
        return value / len(y), np.array([residual @ decision, residual.sum()]) / len(y)

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)], options={"ftol": 1e-12})
    return Platt(float(found.x[0]), float(found.x[1]))


def log_loss(margin: np.ndarray, y: np.ndarray) -> float:
    """Give the mean negative log-likelihood of log-odds."""
    return float((np.logaddexp(0.0, margin) - y * margin).mean())
