"""Objections and erasures in the store, on both databases: what they take away, what stays, and that nothing brings back who was erased."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from riskmodel.errors import RiskModelError
from riskmodel.objections import digest_of
from serving.store.audit import Event, events_about, verify
from serving.store.backup import back_up, restore
from serving.store.invitations import read_changes, where_changes_stand
from serving.store.people import STUDENT, find_person
from serving.store.rights import (
    Erased,
    Objected,
    Why,
    apply_notes,
    barred_students,
    count_in_force,
    erase_student,
    list_key,
    lists_in_force,
    notes_beside,
    object_to_scores,
    read_notes,
    require_applied,
    withdraw_objection,
)
from serving.store.schema import connect, migrate
from serving.store.sealing import shown_of
from serving.store.tables import Score, Student
from serving.store.weeks import Store, invited_students, latest_week, publish_week
from serving.telling import all_held
from tests.serving.store.lists import MONDAY, student, week

NOW = dt.datetime(2026, 11, 3, 9)


def objecting(store: Store, number: str) -> Objected:
    with Session(store.engine) as session, session.begin():
        return object_to_scores(session, store.keys, number, actor="officer", at=NOW, heads=store.heads)


def erasing(store: Store, number: str) -> Erased:
    with Session(store.engine) as session, session.begin():
        return erase_student(session, store.keys, number, actor="officer", at=NOW, heads=store.heads)


def names(store: Store) -> list[str]:
    with store.session() as session:
        newest = latest_week(session)
        assert newest is not None
        return [each.name for each in invited_students(session, store.keys, newest, None)]


def everything(store: Store) -> str:
    """Give every value of every row as one text."""
    with store.engine.connect() as connection:
        tables = sa.inspect(store.engine).get_table_names()
        return "\n".join(str(row) for name in tables for row in connection.execute(sa.text(f'SELECT * FROM "{name}"')))


def test_who_objects_leaves_the_list_that_a_model_put_them_on_and_keeps_what_a_rule_gave_without_a_score(store: Store) -> None:
    ruled = student(2).model_copy(update={"way": "rule"})
    publish_week(store, week(student(1), ruled, student(3)), actor="test")
    assert objecting(store, "s-canary-1") == Objected(True, NOW, 1)
    assert objecting(store, "s-canary-2") == Objected(True, NOW, 0)
    assert names(store) == ["Noor Kanarie 2", "Noor Kanarie 3"]
    with store.session() as session:
        rows = {row.way: row for row in session.scalars(sa.select(Student))}
        assert (rows["rule"].probability, shown_of(rows["rule"], store.keys)["reasons"]) == (None, [])
        here = where_changes_stand(session)
        last = read_changes(session, store.keys, after=0, through=here.last, most=10)[-1]
        assert (last.invited, last.enrolment_id) == (None, "e-canary-1")
    publish_week(store, week(student(1), ruled, student(3), on=MONDAY + dt.timedelta(days=7)), actor="test")
    assert names(store) == ["Noor Kanarie 3"]


def test_an_objection_holds_once_and_ends_when_it_is_withdrawn(store: Store) -> None:
    publish_week(store, week(student(1)), actor="test")
    objecting(store, "s-canary-1")
    later = NOW + dt.timedelta(days=1)
    with Session(store.engine) as session, session.begin():
        again = object_to_scores(session, store.keys, "s-canary-1", actor="officer", at=later)
        assert again.since == NOW
        assert barred_students(session, store.keys, ["s-canary-1", "s-2"]) == {"s-canary-1": Why.OBJECTED}
        assert count_in_force(session) == {Why.OBJECTED: 1, Why.ERASED: 0}
    with Session(store.engine) as session, session.begin():
        assert withdraw_objection(session, store.keys, "s-canary-1", actor="officer", at=later, heads=store.heads)
    with Session(store.engine) as session, session.begin():
        assert not withdraw_objection(session, store.keys, "s-canary-1", actor="officer", at=later, heads=store.heads)
        assert barred_students(session, store.keys, ["s-canary-1"]) == {}
    publish_week(store, week(student(1), on=MONDAY + dt.timedelta(days=7)), actor="test")
    assert names(store) == ["Noor Kanarie 1"]
    assert [note.what for note in read_notes(store.heads).values()] == ["withdrawn"]


def test_an_erased_student_is_in_no_row_and_the_next_export_does_not_bring_them_back(store: Store) -> None:
    publish_week(store, week(student(1, "Wisser Kanarie"), student(2)), actor="test")
    done = erasing(store, "s-canary-1")
    assert (done.scores, done.lists, done.details) == (1, 1, True)
    publish_week(store, week(student(1, "Wisser Kanarie"), student(2), on=MONDAY + dt.timedelta(days=7)), actor="test")
    assert names(store) == ["Noor Kanarie 2"]
    again = erasing(store, "s-canary-1")
    assert (again.at, again.scores, again.lists, again.details) == (NOW, 0, 0, False)
    with store.session() as session:
        person = find_person(session, store.keys, "s-canary-1")
        assert person is not None
        assert session.scalars(sa.select(Score).where(Score.person_id == person.id)).all() == []
        assert [section.title for section in all_held(session, store.keys, "s-canary-1", "en")] == ["Who saw or did what"]
    for canary in ("Wisser", "s-canary-1", "e-canary-1"):
        assert canary not in everything(store)
    assert verify(store.engine, store.keys, store.heads).faults == ()


def test_who_is_not_known_yet_can_object_and_be_erased_before_any_export_holds_them(store: Store) -> None:
    assert objecting(store, "s-canary-1") == Objected(False, NOW, 0)
    assert erasing(store, "s-canary-2").details is False
    publish_week(store, week(student(1), student(2), student(3)), actor="test")
    assert names(store) == ["Noor Kanarie 3"]


def test_the_list_for_data_folders_holds_both_kinds_under_a_key_that_is_not_the_stores(store: Store) -> None:
    publish_week(store, week(student(1), student(2)), actor="test")
    objecting(store, "s-canary-1")
    erasing(store, "s-canary-2")
    with store.session() as session:
        found = lists_in_force(session, store.keys)
        assert found.objected == {digest_of(list_key(store.keys), "s-canary-1")}
        assert found.erased == {digest_of(list_key(store.keys), "s-canary-2")}
        assert found.key != store.keys.pseudonym
        assert store.keys.digest(STUDENT, "s-canary-1") not in found.objected


def test_after_a_restore_of_an_older_backup_who_was_erased_is_erased_and_who_objected_is_not_scored(store: Store, tmp_path: Path) -> None:
    publish_week(store, week(student(1, "Wisser Kanarie"), student(2), student(3)), actor="test")
    back_up(store.engine, tmp_path / "backup.zip", NOW)
    erasing(store, "s-canary-1")
    objecting(store, "s-canary-2")
    erasing(store, "s-canary-4")
    other = Store(connect(f"sqlite:///{(tmp_path / 'other.db').as_posix()}"), store.keys, store.heads)
    migrate(other.engine, other.keys)
    restore(other.engine, tmp_path / "backup.zip")
    assert "Wisser Kanarie" in names(other)
    with other.session() as session, pytest.raises(RiskModelError, match="riskmodel rights apply"):
        require_applied(session, other.heads)
    with Session(other.engine) as session, session.begin():
        assert apply_notes(session, other.keys, actor="operator", at=NOW, heads=other.heads) == 3
    assert names(other) == ["Noor Kanarie 3"]
    with other.session() as session:
        require_applied(session, other.heads)
    assert "Wisser" not in everything(other)
    publish_week(other, week(*(student(number) for number in range(1, 5)), on=MONDAY + dt.timedelta(days=7)), actor="test")
    assert names(other) == ["Noor Kanarie 3"]
    with Session(other.engine) as session, session.begin():
        assert apply_notes(session, other.keys, actor="operator", at=NOW, heads=other.heads) == 0
    other.engine.dispose()


def test_a_note_cut_short_at_the_end_is_passed_over_and_one_that_is_damaged_elsewhere_is_told(store: Store) -> None:
    objecting(store, "s-canary-1")
    notes = notes_beside(store.heads)
    assert notes is not None
    with notes.open("a", encoding="utf-8") as file:
        file.write('{"student": "ab')
    assert [note.what for note in read_notes(store.heads).values()] == ["objected"]
    with notes.open("a", encoding="utf-8") as file:
        file.write("\n{}\n")
    with pytest.raises(RiskModelError, match="line 2"):
        read_notes(store.heads)


def test_all_that_is_held_is_told_in_words_of_the_students_language(store: Store) -> None:
    publish_week(store, week(student(1)), actor="test")
    objecting(store, "s-canary-1")
    with store.session() as session:
        told = {language: all_held(session, store.keys, "s-canary-1", language) for language in ("nl", "en")}
        nothing = all_held(session, store.keys, "s-nobody", "nl")
    assert nothing == []
    assert [section.title for section in told["nl"]] == ["Wie je bent", "Cijfers van een model", "Bezwaren", "Wie wat zag of deed"]
    assert told["en"][0].rows == [{"student number": "s-canary-1", "name": "Noor Kanarie 1", "enrolments": "e-canary-1"}]
    assert told["nl"][1].rows[0]["cijfer"] == "40,0 %"
    assert told["en"][1].rows[0]["what stood out"] == "Less often present than before."
    assert [row["what"] for row in told["en"][3].rows] == ["published a list on which you stand", "noted your objection"]


def test_every_step_is_in_the_audit_trail(store: Store) -> None:
    objecting(store, "s-canary-1")
    with Session(store.engine) as session, session.begin():
        withdraw_objection(session, store.keys, "s-canary-1", actor="officer", at=NOW, heads=store.heads)
    erasing(store, "s-canary-1")
    with store.session() as session:
        found = [event.event for event in events_about(session, store.keys.digest(STUDENT, "s-canary-1"))]
    assert found == [Event.RIGHTS_OBJECTION_MADE, Event.RIGHTS_OBJECTION_ENDED, Event.OPERATOR_STUDENT_ERASED]


def test_the_schema_of_rights_goes_down_and_up_with_people_in_it(store: Store) -> None:
    publish_week(store, week(student(1), student(2), student(3)), actor="test")
    objecting(store, "s-canary-1")
    erasing(store, "s-canary-2")
    migrate(store.engine, store.keys, "0004")
    migrate(store.engine, store.keys)
    with store.session() as session:
        assert barred_students(session, store.keys, ["s-canary-1", "s-canary-2"]) == {"s-canary-2": Why.ERASED}
    with Session(store.engine) as session, session.begin():
        apply_notes(session, store.keys, actor="operator", at=NOW, heads=store.heads)
    with store.session() as session:
        assert barred_students(session, store.keys, ["s-canary-1"]) == {"s-canary-1": Why.OBJECTED}
