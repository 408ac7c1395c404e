"""The design matrix: what becomes a number, and what stays unknown."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.catalogue import Catalogue
from riskmodel.design import DAY, FEW_ROWS, Design, rounded
from riskmodel.errors import DataFault


@pytest.fixture
def design(made_up_catalogue: Catalogue) -> Design:
    return Design.of(made_up_catalogue)


def test_a_category_becomes_a_column_per_value_and_the_rest_one_column_each(design: Design) -> None:
    told = [(column.feature, column.category) for column in design.columns]
    assert told[:4] == [("attendance_share", None), ("attendance_miss_run", None), ("first_test_passed", None), ("gap_years", None)]
    assert told[4:] == [("prior_education", "havo"), ("prior_education", "mbo"), ("prior_education", "vwo")]
    assert design.signs.tolist() == [-1, 1, -1, 0, 0, 0, 0]


@pytest.mark.parametrize("dtype", [object, "str", "category", "string"])
def test_what_is_not_known_stays_unknown_and_an_unknown_category_is_none_of_its_values(design: Design, dtype: object) -> None:
    frame = pd.DataFrame(
        {
            "attendance_share": [0.5, None, 1.0],
            "attendance_miss_run": pd.array([1, None, 3], dtype="Int64"),
            "first_test_passed": pd.array([True, False, None], dtype="boolean"),
            "gap_years": [None, None, None],
            "prior_education": pd.Series(["mbo", None, "something else"], dtype=dtype),
        }
    )
    X = design.matrix(frame)
    nan = np.nan
    expected = [[0.5, 1, 1, nan, 0, 1, 0], [nan, nan, 0, nan, 0, 0, 0], [1, 3, nan, nan, 0, 0, 0]]
    np.testing.assert_array_equal(X, np.array(expected, dtype=float))


def test_the_order_of_columns_and_what_else_a_frame_holds_changes_nothing(design: Design, made_up) -> None:
    frame = made_up(20)
    np.testing.assert_array_equal(design.matrix(frame), design.matrix(frame[frame.columns[::-1]].assign(more=1)))


def test_missing_features_are_named(design: Design, made_up) -> None:
    with pytest.raises(DataFault, match="gap_years, prior_education"):
        design.matrix(made_up(5).drop(columns=["prior_education", "gap_years"]))


def test_a_model_of_all_landmarks_has_the_day_as_its_last_column(made_up_catalogue: Catalogue, made_up) -> None:
    design = Design.of(made_up_catalogue, with_day=True)
    assert design.features[-1] == DAY
    assert set(design.matrix(made_up(5), 56)[:, -1]) == {56.0}


def test_contributions_of_a_categorys_columns_are_told_as_one(design: Design) -> None:
    summed = design.by_feature(np.arange(7.0)[None, :])
    assert summed.tolist() == [[0.0, 1.0, 2.0, 3.0, 4.0 + 5.0 + 6.0]]


def test_a_design_survives_being_written_down(design: Design) -> None:
    assert Design.from_list(design.to_list()).columns == design.columns


def test_few_rows_give_the_same_numbers_as_many(design: Design, made_up) -> None:
    many = made_up(50, 3, gaps=0.4).astype({"first_test_passed": "boolean"})
    whole = design.matrix(many)
    for size in (1, FEW_ROWS, FEW_ROWS + 1):
        np.testing.assert_array_equal(design.matrix(many[:size]), whole[:size])


def test_no_rows_give_no_rows(design: Design, made_up) -> None:
    assert design.matrix(made_up(5)[:0]).shape == (0, 7)


@given(st.floats(-1e9, 1e9))
def test_rounding_moves_a_figure_by_less_than_a_millionth(value: float) -> None:
    found = float(rounded(np.array([value]))[0])
    assert abs(found - value) <= 1e-6 * max(1.0, abs(value))
    assert rounded(np.array([found]))[0] == found


def test_equal_figures_that_were_added_up_in_another_order_become_the_same_number() -> None:
    first = np.array([0.1 + 0.2 - 0.3, 0.7 - 0.8111111111111111, 1 / 3, 1e5 / 3 + 1e-9])
    second = np.array([0.0, -0.11111111111111109, 1 - 2 / 3, 1e5 / 3])
    assert (rounded(first) == rounded(second)).all()
    whole = np.arange(-1000.0, 1000.0)
    assert (rounded(whole) == whole).all()
    assert math.isnan(rounded(np.array([math.nan]))[0])


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_a_threshold_between_two_figures_says_the_same_in_single_precision(values: list[float]) -> None:
    figures = np.unique(rounded(np.array(values)))
    thresholds = (figures[:-1] + figures[1:]) / 2
    assert ((figures[:, None] <= thresholds) == (figures[:, None] <= thresholds.astype(np.float32).astype(float))).all()
