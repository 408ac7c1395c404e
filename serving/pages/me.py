"""`/me`: what a student sees of themselves behind their own login, and what they can ask for there; of nobody else it tells anything."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from serving.access.guard import Allow
from serving.access.principal import Principal
from serving.access.scopes import Scope
from serving.dependencies import SessionDep, StoreDep
from serving.languages import page_language
from serving.pages.forms import MOST_TEXT, read_form, require_token, text_in, token_for
from serving.pages.rendering import render, texts_of
from serving.store.audit import Event, events_about
from serving.store.desk import REGISTERS, Report, Wish, ask_for_talk, report_datum, reports_on, take_back, wishes
from serving.store.desk_tables import OwnStudent
from serving.store.follow_up import About, Writer
from serving.store.keys import Keys
from serving.store.people import STUDENT, Details, details_of, find_person
from serving.store.rights import object_to_scores, withdraw_objection
from serving.store.sealing import shown_of
from serving.store.tables import Objection, Person, Student, Week
from serving.store.weeks import Store, coaches_of, latest_week, now
from serving.telling import TEXTS, all_held

router = APIRouter(include_in_schema=False)
FormDep = Annotated[FormData, Depends(read_form)]
StudentDep = Annotated[Principal, Depends(Allow(Scope.OWN_READ, to="people"))]
WISHES = ("talk", "coach")
_WHY = "asked by the student"
_CODE = 12
_FIRST = 12


@dataclass(frozen=True)
class Enrolment:
    """One enrolment of the student who looks.

    Attributes
    ----------
    id, programme : str
    about : About
    coach : str
        Who is the own coach, or talks with them; empty where nobody is.
    place : Student or None
        Where they stand on the newest list.
    reasons : list of dict
        Label and text of what stood out, in the language of the page.
    well : list of dict
        The same, of what goes well.
    frequency : str
    wishes : list of Wish
        The student's own, for a talk.
    reports : list of Report
    """

    id: str
    programme: str
    about: About
    coach: str
    place: Student | None
    reasons: list[dict[str, str]]
    well: list[dict[str, str]]
    frequency: str
    wishes: list[Wish]
    reports: list[Report]


@dataclass(frozen=True)
class Look:
    """One time that somebody saw or did something: when, what, and by whom, as a code; `own` where it was the student."""

    at: dt.datetime
    what: str
    by: str
    own: bool


@router.get("/me")
def me(request: Request, session: SessionDep, store: StoreDep, person: StudentDep, said: str = "") -> HTMLResponse:
    """Show a student what is held of them and why, who looked, and what they can do about it. That they read it is recorded."""
    return _page(request, session, store, person, said=said)


def _page(
    request: Request,
    session: Session,
    store: Store,
    person: Principal,
    *,
    said: str = "",
    filled: Mapping[str, str] | None = None,
    status: int = 200,
) -> HTMLResponse:
    texts, language, keys = texts_of(request), page_language(request), store.keys
    if not person.student:
        return render(request, "error.html", 404, person=person, heading=texts["me_unknown_title"], text=texts["me_unknown"])
    subject = keys.digest(STUDENT, person.student)
    store.record(Event.RIGHTS_DATA_READ, actor=person.login, subjects=[subject], why=_WHY)
    week = latest_week(session)
    row = find_person(session, keys, person.student)
    details = None if row is None else details_of(row, keys)
    enrolments = [] if row is None or details is None else _enrolments(session, keys, week, row, details, language)
    looks = _looks(session, keys, subject, person.login, language)
    events = TEXTS[language]["held"]["events"]
    return render(
        request,
        "me.html",
        status,
        person=person,
        institution="" if week is None else week.institution,
        week=week,
        details=details,
        erased=row is not None and row.erased_at is not None,
        enrolments=enrolments,
        objected=None if row is None else _objected(session, row),
        rights=TEXTS[language],
        held=[section for section in all_held(session, keys, person.student, language) if section.title != events],
        looks=[each for each in looks if not each.own],
        own_looks=[each for each in looks if each.own],
        first=_FIRST,
        keepers={register: request.app.state.desk.keeper_of(register, language) for register in REGISTERS},
        registers=REGISTERS,
        wish_ways=WISHES,
        filled={"register": "", "report": "", "what": "", "talk": "", **(filled or {})},
        token=token_for(keys, person.login, dt.datetime.now(dt.UTC).date()),
        said=said if said in texts["me_said"] else "",
    )


def _enrolments(session: Session, keys: Keys, week: Week | None, row: Person, details: Details, language: str) -> list[Enrolment]:
    """Give the enrolments that the desk knows now: whoever has an own coach, or is invited on the newest list."""
    coached = {
        each.enrolment: each
        for each in session.scalars(select(OwnStudent).where(OwnStudent.person_id == row.id, OwnStudent.closed_on.is_(None)))
    }
    listed = (
        {}
        if week is None
        else {
            each.enrolment: each
            for each in session.scalars(
                select(Student).where(Student.person_id == row.id, Student.week_id == week.id, Student.closed_on.is_(None))
            )
        }
    )
    coaches = {} if week is None else coaches_of(week, keys)
    asked = wishes(session, keys, list(details.enrolments))
    found = []
    for enrolment, identity in sorted(details.enrolments.items(), key=lambda each: each[1]):
        place, own = listed.get(enrolment), coached.get(enrolment)
        known = own if own is not None else place if place is not None and place.invited else None
        if known is None:
            continue
        shown = {} if place is None else shown_of(place, keys)
        about = About(row, enrolment)
        found.append(
            Enrolment(
                id=identity,
                programme=known.programme,
                about=about,
                coach=coaches.get(known.coach_id, ""),
                place=place,
                reasons=_told(shown, "raises", language),
                well=_told(shown, "lowers", language),
                frequency=shown.get("frequency", {}).get(language, ""),
                wishes=[each for each in asked.get(enrolment, []) if each.way == "request"],
                reports=reports_on(session, keys, about),
            )
        )
    return found


def _told(shown: Mapping[str, Any], direction: str, language: str) -> list[dict[str, str]]:
    return [
        {"label": each["label"][language], "text": each["text"][language]}
        for each in shown.get("reasons", ())
        if each["direction"] == direction
    ]


def _objected(session: Session, row: Person) -> dt.datetime | None:
    standing = select(Objection.begun_at).where(Objection.person_id == row.id, Objection.ended_at.is_(None)).limit(1)
    return session.scalars(standing).first()


def _looks(session: Session, keys: Keys, subject: str, login: str, language: str) -> list[Look]:
    """Give who saw or did what about a student, newest first."""
    words, own = TEXTS[language]["event"], keys.digest("actor", login)
    return [
        Look(each.at, words.get(each.event, each.event), each.actor[:_CODE], each.actor == own)
        for each in reversed(events_about(session, subject))
    ]


def _back(said: str, place: str) -> RedirectResponse:
    return RedirectResponse(f"/me?said={said}#{place}", status_code=303)


def _mine(session: Session, store: Store, person: Principal, chosen: str, language: str) -> tuple[Details, Enrolment] | None:
    """Give the student's enrolment that a form is about; where only one is known, that one, and never another's."""
    row = find_person(session, store.keys, person.student) if person.student else None
    details = None if row is None else details_of(row, store.keys)
    if row is None or details is None:
        return None
    known: Sequence[Enrolment] = _enrolments(session, store.keys, latest_week(session), row, details, language)
    found = [each for each in known if each.id == chosen] if chosen else known
    return (details, found[0]) if len(found) == 1 else None


@router.post("/me/reports")
def report(request: Request, session: SessionDep, store: StoreDep, person: StudentDep, form: FormDep) -> Response:
    """Keep that a student says a datum of theirs is wrong; it goes where a coach's report goes."""
    require_token(store.keys, person.login, form)
    register, text = text_in(form, "register"), text_in(form, "text")
    mine = _mine(session, store, person, text_in(form, "enrolment"), page_language(request))
    if not text:
        return _back("report_empty", "wrong")
    if register not in REGISTERS or len(text) > MOST_TEXT or mine is None:
        told = {"register": register, "report": text}
        return _page(request, session, store, person, said="report_empty", filled=told, status=422)
    details, enrolment = mine
    session.rollback()  # nothing is held on to while something is written
    report_datum(store, enrolment.about, register, text, by=Writer(person.login, details.name), at=now())
    return _back("reported", "wrong")


