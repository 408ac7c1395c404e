"""The coach's desk over HTTP: who sees whom, what is saved, what is kept where it can't be saved, and what stays untold."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from riskmodel.errors import ConfigurationFault
from serving.access.scopes import Role
from serving.app import create_app
from serving.desk_file import read_desk
from serving.pages.rendering import TEXTS
from serving.store.audit import events_about
from serving.store.desk_tables import OF_A_PERSON, FollowUp, OwnStudent
from serving.store.people import STUDENT
from serving.store.schema import connect, migrate
from serving.store.tables import LoginSession
from serving.store.weeks import Store, now, publish_week
from serving.week import CoachedStudent, PublishedWeek
from tests.serving.conftest import Place, let_in
from tests.serving.store.lists import student, week

HTML = {"Accept": "text/html"}
COACHES = {"c1": "Sanne Kanariecoach", "c2": "Bo Tweede"}
LOGINS = {"sanne": "c1", "bo": "c2"}
INVITED, OTHER, THEIRS = "/students/e-canary-1", "/students/e-canary-2", "/students/e-canary-3"


def listed() -> PublishedWeek:
    by_lot = student(4, "Cas Loting").model_copy(update={"way": "chance", "reasons": ()})
    ruled = student(5, "Dirk Regel").model_copy(update={"reasons": ()})
    told = week(student(1, "Noor Kanarie"), by_lot, ruled)
    caseload = tuple(
        CoachedStudent(
            enrolment_id=f"e-canary-{number}", student_id=f"s-canary-{number}", name=name, programme="Social Work", coach_id=coach,
            started_on=dt.date(2026, 9, 1),
        )
        for number, name, coach in ((1, "Noor Kanarie", "c1"), (2, "Els Gewoon", "c1"), (3, "Finn Ander", "c2"))
    )  # fmt: skip
    return told.model_copy(update={"caseload": caseload, "coaches": COACHES, "coach_logins": LOGINS})


@pytest.fixture(scope="module")
def service(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Give a service with a small list."""
    url = f"sqlite:///{(tmp_path_factory.mktemp('desk') / 'desk.db').as_posix()}"
    store = Store(connect(url), place.keys)
    migrate(store.engine, store.keys)
    publish_week(store, listed(), actor="test")
    store.engine.dispose()
    with TestClient(create_app(place.settings(store_url=url))) as client:
        yield client


@pytest.fixture
def desk(service: TestClient) -> TestClient:
    """Give that service with nothing done yet, and a coach who is logged in."""
    with Session(store_of(service).engine) as session, session.begin():
        for table in OF_A_PERSON:
            if table is not OwnStudent:
                session.execute(delete(table))
    service.cookies.clear()
    service.app.state.today = lambda: dt.date(2026, 11, 2)  # type: ignore[attr-defined]
    let_in(service, "sanne", frozenset({Role.COACH}))
    return service


def token(client: TestClient, page: str = INVITED) -> str:
    found = re.search(r'name="token" value="([0-9a-f]+)"', client.get(page).text)
    assert found is not None
    return found.group(1)


def send(client: TestClient, act: str, page: str = INVITED, follow: bool = True, **fields: object) -> tuple[int, str]:
    answer = client.post(f"{page}/{act}", data={"token": token(client, page), **fields}, headers=HTML, follow_redirects=follow)
    return answer.status_code, answer.text


def store_of(client: TestClient) -> Store:
    return client.app.state.store  # type: ignore[attr-defined, no-any-return]


def names(page: str) -> list[str]:
    return re.findall(r'class="name"[^>]*>([^<]+)<', page)


def test_all_own_students_are_listed_by_name_invited_or_not_and_nobody_elses(desk: TestClient) -> None:
    page = desk.get("/").text
    assert names(page) == ["Cas Loting", "Dirk Regel", "Els Gewoon", "Noor Kanarie"]
    assert names(desk.get("/?show=invited").text) == ["Cas Loting", "Dirk Regel", "Noor Kanarie"]
    assert page.count('class="tag"') == 3
    for word in ("%", "40", "rank"):
        assert word not in re.sub(r"<[^>]+>", "", page)


