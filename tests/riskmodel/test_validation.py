"""Validation by a rolling origin, and the difference between two recipes with its standard error."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.validation import Validated, rolling_folds, worse_by


def frames(students: int = 60, cohorts: tuple[str, ...] = ("2019", "2020", "2021")) -> dict[int, pd.DataFrame]:
    rows = [
        {"student_id": f"s{(place + 7 * year) % 100}", "cohort": cohort, "programme": ("law", "arts", "care", "ict")[place % 4]}
        for year, cohort in enumerate(cohorts)
        for place in range(students)
    ]
    return {28: pd.DataFrame(rows), 56: pd.DataFrame(rows).iloc[::2]}


def test_each_cohort_is_predicted_from_those_before_it_alone() -> None:
    folds = rolling_folds(frames(), ("2019", "2020", "2021"))
    assert [fold.name for fold in folds] == ["2020", "2021"]
    for fold, before in zip(folds, ({"2019"}, {"2019", "2020"}), strict=True):
        for day in (28, 56):
            assert set(fold.held[day]["cohort"]) == {fold.name}
            assert set(fold.learnt[day]["cohort"]) <= before


def test_cohorts_that_are_not_named_are_on_neither_side() -> None:
    for fold in rolling_folds(frames(), ("2019", "2020")):
        assert "2021" not in set(fold.held[28]["cohort"]) | set(fold.learnt[28]["cohort"])


@given(st.integers(5, 90), st.sampled_from([("2019",), ("2019", "2020"), ("2019", "2020", "2021")]))
def test_no_student_is_ever_on_both_sides(students: int, cohorts: tuple[str, ...]) -> None:
    for fold in rolling_folds(frames(students), cohorts):
        for day in (28, 56):
            assert not set(fold.learnt[day]["student_id"]) & set(fold.held[day]["student_id"])


def test_within_one_cohort_each_student_is_predicted_once_by_students_and_once_by_programmes() -> None:
    folds = rolling_folds(frames(), ("2019",))
    everybody = sorted(frames()[28].query("cohort == '2019'")["student_id"])
    for kind in ("students", "programmes"):
        held = [student for fold in folds if fold.name.startswith(kind) for student in fold.held[28]["student_id"]]
        assert sorted(held) == everybody
    for fold in folds:
        if fold.name.startswith("programmes"):
            assert not set(fold.learnt[28]["programme"]) & set(fold.held[28]["programme"])


def test_one_programme_is_not_predicted_from_no_other() -> None:
    alone = {day: frame.assign(programme="law") for day, frame in frames().items()}
    assert [fold.name.split()[0] for fold in rolling_folds(alone, ("2019",))] == ["students"] * 3


def validated(blocks: list[float], **folds: float) -> Validated:
    return Validated(sum(blocks), 0.7, np.array(blocks), folds)


def test_a_difference_by_hand() -> None:
    one, other = validated([0.1, 0.2, 0.3], a=0.3, b=0.3), validated([0.1, 0.1, 0.1], a=0.15, b=0.15)
    worse, error = worse_by(one, other)
    assert worse == pytest.approx(0.3)
    # Differences 0, 0.1 and 0.2 have a variance of 0.01; of a sum of three that is 0.03.
    assert error == pytest.approx(math.sqrt(0.03))


def test_what_both_find_hard_falls_out_of_the_difference() -> None:
    hard = [0.1, 5.0, 0.2, 3.0]
    worse, error = worse_by(validated([each + 0.01 for each in hard]), validated(hard))
    assert worse == pytest.approx(0.04)
    assert error == pytest.approx(0.0, abs=1e-9)


def test_with_three_cohorts_the_spread_between_them_counts_where_it_is_larger() -> None:
    one, other = validated([0.1, 0.1], x=0.0, y=0.3, z=0.6), validated([0.1, 0.1], x=0.0, y=0.0, z=0.0)
    assert worse_by(one, other)[1] == pytest.approx(0.3 / math.sqrt(3))


def test_the_standard_error_by_blocks_is_that_between_students() -> None:
    random = np.random.default_rng(1)
    apart = random.normal(0.02, 1.0, 20_000)
    blocks = np.bincount(np.arange(20_000) % 100, weights=apart) / 20_000
    error = worse_by(Validated(0.0, 0.0, blocks, {}), Validated(0.0, 0.0, np.zeros(100), {}))[1]
    assert error == pytest.approx(apart.std() / math.sqrt(20_000), rel=0.25)
