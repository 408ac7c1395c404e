"""`riskmodel store`, `keys` and `audit` as an operator calls them."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from riskmodel.cli.store import open_store
from riskmodel.workspace import Workspace
from serving.store.schema import newest_revision
from serving.store.weeks import invited_students, latest_week, publish_week
from tests.serving.store.lists import student, week


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with one published list."""
    place = Workspace(tmp_path / "workspace")
    with open_store(place) as store:
        publish_week(store, week(student(1), student(2)), actor="test")
    return place


def names(place: Workspace) -> list[str]:
    with open_store(place) as store, store.session() as session:
        newest = latest_week(session)
        assert newest is not None
        return [each.name for each in invited_students(session, store.keys, newest, None)]


def test_the_schema_goes_down_and_up_and_other_commands_refuse_the_older_one(call, workspace):
    assert call("store", "upgrade", "--to", "0001")[0] == 0
    code, _, complaint = call("audit", "verify")
    assert code == 2
    assert "riskmodel store upgrade" in complaint
    assert f"schema 0001; this version works with {newest_revision()}" in call("store", "status")[1]
    assert call("store", "upgrade")[0] == 0
    assert names(workspace) == ["Noor Kanarie 1", "Noor Kanarie 2"]


def test_an_upgrade_of_a_new_store_makes_it(call, tmp_path):
    code, out, _ = call("store", "upgrade")
    assert code == 0
    assert "before it was none" in out
    assert (tmp_path / "workspace" / "store.db").exists()


def test_keys_are_made_once_and_never_replaced(call, tmp_path):
    assert call("keys", "make")[0] == 0
    before = (tmp_path / "workspace" / "keys.json").read_text(encoding="utf-8")
    code, _, complaint = call("keys", "make")
    assert code == 2
    assert "riskmodel keys rotate" in complaint
    assert (tmp_path / "workspace" / "keys.json").read_text(encoding="utf-8") == before


def test_rotating_keys_changes_the_file_and_nothing_that_is_read(call, workspace):
    before = workspace.keys.read_text(encoding="utf-8")
    code, out, _ = call("keys", "rotate")
    assert code == 0
    assert "2 people" in out
    assert workspace.keys.read_text(encoding="utf-8") != before
    assert names(workspace) == ["Noor Kanarie 1", "Noor Kanarie 2"]
    assert call("audit", "verify")[0] == 0


def test_a_rotation_that_stopped_half_way_loses_nothing_and_can_be_done_again(call, workspace, monkeypatch):
    with monkeypatch.context() as patched:

        def gone(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr("serving.store.people.rotate", gone)
        assert call("keys", "rotate")[0] == 130
    assert names(workspace) == ["Noor Kanarie 1", "Noor Kanarie 2"]
    assert call("keys", "rotate")[0] == 0
    assert names(workspace) == ["Noor Kanarie 1", "Noor Kanarie 2"]


def test_a_trail_that_was_tampered_with_ends_with_code_3_and_says_where(call, workspace):
    assert "The audit trail holds: 2 events" in call("audit", "verify")[1]
    with open_store(workspace) as store, store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE audit SET actor = 'somebody else' WHERE seq = 2"))
    code, out, complaint = call("audit", "verify")
    assert code == 3
    assert "event 2" in out
    assert "does not hold" in complaint


def test_a_student_can_be_told_who_saw_them_and_the_question_is_recorded_too(call, workspace):
    code, out, _ = call("audit", "about", "s-canary-1")
    assert code == 0
    assert [line.split()[3] for line in out.splitlines()] == ["operator:list:published", "operator:student:asked"]
    assert "canary" not in out
    assert len(call("audit", "about", "s-canary-1")[1].splitlines()) == 3


def test_events_past_their_time_go_and_the_rest_verifies(call, workspace):
    code, out, _ = call("audit", "prune", "--before", "2000-01-01")
    assert code == 0
    assert out.startswith("0 events")
    assert call("audit", "prune", "--before", "2999-01-01")[1].startswith("3 events")
    assert "holds: 1 events, the last one is number 4" in call("audit", "verify")[1]


def test_keys_that_do_not_belong_to_the_store_are_told_as_that(call, workspace):
    workspace.keys.unlink()
    assert call("keys", "make")[0] == 0
    code, _, complaint = call("keys", "rotate")
    assert code == 2
    assert "other keys" in complaint
