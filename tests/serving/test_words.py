"""A teacher's word: reported of a student of an own programme, read by the coach, and answered with no more than that it was taken up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from serving.access.configuration import Access
from serving.access.scopes import Role
from serving.access.sessions import Person, begin
from serving.app import create_app
from serving.store.audit import events_about
from serving.store.people import STUDENT
from serving.store.rights import erase_student
from serving.store.schema import connect, migrate
from serving.store.weeks import Store, now, publish_week
from serving.telling import all_held
from tests.serving.conftest import Place, let_in
from tests.serving.test_letters import listed

HTML = {"Accept": "text/html"}
SAW = "Bleef na de les zitten en zei weinig <dat is nieuw>."


@pytest.fixture
def service(place: Place, tmp_path: Path) -> Iterator[TestClient]:
    url = f"sqlite:///{(tmp_path / 'words.db').as_posix()}"
    store = Store(connect(url), place.keys)
    migrate(store.engine, store.keys)
    told = listed()
    assert told.caseload is not None
    elsewhere = told.caseload[2].model_copy(update={"programme": "Nursing"})
    publish_week(store, told.model_copy(update={"caseload": (*told.caseload[:2], elsewhere)}), actor="test")
    store.engine.dispose()
    with TestClient(create_app(place.settings(store_url=url))) as client:
        yield client


def store_of(client: TestClient) -> Store:
    return client.app.state.store  # type: ignore[attr-defined, no-any-return]


def teach(client: TestClient, *programmes: str) -> None:
    client.cookies.clear()
    store = store_of(client)
    with Session(store.engine) as session, session.begin():
        person = Person("tess", "Tess Docent", frozenset({Role.TEACHER}), teaches=frozenset(programmes))
        client.cookies.set("session", begin(session, store.keys, person, now()))


def coach(client: TestClient) -> None:
    client.cookies.clear()
    let_in(client, "sanne", frozenset({Role.COACH}))


def send(client: TestClient, page: str, to: str, **fields: str) -> str:
    token = re.search(r'name="token" value="([0-9a-f]+)"', client.get(page).text)
    assert token is not None
    return client.post(to, data={"token": token.group(1), **fields}, headers=HTML).text


def found(page: str) -> list[str]:
    return re.findall(r'name="student" value="([^"]+)"', page)


def test_a_word_reaches_the_coach_and_the_student_and_the_teacher_learns_that_it_was_taken_up(service: TestClient) -> None:
    teach(service, "Social Work")
    given = send(service, "/teaching?q=noor", "/teaching", student="e-canary-1", kind="worry", text=SAW, q="noor")
    assert "Nog niet opgepakt." in given
    coach(service)
    assert "Een docent meldde iets op" in service.get("/").text
    page = service.get("/students/e-canary-1").text
    assert "&lt;dat is nieuw&gt;" in page
    assert "Door Tess Docent" in page
    word = re.search(r'name="word" value="(\d+)"', page)
    assert word is not None
    taken = send(service, "/students/e-canary-1", "/students/e-canary-1/words", word=word.group(1))
    assert "De docent ziet dat u het oppakte." in taken
    send(service, "/students/e-canary-1", "/students/e-canary-1/follow-up", note="Besproken: het gaat over thuis.", version="0")
    assert "Een docent meldde iets op" not in service.get("/").text
    teach(service, "Social Work")
    page = service.get("/teaching").text
    assert "Opgepakt op" in page
    assert "Besproken" not in page
    store = store_of(service)
    with store.session() as session:
        held = {section.title: section.rows for section in all_held(session, store.keys, "s-canary-1", "nl")}
        events = [str(each.event) for each in events_about(session, store.keys.digest(STUDENT, "s-canary-1"))]
    assert SAW in str(held["Wat een docent meldde"])
    for event in ("page:student:found", "page:word:given", "page:word:taken-up"):
        assert event in events


def test_a_teacher_finds_own_students_by_number_or_name_and_learns_nothing_else(service: TestClient) -> None:
    teach(service, "Social Work")
    assert found(service.get("/teaching?q=s-canary-2").text) == ["e-canary-2"]
    assert found(service.get("/teaching?q=kanarie noor").text) == ["e-canary-1"]
    for nobody in ("Finn", "s-canary-3", "s-canary", "k", "%", "   "):
        assert found(service.get("/teaching", params={"q": nobody}).text) == []
    page = service.get("/teaching?q=noor").text
    for told in ("aanwezig", "noor@example.org", "Uitgenodigd", "Kanariecoach"):
        assert told not in page
    for other in ("/students/e-canary-1", "/students/e-canary-1/letter"):
        assert service.get(other).status_code == 403
    assert service.get("/", follow_redirects=False).headers["location"] == "/teaching"
    teach(service)
    assert "nog geen opleiding" in service.get("/teaching?q=noor").text


def test_a_word_of_a_student_elsewhere_or_without_text_is_not_kept_and_what_was_written_stays(service: TestClient) -> None:
    teach(service, "Social Work")
    for student, text in (("e-canary-3", SAW), ("e-canary-1", ""), ("e-canary-1", "x" * 1001)):
        page = send(service, "/teaching?q=noor", "/teaching", student=student, kind="worry", text=text, q="noor")
        assert "Nog niet gemeld" in page
        assert "U meldde nog niets." in page
    assert service.post("/teaching", data={"token": "0" * 64, "student": "e-canary-1", "kind": "worry", "text": SAW}).status_code == 403


def test_a_word_goes_when_the_student_is_erased(service: TestClient) -> None:
    teach(service, "Social Work")
    send(service, "/teaching?q=noor", "/teaching", student="e-canary-1", kind="compliment", text=SAW, q="noor")
    store = store_of(service)
    with Session(store.engine) as session, session.begin():
        erase_student(session, store.keys, "s-canary-1", actor="officer", at=now())
    page = service.get("/teaching?q=noor").text
    assert "U meldde nog niets." in page
    assert found(page) == []


def test_the_programmes_of_a_teacher_come_from_the_same_claim_as_their_role() -> None:
    told = {
        "oidc": {"issuer": "https://login.example.org", "client_id": "riskmodel"}, "roles": {"teacher": ["docent-sw", "docent"]},
        "teaches": {"docent-sw": ["Social Work"]},
    }  # fmt: skip
    access = Access.model_validate(told)
    assert access.teaches_in({"groups": ["docent-sw", "docent"]}) == {"Social Work"}
    assert access.teaches_in({"groups": ["docent"]}) == frozenset()
    with pytest.raises(ValueError, match=r"\[teaches\] names docent-vp"):
        Access.model_validate({**told, "teaches": {"docent-vp": ["Nursing"]}})
