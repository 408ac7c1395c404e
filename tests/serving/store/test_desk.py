"""The coach's desk in the store, on both databases: nothing is lost, nothing is in clear, and all of it goes with the student."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from riskmodel.errors import RiskModelError
from serving.store.audit import Event, events_about, verify
from serving.store.backup import back_up, restore
from serving.store.caseload import students_of
from serving.store.desk import (
    ask_for_talk,
    earlier,
    end_report,
    mark,
    mark_of,
    open_reports,
    report_datum,
    reports_on,
    reseal_desk,
    take_back,
    wishes,
)
from serving.store.desk_tables import OF_A_PERSON, Note
from serving.store.follow_up import (
    About,
    Agreed,
    Writer,
    WrittenMeanwhile,
    contacts_with,
    draft_of,
    keep_draft,
    notes_on,
    save,
    standing,
)
from serving.store.people import ENROLMENT, find_person, rotate
from serving.store.retention import Periods, expired, remove_expired
from serving.store.rights import erase_student
from serving.store.schema import connect, migrate
from serving.store.weeks import Store, publish_week
from serving.telling import all_held
from serving.week import CoachedStudent
from tests.serving.store.lists import MONDAY, student, week

AT = dt.datetime(2026, 11, 3, 16, 30)
SANNE, BO = Writer("sanne", "Sanne Kanariecoach"), Writer("bo", "Bo Tweede")
SECRET = "Kanariegele woorden"
TALKED = Agreed(stage="talked", contact_on=MONDAY, reasons=("wrong_choice",), reason_note=SECRET)


def coached(number: int, coach: str = "c1") -> CoachedStudent:
    return CoachedStudent(
        enrolment_id=f"e-canary-{number}", student_id=f"s-canary-{number}", name=f"Noor Kanarie {number}", programme="Social Work",
        coach_id=coach, started_on=dt.date(2026, 9, 1),
    )  # fmt: skip


def filled(store: Store) -> About:
    """Put a list into the store, and give the student who is invited on it."""
    told = week(student(1)).model_copy(update={"caseload": (coached(1), coached(2), coached(3, "c2"))})
    publish_week(store, told, actor="test")
    return of(store, 1)


def of(store: Store, number: int) -> About:
    with Session(store.engine, expire_on_commit=False) as session:
        person = find_person(session, store.keys, f"s-canary-{number}")
        assert person is not None
        session.expunge(person)
        return About(person, store.keys.digest(ENROLMENT, f"e-canary-{number}"))


def saving(store: Store, about: About, agreed: Agreed, note: str = "", version: int = 0, by: Writer = SANNE) -> tuple[bool, bool]:
    return save(store, about, agreed, note, version=version, by=by, at=AT, today=MONDAY)


def all_written(store: Store) -> About:
    """Write something into every table of the desk."""
    about = filled(store)
    saving(store, about, replace(TALKED, next_step=SECRET, next_on=MONDAY), SECRET)
    keep_draft(store, about, {"note": SECRET}, by=BO, at=AT)
    mark(store, about, MONDAY, known="new", by=SANNE, at=AT)
    report_datum(store, about, "attendance", SECRET, by=SANNE, at=AT)
    ask_for_talk(store, about, "coach", SECRET, by=SANNE, at=AT)
    return about


def counts(store: Store) -> dict[str, int]:
    with store.session() as session:
        return {table.__tablename__: session.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in OF_A_PERSON}


def everything(store: Store) -> str:
    with store.engine.connect() as connection:
        tables = sa.inspect(store.engine).get_table_names()
        return "\n".join(str(row) for name in tables for row in connection.execute(sa.text(f'SELECT * FROM "{name}"')))


def test_what_is_written_is_read_back_and_stands_nowhere_in_clear(store: Store) -> None:
    about = all_written(store)
    with store.session() as session:
        stands = standing(session, store.keys, about.enrolment)
        assert (stands.version, stands.agreed.next_step, stands.by) == (1, SECRET, SANNE.name)
        assert [(note.by, note.text) for note in notes_on(session, store.keys, about)] == [(SANNE.name, SECRET)]
        assert [(each.on, each.what) for each in contacts_with(session, store.keys, about.enrolment)] == [(MONDAY, "talked")]
        assert draft_of(session, store.keys, about, BO.login) == ({"note": SECRET}, AT)
        assert draft_of(session, store.keys, about, SANNE.login) is None
        assert [report.text for report in reports_on(session, store.keys, about)] == [SECRET]
        assert [each.text for each in wishes(session, store.keys, [about.enrolment])[about.enrolment]] == [SECRET]
        assert mark_of(session, about.enrolment, MONDAY).known == "new"
        assert [row.coach_id for row in students_of(session, {"c1"})] == ["c1", "c1"]
    stored = everything(store)
    assert not [word for word in (SECRET, SANNE.name, BO.name, "Noor Kanarie", "s-canary") if word in stored]
    assert verify(store.engine, store.keys).faults == ()


def test_whoever_writes_second_is_told_what_the_first_wrote_and_nothing_is_written_over(store: Store) -> None:
    about = filled(store)
    assert saving(store, about, TALKED) == (True, False)
    with pytest.raises(WrittenMeanwhile) as told:
        saving(store, about, replace(TALKED, stage="reached"), "a note", by=BO)
    assert (told.value.theirs.agreed, told.value.theirs.by, told.value.theirs.version) == (TALKED, SANNE.name, 1)
    with store.session() as session:
        assert standing(session, store.keys, about.enrolment).agreed == TALKED
        assert notes_on(session, store.keys, about) == []
        assert [event.event for event in events_about(session, about.person.student)].count(Event.PAGE_FOLLOW_UP_SAVED) == 1
    assert saving(store, about, replace(TALKED, stage="reached"), "a note", version=1, by=BO) == (True, True)
    with store.session() as session:
        assert [each.what for each in contacts_with(session, store.keys, about.enrolment)] == ["talked", "reached"]


def test_the_same_text_saved_twice_is_saved_once_and_conflicts_with_nobody(store: Store) -> None:
    about = filled(store)
    assert saving(store, about, TALKED) == (True, False)
    assert saving(store, about, TALKED) == (False, False)
    assert saving(store, about, TALKED, "only a note", by=BO) == (False, True)
    with store.session() as session:
        assert standing(session, store.keys, about.enrolment).version == 1


def test_a_draft_is_gone_once_its_writer_saves_and_another_writers_stays(store: Store) -> None:
    about = filled(store)
    for writer in (SANNE, BO):
        keep_draft(store, about, {"note": writer.name}, by=writer, at=AT)
        keep_draft(store, about, {"note": writer.name}, by=writer, at=AT + dt.timedelta(minutes=1))
    saving(store, about, TALKED)
    with store.session() as session:
        assert draft_of(session, store.keys, about, SANNE.login) is None
        assert draft_of(session, store.keys, about, BO.login) is not None
        assert [event.event for event in events_about(session, about.person.student)].count(Event.PAGE_DRAFT_KEPT) == 2


def test_a_student_who_is_erased_stands_nowhere_at_the_desk_and_nothing_is_written_of_them_any_more(store: Store) -> None:
    about = all_written(store)
    with Session(store.engine) as session, session.begin():
        erase_student(session, store.keys, "s-canary-1", actor="officer", at=AT, heads=store.heads)
    assert counts(store) == dict.fromkeys(counts(store), 0) | {"own_students": 2}
    with pytest.raises(RiskModelError, match="erased"):
        saving(store, about, TALKED, "a note")
    again = week(student(1), on=MONDAY + dt.timedelta(days=7)).model_copy(update={"caseload": (coached(1), coached(2))})
    publish_week(store, again, actor="test")
    assert counts(store)["own_students"] == 1


def test_all_that_the_desk_holds_is_told_to_the_student_in_both_languages(store: Store) -> None:
    all_written(store)
    with store.session() as session:
        for language, titles in (
            ("nl", {"Wie je begeleider is", "Afspraken", "Stappen die gezet zijn", "Notities van je begeleider", "Concepten van je begeleider",
                    "Wat je begeleider van een uitnodiging zei", "Gegevens die niet kloppen", "Gesprekken waar om gevraagd is"}),
            ("en", {"Who your coach is", "What was agreed", "Steps that were taken", "Your coach's notes", "Your coach's drafts",
                    "What your coach said of an invitation", "Data that are wrong", "Talks that were asked for"}),
        ):  # fmt: skip
            held = {section.title: section for section in all_held(session, store.keys, "s-canary-1", language)}
            assert titles <= held.keys()
            assert sum(SECRET in str(section.rows) for section in held.values()) == 5
            words = str([section.rows for section in held.values()])
            assert not [word for word in ("wrong_choice", "page:") if word in words]


def test_what_is_past_its_time_goes_and_the_rest_is_read_with_a_fresh_key(store: Store) -> None:
    about = all_written(store)
    periods = Periods(talks=10, drafts=5)
    soon, later = AT + dt.timedelta(days=7), AT + dt.timedelta(days=12)
    assert remove_expired(store, periods, actor="operator", at=soon).drafts == 1
    assert (counts(store)["drafts"], counts(store)["notes"]) == (0, 1)
    fresh = store.keys.with_new()
    with Session(store.engine) as session, session.begin():
        rotate(session, fresh)
        old = session.scalars(sa.select(Note.sealed_text)).one()
        reseal_desk(session, fresh)
    with pytest.raises(RiskModelError, match="other keys"):
        fresh.newest_only().open(old)
    renewed = Store(store.engine, fresh.newest_only())
    with renewed.session() as session:
        assert [note.text for note in notes_on(session, renewed.keys, of(renewed, 1))] == [SECRET]
        assert expired(session, periods, later).talks == 6
    remove_expired(renewed, periods, actor="operator", at=later)
    assert counts(store) == dict.fromkeys(counts(store), 0) | {"own_students": 3}
    assert about.enrolment


def test_routing_is_told_who_is_in_a_talk_and_who_waits_for_one_until_they_talked(store: Store) -> None:
    about = filled(store)
    other = of(store, 2)
    ask_for_talk(store, about, "request", "", by=SANNE, at=AT)
    ask_for_talk(store, other, "coach", SECRET, by=SANNE, at=AT)
    ask_for_talk(store, other, "coach", "again", by=SANNE, at=AT + dt.timedelta(days=1))
    with store.session() as session:
        told = earlier(session)
    assert (told.in_talk, told.asked, told.listed) == (set(), {about.enrolment: AT.date()}, {other.enrolment: AT.date()})
    saving(store, about, TALKED)
    take_back(store, other, by=SANNE, at=AT)
    with store.session() as session:
        told = earlier(session)
    assert (told.in_talk, told.asked, told.listed) == ({about.enrolment}, {}, {})
    saving(store, about, replace(TALKED, stage="done"), version=1)
    with store.session() as session:
        assert earlier(session).in_talk == set()


def test_a_reported_datum_is_open_until_it_was_mended_once(store: Store) -> None:
    about = filled(store)
    report_datum(store, about, "attendance", "was there on Monday", by=SANNE, at=AT)
    with store.session() as session:
        [report] = reports_on(session, store.keys, about)
        assert open_reports(session, [about.enrolment]) == {about.enrolment: AT}
    assert not end_report(store, of(store, 2), report.id, "mended", by=BO, at=AT)
    assert end_report(store, about, report.id, "mended", by=BO, at=AT)
    assert not end_report(store, about, report.id, "right", by=BO, at=AT)
    with store.session() as session:
        assert [each.outcome for each in reports_on(session, store.keys, about)] == ["mended"]
        assert open_reports(session, [about.enrolment]) == {}


def test_the_desk_comes_back_from_a_backup(store: Store, tmp_path: Path) -> None:
    about = all_written(store)
    back_up(store.engine, tmp_path / "backup.zip", AT)
    other = Store(connect(f"sqlite:///{(tmp_path / 'other.db').as_posix()}"), store.keys)
    migrate(other.engine, other.keys)
    restore(other.engine, tmp_path / "backup.zip")
    assert counts(other) == counts(store)
    with other.session() as session:
        assert standing(session, other.keys, about.enrolment).agreed.next_step == SECRET
    saving(other, of(other, 1), replace(TALKED, stage="done"), "goes on", version=1)
    other.engine.dispose()
