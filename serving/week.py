"""A published list: one day's students as a coach sees them, reasons as they were. The door between scoring and the pages."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import BaseModel, ConfigDict

Texts = dict[str, str]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReasonShown(_Part):
    """One reason in every language."""

    key: str
    direction: Literal["raises", "lowers"]
    actionable: bool
    context: bool
    contribution: float
    label: Texts
    text: Texts


class LessonWeek(_Part):
    """One week of lessons: how many were scheduled and attended, and the programme's median share."""

    monday: dt.date
    scheduled: float
    attended: float
    usual_share: float | None


class TestShown(_Part):
    """One attempt at a test, as it was known on the day of the list."""

    date: dt.date
    known_on: dt.date
    course: str
    test: str
    attempt: int
    grade: float | None
    status: Literal["passed", "failed", "exempt", "absent"]


class Background(_Part):
    """What the student brought along."""

    prior_education: Texts | None
    related: bool | None
    intake_check: str | None
    enrolled_on: dt.date | None
    start_date: dt.date


class PublishedStudent(_Part):
    """One student on a list; everything is kept as it was that day. Whom a rule invites though they objected has no score: rank and landmark are 0."""

    enrolment_id: str
    student_id: str
    name: str
    programme: str
    coach_id: str
    day: int
    landmark: int
    invited: bool
    way: Literal["request", "coach", "rule", "model", "lottery", "chance", ""]
    how: Literal["own", "programme", "academy", ""] = "own"
    chance: float | None = None
    capacity: int | None = None
    cut_off: float | None = None
    rank: int
    margin: float | None
    probability: float | None
    low: float | None = None
    high: float | None = None
    reasons: tuple[ReasonShown, ...]
    frequency: Texts
    interval: Texts = {}
    unusual: dict[str, list[str]] = {}
    lessons: tuple[LessonWeek, ...]
    tests: tuple[TestShown, ...]
    background: Background


class CoachedStudent(_Part):
    """One enrolment and its own coach, invited or not; nothing is said of how they do."""

    enrolment_id: str
    student_id: str
    name: str
    programme: str
    coach_id: str
    started_on: dt.date
    email: str = ""
    language: str = ""


class PublishedWeek(_Part):
    """One list: who was scored with what, how many could be invited, and what an invitation meant when it was measured."""

    on: dt.date
    institution: str
    target: str
    capacity: int
    cut_off: float | None
    scored: int
    not_scored: int
    policy: dict[str, object]
    models: dict[str, str]
    outcome: dict[str, object]
    meaning: dict[str, Texts]
    coaches: dict[str, str]
    coach_logins: dict[str, str] = {}
    coach_mails: dict[str, str] = {}
    synthetic: bool = False
    students: tuple[PublishedStudent, ...]
    caseload: tuple[CoachedStudent, ...] | None = None
    """Everybody who has a coach; None leaves what was told before."""
