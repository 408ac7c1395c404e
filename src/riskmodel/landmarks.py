"""Features and labels at every landmark: what training and evaluation look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import narwhals as nw
import pandas as pd

from riskmodel.contract.dataset import Dataset
from riskmodel.errors import DataFault
from riskmodel.features import build_with_context
from riskmodel.features.context import ProgrammeContext
from riskmodel.progress import Progress, silent
from riskmodel.tables import LEAVING, TARGETS
from riskmodel.window import cut


@dataclass(frozen=True)
class LandmarkFrames:
    """Features with labels per landmark, and what was usual in the programmes there.

    Attributes
    ----------
    frames : mapping of landmark to pandas.DataFrame
        What `build_features` gives, with a column per target: 1.0 left, 0.0 did not, NaN where no outcome is known.
    contexts : mapping of landmark to ProgrammeContext
        Of the same students.
    """

    frames: Mapping[int, pd.DataFrame]
    contexts: Mapping[int, ProgrammeContext]


def labels(outcomes: pd.Series, target: str) -> pd.Series:
    """Turn outcomes into a target's labels.

    Parameters
    ----------
    outcomes : pandas.Series of str
        continued, switched, dropped_out, not_continued or null.
    target : {'dropout', 'leave'}
        What is asked.

    Returns
    -------
    pandas.Series of float
        1.0 where the outcome counts as the target, 0.0 where it does not, NaN where it is unknown. For `dropout`, a student of whom it is only
        known that they did not continue counts as 0.
    """
    return outcomes.isin(LEAVING[target]).astype(float).where(outcomes.notna())


def landmark_frames(
    dataset: Dataset, landmarks: Sequence[int] | None = None, cohorts: Sequence[str] | None = None, progress: Progress = silent
) -> LandmarkFrames:
    """Cut, measure and label the students of closed cohorts at each landmark.

    Parameters
    ----------
    dataset : Dataset
        A checked data folder.
    landmarks : sequence of int, optional
        Days; those of the definition by default.
    cohorts : sequence of str, optional
        Labels; all closed cohorts by default.
    progress : Progress
        Told which day is being cut.

    Raises
    ------
    DataFault
        There is no such cohort, or none has outcomes.
    """
    days = tuple(landmarks or dataset.definition.landmarks)
    chosen = tuple(cohorts or dataset.definition.closed_cohorts)
    unknown = set(chosen) - {cohort.label for cohort in dataset.definition.cohorts}
    if unknown or not chosen:
        what = (
            f"there is no cohort {', '.join(sorted(unknown))}." if unknown else "no cohort is closed, so there is no outcome to learn from."
        )
        raise DataFault(
            what, place=str(dataset.folder), remedy="See [[cohorts]] in dataset.toml; a cohort is closed once its outcomes are final."
        )
    tables = replace(dataset.tables, enrolments=dataset.tables.enrolments.filter(nw.col("cohort").is_in(list(chosen))))
    outcomes = dataset.outcomes().set_index("enrolment_id")["outcome"]
    frames, contexts = {}, {}
    for place, day in enumerate(days):
        progress(place, len(days), f"features at day {day}")
        frame, contexts[day] = build_with_context(cut(tables, day), dataset.definition)
        known = frame["enrolment_id"].map(outcomes)
        frames[day] = frame.assign(**{target: labels(known, target) for target in TARGETS})
    progress(len(days), len(days), "features ready")
    return LandmarkFrames(frames, contexts)
