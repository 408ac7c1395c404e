"""A list on paper: who would be invited on a day by which model. Shows nothing to anybody and writes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from riskmodel.baselines import FIRST_TEST_COLUMN, first_test_failed_or_missed
from riskmodel.contract.dataset import Dataset
from riskmodel.model import RiskModel
from riskmodel.policy import Policy
from riskmodel.progress import Progress, silent
from riskmodel.routing import invite
from riskmodel.scoring import score_dataset


@dataclass(frozen=True)
class Lists:
    """Lists of several models on one day, over the same students.

    Attributes
    ----------
    on : datetime.date
    rows : mapping of name to pandas.DataFrame
        Per model one row per student scored, all in the same order: enrolment_id, student_id, programme, day, landmark, probability,
        first_test_failed_or_missed (1.0, 0.0, NaN where no test was due), and what `riskmodel.routing.invite` gives.
    features : mapping of name to pandas.DataFrame
        What each model looks at, of the same students in the same order; one and the same frame where recent weeks are of equal length.
    not_scored : pandas.DataFrame
        enrolment_id and reason.
    """

    on: dt.date
    rows: dict[str, pd.DataFrame]
    features: dict[str, pd.DataFrame]
    not_scored: pd.DataFrame

    @property
    def empty(self) -> bool:
        """Whether nobody could be scored."""
        return all(rows.empty for rows in self.rows.values())


def lists_on(dataset: Dataset, models: Mapping[str, RiskModel], on: dt.date, policy: Policy, *, progress: Progress = silent) -> Lists:
    """Score and route the students of a data set on a date by several models, with the features measured once for each length of recent weeks.

    Parameters
    ----------
    dataset : Dataset
    models : mapping of name to RiskModel
        Names of one's own choice; several may be of one target.
    on : datetime.date
    policy : Policy
        Who is invited; its target is not looked at.
    progress : Progress

    Raises
    ------
    DataFault
        Nobody is enrolled on that date, or the data lack a feature that a model looks at.
    """
    windows: dict[int, dict[str, RiskModel]] = {}
    # Students are scored from the first landmark that every model has.
    for name, model in sorted(models.items(), key=lambda each: -each[1].landmarks[0]):
        windows.setdefault(model.recent_days, {})[name] = model
    scored = {days: score_dataset(dataset, part, on, ranked_by=next(iter(part)), progress=progress) for days, part in windows.items()}
    strictest = next(iter(scored.values()))
    everybody = strictest.rows["enrolment_id"]
    rows, features = {}, {}
    for name, model in models.items():
        of_window = scored[model.recent_days]
        kept = of_window.rows["enrolment_id"].isin(everybody)
        listed = of_window.rows[kept].reset_index(drop=True)
        features[name] = of_window.features[kept].reset_index(drop=True)
        own = listed[["enrolment_id", "student_id", "programme", "day"]].copy()
        landmarks = {day: model.landmark_for(day) for day in own["day"].unique()}
        own["landmark"] = own["day"].map(landmarks).astype("int64")
        own["probability"] = listed[f"probability_{name}"]
        own[FIRST_TEST_COLUMN] = first_test_failed_or_missed(features[name])
        told = own.assign(**{FIRST_TEST_COLUMN: own[FIRST_TEST_COLUMN].fillna(0.0).astype(bool)})
        rows[name] = own.join(invite(told, policy, on))
    return Lists(on, rows, features, strictest.not_scored)
