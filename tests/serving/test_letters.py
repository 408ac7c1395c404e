"""Invitations over HTTP, with a real mail server: read before they go, sent once, answered by a link that nobody else has."""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from icalendar import Calendar
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from serving.access.scopes import Role
from serving.app import create_app
from serving.letters.mail import Mail, compose, send
from serving.store.audit import events_about, verify
from serving.store.desk_tables import OF_A_PERSON, OwnStudent
from serving.store.letter_tables import Letter
from serving.store.letters import new_number
from serving.store.people import STUDENT
from serving.store.schema import connect, migrate
from serving.store.weeks import Store, now, publish_week
from serving.telling import all_held
from serving.week import CoachedStudent, PublishedWeek
from tests.serving.conftest import Place, let_in
from tests.serving.mailbox import Mailbox, free_port, mail_server
from tests.serving.store.lists import student, week

HTML = {"Accept": "text/html"}
NOOR, ELS, PAPER = "/students/e-canary-1", "/students/e-canary-2", "/students/e-canary-3"
TODAY = dt.date(2026, 11, 2)
FIRST, SECOND = "2026-11-04T14:00", "2026-11-05T10:30"


def listed() -> PublishedWeek:
    told = week(student(1, "Noor Kanarie"), student(2, "Els Gewoon"))
    caseload = tuple(
        CoachedStudent(
            enrolment_id=f"e-canary-{number}", student_id=f"s-canary-{number}", name=name, programme="Social Work", coach_id="c1",
            started_on=dt.date(2026, 9, 1), email=email, language=language,
        )
        for number, name, email, language in (
            (1, "Noor Kanarie", "noor@example.org", "nl"), (2, "Els Gewoon", "els@example.org", "en"), (3, "Finn Ander", "", ""),
        )
    )  # fmt: skip
    return told.model_copy(
        update={
            "caseload": caseload, "coaches": {"c1": "Sanne Kanariecoach"}, "coach_logins": {"sanne": "c1"},
            "coach_mails": {"c1": "sanne@example.org"},
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def box() -> Iterator[Mailbox]:
    with mail_server() as box:
        yield box


@pytest.fixture(scope="module")
def service(place: Place, tmp_path_factory: pytest.TempPathFactory, box: Mailbox) -> Iterator[TestClient]:
    url = f"sqlite:///{(tmp_path_factory.mktemp('letters') / 'letters.db').as_posix()}"
    store = Store(connect(url), place.keys)
    migrate(store.engine, store.keys)
    publish_week(store, listed(), actor="test")
    store.engine.dispose()
    mail = {"host": "127.0.0.1", "port": box.port, "security": "none", "sender": "uitnodiging@example.org", "seconds": 30}
    with TestClient(create_app(place.settings(store_url=url, mail=mail))) as client:
        yield client


@pytest.fixture
def desk(service: TestClient, box: Mailbox) -> TestClient:
    """Give the service with nothing sent yet, and a coach who is logged in."""
    with Session(store_of(service).engine) as session, session.begin():
        for table in OF_A_PERSON:
            if table is not OwnStudent:
                session.execute(delete(table))
    box.received.clear()
    box.refused.clear()
    box.answer = "250 OK"
    service.cookies.clear()
    service.app.state.today = lambda: TODAY  # type: ignore[attr-defined]
    let_in(service, "sanne", frozenset({Role.COACH}))
    return service


def store_of(client: TestClient) -> Store:
    return client.app.state.store  # type: ignore[attr-defined, no-any-return]


def act(client: TestClient, page: str, **fields: object) -> str:
    shown = client.get(f"{page}/letter").text
    token = re.search(r'name="token" value="([0-9a-f]+)"', shown)
    letter = re.findall(r'name="letter" value="(\d+)"', shown)[-1:]  # a draft stands below what went before
    assert token is not None
    told = {"token": token.group(1), **({"letter": letter[0]} if letter else {}), **fields}
    return client.post(f"{page}/letter", data=told, headers=HTML).text


def written(client: TestClient, page: str = NOOR, *moments: str, **fields: object) -> str:
    """Write a draft, and give its link's path."""
    language = {"language": "nl", "minutes": "30", "place": "C1.20"}
    shown = act(client, page, action="write", moments=list(moments or (FIRST, SECOND)), **{**language, **fields})
    found = re.search(r"http://testserver(/invitation/[\w.-]+)", shown)
    assert found is not None, shown
    return found.group(1)


def sent(client: TestClient, page: str = NOOR, *moments: str, **fields: object) -> str:
    link = written(client, page, *moments, **fields)
    act(client, page, action="send")
    return link


def test_a_letter_is_read_before_it_goes_and_then_goes_once(desk: TestClient, box: Mailbox) -> None:
    link = written(desk)
    page = desk.get(f"{NOOR}/letter").text
    assert "woensdag 4 november, 14:00 uur (C1.20)" in page
    assert "Verstuur naar noor@example.org" in page
    assert not box.received
    assert desk.get(link).status_code == 404  # nobody was given it yet
    assert "Brief nog versturen" in desk.get("/").text
    token, letter = (re.search(rf'name="{name}" value="(\w+)"', page) for name in ("token", "letter"))
    assert token is not None
    assert letter is not None
    told = {"token": token.group(1), "letter": letter.group(1), "action": "send"}
    for said in ("Verstuurd.", "er is niets dubbel gegaan"):
        assert said in desk.post(f"{NOOR}/letter", data=told, headers=HTML).text
    (mail,) = box.received
    assert (mail["To"], mail["Reply-To"]) == ("noor@example.org", "sanne@example.org")
    assert mail["Subject"] == "Uitnodiging voor een gesprek"
    body = mail.get_content()
    assert link in body
    assert "Beste Noor Kanarie," in body
    assert "signaal" not in body.casefold()
    assert "aanwezig" not in body  # why a coach sees this student is told to nobody by mail
    assert "uitgenodigd" in desk.get(NOOR).text


def test_a_student_picks_a_moment_by_the_link_alone_and_both_get_a_calendar_file(desk: TestClient, box: Mailbox) -> None:
    link = sent(desk)
    desk.cookies.clear()
    page = desk.get(link).text
    assert "Noor" not in page
    assert "signa" not in page.casefold()
    assert page.count('type="radio"') == 2
    assert "Kies eerst een moment." in desk.post(link, data={"action": "pick"}, headers=HTML).text
    picked = desk.post(link, data={"action": "pick", "moment": FIRST}, headers=HTML).text
    assert "Gelukt. Tot dan!" in picked
    assert "woensdag 4 november, 14:00 uur" in picked
    to_coach, to_student = sorted(box.received[1:], key=lambda mail: str(mail["To"]), reverse=True)
    assert (to_student["To"], to_coach["To"]) == ("noor@example.org", "sanne@example.org")
    for mail in (to_student, to_coach):
        (attached,) = mail.iter_attachments()
        (event,) = Calendar.from_ical(attached.get_content()).walk("VEVENT")
        # 14:00 in the Netherlands in November is 13:00 UTC.
        assert event["dtstart"].dt == dt.datetime(2026, 11, 4, 13, tzinfo=dt.UTC)
        assert event["dtend"].dt - event["dtstart"].dt == dt.timedelta(minutes=30)
        assert event["location"] == "C1.20"
    downloaded = desk.get(f"{link}/appointment.ics")
    assert downloaded.headers["content-type"].startswith("text/calendar")
    assert Calendar.from_ical(downloaded.content).walk("VEVENT")[0]["summary"] == "Gesprek met Iemand"
    let_in(desk, "sanne", frozenset({Role.COACH}))
    assert "Gesprek op woensdag 4 november, 14:00 uur" in desk.get("/").text
    assert "De student koos woensdag 4 november, 14:00 uur." in desk.get(f"{NOOR}/letter").text
    assert "Gesprek met Noor Kanarie" in desk.get(f"{NOOR}/appointment.ics").text


def test_of_two_who_pick_one_moment_at_once_one_wins_and_the_other_is_told(desk: TestClient, box: Mailbox) -> None:
    links = [sent(desk, NOOR), sent(desk, ELS, language="nl")]
    desk.cookies.clear()
    together, answers = threading.Barrier(2), {}

    def choose(link: str) -> None:
        together.wait(timeout=60)
        answers[link] = desk.post(link, data={"action": "pick", "moment": FIRST}, headers=HTML)

    threads = [threading.Thread(target=choose, args=(link,)) for link in links]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert sorted(each.status_code for each in answers.values()) == [200, 409]
    loser = next(each for each in answers.values() if each.status_code == 409).text
    assert "net door iemand anders gekozen" in loser
    assert loser.count('type="radio"') == 1
    assert verify(store_of(desk).engine, store_of(desk).keys).faults == ()


def test_a_moment_that_overlaps_one_that_was_picked_is_not_on_offer_any_more(desk: TestClient) -> None:
    first, other = sent(desk, NOOR, FIRST), sent(desk, ELS, "2026-11-04T14:15", SECOND)
    desk.post(first, data={"action": "pick", "moment": FIRST}, headers=HTML)
    assert desk.get(other).text.count('type="radio"') == 1
    assert desk.post(other, data={"action": "pick", "moment": "2026-11-04T14:15"}, headers=HTML).status_code == 409
    assert desk.post(other, data={"action": "pick", "moment": "2026-11-09T09:00"}, headers=HTML).status_code == 422


def test_declining_frees_the_moment_tells_the_coach_and_can_be_changed(desk: TestClient, box: Mailbox) -> None:
    link, other = sent(desk), sent(desk, ELS, FIRST)
    desk.post(link, data={"action": "pick", "moment": FIRST}, headers=HTML)
    assert "Deze momenten zijn niet meer vrij" in desk.get(other).text
    box.received.clear()
    assert "Dank je, we weten het nu." in desk.post(link, data={"action": "decline"}, headers=HTML).text
    (mail,) = box.received
    assert (mail["To"], mail["Subject"]) == ("sanne@example.org", "Gesprek gaat niet door")
    assert "METHOD:CANCEL" in next(mail.iter_attachments()).get_content()
    assert desk.get(other).text.count('type="radio"') == 1
    assert "De student wil nu geen gesprek" in desk.get(f"{NOOR}/letter").text
    assert "de student wil nu niet" in desk.get(NOOR).text
    assert "Gelukt" in desk.post(link, data={"action": "pick", "moment": SECOND}, headers=HTML).text


def test_a_link_that_is_guessed_changed_past_or_withdrawn_opens_nothing(desk: TestClient) -> None:
    link = sent(desk)
    with Session(store_of(desk).engine) as session:
        number = session.scalars(select(Letter.number)).one()
    for wrong in (
        f"/invitation/{number}",
        f"{link[:-9]}{'a' if link[-9] != 'a' else 'b'}{link[-8:]}",
        "/invitation/x",
        f"/invitation/{new_number()}",
    ):
        answer = desk.get(wrong)
        assert answer.status_code == 404
        assert "Deze link werkt niet meer" in answer.text
        assert desk.post(wrong, data={"action": "decline"}, headers=HTML).status_code == 404
    desk.app.state.today = lambda: dt.date(2026, 11, 6)  # type: ignore[attr-defined]
    assert desk.get(link).status_code == 404
    desk.app.state.today = lambda: dt.date(2026, 11, 5)  # type: ignore[attr-defined]
    assert desk.get(link).status_code == 200
    act(desk, NOOR, action="withdraw")
    assert desk.get(link).status_code == desk.get(f"{link}/appointment.ics").status_code == 404


def test_a_link_answered_from_another_site_does_nothing(desk: TestClient) -> None:
    link = sent(desk)
    answer = desk.post(link, data={"action": "pick", "moment": FIRST}, headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 403
    assert "Jouw gesprek" not in desk.get(link).text


def test_what_could_not_be_sent_stays_in_view_and_can_be_tried_again(desk: TestClient, box: Mailbox) -> None:
    box.refused.add("noor@example.org")
    written(desk)
    assert "Het e-mailadres wordt niet aangenomen." in act(desk, NOOR, action="send")
    assert "Brief niet verstuurd" in desk.get("/").text
    box.refused.clear()
    box.answer = "451 Come back later"
    assert "nam de brief niet aan" in act(desk, NOOR, action="send")
    box.answer = "250 OK"
    assert "Verstuurd." in act(desk, NOOR, action="send")
    assert len(box.received) == 1
    assert "Brief niet verstuurd" not in desk.get("/").text


def test_a_letter_whose_sending_broke_off_is_told_as_unsure_and_never_sent_by_itself(desk: TestClient, box: Mailbox) -> None:
    link = written(desk)
    with Session(store_of(desk).engine) as session, session.begin():
        session.execute(update(Letter).values(state="sending", state_at=now() - dt.timedelta(minutes=3)))
    assert "Kijk na of de brief is verstuurd" in desk.get("/").text
    assert "misschien verstuurd" in desk.get(f"{NOOR}/letter").text
    assert desk.get(link).status_code == 200  # whoever did get it can answer
    assert not box.received
    assert "Verstuurd." in act(desk, NOOR, action="send")
    assert len(box.received) == 1


def test_a_student_without_an_address_gets_a_letter_on_paper_with_the_same_link(desk: TestClient, box: Mailbox) -> None:
    link = written(desk, PAPER)
    page = desk.get(f"{PAPER}/letter").text
    assert "Er is geen e-mailadres bekend." in page
    assert "Verstuur naar" not in page
    assert "Genoteerd: op papier gegeven." in act(desk, PAPER, action="paper")
    assert not box.received
    assert desk.get(link).status_code == 200


def test_the_letter_and_its_page_are_in_the_students_language_unless_they_chose_another(desk: TestClient, box: Mailbox) -> None:
    link = sent(desk, ELS, language="en")
    assert "Dear Els Gewoon," in box.received[0].get_content()
    desk.cookies.clear()
    assert "An invitation to talk" in desk.get(link).text
    assert "Uitnodiging voor een gesprek" in desk.get(link, headers={"Cookie": "language=nl"}).text


@pytest.mark.parametrize(
    ("moments", "told"),
    [
        ([], "Geef ten minste één moment."),
        (["tomorrow"], "Een moment is geen datum met een tijd."),
        (["2026-10-25T02:30+01:00"], "Een moment is geen datum met een tijd."),
        (["2026-11-01T10:00"], "Een moment ligt in het verleden."),
        (["2027-11-01T10:00"], "Een moment ligt te ver weg"),
        ([FIRST, "2026-11-04T14:20"], "Twee momenten vallen over elkaar heen."),
    ],
)
def test_moments_that_can_not_be_are_told_and_what_was_filled_in_stays(desk: TestClient, moments: list[str], told: str) -> None:
    page = act(desk, NOOR, action="write", moments=moments, minutes="30", language="nl", place="Bij de balie")
    assert told in page
    assert 'value="Bij de balie"' in page
    assert "Zo ziet de brief eruit" not in page


def test_a_new_letter_ends_the_one_before_that_was_not_answered(desk: TestClient) -> None:
    old, new = sent(desk), sent(desk, NOOR, SECOND)
    assert desk.get(old).status_code == 404
    assert desk.get(new).status_code == 200


def test_who_opened_and_answered_is_recorded_and_all_of_it_is_told_to_the_student(desk: TestClient) -> None:
    link = sent(desk)
    desk.get(link)
    desk.post(link, data={"action": "pick", "moment": FIRST}, headers=HTML)
    store = store_of(desk)
    with store.session() as session:
        events = [str(each.event) for each in events_about(session, store.keys.digest(STUDENT, "s-canary-1"))]
        held = {section.title: section.rows for section in all_held(session, store.keys, "s-canary-1", "nl")}
    for event in ("page:letter:made", "page:letter:sent", "link:letter:opened", "link:moment:picked"):
        assert event in events
    assert "noor@example.org" in str(held["Wie je bent"])
    assert "Beste Noor Kanarie" in str(held["Brieven aan jou"])
    assert "2026-11-04 13:00" in str(held["Gesprekken die gepland zijn"])


def test_a_server_that_is_away_and_one_that_wants_more_than_it_gets_are_told_apart(box: Mailbox) -> None:
    told = {
        "to": "a@example.org",
        "name": 'Sanne "de\r\nCoach"',
        "reply_to": "",
        "subject": "x",
        "body": "y",
        "number": "n",
        "language": "nl",
    }
    away = Mail(host="127.0.0.1", port=free_port(), security="none", sender="u@example.org")
    message = compose(away, **told)  # type: ignore[arg-type]
    assert "\n" not in message["From"]
    assert send(away, message) == "away"
    # This one offers no TLS, and nothing is sent in the open to a server that was to have it.
    assert send(Mail(host="127.0.0.1", port=box.port, sender="u@example.org"), message) == "refused"
    with pytest.raises(ValueError, match="without TLS"):
        Mail(host="mail.example.org", security="none", sender="u@example.org")
    with pytest.raises(ValueError, match=r"linefeed|header"):
        compose(away, **{**told, "to": "a@example.org\r\nBcc: all@example.org"})  # type: ignore[arg-type]
