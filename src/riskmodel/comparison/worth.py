"""What two models are worth on the same students of a closed cohort: each figure with its interval, and their difference with its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from riskmodel.metrics import (
    Interval,
    Ranked,
    average_precision,
    interval,
    precision_at_capacity,
    ranked,
    recall_at_capacity,
    resamples,
    roc_auc,
)
from riskmodel.model import RiskModel

SEED = 20
FIGURES = ("roc_auc", "average_precision", "precision", "recall")


@dataclass(frozen=True)
class WorthCompared:
    """Two models at one landmark.

    Attributes
    ----------
    landmark, students, leavers : int
    capacity : float
        Share of the students invited.
    figures : dict of name to (Interval, Interval, Interval)
        `roc_auc`, `average_precision`, `precision` and `recall` at capacity: the first model's, the second's, and second minus first,
        with 95 % intervals from resampling students; the difference is taken within each resample (paired).
    """

    landmark: int
    students: int
    leavers: int
    capacity: float
    figures: dict[str, tuple[Interval, Interval, Interval]]


def compare_worth(
    first: RiskModel, second: RiskModel, frame: pd.DataFrame, landmark: int, capacity: float, *, of_second: pd.DataFrame | None = None
) -> WorthCompared | None:
    """Measure two models of one target on the same students.

    Parameters
    ----------
    first, second : RiskModel
    frame : pandas.DataFrame
        Students with features and labels; those without a label are left out.
    landmark : int
        One that both models have.
    capacity : float
        Share of the students that the coaches have time for.
    of_second : pandas.DataFrame, optional
        The same students in the same order with the second model's features, where its recent weeks are of another length.

    Returns
    -------
    WorthCompared or None
        None where nobody left, everybody did, or nobody has a label.
    """
    known = frame[frame[first.target].notna()]
    known_to_second = known if of_second is None else of_second[of_second[first.target].notna()]
    y = known[first.target].to_numpy(dtype=float)
    if len(np.unique(y)) < 2:
        return None
    draws = resamples(known["student_id"].to_numpy(dtype=str), SEED)
    scores = [first.decision(known, landmark), second.decision(known_to_second, landmark)]
    drawn: list[Ranked] = [ranked(y, score, capacity, draws) for score in scores]
    values = {
        "roc_auc": [roc_auc(y, score) for score in scores],
        "average_precision": [average_precision(y, score) for score in scores],
        "precision": [precision_at_capacity(y, score, capacity) for score in scores],
        "recall": [recall_at_capacity(y, score, capacity) for score in scores],
    }
    figures = {}
    for name, (one, other) in values.items():
        samples = [getattr(each, name) for each in drawn]
        figures[name] = (interval(one, samples[0]), interval(other, samples[1]), interval(other - one, samples[1] - samples[0]))
    return WorthCompared(landmark, len(y), int(y.sum()), capacity, figures)
