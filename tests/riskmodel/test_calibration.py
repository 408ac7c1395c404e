"""Platt scaling: the line in log-odds that makes predicted and seen frequencies agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from riskmodel.calibration import Platt, fit_platt, log_loss


def sample(slope: float, intercept: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    decision = random.normal(scale=2, size=n)
    return decision, (random.random(n) < expit(slope * decision + intercept)).astype(float)


def test_it_is_a_logistic_regression_on_the_decision_value_alone() -> None:
    decision, y = sample(0.6, -1.2)
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(decision[:, None], y)
    ours = fit_platt(decision, y)
    assert (ours.slope, ours.intercept) == pytest.approx((theirs.coef_[0, 0], theirs.intercept_[0]), abs=1e-3)


def test_predicted_leavers_are_as_many_as_there_were() -> None:
    decision, y = sample(0.6, -1.2)
    assert expit(fit_platt(decision, y).apply(decision)).mean() == pytest.approx(y.mean(), abs=1e-4)


def test_a_decision_value_that_points_the_wrong_way_is_not_turned_round_and_everybody_gets_the_base_rate() -> None:
    decision, y = sample(-1.0, -1.0)
    fitted = fit_platt(decision, y)
    assert fitted.slope == 0.0
    assert expit(fitted.intercept) == pytest.approx(y.mean(), abs=1e-4)


def test_log_loss_is_the_mean_negative_log_likelihood() -> None:
    assert log_loss(np.array([0.0, np.log(3)]), np.array([1.0, 1.0])) == pytest.approx((np.log(2) + np.log(4 / 3)) / 2)
    assert Platt(2.0, -1.0).apply(np.array([0.5])) == pytest.approx([0.0])
