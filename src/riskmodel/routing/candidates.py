"""Whom a list can be made of: the students scored on a day, or in year zero everybody enrolled, each with coach and first test."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

import narwhals as nw
import pandas as pd

from riskmodel.baselines import FIRST_TEST_COLUMN, first_test_failed_or_missed
from riskmodel.contract.dataset import Dataset
from riskmodel.dates import to_epoch_day
from riskmodel.errors import DataFault
from riskmodel.features import build_features
from riskmodel.frames import to_pandas
from riskmodel.model import RiskModel
from riskmodel.progress import Progress, silent
from riskmodel.scoring import LONGEST_AGO, Scored, score_dataset
from riskmodel.tables import Tables
from riskmodel.window import cut


def candidates(dataset: Dataset, models: Mapping[str, RiskModel], target: str, on: dt.date, *, progress: Progress = silent) -> pd.DataFrame:
    """Give one row per student that a list of a day can hold.

    Parameters
    ----------
    dataset : Dataset
    models : mapping of target to RiskModel
        Empty in year zero: then nobody has a probability.
    target : str
        The target that ranks.
    on : datetime.date
    progress : Progress

    Returns
    -------
    pandas.DataFrame
        enrolment_id, student_id, programme, academy, coach_id ('' where there is none), day, probability, first_test_failed_or_missed
        (bool; False where no test was due) and objected (bool). Who objected has no probability: no model reads them.

    Raises
    ------
    DataFault
        Nobody is enrolled on that date.
    """
    if models:
        return of_scored(dataset, score_dataset(dataset, models, on, ranked_by=target, progress=progress), target)
    features = _enrolled(dataset, on)
    return _with_objectors(dataset, _unscored(features), features, on)


def of_scored(dataset: Dataset, scored: Scored, target: str) -> pd.DataFrame:
    """Give the same of students who were scored already, in their order; whoever objected stands behind them."""
    rows = scored.rows[["enrolment_id", "student_id", "programme", "day"]].assign(probability=scored.rows[f"probability_{target}"])
    return _with_objectors(dataset, rows, scored.features, scored.on)


def _with_objectors(dataset: Dataset, rows: pd.DataFrame, features: pd.DataFrame, on: dt.date) -> pd.DataFrame:
    told = [_placed(_with_rule(rows, features), dataset.tables).assign(objected=False)]
    if dataset.objectors is not None:
        features = enrolled_features(dataset, dataset.objectors, on)
        told.append(_placed(_with_rule(_unscored(features), features), dataset.objectors).assign(objected=True))
    return pd.concat([rows for rows in told if len(rows)] or told[:1], ignore_index=True)


def _unscored(features: pd.DataFrame) -> pd.DataFrame:
    return features[["enrolment_id", "student_id", "programme"]].assign(day=features["cut_day"].astype("int64"), probability=float("nan"))


def _with_rule(rows: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(**{FIRST_TEST_COLUMN: first_test_failed_or_missed(features).fillna(0.0).to_numpy(dtype=float) > 0})


def _placed(rows: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    places = to_pandas(tables.enrolments.select("enrolment_id", "academy", "coach_id"))
    told = places.drop_duplicates("enrolment_id").set_index("enrolment_id")
    columns = {name: rows["enrolment_id"].map(told[name]).fillna("").astype("str") for name in ("academy", "coach_id")}
    return rows.assign(**columns)


def enrolled_features(dataset: Dataset, tables: Tables, on: dt.date) -> pd.DataFrame:
    """Give the features of the students in some tables who are in their first days on a date; nobody is scored, and there may be none.

    Parameters
    ----------
    dataset : Dataset
        Its definition tells what the tables mean.
    tables : Tables
        The data set's own tables, or those of `Dataset.objectors`.
    on : datetime.date
        Nothing that became known later is looked at.
    """
    start, moment = nw.col("start_date"), to_epoch_day(on)
    enrolments = tables.enrolments.filter((start <= moment) & (start > moment - LONGEST_AGO))
    features = build_features(cut(replace(tables, enrolments=enrolments), on), dataset.definition)
    return features[features["cut_day"].between(0, dataset.definition.last_day)]


def nobody_enrolled(dataset: Dataset, on: dt.date) -> DataFault:
    """Give the error that says what to do where no student is in the first days on a date."""
    return DataFault(
        f"nobody is in the first {dataset.definition.last_day} days on {on.isoformat()}.",
        place=str(dataset.folder),
        remedy="Choose another date, or deliver the current cohort.",
    )


def _enrolled(dataset: Dataset, on: dt.date) -> pd.DataFrame:
    features = enrolled_features(dataset, dataset.tables, on)
    if features.empty:
        raise nobody_enrolled(dataset, on)
    return features
