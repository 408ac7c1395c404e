"""How far off a probability may be: an additive model beside the served one, from which intervals follow. Knows nothing of how it is shown.

The served model is kept plain so that its reasons stay readable, and is therefore a little off everywhere. Beside it stands a logistic model
that is linear in each column, bends at a few knots, and has a term for each category and each gap, all shrunk by normal priors whose variances
are learnt from the data. Its posterior tells what the data leave open, misfit of a straight line included. Such intervals cover the truth
about as often as they say when one averages over students (Nychka, 1988, JASA 83; Marra and Wood, 2012, Scandinavian Journal of Statistics 39).

They tell of students like those learnt from, in years like those. They know nothing of a new year that differs, of a column that was
registered in another way, or of columns that only together say something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit, ndtri

from riskmodel.design import Design

KNOTS = 6
# The prior variance that all columns share counts, in a column's own, as so many coefficients (measured: with more, small sets got intervals too narrow).
SHARED_WEIGHT = 0.2
# An interval is stretched to hold the served probability, so its posterior part reaches a little less far (benchmarks/intervals.py).
REACH = 0.95
LEAST_VARIANCE, MOST_VARIANCE = 1e-6, 10.0
# What each unusual thing adds at least, in log-odds squared: a tenth, the least that is told as a reason.
UNUSUAL_VARIANCE = 0.1**2
_FIRST_ROWS = 5000
_STEPS, _ROUNDS, _CLOSE = 3, 40, 0.02
_CHUNK = 4096
_DIGITS = 6


def _zero_where_unknown(values: np.ndarray) -> np.ndarray:
    """Give zero for NaN; numpy's `nan_to_num` looks for infinities as well, and takes five times as long for one row."""
    return np.where(np.isnan(values), 0.0, values)


@dataclass(frozen=True)
class Terms:
    """What a design matrix becomes: an intercept, its columns, bends in them, and gaps.

    Attributes
    ----------
    columns : numpy.ndarray of int, shape (linear,)
        Columns with a term of their own; those that never vary have none.
    mean, scale : numpy.ndarray, shape (linear,)
        What they are standardised by; a category stays 0 or 1.
    bent : numpy.ndarray of int, shape (bends,)
        Places in `columns`, one per bend.
    knots : numpy.ndarray, shape (bends,)
        Where it bends, in standardised units.
    gaps : numpy.ndarray of int, shape (gaps,)
        Columns of the design matrix whose being unknown has a term.
    """

    columns: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    bent: np.ndarray
    knots: np.ndarray
    gaps: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray, design: Design) -> Terms:
        """Choose terms for the students learnt from."""
        columns, mean, scale, bent, knots = [], [], [], [], []
        for place, column in enumerate(design.columns):
            known = X[:, place][~np.isnan(X[:, place])]
            spread = float(known.std()) if len(known) else 0.0
            if spread < 1e-9:
                continue
            category = column.category is not None
            middle, spread = (0.0, 1.0) if category else (float(known.mean()), spread)
            columns.append(place)
            mean.append(middle)
            scale.append(spread)
            values = np.unique(known)
            if not category and len(values) > 2:
                inner = np.unique(np.quantile(known, np.linspace(0, 1, KNOTS + 2)[1:-1]))
                inner = inner[(inner > values[0]) & (inner < values[-1])]
                bent += [len(columns) - 1] * len(inner)
                knots += [(float(knot) - middle) / spread for knot in inner]
        gaps: dict[bytes, int] = {}
        for place in columns:
            unknown = np.isnan(X[:, place])
            if unknown.any():
                # Columns that are unknown together have one term.
                gaps.setdefault(unknown.tobytes(), place)
        return cls(
            np.array(columns, dtype=np.intp),
            np.array(mean, dtype=float),
            np.array(scale, dtype=float),
            np.array(bent, dtype=np.intp),
            np.array(knots, dtype=float),
            np.array(list(gaps.values()), dtype=np.intp),
        )

    def __len__(self) -> int:
        return 1 + len(self.columns) + len(self.knots) + len(self.gaps)

    def basis(self, X: np.ndarray) -> np.ndarray:
        """Give the terms of each row, shape (n, terms)."""
        Z = (X[:, self.columns] - self.mean) / self.scale
        bends = Z[:, self.bent] - self.knots
        parts = [np.ones((len(X), 1)), _zero_where_unknown(Z), _zero_where_unknown(np.maximum(bends, 0.0)), np.isnan(X[:, self.gaps])]
        return np.concatenate(parts, axis=1)

    def families(self, design: Design) -> tuple[np.ndarray, np.ndarray]:
        """Tell which prior variance each term has, shape (terms,): its family, and within a family its column; -1 where the family shares one."""
        feature = [design.feature_of_column[place] if design.columns[place].category is not None else -1 for place in self.columns]
        linear = [_CATEGORY + int(each) if each >= 0 else _LINEAR for each in feature]
        family = [_INTERCEPT, *linear, *[_BEND] * len(self.knots), *[_GAP] * len(self.gaps)]
        own = [-1, *[place if kind == _LINEAR else -1 for place, kind in enumerate(linear)], *self.bent.tolist(), *[-1] * len(self.gaps)]
        return np.array(family), np.array(own)


