"""A proposal finds out what headers and values tell, in Dutch and in English, and says what it could not."""

from __future__ import annotations

import datetime as dt
import tomllib
from typing import Any

import pytest
from folders import (
    CLOSED,
    RUNNING,
    Dialect,
    canonical,
    check,
    found,
    institution,
    rules,
    table_of,
    write_csv,
    write_excel,
    write_folder,
    write_parquet,
)

from riskmodel.contract.dataset import load_dataset
from riskmodel.contract.definition import DatasetDefinition
from riskmodel.contract.headers import COLUMN_NAMES, kind_of_prior_education, outcome_of, plain, presence_of, status_of_grade
from riskmodel.contract.proposing import Proposal, propose
from riskmodel.errors import DataFault

DUTCH = {
    "enrolments": {
        "enrolment_id": "Inschrijving_ID", "student_id": "Studentnummer", "cohort": "Studiejaar", "programme": "Opleiding", "academy": "Academie",
        "start_date": "Begindatum", "enrolled_on": "Datum aanmelding", "left_on": "Datum uitschrijving", "left_known_on": "Verwerkt op",
        "prior_education": "Vooropleiding", "prior_education_related": "Verwant",
    },
    "attendance": {
        "enrolment_id": "Inschrijving_ID", "date": "Lesdatum", "known_on": "Geregistreerd op", "course": "Vakcode", "scheduled": "Gepland",
        "attended": "Aanwezig", "session_id": "Les-ID",
    },
    "results": {
        "enrolment_id": "Inschrijving_ID", "date": "Toetsdatum", "known_on": "Datum publicatie", "course": "Vak", "test": "Toets", "attempt": "Poging",
        "grade": "Cijfer", "credits": "Studiepunten",
    },
    "outcomes": {"enrolment_id": "Inschrijving_ID", "outcome": "Uitkomst"},
}  # fmt: skip
FILES = {"enrolments": "Inschrijvingen 2024", "attendance": "aanwezigheid", "results": "Cijferlijst", "outcomes": "uitstroom"}
EXCEL_DUTCH = Dialect(delimiter=";", decimal=",", date="%d-%m-%Y", encoding="cp1252", newline="\r\n")


def renamed(tables: dict[str, list[dict[str, Any]]], names: dict[str, dict[str, str]] = DUTCH) -> dict[str, list[dict[str, Any]]]:
    return {
        table: [{names[table].get(column, column): value for column, value in row.items()} for row in rows]
        for table, rows in tables.items()
    }


def read(proposal: Proposal) -> DatasetDefinition:
    """Give the proposal as it is read, once somebody said what nobody can find out."""
    return DatasetDefinition.model_validate(tomllib.loads(finished(proposal)))


def finished(proposal: Proposal) -> str:
    assert 'measured_on = "?"' in proposal.text
    return proposal.text.replace('measured_on = "?"', 'measured_on = "1 October of the next year"')


def accept(folder, proposal: Proposal) -> None:
    (folder / "dataset.toml").write_text(finished(proposal), encoding="utf-8")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple]]:
    return canonical(load_dataset(write_folder(tmp_path_factory.mktemp("plain"), institution(12))))


def test_a_dutch_export_is_understood_without_a_question(tmp_path, expected):
    for table, rows in renamed(institution(12)).items():
        write_csv(tmp_path / f"{FILES[table]}.csv", rows, EXCEL_DUTCH)
    proposal = propose(tmp_path, "nl")
    assert proposal.unplaced == ()
    assert proposal.placed == {table: f"{file}.csv" for table, file in FILES.items()}
    accept(tmp_path, proposal)
    assert check(tmp_path).findings == ()
    assert canonical(load_dataset(tmp_path)) == expected
    cohorts = {cohort.label: (cohort.start, cohort.closed) for cohort in read(proposal).cohorts}
    assert cohorts == {"2023": (CLOSED, True), "2024": (RUNNING, False)}


