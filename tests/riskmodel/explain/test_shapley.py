"""Explanations against their definition, against shap, and against what the model itself says."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from riskmodel.catalogue import Catalogue
from riskmodel.design import rounded
from riskmodel.explain.shapley import PatternCounts, TreeExplainer
from riskmodel.families.boosted import fit_boosted, read_trees
from riskmodel.families.logistic import Logistic, fit_logistic
from riskmodel.families.recipe import BoostedParameters, Recipe
from riskmodel.model import fit_model

COLUMNS = 4
seeds = st.integers(0, 2**32 - 1)
some_rows = st.lists(
    st.lists(st.one_of(st.floats(-4, 4, width=64), st.sampled_from([math.nan, 0.0, 1.0])), min_size=COLUMNS, max_size=COLUMNS),
    min_size=1,
    max_size=5,
)


def random_sample(seed: int, *, gaps: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    X = rounded(np.round(random.normal(size=(150, COLUMNS)), 1))
    y = (random.random(150) < 1 / (1 + np.exp(-X[:, 0] * X[:, 1] - X[:, 2]))).astype(float)
    y[:2] = 0.0, 1.0
    X[:, 1:][random.random((150, COLUMNS - 1)) < gaps] = np.nan
    return X, y


def random_trees(seed: int, leaves: int, *, gaps: float = 0.2) -> tuple[str, np.ndarray]:
    X, y = random_sample(seed, gaps=gaps)
    parameters = BoostedParameters(trees=6, learning_rate=0.4, leaves=leaves, least_students_in_leaf=5, l2=0.1, feature_fraction=1.0)
    return fit_boosted(X, y, np.zeros(COLUMNS, dtype=int), parameters, seed=seed % 1000, threads=1), X


def explainer(text: str, background: np.ndarray) -> TreeExplainer:
    trees = read_trees(text, COLUMNS)
    return TreeExplainer(trees, PatternCounts.of(trees, background).weights(trees))


def by_definition(decide: Callable[[np.ndarray], np.ndarray], row: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Give Shapley values as they are defined: the mean of what a column adds, over every order in which columns can be filled in."""
    players = range(len(row))
    worth = {}
    for size in range(len(row) + 1):
        for chosen in itertools.combinations(players, size):
            mixed = background.copy()
            mixed[:, list(chosen)] = row[list(chosen)]
            worth[chosen] = float(decide(mixed).mean())
    out = np.zeros(len(row))
    for player in players:
        for chosen, value in worth.items():
            if player not in chosen:
                share = math.factorial(len(chosen)) * math.factorial(len(row) - len(chosen) - 1) / math.factorial(len(row))
                out[player] += share * (worth[tuple(sorted((*chosen, player)))] - value)
    return out


@given(seeds, st.integers(2, 8), some_rows, st.sampled_from([0.0, 0.3]))
def test_contributions_of_trees_are_shapley_values_by_their_definition_whatever_is_unknown(
    seed: int, leaves: int, rows: list[list[float]], gaps: float
) -> None:
    text, X = random_trees(seed, leaves, gaps=gaps)
    background = X[:30]
    booster = lightgbm.Booster(model_str=text)
    told = explainer(text, background)
    found = told.contributions(np.array(rows))
    for row, contributions in zip(np.array(rows), found, strict=True):
        expected = by_definition(lambda mixed: booster.predict(mixed, raw_score=True, num_threads=1), row, background)
        np.testing.assert_allclose(contributions, expected, atol=1e-9)
    assert told.baseline == pytest.approx(booster.predict(background, raw_score=True, num_threads=1).mean(), abs=1e-9)


@given(seeds, st.integers(2, 8), some_rows)
def test_contributions_of_trees_agree_with_shap_on_the_same_background(seed: int, leaves: int, rows: list[list[float]]) -> None:
    shap = pytest.importorskip("shap")
    text, X = random_trees(seed, leaves)
    # shap compares with thresholds in single precision, so figures are as a design gives them.
    told = rounded(np.array(rows))
    background = X[:100]
    theirs = shap.TreeExplainer(
        lightgbm.Booster(model_str=text), data=background, feature_perturbation="interventional", model_output="raw"
    )
    ours = explainer(text, background)
    np.testing.assert_allclose(ours.contributions(told), theirs.shap_values(told, check_additivity=False), atol=1e-6)
    assert ours.baseline == pytest.approx(float(np.ravel(theirs.expected_value)[0]), abs=1e-6)


@given(seeds, some_rows)
def test_contributions_of_a_logistic_regression_agree_with_shap_on_the_same_background(seed: int, rows: list[list[float]]) -> None:
    shap = pytest.importorskip("shap")
    X, y = random_sample(seed)
    fitted = fit_logistic(X, y, np.zeros(COLUMNS, dtype=int), 1.0)
    background = X[:100]

    def standardised(values: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(values), 0.0, (values - fitted.mean) / fitted.scale)

    masker = shap.maskers.Independent(standardised(background), max_samples=len(background))
    theirs = shap.LinearExplainer((fitted.weight, fitted.intercept), masker).shap_values(standardised(np.array(rows)))
    ours = fitted.terms(np.array(rows)) - fitted.terms(background).mean(axis=0)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@given(st.sampled_from(["logistic", "lightgbm", "blend"]), st.sampled_from(["per_landmark", "pooled"]), st.integers(0, 10**6))
