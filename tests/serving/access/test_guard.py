"""Every route declares who may call it, and every role gets what it may and no more."""

from __future__ import annotations

import re
import time

import pytest
from fastapi import APIRouter
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from serving.access.guard import FILES, Allow, guards, open_to_all, unguarded
from serving.access.scopes import ALLOWED, SEES_STUDENTS, Role, Scope, scopes_of
from serving.access.tokens import REMEMBERED_SECONDS, make_token, revoke_token
from serving.app import create_app
from serving.pages.forms import token_for
from serving.store.audit import Event, events_about, verify
from serving.store.runs import NewRun, begin_run, new_id
from serving.store.tables import StandIn
from serving.store.weeks import Store, coaches_with_invited, invited_students, latest_week, logins_of, now
from tests.serving.conftest import MONDAY, Place, let_in

HTML = {"Accept": "text/html"}
OPEN = {
    ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/language/{language}"), ("GET", "/login"),
    ("GET", "/login/callback"), ("POST", "/login/demo"), ("GET", "/logged-out"), ("GET", "/problems"),
    ("GET", "/problems/{kind}"), ("GET", "/invitation/{token}"), ("POST", "/invitation/{token}"), ("GET", "/invitation/{token}/appointment.ics"),
}  # fmt: skip
ELSEWHERE = {Role.TEACHER: "/teaching", Role.STUDENT: "/me"}
BODY = {"students": [{"enrolment_id": "e", "landmark": 56, "features": {"attendance_share": 0.5}}]}


def routes(client: TestClient) -> list[RouteContext]:
    return [route for route in iter_route_contexts(client.app.routes) if route.path != FILES]  # type: ignore[attr-defined]


def begun_run(store: Store) -> str:
    """Put a run in line, and give its id."""
    asked = NewRun(new_id(), "guard-test", None, "", "first-years", MONDAY)
    with Session(store.engine, expire_on_commit=False) as session, session.begin():
        return begin_run(session, store.keys, asked, at=now(), most_waiting=10_000)[0].id


def test_no_route_is_without_a_guard_and_the_open_ones_are_these(client: TestClient) -> None:
    assert unguarded(client.app) == []  # type: ignore[arg-type]
    found = {(method, route.path) for route in routes(client) for method in route.methods if open_to_all in guards(route)}
    assert found == OPEN