def test_an_english_export_in_parquet_and_one_in_excel_are_understood(tmp_path, expected):
    names = {table: {column: column.replace("_", " ").title() for column in columns} for table, columns in DUTCH.items()}
    parquet, excel = tmp_path / "parquet", tmp_path / "excel"
    parquet.mkdir()
    excel.mkdir()
    for table, rows in renamed(institution(12), names).items():
        write_parquet(parquet / f"{table}.parquet", rows)
    write_excel(excel / "Export.xlsx", renamed(institution(12), names))
    for folder in (parquet, excel):
        proposal = propose(folder)
        accept(folder, proposal)
        assert proposal.unplaced == ()
        assert canonical(load_dataset(folder)) == expected


def test_an_outcome_that_nobody_defined_stays_a_fault_until_it_is_said(tmp_path):
    for table, rows in institution().items():
        write_csv(tmp_path / f"{table}.csv", rows)
    (tmp_path / "dataset.toml").write_text(propose(tmp_path).text, encoding="utf-8")
    assert {finding.rule for finding in check(tmp_path).faults} == {"outcome_undefined"}


def test_values_in_the_institutions_own_words_are_mapped(tmp_path):
    tables = institution(12)
    kinds = {"havo": "HAVO diploma", "mbo": "MBO niveau 4", "vwo": "Gymnasium", "other": "Buitenlandse vooropleiding"}
    for row in tables["enrolments"]:
        row["prior_education"] = kinds[row["prior_education"]]
        row["left_on"] = row["left_on"] or dt.date(9999, 12, 31)
    for place, row in enumerate(tables["attendance"]):
        row["attended"] = ("Aanwezig", "Ziek", "afwezig")[place % 3]
        del row["scheduled"]
    for row in tables["outcomes"]:
        row["outcome"] = {"dropped_out": "Uitval", "continued": "Doorgestroomd"}[row["outcome"]]
    for row in tables["results"][:3]:
        row["grade"] = "Voldoende"
    for table, rows in renamed(tables).items():
        write_csv(
            tmp_path / f"{FILES[table]}.csv",
            [{column: value for column, value in row.items() if column != "scheduled"} for row in rows],
            EXCEL_DUTCH,
        )
    accept(tmp_path, propose(tmp_path))
    assert check(tmp_path).findings == ()
    dataset = load_dataset(tmp_path)
    enrolments = table_of(dataset, "enrolments")
    assert set(enrolments["prior_education"]) == {"havo", "mbo", "vwo", "other"}
    assert enrolments["left_on"].notna().sum() == 1
    assert set(table_of(dataset, "outcomes")["outcome"]) == {"dropped_out", "continued"}
    attendance = table_of(dataset, "attendance")
    assert attendance["attended"].mean() == pytest.approx(1 / 3)
    assert set(attendance["scheduled"]) == {1.0}
    assert (table_of(dataset, "results")["status"] == "passed").sum() >= 3


def test_what_can_not_be_placed_is_said_and_written_down(tmp_path):
    tables = institution(12)
    for row in tables["enrolments"]:
        row["prior_education"] = "Type Q"
        row["geslacht"] = "v"
        row["kleur"] = "blauw"
    for row in tables["outcomes"]:
        row["outcome"] = "klaar"
    tables["results"][0]["grade"] = "wow"
    for table, rows in tables.items():
        write_csv(tmp_path / f"{table}.csv", rows)
    (tmp_path / "notes.docx").write_bytes(b"PK\x03\x04")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    proposal = propose(tmp_path)
    doubts = "\n".join(proposal.unplaced)
    for word in ("Type Q", "geslacht", "klaar", "wow", "notes.docx", "broken.parquet"):
        assert word in doubts
    assert all(text in proposal.text for text in proposal.unplaced)
    assert "kleur" in proposal.text
    accept(tmp_path, proposal)
    assert {"sensitive_column", "prior_education_unknown", "outcome_unknown", "grade_unknown"} <= rules(check(tmp_path))


