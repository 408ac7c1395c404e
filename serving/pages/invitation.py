"""`/invitation/{token}`: what a student sees who opens the link of a letter. No account is needed, no script, and nothing is told of the student."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from serving.access.guard import open_to_all
from serving.dependencies import SessionDep, SettingsDep, StoreDep, TodayDep
from serving.pages.forms import read_form, text_in
from serving.pages.letters import as_calendar, calendar_of, tell_both, texts_in_letters
from serving.pages.rendering import on_clock, present, render, texts_of
from serving.store.letters import Invitation, Picked, decline, free_of, letter_behind, moved, note_opened, pick
from serving.store.weeks import Store, now

router = APIRouter(include_in_schema=False, dependencies=[Depends(open_to_all)])
FormDep = Annotated[FormData, Depends(read_form)]


def _behind(request: Request, session: Session, store: Store, token: str, today: dt.date) -> Invitation | None:
    letter = letter_behind(session, store.keys, token, present(today, now()))
    if letter is not None:
        # Whoever chose no language reads the one of the letter.
        request.state.language = letter.written.language
    return letter


def _gone(request: Request) -> HTMLResponse:
    return render(request, "invitation_gone.html", 404)


@router.get("/invitation/{token}")
def invitation(request: Request, session: SessionDep, store: StoreDep, today: TodayDep, token: str, said: str = "") -> HTMLResponse:
    """Show the moments to choose from, or what was chosen."""
    letter = _behind(request, session, store, token, today)
    if letter is None:
        return _gone(request)
    note_opened(store, letter)
    return _shown(request, session, letter, token, today, said)


def _shown(
    request: Request, session: Session, letter: Invitation, token: str, today: dt.date, said: str, status: int = 200
) -> HTMLResponse:
    free = free_of(session, letter, present(today, now()))
    return render(
        request,
        "invitation.html",
        status,
        institution=letter.written.institution,
        letter=letter,
        token=token,
        free=[(on_clock(each.starts_at), each) for each in free],
        said=said if said in texts_of(request)["invitation_said"] else "",
    )


@router.post("/invitation/{token}")
def answer(
    request: Request,
    session: SessionDep,
    store: StoreDep,
    settings: SettingsDep,
    today: TodayDep,
    form: FormDep,
    tasks: BackgroundTasks,
    token: str,
) -> Response:
    """Take the moment that a student picked, or that they do not want to come. The link is what lets them; it came from no page of ours."""
    letter = _behind(request, session, store, token, today)
    if letter is None:
        return _gone(request)
    asked = {on_clock(each.starts_at): each for each in letter.written.moments}
    chosen = asked.get(text_in(form, "moment"))
    session.rollback()
    if text_in(form, "action") == "decline":
        decline(store, letter, at=now(), today=today)
        if letter.picked is not None:
            tasks.add_task(tell_both, store, settings, letter, texts_in_letters(request), letter.picked)
        return _back(token, "declined")
    if chosen is None:
        return _shown(request, session, letter, token, today, "choose", 422)
    picked = pick(store, letter, chosen, at=now(), present=present(today, now()), today=today)
    if picked is not Picked.YES:
        return _shown(request, session, letter, token, today, "taken", 409)
    if letter.picked != chosen:
        session.rollback()
        newest = letter_behind(session, store.keys, token, present(today, now()))
        tasks.add_task(tell_both, store, settings, newest or moved(letter, chosen), texts_in_letters(request))
    return _back(token, "picked")


def _back(token: str, said: str) -> RedirectResponse:
    return RedirectResponse(f"/invitation/{token}?said={said}", status_code=303)


@router.get("/invitation/{token}/appointment.ics")
def appointment(request: Request, session: SessionDep, store: StoreDep, today: TodayDep, token: str) -> Response:
    """Give the appointment for a calendar."""
    letter = _behind(request, session, store, token, today)
    if letter is None or letter.picked is None:
        return _gone(request)
    words = texts_in_letters(request)[letter.written.language]
    return as_calendar(calendar_of(letter, letter.picked, words["with"].format(name=letter.by)))
