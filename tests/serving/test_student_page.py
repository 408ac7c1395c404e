"""A student behind their own login: what is held of them and who looked, a datum that is wrong, a talk or another coach, and an objection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete
from sqlalchemy.orm import Session

from serving.access.scopes import Role
from serving.app import create_app
from serving.letters.plain import LEAST_EASE, MOST_WORDS_A_SENTENCE, plainness
from serving.pages.rendering import TEXTS
from serving.store.audit import events_about, verify
from serving.store.desk_tables import DataReport, TalkRequest
from serving.store.people import STUDENT
from serving.store.rights import erase_student
from serving.store.schema import connect, migrate
from serving.store.weeks import Store, now, publish_week
from tests.serving.conftest import Place, let_in
from tests.serving.test_letters import listed

HTML = {"Accept": "text/html"}
OWN = "Op 12 oktober was ik er <wel>."


@contextmanager
def serving(place: Place, folder: Path) -> Iterator[TestClient]:
    """Give a service over a store of its own."""
    url = f"sqlite:///{(folder / 'me.db').as_posix()}"
    store = Store(connect(url), place.keys)
    migrate(store.engine, store.keys)
    publish_week(store, listed(), actor="test")
    store.engine.dispose()
    with TestClient(create_app(place.settings(store_url=url, demo=False))) as client:
        yield client


@pytest.fixture(scope="module")
def shared(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with serving(place, tmp_path_factory.mktemp("me")) as client:
        yield client


@pytest.fixture
def service(shared: TestClient) -> TestClient:
    """Give the service with nobody logged in and nothing asked for yet."""
    shared.cookies.clear()
    with Session(store_of(shared).engine) as session, session.begin():
        for table in (DataReport, TalkRequest):
            session.execute(delete(table))
    return shared


def store_of(client: TestClient) -> Store:
    return client.app.state.store  # type: ignore[attr-defined, no-any-return]


def learn(client: TestClient, number: int = 1) -> None:
    client.cookies.clear()
    let_in(client, f"learner-{number}", frozenset({Role.STUDENT}), student=f"s-canary-{number}")


def coach(client: TestClient) -> None:
    client.cookies.clear()
    let_in(client, "sanne", frozenset({Role.COACH}))


def send(client: TestClient, to: str, **fields: str) -> httpx.Response:
    token = re.search(r'name="token" value="([0-9a-f]+)"', client.get("/me").text)
    assert token is not None
    return client.post(to, data={"token": token.group(1), **fields}, headers=HTML)


def events_of(client: TestClient, number: int) -> list[str]:
    store = store_of(client)
    with store.session() as session:
        return [str(each.event) for each in events_about(session, store.keys.digest(STUDENT, f"s-canary-{number}"))]


def test_a_student_reads_what_was_seen_by_which_way_they_were_invited_and_who_looked(service: TestClient) -> None:
    coach(service)
    service.get("/students/e-canary-1")
    learn(service)
    assert service.get("/", follow_redirects=False).headers["location"] == "/me"
    page = service.get("/me").text
    for told in (
        "Je begeleider is Sanne Kanariecoach",
        "op de lijst van 2 november 2026",
        "gekozen door een model",
        "Minder vaak aanwezig",
    ):
        assert told in page
    looked = page[page.index('id="looked"') : page.index('id="held"')]
    assert "opende je pagina" in looked
    assert "sanne" not in looked.casefold()
    held = page[page.index('id="held"') :]
    for told in ("s-canary-1", "noor@example.org", "Wie je bent", "Lijsten waar je op stond", "begonnen op: 2026-09-01"):
        assert told in held
    assert events_of(service, 1)[-1] == "rights:data:read"
    service.cookies.set("language", "en")
    assert "What we know about you" in service.get("/me").text
    assert verify(store_of(service).engine, store_of(service).keys).faults == ()


def test_a_student_sees_and_changes_nothing_of_another(service: TestClient) -> None:
    learn(service, 2)
    page = service.get("/me").text
    assert "Els Gewoon" in page
    for other in ("Noor", "canary-1", "canary-3"):
        assert other not in page
    before = events_of(service, 1)
    assert send(service, "/me/reports", enrolment="e-canary-1", register="attendance", text=OWN).status_code == 422
    send(service, "/me/talk", enrolment="e-canary-1", what="talk")
    assert events_of(service, 1) == before
    for path in ("/students/e-canary-2", "/v1/invitations", "/teaching"):
        assert service.get(path).status_code == 403


def test_the_page_is_for_students_alone(service: TestClient) -> None:
    for role in set(Role) - {Role.STUDENT}:
        service.cookies.clear()
        let_in(service, "other", frozenset({role}), student="s-canary-1")
        assert service.get("/me").status_code == 403
        assert service.post("/me/objection", data={"action": "object"}).status_code == 403


def test_nobody_is_sent_to_log_in_and_a_login_without_a_number_is_told_so(service: TestClient) -> None:
    assert service.get("/me", follow_redirects=False).headers["location"] == "/login?to=%2Fme"
    let_in(service, "numberless", frozenset({Role.STUDENT}), student="")
    answer = service.get("/me")
    assert answer.status_code == 404
    assert "We weten niet wie je bent" in answer.text


def test_a_datum_that_a_student_calls_wrong_is_among_the_desks_reports_until_it_is_mended(service: TestClient) -> None:
    learn(service)
    answer = send(service, "/me/reports", register="attendance", text=OWN)
    assert "Je melding is bewaard" in answer.text
    assert "&lt;wel&gt;" in answer.text
    assert "Nog niet hersteld." in answer.text
    coach(service)
    page = service.get("/students/e-canary-1").text
    assert "&lt;wel&gt;" in page
    token, number = (re.search(rf'name="{name}" value="(\w+)"', page) for name in ("token", "report"))
    assert token is not None
    assert number is not None
    mended = {"token": token.group(1), "report": number.group(1), "outcome": "mended"}
    service.post("/students/e-canary-1/reports", data=mended)
    learn(service)
    page = service.get("/me").text
    assert "Nog niet hersteld." not in page
    assert "Hersteld." in page
    assert {"page:datum:reported", "page:report:ended"} <= set(events_of(service, 1))


def test_what_cannot_be_kept_is_shown_again_and_not_lost(service: TestClient) -> None:
    learn(service)
    before = events_of(service, 1).count("page:datum:reported")
    answer = send(service, "/me/reports", register="no such", text=OWN)
    assert answer.status_code == 422
    assert "Nog niet gemeld" in answer.text
    assert "&lt;wel&gt;" in answer.text
    answer = send(service, "/me/talk", what="talk", text="x" * 1001)
    assert answer.status_code == 422
    assert "x" * 1001 in answer.text
    assert "Nog niet gemeld" in send(service, "/me/reports", register="attendance", text="  ").text
    assert events_of(service, 1).count("page:datum:reported") == before
    for path in ("reports", "talk", "objection"):
        sent = {"token": "0" * 64, "register": "attendance", "text": OWN, "what": "talk", "action": "object"}
        assert service.post(f"/me/{path}", data=sent).status_code == 403


def test_a_talk_or_another_coach_that_a_student_asks_for_waits_at_the_desk_until_they_take_it_back(service: TestClient) -> None:
    learn(service, 3)  # on no list
    before = len(events_of(service, 3))
    assert "Je staat niet op de lijst" in service.get("/me").text
    assert "Je vraag is bewaard" in send(service, "/me/talk", what="talk", text="Ik twijfel.").text
    coach(service)
    page = service.get("/students/e-canary-3").text
    assert "Vroeg zelf om een gesprek." in page
    assert "Ik twijfel." in page
    learn(service, 3)
    page = send(service, "/me/talk", what="coach", text="Het klikt niet.").text
    assert "Ik wil graag een andere begeleider.\nHet klikt niet." in page
    assert "Ik twijfel." not in page[: page.index('id="held"')]
    coach(service)
    assert "Ik wil graag een andere begeleider." in service.get("/students/e-canary-3").text
    learn(service, 3)
    assert "Je vraag is ingetrokken" in send(service, "/me/talk", action="end").text
    coach(service)
    assert "Vroeg zelf om een gesprek." not in service.get("/students/e-canary-3").text
    assert [each for each in events_of(service, 3)[before:] if each.startswith("page:talk:")] == [
        "page:talk:asked",
        "page:talk:asked",
        "page:talk:taken-back",
    ]


def test_a_coachs_own_wish_for_a_talk_stays_when_the_student_takes_theirs_back(service: TestClient) -> None:
    coach(service)
    token = re.search(r'name="token" value="([0-9a-f]+)"', service.get("/students/e-canary-3").text)
    assert token is not None
    service.post("/students/e-canary-3/list", data={"token": token.group(1), "way": "coach", "text": "Zag iets."})
    learn(service, 3)
    send(service, "/me/talk", what="talk")
    send(service, "/me/talk", action="end")
    coach(service)
    page = service.get("/students/e-canary-3").text
    assert "Zag iets." in page
    assert "Vroeg zelf om een gesprek." not in page


def test_who_objects_leaves_the_models_list_keeps_what_they_asked_for_and_can_withdraw(place: Place, tmp_path: Path) -> None:
    with serving(place, tmp_path) as service:
        learn(service)
        send(service, "/me/talk", what="talk", text="Ik wil praten.")
        page = service.get("/me").text
        for stays in ("je kunt altijd om een gesprek vragen", "eerste toets", "Afspraken die al gemaakt zijn"):
            assert stays in page
        page = send(service, "/me/objection", action="object").text
        assert "Je bezwaar geldt vanaf nu." in page
        assert "Je staat niet op de lijst" in page
        assert "Ik wil praten." in page
        coach(service)
        page = service.get("/students/e-canary-1").text
        assert "Minder vaak aanwezig" not in page
        assert "Ik wil praten." in page
        learn(service)
        page = send(service, "/me/objection", action="withdraw").text
        assert "Je bezwaar is ingetrokken." in page
        assert "Ik maak bezwaar" in page
        assert "Er is niets veranderd." in send(service, "/me/objection", action="withdraw").text
        assert "rights:objection:made" in events_of(service, 1)
        assert "rights:objection:ended" in events_of(service, 1)


def test_who_was_erased_reads_that_and_who_looked_and_who_is_not_known_can_still_object(place: Place, tmp_path: Path) -> None:
    with serving(place, tmp_path) as service:
        store = store_of(service)
        with Session(store.engine) as session, session.begin():
            erase_student(session, store.keys, "s-canary-1", actor="officer", at=now())
        learn(service)
        page = service.get("/me").text
        assert "is al eerder gewist" in page
        assert "wiste wat over je geschreven stond" in page
        assert "Ik maak bezwaar" not in page
        assert "Noor" not in page[page.index("<h1>") :]
        learn(service, 99)
        assert "We hebben hier nu niets van je." in service.get("/me").text
        assert "Je bezwaar geldt vanaf nu." in send(service, "/me/objection", action="object").text


@pytest.mark.parametrize("language", ["nl", "en"])
def test_the_page_reads_as_plainly_as_a_letter_and_never_speaks_of_a_signal(language: str) -> None:
    texts = TEXTS[language]
    told = [text for name, text in texts.items() if name.startswith("me_") and isinstance(text, str) and text.endswith((".", "?"))]
    told += [text for name in ("me_way", "me_said") for text in texts[name].values()]
    found = plainness("\n\n".join(told), language)
    assert found.ease >= LEAST_EASE, found
    assert found.words_a_sentence <= MOST_WORDS_A_SENTENCE, found
    assert (found.hard, found.never) == ((), ())


def test_in_the_demo_one_can_look_as_a_student(place: Place) -> None:
    with TestClient(create_app(place.settings())) as client:
        assert 'value="demo-student"' in client.get("/login").text
        page = client.post("/login/demo", data={"who": "demo-student"}).text
    assert "<h1>Wat we van je weten</h1>" in page
    assert "Je bent uitgenodigd voor een gesprek" in page
