"""How well features give a sensitive attribute away, and which of them do. Knows features and labels; fits nothing that scores a student."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from riskmodel.fairness.audit import UNKNOWN
from riskmodel.measuring import SEED
from riskmodel.metrics import interval, ranked, resamples, roc_auc
from riskmodel.suppression import FEWEST

FOLDS = 5
REPEATS = 3
CARRIERS = 5
# One-sided 99 % of Student's t with four degrees of freedom: a loss in each of five folds.
_SURE = 3.75


@dataclass(frozen=True)
class Proxy:
    """How well one group can be told from the others by the features.

    Attributes
    ----------
    attribute, group : str
    students, others : int
        How many are in the group and how many are not; unknown ones are neither.
    roc_auc, low, high : float
        Of predictions for students whom the predictor had not seen, with the ends of the 95 % interval. 0.5 is no better than a lot.
    carriers : tuple of (feature, loss)
        Features without whose values the AUC falls beyond chance, largest loss first; empty where the interval holds 0.5.
    """

    attribute: str
    group: str
    students: int
    others: int
    roc_auc: float
    low: float
    high: float
    carriers: tuple[tuple[str, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """Give plain values."""
        return {**asdict(self), "carriers": [list(each) for each in self.carriers]}


def find_proxies(
    X: np.ndarray, feature_of_column: Sequence[str], labels: pd.DataFrame, students: np.ndarray, *, seed: int = SEED
) -> list[Proxy]:
    """Predict every group of every attribute from the features, in folds of students.

    Parameters
    ----------
    X : numpy.ndarray, shape (n, columns)
        The design matrix that the model sees; NaN where a value is not known.
    feature_of_column : sequence of str, length columns
    labels : pandas.DataFrame, shape (n, attributes)
        What `riskmodel.fairness.audit.group_labels` gives.
    students : numpy.ndarray of str, shape (n,)
        Rows of one student stand in one fold.
    seed : int

    Returns
    -------
    list of Proxy
        Where an attribute has two groups, one of them stands for both. A group with fewer than ten students in it, or outside it, per
        fold can't be told and is left out.
    """
    found = []
    for attribute in labels.columns.astype("str"):
        known = (labels[attribute] != UNKNOWN).to_numpy()
        groups = sorted(labels.loc[known, attribute].unique())
        for group in groups[1:] if len(groups) == 2 else groups:
            y = (labels[attribute] == group).to_numpy()[known].astype(float)
            if min(y.sum(), (1 - y).sum()) >= FOLDS * FEWEST and len(groups) > 1:
                found.append(_proxy(attribute, str(group), X[known], y, students[known], feature_of_column, seed))
    return found


def _predictor(seed: int) -> Pipeline:
    """Give logistic regression and shallow trees averaged, the same two ways of seeing as the product's own models."""
    known = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    trees = HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=6, learning_rate=0.08, min_samples_leaf=30, random_state=seed)
    return make_pipeline(known, VotingClassifier([("linear", linear), ("trees", trees)], voting="soft"))


def _proxy(
    attribute: str, group: str, X: np.ndarray, y: np.ndarray, students: np.ndarray, feature_of_column: Sequence[str], seed: int
) -> Proxy:
    folds = list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(X, y, students))
    fitted = [_predictor(seed).fit(X[train], y[train]) for train, _ in folds]
    score = np.empty(len(y))
    for predictor, (_, test) in zip(fitted, folds, strict=True):
        # Folds differ in level; ranks within a fold do not.
        told = predictor.predict_proba(X[test])[:, 1]
        score[test] = told - np.median(told)
    drawn = ranked(y, score, 0.5, resamples(students, seed)).roc_auc
    auc = interval(roc_auc(y, score), drawn)
    carriers = _carriers(fitted, folds, X, y, feature_of_column, seed) if auc.low > 0.5 else ()
    return Proxy(attribute, group, int(y.sum()), int((1 - y).sum()), auc.value, auc.low, auc.high, carriers)


def _carriers(
    fitted: Sequence[Pipeline], folds: Sequence[tuple[np.ndarray, np.ndarray]], X: np.ndarray, y: np.ndarray,
    feature_of_column: Sequence[str], seed: int,
) -> tuple[tuple[str, float], ...]:  # fmt: skip
    """Shuffle each column among the students of each fold and tell how much the AUC falls; columns of one feature are added up."""
    losses = np.column_stack(
        [
            permutation_importance(predictor, X[test], y[test], scoring="roc_auc", n_repeats=REPEATS, random_state=seed).importances_mean
            for predictor, (_, test) in zip(fitted, folds, strict=True)
        ]
    )
    by_feature = pd.DataFrame(losses).groupby(np.asarray(feature_of_column)).sum()
    mean, error = by_feature.mean(axis=1), by_feature.std(axis=1) / np.sqrt(by_feature.shape[1])
    sure = mean[(mean > 0) & (mean > _SURE * error)].sort_values(ascending=False).head(CARRIERS)
    return tuple((str(name), float(loss)) for name, loss in sure.items())
