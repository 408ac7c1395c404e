"""The space of a search, and which of two recipes is the simpler."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.families.recipe import Recipe, read_recipe
from riskmodel.families.search import choices, chosen, complexity, settled, size, with_values

FAMILIES = ("logistic", "lightgbm", "blend")


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_declares_a_space_in_which_its_own_recipe_is_a_point(family: str) -> None:
    recipe = settled(read_recipe(family), 14)
    values = chosen(recipe)
    assert values is not None
    assert len(values) >= 2
    assert with_values(recipe, values) == recipe


@given(st.sampled_from(FAMILIES), st.data())
def test_any_point_of_a_space_is_a_recipe_with_these_values_and_the_same_space(family: str, data: st.DataObject) -> None:
    recipe = read_recipe(family)
    values = {choice.name: data.draw(st.sampled_from(choice.values)) for choice in choices(recipe)}
    other = with_values(recipe, values)
    assert chosen(other) == values
    assert choices(other) == choices(recipe)


def test_the_weight_of_the_blend_may_vary_in_the_blend_alone() -> None:
    names = {family: {choice.name for choice in choices(read_recipe(family))} for family in FAMILIES}
    assert "blend_weight" in names["blend"]
    assert not names["logistic"] & {"blend_weight", "lightgbm.trees"}
    assert not names["lightgbm"] & {"blend_weight", "logistic.l2"}


def test_a_recipe_s_own_value_is_tried_as_well_and_values_stand_in_rising_order() -> None:
    recipe = Recipe.model_validate({"family": "logistic", "logistic": {"l2": 50.0}, "search": {"logistic": {"l2": [300.0, 10.0]}}})
    assert choices(recipe)[0].values == (10.0, 50.0, 300.0)
    assert size(recipe) == 3


def test_without_values_to_try_nothing_varies() -> None:
    assert choices(Recipe(family="blend")) == ()
    assert size(Recipe(family="blend")) == 1


def test_simple_goes_from_coefficients_to_trees_to_both_and_from_few_leaves_to_many() -> None:
    logistic, trees, blend = (read_recipe(family) for family in FAMILIES)
    small = with_values(trees, {"lightgbm.trees": 60, "lightgbm.leaves": 3})
    pooled = with_values(trees, {"layout": "pooled"})
    told = [complexity(each, 7) for each in (logistic, pooled, small, trees, blend)]
    assert told == sorted(told)
    assert len(set(told)) == len(told)


@pytest.mark.parametrize(
    ("simple", "complex_"),
    [
        ({"programme": False}, {"programme": True}),
        ({"blend_weight": 0.95}, {"blend_weight": 0.3}),
        ({"logistic.l2": 300.0}, {"logistic.l2": 3.0}),
        ({"lightgbm.l2": 50.0}, {"lightgbm.l2": 5.0}),
        ({"lightgbm.learning_rate": 0.03}, {"lightgbm.learning_rate": 0.1}),
        ({"lightgbm.feature_fraction": 0.3}, {"lightgbm.feature_fraction": 1.0}),
        ({"recent_days": 14}, {"recent_days": 7}),
        ({"recent_days": 14}, {"recent_days": 21}),
        ({"recent_days": 21, "lightgbm.l2": 50.0}, {"recent_days": 14, "lightgbm.l2": 5.0}),
    ],
)
def test_what_bends_more_is_less_simple(simple: dict[str, float], complex_: dict[str, float]) -> None:
    recipe = read_recipe("blend")
    assert complexity(with_values(recipe, simple), 7) < complexity(with_values(recipe, complex_), 7)


def test_the_weeks_that_the_data_call_recent_are_simpler_than_others_and_not_saying_is_as_simple() -> None:
    recipe = read_recipe("blend")
    told = [complexity(with_values(recipe, {"recent_days": days}), 7, recent_days=21) for days in (None, 21, 14)]
    assert told[0] == told[1] < told[2]
