"""Sessions of people: new at every login, ended by idleness, by time, by logging out here or everywhere."""

from __future__ import annotations

import datetime as dt

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from serving.access.scopes import Role
from serving.access.sessions import Limits, Person, begin, end, end_everywhere, resume
from serving.app import create_app
from serving.pages.login import DEMO_COORDINATOR
from serving.store.weeks import Store, latest_week, logins_of
from tests.serving.conftest import Place
from tests.serving.store.conftest import postgres, store, store_url  # noqa: F401

LIMITS = Limits(dt.timedelta(minutes=30), dt.timedelta(hours=10))
NINE = dt.datetime(2026, 11, 2, 9, 0)
COACH = Person("c1@example.nl", "Sanne", frozenset({Role.COACH}))


def ask(store: Store, secret: str, at: dt.datetime) -> Person | None:  # noqa: F811
    with Session(store.engine) as session, session.begin():
        return resume(session, store.keys, secret, LIMITS, at)


def start(store: Store, person: Person = COACH) -> str:  # noqa: F811
    with Session(store.engine) as session, session.begin():
        return begin(session, store.keys, person, NINE)


def test_a_session_lives_while_it_is_used_and_ends_in_any_case(store: Store) -> None:  # noqa: F811
    secret = start(store)
    assert ask(store, secret, NINE + dt.timedelta(minutes=29)) == COACH
    assert ask(store, secret, NINE + dt.timedelta(minutes=58)) == COACH
    assert ask(store, secret, NINE + dt.timedelta(minutes=89)) is None
    secret, at = start(store), NINE
    while at < NINE + LIMITS.absolute:
        at += dt.timedelta(minutes=20)
        assert (ask(store, secret, at) is None) == (at - NINE > LIMITS.absolute)


def test_logging_out_ends_one_session_and_everywhere_all_of_them(store: Store) -> None:  # noqa: F811
    here, there, anothers = start(store), start(store), start(store, Person("c2", "Bo", frozenset({Role.COACH})))
    assert len({here, there, anothers}) == 3
    with Session(store.engine) as session, session.begin():
        end(session, here, NINE)
    assert (ask(store, here, NINE), ask(store, there, NINE)) == (None, COACH)
    with Session(store.engine) as session, session.begin():
        assert end_everywhere(session, store.keys, COACH.login, NINE) == 1
    assert ask(store, there, NINE) is None
    assert ask(store, anothers, NINE) is not None
    assert ask(store, "made-up", NINE) is None


def test_the_cookie_is_kept_from_scripts_and_other_sites_and_is_new_at_every_login(place: Place) -> None:
    with TestClient(create_app(place.settings()), follow_redirects=False) as client:
        client.cookies.set("session", "planted")
        first = client.post("/login/demo", data={"who": DEMO_COORDINATOR, "to": "//evil.example"})
        assert (first.status_code, first.headers["location"]) == (303, "/")
        told = first.headers["set-cookie"].lower()
        assert "httponly" in told
        assert "samesite=lax" in told
        assert "planted" not in told
        second = client.post("/login/demo", data={"who": DEMO_COORDINATOR})
        assert first.cookies["session"] != second.cookies["session"]
        # The session before the new login is over.
        client.cookies.clear()
        client.cookies.set("session", first.cookies["session"])
        assert client.get("/").status_code == 303
    assert place.settings(secure_cookies=True).secure_cookies
    with TestClient(create_app(place.settings(secure_cookies=True)), base_url="https://testserver", follow_redirects=False) as client:
        told = client.post("/login/demo", data={"who": DEMO_COORDINATOR}).headers["set-cookie"]
        assert told.startswith("__Host-session=")
        assert "Secure" in told
        assert "Domain" not in told


def test_in_the_demo_one_is_a_coach_or_the_coordinator_and_elsewhere_nobody_by_choice(place: Place) -> None:
    opened = place.store()
    with opened.session() as session:
        week = latest_week(session)
        assert week is not None
        coach = next(iter(logins_of(week, opened.keys)))
    opened.engine.dispose()
    with TestClient(create_app(place.settings()), follow_redirects=False) as client:
        assert client.post("/login/demo", data={"who": "nobody"}).status_code == 404
        assert client.post("/login/demo", data={"who": coach}).status_code == 303
        assert client.get("/").status_code == 200
        assert client.get("/v1/models").status_code == 403
        cookie = client.cookies["session"]
    with TestClient(create_app(place.settings(demo=False)), follow_redirects=False) as client:
        assert client.post("/login/demo", data={"who": coach}).status_code == 404
        client.cookies.set("session", cookie)
        assert client.get("/").status_code == 303


def test_who_sees_no_students_gets_a_page_that_says_so(place: Place) -> None:
    from tests.serving.conftest import let_in

    with TestClient(create_app(place.settings())) as client:
        let_in(client, roles=frozenset({Role.STUDY_ADVICE}))
        answer = client.get("/", headers={"Accept": "text/html"})
        assert answer.status_code == 403
        assert "Deze pagina is niet voor u" in answer.text
