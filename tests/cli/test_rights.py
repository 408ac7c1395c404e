"""`riskmodel rights` as an operator calls it, and every other command under the same list."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from riskmodel.cli.store import open_store
from riskmodel.synth import SynthSettings, generate
from riskmodel.workspace import Workspace
from serving.store.weeks import publish_week
from tests.cli.conftest import Call
from tests.serving.store.lists import student, week

ON = "2026-11-02"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rights") / "data"
    generate(folder, SynthSettings(students=120, cohorts=2, until_day=62, seed=5))
    return folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for file in made.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


def listed(call: Call, data: Path, tmp_path: Path) -> tuple[str, list[str]]:
    code, out, complaint = call("score", data, "--date", ON, "--rule", "first-test", "--output", tmp_path / "list.csv")
    assert code == 0, complaint
    numbers = [line.split(";") for file in sorted(tmp_path.glob("list*.csv")) for line in file.read_text(encoding="utf-8-sig").splitlines()]
    place = numbers[0].index("student_id")
    return out, sorted({row[place] for row in numbers if row[place] != "student_id"})


def test_a_student_objects_withdraws_and_is_erased_and_each_command_says_how_many_it_leaves_out(call, data, tmp_path):
    _, students = listed(call, data, tmp_path)
    one, other = students[:2]
    for name in ("list.csv", "list-others.csv"):
        last = (tmp_path / name).read_text(encoding="utf-8-sig").splitlines()[-1].split(";")
        assert "not for the binding study advice" in last[-4]
        assert "list.csv" in call("rights", "exports", "--mark", last[-1])[1]
    assert "check the number" in call("rights", "object", one)[1]
    assert "1 objected, 0 erased" in call("rights", "list")[1]
    out, now_listed = listed(call, data, tmp_path)
    assert "1 student is left out: 1 objected." in out
    assert one in now_listed  # by the rule, which no model has a part in
    assert "withdrawn" in call("rights", "withdraw", one)[1]
    assert "nothing changed" in call("rights", "withdraw", one)[1]
    code, out, _ = call("rights", "erase", other)
    assert code == 0
    assert out.count("Stays: ") == 3
    out, now_listed = listed(call, data, tmp_path)
    assert "1 student is left out: 1 erased." in out
    assert other not in now_listed
    assert "Wie wat zag of deed" in call("rights", "show", other)[1]
    assert call("route", data, "--date", ON, "--dry-run")[1].count("1 student is left out") == 1
    assert call("audit", "verify")[0] == 0


def test_a_machine_without_the_store_leaves_out_whom_the_exported_list_holds_and_stops_without_it(call, data, tmp_path):
    _, students = listed(call, data, tmp_path)
    call("rights", "erase", students[0])
    code, out, _ = call("rights", "export", data / "rights.json")
    assert code == 0
    assert "0 objected, 1 erased" in out
    definition = data / "dataset.toml"
    definition.write_text(definition.read_text(encoding="utf-8") + "\n[rights]\nlist = 'rights.json'\n", encoding="utf-8")
    laptop = tmp_path / "laptop"
    code, out, _ = call("--workspace", laptop, "route", data, "--date", ON, "--dry-run")
    assert code == 0
    assert "1 student is left out: 1 erased." in out
    (data / "rights.json").unlink()
    for command in (
        ("route", data, "--date", ON, "--dry-run"),
        ("train", data),
        ("tune", data, "--trials", 1),
        ("monitor", data, "--since", ON, "--until", ON),
        ("score", data, "--date", ON, "--output", tmp_path / "scores.csv"),
    ):
        code, _, complaint = call("--workspace", laptop, *command)
        assert code == 2, command
        if command[0] in ("route", "train", "tune"):
            assert "rights export" in complaint
    assert not (tmp_path / "scores.csv").exists()


def test_a_restored_backup_does_not_bring_back_who_was_erased_nor_what_is_past_its_time(call, tmp_path):
    with open_store(Workspace(tmp_path / "workspace")) as store:
        publish_week(store, week(student(1), on=dt.date(2020, 11, 2)), actor="test")
    call("rights", "object", "s-objector")
    call("store", "backup", tmp_path / "backup.zip")
    call("rights", "erase", "s-objector")
    call("rights", "erase", "s-later")
    (tmp_path / "workspace" / "store.db").unlink()
    call("store", "upgrade")
    code, out, _ = call("store", "restore", tmp_path / "backup.zip")
    assert code == 0
    assert "applied again: 2" in out
    assert "1 places on lists" in out
    assert "0 objected, 2 erased" in call("rights", "list")[1]
    assert "Of 0 students" in call("rights", "apply")[1]


def test_retention_says_what_would_go_then_lets_it_go_and_destroys_the_key_to_older_copies(call, tmp_path, monkeypatch):
    place = Workspace(tmp_path / "workspace")
    with open_store(place) as store:
        publish_week(store, week(student(1), on=dt.date(2020, 11, 2)), actor="test")
        publish_week(store, week(student(2)), actor="test")
    before = place.keys.read_text(encoding="utf-8")
    monkeypatch.setenv("RISKMODEL_SERVICE_RETENTION__SCORES", "100000")
    code, out, _ = call("retention", "run", "--dry-run")
    assert code == 0
    assert "1 would go: lists (kept for 730 days)" in out
    assert "0 would go: scores (kept for 100000 days)" in out
    assert place.keys.read_text(encoding="utf-8") == before
    code, out, _ = call("retention", "run")
    assert code == 0
    assert "1 gone: lists" in out
    assert place.keys.read_text(encoding="utf-8") != before
    assert "0 would go: lists" in call("retention", "run", "--dry-run")[1]
    assert call("audit", "verify")[0] == 0
    monkeypatch.setenv("RISKMODEL_SERVICE_RETENTION__SCORE", "10")
    code, _, complaint = call("retention", "run")
    assert code == 2
    assert "score" in complaint
