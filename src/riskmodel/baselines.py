"""What schools do by hand, as scores: a lot, prior education alone, and the first test failed or missed.

A model that finds no more leavers than these at the same number of talks has no business here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

BASELINES = ("lot", "prior_education", "first_test")
FIRST_TEST_COLUMN = "first_test_failed_or_missed"


def first_test_failed_or_missed(frame: pd.DataFrame) -> pd.Series:
    """Tell who failed or missed the first test: 1.0, 0.0, or NaN where no test was due yet.

    Parameters
    ----------
    frame : pandas.DataFrame
        Features; `fact_first_test_status` is 1 passed, 0 failed, -1 missed, null not yet due.
    """
    status = frame["fact_first_test_status"].astype(float)
    return (status <= 0).astype(float).where(status.notna())


def prior_education_rates(training: pd.DataFrame, target: str) -> dict[str, float]:
    """Learn how many of each kind of prior education left in earlier cohorts; empty where prior education is not known.

    Parameters
    ----------
    training : pandas.DataFrame
        Students of earlier cohorts, with labels.
    target : str
        The label's column.

    Returns
    -------
    dict of kind to rate
        The empty text stands for an unknown kind: the rate of all.
    """
    known = training[training[target].notna()]
    kinds = known["fact_prior_education"]
    if known.empty or not kinds.notna().any():
        return {}
    rates = known.groupby(kinds.astype("str"))[target].mean()
    return {"": float(known[target].mean()), **{str(kind): float(rate) for kind, rate in rates.items()}}


def baseline_scores(frame: pd.DataFrame, name: str, rates: Mapping[str, float]) -> np.ndarray | None:
    """Give a baseline's score for each student; equal scores are a lot's to decide.

    Parameters
    ----------
    frame : pandas.DataFrame, shape (n, any)
        Students to rank.
    name : {'lot', 'prior_education', 'first_test'}
    rates : mapping of kind to rate
        What `prior_education_rates` learnt on earlier cohorts.

    Returns
    -------
    numpy.ndarray or None, shape (n,)
        None where the baseline does not exist: prior education is unknown throughout, or no test was due for anybody.
    """
    if name == "lot":
        return np.zeros(len(frame))
    if name == "prior_education":
        kinds = frame["fact_prior_education"]
        if not rates or not kinds.notna().any():
            return None
        return kinds.astype("str").map(dict(rates)).fillna(rates[""]).to_numpy(dtype=float)
    if name == "first_test":
        told = first_test_failed_or_missed(frame)
        return None if not told.notna().any() else told.fillna(0.0).to_numpy(dtype=float)
    raise ValueError(f"there is no baseline '{name}'")
