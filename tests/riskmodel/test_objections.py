"""Whoever objected or was erased is in no table that a command opens, and a list that was declared and can't be read stops it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.contract.dataset import load_dataset
from riskmodel.errors import ConfigurationFault
from riskmodel.first_test import first_test_list
from riskmodel.frames import to_pandas
from riskmodel.objections import Held, Objections, Source, digest_of, held, in_force, read_list, write_list
from riskmodel.routing.candidates import candidates
from riskmodel.synth import SynthSettings, generate

KEY = bytes(range(32))
ON = dt.date(2026, 11, 2)
MADE = dt.datetime(2026, 11, 1, 12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("objections") / "data"
    generate(made, SynthSettings(students=120, cohorts=2, until_day=62, seed=5))
    return made


def students_of(folder: Path) -> list[str]:
    return sorted(set(to_pandas(load_dataset(folder).tables.enrolments)["student_id"]))


def listing(objected: list[str], erased: list[str]) -> Objections:
    return Objections(KEY, frozenset(digest_of(KEY, each) for each in objected), frozenset(digest_of(KEY, each) for each in erased))


def test_their_rows_are_in_no_table_and_everybody_elses_are_as_they_were(folder: Path) -> None:
    before = load_dataset(folder)
    students = students_of(folder)
    told: list[Held] = []
    with in_force(Source(lambda: (listing(students[:3], students[3:5]),), told.append)):
        after = load_dataset(folder)
    gone = set(students[:5])
    enrolments = to_pandas(before.tables.enrolments)
    ids = set(enrolments.loc[enrolments["student_id"].isin(gone), "enrolment_id"])
    for name in ("enrolments", "attendance", "results", "outcomes"):
        rows, left = (to_pandas(getattr(each.tables, name)) for each in (before, after))
        assert len(left) == (~rows["enrolment_id"].isin(ids)).sum()
        assert not left["enrolment_id"].isin(ids).any()
    assert not after.outcomes()["enrolment_id"].isin(ids).any()
    assert told == [after.left_out]
    assert after.left_out.told() == "5 students are left out: 3 objected, 2 erased."


def test_who_objected_is_listed_by_the_first_test_and_by_no_model_and_who_was_erased_by_neither(folder: Path) -> None:
    failed = sorted(first_test_list(load_dataset(folder), ON, "en")["first_test"]["student_id"])
    assert len(failed) >= 4
    with in_force(Source(lambda: (listing(failed[:2], failed[2:4]),), lambda _: None)):
        dataset = load_dataset(folder)
    listed = set(first_test_list(dataset, ON, "en")["first_test"]["student_id"])
    assert listed == set(failed) - set(failed[2:4])
    rows = candidates(dataset, {}, "leave", ON).set_index("student_id")
    assert set(rows.index[rows["objected"]]) == set(failed[:2])
    assert rows.loc[failed[:2], "first_test_failed_or_missed"].all()
    assert not set(failed[2:4]) & set(rows.index)


def declare(folder: Path, copy: Path, name: str) -> Path:
    for file in folder.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    text = (copy / "dataset.toml").read_text(encoding="utf-8")
    (copy / "dataset.toml").write_text(text + f"\n[rights]\nlist = '{name}'\n", encoding="utf-8")
    return copy


def test_a_declared_list_holds_and_one_that_is_not_there_or_damaged_stops_everything(folder: Path, tmp_path: Path) -> None:
    declared = declare(folder, tmp_path, "rights.json")
    with pytest.raises(ConfigurationFault, match="rights export"):
        load_dataset(declared)
    students = students_of(folder)
    write_list(listing(students[:1], students[1:2]), declared / "rights.json", MADE)
    assert load_dataset(declared).left_out == Held(frozenset(students[:1]), frozenset(students[1:2]))
    text = (declared / "rights.json").read_text(encoding="utf-8")
    for broken in (text[:-40], text.replace('"objected"', '"objectors"'), "", "{}"):
        (declared / "rights.json").write_text(broken, encoding="utf-8")
        with pytest.raises(ConfigurationFault, match="damaged"):
            load_dataset(declared)


def test_a_list_names_nobody_and_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = listing(["s1", "s2"], ["s3"])
    write_list(written, tmp_path / "rights.json", MADE)
    assert read_list(tmp_path / "rights.json") == written
    told = json.loads((tmp_path / "rights.json").read_text(encoding="utf-8"))
    assert len(told["objected"]) == 2
    assert all(len(each) == 64 for each in (*told["objected"], *told["erased"]))
    assert "KEY" not in repr(written)
    assert KEY.hex() not in repr(written)


@given(st.lists(st.text("abc0123456789", min_size=1, max_size=6), unique=True), st.data())
def test_each_student_is_held_once_and_erasing_goes_before_objecting(students: list[str], data: st.DataObject) -> None:
    part = st.lists(st.sampled_from(students)) if students else st.just([])
    objected, erased, other = data.draw(part), data.draw(part), data.draw(part)
    found = held(students, (listing(objected, erased), Objections(b"x" * 32, frozenset(digest_of(b"x" * 32, each) for each in other))))
    assert found.erased == set(erased)
    assert found.objected == (set(objected) | set(other)) - set(erased)
