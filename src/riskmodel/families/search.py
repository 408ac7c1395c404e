"""The space that a search walks through, and which of two recipes is the simpler; knows nothing of how either is fitted or measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from riskmodel.contract.definition import DEFAULT_RECENT_DAYS, RecentDays
from riskmodel.families.recipe import Recipe

_PARTS = {"logistic": ("logistic",), "lightgbm": ("lightgbm",), "blend": ("logistic", "lightgbm")}
_FAMILIES = tuple(_PARTS)


@dataclass(frozen=True)
class Choice:
    """One parameter that may vary.

    Attributes
    ----------
    name : str
        Its path in a recipe, e.g. 'lightgbm.trees'.
    values : tuple
        What it may be, numbers in rising order, so that a search knows which are neighbours.
    """

    name: str
    values: tuple[Any, ...]


def choices(recipe: Recipe) -> tuple[Choice, ...]:
    """Give what may vary in a recipe: the parameters of its own family with two values or more, the recipe's own value among them.

    Parameters
    ----------
    recipe : Recipe
        Its `search` says what may be tried.
    """
    named: dict[str, tuple[tuple[Any, ...], Any]] = {
        "layout": (recipe.search.layout, recipe.layout),
        "programme": (recipe.search.programme, recipe.programme),
        "recent_days": (recipe.search.recent_days, recipe.recent_days),
    }
    if recipe.family == "blend":
        named["blend_weight"] = (recipe.search.blend_weight, recipe.blend_weight)
    for part in _PARTS[recipe.family]:
        space, now = getattr(recipe.search, part), getattr(recipe, part)
        for name in type(space).model_fields:
            named[f"{part}.{name}"] = (getattr(space, name), getattr(now, name))
    found = []
    for name, (values, own) in named.items():
        # A share for each target, or one that is found while fitting, is no value that a search can try.
        allowed = set(values) | ({own} if values and not isinstance(own, dict) and own is not None else set())
        if len(allowed) > 1:
            found.append(Choice(name, tuple(sorted(allowed))))
    return tuple(found)


def settled(recipe: Recipe, recent_days: RecentDays) -> Recipe:
    """Give a recipe that may vary in what counts as recent the data's own length, where it says nothing itself, so that it is a point of its space."""
    if not recipe.search.recent_days or recipe.recent_days is not None:
        return recipe
    return recipe.model_copy(update={"recent_days": recent_days})


def size(recipe: Recipe) -> int:
    """Give how many recipes the space holds."""
    return math.prod(len(choice.values) for choice in choices(recipe))


def chosen(recipe: Recipe) -> dict[str, Any] | None:
    """Give the values that a recipe has now, by name, or None where it is no point of its own space."""
    told = {choice.name: _value(recipe, choice.name) for choice in choices(recipe)}
    return told if all(told[choice.name] in choice.values for choice in choices(recipe)) else None


def _value(recipe: Recipe, name: str) -> Any:
    part, _, parameter = name.rpartition(".")
    value = getattr(getattr(recipe, part) if part else recipe, parameter)
    return None if isinstance(value, dict) else value


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """Give the recipe with other values, by name; what is not named stays."""
    told = recipe.model_dump()
    for name, value in values.items():
        part, _, parameter = name.rpartition(".")
        (told[part] if part else told)[parameter] = value
    return Recipe.model_validate(told)


def complexity(recipe: Recipe, landmarks: int, recent_days: RecentDays = DEFAULT_RECENT_DAYS) -> tuple[float, ...]:
    """Give how complex a recipe is, to be compared from left to right; less is simpler.

    In this order: the family (logistic regression before trees before both, because coefficients can be read off and two parts must be kept);
    the leaves of all trees of all landmarks; whether programmes have a part of their own; models to keep (one for all landmarks, or one for
    each); the share of trees in a blend; how much the parameters may bend: weaker penalties, larger steps, smaller leaves, more columns and
    rows a tree; and last whether 'recent' stands for other weeks than in the data. A model of other weeks has as many coefficients, but
    coaches read another sentence, and the target that is served beside it has to change as well.

    Parameters
    ----------
    recipe : Recipe
    landmarks : int
        Days at which students are scored.
    recent_days : int
        What recent stands for in the data.
    """
    boosted, models = recipe.lightgbm, landmarks if recipe.layout == "per_landmark" else 1
    trees = recipe.family != "logistic"
    share = recipe.blend_weight if recipe.family == "blend" and isinstance(recipe.blend_weight, float) else 0.0
    penalty = -recipe.logistic.l2 if recipe.family != "lightgbm" else 0.0
    bends = (-boosted.l2, boosted.learning_rate, -boosted.least_students_in_leaf, boosted.feature_fraction, boosted.row_fraction)
    return (
        float(_FAMILIES.index(recipe.family)),
        float(boosted.trees * boosted.leaves * models) if trees else 0.0,
        float(recipe.programme),
        float(models),
        -share,
        penalty,
        *(bends if trees else ()),
        float(recipe.recent_days not in (None, recent_days)),
    )
