"""The tables of an institution in one shape, on any backend that Narwhals knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import narwhals as nw

Frame = nw.LazyFrame[Any]


@dataclass(frozen=True)
class Tables:
    """What is known of students, as lazy frames with canonical columns.

    All dates are epoch days (see `riskmodel.dates`), all numbers are 64-bit, all texts are strings; a missing value is null.
    `groups`, `contacts` and `coaches` are not here: no path leads from them to a feature.

    Attributes
    ----------
    enrolments : Frame
        enrolment_id, student_id, cohort, programme, academy, start_date, enrolled_on, left_on, left_known_on,
        prior_education, prior_education_related (1, 0), intake_check, study_form, level, gap_years, coach_id. Optional ones are
        present and null where an institution has none.
    attendance : Frame or None
        enrolment_id, date, known_on, course, scheduled, attended, session_id.
    results : Frame or None
        enrolment_id, date, known_on, course, test, attempt, grade, passed, status, credits. `grade` is a number or null;
        `status` is one of passed, failed, exempt, absent; `passed` is 1, 0 or null (exempt).
    outcomes : Frame or None
        enrolment_id, outcome.
    extra : mapping of name to Frame
        Dated rows of a declared column: enrolment_id, date, known_on, value.

    `known_on` is never null: where a table does not carry it, reading adds the delay that `dataset.toml` states to the date.
    `left_known_on` likewise, wherever `left_on` is known.
    """

    enrolments: Frame
    attendance: Frame | None = None
    results: Frame | None = None
    outcomes: Frame | None = None
    extra: Mapping[str, Frame] = field(default_factory=dict)

    def map(self, change: Callable[[str, Frame], Frame]) -> Tables:
        """Give the same tables with each one changed by `change(name, frame)`; dated declared columns come as 'extra.NAME'."""

        def each(name: str, frame: Frame | None) -> Frame | None:
            return None if frame is None else change(name, frame)

        return replace(
            self,
            enrolments=change("enrolments", self.enrolments),
            attendance=each("attendance", self.attendance),
            results=each("results", self.results),
            outcomes=each("outcomes", self.outcomes),
            extra={name: change(f"extra.{name}", frame) for name, frame in self.extra.items()},
        )


ENROLMENT_COLUMNS: Mapping[str, str] = {
    "enrolment_id": "text",
    "student_id": "text",
    "cohort": "text",
    "programme": "text",
    "academy": "text",
    "start_date": "date",
    "enrolled_on": "date",
    "left_on": "date",
    "left_known_on": "date",
    "prior_education": "text",
    "prior_education_related": "flag",
    "intake_check": "text",
    "study_form": "text",
    "level": "text",
    "gap_years": "number",
    "coach_id": "text",
}
ATTENDANCE_COLUMNS: Mapping[str, str] = {
    "enrolment_id": "text",
    "date": "date",
    "known_on": "date",
    "course": "text",
    "scheduled": "number",
    "attended": "number",
    "session_id": "text",
}
RESULT_COLUMNS: Mapping[str, str] = {
    "enrolment_id": "text",
    "date": "date",
    "known_on": "date",
    "course": "text",
    "test": "text",
    "attempt": "number",
    "grade": "number",
    "status": "text",
    "passed": "flag",
    "credits": "number",
}
OUTCOME_COLUMNS: Mapping[str, str] = {"enrolment_id": "text", "outcome": "text"}
EXTRA_COLUMNS: Mapping[str, str] = {"enrolment_id": "text", "date": "date", "known_on": "date", "value": "number"}

OUTCOMES = ("continued", "switched", "dropped_out", "not_continued")
TARGETS = ("dropout", "leave")
LEAVING: Mapping[str, tuple[str, ...]] = {
    "dropout": ("dropped_out",),
    "leave": ("switched", "dropped_out", "not_continued"),
}
