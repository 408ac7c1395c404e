"""Made-up students for the tests of models and explanations: a small catalogue of every kind of feature, and frames with a known truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from riskmodel.catalogue import Catalogue, Feature
from riskmodel.families.recipe import BoostedParameters, LogisticParameters, Recipe

WHY = "Made up for a test, so it may be used."
LANDMARKS = (28, 56)


def _feature(name: str, kind: str, reason: str, direction: str, *, actionable: bool = True, categories: Sequence[str] = ()) -> Feature:
    return Feature(name, "tests", kind, reason, name, name, "", direction, actionable, WHY, tuple(categories))  # type: ignore[arg-type]


MADE_UP_CATALOGUE = Catalogue(
    [
        _feature("attendance_share", "number", "attendance_overall", "down"),
        _feature("attendance_miss_run", "number", "attendance_recent", "up"),
        _feature("first_test_passed", "flag", "first_test", "down"),
        _feature("gap_years", "number", "gap_years", "none", actionable=False),
        _feature("prior_education", "category", "prior_education", "none", actionable=False, categories=("havo", "mbo", "vwo")),
    ]
)


def made_up_frame(students: int = 300, seed: int = 0, *, cohorts: Sequence[str] = ("2020", "2021"), gaps: float = 0.15) -> pd.DataFrame:
    """Give students whose leaving depends on their figures, some of which are not known."""
    random = np.random.default_rng(seed)
    latent = random.normal(size=students)
    values: dict[str, np.ndarray] = {
        "attendance_share": np.clip(0.8 - 0.15 * latent + 0.1 * random.normal(size=students), 0, 1),
        "attendance_miss_run": np.floor(np.exp(0.8 * latent + 0.5 * random.normal(size=students))),
        "first_test_passed": (random.normal(size=students) > latent).astype(float),
        "gap_years": np.floor(random.exponential(1.0, size=students)),
    }
    columns: dict[str, object] = {name: np.where(random.random(students) < gaps, np.nan, value) for name, value in values.items()}
    kinds = random.choice(["havo", "mbo", "vwo"], students).astype(object)
    kinds[random.random(students) < gaps / 2] = None
    left = (random.random(students) < 1 / (1 + np.exp(0.8 - 1.5 * latent))).astype(float)
    return pd.DataFrame(columns).assign(
        enrolment_id=[f"e{place}" for place in range(students)],
        student_id=[f"s{place}" for place in range(students)],
        cohort=random.choice(list(cohorts), students),
        prior_education=kinds,
        leave=left,
        dropout=left,
    )


def quick_recipe(family: str = "blend", layout: str = "per_landmark", **more: object) -> Recipe:
    """Give a recipe that is fitted in a moment."""
    few = BoostedParameters(trees=12, learning_rate=0.2, leaves=5, least_students_in_leaf=10, l2=1.0)
    return Recipe.model_validate({"family": family, "layout": layout, "lightgbm": few, "logistic": LogisticParameters(l2=3.0), **more})


@pytest.fixture(scope="session")
def made_up_catalogue() -> Catalogue:
    """Give a catalogue with a number, a flag and a category, with and without direction."""
    return MADE_UP_CATALOGUE


@pytest.fixture(scope="session")
def made_up() -> Callable[..., pd.DataFrame]:
    """Give the maker of frames."""
    return made_up_frame


@pytest.fixture(scope="session")
def recipe_of() -> Callable[..., Recipe]:
    """Give the maker of quick recipes."""
    return quick_recipe


@pytest.fixture(scope="session")
def made_up_frames() -> dict[int, pd.DataFrame]:
    """Give one frame of training students per landmark."""
    return {landmark: made_up_frame(400, landmark) for landmark in LANDMARKS}