def test_a_service_with_a_route_that_declares_nothing_does_not_start(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from serving import app

    router = APIRouter()
    router.get("/v1/everything")(lambda: {})
    monkeypatch.setattr(app, "ROUTERS", (*app.ROUTERS, router))
    with pytest.raises(RuntimeError, match="/v1/everything"):
        create_app(place.settings())


@pytest.mark.parametrize("role", [*Role, None], ids=lambda role: role or "nobody")
def test_every_route_lets_through_who_may_and_nobody_else(place: Place, role: Role | None) -> None:
    with TestClient(create_app(place.settings()), follow_redirects=False) as client:
        let_in(client)
        someone = client.get("/v1/invitations", params={"limit": 1}).json()["invitations"][0]
        own = {"{enrolment_id}": someone["enrolment_id"], "{student_id}": someone["student_id"], "{name}": "leave"}
        store: Store = client.app.state.store  # type: ignore[attr-defined]
        own["{run_id}"] = begun_run(store)
        client.cookies.clear()
        if role is not None:
            let_in(client, roles=frozenset({role}))
        for route in routes(client):
            for method in route.methods - {"HEAD"}:
                if (method, route.path) in OPEN or route.path == "/logout":
                    continue
                guard = next(each for each in guards(route) if isinstance(each, Allow))
                # What changes a student's rights is asked for nobody, because other tests look at the same list.
                of = own | {"{student_id}": "s-of-nobody"} if method == "DELETE" or route.path.endswith("/objection") else own
                path = re.sub(r"\{\w+\}", lambda part, of=of: of[part.group()], route.path)
                sent: dict[str, object] = {"json": BODY} if method == "POST" else {}
                if method == "POST" and guard.to == "people":
                    # Throwing a draft away changes nothing that other tests look at.
                    sent = {"data": {"token": token_for(store.keys, "somebody", now().date()), "action": "drop"}}
                answer = client.request(method, path, headers={"Accept": "*/*"}, **sent)  # type: ignore[arg-type]
                if role is None:
                    assert answer.status_code == (303 if guard.to == "people" else 401), path
                elif path == "/" and role in ELSEWHERE:
                    assert answer.headers["location"] == ELSEWHERE[role]
                elif not ALLOWED[role] & set(guard.scopes):
                    assert answer.status_code == 403, path
                elif re.search(r"\{(enrolment|student)_id\}", route.path) and ALLOWED[role] & set(guard.scopes) == {Scope.STUDENTS_OWN}:
                    assert answer.status_code == 404, path
                elif method == "POST" and guard.to == "people":
                    assert answer.status_code in (204, 303), path
                elif route.path.endswith("/appointment.ics"):
                    assert answer.status_code == 404, path  # nobody picked a moment yet
                else:
                    assert answer.status_code == 200, path


def test_a_coach_sees_own_students_and_of_anothers_not_even_that_they_are_invited(place: Place) -> None:
    store = place.store()
    with store.session() as session:
        week = latest_week(session)
        assert week is not None
        logins = logins_of(week, store.keys)
        own, other = (
            (each for each in logins if coaches_with_invited(session, week).get(logins[each])) if len(logins) == 2 else list(logins)[:2]
        )
        mine = invited_students(session, store.keys, week, {logins[own]})
        theirs = invited_students(session, store.keys, week, {logins[other]})
    with TestClient(create_app(place.settings())) as client:
        let_in(client, own, frozenset({Role.COACH}))
        page = client.get("/").text
        assert all(f"/students/{each.enrolment_id}" in page for each in mine)
        assert not [each for each in theirs if each.enrolment_id in page or each.student_id in page]
        assert client.get("/", params={"coach": logins[other]}).text.count('class="name"') == 0
        assert client.get(f"/students/{mine[0].enrolment_id}").status_code == 200
        unseen = client.get(f"/students/{theirs[0].enrolment_id}", headers=HTML)
        unknown = client.get("/students/nobody", headers=HTML)
        assert unseen.status_code == unknown.status_code == 404
        strip = re.compile(r'href="/language[^"]*"')
        assert strip.sub("", unseen.text) == strip.sub("", unknown.text)
        # Whoever stands in sees them, for as long as was said.
        today = now().date()
        with Session(store.engine) as session, session.begin():
            who = store.keys.digest("actor", own)
            session.add(StandIn(person=who, coach_id=logins[other], begins_on=today, ends_on=today, made_at=now()))
        assert client.get(f"/students/{theirs[0].enrolment_id}").status_code == 200
        with Session(store.engine) as session, session.begin():
            session.execute(
                StandIn.__table__.update().values(begins_on=today.replace(year=today.year - 1), ends_on=today.replace(year=today.year - 1))
            )  # type: ignore[attr-defined]
        assert client.get(f"/students/{theirs[0].enrolment_id}").status_code == 404
    with store.session() as session:
        seen = [event.event for event in events_about(session, theirs[0].subject)]
    assert seen.count(str(Event.PAGE_STUDENT_READ)) == 1
    assert verify(store.engine, store.keys).faults == ()
    store.engine.dispose()


def test_whoever_decides_on_the_advice_may_nothing_whatever_else_they_are() -> None:
    for role in Role:
        assert scopes_of(frozenset({role, Role.STUDY_ADVICE}), walled_off=True) == frozenset()
    for role in Role:
        allowed = ALLOWED[role] if role in SEES_STUDENTS else frozenset()
        assert scopes_of(frozenset({role, Role.STUDY_ADVICE}), walled_off=False) == allowed


def test_a_token_opens_what_it_was_given_until_it_is_revoked_or_ends(place: Place) -> None:
    import datetime as dt

    with TestClient(create_app(place.settings())) as client:
        store = client.app.state.store  # type: ignore[attr-defined]
        with Session(store.engine) as session, session.begin():
            text = make_token(session, "guard-test", ["scores:compute"], 30, at=now(), by="test").text
            ended = make_token(session, "guard-ended", ["scores:compute"], 1, at=now() - dt.timedelta(days=2), by="test").text
        bearer = {"Authorization": f"Bearer {text}"}
        assert client.post("/v1/scores", json=BODY, headers=bearer).status_code == 200
        assert client.get("/v1/models", headers=bearer).status_code == 403
        assert client.get("/metrics", headers=bearer).status_code == 403
        assert client.get("/", headers=bearer, follow_redirects=False).status_code == 303
        for wrong in (ended, text[:-1] + ("A" if text[-1] != "A" else "B"), text[4:], "", "rmt_000000000000_" + "A" * 43):
            answer = client.post("/v1/scores", json=BODY, headers={"Authorization": f"Bearer {wrong}"})
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        with Session(store.engine) as session, session.begin():
            revoke_token(session, "guard-test", now())
        time.sleep(REMEMBERED_SECONDS)
        assert client.post("/v1/scores", json=BODY, headers=bearer).status_code == 401


def test_a_form_that_another_site_sends_does_nothing(client: TestClient) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}):
        answer = client.post("/logout", headers=headers, follow_redirects=False)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/foreign-origin")
    assert client.get("/", follow_redirects=False).status_code == 200
    assert client.post("/logout", headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False).status_code == 303
    assert client.get("/", follow_redirects=False).status_code == 303
