"""Rows that never were a frame: whatever their values, the same matrix, the same explanation, the same interval and the same words as from a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskmodel.catalogue import Catalogue
from riskmodel.design import Design
from riskmodel.unusual import Seen

FIGURE = st.none() | st.floats(-1e6, 1e6) | st.floats(0, 1) | st.integers(-5, 5) | st.booleans()


def rows_of(catalogue: Catalogue) -> st.SearchStrategy[list[dict[str, Any]]]:
    values = {
        name: st.none() | st.sampled_from([*feature.categories, "elsewhere"]) if feature.kind == "category" else FIGURE
        for name, feature in catalogue.items()
    }
    return st.lists(st.fixed_dictionaries(values), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def seen(made_up, made_up_catalogue: Catalogue) -> tuple[Seen, Seen]:
    frame: pd.DataFrame = made_up(300, 2)
    return Seen.of(frame, made_up_catalogue), Seen.of(made_up(300, 5), made_up_catalogue)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_rows_give_the_same_matrix_and_are_as_unusual_as_in_a_frame(
    data: st.DataObject, made_up_catalogue: Catalogue, seen: tuple[Seen, Seen]
) -> None:
    rows = data.draw(rows_of(made_up_catalogue))
    frame = pd.DataFrame(rows, dtype=object)
    for design in (Design.of(made_up_catalogue), Design.of(made_up_catalogue, with_day=True)):
        np.testing.assert_array_equal(design.matrix_of_rows(rows, 56), design.matrix(frame, 56))
    for later in (None, seen[1]):
        assert seen[0].look_rows(rows, later) == seen[0].look(frame, later)


def test_a_row_that_lacks_a_feature_is_refused(made_up_catalogue: Catalogue) -> None:
    with pytest.raises(KeyError):
        Design.of(made_up_catalogue).matrix_of_rows([{}])
