"""Platt scaling: the line in log-odds that makes predicted and seen frequencies agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from riskmodel.calibration import Platt, fit_platt, log_loss, partly_pooled, slope_error, with_slope


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


def test_the_error_of_a_slope_is_that_of_a_logistic_regression() -> None:
    decision, y = sample(0.6, -1.2)
    X = np.column_stack([decision, np.ones(len(y))])
    probability = expit(fit_platt(decision, y).apply(decision))
    covariance = np.linalg.inv(X.T @ (X * (probability * (1 - probability))[:, None]))
    assert slope_error(fit_platt(decision, y), decision, y) == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-6)
    assert slope_error(Platt(1.0, 0.0), np.ones(5), np.ones(5)) == np.inf


def test_slopes_that_differ_by_chance_alone_are_drawn_to_their_mean_weighed_by_certainty() -> None:
    # Weights 100 and 25: the mean is (100 * 1.0 + 25 * 1.1) / 125 = 1.02, and neither is further from it than its error.
    assert partly_pooled(np.array([1.0, 1.1]), np.array([0.1, 0.2])) == pytest.approx([1.02, 1.02])


def test_a_landmark_without_signal_is_not_lent_that_of_the_others() -> None:
    drawn = partly_pooled(np.array([0.0, 1.0, 1.0, 1.0]), np.array([0.1, 0.05, 0.05, 0.05]))
    assert drawn[0] <= 0.1
    assert drawn[1:] == pytest.approx([1.0, 1.0, 1.0], abs=0.05)


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0.01, 0.5)), min_size=1, max_size=7))
def test_no_slope_is_moved_by_more_than_its_error_or_beyond_the_others(told: list[tuple[float, float]]) -> None:
    slopes, errors = map(np.array, zip(*told, strict=True))
    drawn = partly_pooled(slopes, errors)
    assert (np.abs(drawn - slopes) <= errors + 1e-9).all()
    assert (drawn >= slopes.min() - 1e-9).all()
    assert (drawn <= slopes.max() + 1e-9).all()


def test_with_a_slope_that_is_given_as_many_are_expected_to_leave_as_did() -> None:
    decision, y = sample(0.6, -1.2)
    line = with_slope(0.8, decision, y)
    assert line.slope == 0.8
    assert expit(line.apply(decision)).mean() == pytest.approx(y.mean(), abs=1e-9)