@router.post("/me/talk")
def talk(request: Request, session: SessionDep, store: StoreDep, person: StudentDep, form: FormDep) -> Response:
    """Keep that a student asks for a talk, or for another coach, or takes that back."""
    require_token(store.keys, person.login, form)
    what, text = text_in(form, "what"), text_in(form, "text")
    mine = _mine(session, store, person, text_in(form, "enrolment"), page_language(request))
    ends = text_in(form, "action") == "end"
    if mine is None or not (ends or (what in WISHES and len(text) <= MOST_TEXT)):
        if text:
            return _page(request, session, store, person, said="choose", filled={"what": what, "talk": text}, status=422)
        return _back("choose", "talk")
    details, enrolment = mine
    by = Writer(person.login, details.name)
    session.rollback()
    if ends:
        take_back(store, enrolment.about, way="request", by=by, at=now())
        return _back("taken_back", "talk")
    if what == "coach":
        text = "\n".join(filter(None, (texts_of(request)["me_wants_other_coach"], text)))
    ask_for_talk(store, enrolment.about, "request", text, by=by, at=now())
    return _back("asked", "talk")


@router.post("/me/objection")
def objection(store: StoreDep, person: StudentDep, form: FormDep) -> Response:
    """Let a student's objection to being scored hold from now on, or end it."""
    require_token(store.keys, person.login, form)
    action = text_in(form, "action")
    if not person.student or action not in ("object", "withdraw"):
        return _back("nothing", "objection")
    keys, number, by = store.keys, person.student, person.login
    with Session(store.engine) as session, session.begin():
        if action == "object":
            done = object_to_scores(session, keys, number, actor=by, at=now(), why=_WHY, heads=store.heads).since is not None
        else:
            done = withdraw_objection(session, keys, number, actor=by, at=now(), heads=store.heads)
    return _back(("objected" if action == "object" else "withdrawn") if done else "nothing", "objection")