def test_a_search_finds_by_name_number_and_programme_and_says_what_to_do_where_it_finds_nobody(desk: TestClient) -> None:
    for asked, found in (("gewoon", ["Els Gewoon"]), ("s-canary-1", ["Noor Kanarie"]), ("social els", ["Els Gewoon"])):
        assert names(desk.get("/", params={"q": asked}).text) == found
    nobody = desk.get("/", params={"q": "<b>Finn"}).text
    assert names(nobody) == []
    assert "Niemand gevonden." in nobody
    assert "&lt;b&gt;Finn" in nobody


def test_another_coachs_student_is_not_there_for_any_act(desk: TestClient) -> None:
    mine = token(desk)
    assert desk.get(THEIRS).status_code == desk.get(f"{THEIRS}/talk").status_code == desk.get(f"{THEIRS}/way").status_code == 404
    for act in ("follow-up", "draft", "mark", "reports", "list"):
        answer = desk.post(f"{THEIRS}/{act}", data={"token": mine, "note": "x", "known": "new"}, headers=HTML)
        assert answer.status_code == 404, act


def test_a_form_without_the_token_of_our_own_page_does_nothing(desk: TestClient) -> None:
    for sent in ({}, {"token": "0" * 64}):
        assert desk.post(f"{INVITED}/follow-up", data={**sent, "note": "smuggled"}, follow_redirects=False).status_code == 403
    assert "smuggled" not in desk.get(INVITED).text


def test_a_talk_and_a_next_step_are_saved_and_wait_on_the_list_until_they_are_done(desk: TestClient) -> None:
    status, page = send(
        desk, "follow-up", stage="agreed", contact_on="2026-11-02", next_step="Ik bel Sem <3", next_on="2026-11-03", note="Wil verder.",
        reasons=["study_skills", "no such reason"], version="0",
    )  # fmt: skip
    assert status == 200
    assert "Opgeslagen." in page
    assert "Ik bel Sem &lt;3" in page
    assert "Wil verder." in page
    assert "Leren studeren op het hbo" in page.split("Alles wat er is")[0]
    row = desk.get("/?show=open").text
    assert names(row) == ["Noor Kanarie"]
    assert "Vervolgstap op 3 november" in row
    desk.app.state.today = lambda: dt.date(2026, 11, 4)  # type: ignore[attr-defined]
    assert "Vervolgstap was 3 november: vraag hoe het ging" in desk.get("/?show=waiting").text
    send(desk, "follow-up", stage="done", next_step="Ik bel Sem", version="1")
    assert names(desk.get("/?show=open").text) == []


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"stage": "not"}, "Kies waarom er geen gesprek was."),
        ({"stage": "agreed"}, "Schrijf de vervolgstap op"),
        ({"stage": "talked", "contact_on": "2999-01-01"}, "ligt in de toekomst"),
        ({"stage": "talked", "contact_on": "gisteren"}, "is geen datum"),
        ({"handed_to": "dean"}, "als de student ermee instemt"),
        ({"handed_to": "coach", "consent": "yes"}, "aan welke collega"),
    ],
)
def test_what_will_not_do_is_told_at_its_place_and_the_text_is_kept(desk: TestClient, fields: dict[str, str], told: str) -> None:
    status, page = send(desk, "follow-up", note="Lange tekst", version="0", **fields)
    assert status == 422
    assert told in page
    assert ">Lange tekst</textarea>" in page
    assert ">Lange tekst</textarea>" in desk.get(INVITED).text
    # Another language may be chosen on the page that tells it.
    other = re.search(r'href="(/language/en[^"]+)"', page)
    assert other is not None
    assert desk.get(other.group(1), headers=HTML).status_code == 200


def test_the_second_of_two_writers_sees_both_texts_and_saves_over_the_first_knowingly_alone(desk: TestClient) -> None:
    assert send(desk, "follow-up", stage="talked", next_step="Eerste tekst", version="0")[0] == 200
    let_in(desk, "vervanger", frozenset({Role.COORDINATOR}))
    status, page = send(desk, "follow-up", stage="reached", next_step="Tweede tekst", version="0")
    assert status == 409
    assert "Intussen heeft Iemand dit opgeslagen" in page
    assert "Eerste tekst" in page
    assert ">Tweede tekst</textarea>" in page
    assert send(desk, "follow-up", stage="reached", next_step="Tweede tekst", version="1")[0] == 200
    assert "Tweede tekst" in desk.get(INVITED).text


