"""What is past its time is gone, and can be read in no row, page or log of the database any more."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy.orm import Session

from riskmodel.errors import RiskModelError
from serving.access.scopes import Role
from serving.access.sessions import Person as Visitor
from serving.access.sessions import begin
from serving.store.people import ENROLMENT, STUDENT, find_person
from serving.store.retention import Expired, Periods, expired, remove_expired
from serving.store.rights import Why, barred_students, erase_student, object_to_scores
from serving.store.scores import read_history
from serving.store.sealing import own_key, reasons_of, unseal
from serving.store.tables import Person, Run, RunStudent, Score, Student, Week
from serving.store.traces import rewrite
from serving.store.weeks import Store, invited_students, latest_week, publish_week
from serving.telling import all_held
from tests.serving.store.lists import MONDAY, student, week

OLD, NEW = MONDAY - dt.timedelta(days=800), MONDAY
PERIODS = Periods(scores=730, lists=730, people=730, sessions=90, audit=1095)
AT = dt.datetime(2026, 11, 10, 9)
CANARY = "Kanariegele tekst"


def filled(store: Store) -> None:
    """Put an old list and a new one into the store; one student is on both."""
    text = {"nl": CANARY, "en": CANARY}
    reason = student(1).reasons[0].model_copy(update={"text": text})
    old = (student(1).model_copy(update={"reasons": (reason,)}), student(2).model_copy(update={"reasons": (reason,)}))
    publish_week(store, week(*old, on=OLD), actor="test")
    with Session(store.engine) as session, session.begin():
        session.execute(sa.text("UPDATE scores SET at = :at"), {"at": dt.datetime.combine(OLD, dt.time())})
        begin(session, store.keys, Visitor("old-login", "Oude Kanarie", frozenset({Role.COACH})), AT - dt.timedelta(days=100))
    publish_week(store, week(student(1), student(3), on=NEW), actor="test")


def ran(store: Store, number: int, ended: dt.datetime | None) -> None:
    """Put a run into the store that holds one student."""
    with Session(store.engine) as session, session.begin():
        told = session.scalars(sa.select(Student).where(Student.enrolment == store.keys.digest(ENROLMENT, f"e-canary-{number}"))).first()
        assert told is not None
        run = Run(
            id=f"run-{number}", caller="c", sealed_actor=store.keys.seal("c"), body="b", on=OLD, state="done", step="done", done=1, left_out=0,
            beat=0, attempts=1, made_at=ended or AT, ended_at=ended,
        )  # fmt: skip
        session.add(run)
        session.flush()
        session.add(
            RunStudent(
                run_seq=run.seq, place=0, person_id=told.person_id, enrolment=told.enrolment, cohort="2026", programme="P", unusual={}, not_scored="left"
            )
        )  # fmt: skip


def test_a_run_goes_with_its_students_once_it_ended_long_ago(store: Store) -> None:
    filled(store)
    ran(store, 1, dt.datetime.combine(OLD, dt.time()))
    ran(store, 3, AT)
    assert removing(store).runs == 1
    with store.session() as session:
        assert session.scalars(sa.select(Run.id)).all() == ["run-3"]
        assert len(session.scalars(sa.select(RunStudent.run_seq)).all()) == 1


def test_a_student_who_is_erased_stands_in_no_run(store: Store) -> None:
    filled(store)
    ran(store, 3, AT)
    with store.session() as session:
        (section,) = [each for each in all_held(session, store.keys, "s-canary-3", "en") if each.title == "Runs over whole cohorts"]
    assert section.rows[0]["intake"] == "2026"
    with Session(store.engine) as session, session.begin():
        erase_student(session, store.keys, "s-canary-3", actor="officer", at=AT, why="asked")
    with store.session() as session:
        assert not session.scalars(sa.select(RunStudent.run_seq)).all()


def removing(store: Store) -> Expired:
    return remove_expired(store, PERIODS, actor="operator", at=AT)


def test_each_kind_goes_by_its_own_period_and_what_is_within_it_stays(store: Store) -> None:
    filled(store)
    with store.session() as session:
        counted = expired(session, PERIODS, AT)
    assert (counted.scores, counted.lists, counted.places, counted.people, counted.sessions) == (2, 1, 2, 1, 1)
    assert removing(store) == counted
    with store.session() as session:
        assert session.scalars(sa.select(Week.on)).all() == [NEW]
        newest = latest_week(session)
        assert newest is not None
        assert [each.name for each in invited_students(session, store.keys, newest, None)] == ["Noor Kanarie 1", "Noor Kanarie 3"]
        assert find_person(session, store.keys, "s-canary-2") is None
        left = expired(session, PERIODS, AT)
    assert left == Expired(0, 0, 0, 0, 0, 0, 0)
    assert removing(store) == left


def test_a_longer_period_of_one_kind_keeps_that_kind_alone(store: Store) -> None:
    filled(store)
    with store.session() as session:
        longer = expired(session, PERIODS.model_copy(update={"scores": 900}), AT)
        named = expired(session, PERIODS.model_copy(update={"people": 900}), AT)
    assert (longer.scores, longer.lists, longer.people) == (0, 1, 0)
    assert (named.scores, named.lists, named.people) == (2, 1, 0)


def test_an_objection_outlives_the_name_of_who_made_it(store: Store) -> None:
    filled(store)
    with Session(store.engine) as session, session.begin():
        object_to_scores(session, store.keys, "s-canary-2", actor="officer", at=AT - dt.timedelta(days=760))
    assert removing(store).people == 1
    with store.session() as session:
        assert barred_students(session, store.keys, ["s-canary-2"]) == {"s-canary-2": Why.OBJECTED}
        person = find_person(session, store.keys, "s-canary-2")
        assert person is not None
        assert person.sealed_details is None
    publish_week(store, week(student(2), student(3), on=NEW + dt.timedelta(days=7)), actor="test")
    with store.session() as session:
        newest = latest_week(session)
        assert newest is not None
        assert [each.name for each in invited_students(session, store.keys, newest, None)] == ["Noor Kanarie 3"]


def bytes_of(store: Store) -> bytes:
    """Give every byte of the database's own files: tables, free pages and log."""
    if store.engine.dialect.name == "sqlite":
        place = Path(str(store.engine.url.database))
        return b"".join(file.read_bytes() for file in sorted(place.parent.glob(f"{place.name}*")))
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("CHECKPOINT"))
        place = Path(connection.execute(sa.text("SHOW data_directory")).scalar_one())
        own = connection.execute(sa.text("SELECT oid FROM pg_database WHERE datname = current_database()")).scalar_one()
    return b"".join(file.read_bytes() for file in sorted((place / "base" / str(own)).iterdir()))


