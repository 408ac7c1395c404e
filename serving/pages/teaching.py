"""`/teaching`: a teacher reports a worry or a compliment of a student of an own programme, and sees whether it was taken up; and nothing else."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from serving.access.guard import Allow
from serving.access.principal import Principal
from serving.access.scopes import Scope
from serving.dependencies import SessionDep, StoreDep
from serving.pages.forms import MOST_TEXT, read_form, require_token, text_in, token_for
from serving.pages.rendering import render, texts_of
from serving.store.audit import Event
from serving.store.follow_up import Writer
from serving.store.weeks import Store, latest_week, now
from serving.store.words import KINDS, find_taught, give_word, taught, words_by

router = APIRouter(include_in_schema=False)
FormDep = Annotated[FormData, Depends(read_form)]
TeacherDep = Annotated[Principal, Depends(Allow(Scope.WORDS_GIVE, to="people"))]


@router.get("/teaching")
def teaching(request: Request, session: SessionDep, store: StoreDep, person: TeacherDep, q: str = "", said: str = "") -> HTMLResponse:
    """Show the form, whom a search found, and what became of what was reported before."""
    return _page(request, session, store, person, asked=" ".join(q.split())[:80], said=said)


def _page(
    request: Request,
    session: Session,
    store: Store,
    person: Principal,
    *,
    asked: str = "",
    said: str = "",
    kind: str = "worry",
    text: str = "",
    chosen: str = "",
    status: int = 200,
) -> HTMLResponse:
    found = find_taught(session, store.keys, person.teaches, asked)
    if found:
        store.record(Event.PAGE_STUDENT_FOUND, actor=person.login, subjects=[each.about.person.student for each in found])
    week = latest_week(session)
    return render(
        request,
        "teaching.html",
        status,
        person=person,
        institution="" if week is None else week.institution,
        token=token_for(store.keys, person.login, dt.datetime.now(dt.UTC).date()),
        programmes=sorted(person.teaches),
        asked=asked,
        found=found,
        chosen=chosen or (found[0].enrolment_id if len(found) == 1 else ""),
        kinds=KINDS,
        kind=kind,
        text=text,
        given=words_by(session, store.keys, person.login),
        said=said if said in texts_of(request)["teaching_said"] else "",
    )


@router.post("/teaching")
def report(request: Request, session: SessionDep, store: StoreDep, person: TeacherDep, form: FormDep) -> Response:
    """Keep a word; where something is missing, show what was filled in again."""
    require_token(store.keys, person.login, form)
    chosen, kind, text = text_in(form, "student"), text_in(form, "kind"), text_in(form, "text")
    asked = text_in(form, "q")[:80]
    if not asked and not chosen:
        return RedirectResponse("/teaching?said=nobody", status_code=303)
    student = taught(session, store.keys, person.teaches, chosen) if chosen else None
    if student is None or kind not in KINDS or not text or len(text) > MOST_TEXT:
        told = {"kind": kind if kind in KINDS else "worry", "text": text, "chosen": chosen}
        return _page(request, session, store, person, asked=asked, said="incomplete", status=422, **told)
    session.rollback()
    give_word(store, student.about, kind, text, by=Writer(person.login, person.name), at=now())
    return RedirectResponse("/teaching?said=given", status_code=303)
