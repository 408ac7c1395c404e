"""Which coach talks with whom: the own coach while there is room, then as few moves as there can be, as a min-cost flow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

COST = {"programme": 1.0, "academy": 3.0}
"""What it costs to give a student to a colleague; a colleague who knows the programme is worth a detour."""


@dataclass(frozen=True)
class Room:
    """Coaches of one pool and the places they have.

    Attributes
    ----------
    places : dict of coach_id to int
    programmes : dict of coach_id to frozenset of str
        Programmes in which the coach has students.
    """

    places: dict[str, int]
    programmes: dict[str, frozenset[str]]


def assign(invited: pd.DataFrame, room: Room) -> pd.DataFrame:
    """Give each invited student a coach.

    Within a coach's own students those who come first in the list stay with their own coach. The number of students that moves from one
    coach to another is a transportation problem, a min-cost flow whose vertex solutions are whole numbers; HiGHS' simplex gives one.

    Parameters
    ----------
    invited : pandas.DataFrame, in order of preference for the own coach
        programme and coach_id ('' where there is none); not more rows than there are places.
    room : Room

    Returns
    -------
    pandas.DataFrame
        Same index: talks_with (coach_id) and how ('own', 'programme' or 'academy').
    """
    talks_with = invited["coach_id"].astype(str).copy()
    how = pd.Series("own", index=invited.index, dtype="str")
    place = invited.groupby("coach_id", sort=False).cumcount()
    moves = invited[place >= invited["coach_id"].map(room.places).fillna(0)]
    if moves.empty:
        return pd.DataFrame({"talks_with": talks_with, "how": how})
    taken = invited["coach_id"].value_counts()
    free = {coach: left for coach, places in sorted(room.places.items()) if (left := places - int(taken.get(coach, 0))) > 0}
    groups = moves.groupby(["coach_id", "programme"], sort=True)
    demand = groups.size()
    coaches = list(free)
    cost = np.array(
        [
            [COST["programme"] if programme in room.programmes.get(coach, ()) else COST["academy"] for coach in coaches]
            for _, programme in demand.index
        ]
    )
    flow = _transport(demand.to_numpy(), np.array(list(free.values())), cost)
    for row, members in enumerate(groups.indices.values()):
        receivers = np.repeat(np.arange(len(coaches)), flow[row])
        for student, receiver in zip(moves.index[members], receivers, strict=True):
            talks_with[student] = coaches[receiver]
            how[student] = "programme" if cost[row, receiver] == COST["programme"] else "academy"
    return pd.DataFrame({"talks_with": talks_with, "how": how})


def _transport(demand: np.ndarray, free: np.ndarray, cost: np.ndarray) -> np.ndarray:
    from scipy.optimize import linprog  # 40 MB, which who only scores has no use for
    from scipy.sparse import coo_matrix

    rows, columns = cost.shape
    variable = np.arange(rows * columns)
    ones = np.ones(rows * columns)
    each_moves = coo_matrix((ones, (variable // columns, variable)))
    none_overfull = coo_matrix((ones, (variable % columns, variable)))
    # Equal costs would leave the choice to the solver: earlier coaches are cheaper by less than any true difference.
    nudged = (cost + 1e-3 * np.arange(columns) / max(columns, 1)).ravel()
    solved = linprog(nudged, A_ub=none_overfull, b_ub=free, A_eq=each_moves, b_eq=demand, method="highs-ds")
    if not solved.success:
        raise ArithmeticError("more students than places")
    flow: np.ndarray = np.rint(solved.x).astype(int).reshape(rows, columns)
    return flow
