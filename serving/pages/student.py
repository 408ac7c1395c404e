"""`/students/{enrolment_id}`: one student, from what stands out to what was agreed; and the guide to the talk on one page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from serving.access.principal import Principal
from serving.dependencies import SessionDep, StoreDep, TodayDep
from serving.desk_file import Desk
from serving.languages import page_language
from serving.pages.chart import WeekFacts, draw
from serving.pages.desk import StaffDep, meaning_of
from serving.pages.forms import of_standing, token_for
from serving.pages.rendering import render, texts_of
from serving.pages.seen import Seen, find_seen
from serving.store.audit import Event
from serving.store.desk import KNOWN, NOT_NOW, REGISTERS, mark_of, reports_on, wishes
from serving.store.follow_up import HAND_TO, NOT_WHY, REASONS, STAGES, Contact, Standing, contacts_with, draft_of, notes_on, standing
from serving.store.tables import Week
from serving.store.weeks import Listed, Store, coaches_of, invited_since, latest_week
from serving.store.words import words_on

router = APIRouter(include_in_schema=False)
_CONTACTS = ("reached", "talked", "agreed", "done")
_WEEKS_AFTER = 8


def require_seen(session: Session, store: Store, person: Principal, enrolment_id: str) -> tuple[Week, Seen]:
    """Give the newest list and a student whom somebody may see.

    Raises
    ------
    HTTPException
        404, also for somebody else's student.
    """
    week = latest_week(session)
    seen = None if week is None else find_seen(session, store.keys, week, person, enrolment_id)
    if week is None or seen is None:
        raise HTTPException(404)
    return week, seen


@router.get("/students/{enrolment_id}")
def student(
    request: Request,
    session: SessionDep,
    store: StoreDep,
    person: StaffDep,
    today: TodayDep,
    enrolment_id: str,
    coach: str = "",
    said: str = "",
) -> HTMLResponse:
    """Show one student: what stands out and what goes well, the time line, what may help, and what was agreed."""
    week, seen = require_seen(session, store, person, enrolment_id)
    store.record(Event.PAGE_STUDENT_READ, actor=person.login, subjects=[seen.about.person.student])
    return student_page(request, session, store, person, week, seen, today, coach=coach, said=said)


@router.get("/students/{enrolment_id}/way")
def way(request: Request, session: SessionDep, store: StoreDep, person: StaffDep, today: TodayDep, enrolment_id: str) -> HTMLResponse:
    """Tell by which way a student was invited, to whoever asks; that they asked is recorded."""
    week, seen = require_seen(session, store, person, enrolment_id)
    if seen.place is None:
        raise HTTPException(404)
    store.record(Event.PAGE_WAY_READ, actor=person.login, subjects=[seen.about.person.student])
    return student_page(request, session, store, person, week, seen, today, said="way", told_way=seen.place.way)


@router.get("/students/{enrolment_id}/talk")
def talk(request: Request, session: SessionDep, store: StoreDep, person: StaffDep, enrolment_id: str) -> HTMLResponse:
    """Show the guide to the talk with one student, on one page to read or to print."""
    week, seen = require_seen(session, store, person, enrolment_id)
    store.record(Event.PAGE_STUDENT_READ, actor=person.login, subjects=[seen.about.person.student])
    language = page_language(request)
    raising, lowering, _ = _reasons(seen, language)
    stands = standing(session, store.keys, seen.about.enrolment)
    fits, _ = _help(request, seen, stands, language)
    return render(
        request, "talk.html", person=person, institution=week.institution, week=week, seen=seen, raising=raising, lowering=lowering,
        agreed=stands.agreed, fits=fits,
    )  # fmt: skip


def student_page(
    request: Request,
    session: Session,
    store: Store,
    person: Principal,
    week: Week,
    seen: Seen,
    today: dt.date,
    *,
    status: int = 200,
    coach: str = "",
    said: str = "",
    told_way: str = "",
    filled: Mapping[str, Any] | None = None,
    wrong: Sequence[str] = (),
    theirs: Standing | None = None,
) -> HTMLResponse:
    """Give a student's page.

    Parameters
    ----------
    request, session, store, person, week, seen, today
        Who looks at whom, and when.
    status : int
    coach : str
        Whose list to go back to.
    said : str
        What was just done, as a key of the texts under `said`.
    told_way : str
        By which way the student was invited, where that was asked.
    filled : mapping, optional
        What was filled in and not saved.
    wrong : sequence of str
        What is wrong with it, as keys of the texts under `form_error`.
    theirs : Standing, optional
        What somebody else saved in the meantime.
    """
    keys, language, texts = store.keys, page_language(request), texts_of(request)
    stands = standing(session, keys, seen.about.enrolment)
    draft = draft_of(session, keys, seen.about, person.login)
    if filled is None and draft is not None:
        filled = of_standing(stands) | draft[0]
    fields = of_standing(stands) | dict(filled or {})
    if theirs is not None:
        fields["version"] = str(theirs.version)
    contacts = contacts_with(session, keys, seen.about.enrolment)
    raising, lowering, context = _reasons(seen, language)
    fits, others = _help(request, seen, stands, language)
    since = since_of(session, week, seen)
    coaches = coaches_of(week, keys)
    shown = week if seen.place is None else seen.place.week
    return render(
        request,
        "student.html",
        status,
        week=shown,
        person=person,
        institution=week.institution,
        coach=coach,
        seen=seen,
        name=seen.name,
        number=seen.student_id,
        student=seen.place,
        since=since,
        raising=raising,
        lowering=lowering,
        context=context,
        fits=fits,
        others=others,
        stands=stands,
        fields=fields,
        draft_at=None if draft is None else draft[1],
        wrong=wrong,
        theirs=theirs,
        contacts=contacts,
        notes=notes_on(session, keys, seen.about) if seen.own else [],
        words=words_on(session, keys, seen.about) if seen.own else [],
        asked=wishes(session, keys, [seen.about.enrolment]).get(seen.about.enrolment, []),
        reports=reports_on(session, keys, seen.about),
        keepers={register: request.app.state.desk.keeper_of(register, language) for register in REGISTERS},
        mark=None if since is None else mark_of(session, seen.about.enrolment, since),
        said=said if said in texts["said"] else "",
        told_way=told_way,
        token=token_for(keys, person.login, _utc_today()),
        coaches={identity: name for identity, name in sorted(coaches.items(), key=lambda each: each[1]) if identity != seen.coach_id},
        own_coach=coaches.get(seen.coach_id, ""),
        stages=STAGES,
        not_whys=NOT_WHY,
        told_reasons=REASONS,
        hands=HAND_TO,
        knowns=KNOWN,
        not_nows=NOT_NOW,
        registers=REGISTERS,
        today=today,
        **_facts(seen, shown, contacts, texts, language),
    )


def _utc_today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def since_of(session: Session, week: Week, seen: Seen) -> dt.date | None:
    """Give since when a student is invited without a break; None for whoever is not."""
    if seen.place is None or not seen.invited:
        return None
    listed = Listed(seen.enrolment_id, seen.student_id, seen.name, seen.about.person.student, seen.place, seen.shown)
    return invited_since(session, week, [listed])[seen.enrolment_id]


def _help(request: Request, seen: Seen, stands: Standing, language: str) -> tuple[list[Any], list[Any]]:
    desk: Desk = request.app.state.desk
    shown = seen.shown.get("reasons", [])
    reasons = [reason["key"] for reason in shown if reason["direction"] == "raises" and not reason["context"]]
    if seen.place is not None and seen.place.way == "rule" and not reasons:
        reasons = ["first_test"]
    return desk.help_for(reasons, stands.agreed.reasons, language)


def _reasons(seen: Seen, language: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Give reasons that raise, reasons that lower, and context, in a language."""
    shown = seen.shown.get("reasons", [])
    reasons = [
        {**reason, "label": reason["label"][language], "text": reason["text"][language]}
        for reason in shown
        if reason["key"] != "nothing_unusual"
    ]
    raising = [reason for reason in reasons if reason["direction"] == "raises" and not reason["context"]]
    lowering = [reason for reason in reasons if reason["direction"] == "lowers" and not reason["context"]]
    # Prior education stands among what the student brought along; saying it once is enough.
    return raising, lowering, [reason for reason in reasons if reason["context"] and reason["key"] != "prior_education"]


