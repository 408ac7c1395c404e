"""Letters, appointments and words in the store, on both databases: nothing is in clear, and all of it goes with the student and with time."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from serving.store.follow_up import About, Writer, standing
from serving.store.letter_tables import Appointment, Letter, Word
from serving.store.letters import (
    Invitation,
    Moment,
    Picked,
    Written,
    begin_sending,
    end_sending,
    keep_draft_letter,
    letter_behind,
    letters_to,
    link_token,
    new_number,
    pick,
)
from serving.store.people import ENROLMENT, find_person
from serving.store.retention import Periods, remove_expired
from serving.store.rights import erase_student
from serving.store.sealing import renew_own_keys
from serving.store.weeks import Store, publish_week
from serving.store.words import give_word, words_on
from tests.serving.store.lists import MONDAY, student, week

AT = dt.datetime(2026, 11, 2, 9)
SANNE = Writer("sanne", "Sanne Kanariecoach")
MOMENT = Moment(dt.datetime(2026, 11, 4, 13), 30)
WORDS = "Kanariegele brief"
TABLES = (Letter, Appointment, Word)


def about(store: Store, number: int) -> About:
    with store.session() as session:
        person = find_person(session, store.keys, f"s-canary-{number}")
        assert person is not None
        return About(person, store.keys.digest(ENROLMENT, f"e-canary-{number}"))


def sent(store: Store, number: int) -> Invitation:
    """Send a letter to one student, as far as the store is concerned."""
    written = Written("nl", "Uitnodiging", WORDS, "", (MOMENT,), "", "Hogeschool Voorbeeld", "Social Work")
    keep_draft_letter(store, about(store, number), new_number(), written, dt.datetime(2026, 11, 5), by=SANNE, at=AT)
    letter = newest(store, number)
    assert begin_sending(store, letter, by=SANNE, at=AT, today=MONDAY)
    assert not begin_sending(store, letter, by=SANNE, at=AT, today=MONDAY)
    end_sending(store, letter, "", by=SANNE, at=AT, today=MONDAY)
    return newest(store, number)


def newest(store: Store, number: int) -> Invitation:
    with store.session() as session:
        enrolment = store.keys.digest(ENROLMENT, f"e-canary-{number}")
        return letters_to(session, store.keys, [enrolment])[enrolment][0]


def filled(store: Store) -> tuple[Invitation, Invitation]:
    publish_week(store, week(student(1), student(2)), actor="test")
    first, second = sent(store, 1), sent(store, 2)
    told = {"at": AT, "present": AT, "today": MONDAY}
    assert pick(store, first, MOMENT, **told) is Picked.YES  # type: ignore[arg-type]
    assert pick(store, second, MOMENT, **told) is Picked.TAKEN  # type: ignore[arg-type]
    give_word(store, about(store, 1), "worry", WORDS, by=Writer("tess", "Tess"), at=AT)
    return first, second


def counts(store: Store) -> list[int]:
    with store.session() as session:
        return [session.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in TABLES]


def test_a_letter_leads_from_invited_to_reached_and_stands_in_clear_nowhere(store: Store) -> None:
    first, second = filled(store)
    with store.session() as session:
        assert [standing(session, store.keys, each.enrolment).agreed.stage for each in (first, second)] == ["reached", "invited"]
        for name in ("letters", "appointments", "words"):
            assert WORDS not in str(session.execute(sa.text(f"SELECT * FROM {name}")).all())


def test_all_of_it_goes_when_the_student_is_erased_and_the_link_opens_nothing(store: Store) -> None:
    first, second = filled(store)
    with Session(store.engine) as session, session.begin():
        erase_student(session, store.keys, "s-canary-1", actor="officer", at=AT)
    assert counts(store) == [1, 0, 0]
    with store.session() as session:
        assert letter_behind(session, store.keys, link_token(store.keys, first.number), AT) is None
        assert letter_behind(session, store.keys, link_token(store.keys, second.number), AT) is not None


def test_it_goes_once_its_time_is_past_and_not_before(store: Store) -> None:
    filled(store)
    periods = Periods(talks=100)
    remove_expired(store, periods, actor="test", at=AT + dt.timedelta(days=99))
    assert counts(store) == [2, 1, 1]
    remove_expired(store, periods, actor="test", at=AT + dt.timedelta(days=102))
    assert counts(store) == [0, 0, 0]


def test_it_is_read_after_a_student_was_given_another_key(store: Store) -> None:
    filled(store)
    with Session(store.engine) as session, session.begin():
        renew_own_keys(session, store.keys, [about(store, 1).person.id])
    assert newest(store, 1).written.body == WORDS
    with store.session() as session:
        assert [each.text for each in words_on(session, store.keys, about(store, 1))] == [WORDS]
