"""Lists made by hand, of students who do not exist."""

from __future__ import annotations

import datetime as dt

from serving.week import Background, PublishedStudent, PublishedWeek, ReasonShown

MONDAY = dt.date(2026, 11, 2)
CANARIES = ("Noor Kanarie", "s-canary-1", "e-canary-1", "Sanne Kanariecoach")


def student(number: int, name: str = "", coach: str = "c1") -> PublishedStudent:
    text = {"nl": "Minder vaak aanwezig dan eerst.", "en": "Less often present than before."}
    reason = ReasonShown(
        key="attendance_recent", direction="raises", actionable=True, context=False, contribution=0.7, label=text, text=text
    )
    background = Background(prior_education=None, related=None, intake_check=None, enrolled_on=None, start_date=dt.date(2026, 9, 1))
    return PublishedStudent(
        enrolment_id=f"e-canary-{number}", student_id=f"s-canary-{number}", name=name or f"Noor Kanarie {number}", programme="Social Work", coach_id=coach,
        day=62, landmark=56, invited=True, way="model", rank=number, margin=0.1, probability=0.4, reasons=(reason,), frequency=text, lessons=(), tests=(),
        background=background,
    )  # fmt: skip


def week(*students: PublishedStudent, on: dt.date = MONDAY) -> PublishedWeek:
    return PublishedWeek(
        on=on, institution="Hogeschool Voorbeeld", target="leave", capacity=len(students), cut_off=0.3, scored=50, not_scored=2, policy={}, models={},
        outcome={"measured_on": "1 October", "switch_inside_counts": True}, meaning={}, coaches={"c1": "Sanne Kanariecoach"}, students=students,
    )  # fmt: skip
