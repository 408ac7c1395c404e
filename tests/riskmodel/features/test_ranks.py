"""The place among fellow students: worked examples and what holds for every table."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.features.context import ProgrammeContext, usual_figures


def ranks(values: list[float], asked: list[float]) -> np.ndarray:
    place = pd.DataFrame({"cohort": "a", "programme": "p"}, index=range(len(values)))
    context = ProgrammeContext(usual_figures(pd.DataFrame({"x": values}), place, ["x"]), pd.DataFrame())
    kept = ProgrammeContext.from_dict(ProgrammeContext(context.usual, pd.DataFrame(columns=["cohort", "programme"])).to_dict())
    who = pd.DataFrame({"cohort": "a", "programme": "p"}, index=range(len(asked)))
    return kept.ranks(who, pd.DataFrame({"x": asked}))["x"].to_numpy()


def test_the_lowest_stands_at_nought_the_highest_at_one_and_the_middle_between() -> None:
    values = [float(value) for value in range(101)]
    assert list(ranks(values, [0, 25, 50, 100, -5, 500])) == [0, 0.25, 0.5, 1, 0, 1]


def test_equal_figures_stand_in_the_middle_of_their_like() -> None:
    assert list(ranks([3.0] * 10, [3.0, 2.0, 4.0])) == [0.5, 0.0, 1.0]
    assert list(ranks([1.0, *[8.5 / 15] * 4, 0.0], [8.5 / 15])) == [0.5]


def test_an_unknown_figure_has_no_place() -> None:
    assert np.isnan(ranks([1.0] * 6, [np.nan])).all()
    assert np.isnan(ranks([np.nan] * 6, [1.0])).all()


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=40), st.lists(st.floats(-2e6, 2e6), min_size=2, max_size=10))
def test_a_higher_figure_never_stands_lower(values: list[float], asked: list[float]) -> None:
    found = ranks(values, sorted(asked))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= -1e-9).all()