_INTERCEPT, _LINEAR, _BEND, _GAP, _CATEGORY = 0, 1, 2, 3, 100


@dataclass(frozen=True)
class Additive:
    """A fitted additive model: the mean and the covariance of its coefficients given the data.

    Attributes
    ----------
    terms : Terms
    coefficients : numpy.ndarray, shape (terms,)
    factor : numpy.ndarray, shape (terms, terms)
        Lower triangle whose product with its own transpose is the covariance.
    slopes : numpy.ndarray, shape (linear,)
        Prior variance of how steeply the log-odds may go beyond what was seen of a column, per standardised unit.
    new_category : mapping of feature to float
        Prior variance of a category's effect.
    """

    terms: Terms
    coefficients: np.ndarray
    factor: np.ndarray
    slopes: np.ndarray
    new_category: Mapping[str, float]

    def posterior(self, X: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the mean and the variance of the log-odds, shape (n,) each.

        Parameters
        ----------
        X : numpy.ndarray, shape (n, columns)
        low, high : numpy.ndarray, shape (columns,)
            Between which values each column was seen. Beyond them the mean stays where it was at the edge, and the variance grows.
        """
        inside = np.clip(X, low, high)
        B = self.terms.basis(inside)
        beyond = _zero_where_unknown((X - inside)[:, self.terms.columns] / self.terms.scale)
        variance = ((B @ self.factor) ** 2).sum(axis=1) + beyond**2 @ self.slopes
        return B @ self.coefficients, variance

    def to_dict(self) -> dict[str, Any]:
        """Give the model as plain numbers; of the covariance's factor the lower triangle, row by row."""
        terms = {name: getattr(self.terms, name).tolist() for name in ("columns", "mean", "scale", "bent", "knots", "gaps")}
        return {
            "terms": terms,
            "coefficients": self.coefficients.tolist(),
            "factor": self.factor[self._triangle].tolist(),
            "slopes": self.slopes.tolist(),
            "new_category": dict(self.new_category),
        }

    @cached_property
    def _triangle(self) -> tuple[np.ndarray, np.ndarray]:
        return np.tril_indices(len(self.coefficients))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], columns: int) -> Additive:
        """Take back what `to_dict` gave, for a design matrix of so many columns; raises ValueError where parts don't fit together."""
        told = content["terms"]
        whole = {name: np.array(told[name], dtype=np.intp) for name in ("columns", "bent", "gaps")}
        terms = Terms(
            whole["columns"], np.array(told["mean"], dtype=float), np.array(told["scale"], dtype=float), whole["bent"],
            np.array(told["knots"], dtype=float), whole["gaps"],
        )  # fmt: skip
        coefficients = np.array(content["coefficients"], dtype=float)
        slopes = np.array(content["slopes"], dtype=float)
        fits = (
            len(coefficients) == len(terms)
            and len(terms.mean) == len(terms.scale) == len(slopes) == len(terms.columns)
            and len(terms.bent) == len(terms.knots)
            and all(((places >= 0) & (places < columns)).all() for places in (terms.columns, terms.gaps))
            and bool(((terms.bent >= 0) & (terms.bent < max(1, len(terms.columns)))).all())
        )
        if not fits:
            raise ValueError("the parts of an interval differ in number")
        factor = np.zeros((len(coefficients), len(coefficients)))
        factor[np.tril_indices(len(coefficients))] = np.array(content["factor"], dtype=float)
        numbers = (terms.mean, terms.scale, terms.knots, coefficients, slopes, factor)
        if not all(np.isfinite(each).all() for each in numbers) or not (terms.scale > 0).all():
            raise ValueError("an interval is made from finite numbers")
        return cls(terms, coefficients, factor, slopes, {str(name): float(value) for name, value in content["new_category"].items()})


