"""Logistic regression whose coefficients keep the catalogue's directions.

scikit-learn's has no bounds on coefficients, so the ridge-penalised likelihood is minimised by L-BFGS-B (Byrd, Lu, Nocedal and Zhu, 1995).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

SPARSE = 0.2


@dataclass(frozen=True)
class Logistic:
    """A fitted logistic regression over a design matrix.

    Each column is standardised, and where it is unknown counts as its training mean: that it is unknown says nothing by itself.
    What a column adds depends on that column alone, and Shapley values are exact differences from the background's mean.

    Attributes
    ----------
    intercept : float
    mean, scale, weight : numpy.ndarray, shape (columns,)
        Training mean and standard deviation, coefficient of the standardised value.
    """

    intercept: float
    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray

    def terms(self, X: np.ndarray) -> np.ndarray:
        """Give what each column adds to the log-odds, shape (n, columns)."""
        return np.asarray(np.where(np.isnan(X), 0.0, (X - self.mean) / self.scale) * self.weight)

    def decision(self, X: np.ndarray) -> np.ndarray:
        """Give log-odds, shape (n,)."""
        return np.asarray(self.intercept + self.terms(X).sum(axis=1))

    def to_dict(self) -> dict[str, Any]:
        """Give the parameters as plain numbers."""
        arrays = {name: getattr(self, name).tolist() for name in ("mean", "scale", "weight")}
        return {"intercept": self.intercept, **arrays}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Logistic:
        """Take back what `to_dict` gave."""
        arrays = {name: np.array(content[name], dtype=float) for name in ("mean", "scale", "weight")}
        return cls(float(content["intercept"]), **arrays)


def fit_logistic(X: np.ndarray, y: np.ndarray, signs: np.ndarray, l2: float) -> Logistic:
    """Fit a logistic regression with a ridge penalty and bounded coefficients.

    Parameters
    ----------
    X : numpy.ndarray, shape (n, columns)
        NaN where a value is not known.
    y : numpy.ndarray, shape (n,)
        1.0 or 0.0.
    signs : numpy.ndarray, shape (columns,)
        1 where a coefficient may not be negative, -1 where it may not be positive, 0 where it is free.
    l2 : float
        Penalty: half of it times the sum of squared coefficients is added to the negative log-likelihood.

    Returns
    -------
    Logistic
    """
    from scipy.optimize import minimize  # 20 MB and 0.1 s, which who only scores has no use for
    from scipy.sparse import csr_array

    n, p = X.shape
    missing = np.isnan(X)
    known = np.maximum((~missing).sum(axis=0), 1)
    filled = np.where(missing, 0.0, X)
    mean = filled.sum(axis=0) / known
    scale = np.sqrt((np.where(missing, 0.0, X - mean) ** 2).sum(axis=0) / known)
    varies = scale > 1e-12
    scale = np.where(varies, scale, 1.0)
    # A programme is a column of few ones. Such columns are kept sparse, and what centring would make of their noughts is one number a column.
    few = ~missing.any(axis=0) & ((filled != 0).mean(axis=0) < SPARSE)
    dense = np.where(missing[:, ~few], 0.0, (X[:, ~few] - mean[~few]) / scale[~few])
    A = np.column_stack([np.ones(n), dense])
    B = csr_array(filled[:, few] / scale[few])
    shift = mean[few] / scale[few]
    place = np.concatenate([[0], 1 + np.flatnonzero(~few)])
    sparse = 1 + np.flatnonzero(few)
    penalty = np.concatenate([[0.0], np.full(p, l2)])
    bounds: list[tuple[float | None, float | None]] = [(None, None)]
    for sign, free in zip(signs, varies, strict=True):
        bounds.append((0.0, 0.0) if not free else (0.0 if sign > 0 else None, 0.0 if sign < 0 else None))

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        margin = A @ coefficients[place] + B @ coefficients[sparse] - shift @ coefficients[sparse]
        value = np.logaddexp(0.0, margin).sum() - y @ margin + 0.5 * (penalty * coefficients**2).sum()
        residual = expit(margin) - y
        gradient = penalty * coefficients
        gradient[place] += A.T @ residual
        gradient[sparse] += B.T @ residual - shift * residual.sum()
        return value / n, gradient / n

    base = np.clip(y.mean(), 1e-6, 1 - 1e-6)
    first = np.zeros(1 + p)
    first[0] = np.log(base / (1 - base))
    found = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 300, "ftol": 1e-11, "gtol": 1e-7})
    return Logistic(float(found.x[0]), mean, scale, found.x[1:])
