"""What is withheld stays withheld: no small count follows from those that are told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from riskmodel.suppression import FEWEST, left_open, protect


def two_way(rows: int, columns: int) -> np.ndarray:
    """Give which cells of a two-way table, read row by row, each cell, row, column and the whole sum."""
    cells = np.arange(rows * columns).reshape(rows, columns)
    sums = [[cell] for cell in cells.ravel()] + list(cells) + list(cells.T) + [cells.ravel()]
    return np.array([np.isin(np.arange(rows * columns), each) for each in sums]).astype(float)


def test_a_small_cell_takes_another_of_its_row_and_of_its_column_with_it():
    cells = np.array([4.0, 30.0, 50.0, 20.0])
    told = protect(two_way(2, 2), cells)
    assert list(told) == [False, False, False, False, True, True, True, True, True]


def test_a_table_without_small_cells_is_told_whole():
    assert protect(two_way(2, 3), np.array([10.0, 20.0, 30.0, 40.0, 50.0, 60.0])).all()


def test_nought_is_withheld_like_any_small_count():
    assert not protect(two_way(2, 2), np.array([0.0, 40.0, 40.0, 40.0]))[0]


def test_two_small_cells_that_add_up_to_little_are_not_told_by_their_sum():
    members = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    told = protect(members, np.array([2.0, 1.0, 60.0]))
    assert not told[:2].any()
    assert told[2] != told[3]  # their difference, 3, would tell that both are small


def test_what_is_worth_more_is_told_longer():
    cells = np.array([4.0, 30.0, 50.0, 20.0])
    worth = np.array([3, 3, 3, 3, 0, 0, 0, 0, 0])
    told = protect(two_way(2, 2), cells, worth=worth)
    assert list(told[:4]) == [False, True, True, True]
    assert not told[4:].all()


def test_tables_that_share_a_margin_are_protected_together():
    # Two tables of the same students: group by A (rows 0, 1) and by B (rows 2, 3); told apart, A's small group would follow from B's total.
    members = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]])
    same = np.array([[1.0, 1.0, -1.0, -1.0]])
    told = protect(members, np.array([3.0, 97.0, 40.0, 60.0]), same=same)
    low, high = left_open(0, members, np.array([3.0, 97.0, 40.0, 60.0]), told, same)
    assert not told[0]
    assert high - low >= FEWEST


tables = st.tuples(st.integers(2, 3), st.integers(2, 4)).flatmap(
    lambda shape: st.tuples(
        st.just(shape),
        st.lists(st.one_of(st.integers(0, 14), st.integers(0, 80)), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]),
    )
)


@given(tables, st.booleans())
def test_no_withheld_count_can_be_worked_out_from_what_is_told(table, by_worth):
    (rows, columns), counts = table
    members, cells = two_way(rows, columns), np.array(counts, dtype=float)
    worth = members.sum(axis=1) if by_worth else None
    told = protect(members, cells, worth=worth)
    values = members @ cells
    assert not told[values < FEWEST].any()
    known = members[told]
    for place in np.flatnonzero(values < FEWEST):
        # No sum of what is told gives it ...
        if known.size:
            assert np.linalg.matrix_rank(np.vstack([known, members[place]])) > np.linalg.matrix_rank(known)
        # ... and there are whole tables, no cell negative, in which it is something else.
        limits = LinearConstraint(known, values[told], values[told]) if known.size else ()
        most = milp(-members[place], constraints=limits, integrality=np.ones(len(cells)), bounds=Bounds(0, 1e6))
        least = milp(members[place], constraints=limits, integrality=np.ones(len(cells)), bounds=Bounds(0, 1e6))
        assert -most.fun - least.fun == pytest.approx(max(FEWEST, -most.fun - least.fun))