def _facts(seen: Seen, week: Week, contacts: Sequence[Contact], texts: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Give lessons, tests and contacts as a picture and as rows, and what the student brought along."""
    if seen.place is None:
        return {"tests": [], "lessons": [], "chart": None, "background": None, "intake": "", "frequency": None, "interval": None, "unusual": [],
                "meaning": None}  # fmt: skip
    shown = seen.shown
    tests = [{**test, "date": dt.date.fromisoformat(test["date"]), "grade": _grade(test["grade"], language)} for test in shown["tests"]]
    met = [each for each in contacts if each.what in _CONTACTS]
    facts = _weeks([{**lesson, "monday": dt.date.fromisoformat(lesson["monday"])} for lesson in shown["lessons"]], tests, met)
    background = {**shown["background"], **{name: _date(shown["background"][name]) for name in ("enrolled_on", "start_date")}}
    intakes = {"done": texts["intake_done"], "doubt": texts["intake_doubt"], "not_done": texts["intake_not_done"]}
    intake = background["intake_check"]
    return {
        "tests": tests,
        "lessons": [_lesson_row(each) for each in facts],
        "chart": draw(facts),
        "background": background,
        "intake": texts["unknown"] if intake is None else intakes.get(intake, intake),
        "frequency": shown["frequency"].get(language),
        "interval": shown.get("interval", {}).get(language),
        "unusual": shown.get("unusual", {}).get(language, []),
        "meaning": meaning_of(week, [seen.place], language),
    }


def _date(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def _grade(grade: float | None, language: str) -> str:
    if grade is None:
        return ""
    return f"{grade:.1f}".replace(".", "," if language == "nl" else ".")


def _weeks(lessons: Sequence[Mapping[str, Any]], tests: Sequence[Mapping[str, Any]], met: Sequence[Contact]) -> list[WeekFacts]:
    """Give each week of lessons, and the weeks after them up to the last contact."""
    weeks = [
        WeekFacts(
            each["monday"],
            each["scheduled"],
            each["attended"],
            None if each["usual_share"] is None else each["usual_share"] * each["scheduled"],
            0,
        )
        for each in lessons
    ]
    if weeks and met:
        last = weeks[-1].monday
        more = min((max(each.on for each in met) - last).days // 7, _WEEKS_AFTER)
        weeks += [WeekFacts(last + dt.timedelta(days=7 * number), 0, 0, None, 0) for number in range(1, more + 1)]

    def inside(week: WeekFacts, on: dt.date) -> bool:
        return week.monday <= on < week.monday + dt.timedelta(days=7)

    return [
        replace(week, tests=sum(inside(week, test["date"]) for test in tests), contacts=sum(inside(week, each.on) for each in met))
        for week in weeks
    ]


def _lesson_row(week: WeekFacts) -> dict[str, Any]:
    return {
        "week": week.monday.isocalendar().week,
        "scheduled": round(week.scheduled),
        "attended": round(week.attended),
        "usual": None if week.usual is None else round(week.usual),
        "tests": week.tests,
        "contacts": week.contacts,
    }
