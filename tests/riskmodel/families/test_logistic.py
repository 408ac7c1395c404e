"""Logistic regression against scikit-learn where nothing is bounded, and against its own promises where something is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from riskmodel.families.logistic import Logistic, fit_logistic

FREE = np.zeros(3, dtype=int)


def sample(seed: int, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, 3)) * np.array([1.0, 10.0, 0.1]) + np.array([0.0, 50.0, 1.0])
    y = (random.random(n) < expit(0.8 * X[:, 0] - 0.05 * (X[:, 1] - 50) - 1)).astype(float)
    return X, y


def test_without_bounds_or_gaps_it_is_scikit_learns_ridge_on_standardised_columns() -> None:
    X, y = sample(1)
    ours = fit_logistic(X, y, FREE, 5.0)
    theirs = LogisticRegression(C=1 / 5.0, tol=1e-10, max_iter=1000).fit((X - X.mean(axis=0)) / X.std(axis=0), y)
    np.testing.assert_allclose(ours.weight, theirs.coef_[0], atol=1e-4)
    assert ours.intercept == pytest.approx(theirs.intercept_[0], abs=1e-4)


@given(st.integers(0, 10**6), st.lists(st.sampled_from([-1, 0, 1]), min_size=3, max_size=3))
def test_a_coefficient_never_goes_against_its_direction(seed: int, signs: list[int]) -> None:
    X, y = sample(seed, 120)
    y[:2] = 0.0, 1.0
    fitted = fit_logistic(X, y, np.array(signs), 1.0)
    assert all(weight * sign >= 0 for weight, sign in zip(fitted.weight, signs, strict=True))


def test_a_bounded_coefficient_is_the_free_one_where_the_data_agree_and_zero_where_they_do_not() -> None:
    X, y = sample(2)
    free = fit_logistic(X, y, FREE, 1.0)
    np.testing.assert_allclose(fit_logistic(X, y, np.array([1, -1, 0]), 1.0).weight, free.weight, atol=1e-5)
    assert fit_logistic(X, y, np.array([-1, -1, 0]), 1.0).weight[0] == 0.0


def test_an_unknown_value_counts_as_the_mean_also_where_those_who_leave_have_it_more_often() -> None:
    X, y = sample(3)
    random = np.random.default_rng(3)
    X[random.random(len(X)) < 0.3 + 0.3 * y, 2] = np.nan
    fitted = fit_logistic(X, y, FREE, 1.0)
    assert fitted.mean[2] == pytest.approx(np.nanmean(X[:, 2]))
    unknown, average = np.array([[0.0, 50.0, np.nan]]), np.array([[0.0, 50.0, fitted.mean[2]]])
    assert fitted.decision(unknown)[0] == pytest.approx(fitted.decision(average)[0])


def test_a_value_that_was_never_unknown_in_training_counts_as_the_mean_when_it_is() -> None:
    X, y = sample(4)
    fitted = fit_logistic(X, y, FREE, 1.0)
    assert fitted.decision(np.array([[np.nan, 50.0, 1.0]]))[0] == pytest.approx(fitted.decision(np.array([[fitted.mean[0], 50.0, 1.0]]))[0])


def test_a_column_without_any_value_or_with_one_value_alone_says_nothing() -> None:
    X, y = sample(5)
    X[:, 1], X[:, 2] = np.nan, 7.0
    fitted = fit_logistic(X, y, FREE, 1.0)
    assert fitted.weight[1:].tolist() == [0.0, 0.0]
    assert np.isfinite(fitted.decision(np.array([[0.5, 3.0, -2.0], [0.5, np.nan, np.nan]]))).all()


def test_the_same_data_give_the_same_coefficients_to_the_last_bit_and_survive_being_written_down() -> None:
    X, y = sample(6)
    first, second = fit_logistic(X, y, FREE, 1.0), fit_logistic(X.copy(), y.copy(), FREE, 1.0)
    assert first.to_dict() == second.to_dict()
    again = Logistic.from_dict(first.to_dict())
    assert (again.decision(X) == first.decision(X)).all()
