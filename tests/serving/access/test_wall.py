"""The wall to the binding study advice stands per programme, beneath every route that reads students."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from serving.access.guard import Allow, guards
from serving.access.scopes import Role, Scope
from serving.access.sessions import Person, begin
from serving.access.wall import _BY_ENROLMENT, _BY_PROGRAMME, Wall
from serving.app import create_app
from serving.store.tables import Base, Withdrawn
from serving.store.weeks import Store, invited_students, latest_week, now
from tests.serving.conftest import Place

PROGRAMMES = st.frozensets(st.sampled_from(["a", "b", "c"]))


@given(decides=st.none() | PROGRAMMES, recorded=PROGRAMMES, programme=st.sampled_from(["a", "b", "c", "d"]))
def test_a_programme_is_hidden_where_they_decide_and_nothing_was_recorded(
    decides: frozenset[str] | None, recorded: frozenset[str], programme: str
) -> None:
    wall = Wall(decides, recorded)
    assert wall.hides(programme) == ((decides is None or programme in decides) and programme not in recorded)
    assert wall.stands or not wall.hides(programme)
    assert not wall.total or wall.hides(programme)


@contextmanager
def entered_as(place: Place, role: Role, decides: frozenset[str] | None, login: str = "both") -> Iterator[TestClient]:
    with TestClient(create_app(place.settings(demo=False)), follow_redirects=False) as client:
        store: Store = client.app.state.store  # type: ignore[attr-defined]
        person = Person(login, "Iemand", frozenset({role, Role.STUDY_ADVICE}), decides=decides)
        with Session(store.engine) as session, session.begin():
            client.cookies.set("session", begin(session, store.keys, person, now()))
        yield client


@pytest.fixture(scope="module")
def students(place: Place) -> dict[str, tuple[str, str]]:
    """Give programme and student number of everyone invited on the newest list, by enrolment."""
    store = place.store()
    with store.session() as session:
        week = latest_week(session)
        assert week is not None
        found = {each.enrolment_id: (each.row.programme, each.student_id) for each in invited_students(session, store.keys, week, None)}
    store.engine.dispose()
    return found


def test_no_route_shows_a_coordinator_a_student_of_the_programme_whose_advice_they_decide_on(
    place: Place, students: dict[str, tuple[str, str]]
) -> None:
    walled = next(iter(students.values()))[0]
    behind = {enrolment: number for enrolment, (programme, number) in students.items() if programme == walled}
    beside = {enrolment: number for enrolment, (programme, number) in students.items() if programme != walled}
    assert behind
    assert beside
    seen = set()
    with entered_as(place, Role.COORDINATOR, frozenset({walled})) as client:
        for route in iter_route_contexts(client.app.routes):  # type: ignore[attr-defined]
            guard = next((each for each in guards(route) if isinstance(each, Allow)), None)
            if guard is None or not {Scope.STUDENTS_ALL, Scope.STUDENTS_OWN} & set(guard.scopes):
                continue
            if "GET" not in route.methods:  # what changes something changes nothing behind the wall
                for enrolment, number in list(behind.items())[:1]:
                    path = route.path.replace("{enrolment_id}", enrolment).replace("{student_id}", number)
                    assert path == route.path or client.request(next(iter(route.methods)), path).status_code == 404, path
                continue
            seen.add(route.path)
            for theirs, shown in ((behind, False), (beside, True)):
                for enrolment, number in list(theirs.items())[:2]:
                    path = route.path.replace("{enrolment_id}", enrolment).replace("{student_id}", number)
                    answer = client.get(path, headers={"Accept": "*/*"})
                    if path != route.path and not re.search(r"\{\w+\}", path):
                        # Who has picked no moment yet has no appointment, on whichever side.
                        there = shown and not path.endswith("/appointment.ics")
                        assert (answer.status_code == 200) is there, path
                    assert answer.status_code in (200, 404), path
                    assert not [number for number in behind.values() if number in answer.text], path
                    assert not [enrolment for enrolment in behind if enrolment in answer.text and enrolment not in path], path
    assert {"/", "/students/{enrolment_id}", "/v1/invitations", "/v1/students/{student_id}/scores"} <= seen


def test_every_table_of_students_is_behind_the_wall_but_those_that_tell_nothing_by_themselves() -> None:
    of_students = {mapper.class_ for mapper in Base.registry.mappers if "person_id" in mapper.columns}
    assert {table.__tablename__ for table in of_students - {*_BY_PROGRAMME, *_BY_ENROLMENT, Withdrawn}} == {
        "barred",
        "objections",
        "appointments",
    }


def test_who_decides_everywhere_gets_nothing_and_a_session_that_does_not_say_where_counts_as_everywhere(place: Place) -> None:
    with entered_as(place, Role.COORDINATOR, None) as client:
        assert client.get("/").status_code == 403
        assert client.get("/v1/invitations").status_code == 403
    text = Person("both", "Iemand", frozenset({Role.COACH}), decides=frozenset({"a"})).to_text()
    assert Person.from_text(text).decides == {"a"}
    assert Person.from_text(re.sub(r', "decides": \[[^]]*\]', "", text)).decides is None
