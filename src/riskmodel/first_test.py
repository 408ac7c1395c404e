"""The list of year zero: whoever failed or missed the first test. Needs no model and no history, and gives no score."""

from __future__ import annotations

import datetime as dt

import pandas as pd

from riskmodel.baselines import first_test_failed_or_missed
from riskmodel.contract.dataset import Dataset
from riskmodel.errors import DataFault
from riskmodel.explain.words import Language
from riskmodel.progress import Progress, silent
from riskmodel.routing.candidates import enrolled_features, nobody_enrolled

STATUS = {
    -1.0: {"nl": "gemist", "en": "missed"},
    0.0: {"nl": "niet gehaald", "en": "not passed"},
    1.0: {"nl": "gehaald", "en": "passed"},
}
NOT_DUE = {"nl": "nog geen toets of resultaat bekend", "en": "no test or result known yet"}


def first_test_list(dataset: Dataset, on: dt.date, language: Language, progress: Progress = silent) -> dict[str, pd.DataFrame]:
    """List who failed or missed the first test, as far as it was known on a date.

    Parameters
    ----------
    dataset : Dataset
        A checked data folder; it needs no outcomes.
    on : datetime.date
        Nothing that became known later is looked at.
    language : {'nl', 'en'}
    progress : Progress

    Returns
    -------
    dict
        `first_test`, those listed, and `others`, everybody else who is enrolled: enrolment_id, student_id, cohort, programme, day, first_test in
        words. By programme and number: the rule says nothing of who should come first.

    Raises
    ------
    DataFault
        Nobody is enrolled on that date, or no results are in the data.
    """
    if dataset.tables.results is None:
        raise DataFault(
            "there are no results, so nobody can have failed a test.",
            place=str(dataset.folder),
            remedy="Add [tables] results to dataset.toml.",
        )
    progress(0, 1, "looking at first tests")
    features = enrolled_features(dataset, dataset.tables, on)
    if dataset.objectors is not None:  # the rule reads no model, so it stays for who objected to being scored
        features = pd.concat([features, enrolled_features(dataset, dataset.objectors, on)], ignore_index=True)
    if features.empty:
        raise nobody_enrolled(dataset, on)
    rows = features[["enrolment_id", "student_id", "cohort", "programme"]].copy()
    rows["day"] = features["cut_day"].astype("int64")
    words = {status: told[language] for status, told in STATUS.items()}
    rows["first_test"] = features["fact_first_test_status"].astype(float).map(words).fillna(NOT_DUE[language])
    listed = first_test_failed_or_missed(features).eq(1.0)
    progress(1, 1, "listed")
    ordered = rows.sort_values(["programme", "enrolment_id"])
    return {
        "first_test": ordered[listed.loc[ordered.index]].reset_index(drop=True),
        "others": ordered[~listed.loc[ordered.index]].reset_index(drop=True),
    }
