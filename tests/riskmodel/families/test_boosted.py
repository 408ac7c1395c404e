"""Boosted trees as they are read from LightGBM's text: the same decisions as LightGBM's, in its own precision."""

from __future__ import annotations

import math

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.design import rounded
from riskmodel.errors import ModelFault
from riskmodel.families.boosted import fit_boosted, read_trees
from riskmodel.families.recipe import BoostedParameters

COLUMNS = 4


def sample(seed: int, gaps: tuple[float, ...] = (0.0, 0.2, 0.5, 0.0)) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    X = random.normal(size=(300, COLUMNS))
    X[:, 3] = np.round(X[:, 3]).clip(0, 1)
    y = (random.random(300) < 1 / (1 + np.exp(-X[:, 0] - X[:, 1] * X[:, 2]))).astype(float)
    y[:2] = 0.0, 1.0
    X[random.random(X.shape) < np.array(gaps)] = np.nan
    return X, y


def grown(seed: int, leaves: int = 6, signs: tuple[int, ...] = (0, 0, 0, 0)) -> tuple[str, np.ndarray]:
    X, y = sample(seed)
    parameters = BoostedParameters(trees=10, learning_rate=0.3, leaves=leaves, least_students_in_leaf=5, l2=0.5)
    return fit_boosted(X, y, np.array(signs), parameters, seed=1, threads=1), X


@given(st.integers(0, 10**6), st.integers(2, 8), st.booleans())
def test_decisions_are_lightgbms_own_also_on_a_threshold_and_where_a_value_is_unknown(seed: int, leaves: int, from_training: bool) -> None:
    text, X = grown(seed, leaves)
    trees = read_trees(text, COLUMNS)
    rows = X if from_training else np.random.default_rng(seed).normal(size=(50, COLUMNS))
    # LightGBM's predictor takes what is nearer to zero than 1e-35 for zero; no figure of a student is.
    bounds = trees.threshold[np.isfinite(trees.threshold) & (np.abs(trees.threshold) > 1e-30)][:20]
    on_threshold = np.tile(bounds[:, None], COLUMNS)
    for values in (rows, on_threshold, np.nextafter(on_threshold, np.inf), np.full((1, COLUMNS), math.nan), np.zeros((1, COLUMNS))):
        expected = lightgbm.Booster(model_str=text).predict(values, raw_score=True, num_threads=1)
        np.testing.assert_allclose(trees.decision(values), expected, rtol=0, atol=1e-12)


@given(st.integers(0, 10**6), st.sampled_from([(0.0, 0.2, 0.5, 0.0), (0.0, 0.0, 0.0, 0.0), (0.0, 0.3, 1.0, 0.6)]))
def test_an_unknown_value_counts_as_the_mean_of_the_known_ones_whether_or_not_training_had_any(seed: int, gaps: tuple[float, ...]) -> None:
    X, y = sample(seed, gaps)
    parameters = BoostedParameters(trees=10, learning_rate=0.3, leaves=6, least_students_in_leaf=5, l2=0.5)
    trees = read_trees(fit_boosted(X, y, np.zeros(COLUMNS, dtype=int), parameters, seed=1, threads=1), COLUMNS)
    known = ~np.isnan(X)
    mean = rounded(np.where(known, X, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))
    rows = np.random.default_rng(seed + 1).normal(size=(60, COLUMNS))
    rows[np.random.default_rng(seed + 2).random(rows.shape) < 0.5] = np.nan
    assert (trees.decision(rows) == trees.decision(np.where(np.isnan(rows), mean, rows))).all()


def test_being_unknown_is_not_held_against_anybody() -> None:
    random = np.random.default_rng(7)
    y = np.repeat([0.0, 1.0], 150)
    X = random.normal(size=(300, COLUMNS))
    X[:, 1] = np.where(y > 0, np.nan, 0.5 + 0.001 * X[:, 1])  # who leaves has no grade; all the others have the same
    parameters = BoostedParameters(trees=20, learning_rate=0.3, leaves=4, least_students_in_leaf=5, l2=0.5)
    trees = read_trees(fit_boosted(X, y, np.array([0, -1, 0, 0]), parameters, seed=1, threads=1), COLUMNS)
    told = np.array([[0.0, 0.0, 0.0, 0.0], [0.0, np.nan, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    low, unknown, high = trees.decision(told)
    assert low >= unknown >= high


@given(st.integers(0, 10**6), st.floats(-3, 3), st.floats(0, 3))
def test_a_higher_value_never_goes_against_its_direction(seed: int, value: float, more: float) -> None:
    text, X = grown(seed, 8, (1, -1, 0, 0))
    trees = read_trees(text, COLUMNS)
    low, high = X[:40].copy(), X[:40].copy()
    low[:, 0], high[:, 0] = value, value + more
    assert (trees.decision(high) >= trees.decision(low) - 1e-12).all()
    low, high = X[:40].copy(), X[:40].copy()
    low[:, 1], high[:, 1] = value, value + more
    assert (trees.decision(high) <= trees.decision(low) + 1e-12).all()


def test_the_same_data_and_seed_give_the_same_text_and_another_seed_gives_another() -> None:
    X, y = sample(1)
    signs, parameters = np.zeros(COLUMNS, dtype=int), BoostedParameters(trees=5, least_students_in_leaf=5)
    first = fit_boosted(X, y, signs, parameters, seed=1, threads=1)
    assert first == fit_boosted(X.copy(), y.copy(), signs, parameters, seed=1, threads=1)
    assert first != fit_boosted(X, y, signs, parameters, seed=2, threads=1)


def test_trees_that_found_nothing_to_split_give_everybody_the_base_rate() -> None:
    y = np.tile([0.0, 0.0, 1.0], 40)
    text = fit_boosted(np.zeros((120, COLUMNS)), y, np.zeros(COLUMNS, dtype=int), BoostedParameters(trees=3), seed=1, threads=1)
    decision = read_trees(text, COLUMNS).decision(np.ones((2, COLUMNS)))
    assert decision == pytest.approx([math.log(1 / 2)] * 2)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: "tree\nversion=v4\n", "no tree"),
        (lambda text: text.replace("num_cat=0", "num_cat=1", 1), "categorical"),
        (lambda text: text.replace("is_linear=0", "is_linear=1", 1), "linear leaves"),
        (lambda text: text.replace("leaf_value=", "gone=", 1), "leaf_value"),
        (lambda text: text.replace("split_feature=", "split_feature=99 ", 1), "column that is not there|zip"),
        (lambda text: text.replace("decision_type=", "decision_type=4 ", 1), "zero as unknown|zip"),
        (lambda text: "", "no tree"),
    ],
)
def test_a_text_that_this_product_never_wrote_is_refused_with_the_reason(spoil, reason: str) -> None:
    text, _ = grown(1)
    with pytest.raises(ModelFault, match=reason):
        read_trees(spoil(text), COLUMNS)


def test_trees_of_more_than_eight_leaves_are_refused() -> None:
    X, y = sample(1)
    data = lightgbm.Dataset(X, label=y, params={"verbosity": -1})
    large = lightgbm.train({"objective": "binary", "num_leaves": 9, "min_data_in_leaf": 2, "verbosity": -1}, data, num_boost_round=2)
    with pytest.raises(ModelFault, match="eight leaves"):
        read_trees(large.model_to_string(), COLUMNS)
