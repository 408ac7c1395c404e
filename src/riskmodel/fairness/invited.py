"""Who of each group stands on a list, before anybody knows how it ends. Hands out counts that name nobody."""

from __future__ import annotations

import numpy as np
import pandas as pd

from riskmodel.fairness.audit import group_labels
from riskmodel.suppression import protect


def invited_by_group(students: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Count students and invitations per group, each attribute by itself.

    Parameters
    ----------
    students : pandas.DataFrame
        student_id and invited (bool).
    groups : pandas.DataFrame
        student_id and one column per sensitive attribute, as text.

    Returns
    -------
    pandas.DataFrame
        attribute, group ('' where it is unknown), students and invited (nullable counts; what would show fewer than ten is missing, and so
        is what would let one work it out), share.

    Raises
    ------
    DataFault
        There is no sensitive attribute, or a student stands in `groups` twice.
    """
    labels, _ = group_labels(students["student_id"], groups)
    invited = students["invited"].to_numpy(dtype=bool)
    rows = []
    for attribute in labels.columns.astype("str"):
        values = labels[attribute].to_numpy()
        names = sorted(set(values))
        cells = np.array([[(values == name) & invited, (values == name) & ~invited] for name in names]).sum(axis=2).ravel()
        size = len(cells)
        students_of = np.kron(np.eye(len(names)), [1.0, 1.0])
        invited_of = np.kron(np.eye(len(names)), [1.0, 0.0])
        totals = np.array([np.ones(size), np.tile([1.0, 0.0], len(names))])
        told = protect(np.vstack([students_of, invited_of, totals]), cells)
        for place, name in enumerate(names):
            count, chosen = int(students_of[place] @ cells), int(invited_of[place] @ cells)
            both = told[place] and told[len(names) + place]
            rows.append(
                {
                    "attribute": attribute,
                    "group": name,
                    "students": count if told[place] else None,
                    "invited": chosen if told[len(names) + place] else None,
                    "share": chosen / count if both else np.nan,
                }
            )
    return pd.DataFrame(rows).astype({"students": "Int64", "invited": "Int64"})
