"""What is sent: students as raw rows or as ready features. Names and meanings are those of the data contract."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Enrolment(_Part):
    """One enrolment; what is left out is not known."""

    enrolment_id: str
    student_id: str
    cohort: str
    programme: str
    start_date: dt.date
    academy: str | None = None
    enrolled_on: dt.date | None = None
    left_on: dt.date | None = None
    left_known_on: dt.date | None = None
    prior_education: str | None = None
    prior_education_related: bool | None = None
    intake_check: str | None = None
    study_form: str | None = None
    level: str | None = None
    gap_years: float | None = None
    extra: dict[str, float | str | None] = {}


class Lesson(_Part):
    """One session, or a period's total dated on its last day."""

    date: dt.date
    scheduled: float
    attended: float
    known_on: dt.date | None = None
    course: str | None = None
    session_id: str | None = None


class TestResult(_Part):
    """One attempt at a test; the grade is a number or one of the institution's words."""

    date: dt.date
    test: str
    grade: float | str
    known_on: dt.date | None = None
    course: str | None = None
    attempt: int | None = None
    credits: float | None = None


class DatedValue(_Part):
    """One dated value of a column that the institution declared."""

    date: dt.date
    value: float
    known_on: dt.date | None = None


class RawStudent(_Part):
    """A student as raw rows."""

    enrolment: Enrolment
    attendance: tuple[Lesson, ...] = ()
    results: tuple[TestResult, ...] = ()
    extra: dict[str, tuple[DatedValue, ...]] = {}


class ReadyStudent(_Part):
    """A student as ready features at a landmark; `student_id` is needed where scores are to be kept."""

    enrolment_id: str
    landmark: int
    features: dict[str, float | str | None]
    student_id: str | None = None


Student = RawStudent | ReadyStudent
