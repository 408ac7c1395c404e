"""A coach's letter to a student: offer moments, read it as it will be, send it or print it; what went wrong stays in view and can be tried again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from serving.access.principal import Principal
from serving.dependencies import SessionDep, SettingsDep, StoreDep, TodayDep
from serving.languages import LANGUAGES, page_language
from serving.letters.calendar import calendar_file
from serving.letters.mail import compose, send
from serving.pages.desk import StaffDep
from serving.pages.forms import MOST_TEXT, read_form, require_token, text_in, token_for
from serving.pages.rendering import day_of, end_of_day, from_clock, long_date, on_clock, render, texts_of, when
from serving.pages.seen import Seen
from serving.pages.student import require_seen
from serving.settings import Settings
from serving.store.follow_up import Writer
from serving.store.letters import (
    Invitation,
    Moment,
    Written,
    begin_sending,
    clashing,
    end_sending,
    keep_draft_letter,
    letters_to,
    link_token,
    new_number,
    note_told,
    own_draft,
    withdraw_letter,
)
from serving.store.people import details_of
from serving.store.tables import Week
from serving.store.weeks import Store, mail_of, now

router = APIRouter(include_in_schema=False)
FormDep = Annotated[FormData, Depends(read_form)]
ROWS, MOST_DAYS = 4, 90
MINUTES = ("20", "30", "45", "60")


@router.get("/students/{enrolment_id}/letter")
def letter(
    request: Request, session: SessionDep, store: StoreDep, settings: SettingsDep, person: StaffDep, today: TodayDep, enrolment_id: str,
    said: str = "",
) -> HTMLResponse:  # fmt: skip
    """Show the form for moments, and the letter as it will be once there is a draft; and what went to this student before."""
    week, seen = require_seen(session, store, person, enrolment_id)
    return _shown(request, session, store, settings, person, week, seen, today, said=said)


def _shown(
    request: Request,
    session: Session,
    store: Store,
    settings: Settings,
    person: Principal,
    week: Week,
    seen: Seen,
    today: dt.date,
    *,
    said: str = "",
    status: int = 200,
    filled: Mapping[str, Any] | None = None,
    wrong: tuple[str, ...] = (),
) -> HTMLResponse:
    keys, texts = store.keys, texts_of(request)
    details = details_of(seen.about.person, keys)
    letters = letters_to(session, keys, [seen.about.enrolment]).get(seen.about.enrolment, [])
    draft = own_draft(letters, keys, person.login)
    last = draft or next((each for each in letters if each.host == keys.digest("actor", person.login)), None)
    return render(
        request,
        "letter.html",
        status,
        person=person,
        institution=week.institution,
        week=week,
        seen=seen,
        name=seen.name,
        token=token_for(keys, person.login, dt.datetime.now(dt.UTC).date()),
        draft=draft,
        paragraphs=[] if draft is None else paragraphs_of(draft.written.body),
        letters=[each for each in letters if each.state != "draft"],
        at=now(),
        address="" if details is None else details.email,
        mails=settings.mail is not None,
        fields=filled or _fields(draft, last, details.language if details is not None else "", today),
        wrong=wrong,
        said=said if said in texts["letter_said"] else "",
        rows=range(ROWS),
        minutes=MINUTES,
        languages=LANGUAGES,
        earliest=f"{today.isoformat()}T00:00",
    )


def paragraphs_of(body: str) -> list[tuple[str, list[str]]]:
    """Give a letter's headings, lists and paragraphs, each with its lines."""
    found = []
    for part in body.strip().split("\n\n"):
        lines = [line for line in part.split("\n") if line.strip()]
        kind = "heading" if lines[:1] and lines[0].startswith("# ") else "list" if all(line.startswith("- ") for line in lines) else "text"
        found.append((kind, [line.removeprefix("# ").removeprefix("- ") for line in lines]))
    return found


def _fields(draft: Invitation | None, last: Invitation | None, language: str, today: dt.date) -> dict[str, Any]:
    moments = [] if draft is None else [on_clock(each.starts_at) for each in draft.written.moments]
    spoken = draft.written.language if draft is not None else language if language in LANGUAGES else LANGUAGES[0]
    minutes = MINUTES[1] if last is None else str(last.written.moments[0].minutes)
    return {
        "moments": moments + [""] * (ROWS - len(moments)),
        "minutes": minutes if minutes in MINUTES else MINUTES[1],
        "place": "" if last is None else last.written.place,
        "language": spoken,
    }


