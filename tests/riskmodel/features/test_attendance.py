"""Attendance: unknown, absent and zero differ, and weeks without lessons are no absence."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import BACKENDS, START_DATE, definition_of, enrolment, lesson, tables_of

from riskmodel.features import build_features, catalogue
from riskmodel.features.attendance import RECENT_DAYS
from riskmodel.window import cut

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


def features(
    backend: str,
    attendance: list[dict[str, Any]] | None,
    at: int | dt.date = 28,
    enrolments: list[dict[str, Any]] | None = None,
    **declared: Any,
) -> pd.DataFrame:
    tables = tables_of(backend, enrolments=enrolments or [enrolment("e1")], attendance=attendance)
    return build_features(cut(tables, at), definition_of(**declared)).set_index("enrolment_id")


def test_shares_by_hand(backend):
    rows = [
        lesson("e1", 1),
        lesson("e1", 2),
        lesson("e1", 3, 0),
        lesson("e1", 4),
        lesson("e1", 20),
        lesson("e1", 21, 0),
        lesson("e1", 22),
        lesson("e1", 23, 0),
    ]
    told = features(backend, rows).loc["e1"]
    assert told["attendance_share"] == pytest.approx(5 / 8)
    assert told["attendance_share_recent"] == pytest.approx(2 / 4)
    assert told["attendance_trend"] == pytest.approx(2 / 4 - 3 / 4)
    assert told[["fact_attended", "fact_scheduled", "fact_attended_recent", "fact_scheduled_recent"]].tolist() == [5, 8, 2, 4]
    assert told["attendance_miss_run"] == 1
    assert told["attendance_days_since_last_seen"] == 1
    assert told["fact_last_seen_day"] == 22


def test_totals_of_a_period_count_as_so_many_lessons(backend):
    told = features(backend, [lesson("e1", 13, 6, 10), lesson("e1", 27, 4, 10)]).loc["e1"]
    assert told["attendance_share"] == pytest.approx(0.5)
    assert told["attendance_share_recent"] == pytest.approx(0.4)
    assert told["attendance_miss_run"] == 0


def test_recent_means_the_last_days_before_the_cut(backend):
    rows = [lesson("e1", 28 - RECENT_DAYS, 0), lesson("e1", 29 - RECENT_DAYS, 1)]
    assert features(backend, rows).loc["e1", "attendance_share_recent"] == 1.0


@pytest.mark.parametrize("days", [7, 21, 28])
def test_an_institution_says_how_long_recent_is(backend, days):
    rows = [lesson("e1", 28 - days, 0), lesson("e1", 29 - days, 1), lesson("e1", 28, 1)]
    told = features(backend, rows, recent_days=days).loc["e1"]
    assert told[["fact_attended_recent", "fact_scheduled_recent"]].tolist() == [2, 2]
    assert told["attendance_trend"] == 1.0
    labels = catalogue(definition_of(recent_days=days))["attendance_share_recent"]
    assert {7: "last week", 21: "three weeks", 28: "four weeks"}[days] in labels.label_en


def test_somebody_without_any_row_is_unknown_and_not_absent(backend):
    told = features(backend, [lesson("e1", 3)], enrolments=[enrolment("e1"), enrolment("silent")]).loc["silent"]
    figures = [name for name in told.index if name.startswith("attendance") or name == "fact_scheduled"]
    assert told[figures].isna().all()


def test_without_a_feed_all_attendance_is_unknown(backend):
    told = features(backend, None).loc["e1"]
    assert told[[name for name in told.index if name.startswith("attendance")]].isna().all()


def test_somebody_who_missed_every_lesson_is_absent_and_not_unknown(backend):
    told = features(backend, [lesson("e1", day, 0) for day in (1, 8, 15)]).loc["e1"]
    assert told["attendance_share"] == 0
    assert told["attendance_miss_run"] == 3
    assert told["attendance_days_since_last_seen"] == 15
    assert np.isnan(told["fact_last_seen_day"])


def test_a_lesson_without_a_registration_is_neither_attended_nor_missed(backend):
    told = features(backend, [lesson("e1", 1), lesson("e1", 2, None), lesson("e1", 3, None)]).loc["e1"]
    assert told["attendance_share"] == 1
    assert told["fact_scheduled"] == 1
    assert told["attendance_miss_run"] == 0


def test_a_week_without_lessons_at_the_end_is_no_absence(backend):
    rows = [lesson("e1", day) for day in range(5)]
    early, late = features(backend, rows, 5).loc["e1"], features(backend, rows, 18).loc["e1"]
    for name in ("attendance_share", "attendance_miss_run", "attendance_days_since_last_seen"):
        assert early[name] == late[name]
    assert late["attendance_days_since_last_seen"] == 0


def test_a_week_without_lessons_in_between_is_no_absence(backend):
    week = [lesson("e1", 0), lesson("e1", 3, 0), lesson("e1", 4, 0)]
    with_break = features(backend, [*week, lesson("e1", 14, 0)], 20).loc["e1"]
    without_break = features(backend, [*week, lesson("e1", 7, 0)], 20).loc["e1"]
    assert with_break["attendance_days_since_last_seen"] == without_break["attendance_days_since_last_seen"] == 5
    assert with_break["attendance_miss_run"] == without_break["attendance_miss_run"] == 3


def test_recent_weeks_without_lessons_are_unknown_and_not_zero(backend):
    told = features(backend, [lesson("e1", day, day % 2) for day in range(5)], 40).loc["e1"]
    assert told["attendance_share"] == pytest.approx(2 / 5)
    assert np.isnan(told["attendance_share_recent"])
    assert np.isnan(told["fact_scheduled_recent"])


def test_a_lesson_attended_the_same_day_as_one_missed_ends_a_run(backend):
    told = features(backend, [lesson("e1", 1, 0), lesson("e1", 2, 0), lesson("e1", 2, 1)]).loc["e1"]
    assert told["attendance_miss_run"] == 0


def test_the_run_of_misses_counts_lessons_since_last_seen(backend):
    told = features(
        backend, [lesson("e1", 1), lesson("e1", 2, 0), lesson("e1", 3), lesson("e1", 4, 0), lesson("e1", 8, 0), lesson("e1", 9, 0)]
    ).loc["e1"]
    assert told["attendance_miss_run"] == 3
    assert told["attendance_days_since_last_seen"] == 6


def test_a_student_is_compared_with_the_median_of_their_own_programme(backend):
    enrolments = [enrolment(f"a{n}", programme="a") for n in range(5)] + [enrolment(f"b{n}", programme="b") for n in range(5)]
    rows = [lesson(f"a{n}", day, float(day < n)) for n in range(5) for day in range(4)] + [lesson(f"b{n}", 1, 1) for n in range(5)]
    told = features(backend, rows, enrolments=enrolments)
    assert told.loc["a4", "attendance_vs_programme"] == pytest.approx(1.0 - 0.5)
    assert told.loc["a0", "attendance_vs_programme"] == pytest.approx(0.0 - 0.5)
    assert told.loc["b0", "attendance_vs_programme"] == 0
    assert told.loc["a0", "fact_programme_share"] == pytest.approx(0.5)


def test_a_tiny_programme_is_compared_with_the_whole_cohort_and_not_told_as_its_own(backend):
    enrolments = [enrolment(f"a{n}", programme="a") for n in range(6)] + [enrolment("lone", programme="tiny")]
    rows = [lesson(f"a{n}", 1, 1) for n in range(6)] + [lesson("lone", 1, 0)]
    told = features(backend, rows, enrolments=enrolments).loc["lone"]
    assert told["attendance_vs_programme"] == -1
    assert np.isnan(told["fact_programme_share"])


def test_a_calendar_date_gives_what_the_same_day_gives_as_a_landmark(backend):
    rows = [lesson("e1", day, day % 3 > 0) for day in range(40)]
    pd.testing.assert_frame_equal(features(backend, rows, 33), features(backend, rows, START_DATE + dt.timedelta(days=33)))