def test_baseline_and_contributions_add_up_to_the_calibrated_decision_value(
    made_up_catalogue: Catalogue,
    made_up: Callable[..., pd.DataFrame],
    recipe_of: Callable[..., Recipe],
    family: str,
    layout: str,
    seed: int,
) -> None:
    frames = {landmark: made_up(160, seed + landmark) for landmark in (28, 56)}
    model = fit_model(frames, "leave", made_up_catalogue, recipe_of(family, layout))
    rows = made_up(20, seed + 1, gaps=0.4)
    for landmark in model.landmarks:
        told = model.explain(rows, landmark)
        np.testing.assert_allclose(told.baseline + told.contributions.sum(axis=1), model.decision(rows, landmark), rtol=0, atol=1e-9)
        alone = [model.explain(rows.iloc[[place]], landmark).contributions[0] for place in range(3)]
        np.testing.assert_allclose(alone, told.contributions[:3], atol=1e-12)


@settings(max_examples=max(3, settings.default.max_examples // 10))
@given(st.sampled_from(["logistic", "lightgbm", "blend"]), st.sampled_from(["per_landmark", "pooled"]), st.integers(0, 10**6))
@example("blend", "per_landmark", 1)
@example("blend", "pooled", 1)
def test_a_whole_model_agrees_with_shap_on_the_training_students_of_its_landmark(
    made_up_catalogue: Catalogue,
    made_up: Callable[..., pd.DataFrame],
    recipe_of: Callable[..., Recipe],
    family: str,
    layout: str,
    seed: int,
) -> None:
    shap = pytest.importorskip("shap")
    frames = {28: made_up(240, seed), 56: made_up(240, seed + 1)}
    recipe = recipe_of(family, layout, background=100)
    model = fit_model(frames, "leave", made_up_catalogue, recipe)
    rows = made_up(30, seed + 2, gaps=0.3)
    for landmark, frame in frames.items():
        member = model.members[landmark]
        background, X = model.design.matrix(frame, landmark)[::3], model.design.matrix(rows, landmark)
        assert len(background) <= recipe.background
        expected, baseline = np.zeros_like(X), 0.0
        if member.logistic is not None:
            logistic: Logistic = member.logistic
            expected += member.weight * (logistic.terms(X) - logistic.terms(background).mean(axis=0))
            baseline += member.weight * logistic.decision(background).mean()
        if member.trees_text is not None:
            booster = lightgbm.Booster(model_str=member.trees_text)
            theirs = shap.TreeExplainer(booster, data=background, feature_perturbation="interventional", model_output="raw")
            expected += (1 - member.weight) * theirs.shap_values(X, check_additivity=False)
            baseline += (1 - member.weight) * float(np.ravel(theirs.expected_value)[0])
        told = model.explain(rows, landmark)
        np.testing.assert_allclose(told.contributions, member.platt.slope * model.design.by_feature(expected), atol=1e-6)
        assert told.baseline == pytest.approx(member.platt.slope * baseline + member.platt.intercept, abs=1e-6)


def test_the_day_itself_is_no_reason_in_a_model_of_all_landmarks(
    made_up_catalogue: Catalogue, made_up_frames: dict[int, pd.DataFrame], recipe_of: Callable[..., Recipe]
) -> None:
    model = fit_model(made_up_frames, "leave", made_up_catalogue, recipe_of("blend", "pooled"))
    for landmark, frame in made_up_frames.items():
        told = model.explain(frame, landmark)
        assert np.abs(told.contributions[:, told.features.index("day")]).max() < 1e-12


def test_many_students_are_explained_as_each_alone(
    made_up_catalogue: Catalogue,
    made_up: Callable[..., pd.DataFrame],
    made_up_frames: dict[int, pd.DataFrame],
    recipe_of: Callable[..., Recipe],
) -> None:
    model = fit_model(made_up_frames, "leave", made_up_catalogue, recipe_of("lightgbm"))
    many = made_up(9000, 5)
    told = model.explain(many, 28)
    for place in (0, 4095, 4096, 8999):
        np.testing.assert_allclose(told.contributions[place], model.explain(many.iloc[[place]], 28).contributions[0], atol=1e-12)
        assert model.decision(many, 28)[place] == pytest.approx(model.decision(many.iloc[[place]], 28)[0], abs=1e-12)


def test_a_column_that_no_tree_looks_at_contributes_nothing() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(200, COLUMNS))
    X[:, 3] = 1.0
    y = (X[:, 0] > 0).astype(float)
    text = fit_boosted(X, y, np.zeros(COLUMNS, dtype=int), BoostedParameters(trees=5, least_students_in_leaf=5), seed=1, threads=1)
    assert not explainer(text, X).contributions(X)[:, 3].any()
