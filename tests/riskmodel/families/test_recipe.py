"""Recipes: what the declarative files of the families say, and what they may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from riskmodel.errors import ConfigurationFault
from riskmodel.families.recipe import read_recipe

FAMILIES = ("logistic", "lightgbm", "blend")
MODELS = Path(__file__).resolve().parents[3] / "models"


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_has_a_file_of_its_name(family: str) -> None:
    assert read_recipe(family).family == family
    assert read_recipe(family) == read_recipe(MODELS / f"{family}.toml")


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
        ("[search.logistic]\nl2 = [0.0]", "search.logistic.l2"),
        ("[search.lightgbm]\nleaves = [4, 9]", "search.lightgbm.leaves"),
        ("[search]\nforest = [1]", "search.forest"),
        ("[search]\nblend_weight = [2.0]", "search.blend_weight"),
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
