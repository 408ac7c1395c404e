"""What a coach does on a student's page: plain forms that save and go back to the page; what can't be saved is shown again, and kept."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from serving.access.guard import as_principal, cookie_name
from serving.access.principal import Principal
from serving.access.sessions import last_person
from serving.access.wall import stand_around
from serving.dependencies import SessionDep, StoreDep, TodayDep
from serving.pages.desk import StaffDep
from serving.pages.forms import MOST_TEXT, TOKEN, filled_in, has_token, read_agreed, read_form, require_token, text_in
from serving.pages.seen import Seen, find_seen
from serving.pages.student import require_seen, since_of, student_page
from serving.store.desk import (
    KNOWN,
    NOT_NOW,
    OUTCOMES,
    REGISTERS,
    WAYS,
    ask_for_talk,
    end_report,
    mark,
    report_datum,
    take_back,
)
from serving.store.follow_up import Writer, WrittenMeanwhile, drop_draft, keep_draft, save, standing
from serving.store.weeks import Store, coaches_of, latest_week, now
from serving.store.words import take_up

router = APIRouter(include_in_schema=False)
FormDep = Annotated[FormData, Depends(read_form)]
_KEPT_AFTER = dt.timedelta(hours=24)


def page_of(enrolment_id: str, said: str = "", place: str = "") -> str:
    """Give the address of a student's page, with what was just done and where on the page to look."""
    return f"/students/{quote(enrolment_id, safe='')}" + (f"?said={said}" if said else "") + (f"#{place}" if place else "")


def _back(seen: Seen, said: str, place: str) -> RedirectResponse:
    return RedirectResponse(page_of(seen.enrolment_id, said, place), status_code=303)


def _writer(person: Principal) -> Writer:
    return Writer(person.login, person.name)


def _whole_number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0


@router.post("/students/{enrolment_id}/follow-up")
def follow_up(
    request: Request, session: SessionDep, store: StoreDep, person: StaffDep, today: TodayDep, form: FormDep, enrolment_id: str
) -> Response:
    """Save what was agreed and a note; keep them as a draft where that was asked, where something is wrong, or where another wrote first."""
    week, seen = require_seen(session, store, person, enrolment_id)
    require_token(store.keys, person.login, form)
    fields = filled_in(form)
    if text_in(form, "action") == "drop":
        with Session(store.engine) as own, own.begin():
            drop_draft(own, store.keys, seen.about.enrolment, person.login)
        return _back(seen, "draft_dropped", "follow-up")
    if text_in(form, "action") == "draft":
        _keep(store, seen, fields, _writer(person))
        return _back(seen, "draft_kept", "follow-up")
    before = standing(session, store.keys, seen.about.enrolment)
    agreed, wrong = read_agreed(fields, coaches_of(week, store.keys), before.agreed, today)
    theirs = None
    session.rollback()  # nothing is held on to while something is written
    if not wrong:
        try:
            changed, noted = save(
                store,
                seen.about,
                agreed,
                fields["note"],
                version=_whole_number(fields["version"]),
                by=_writer(person),
                at=now(),
                today=today,
            )
            return _back(seen, "saved" if changed else "noted" if noted else "nothing", "follow-up")
        except WrittenMeanwhile as meanwhile:
            theirs = meanwhile.theirs
    _keep(store, seen, fields, _writer(person))
    week, seen = require_seen(session, store, person, enrolment_id)
    status = 409 if theirs is not None else 422
    return student_page(request, session, store, person, week, seen, today, status=status, filled=fields, wrong=wrong, theirs=theirs)


def _keep(store: Store, seen: Seen, fields: dict[str, Any], by: Writer) -> None:
    keep_draft(store, seen.about, fields, by=by, at=now())


@router.post("/students/{enrolment_id}/draft")
def draft(session: SessionDep, store: StoreDep, person: StaffDep, form: FormDep, enrolment_id: str) -> Response:
    """Keep what was filled in so far, as the page does by itself where scripts run."""
    _, seen = require_seen(session, store, person, enrolment_id)
    require_token(store.keys, person.login, form)
    session.rollback()
    _keep(store, seen, filled_in(form), _writer(person))
    return Response(status_code=204)


