"""A data folder as one object: its fingerprint, and the tables of people that training never opens."""

from __future__ import annotations

import pytest
from folders import Dialect, institution, table_of, write_csv, write_folder

from riskmodel.contract.dataset import fingerprint, load_dataset, read_coaches, read_contacts
from riskmodel.contract.definition import read_definition
from riskmodel.contract.groups import read_groups
from riskmodel.errors import DataFault


@pytest.fixture
def folder(tmp_path):
    tables = institution()
    tables["contacts"] = [
        {"student_id": row["student_id"], "name": f"Zoë {row['student_id']}", "email": "a@example.org", "language": "nl"}
        for row in reversed(tables["enrolments"])
    ]
    tables["coaches"] = [{"coach_id": "c1", "name": "Coach", "email": "c@example.org", "login_subject": "sub-1", "capacity": 12}]
    tables["groups"] = [{"Studentnummer": row["student_id"], "Geslacht": "v", "Handicap": ""} for row in tables["enrolments"]]
    groups = {"file": "groups.csv", "columns": {"student_id": "studentnummer", "gender": "Geslacht"}}
    return write_folder(tmp_path, tables, Dialect(encoding="cp1252", delimiter=";"), tables={"groups": groups})


def test_the_fingerprint_follows_what_training_reads_and_nothing_else(folder):
    def now() -> str:
        return fingerprint(folder, read_definition(folder))

    first = now()
    assert first == load_dataset(folder).fingerprint
    assert len(first) == 64
    for name in ("contacts", "coaches", "groups"):
        with (folder / f"{name}.csv").open("a") as handle:
            handle.write("x;x;x;x;x\n"[: 6 if name == "groups" else 10])
    assert now() == first
    seen = {first}
    for name in ("enrolments.csv", "attendance.csv", "results.csv", "outcomes.csv", "dataset.toml"):
        path = folder / name
        path.write_bytes(path.read_bytes() + b"# \n")
        seen.add(now())
    assert len(seen) == 6


def test_the_fingerprint_does_not_depend_on_the_line_ends_that_a_checkout_gives_to_dataset_toml(folder):
    before = fingerprint(folder, read_definition(folder))
    path = folder / "dataset.toml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert fingerprint(folder, read_definition(folder)) == before


def test_people_are_read_as_text_one_row_each(folder):
    definition = read_definition(folder)
    contacts = read_contacts(folder, definition)
    assert list(contacts.columns) == ["student_id", "name", "email", "language"]
    assert list(contacts["student_id"]) == [f"s{number}" for number in range(6)]
    assert contacts["name"][0] == "Zoë s0"
    coaches = read_coaches(folder, definition)
    assert coaches.to_dict("records") == [
        {"coach_id": "c1", "name": "Coach", "email": "c@example.org", "login_subject": "sub-1", "capacity": "12"}
    ]


def test_groups_carry_every_attribute_by_its_canonical_name(folder):
    groups = read_groups(folder, read_definition(folder))
    assert list(groups.columns) == ["student_id", "gender", "handicap"]
    assert set(groups["gender"]) == {"v"}
    assert groups["handicap"].isna().all()


def test_people_that_an_institution_does_not_have_are_empty_tables(tmp_path):
    folder = write_folder(tmp_path, institution())
    definition = read_definition(folder)
    assert len(read_contacts(folder, definition)) == 0
    assert list(read_coaches(folder, definition).columns) == ["coach_id", "name", "email", "login_subject", "capacity"]
    assert list(read_groups(folder, definition).columns) == ["student_id"]


@pytest.mark.parametrize("reader", [read_contacts, read_coaches, read_groups])
def test_a_table_of_people_that_is_gone_or_lacks_its_key_is_a_clear_fault(folder, reader):
    name = reader.__name__.removeprefix("read_")
    definition = read_definition(folder)
    write_csv(folder / f"{name}.csv", [{"naam": "zonder sleutel"}])
    with pytest.raises(DataFault, match="_id"):
        reader(folder, definition)
    (folder / f"{name}.csv").unlink()
    with pytest.raises(DataFault, match="is not there"):
        reader(folder, definition)


def test_groups_contacts_and_coaches_are_in_no_table_of_the_dataset(folder):
    dataset = load_dataset(folder)
    columns = {column for name in ("enrolments", "attendance", "results", "outcomes") for column in table_of(dataset, name).columns}
    assert not columns & {"gender", "geslacht", "handicap", "name", "email", "login_subject"}


def test_progress_is_told_table_by_table(folder):
    told = []
    load_dataset(folder, progress=lambda done, total, what: told.append((done, total, what)))
    assert told[0] == (0, 7, "checking enrolments")
    assert told[-1] == (7, 7, "checked")