@router.post("/students/{enrolment_id}/letter")
def write_letter(
    request: Request,
    session: SessionDep,
    store: StoreDep,
    settings: SettingsDep,
    person: StaffDep,
    today: TodayDep,
    form: FormDep,
    tasks: BackgroundTasks,
    enrolment_id: str,
) -> Response:
    """Write a draft, send it, note that it was printed, try again, or withdraw it."""
    week, seen = require_seen(session, store, person, enrolment_id)
    require_token(store.keys, person.login, form)
    action = text_in(form, "action")
    if action in ("write", ""):
        return _write(request, session, store, settings, person, week, seen, today, form)
    letters = letters_to(session, store.keys, [seen.about.enrolment]).get(seen.about.enrolment, [])
    chosen = next((each for each in letters if str(each.id) == text_in(form, "letter")), None)
    if chosen is None:
        return _to_letter(seen, "nothing")
    session.rollback()  # nothing is held on to while something is written or sent
    by = Writer(person.login, person.name)
    if action == "withdraw":
        withdraw_letter(store, chosen, by=by, at=now())
        return _to_letter(seen, "withdrawn")
    if action == "paper":
        printed = begin_sending(store, chosen, by=by, at=now(), paper=True, today=today)
        return _to_letter(seen, "printed" if printed else "nothing")
    if action == "tell" and chosen.picked is not None:
        tasks.add_task(tell_both, store, settings, chosen, texts_in_letters(request))
        return _to_letter(seen, "telling")
    if action == "send":
        return _to_letter(seen, _send(store, settings, chosen, by, today))
    return _to_letter(seen, "nothing")


def _to_letter(seen: Seen, said: str) -> RedirectResponse:
    return RedirectResponse(f"/students/{quote(seen.enrolment_id, safe='')}/letter?said={said}", status_code=303)


def _write(
    request: Request,
    session: Session,
    store: Store,
    settings: Settings,
    person: Principal,
    week: Week,
    seen: Seen,
    today: dt.date,
    form: FormData,
) -> Response:
    minutes = text_in(form, "minutes")
    asked = [each.strip() for each in form.getlist("moments") if isinstance(each, str)][:ROWS]
    spoken = text_in(form, "language")
    filled: dict[str, Any] = {
        "moments": asked + [""] * (ROWS - len(asked)),
        "minutes": minutes if minutes in MINUTES else MINUTES[1],
        "place": text_in(form, "place"),
        "language": spoken if spoken in LANGUAGES else LANGUAGES[0],
    }
    read = [from_clock(each) for each in asked if each]
    moments = sorted((Moment(each, int(filled["minutes"])) for each in read if each is not None), key=lambda each: each.starts_at)
    days = [day_of(each.starts_at) for each in moments]
    checks = {
        "moment": None in read,
        "no_moment": not read,
        "past": any(day < today for day in days),
        "far": any(day > today + dt.timedelta(days=MOST_DAYS) for day in days),
        "overlap": clashing(moments),
        "place": len(filled["place"]) > MOST_TEXT // 5,
    }
    wrong = tuple(name for name, holds in checks.items() if holds)
    if wrong:
        return _shown(request, session, store, settings, person, week, seen, today, status=422, filled=filled, wrong=wrong)
    number, until = new_number(), days[-1]
    text = request.app.state.letters[filled["language"]]
    base = (settings.public_url or str(request.base_url)).rstrip("/")
    place = f" ({filled['place']})" if filled["place"] else ""
    values = {
        "name": seen.name,
        "coach": person.name,
        "institution": week.institution,
        "programme": seen.programme,
        "minutes": filled["minutes"],
        "moments": "\n".join(f"- {when(each.starts_at, filled['language'])}{place}" for each in moments),
        "link": f"{base}/invitation/{link_token(store.keys, number)}",
        "until": long_date(until, filled["language"]),
    }
    subject, body = text.filled(values)
    host_mail = mail_of(week, store.keys, person.login)
    written = Written(filled["language"], subject, body, filled["place"], tuple(moments), host_mail, week.institution, seen.programme)
    about, by = seen.about, Writer(person.login, person.name)
    session.rollback()
    keep_draft_letter(store, about, number, written, end_of_day(until), by=by, at=now())
    return _to_letter(seen, "written")


