"""Scores are kept under a pseudonym with their reasons as they were, read back newest first, and never of who was erased."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from serving.store.audit import Event, events_about, verify
from serving.store.people import STUDENT, details_of, erase, find_person
from serving.store.scores import NewScore, Source, keep_scores, read_history
from serving.store.sealing import reasons_of
from serving.store.tables import Person, Score
from serving.store.weeks import Store, now, publish_week
from tests.serving.store.lists import CANARIES, MONDAY, student, week
from tests.serving.store.test_people import everything

WHEN = dt.datetime(2026, 11, 2, 9, 30)
REASONS = [
    {"key": "attendance_recent", "direction": "raises", "actionable": True, "contribution": 0.7, "label": {"nl": "l"}, "text": {"nl": "t"}}
]


def score(number: int, target: str = "leave", probability: float = 0.4) -> NewScore:
    return NewScore(
        f"s-canary-{number}", f"e-canary-{number}", MONDAY, 62, 56, target, probability, 0.3, 0.55, False, f"{target}-3", REASONS
    )


def keep(store: Store, *scores: NewScore, source: Source = Source.REQUEST, run_id: str | None = None) -> frozenset[str]:
    with Session(store.engine) as session, session.begin():
        return keep_scores(session, store.keys, scores, source=source, actor="student-system", at=WHEN, run_id=run_id)


def history(store: Store, number: int, most: int = 100, before: int | None = None) -> list[Score]:
    with store.session() as session:
        person = find_person(session, store.keys, f"s-canary-{number}")
        assert person is not None
        return list(read_history(session, person.id, most=most, before=before))


def reasons(store: Store, kept: Score) -> list[dict[str, Any]]:
    with store.session() as session:
        return reasons_of(kept, store.keys, session.get_one(Person, kept.person_id))


def test_a_score_comes_back_as_it_was_kept(store: Store) -> None:
    assert keep(store, score(1), score(1, "dropout", 0.2), score(2)) == frozenset()
    second, first = history(store, 1)
    assert (first.target, first.probability, first.low, first.high, first.unusual) == ("leave", 0.4, 0.3, 0.55, False)
    assert (first.at, first.on, first.day, first.landmark, first.model) == (WHEN, MONDAY, 62, 56, "leave-3")
    assert (reasons(store, first), first.source, first.run_id) == (REASONS, "request", None)
    assert (second.target, second.probability) == ("dropout", 0.2)


def test_history_is_read_page_by_page_newest_first(store: Store) -> None:
    for step in range(7):
        keep(store, score(1, probability=step / 10), score(2))
    seen: list[float] = []
    before = None
    while page := history(store, 1, most=3, before=before):
        seen += [each.probability for each in page]
        before = page[-1].id
    assert seen == [pytest.approx(step / 10) for step in range(6, -1, -1)]


def test_nothing_is_kept_of_a_student_who_was_erased(store: Store) -> None:
    keep(store, score(1))
    with Session(store.engine) as session, session.begin():
        person = find_person(session, store.keys, "s-canary-1")
        assert person is not None
        erase(person, now())
    assert keep(store, score(1), score(2)) == {"s-canary-1"}
    assert len(history(store, 1)) == 1
    with store.session() as session:
        assert len(events_about(session, store.keys.digest(STUDENT, "s-canary-1"))) == 1


def test_keeping_is_on_the_audit_trail_once_for_each_student(store: Store) -> None:
    keep(store, score(1), score(1, "dropout"), score(2))
    keep(store, score(1), source=Source.RUN, run_id="run-1")
    with store.session() as session:
        events = [event.event for event in events_about(session, store.keys.digest(STUDENT, "s-canary-1"))]
    assert events == [Event.API_SCORES_KEPT, Event.RUN_SCORES_KEPT]
    assert verify(store.engine, store.keys).faults == ()


def test_no_number_of_a_student_is_in_clear(store: Store) -> None:
    keep(store, score(1), run_id="run-1", source=Source.RUN)
    content = everything(store)
    assert "run-1" in content
    assert not [canary for canary in CANARIES if canary in content]


def test_a_name_that_a_list_told_stays_when_a_caller_knows_none(store: Store) -> None:
    publish_week(store, week(student(1)), actor="test")
    keep(store, score(1), score(2), replace(score(1), enrolment_id="e-canary-other"))
    with store.session() as session:
        for number, name in ((1, "Noor Kanarie 1"), (2, "s-canary-2")):
            person = find_person(session, store.keys, f"s-canary-{number}")
            assert person is not None
            details = details_of(person, store.keys)
            assert details is not None
            assert details.name == name


def test_a_published_list_keeps_the_scores_that_it_was_made_of(store: Store) -> None:
    listed = student(1).model_copy(update={"low": 0.3, "high": 0.5, "unusual": {"nl": ["leeftijd"]}})
    publish_week(store, week(listed, student(2)).model_copy(update={"models": {"leave": "leave-7"}}), actor="test")
    publish_week(store, week(student(1), on=MONDAY.replace(day=9)), actor="test")
    newer, older = history(store, 1)
    assert (newer.on, older.on) == (MONDAY.replace(day=9), MONDAY)
    assert (older.source, older.probability, older.low, older.high, older.unusual, older.model) == (
        "publish",
        0.4,
        0.3,
        0.5,
        True,
        "leave-7",
    )
    assert reasons(store, older)[0]["text"] == {"nl": "Minder vaak aanwezig dan eerst.", "en": "Less often present than before."}
    assert len(history(store, 2)) == 1


def test_writers_at_the_same_time_keep_all_and_make_nobody_twice(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(keep, store, *(score(each, probability=number / 10) for each in range(5))) for number in range(8)]
        for each in done:
            assert each.result(timeout=60) == frozenset()
    for number in range(5):
        assert sorted(each.probability for each in history(store, number)) == [pytest.approx(each / 10) for each in range(8)]
    with store.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM people")).scalar_one() == 5
    found = verify(store.engine, store.keys)
    assert (found.events, found.faults) == (40, ())


def test_a_transaction_that_is_taken_back_keeps_neither_score_nor_event(store: Store) -> None:
    with Session(store.engine) as session:
        session.begin()
        keep_scores(session, store.keys, [score(1)], source=Source.REQUEST, actor="a", at=WHEN)
        session.rollback()
    with store.engine.connect() as connection:
        for table in ("scores", "people", "audit"):
            assert connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