def test_a_student_number_serves_where_each_student_stands_once(tmp_path, expected):
    tables = institution(12)
    own = {row["enrolment_id"]: row["student_id"] for row in tables["enrolments"]}
    for table, rows in tables.items():
        for row in rows:
            name = row.pop("enrolment_id")
            if table != "enrolments":
                row["student_id"] = own[name]
        write_csv(tmp_path / f"{table}.csv", rows)
    proposal = propose(tmp_path)
    accept(tmp_path, proposal)
    assert check(tmp_path).findings == ()
    assert set(table_of(load_dataset(tmp_path), "attendance")["enrolment_id"]) == set(own.values())


def test_students_that_stand_twice_without_a_number_of_their_enrolment_are_said(tmp_path):
    tables = institution()
    for row in tables["enrolments"]:
        del row["enrolment_id"]
        row["student_id"] = "s1"
    write_csv(tmp_path / "enrolments.csv", tables["enrolments"])
    assert any("more than once" in text for text in propose(tmp_path).unplaced)


def test_the_cohort_is_found_from_the_start_and_the_start_from_the_cohort(tmp_path):
    for lacking, labels in (("cohort", ["2023-09", "2024-09"]), ("start_date", ["2023", "2024"])):
        folder = tmp_path / lacking
        folder.mkdir()
        tables = institution(12)
        for row in tables["enrolments"]:
            del row[lacking]
        for table, rows in tables.items():
            write_csv(folder / f"{table}.csv", rows)
        proposal = propose(folder)
        assert [cohort.label for cohort in read(proposal).cohorts] == labels
        assert [cohort.closed for cohort in read(proposal).cohorts] == [True, False]
        accept(folder, proposal)
        assert not check(folder).faults
        assert len(table_of(load_dataset(folder), "enrolments")) == 12


def test_outcomes_in_the_list_of_students_are_used(tmp_path):
    tables = institution(12)
    outcomes = {row["enrolment_id"]: row["outcome"] for row in tables.pop("outcomes")}
    for row in tables["enrolments"]:
        row["uitkomst"] = outcomes.get(row["enrolment_id"])
    for table, rows in tables.items():
        write_csv(tmp_path / f"{table}.csv", rows)
    proposal = propose(tmp_path)
    assert proposal.placed["outcomes"] == "enrolments.csv"
    accept(tmp_path, proposal)
    assert check(tmp_path).findings == ()
    assert len(load_dataset(tmp_path).outcomes()) == 6


def test_files_of_several_years_are_one_table(tmp_path, expected):
    for table, rows in institution(12).items():
        if table == "attendance":
            write_csv(tmp_path / "attendance_2023.csv", rows[:20])
            write_csv(tmp_path / "attendance_2024.csv", rows[20:])
        else:
            write_csv(tmp_path / f"{table}.csv", rows)
    proposal = propose(tmp_path)
    assert proposal.placed["attendance"] == "attendance_*.csv"
    accept(tmp_path, proposal)
    assert canonical(load_dataset(tmp_path)) == expected


@pytest.mark.parametrize(
    ("grades", "scale"), [((3, 88, 55), (0.0, 100.0)), ((1.0, 9.5), (1.0, 10.0)), ((0.0, 10.0), (0.0, 10.0)), ((4, 17), (0.0, 20.0))]
)
def test_the_scale_is_found_from_the_grades(tmp_path, grades, scale):
    tables = institution()
    for place, row in enumerate(tables["results"]):
        row["grade"] = grades[place % len(grades)]
    for table, rows in tables.items():
        write_csv(tmp_path / f"{table}.csv", rows)
    told = read(propose(tmp_path)).grades
    assert (told.minimum, told.maximum) == scale


def test_dated_rows_that_nothing_takes_are_suggested_behind_comment_signs(tmp_path):
    tables = institution()
    tables["logins"] = [
        {"enrolment_id": row["enrolment_id"], "date": row["start_date"], "minutes online": 12} for row in tables["enrolments"]
    ]
    for table, rows in tables.items():
        write_csv(tmp_path / f"{table}.csv", rows)
    proposal = propose(tmp_path)
    assert read(proposal).extra == ()
    start = proposal.text.index("# [[extra]]")
    uncommented = "\n".join(line.removeprefix("# ") for line in proposal.text[start:].splitlines())
    suggested = tomllib.loads(uncommented)["extra"][0]
    assert (suggested["column"], suggested["table"]["file"], suggested["justification"]) == ("minutes online", "logins.csv", "")


