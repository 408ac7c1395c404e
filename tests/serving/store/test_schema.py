"""The schema of the store moves up and down with all that is in it, and a service refuses one that is not its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from riskmodel.errors import RiskModelError
from serving.app import create_app
from serving.settings import Settings
from serving.store.keys import make_keys, write_keys
from serving.store.people import erase, find_person
from serving.store.schema import connect, known_revisions, migrate, newest_revision, require_newest, revision
from serving.store.weeks import Store, coaches_of, invited_since, invited_students, latest_week, now, publish_week
from tests.serving.store.lists import MONDAY, student, week


def test_a_full_store_goes_down_and_up_again_and_shows_the_same(store: Store) -> None:
    publish_week(store, week(*(student(number) for number in range(1, 6)), on=MONDAY), actor="test")
    publish_week(store, week(*(student(number) for number in range(3, 9)), on=MONDAY.replace(day=9)), actor="test")
    before = told(store)
    for older in known_revisions()[-2::-1]:
        migrate(store.engine, store.keys, older)
        assert revision(store.engine) == older
    with store.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT name, student_id, enrolment_id FROM students ORDER BY id")).all()
    assert len(rows) == 11
    assert rows[0] == ("Noor Kanarie 1", "s-canary-1", "e-canary-1")
    migrate(store.engine, store.keys)
    assert revision(store.engine) == newest_revision()
    assert told(store) == before


def told(store: Store) -> list[object]:
    with store.session() as session:
        newest = latest_week(session)
        assert newest is not None
        people = invited_students(session, store.keys, newest, None)
        return [
            coaches_of(newest, store.keys),
            [(each.name, each.enrolment_id, each.subject) for each in people],
            invited_since(session, newest, people),
        ]


def test_invitations_from_before_changes_were_numbered_get_numbers_in_their_order(store: Store) -> None:
    publish_week(store, week(student(1), student(2)), actor="test")
    publish_week(store, week(student(2), on=MONDAY.replace(day=9)), actor="test")
    migrate(store.engine, store.keys, "0003")
    migrate(store.engine, store.keys)
    with store.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT change FROM students ORDER BY id")).scalars().all() == [1, 2, 3]
        assert connection.execute(sa.text("SELECT seq FROM change_head")).scalar_one() == 3
        assert connection.execute(sa.text("SELECT count(*) FROM scores")).scalar_one() == 0


def test_going_down_leaves_out_who_was_erased(store: Store) -> None:
    publish_week(store, week(student(1), student(2)), actor="test")
    with sa.orm.Session(store.engine) as session, session.begin():
        person = find_person(session, store.keys, "s-canary-1")
        assert person is not None
        erase(person, now())
    migrate(store.engine, store.keys, "0001")
    with store.engine.connect() as connection:
        assert connection.scalars(sa.text("SELECT student_id FROM students")).all() == ["s-canary-2"]


def test_a_service_refuses_an_older_store_and_says_which_command_to_run(store: Store, store_url: str, tmp_path: Path) -> None:
    migrate(store.engine, store.keys, "0001")
    write_keys(store.keys, tmp_path / "keys.json")
    settings = Settings(champion_folder=tmp_path, store_url=store_url, keys_file=tmp_path / "keys.json", audit_heads=tmp_path / "heads")
    with pytest.raises(RiskModelError, match="riskmodel store upgrade"):
        create_app(settings)
    assert revision(store.engine) == "0001"


def test_a_store_of_a_newer_version_is_left_alone(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for refused in (lambda: require_newest(store.engine), lambda: migrate(store.engine, store.keys)):
        with pytest.raises(RiskModelError, match="newer version"):
            refused()


def test_a_migration_that_fails_leaves_the_store_as_it_was(store: Store) -> None:
    publish_week(store, week(student(1)), actor="test")
    with pytest.raises(RiskModelError, match="other keys"):
        migrate(store.engine, make_keys(), "0001")
    assert revision(store.engine) == newest_revision()
    with store.session() as session:
        newest = latest_week(session)
        assert newest is not None
        assert len(invited_students(session, store.keys, newest, None)) == 1


def test_an_unknown_schema_is_refused_with_those_that_there_are(store: Store) -> None:
    with pytest.raises(RiskModelError, match="0001"):
        migrate(store.engine, store.keys, "0815")


@pytest.mark.parametrize(("url", "told"), [("no address", "no address of a database"), ("mysql://host/name", "does not run on mysql")])
def test_an_address_that_cannot_be_a_store_is_refused(url: str, told: str) -> None:
    with pytest.raises(RiskModelError, match=told):
        connect(url)


def test_a_database_that_is_away_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(RiskModelError, match="can't be opened"):
        revision(connect("postgresql://nobody@127.0.0.1:9/none?connect_timeout=1"))
