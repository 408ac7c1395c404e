"""Dates as epoch days: whole days since 1970-01-01, as plain integers.

Every table inside the product carries its dates so, because whole numbers subtract and compare alike on pandas, Polars,
DuckDB and PySpark, whereas each has a duration type of its own. Calendar dates exist at the edges only.
"""

from __future__ import annotations

import datetime as dt

EPOCH = dt.date(1970, 1, 1)


def to_epoch_day(date: dt.date) -> int:
    """Give the whole days from 1970-01-01 to a date."""
    return (date - EPOCH).days


def from_epoch_day(day: int) -> dt.date:
    """Give the date of an epoch day."""
    return EPOCH + dt.timedelta(days=int(day))
