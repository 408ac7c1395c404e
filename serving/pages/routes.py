"""`/` and `/students/{enrolment_id}`: what a coach sees, in neutral order and without a number in the list."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from serving.access.guard import Allow, open_to_all
from serving.access.principal import Principal
from serving.access.scopes import Scope
from serving.dependencies import SessionDep, StoreDep
from serving.languages import COOKIE, LANGUAGES, page_language
from serving.pages.chart import WeekFacts, draw
from serving.pages.rendering import TEXTS, render, safe_path
from serving.store.audit import Event
from serving.store.tables import Student, Week
from serving.store.weeks import (
    Listed,
    coaches_behind,
    coaches_of,
    coaches_with_invited,
    find_student,
    invited_since,
    invited_students,
    latest_week,
    now,
)

router = APIRouter(include_in_schema=False)
_YEAR = 365 * 24 * 3600
# Chosen in the list of coaches for students who have none; the empty choice is everyone.
_WITHOUT_COACH = "-"
StaffDep = Annotated[Principal, Depends(Allow(Scope.STUDENTS_OWN, Scope.STUDENTS_ALL, to="people"))]


@router.get("/")
def students(request: Request, session: SessionDep, store: StoreDep, person: StaffDep, coach: str = "") -> HTMLResponse:
    """Show the students invited this week, by name: a coach's own, or for whoever may see all of them one coach's or everyone's."""
    week = latest_week(session)
    if week is None:
        return render(request, "list.html", week=None, person=person)
    language = page_language(request)
    people = coaches_of(week, store.keys)
    mine = None if person.may(Scope.STUDENTS_ALL) else coaches_behind(session, store.keys, week, person.login, now().date())
    counts = {each: count for each, count in coaches_with_invited(session, week).items() if mine is None or each in mine}
    coaches = sorted(((each, people.get(each, each), count) for each, count in counts.items() if each), key=lambda row: row[1])
    if "" in counts:
        coaches.append((_WITHOUT_COACH, TEXTS[language]["no_coach"], counts[""]))
    chosen = None if not coach else frozenset({"" if coach == _WITHOUT_COACH else coach})
    found = invited_students(session, store.keys, week, chosen if mine is None else mine if chosen is None else mine & chosen)
    since = invited_since(session, week, found)
    store.record(Event.PAGE_LIST_READ, actor=person.login, subjects=[student.subject for student in found])
    rows = [
        {
            "enrolment_id": student.enrolment_id,
            "name": student.name,
            "programme": student.row.programme,
            "number": student.student_id,
            "why": _first_reason(student, language),
            "since": since[student.enrolment_id],
        }
        for student in found
    ]
    return render(
        request,
        "list.html",
        week=week,
        person=person,
        institution=week.institution,
        coaches=coaches,
        coach=coach,
        students=rows,
        meaning=_meaning(week, [student.row for student in found], language),
    )


def _meaning(week: Week, students: Sequence[Student], language: str) -> str | None:
    """Tell what an invitation means for most of these students; None where it was not measured."""
    landmarks = Counter(student.landmark for student in students)
    told = week.meaning.get(str(landmarks.most_common(1)[0][0]), {}) if landmarks else {}
    return told.get(language)


def _first_reason(student: Listed, language: str) -> str:
    raising = [reason for reason in student.shown["reasons"] if reason["direction"] == "raises" and not reason["context"]]
    if not raising:
        if student.row.probability is None:
            return str(TEXTS[language]["by_rule"])
        return str(TEXTS[language]["by_chance"].split(". ")[0]) + "."
    return str(raising[0]["text"][language])


