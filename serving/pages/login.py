"""Logging in and out: by the institution's provider, or in the demo by choosing who to be."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from serving.access import sessions
from serving.access.guard import Allow, cookie_name, open_to_all, wall_of
from serving.access.login import Login, LoginFailed
from serving.access.principal import Principal
from serving.access.scopes import Role, scopes_of
from serving.access.sessions import Person
from serving.dependencies import SessionDep, SettingsDep, StoreDep
from serving.languages import page_language
from serving.pages.rendering import TEXTS, render, safe_path
from serving.settings import Settings
from serving.store.audit import Event, record
from serving.store.caseload import programmes_of
from serving.store.weeks import Store, coaches_of, coaches_with_invited, invited_students, latest_week, logins_of, now

router = APIRouter(include_in_schema=False)
PersonDep = Annotated[Principal, Depends(Allow(to="people"))]
_BACK = "login_to"
_CALLBACK = "/login/callback"
DEMO_COORDINATOR, DEMO_TEACHER, DEMO_STUDENT = "demo-coordinator", "demo-teacher", "demo-student"


@router.get("/login", dependencies=[Depends(open_to_all)])
async def login(request: Request, settings: SettingsDep, store: StoreDep, to: str = "/") -> Response:
    """Send somebody to the provider, or in the demo ask who to be."""
    if settings.demo:
        return await run_in_threadpool(_choice, request, store, to)
    way: Login | None = request.app.state.login
    if way is None:
        raise HTTPException(404)
    request.session[_BACK] = safe_path(to)
    try:
        return await way.send_to_provider(request, _callback_address(request, settings))
    except LoginFailed:
        return render(request, "login_failed.html", 503)


def _callback_address(request: Request, settings: Settings) -> str:
    base = settings.public_url or str(request.base_url)
    return base.rstrip("/") + _CALLBACK


@router.get(_CALLBACK, dependencies=[Depends(open_to_all)])
async def callback(request: Request, settings: SettingsDep, store: StoreDep) -> Response:
    """Take back who comes from the provider, and begin a session for whoever may something here."""
    way: Login | None = request.app.state.login
    if way is None:
        raise HTTPException(404)
    try:
        person = await way.receive(request)
    except LoginFailed:
        return render(request, "login_failed.html", 400)
    to = safe_path(str(request.session.pop(_BACK, "/")))
    allowed = scopes_of(person.roles, walled_off=wall_of(way.access, person).total)
    if not allowed:
        await run_in_threadpool(store.record, Event.PERSON_SESSION_REFUSED, actor=person.login, subjects=[""])
        both = Role.STUDY_ADVICE in person.roles
        return render(request, "login_refused.html", 403, both=both, name=person.name)
    return await run_in_threadpool(_begin, request, settings, store, person, to)


def _choice(request: Request, store: Store, to: str) -> HTMLResponse:
    with store.session() as session:
        week = latest_week(session)
        people = {} if week is None or not week.synthetic else coaches_of(week, store.keys)
        logins = {} if week is None or not week.synthetic else logins_of(week, store.keys)
        counts = {} if week is None else coaches_with_invited(session, week)
    invited = {login: coach for login, coach in logins.items() if counts.get(coach)}
    coaches = sorted(((login, people.get(coach, coach), counts[coach]) for login, coach in invited.items()), key=lambda each: each[1])
    return render(
        request,
        "login_demo.html",
        coaches=coaches,
        coordinator=DEMO_COORDINATOR,
        teacher=DEMO_TEACHER,
        student=DEMO_STUDENT,
        to=safe_path(to),
        ready=bool(logins),
    )


@router.post("/login/demo", dependencies=[Depends(open_to_all)])
def login_demo(
    request: Request,
    settings: SettingsDep,
    store: StoreDep,
    session: SessionDep,
    who: Annotated[str, Form()],
    to: Annotated[str, Form()] = "/",
) -> Response:
    """Begin a session as whoever was chosen; only in the demo, and only while the list is of people who do not exist."""
    week = latest_week(session)
    if not settings.demo or week is None or not week.synthetic:
        raise HTTPException(404)
    logins = logins_of(week, store.keys)
    if who == DEMO_COORDINATOR:
        roles = frozenset({Role.COORDINATOR, Role.DATA_TEAM, Role.ADMINISTRATOR})
        person = Person(who, TEXTS[page_language(request)]["demo_coordinator"], roles, demo=True)
    elif who == DEMO_TEACHER:
        name = TEXTS[page_language(request)]["demo_teacher"]
        person = Person(who, name, frozenset({Role.TEACHER}), demo=True, teaches=programmes_of(session))
    elif who == DEMO_STUDENT and (one := next(iter(invited_students(session, store.keys, week, None)), None)) is not None:
        person = Person(who, one.name, frozenset({Role.STUDENT}), demo=True, student=one.student_id)
    elif who in logins:
        person = Person(who, coaches_of(week, store.keys).get(logins[who], who), frozenset({Role.COACH}), demo=True)
    else:
        raise HTTPException(404)
    session.rollback()
    return _begin(request, settings, store, person, safe_path(to))


def _begin(request: Request, settings: Settings, store: Store, person: Person, to: str) -> Response:
    old = request.cookies.get(cookie_name(settings))
    with Session(store.engine) as session, session.begin():
        record(session, store.keys, Event.PERSON_SESSION_BEGUN, actor=person.login, at=now(), heads=store.heads)
        if old:
            sessions.end(session, old, now())
        secret = sessions.begin(session, store.keys, person, now())
    answer = RedirectResponse(to, status_code=303)
    answer.set_cookie(cookie_name(settings), secret, httponly=True, secure=settings.secure_cookies, samesite="lax", path="/")
    return answer


@router.post("/logout")
def logout(
    request: Request, settings: SettingsDep, store: StoreDep, person: PersonDep, everywhere: Annotated[bool, Form()] = False
) -> Response:
    """End this session, or all of this person's."""
    secret = request.cookies.get(cookie_name(settings), "")
    with Session(store.engine) as session, session.begin():
        record(session, store.keys, Event.PERSON_SESSION_ENDED, actor=person.login, at=now(), heads=store.heads)
        if everywhere:
            sessions.end_everywhere(session, store.keys, person.login, now())
        else:
            sessions.end(session, secret, now())
    answer = RedirectResponse("/logged-out", status_code=303)
    answer.delete_cookie(cookie_name(settings), path="/", secure=settings.secure_cookies, httponly=True, samesite="lax")
    return answer


@router.get("/logged-out", dependencies=[Depends(open_to_all)])
def logged_out(request: Request) -> HTMLResponse:
    """Say that somebody is logged out."""
    return render(request, "logged_out.html")
