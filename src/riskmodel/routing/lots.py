"""Lots that can be drawn again, and ranks that leave no tie."""

from __future__ import annotations

import datetime as dt
import hashlib

import numpy as np
import pandas as pd


def lots(enrolments: pd.Series, on: dt.date) -> np.ndarray:
    """Draw one number in [0, 1) per enrolment for a day.

    The same enrolment on the same day always draws the same, whoever else is on the list, so that a list made again is the same list.

    Parameters
    ----------
    enrolments : pandas.Series of str, shape (n,)
        Enrolment ids.
    on : datetime.date
        The day of the list.

    Returns
    -------
    numpy.ndarray, shape (n,)
    """
    digests = [hashlib.sha256(f"{on.isoformat()}|{enrolment}".encode()).digest() for enrolment in enrolments]
    return np.array([int.from_bytes(digest[:8], "big") / 2**64 for digest in digests], dtype=float)


def rank(probability: pd.Series, lot: np.ndarray) -> pd.Series:
    """Rank from 1 (highest probability) on; equal probabilities are put in order by lot."""
    order = np.lexsort((lot, -probability.to_numpy()))
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    return pd.Series(ranks, index=probability.index, name="rank")