@router.post("/students/{enrolment_id}/mark")
def mark_invitation(session: SessionDep, store: StoreDep, person: StaffDep, form: FormDep, enrolment_id: str) -> Response:
    """Keep whether an invitation was known or new, or why it does not fit now."""
    week, seen = require_seen(session, store, person, enrolment_id)
    require_token(store.keys, person.login, form)
    since = since_of(session, week, seen)
    if since is None:
        raise HTTPException(404)
    session.rollback()
    if (known := text_in(form, "known")) in KNOWN:
        mark(store, seen.about, since, known=known, by=_writer(person), at=now())
        return _back(seen, "marked", "known")
    not_now = text_in(form, "not_now")
    if not_now in NOT_NOW or text_in(form, "action") == "fits":
        mark(store, seen.about, since, not_now="" if text_in(form, "action") == "fits" else not_now, by=_writer(person), at=now())
        return _back(seen, "marked", "not-now")
    return _back(seen, "choose", "not-now")


@router.post("/students/{enrolment_id}/reports")
def report(session: SessionDep, store: StoreDep, person: StaffDep, form: FormDep, enrolment_id: str) -> Response:
    """Report a wrong datum to whoever keeps the register, or say how it ended."""
    _, seen = require_seen(session, store, person, enrolment_id)
    require_token(store.keys, person.login, form)
    session.rollback()
    if (outcome := text_in(form, "outcome")) in OUTCOMES:
        ended = end_report(store, seen.about, _whole_number(text_in(form, "report")), outcome, by=_writer(person), at=now())
        return _back(seen, "report_ended" if ended else "nothing", "wrong-data")
    register, text = text_in(form, "register"), text_in(form, "text")
    if register not in REGISTERS or not text or len(text) > MOST_TEXT:
        return _back(seen, "report_empty", "wrong-data")
    report_datum(store, seen.about, register, text, by=_writer(person), at=now())
    return _back(seen, "reported", "wrong-data")


@router.post("/students/{enrolment_id}/list")
def put_on_list(session: SessionDep, store: StoreDep, person: StaffDep, form: FormDep, enrolment_id: str) -> Response:
    """Put a student on the list for a talk, at their own wish or at the coach's, or take that back."""
    _, seen = require_seen(session, store, person, enrolment_id)
    require_token(store.keys, person.login, form)
    session.rollback()
    if text_in(form, "action") == "end":
        take_back(store, seen.about, by=_writer(person), at=now())
        return _back(seen, "taken_back", "wish")
    way, text = text_in(form, "way"), text_in(form, "text")
    if way not in WAYS or len(text) > MOST_TEXT:
        return _back(seen, "choose", "wish")
    ask_for_talk(store, seen.about, way, text, by=_writer(person), at=now())
    return _back(seen, "listed", "wish")


@router.post("/students/{enrolment_id}/words")
def take_up_word(session: SessionDep, store: StoreDep, person: StaffDep, form: FormDep, enrolment_id: str) -> Response:
    """Note that what a teacher reported was taken up; the teacher is told that, and not what was said."""
    _, seen = require_seen(session, store, person, enrolment_id)
    require_token(store.keys, person.login, form)
    session.rollback()
    taken = seen.own and take_up(store, seen.about, _whole_number(text_in(form, "word")), by=_writer(person), at=now())
    return _back(seen, "taken_up" if taken else "nothing", "words")


def keep_for_later(request: Request, form: FormData, enrolment_id: str) -> str | None:
    """Keep what somebody sent whose session ended in the meantime, for their next one.

    Whose form it was is told by the session that their browser still names, for a day; what is kept is theirs alone to see once they log in again.

    Returns
    -------
    str or None
        The page to come back to; None where it can't be told whose this was, or whether they may see the student.
    """
    store: Store = request.app.state.store
    keys, settings = store.keys, request.app.state.settings
    secret = request.cookies.get(cookie_name(settings))
    with Session(store.engine) as session:
        somebody = None if not secret else last_person(session, keys, secret, _KEPT_AFTER, now())
        week = latest_week(session)
        if somebody is None or week is None or not has_token(keys, somebody.login, text_in(form, TOKEN)):
            return None
        principal = as_principal(request, somebody)
        request.state.wall = principal.wall
        stand_around(session, request)
        seen = find_seen(session, keys, week, principal, enrolment_id)
        if seen is None or not principal.scopes:
            return None
        session.rollback()
        _keep(store, seen, filled_in(form), _writer(principal))
    return page_of(seen.enrolment_id, "kept_over", "follow-up")