@router.get("/students/{enrolment_id}")
def student(request: Request, session: SessionDep, store: StoreDep, person: StaffDep, enrolment_id: str, coach: str = "") -> HTMLResponse:
    """Show one invited student: what stands out, what goes well, the time line, and what the signal does not know."""
    week = latest_week(session)
    found = None if week is None else find_student(session, store.keys, week, enrolment_id)
    if week is None or found is None:
        raise HTTPException(404)
    if not person.may(Scope.STUDENTS_ALL) and found.row.coach_id not in coaches_behind(
        session, store.keys, week, person.login, now().date()
    ):
        raise HTTPException(404)  # as if they were not on the list: that they are is nobody else's business
    store.record(Event.PAGE_STUDENT_READ, actor=person.login, subjects=[found.subject])
    language = page_language(request)
    texts = TEXTS[language]
    shown = found.shown
    reasons = [
        {**reason, "label": reason["label"][language], "text": reason["text"][language]}
        for reason in shown["reasons"]
        if reason["key"] != "nothing_unusual"
    ]
    tests = [{**test, "date": dt.date.fromisoformat(test["date"]), "grade": _grade(test["grade"], language)} for test in shown["tests"]]
    lessons = [{**lesson, "monday": dt.date.fromisoformat(lesson["monday"])} for lesson in shown["lessons"]]
    background = {
        **shown["background"],
        **{name: _date(shown["background"][name]) for name in ("enrolled_on", "start_date")},
    }
    intakes = {"done": texts["intake_done"], "doubt": texts["intake_doubt"], "not_done": texts["intake_not_done"]}
    intake = background["intake_check"]
    return render(
        request,
        "student.html",
        week=week,
        person=person,
        institution=week.institution,
        coach=coach,
        name=found.name,
        number=found.student_id,
        student=found.row,
        raising=[reason for reason in reasons if reason["direction"] == "raises" and not reason["context"]],
        lowering=[reason for reason in reasons if reason["direction"] == "lowers" and not reason["context"]],
        # Prior education stands among what the student brought along; saying it once is enough.
        context=[reason for reason in reasons if reason["context"] and reason["key"] != "prior_education"],
        background=background,
        intake=texts["unknown"] if intake is None else intakes.get(intake, intake),
        tests=tests,
        lessons=[_lesson_row(lesson) for lesson in lessons],
        chart=draw([_week_facts(lesson, tests) for lesson in lessons]),
        frequency=shown["frequency"].get(language),
        interval=shown.get("interval", {}).get(language),
        unusual=shown.get("unusual", {}).get(language, []),
        meaning=_meaning(week, [found.row], language),
    )


def _date(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def _grade(grade: float | None, language: str) -> str:
    if grade is None:
        return ""
    return f"{grade:.1f}".replace(".", "," if language == "nl" else ".")


def _lesson_row(lesson: dict[str, Any]) -> dict[str, Any]:
    usual = lesson["usual_share"]
    return {
        "week": lesson["monday"].isocalendar().week,
        "scheduled": round(lesson["scheduled"]),
        "attended": round(lesson["attended"]),
        "usual": None if usual is None else round(usual * lesson["scheduled"]),
    }


def _week_facts(lesson: dict[str, Any], tests: list[dict[str, Any]]) -> WeekFacts:
    monday = lesson["monday"]
    usual = lesson["usual_share"]
    here = sum(monday <= test["date"] < monday + dt.timedelta(days=7) for test in tests)
    return WeekFacts(monday, lesson["scheduled"], lesson["attended"], None if usual is None else usual * lesson["scheduled"], here)


@router.get("/language/{language}", dependencies=[Depends(open_to_all)])
def language(language: str, to: str = "/") -> Response:
    """Keep the language that a person chose and go back to the page; never to another site."""
    if language not in LANGUAGES:
        raise HTTPException(404)
    answer = RedirectResponse(safe_path(to), status_code=303)
    answer.set_cookie(COOKIE, language, max_age=_YEAR, httponly=True, samesite="lax")
    return answer


@router.get("/docs", dependencies=[Depends(open_to_all)])
def docs(request: Request) -> HTMLResponse:
    """Show the API's documentation, which is in English, from files of our own."""
    page = render(request, "docs.html")
    page.headers["Content-Language"] = "en"
    return page
