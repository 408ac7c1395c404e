"""`riskmodel store`, `keys` and `audit` as an operator calls them."""

from __future__ import annotations

import os
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


def test_who_saw_a_student_is_a_file_in_words_for_that_student(call, workspace, tmp_path):
    code, out, _ = call("audit", "about", "s-canary-1", "--output", tmp_path / "seen.csv")
    assert code == 0
    assert "seen.csv" in out
    lines = (tmp_path / "seen.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "wanneer (UTC);wat;door wie (een code);waarvoor"
    assert ["publiceerde een lijst waar je op staat" in line for line in lines[1:]] == [True, False]
    assert "canary" not in "".join(lines)


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


def test_a_store_comes_back_from_its_backup_with_its_keys(call, workspace, tmp_path):
    assert call("store", "backup", tmp_path / "backup.zip")[0] == 0
    workspace.store.unlink()
    code, out, _ = call("store", "restore", tmp_path / "backup.zip")
    assert code == 0
    assert out.startswith("Restored: ")
    assert "audit trail" not in out
    assert names(workspace) == ["Noor Kanarie 1", "Noor Kanarie 2"]
    code, _, complaint = call("store", "restore", tmp_path / "backup.zip")
    assert code == 2
    assert "not empty" in complaint


def test_lost_keys_are_not_replaced_in_silence(call, workspace):
    workspace.keys.unlink()
    code, _, complaint = call("audit", "verify")
    assert code == 2
    assert "there are no keys for the store" in complaint


def test_every_setting_is_shown_with_where_it_comes_from(call, monkeypatch):
    monkeypatch.setenv("RISKMODEL_SERVICE_MOST_STUDENTS", "12")
    code, out, _ = call("config", "show")
    assert code == 0
    assert "most_students      12" in out
    assert "From: environment." in out


@pytest.mark.skipif(os.name != "posix", reason="the rights of a file are another matter there")
def test_the_doctor_names_each_fault_with_what_to_do_and_looks_at_all_the_rest(call, workspace):
    workspace.keys.chmod(0o644)
    code, out, complaint = call("doctor")
    assert code == 2
    told = {line.split()[1]: line for line in out.splitlines()}
    assert "chmod 600" in told["keys"]
    assert "promote" in told["champion"]
    assert told["database"].split()[0] == told["clock"].split()[0] == told["disk"].split()[0] == told["permissions"].split()[0] == "well"
    assert "2 of 10 are not well" in complaint


def test_the_doctor_says_that_the_clock_was_set_back(call, workspace, monkeypatch):
    import datetime as dt

    from serving.store import weeks

    monkeypatch.setattr(weeks, "now", lambda: dt.datetime(2026, 2, 1))
    out = call("doctor")[1]
    assert any(line.split()[:2] == ["FAULT", "clock"] and "set back" in line for line in out.splitlines())


def test_the_doctor_tells_a_configuration_that_cannot_be_read(call, monkeypatch):
    monkeypatch.setenv("RISKMODEL_SERVICE_MOST_STUDNETS", "12")
    code, out, _ = call("doctor")
    assert code == 2
    assert "RISKMODEL_SERVICE_MOST_STUDENTS" in out
