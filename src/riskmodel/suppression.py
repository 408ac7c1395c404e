"""Which counts of students may be told, so that no small one can be worked out from those that are. Knows sums, not what they count."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, vstack

FEWEST = 10
_NOTHING = 1e-7


def protect(
    members: np.ndarray,
    cells: np.ndarray,
    *,
    same: np.ndarray | None = None,
    worth: np.ndarray | None = None,
    offered: np.ndarray | None = None,
    fewest: int = FEWEST,
) -> np.ndarray:
    """Tell which counts may be told.

    A count under `fewest` is never told, nor is nought: that nobody left is also told of somebody. Of the others as many are withheld as it
    takes for a reader who knows every count that is told, and that no cell is negative, to be left with a range of at least `fewest` for
    each small one.

    Parameters
    ----------
    members : numpy.ndarray of 0 and 1, shape (counts, cells)
        Which cells each count sums.
    cells : numpy.ndarray, shape (cells,)
        How many students each cell holds.
    same : numpy.ndarray, shape (relations, cells), optional
        What a reader knows of any such table: each row times the cells is nought. Two tables of the same students share their margins.
    worth : numpy.ndarray, shape (counts,), optional
        Where one of several counts must go, the one of the least worth goes, and of these the smallest.
    offered : numpy.ndarray of bool, shape (counts,), optional
        Counts that would be told at all; the others are protected where they are small, and never told. All by default.
    fewest : int

    Returns
    -------
    numpy.ndarray of bool, shape (counts,)

    References
    ----------
    Fischetti and Salazar (2000), 'Models and algorithms for optimizing cell suppression in tabular data with linear constraints',
    Journal of the American Statistical Association 95: the range that a reader is left with is a linear programme. Theirs withholds
    the least; this one withholds the smallest count that the range hangs on, one by one, which is quick and may withhold more.
    """
    values = members @ cells
    told = np.asarray(values >= fewest) if offered is None else np.asarray((values >= fewest) & offered)
    could_be = told.copy()
    order = np.lexsort((values, np.zeros(len(values)) if worth is None else worth))
    place_in_order = np.empty(len(values), dtype=np.intp)
    place_in_order[order] = np.arange(len(values))
    small = np.flatnonzero(values < fewest)
    rows = csr_array(members.astype(float))
    relations = csr_array((0, members.shape[1])) if same is None else csr_array(same.astype(float))
    safe = False
    while not safe:
        safe = True
        for place in small:
            while (held_by := _narrow(int(place), rows, values, told, relations, fewest)) is not None:
                safe = False
                told[held_by[np.argmin(place_in_order[held_by])]] = False
    return _given_back(np.flatnonzero(could_be & ~told), order, told, small, rows, values, relations, worth, fewest)


def _given_back(
    withheld: np.ndarray,
    order: np.ndarray,
    told: np.ndarray,
    small: np.ndarray,
    rows: csr_array,
    values: np.ndarray,
    relations: csr_array,
    worth: np.ndarray | None,
    fewest: int,
) -> np.ndarray:
    """Tell again what was withheld in vain: what follows from the rest anyhow, and what is worth more than least and leaves each range wide."""
    least = 0.0 if worth is None else float(np.min(worth))
    for place in [each for each in order[::-1] if each in set(withheld)]:
        low, high, _ = _range(int(place), rows, values, told, relations)
        tried = told.copy()
        tried[place] = True
        follows = high - low < _NOTHING
        valued = worth is not None and worth[place] > least
        if follows or (valued and all(_narrow(int(each), rows, values, tried, relations, fewest) is None for each in small)):
            told = tried
    return told


def left_open(place: int, members: np.ndarray, cells: np.ndarray, told: np.ndarray, same: np.ndarray | None = None) -> tuple[float, float]:
    """Give the least and the most that a count can be for a reader of those that are told; the most may be infinite."""
    values = members @ cells
    rows = csr_array(members.astype(float))
    relations = csr_array((0, members.shape[1])) if same is None else csr_array(same.astype(float))
    low, high, _ = _range(place, rows, values, told, relations)
    return low, high


def _narrow(place: int, rows: csr_array, values: np.ndarray, told: np.ndarray, relations: csr_array, fewest: int) -> np.ndarray | None:
    """Give the told counts that a too narrow range hangs on, or None where it is wide enough."""
    low, high, held_by = _range(place, rows, values, told, relations)
    if high - low >= fewest - _NOTHING or not told.any():
        return None
    return held_by if len(held_by) else np.flatnonzero(told)


def _range(place: int, rows: csr_array, values: np.ndarray, told: np.ndarray, relations: csr_array) -> tuple[float, float, np.ndarray]:
    from scipy.optimize import linprog  # 40 MB, which a service has no use for until somebody asks for counts

    chosen = np.flatnonzero(told)
    known = vstack([rows[chosen], relations]).tocsr()
    right = np.concatenate([values[chosen], np.zeros(relations.shape[0])])
    target = rows[[place]].toarray().ravel()
    ends, weights = [], np.zeros(len(chosen))
    for sign in (1.0, -1.0):
        solved = linprog(sign * target, A_eq=known if known.shape[0] else None, b_eq=right if known.shape[0] else None, method="highs")
        if solved.status == 3:  # without bound
            ends.append(-sign * np.inf)
        else:
            ends.append(sign * solved.fun)
            if known.shape[0]:
                weights += np.abs(solved.eqlin.marginals[: len(chosen)])
    return ends[0], ends[1], chosen[weights > _NOTHING]