def test_people_and_groups_are_placed_too(tmp_path):
    tables = institution()
    tables["achtergrond"] = [{"studentnr": row["student_id"], "geslacht": "v", "leeftijd": 19} for row in tables["enrolments"]]
    tables["adressen"] = [{"studentnr": row["student_id"], "naam": "x", "e-mail": "x@example.org"} for row in tables["enrolments"]]
    tables["slbers"] = [{"slb": "c1", "naam": "y", "e-mail": "y@example.org", "capaciteit": 4}]
    for table, rows in tables.items():
        write_csv(tmp_path / f"{table}.csv", rows)
    proposal = propose(tmp_path)
    assert {name: proposal.placed[name] for name in ("groups", "contacts", "coaches")} == {
        "groups": "achtergrond.csv",
        "contacts": "adressen.csv",
        "coaches": "slbers.csv",
    }
    accept(tmp_path, proposal)
    assert check(tmp_path).findings == ()


def test_a_folder_without_tables_or_none_at_all_is_a_clear_fault(tmp_path):
    with pytest.raises(DataFault, match="no table here"):
        propose(tmp_path)
    (tmp_path / "brief.pdf").write_bytes(b"%PDF")
    with pytest.raises(DataFault, match=r"brief\.pdf"):
        propose(tmp_path)
    with pytest.raises(DataFault, match="does not exist"):
        propose(tmp_path / "nowhere")


def test_a_folder_with_one_table_that_means_nothing_still_gives_a_start(tmp_path):
    write_csv(tmp_path / "iets.csv", [{"a": 1, "b": 2}])
    proposal = propose(tmp_path)
    assert proposal.unplaced
    accept(tmp_path, proposal)
    assert found(check(tmp_path), "column_missing")


def test_every_name_is_written_as_names_are_compared():
    for table, columns in COLUMN_NAMES.items():
        for column, names in columns.items():
            assert all(name == plain(name) for name in names.split()), (table, column)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("HAVO", "havo"),
        ("vwo-diploma", "vwo"),
        ("Gymnasium", "vwo"),
        ("MBO 4", "mbo"),
        ("Buitenland", "other"),
        ("hbo-propedeuse", "other"),
        ("Q", None),
    ],
)
def test_kinds_of_prior_education_are_recognised(value, kind):
    assert kind_of_prior_education(value) == kind


def test_words_for_outcomes_grades_and_presence_are_recognised():
    assert [outcome_of(value) for value in ("Uitval", "Studiewissel", "ingeschreven", "Fail", "blauw")] == [
        "dropped_out", "switched", "continued", "not_continued", None,
    ]  # fmt: skip
    assert [status_of_grade(value) for value in ("VLD", "onv.", "Vrijstelling", "NVD", "blauw")] == [
        "passed",
        "failed",
        "exempt",
        "absent",
        None,
    ]
    assert [presence_of(value) for value in ("Aanwezig", "ziek", "blauw", "N")] == ["1", "0", None, "0"]
    told = (
        "Geoorloofd afwezig",
        "Afwezig (ziek gemeld)",
        "niet aanwezig",
        "aanwezig, te laat",
        "niet geregistreerd",
        "niet afwezig",
        "les N.v.t.",
    )
    assert [presence_of(value) for value in told] == ["0", "0", "0", "1", None, None, None]


def test_what_a_synthetic_institution_hides_is_not_looked_at(tmp_path):
    folder = write_folder(tmp_path, institution())
    (folder / "truth").mkdir()
    write_csv(folder / "truth" / "outcomes.csv", institution()["outcomes"])
    proposal = propose(folder)
    assert proposal.placed["outcomes"] == "outcomes.csv"
    assert "truth" not in proposal.text
