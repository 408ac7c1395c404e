"""Recipes: what the declarative files of the families say, and what they may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from riskmodel.errors import ConfigurationFault
from riskmodel.families.recipe import Recipe, read_recipe

FAMILIES = ("logistic", "lightgbm", "blend")
MODELS = Path(__file__).resolve().parents[3] / "models"


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_has_a_file_of_its_name(family: str) -> None:
    assert read_recipe(family).family == family
    assert read_recipe(family) == read_recipe(MODELS / f"{family}.toml")


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_search_may_try_are_parameters_that_exist_and_values_that_are_allowed(family: str) -> None:
    recipe = read_recipe(family)
    assert recipe.search
    for part, ranges in recipe.search.items():
        for parameter, values in ranges.items():
            for value in values:
                told = recipe.model_dump(exclude={"search"})
                told[part][parameter] = value
                assert getattr(getattr(Recipe.model_validate(told), part), parameter) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('family = "forest"', "family"),
        ("leaves = 9", "leaves"),
        ("[lightgbm]\nleaves = 9", "lightgbm.leaves"),
        ("[logistic]\nl2 = 0", "logistic.l2"),
        ('layout = "random"', "layout"),
        ("family = ", "not valid TOML"),
        ("blend_weight = 1.5", "blend_weight"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_with_its_place(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationFault, match=reason) as told:
        read_recipe(file)
    assert told.value.place == str(file)
    assert told.value.remedy


def test_an_unknown_family_is_told_with_the_ones_there_are() -> None:
    with pytest.raises(ConfigurationFault, match="logistic, lightgbm or blend"):
        read_recipe("forest")
