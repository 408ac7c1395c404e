"""Student numbers in the place of pseudonyms: who is matched, who is not, and that a wrong key or list changes nothing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from riskmodel.contract.dataset import load_dataset
from riskmodel.contract.definition import read_definition
from riskmodel.contract.groups import read_groups
from riskmodel.errors import DataFault, RiskModelError
from riskmodel.onecijferho import Linked, link
from riskmodel.onecijferho.pseudonyms import new_key, write_key
from tests.riskmodel.onecijferho.deliveries import HERE, LAW, NURSING, deliver, everything_in, imported, later, read, row

ROWS = [
    row(1, 2020),
    row(1, 2021, programme=LAW, first_institution="2"),
    row(2, 2020),
    later(2, 2021),
    row(3, 2021),
    row(4, 2021),
    row(5, 2021),
]
NUMBERS = {1: "501001", 2: "0501002", 3: "501003", 99: "501099"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    imported(deliver(tmp_path / "in", ROWS), tmp_path / "out", institution=HERE, groups=["Geslacht"])
    return tmp_path / "out"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "pseudonyms.key"


def numbers(place: Path, pairs: dict[int, str] | list[tuple[str, str]], header: str = "Persoonsgebonden nummer;Studentnummer") -> Path:
    listed = pairs if isinstance(pairs, list) else [(str(900_000_000 + person), number) for person, number in pairs.items()]
    place.write_text("\n".join([header, *(f"{person};{number}" for person, number in listed)]) + "\n", encoding="utf-8")
    return place


def test_students_get_their_number_in_every_table_and_who_is_not_listed_keeps_the_pseudonym(
    folder: Path, key: Path, tmp_path: Path
) -> None:
    before = read(folder)
    done = link(folder, numbers(tmp_path / "list.csv", NUMBERS), key)
    assert done == Linked(matched=3, unmatched=2, before=0, contradicted=0, listed=4, unused=1, empty=0)
    after = read(folder)
    assert f"501001-2020-{NURSING}" in set(after["enrolment_id"])
    assert f"501001-2021-{LAW}" in set(after["enrolment_id"])
    assert (after["enrolment_id"] == after["student_id"] + "-" + after["cohort"].str[:4] + "-" + after["programme"]).all()
    assert after["student_id"].str.startswith("p-").sum() == 2
    assert after["outcome"].value_counts().to_dict() == before["outcome"].value_counts().to_dict()
    groups = read_groups(folder, read_definition(folder))
    assert set(groups["student_id"]) == set(after["student_id"])
    dataset = load_dataset(folder)
    assert not dataset.report.warnings
    assert dataset.definition.imported["students"] == {"linked": 3, "not_linked": 2}
    assert "# Made by 'riskmodel data import-1cho'" in (folder / "dataset.toml").read_text(encoding="utf-8")
    assert not [person for person in NUMBERS if str(900_000_000 + person) in everything_in(folder)]


def test_tables_that_were_added_stay_as_they_are(folder: Path, key: Path, tmp_path: Path) -> None:
    (folder / "results.csv").write_text("enrolment_id,date,test,grade\n", encoding="utf-8")
    (folder / "notes").mkdir()
    (folder / "notes" / "more.txt").write_text("ours", encoding="utf-8")
    link(folder, numbers(tmp_path / "list.csv", NUMBERS), key)
    assert (folder / "results.csv").read_text(encoding="utf-8") == "enrolment_id,date,test,grade\n"
    assert (folder / "notes" / "more.txt").read_text(encoding="utf-8") == "ours"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "keys", "list.csv", "out"]


def test_a_second_list_links_who_was_not_linked_before(folder: Path, key: Path, tmp_path: Path) -> None:
    link(folder, numbers(tmp_path / "list.csv", {1: "501001"}), key)
    done = link(folder, numbers(tmp_path / "second.csv", {1: "501001", 2: "501002"}), key)
    assert (done.matched, done.unmatched, done.before) == (1, 3, 1)
    assert {"501001", "501002"} <= set(read(folder)["student_id"])


def test_a_number_for_two_and_two_numbers_for_one_are_told_and_left(folder: Path, key: Path, tmp_path: Path) -> None:
    pairs = [("900000001", "501001"), ("900000001", "501011"), ("900000002", "501002"), ("900000003", "501002"), ("900000004", "501004"), ("", "7"),
             ("900000005", "50-5")]  # fmt: skip
    done = link(folder, numbers(tmp_path / "list.csv", pairs), key)
    assert (done.matched, done.unmatched, done.contradicted, done.empty) == (1, 4, 4, 1)
    assert read(folder)["student_id"].str.startswith("p-").sum() == 5


@pytest.mark.parametrize("form", ["xlsx", "parquet of numbers", "padded", "other names"])
def test_the_list_may_come_in_any_form_and_with_its_zeros_lost(form: str, folder: Path, key: Path, tmp_path: Path) -> None:
    options = {}
    if form == "xlsx":
        place = tmp_path / "list.xlsx"
        pd.DataFrame({"PGN": [900000001, 900000002], "studentnr": [501001, 501002]}).to_excel(place, index=False)
    elif form == "parquet of numbers":
        place = tmp_path / "list.parquet"
        pd.DataFrame({"persoonsgebonden_nummer": [900000001, 900000002], "student_number": [501001, 501002]}).to_parquet(place)
    elif form == "padded":
        place = numbers(tmp_path / "list.csv", [("000900000001", "501001"), (" 900000002 ", "501002")])
    else:
        place = numbers(tmp_path / "list.csv", {1: "501001", 2: "501002"}, header="wie;nummer hier")
        options = {"person_column": "wie", "student_column": "Nummer hier"}
    done = link(folder, place, key, **options)
    assert done.matched == 2
    assert {"501001", "501002"} <= set(read(folder)["student_id"])


def another_key(folder: Path, key: Path, listed: Path) -> tuple[Path, Path, str]:
    write_key(key.with_name("another.key"), new_key())
    return listed, key.with_name("another.key"), "not the key that the import was made with"


def no_key(folder: Path, key: Path, listed: Path) -> tuple[Path, Path, str]:
    return listed, key.with_name("none.key"), "the key can't be read"


def nobody(folder: Path, key: Path, listed: Path) -> tuple[Path, Path, str]:
    return numbers(listed, {77: "501077"}), key, r"not one of the 5 students without a number is told in this list \(1 rows\)"


def no_column(folder: Path, key: Path, listed: Path) -> tuple[Path, Path, str]:
    return (
        numbers(listed, NUMBERS, header="a;b"),
        key,
        "a column with a usual name for person numbers is not there; there are a, b.*--person-column",
    )


def no_list(folder: Path, key: Path, listed: Path) -> tuple[Path, Path, str]:
    return listed.with_name("none.csv"), key, "none.csv"


def another_folder(folder: Path, key: Path, listed: Path) -> tuple[Path, Path, str]:
    text = (folder / "dataset.toml").read_text(encoding="utf-8")
    (folder / "dataset.toml").write_text(text.replace("key_check", "something"), encoding="utf-8")
    return listed, key, "was not made by 'riskmodel data import-1cho'"


@pytest.mark.parametrize("spoil", [another_key, no_key, nobody, no_column, no_list, another_folder])
def test_what_does_not_fit_is_one_clear_fault_and_changes_nothing(spoil, folder: Path, key: Path, tmp_path: Path) -> None:
    listed, used, told = spoil(folder, key, numbers(tmp_path / "list.csv", NUMBERS))
    before = everything_in(folder)
    with pytest.raises((DataFault, RiskModelError), match=told) as fault:
        link(folder, listed, used)
    assert fault.value.remedy
    assert not [number for person, number in NUMBERS.items() if number in str(fault.value) or str(900_000_000 + person) in str(fault.value)]
    assert everything_in(folder) == before
