"""The one function that cuts every table at a day: what was known then, and not a row more.

A landmark may see only what the institution could know on that day (van Houwelingen, 2007, 'Dynamic prediction by landmarking in event
history analysis'). `known_on` governs, not the date of the event. Nothing else in the product reads a dated table.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import narwhals as nw

from riskmodel.dates import to_epoch_day
from riskmodel.tables import Frame, Tables

A_MONDAY = 4  # 5 January 1970, as an epoch day


@dataclass(frozen=True)
class Known:
    """What was known of the students who are scored, at the cut.

    Attributes
    ----------
    enrolments : Frame
        One row per enrolment that is scored, with `cut_day`, the day of its own count at which it was cut. Nothing tells of leaving.
    attendance, results : Frame or None
        Rows known by the cut, with `day` and `known_day` counted from the enrolment's own start instead of dates, `week` (calendar weeks, from Monday)
        and `cut_day`.
    extra : mapping of name to Frame
        Dated rows of declared columns, likewise.
    """

    enrolments: Frame
    attendance: Frame | None
    results: Frame | None
    extra: Mapping[str, Frame]


def cut(tables: Tables, at: int | dt.date) -> Known:
    """Cut every table at a landmark or a calendar date.

    Parameters
    ----------
    tables : Tables
        Canonical tables on any backend.
    at : int or datetime.date
        A landmark: each enrolment is cut at that day of its own count. A date: all are cut on the same date.

    Returns
    -------
    Known
        An enrolment is in it when the institution knew of it, it has begun, and its leaving was not known yet.
    """
    start = nw.col("start_date")
    moment = start + at if isinstance(at, int) else nw.lit(to_epoch_day(at))
    enrolments = tables.enrolments.with_columns(cut_date=moment.cast(nw.Int64))
    enrolments = enrolments.filter(nw.col("enrolled_on").is_null() | (nw.col("enrolled_on") <= nw.col("cut_date")))
    enrolments = enrolments.filter(start <= nw.col("cut_date"))
    enrolments = enrolments.filter(nw.col("left_known_on").is_null() | (nw.col("left_known_on") > nw.col("cut_date")))
    enrolments = enrolments.with_columns(cut_day=nw.col("cut_date") - start)
    moments = enrolments.select("enrolment_id", "start_date", "cut_date", "cut_day")

    def rows(frame: Frame | None) -> Frame | None:
        if frame is None:
            return None
        known = frame.join(moments, on="enrolment_id", how="inner")
        known = known.filter(nw.col("known_on") <= nw.col("cut_date"))
        known = known.filter(nw.col("date") <= nw.col("cut_date"))
        known = known.with_columns(day=nw.col("date") - start, known_day=nw.col("known_on") - start, week=(nw.col("date") - A_MONDAY) // 7)
        return known.drop("date", "known_on", "start_date", "cut_date")

    extra = {name: known for name, frame in tables.extra.items() if (known := rows(frame)) is not None}
    scored = enrolments.drop("left_on", "left_known_on", "cut_date")
    return Known(enrolments=scored, attendance=rows(tables.attendance), results=rows(tables.results), extra=extra)