def _send(store: Store, settings: Settings, letter: Invitation, by: Writer, today: dt.date) -> str:
    """Send a letter once, and give what to tell the coach."""
    if not begin_sending(store, letter, by=by, at=now(), today=today):
        return "already"
    fault = "none" if settings.mail is None else "address"
    if settings.mail is not None and letter.email:
        written = letter.written
        try:
            message = compose(
                settings.mail, to=letter.email, name=letter.by, reply_to=written.host_mail, subject=written.subject, body=written.body,
                number=letter.number, language=written.language,
            )  # fmt: skip
        except ValueError:
            fault = "address"
        else:
            fault = send(settings.mail, message)
    end_sending(store, letter, fault, by=by, at=now(), today=today)
    return "failed" if fault else "sent"


def texts_in_letters(request: Request) -> Mapping[str, Mapping[str, Any]]:
    """Give what mails about appointments say, by language."""
    return {language: texts["letter_mail"] for language, texts in request.app.state.desk.texts.items()}


def tell_both(
    store: Store, settings: Settings, letter: Invitation, texts: Mapping[str, Mapping[str, Any]], cancelled: Moment | None = None
) -> None:
    """Send student and coach the appointment as a mail with a calendar file, as far as their addresses are known; run it after the answer has gone.

    Parameters
    ----------
    store : Store
    settings : Settings
    letter : Invitation
        With the moment that was picked.
    texts : mapping
        What `texts_in_letters` gives.
    cancelled : Moment, optional
        One that is no more; only the coach needs to be told.
    """
    moment = cancelled or letter.picked
    if settings.mail is None or moment is None:
        return
    words, faults = texts[letter.written.language], []
    kind = "cancelled" if cancelled else "picked"
    to_student = (letter.email, letter.by, letter.written.host_mail, words["with"].format(name=letter.by))
    to_coach = (letter.written.host_mail, letter.by, "", words["with"].format(name=letter.name))
    for to, name, reply_to, summary in (to_coach,) if cancelled else (to_student, to_coach):
        if not to:
            continue
        calendar = calendar_of(letter, moment, summary, cancelled is not None)
        body = words[kind].format(summary=summary, when=when(moment.starts_at, letter.written.language), place=letter.written.place or "-")
        message = compose(
            settings.mail, to=to, name=name, reply_to=reply_to, subject=words[f"{kind}_subject"], body=body,
            number=f"{new_number()}", language=letter.written.language, calendar=calendar,
        )  # fmt: skip
        faults.append(send(settings.mail, message))
    if not cancelled and faults:
        note_told(store, letter, "failed" if any(faults) else "sent")


def calendar_of(letter: Invitation, moment: Moment, summary: str, cancelled: bool = False) -> bytes:
    """Give the calendar file of a letter's appointment."""
    return calendar_file(
        letter.number, moment.starts_at, moment.minutes, summary=summary, place=letter.written.place, organizer=letter.written.host_mail, at=now(),
        changes=letter.changes, cancelled=cancelled,
    )  # fmt: skip


@router.get("/students/{enrolment_id}/appointment.ics")
def appointment(request: Request, session: SessionDep, store: StoreDep, person: StaffDep, enrolment_id: str) -> Response:
    """Give the coach the appointment that a student picked, for a calendar."""
    _, seen = require_seen(session, store, person, enrolment_id)
    letters = letters_to(session, store.keys, [seen.about.enrolment]).get(seen.about.enrolment, [])
    chosen = next((each for each in letters if each.picked is not None), None)
    if chosen is None or chosen.picked is None:
        raise HTTPException(404)
    words = texts_in_letters(request)[page_language(request)]
    return as_calendar(calendar_of(chosen, chosen.picked, words["with"].format(name=seen.name)))


def as_calendar(content: bytes) -> Response:
    """Give a calendar file as an answer that browsers save or open."""
    headers = {"Content-Disposition": 'attachment; filename="afspraak.ics"'}
    return Response(content, media_type="text/calendar; charset=utf-8", headers=headers)