def test_no_page_holds_what_is_past_its_time_and_the_key_to_older_copies_is_destroyed(store: Store) -> None:
    filled(store)
    with store.session() as session:
        person = find_person(session, store.keys, "s-canary-2")
        assert person is not None
        identity, sealed_key = person.id, str(person.sealed_key)
        digest = store.keys.digest(STUDENT, "s-canary-2")
    assert CANARY.encode() not in bytes_of(store)
    assert sealed_key.encode() in bytes_of(store)
    removing(store)
    rewrite(store.engine)
    left = bytes_of(store)
    for canary in (CANARY, identity, sealed_key):
        assert canary.encode() not in left
    assert b"Noor Kanarie" not in left
    with store.session() as session:
        assert session.scalars(sa.select(Person).where(Person.student == digest)).first() is None
    fresh = store.keys.with_new().newest_only()
    with pytest.raises(InvalidToken):
        Fernet(fresh.encryption[0]).decrypt(sealed_key)


def test_what_went_of_a_student_who_stays_is_noise_in_older_copies_too(store: Store) -> None:
    filled(store)
    with store.session() as session:
        person = find_person(session, store.keys, "s-canary-1")
        assert person is not None
        went = str(session.scalar(sa.select(Score.sealed_reasons).where(Score.person_id == person.id).order_by(Score.id).limit(1)))
        before = own_key(str(person.sealed_key), store.keys)
    assert unseal(before, went)[0]["text"]["nl"] == CANARY
    removing(store)
    with store.session() as session:
        person = find_person(session, store.keys, "s-canary-1")
        assert person is not None
        after = own_key(str(person.sealed_key), store.keys)
        with pytest.raises(RiskModelError, match="can't be read"):
            unseal(after, went)
        (kept,) = read_history(session, person.id, most=10)
        assert reasons_of(kept, store.keys)[0]["key"]
        newest = latest_week(session)
        assert newest is not None
        assert all(each.shown["reasons"] for each in invited_students(session, store.keys, newest, None))