def test_what_is_sent_after_the_session_ended_is_kept_for_whoever_wrote_it_alone(desk: TestClient) -> None:
    mine = token(desk)
    with Session(store_of(desk).engine) as session, session.begin():
        session.execute(update(LoginSession).values(seen_at=now() - dt.timedelta(hours=2)))
    sent = {"token": mine, "note": "Halverwege", "version": "0"}
    answer = desk.post(f"{INVITED}/follow-up", data=sent, headers=HTML, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?to=%2Fstudents%2Fe-canary-1%3Fsaid%3Dkept_over%23follow-up"
    let_in(desk, "vervanger", frozenset({Role.COORDINATOR}))
    assert "Halverwege" not in desk.get(INVITED).text
    let_in(desk, "sanne", frozenset({Role.COACH}))
    page = desk.get(f"{INVITED}?said=kept_over").text
    assert ">Halverwege</textarea>" in page
    assert "Wat u schreef is bewaard als concept" in page
    assert "Concept nog opslaan" in desk.get("/").text
    desk.cookies.clear()
    nobody = desk.post(f"{INVITED}/follow-up", data=sent, headers=HTML, follow_redirects=False)
    assert nobody.status_code == 401
    assert ">Halverwege</textarea>" in nobody.text


def test_whoever_may_see_all_students_reads_no_notes_but_the_own_coach_does(desk: TestClient) -> None:
    send(desk, "follow-up", stage="talked", note="Vertrouwelijk", version="0")
    let_in(desk, "coordinator", frozenset({Role.COORDINATOR}))
    page = desk.get(INVITED).text
    assert "Vertrouwelijk" not in page
    assert "Notities leest alleen de eigen SLB" in page


def test_a_student_who_is_handed_over_with_consent_is_with_the_other_coach_too(desk: TestClient) -> None:
    send(desk, "follow-up", stage="talked", handed_to="coach", handed_coach="c2", consent="yes", note="Zie verslag", version="0")
    let_in(desk, "bo", frozenset({Role.COACH}))
    assert "Noor Kanarie" in names(desk.get("/").text)
    assert "Zie verslag" in desk.get(INVITED).text
    assert desk.get(OTHER).status_code == 404


def test_a_student_who_is_invited_anew_after_all_was_done_waits_again(desk: TestClient) -> None:
    about = send(desk, "follow-up", stage="not", not_why="not_needed", version="0")
    assert about[0] == 200
    assert names(desk.get("/?show=waiting").text) == ["Cas Loting", "Dirk Regel"]
    with Session(store_of(desk).engine) as session, session.begin():
        session.execute(update(FollowUp).values(changed_at=dt.datetime(2026, 10, 20)))
    assert "Opnieuw uitgenodigd" in desk.get("/?show=waiting").text


def test_a_coach_puts_a_student_on_the_list_and_takes_that_back(desk: TestClient) -> None:
    assert "Deze student is nu niet uitgenodigd." in desk.get(OTHER).text
    status, page = send(desk, "list", OTHER, way="request", text="Twijfelt")
    assert status == 200
    assert "Op de lijst gezet" in page
    assert "Twijfelt" in page
    assert "Vroeg zelf om een gesprek." in desk.get("/?show=open").text
    send(desk, "list", OTHER, action="end")
    assert names(desk.get("/?show=open").text) == []


def test_a_wrong_datum_is_followed_until_it_was_mended_and_is_another_act_than_an_invitation_that_does_not_fit(desk: TestClient) -> None:
    assert "Kies een gegeven" in send(desk, "reports", register="attendance", text="")[1]
    _, page = send(desk, "reports", register="attendance", text="Was er maandag wel")
    number = re.search(r'name="report" value="(\d+)"', page)
    assert number is not None
    assert "Gegeven gemeld op" in desk.get("/").text
    assert "Hersteld." in send(desk, "reports", report=number.group(1), outcome="mended")[1]
    assert "Gegeven gemeld op" not in desk.get("/").text
    assert "U gaf aan dat de uitnodiging nu niet past: we zijn al in gesprek." in send(desk, "mark", not_now="talking")[1]
    assert "U gaf aan" not in send(desk, "mark", action="fits")[1]
    assert 'value="new" aria-pressed="true"' in send(desk, "mark", known="new")[1]


def test_whom_chance_picked_looks_like_all_others_until_the_way_is_asked_for_and_that_is_recorded(desk: TestClient) -> None:
    strip = re.compile(r"e-canary-\d|s-canary-\d|Cas Loting|Dirk Regel")
    by_lot, by_model = (strip.sub("", desk.get(f"/students/e-canary-{number}").text) for number in (4, 5))
    assert "<h1></h1>" in by_lot
    assert by_lot == by_model
    assert "loting onder alle anderen" not in by_lot
    assert "Door loting onder alle anderen" in desk.get("/students/e-canary-4/way").text
    store = store_of(desk)
    with store.session() as session:
        events = [event.event for event in events_about(session, store.keys.digest(STUDENT, "s-canary-4"))]
    assert events.count("page:way:read") == 1


def test_the_guide_has_the_four_parts_with_the_reasons_beside_and_asks_for_no_explanation(desk: TestClient) -> None:
    page = desk.get(f"{INVITED}/talk").text
    parts = ["Terugblikken", "Reflecteren", "Vooruitkijken", "Activeren"]
    assert [page.index(part) for part in parts] == sorted(page.index(part) for part in parts)
    assert page.index("Minder vaak aanwezig") > page.index("Activeren")
    for language, word in (("nl", r"\bwaarom\b"), ("en", r"\bwhy\b")):
        texts = TEXTS[language]
        said = str([texts["talk_parts"], texts["manners"], [text for key, text in texts.items() if key.startswith("talk_")]])
        assert not re.search(word, said, re.IGNORECASE)
        questions = [part["ask"] for part in texts["talk_parts"]]
        assert len(questions) == 4
        assert len(questions[1]) == max(len(part) for part in questions)
        assert len(texts["manners"]) == 10


def test_no_text_is_missing_in_either_language_down_to_the_words_of_closed_lists() -> None:
    def keys(told: object, place: str = "") -> set[str]:
        if isinstance(told, dict):
            return {place} | {key for name, value in told.items() for key in keys(value, f"{place}.{name}")}
        if isinstance(told, list):
            return {place} | {key for number, value in enumerate(told) for key in keys(value, f"{place}.{number}")}
        return {place}

    assert keys(TEXTS["nl"]) == keys(TEXTS["en"])


def test_the_institutions_file_says_whom_to_ask_and_what_things_are_called_there(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "desk.toml"
    file.write_text(
        '[help.study_skills]\nwhom = "Fenna"\nwaiting = { nl = "geen", en = "none" }\n[help.dean]\noffered = false\n'
        '[help.chess]\ntitle = "Schaakclub"\nwhat = "Samen schaken"\ntold = ["circumstances"]\n[texts.nl]\ncoach = "Studiecoach"\n',
        encoding="utf-8",
    )
    desk = read_desk(file, TEXTS)
    fits, others = desk.help_for(["attendance_recent"], [], "nl")
    assert [(each.whom, each.waiting) for each in fits if each.key == "study_skills"] == [("Fenna", "geen")]
    assert "dean" not in {each.key for each in fits + others}
    assert [each.key for each in desk.help_for([], ["circumstances"], "nl")[0]] == ["peers", "chess"]
    assert (desk.texts["nl"]["coach"], desk.texts["en"]["coach"]) == ("Studiecoach", "Coach")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[help.study_skill]\nwhom = 'x'", "did you mean 'study_skills'"),
        ("[help.dean]\nwho = 'x'", "did you mean 'whom'"),
        ("[help.dean]\nwhom = { nl = 'x' }", "one for each of nl, en"),
        ("[help.dean]\ntold = ['sadness']", "no reason 'sadness'"),
        ("[registers]\ngrades = 'x'", "no such register"),
        ("[texts.nl]\ncoaches = 'x'", "did you mean 'coach'"),
        ("[texts.nl]\nlist_of = '{naam}'", "naam"),
        ("[texts.de]\ncoach = 'x'", "no such language"),
        ("[help", "no"),
    ],
)
def test_a_mistake_in_the_institutions_file_stops_the_service_and_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "desk.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationFault, match=told):
        read_desk(file, TEXTS)
