"""Whether there are enough students to learn from, and whether more would help."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from riskmodel.catalogue import Catalogue, Feature
from riskmodel.errors import DataFault
from riskmodel.learning import learning_curve, require_enough

COLUMNS = 30
CATALOGUE = Catalogue(
    [Feature(f"x{place}", "declared", "number", "extra.x", "x", "x", "", "none", False, "made up") for place in range(COLUMNS)]
)


def students(count: int, seed: int, cohort: str, weight: float) -> pd.DataFrame:
    """Give students with thirty figures that each say a little of who leaves, or nothing."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(count, COLUMNS))
    left = random.random(count) < 1 / (1 + np.exp(1 - weight * X.sum(axis=1)))
    frame = pd.DataFrame(X, columns=list(CATALOGUE)).assign(leave=left.astype(float), cohort=cohort)
    return frame.assign(student_id=[f"{cohort}-{place}" for place in range(count)])


@pytest.mark.slow
def test_with_few_students_and_many_weak_signals_another_cohort_helps() -> None:
    curve = learning_curve(students(120, 1, "2020", 0.3), students(3000, 2, "2021", 0.3), "leave", 56, CATALOGUE, l2=1.0)
    assert curve is not None
    assert curve.answer == "helps"
    assert curve.another == 120
    assert 0 < curve.gain_low < curve.gain < curve.gain_high
    assert curve.roc_auc[0] < curve.roc_auc[-1]
    more = learning_curve(students(240, 3, "2020", 0.3), students(3000, 2, "2021", 0.3), "leave", 56, CATALOGUE, l2=1.0)
    assert more is not None
    assert curve.gain_low <= more.roc_auc[-1] - curve.roc_auc[-1] <= 3 * curve.gain_high


def test_with_many_students_another_cohort_adds_little() -> None:
    curve = learning_curve(students(4000, 1, "2020", 0.3), students(3000, 2, "2021", 0.3), "leave", 56, CATALOGUE, l2=1.0)
    assert curve is not None
    assert curve.answer == "little"


def test_intervals_hold_what_they_are_about_and_the_same_seed_gives_the_same_curve() -> None:
    told = [learning_curve(students(200, 1, "2020", 0.2), students(300, 2, "2021", 0.2), "leave", 56, CATALOGUE, l2=10.0) for _ in range(2)]
    assert told[0] == told[1]
    assert told[0] is not None
    for value, low, high in zip(told[0].roc_auc, told[0].low, told[0].high, strict=True):
        assert low < value < high


def test_where_too_few_left_there_is_no_curve() -> None:
    few = students(200, 1, "2020", 0.2)
    few["leave"] = (np.arange(200) < 8).astype(float)
    assert learning_curve(few, students(100, 2, "2021", 0.2), "leave", 56, CATALOGUE, l2=10.0) is None


def test_too_few_is_said_with_the_day_the_count_and_what_to_do(made_up: Callable[..., pd.DataFrame]) -> None:
    frame = made_up(200, 1)
    frame["leave"] = (np.arange(200) < 29).astype(float)
    with pytest.raises(DataFault, match="too few: at day 56 29 of 200 students have the outcome 'leave'; a model needs 30") as told:
        require_enough({28: made_up(400, 2), 56: frame}, "leave", 30)
    assert "--rule first-test" in str(told.value)
    require_enough({56: frame}, "leave", 29)
