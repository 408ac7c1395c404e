"""Nothing in the database tells who somebody is; who was erased can't be read, and no later list brings them back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from riskmodel.errors import ConfigurationFault, RiskModelError
from serving.store.keys import Keys, make_keys, read_keys, write_keys
from serving.store.people import details_of, erase, find_person, rotate
from serving.store.tables import Base
from serving.store.weeks import Store, invited_students, latest_week, now, publish_week, reseal_coaches
from tests.serving.store.lists import CANARIES, MONDAY, student, week


def shown(store: Store) -> list[str]:
    with store.session() as session:
        newest = latest_week(session)
        assert newest is not None
        return [each.name for each in invited_students(session, store.keys, newest, None)]


def everything(store: Store) -> str:
    with store.engine.connect() as connection:
        rows = [row for table in Base.metadata.sorted_tables for row in connection.execute(sa.select(table)).all()]
    return json.dumps([[str(value) for value in row] for row in rows])


def test_no_name_and_no_number_of_a_person_is_in_clear_in_any_table(store: Store) -> None:
    publish_week(store, week(student(1), student(2)), actor="Sanne Kanariecoach")
    content = everything(store)
    assert "Social Work" in content
    assert not [canary for canary in CANARIES if canary in content]
    assert shown(store) == ["Noor Kanarie 1", "Noor Kanarie 2"]


def test_a_person_is_the_same_on_every_list_with_the_newest_name(store: Store) -> None:
    publish_week(store, week(student(1)), actor="test")
    publish_week(store, week(student(1, name="Noor de Vries"), on=MONDAY.replace(day=9)), actor="test")
    with store.session() as session:
        assert session.scalar(sa.text("SELECT count(*) FROM people")) == 1
    assert shown(store) == ["Noor de Vries"]


def test_erasing_destroys_the_text_and_a_later_list_leaves_the_student_out(store: Store) -> None:
    publish_week(store, week(student(1), student(2)), actor="test")
    with Session(store.engine) as session, session.begin():
        person = find_person(session, store.keys, "s-canary-1")
        assert person is not None
        erase(person, now())
    assert shown(store) == ["Noor Kanarie 2"]
    assert publish_week(store, week(student(1), student(3), on=MONDAY.replace(day=9)), actor="test") == 1
    assert shown(store) == ["Noor Kanarie 3"]
    with store.session() as session:
        person = find_person(session, store.keys, "s-canary-1")
        assert person is not None
        assert details_of(person, store.keys) is None


def test_rotated_keys_read_everything_and_the_old_one_reads_nothing_any_more(store: Store) -> None:
    publish_week(store, week(student(1), student(2)), actor="test")
    both = store.keys.with_new()
    with Session(store.engine) as session, session.begin():
        assert rotate(session, both) == 2
        reseal_coaches(session, both)
    assert shown(Store(store.engine, both.newest_only())) == ["Noor Kanarie 1", "Noor Kanarie 2"]
    with pytest.raises(RiskModelError, match="other keys"):
        shown(store)


def test_digests_depend_on_the_key_and_on_what_is_identified() -> None:
    keys, others = make_keys(), make_keys()
    digests = {keys.digest("student", "1"), keys.digest("enrolment", "1"), others.digest("student", "1"), keys.digest("student", "2")}
    assert len(digests) == 4
    assert keys.digest("student", "1") == keys.digest("student", "1")


def test_keys_come_back_from_their_file_which_its_owner_alone_may_read(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys = make_keys()
    write_keys(keys, path)
    assert read_keys(path) == keys
    assert path.stat().st_mode & 0o077 == 0
    assert read_keys(tmp_path / "none", path.read_text(encoding="utf-8")) == keys


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"encryption": [], "pseudonym": "00", "audit": "x"}', "{not json"])
def test_a_damaged_key_file_is_refused_without_telling_what_is_in_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationFault, match="no keys"):
        read_keys(path)


def test_a_service_without_keys_names_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFault, match="riskmodel keys make"):
        read_keys(tmp_path / "keys.json")


def test_no_secret_is_in_a_representation(tmp_path: Path) -> None:
    keys: Keys = make_keys()
    write_keys(keys, tmp_path / "keys.json")
    assert keys.encryption[0] not in repr(keys)
    assert keys.audit.hex() not in repr(keys)
