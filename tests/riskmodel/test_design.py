"""The design matrix: what becomes a number, and what stays unknown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from riskmodel.catalogue import Catalogue
from riskmodel.design import DAY, Design
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