def fit_additive(X: np.ndarray, y: np.ndarray, design: Design) -> Additive:
    """Fit the additive model of one landmark.

    Coefficients by penalised Newton steps, prior variances by the fixed point that maximises the marginal likelihood of the quadratic
    approximation (MacKay, 1992, Neural Computation 4; Wood and Fasiolo, 2017, Biometrics 73). A column's own variance is drawn towards
    the one that all columns share, so that few students do not make it nothing.

    Parameters
    ----------
    X : numpy.ndarray, shape (n, columns)
        NaN where a value is not known.
    y : numpy.ndarray, shape (n,)
        1.0 or 0.0, some of each.
    design : Design
        What the columns are.
    """
    terms = Terms.of(X, design)
    family, own = terms.families(design)
    base = float(np.clip(y.mean(), 1e-6, 1 - 1e-6))
    beta = np.zeros(len(terms))
    beta[0] = np.log(base / (1 - base))
    precision = np.full(len(terms), 1 / UNUSUAL_VARIANCE)
    precision[0] = 0.0
    shared: dict[int, float] = {}
    covariance = np.zeros((len(terms), len(terms)))
    thin = max(1, len(y) // _FIRST_ROWS)
    for step in range(_STEPS):
        # The first step only looks for a place to begin, and a part of the students will do.
        every = slice(None, None, thin if step == 0 else 1)
        hessian, pull = _quadratic(X[every], y[every], terms, beta)
        weight = len(y) / len(y[every])
        beta, covariance, precision, shared = _empirical_bayes(hessian * weight, pull * weight, precision, family, own)
    linear = slice(1, 1 + len(terms.columns))
    slopes = np.maximum(1 / precision[linear], UNUSUAL_VARIANCE)
    slopes[family[linear] >= _CATEGORY] = 0.0
    # Beyond the last knot the slope is that of the column and of all its bends.
    np.add.at(slopes, terms.bent, 1 / precision[linear.stop : linear.stop + len(terms.bent)])
    names = {_CATEGORY + place: feature for place, feature in enumerate(design.features)}
    new_category = {names[kind]: max(value, UNUSUAL_VARIANCE) for kind, value in shared.items() if kind >= _CATEGORY}
    factor = np.linalg.cholesky(covariance)
    return Additive(
        terms, _short(beta), _short(factor), _short(slopes), {name: float(_short(np.array(value))) for name, value in new_category.items()}
    )


def _quadratic(X: np.ndarray, y: np.ndarray, terms: Terms, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Approximate the log-likelihood at `beta`: its curvature, and what a Newton step solves for; row by row, so that memory stays small."""
    hessian, pull = np.zeros((len(beta), len(beta))), np.zeros(len(beta))
    for start in range(0, len(y), _CHUNK):
        rows = slice(start, start + _CHUNK)
        B = terms.basis(X[rows])
        fitted = expit(B @ beta)
        weighted = B * (fitted * (1 - fitted))[:, None]
        hessian += weighted.T @ B
        pull += B.T @ (y[rows] - fitted)
    return hessian, pull + hessian @ beta


def _empirical_bayes(
    hessian: np.ndarray, pull: np.ndarray, precision: np.ndarray, family: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[int, float]]:
    """Find prior variances and coefficients that fit together, on one quadratic approximation."""
    kinds = [int(kind) for kind in np.unique(family) if kind != _INTERCEPT]
    shared: dict[int, float] = {}
    for _ in range(_ROUNDS):
        covariance = np.linalg.inv(hessian + np.diag(precision))
        beta = covariance @ pull
        told = 1 - np.diag(covariance) * precision
        squares, renewed = beta**2, precision.copy()
        for kind in kinds:
            here = family == kind
            shared[kind] = _bounded(squares[here].sum() / max(told[here].sum(), 1e-3))
            if kind not in (_LINEAR, _BEND):
                renewed[here] = 1 / shared[kind]
                continue
            places = own[here]
            above = np.bincount(places, squares[here]) + SHARED_WEIGHT * shared[kind]
            below = np.maximum(np.bincount(places, told[here]), 0.0) + SHARED_WEIGHT
            renewed[here] = 1 / np.clip(above / below, LEAST_VARIANCE, MOST_VARIANCE)[places]
        moved = np.abs(np.log(renewed[1:] / precision[1:])).max(initial=0.0)
        precision = renewed
        if moved < _CLOSE:
            break
    covariance = np.linalg.inv(hessian + np.diag(precision))
    return covariance @ pull, (covariance + covariance.T) / 2, precision, shared


def _bounded(variance: float) -> float:
    return float(min(max(variance, LEAST_VARIANCE), MOST_VARIANCE))


def _short(values: np.ndarray) -> np.ndarray:
    """Round to six figures, so that what is kept as text is short and the same as what is held."""
    with np.errstate(divide="ignore"):
        size = np.floor(np.log10(np.abs(values)))
    step = 10.0 ** np.where(np.isfinite(size), size - (_DIGITS - 1), 0.0)
    return np.array([float(f"{value:.{_DIGITS}g}") for value in np.ravel(np.rint(values / step) * step)]).reshape(np.shape(values))


def interval_of(
    mean: np.ndarray, variance: np.ndarray, decision: np.ndarray, level: float, more: np.ndarray | Sequence[float] | float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Turn a posterior into the ends of an interval for the probability, shape (n,) each.

    Parameters
    ----------
    mean, variance : numpy.ndarray, shape (n,)
        What `Additive.posterior` gives.
    decision : numpy.ndarray, shape (n,)
        The served log-odds; an interval always holds the probability that it stands beside.
    level : float
        How often it should cover, over students, e.g. 0.9.
    more : numpy.ndarray, shape (n,), or float
        Variance that unusual things add.
    """
    reach = REACH * ndtri((1 + level) / 2) * np.sqrt(variance + more)
    return np.asarray(expit(np.minimum(mean - reach, decision))), np.asarray(expit(np.maximum(mean + reach, decision)))
