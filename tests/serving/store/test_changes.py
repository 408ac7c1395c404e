"""Whoever follows changes to invitations misses none: not of writers that commit late, not of a list that takes another's place, not of an erasure."""

from __future__ import annotations

import datetime as dt
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sqlalchemy.orm import Session

from serving.store.audit import hold
from serving.store.changes import take_numbers, withdraw
from serving.store.invitations import Change, changes_since, read_changes, where_changes_stand
from serving.store.people import STUDENT, erase, find_person
from serving.store.weeks import Store, now, publish_week
from tests.serving.store.lists import MONDAY, student, week


def read(store: Store, after: int = 0, most: int = 10_000) -> list[Change]:
    with store.session() as session:
        return list(read_changes(session, store.keys, after=after, through=where_changes_stand(session).last, most=most))


def state(changes: list[Change]) -> dict[str, tuple[bool, str | None]]:
    """What a follower knows who takes each change over what it knew before."""
    return {change.id: (change.invited is not None and change.details is not None, change.enrolment_id) for change in changes}


def test_invitations_come_in_the_order_in_which_they_were_written(store: Store) -> None:
    publish_week(store, week(student(2), student(1)), actor="test")
    publish_week(store, week(student(1), on=MONDAY - dt.timedelta(days=7)), actor="test")
    changes = read(store)
    assert [(change.enrolment_id, change.on) for change in changes] == [
        ("e-canary-2", MONDAY),
        ("e-canary-1", MONDAY),
        ("e-canary-1", MONDAY - dt.timedelta(days=7)),
    ]
    assert len({change.id for change in changes}) == 3
    assert changes[0].coach == "Sanne Kanariecoach"
    assert [each.number for each in read(store, after=changes[0].number)] == [changes[1].number, changes[2].number]
    assert [each.number for each in read(store, most=2)] == [changes[0].number, changes[1].number]


def test_a_list_that_takes_anothers_place_withdraws_who_is_not_on_it(store: Store) -> None:
    publish_week(store, week(student(1), student(2)), actor="test")
    before = read(store)
    publish_week(store, week(student(2), student(3)), actor="test")
    after = read(store, after=before[-1].number)
    assert {(change.enrolment_id, change.invited is not None) for change in after} == {
        ("e-canary-1", False),
        ("e-canary-2", True),
        ("e-canary-3", True),
    }
    assert state(before + after) == state(read(store))
    publish_week(store, week(student(1), student(2), student(3)), actor="test")
    assert state(before + after + read(store, after=after[-1].number)) == state(read(store))
    assert state(read(store))[before[0].id] == (True, "e-canary-1")


def test_an_erasure_is_told_without_telling_whose(store: Store) -> None:
    publish_week(store, week(student(1), student(2)), actor="test")
    before = read(store)
    with Session(store.engine) as session, session.begin():
        person = find_person(session, store.keys, "s-canary-1")
        assert person is not None
        erase(person, now())
    [change] = read(store, after=before[-1].number)
    assert (change.id, change.details, change.enrolment_id) == (before[0].id, None, None)


def test_a_moment_to_begin_with_leaves_out_nothing_that_was_written_since(store: Store) -> None:
    publish_week(store, week(student(1)), actor="test")
    time.sleep(0.01)
    moment = now()
    publish_week(store, week(student(2), on=MONDAY.replace(day=9)), actor="test")
    with store.session() as session:
        here = where_changes_stand(session)
        after = changes_since(session, moment, here)
        assert changes_since(session, now() + dt.timedelta(hours=1), here) == here.last
    assert [change.enrolment_id for change in read(store, after=after)] == ["e-canary-2"]


def test_a_reader_waits_for_a_writer_that_took_its_numbers_first_and_commits_last(store: Store) -> None:
    publish_week(store, week(student(1)), actor="test")
    [known] = read(store)
    with store.session() as session:
        person = find_person(session, store.keys, "s-canary-1")
        assert person is not None
        theirs = (person.id, store.keys.digest("enrolment", "e-canary-1"), MONDAY)
    with ThreadPoolExecutor(1) as pool, Session(store.engine) as slow:
        slow.begin()
        hold(slow)
        withdraw(slow, [theirs], now())
        slow.flush()
        fast = pool.submit(publish_week, store, week(student(2), on=MONDAY.replace(day=9)), actor="test")
        time.sleep(0.3)
        # The other one can't have overtaken: had it, a reader would go on after its number and never see the slow one's.
        assert not fast.done()
        assert read(store, after=known.number) == []
        slow.commit()
        fast.result(timeout=10)
    found = read(store, after=known.number)
    assert [change.enrolment_id for change in found] == ["e-canary-1", "e-canary-2"]
    assert [change.number for change in found] == [known.number + 1, known.number + 2]


def test_a_transaction_that_is_taken_back_leaves_no_gap(store: Store) -> None:
    with Session(store.engine) as session:
        session.begin()
        assert take_numbers(session, 5) == 1
        session.rollback()
    publish_week(store, week(student(1)), actor="test")
    assert [change.number for change in read(store)] == [1]


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_a_follower_knows_in_the_end_what_there_is_whoever_wrote_meanwhile(store: Store, seed: int) -> None:
    """Four writers publish, replace and erase at their own pace, while two followers read small pages."""
    writing = threading.Event()
    writing.set()

    def write(number: int) -> None:
        draw = np.random.default_rng([seed, number])
        for _ in range(6):
            chosen = draw.choice(12, size=int(draw.integers(1, 6)), replace=False)
            day = MONDAY + dt.timedelta(days=7 * int(draw.integers(3)))
            publish_week(store, week(*(student(int(each)) for each in chosen), on=day), actor=f"writer-{number}")
            time.sleep(float(draw.uniform(0, 0.01)))
        if number == 0:
            with Session(store.engine) as session, session.begin():
                hold(session)
                person = find_person(session, store.keys, f"s-canary-{int(chosen[0])}")
                assert person is not None
                erase(person, now())

    def follow(most: int) -> dict[str, tuple[bool, str | None]]:
        known: dict[str, tuple[bool, str | None]] = {}
        after = 0
        while True:
            last_round = not writing.is_set()
            page = read(store, after=after, most=most)
            known |= state(page)
            after = page[-1].number if page else after
            if last_round and not page:
                return known

    with ThreadPoolExecutor(6) as pool:
        followers = [pool.submit(follow, most) for most in (1, 7)]
        writers = [pool.submit(write, number) for number in range(4)]
        for writer in writers:
            writer.result(timeout=120)
        writing.clear()
        known = [follower.result(timeout=120) for follower in followers]
    there = state(read(store))
    assert any(invited for invited, _ in there.values())
    assert not all(invited for invited, _ in there.values())
    for each in known:
        assert {identity for identity, (invited, _) in each.items() if invited} == {
            identity for identity, (invited, _) in there.items() if invited
        }
        assert each.keys() >= there.keys()


def test_the_number_of_a_student_is_kept_out_of_what_tells_of_an_erasure(store: Store) -> None:
    publish_week(store, week(student(1)), actor="test")
    [change] = read(store)
    assert change.id not in (store.keys.digest(STUDENT, "s-canary-1"), store.keys.digest("enrolment", "e-canary-1")[:32])
