"""All findings at once: faults stop, warnings set rows apart, and good rows come through as they were."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from folders import (
    CLOSED,
    Institution,
    canonical,
    changed,
    check,
    found,
    institution,
    rules,
    table_of,
    the,
    write_folder,
    write_parquet,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from riskmodel.contract.dataset import load_dataset
from riskmodel.contract.definition import is_sensitive_name
from riskmodel.errors import ConfigurationFault, DataFault
from riskmodel.frames import to_pandas
from riskmodel.window import cut

DAY = dt.timedelta(days=1)
NO_LIMIT = {"limits": {"warning_share": 1.0, "least_rows": 100000}}
Row = dict[str, Any]


def test_a_clean_folder_has_no_findings(tmp_path):
    report = check(write_folder(tmp_path, institution()))
    assert report.findings == ()


# --- any mixture of good rows and broken ones ----------------------------------------------------------------------------------------

_NEW: dict[tuple[str, str], Callable[[Row], Row]] = {
    ("enrolments", "enrolment_incomplete"): lambda row: {**row, "programme": None},
    ("enrolments", "cohort_unknown"): lambda row: {**row, "cohort": "1999"},
    ("enrolments", "date_impossible"): lambda row: {**row, "start_date": dt.date(1970, 1, 1), "left_on": None, "left_known_on": None},
    ("enrolments", "value_unreadable"): lambda row: {**row, "start_date": "ergens in september"},
    ("attendance", "enrolment_unknown"): lambda row: {**row, "enrolment_id": "nobody"},
    ("attendance", "row_incomplete"): lambda row: {**row, "enrolment_id": ""},
    ("attendance", "before_start"): lambda row: {**row, "date": row["date"] - 40 * DAY},
    ("attendance", "other_cohort"): lambda row: {**row, "date": row["date"] + 500 * DAY, "known_on": None},
    ("attendance", "date_impossible"): lambda row: {**row, "date": dt.date(1899, 12, 30)},
    ("attendance", "known_before_date"): lambda row: {**row, "known_on": row["date"] - DAY},
    ("attendance", "attended_more_than_scheduled"): lambda row: {**row, "attended": 3},
    ("attendance", "value_unreadable"): lambda row: {**row, "date": "31-02-2024"},
    ("results", "grade_unknown"): lambda row: {**row, "grade": 11.5, "test": "extra"},
    ("results", "grade_missing"): lambda row: {**row, "grade": None, "test": "extra"},
    ("results", "enrolment_unknown"): lambda row: {**row, "enrolment_id": "nobody"},
    ("outcomes", "outcome_unknown"): lambda row: {**row, "outcome": "weg"},
    ("outcomes", "enrolment_unknown"): lambda row: {**row, "enrolment_id": "nobody"},
}
_COPIES: dict[tuple[str, str], Callable[[Row], Row]] = {
    ("enrolments", "enrolment_twice"): dict,
    ("enrolments", "enrolment_contradicts"): lambda row: {**row, "academy": "Een andere"},
    ("attendance", "session_twice"): lambda row: {**row, "attended": 0},
    ("results", "attempt_twice"): lambda row: {**row, "grade": 1.0},
    ("outcomes", "outcome_repeated"): dict,
}


@st.composite
def broken_institutions(draw: st.DrawFn) -> tuple[Institution, dict[tuple[str, str], list[int]]]:
    """Give an institution with broken rows among the good ones, and the row numbers at which each rule should be told."""
    tables = institution(14)
    names = draw(st.lists(st.sampled_from([*_NEW, *_COPIES]), max_size=12))
    chosen: dict[str, list[tuple[tuple[str, str], Row, bool]]] = defaultdict(list)
    seen: set[tuple[str, int]] = set()
    for number, (table, rule) in enumerate(names):
        place = draw(st.integers(0, len(tables[table]) - 1))
        row = tables[table][place]
        copied = (table, rule) in _COPIES
        if copied and (table, place) in seen:
            continue
        seen.add((table, place))
        made = (_COPIES if copied else _NEW)[table, rule](row)
        if not copied and table == "enrolments":
            made |= {"enrolment_id": f"broken{number}", "student_id": f"broken{number}"}
        if not copied and table == "attendance":
            made["session_id"] = f"broken{number}"
        chosen[table].append(((table, rule), made, copied))
    marked = {table: [(None, row) for row in rows] for table, rows in tables.items()}
    for table, entries in chosen.items():
        for key, row, copied in entries:
            place = len(marked[table]) if copied else draw(st.integers(0, len(marked[table])))
            # Copies stand at the end, after the row that they repeat.
            if not copied:
                place = min(place, sum(mark is None or mark in _NEW for mark, _ in marked[table]))
            marked[table].insert(place, (key, row))
    expected: dict[tuple[str, str], list[int]] = defaultdict(list)
    for rows in marked.values():
        for number, (key, _) in enumerate(rows, 2):
            if key is not None:
                expected[key].append(number)
    return {table: [row for _, row in rows] for table, rows in marked.items()}, dict(expected)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple]]:
    return canonical(load_dataset(write_folder(tmp_path_factory.mktemp("clean"), institution(14))))


@settings(max_examples=settings().max_examples // 2)
@given(made=broken_institutions())
def test_good_rows_come_through_unchanged_and_each_broken_row_is_named_once(made, clean, tmp_path_factory):
    tables, expected = made
    folder = write_folder(tmp_path_factory.mktemp("broken"), tables, **NO_LIMIT)
    dataset = load_dataset(folder)
    assert canonical(dataset) == clean
    told = {(finding.table, finding.rule): (list(finding.rows), finding.count) for finding in dataset.report.warnings}
    assert told == {key: (rows[:5], len(rows)) for key, rows in expected.items()}
    apart = {table["table"]: table["set_apart"] for table in dataset.report.summary["tables"]}
    assert apart == {table: sum(len(rows) for (name, _), rows in expected.items() if name == table) for table in tables}


# --- faults --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["enrolments", "attendance", "results", "outcomes"])
def test_a_missing_file_is_a_fault(tmp_path, table):
    folder = write_folder(tmp_path, institution())
    (folder / f"{table}.csv").unlink()
    assert the(check(folder), "file_missing").table == table


@pytest.mark.parametrize(
    ("table", "column"),
    [("enrolments", "start_date"), ("enrolments", "cohort"), ("attendance", "attended"), ("results", "grade"), ("outcomes", "outcome")],
)
def test_a_missing_column_is_a_fault_that_tells_which_columns_there_are(tmp_path, table, column):
    tables = changed(institution(), **{table: lambda rows: [row.pop(column) for row in rows]})
    finding = the(check(write_folder(tmp_path, tables)), "column_missing")
    assert (finding.table, finding.column, finding.severity) == (table, column, "fault")
    assert "enrolment_id" in finding.line()


def test_a_mapped_column_that_is_not_there_is_a_fault_though_it_is_optional(tmp_path):
    entry = {"file": "enrolments.csv", "columns": {"gap_years": "tussenjaren"}}
    finding = the(check(write_folder(tmp_path, institution(), tables={"enrolments": entry})), "column_missing")
    assert "tussenjaren" in finding.line()


def test_a_mapping_to_a_name_that_the_contract_does_not_know_is_a_fault(tmp_path):
    entry = {"file": "enrolments.csv", "columns": {"tussenjaren": "academy"}}
    assert the(check(write_folder(tmp_path, institution(), tables={"enrolments": entry})), "column_unknown").column == "tussenjaren"


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("enrolments", "start_date", "september"),
        ("attendance", "attended", "soms"),
        ("results", "credits", "veel"),
        ("enrolments", "prior_education_related", "blauw"),
    ],
)
def test_a_column_of_the_wrong_type_is_a_fault(tmp_path, table, column, value):
    tables = changed(institution(), **{table: lambda rows: [row.update({column: value}) for row in rows]})
    report = check(write_folder(tmp_path, tables))
    finding = the(report, "wrong_type")
    assert report.faults == (finding,)
    assert (finding.table, finding.column) == (table, column)
    assert value in finding.line()


@pytest.mark.parametrize("table", ["enrolments", "attendance", "results", "outcomes"])
def test_a_sensitive_attribute_outside_groups_is_a_fault_mapped_or_not(tmp_path, table):
    tables = changed(institution(), **{table: lambda rows: [row.update(Geslacht="v") for row in rows]})
    finding = the(check(write_folder(tmp_path, tables)), "sensitive_column")
    assert (finding.table, finding.column, finding.severity) == (table, "Geslacht", "fault")


def test_sensitive_attributes_in_groups_are_no_finding(tmp_path):
    tables = institution()
    tables["groups"] = [{"student_id": row["student_id"], "geslacht": "v", "age_band": "0-35"} for row in tables["enrolments"]]
    assert check(write_folder(tmp_path, tables)).findings == ()


@pytest.mark.parametrize(
    "name",
    [
        "geslacht", "Geslacht", "gender_code", "leeftijd", "LeeftijdBijStart", "studentAge", "age", "GEBOORTEDATUM", "geboorte datum", "date-of-birth",
        "dob", "Nationaliteit1", "nationality", "migratieachtergrond_cbs", "ind_functiebeperking", "Handicap", "imd_band", "age_band", "herkomst",
        "eerste generatie", "opleiding_ouders", "postcode", "sekse", "etniciteit", "M/V", "man_vrouw", "geb_datum", "GEBDAT", "etnische_groep",
        "herkomstland", "allochtoon", "niet-westerse achtergrond", "dyslexie", "chronisch ziek", "opleidingsniveau_vader", "OpleidingOuders",
        "hoogste_opleiding_ouder", "mothers_education", "parental_education", "eerstegeneratiestudent", "citizenship", "godsdienst", "moedertaal",
    ],
)  # fmt: skip
def test_names_of_sensitive_attributes_are_recognised(name):
    assert is_sensitive_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "stage",
        "percentage",
        "agenda",
        "average",
        "message",
        "page",
        "leerjaar",
        "programme",
        "vooropleiding",
        "sector",
        "engagement",
        "course",
        "language",
        "onderwijsvorm",
        "opleiding_ouderejaars",
        "houder_diploma",
        "burgerschap",
        "gebouw",
        "beroepsbeeld",
    ],
)
def test_names_of_other_columns_are_not(name):
    assert not is_sensitive_name(name)


def test_outcomes_of_a_cohort_that_still_runs_are_a_fault(tmp_path):
    tables = changed(institution(), outcomes=lambda rows: rows.append({"enrolment_id": "e1", "outcome": "continued"}))
    finding = the(check(write_folder(tmp_path, tables)), "outcomes_of_running_cohort")
    assert (finding.severity, finding.rows, finding.count) == ("fault", (5,), 1)


def test_an_empty_table_is_a_fault(tmp_path):
    folder = write_folder(tmp_path, institution())
    (folder / "attendance.csv").write_text("enrolment_id,date,scheduled,attended\n", encoding="utf-8")
    assert the(check(folder), "table_empty").table == "attendance"


def test_loading_tells_every_fault_in_one_message(tmp_path):
    tables = changed(
        institution(), attendance=lambda rows: [row.pop("date") for row in rows], results=lambda rows: [row.update(age=18) for row in rows]
    )
    with pytest.raises(DataFault) as caught:
        load_dataset(write_folder(tmp_path, tables))
    assert "attendance.date" in str(caught.value)
    assert "results.age" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "dataset.toml").write_text('name = "a\n', encoding="utf-8"), "not valid TOML"),
        (lambda folder: (folder / "dataset.toml").unlink(), "data init"),
        (lambda folder: (folder / "dataset.toml").write_bytes(b'name = "\xff"'), "not UTF-8"),
        (lambda folder: (folder / "dataset.toml").write_text('nmae = "a"', encoding="utf-8"), "nmae"),
    ],
)
def test_a_wrong_dataset_toml_is_one_clear_fault_with_its_place(tmp_path, spoil, said):
    folder = write_folder(tmp_path, institution())
    spoil(folder)
    with pytest.raises(ConfigurationFault, match=said) as caught:
        check(folder)
    assert str(folder) in str(caught.value)


def test_a_folder_that_is_not_there_is_one_clear_fault(tmp_path):
    with pytest.raises(ConfigurationFault, match="does not exist"):
        check(tmp_path / "nowhere")


# --- warnings that leave the student ---------------------------------------------------------------------------------------------------


def test_an_unknown_prior_education_is_blanked_and_the_student_stays(tmp_path):
    tables = changed(institution(), enrolments=lambda rows: rows[1].update(prior_education="Gymnasium in Verweggistan"))
    folder = write_folder(tmp_path, tables)
    finding = the(check(folder), "prior_education_unknown")
    assert (finding.severity, finding.rows, finding.count) == ("warning", (3,), 1)
    assert "Verweggistan" in finding.line()
    enrolments = table_of(load_dataset(folder), "enrolments").set_index("enrolment_id")
    assert enrolments["prior_education"].isna().sum() == 1
    assert len(enrolments) == 6


def test_prior_education_is_mapped_without_regard_to_case(tmp_path):
    tables = changed(
        institution(), enrolments=lambda rows: [row.update(prior_education=("HAVO ", "Mbo-4")[place % 2]) for place, row in enumerate(rows)]
    )
    folder = write_folder(tmp_path, tables, prior_education={"values": {"mbo-4": "mbo"}})
    assert check(folder).findings == ()
    assert set(table_of(load_dataset(folder), "enrolments")["prior_education"]) == {"havo", "mbo"}


@pytest.mark.parametrize(("told", "flag"), [("ja", 1.0), ("Nee", 0.0), ("true", 1.0), ("1", 1.0), ("N", 0.0), ("", None)])
def test_flags_are_read_from_the_words_that_people_use(tmp_path, told, flag):
    tables = changed(institution(), enrolments=lambda rows: [row.update(prior_education_related=told) for row in rows])
    read = table_of(load_dataset(write_folder(tmp_path, tables)), "enrolments")["prior_education_related"]
    assert read.isna().all() if flag is None else set(read) == {flag}


def test_a_value_that_can_not_be_read_is_blanked_where_the_row_can_do_without(tmp_path):
    tables = changed(institution(), enrolments=lambda rows: rows[0].update(enrolled_on="vorig jaar"))
    folder = write_folder(tmp_path, tables)
    assert the(check(folder), "value_blanked").rows == (2,)
    assert len(table_of(load_dataset(folder), "enrolments")) == 6


def test_a_leaving_long_before_the_start_is_blanked_with_the_day_it_was_known(tmp_path):
    tables = changed(institution(), enrolments=lambda rows: rows[2].update(left_on=CLOSED - 900 * DAY, left_known_on=CLOSED))
    folder = write_folder(tmp_path, tables)
    assert the(check(folder), "left_before_start").rows == (4,)
    enrolments = table_of(load_dataset(folder), "enrolments")
    assert enrolments["left_on"].isna().all()
    assert enrolments["left_known_on"].isna().all()


def test_who_left_before_beginning_is_told_and_not_scored(tmp_path):
    tables = changed(institution(), enrolments=lambda rows: rows[2].update(left_on=CLOSED - 10 * DAY, left_known_on=CLOSED - 3 * DAY))
    folder = write_folder(tmp_path, tables)
    assert the(check(folder), "never_started").rows == (4,)
    assert "e2" not in scored(load_dataset(folder), 14)


def test_who_is_known_to_have_left_without_a_day_is_told_and_not_scored_from_then_on(tmp_path):
    tables = changed(institution(), enrolments=lambda rows: rows[2].update(left_on=None, left_known_on=CLOSED + 30 * DAY))
    dataset = load_dataset(write_folder(tmp_path, tables))
    assert the(dataset.report, "leaving_without_date").rows == (4,)
    assert "e2" in scored(dataset, 28)
    assert "e2" not in scored(dataset, 42)


def scored(dataset, landmark: int) -> set[str]:
    return set(to_pandas(cut(dataset.tables, landmark).enrolments)["enrolment_id"])


def test_an_attempt_that_became_known_later_does_not_renumber_an_earlier_one(tmp_path):
    tables = institution()
    for row in tables["results"]:
        row["attempt"] = None
    first = tables["results"][0]
    tables["results"].append({**first, "date": first["date"] - 5 * DAY, "known_on": first["known_on"] + 60 * DAY, "grade": 2.0})
    results = table_of(load_dataset(write_folder(tmp_path, tables)), "results")
    mine = results[(results["enrolment_id"] == "e0") & (results["test"] == "toets 1")].sort_values("attempt")
    assert list(mine["grade"]) == [5.5, 2.0]


def test_a_lesson_without_a_number_of_lessons_is_set_apart(tmp_path):
    tables = changed(institution(), attendance=lambda rows: rows[4].update(scheduled=None))
    assert the(check(write_folder(tmp_path, tables)), "row_incomplete").rows == (6,)


def test_rows_after_leaving_are_told_but_stay_until_the_leaving_is_known(tmp_path):
    late = {"enrolment_id": "e2", "date": CLOSED + 70 * DAY, "scheduled": 1, "attended": 0}
    tables = changed(institution(), attendance=lambda rows: rows.append({**rows[0], **late, "known_on": None, "session_id": "late"}))
    folder = write_folder(tmp_path, tables)
    assert the(check(folder), "after_leaving").rows == (26,)
    assert len(table_of(load_dataset(folder), "attendance")) == 25


def test_rows_before_the_start_stay_where_the_definition_says_so(tmp_path):
    tables = changed(institution(), attendance=lambda rows: rows[0].update(date=CLOSED - 20 * DAY))
    assert the(check(write_folder(tmp_path / "strict", tables)), "before_start").rows == (2,)
    lenient = write_folder(tmp_path / "lenient", tables, keep_before_start_days=20)
    assert check(lenient).findings == ()
    assert len(table_of(load_dataset(lenient), "attendance")) == 24


def test_two_outcomes_of_one_enrolment_are_not_used_and_the_student_is_kept(tmp_path):
    tables = changed(institution(), outcomes=lambda rows: rows.append({"enrolment_id": "e0", "outcome": "switched"}))
    dataset = load_dataset(write_folder(tmp_path, tables))
    finding = the(dataset.report, "outcome_twice")
    assert (finding.severity, finding.count) == ("warning", 2)
    assert sorted(dataset.outcomes()["enrolment_id"]) == ["e2", "e4"]
    assert "e0" in set(table_of(dataset, "enrolments")["enrolment_id"])


def test_lacking_outcomes_never_stop_whatever_their_share(tmp_path):
    tables = changed(institution(300), outcomes=lambda rows: rows.__delitem__(slice(0, 130)))
    report = check(write_folder(tmp_path, tables))
    finding = the(report, "outcome_missing")
    assert (finding.table, finding.count, finding.rows[:2]) == ("enrolments", 130, (2, 4))
    assert not report.faults


def test_many_contradicting_outcomes_never_stop_either(tmp_path):
    tables = institution(300)
    tables["outcomes"] += [{**row, "outcome": "switched"} for row in tables["outcomes"]]
    report = check(write_folder(tmp_path, tables))
    assert not report.faults
    assert the(report, "outcome_twice").count == 300


def test_one_student_twice_in_a_programme_and_cohort_is_told_and_kept(tmp_path):
    tables = changed(institution(), enrolments=lambda rows: rows.append({**rows[0], "enrolment_id": "e0-again"}))
    folder = write_folder(tmp_path, tables)
    assert the(check(folder), "enrolment_again").rows == (8,)
    assert len(table_of(load_dataset(folder), "enrolments")) == 7


def test_rows_of_an_enrolment_that_is_set_apart_go_with_it_and_do_not_count_twice(tmp_path):
    tables = changed(institution(), enrolments=lambda rows: rows[0].update(cohort="2019"))
    report = check(write_folder(tmp_path, tables))
    assert rules(report) == {"cohort_unknown", "enrolment_set_apart"}
    assert {finding.table: finding.count for finding in found(report, "enrolment_set_apart")} == {
        "attendance": 4,
        "results": 2,
        "outcomes": 1,
    }


# --- what was known when -----------------------------------------------------------------------------------------------------------------


def test_where_known_on_is_missing_the_stated_delay_is_added_and_grades_are_warned_of(tmp_path):
    def forget(rows):
        for row in rows:
            row.pop("known_on", None)
            row.pop("left_known_on", None)

    tables = changed(institution(), enrolments=forget, attendance=forget, results=forget)
    folder = write_folder(tmp_path, tables, delays={"attendance": 2, "results": 11, "leaving": 30})
    dataset = load_dataset(folder)
    for table, delay in (("attendance", 2), ("results", 11)):
        frame = table_of(dataset, table)
        assert set(frame["known_on"] - frame["date"]) == {delay}
    leaver = table_of(dataset, "enrolments").dropna(subset="left_on")
    assert list(leaver["left_known_on"] - leaver["left_on"]) == [30]
    finding = the(dataset.report, "grades_known_by_delay")
    assert finding.severity == "warning"
    assert "11 days" in finding.line()
    assert dataset.report.summary["grades_known_after_days"] == {"median": 11.0, "late": 11.0}


def test_delays_that_are_taken_for_granted_are_noted_and_stop_nothing(tmp_path):
    tables = institution()
    for name, column in (("attendance", "known_on"), ("enrolments", "left_known_on")):
        for row in tables[name]:
            row.pop(column)
    report = check(write_folder(tmp_path, tables, delays={"attendance": 3, "leaving": 21}))
    assert report.warnings == report.faults == ()
    told = {(finding.table, finding.severity, finding.figures["days"], finding.count) for finding in found(report, "known_by_delay")}
    assert told == {("enrolments", "note", 21, 1), ("attendance", "note", 3, len(tables["attendance"]))}
    assert "`delays.leaving`" in report.to_text("en")
    assert "er worden 3 dagen bij de datum geteld" in report.to_text("nl")


def test_known_on_governs_where_it_is_told(tmp_path):
    dataset = load_dataset(write_folder(tmp_path, institution(), delays={"attendance": 50, "results": 50}))
    frame = table_of(dataset, "results")
    assert set(frame["known_on"] - frame["date"]) == {9}


# --- grades --------------------------------------------------------------------------------------------------------------------------------


def test_words_stand_for_a_status_and_have_no_number_made_up(tmp_path):
    grades = ["V", "o ", "VR", "NVD", "8,5", "5.4"]
    tables = institution()
    tables["results"] = [{**tables["results"][2 * place], "grade": grade, "test": "toets"} for place, grade in enumerate(grades)]
    results = table_of(load_dataset(write_folder(tmp_path, tables)), "results").sort_values("enrolment_id")
    assert list(results["status"]) == ["passed", "failed", "exempt", "absent", "passed", "failed"]
    assert results["grade"].isna().tolist() == [True, True, True, True, False, False]
    assert [None if flag != flag else flag for flag in results["passed"]] == [1.0, 0.0, None, 0.0, 1.0, 0.0]


def test_another_scale_and_other_words_may_be_declared(tmp_path):
    tables = changed(
        institution(), results=lambda rows: [row.update(grade=(40, 39, "Voldaan")[place % 3]) for place, row in enumerate(rows)]
    )
    grades = {"minimum": 0.0, "maximum": 100.0, "pass_mark": 40.0, "words": {"voldaan": "passed"}}
    results = table_of(load_dataset(write_folder(tmp_path, tables, grades=grades)), "results")
    assert Counter(results["status"]) == {"passed": 8, "failed": 4}


def test_attempts_that_are_not_numbered_are_numbered_by_date(tmp_path):
    tables = institution()
    for row in tables["results"]:
        row["attempt"] = None
    first = tables["results"][0]
    tables["results"].insert(0, {**first, "date": first["date"] + 30 * DAY, "known_on": first["date"] + 40 * DAY, "grade": 8.0})
    results = table_of(load_dataset(write_folder(tmp_path, tables)), "results")
    mine = results[(results["enrolment_id"] == "e0") & (results["test"] == "toets 1")].sort_values("date")
    assert list(mine["attempt"]) == [1.0, 2.0]
    assert list(mine["grade"]) == [5.5, 8.0]


def test_the_same_session_is_only_sure_where_there_is_a_session_id(tmp_path):
    def repeat(rows):
        rows.append(dict(rows[0]))
        for row in rows:
            del row["session_id"]

    assert check(write_folder(tmp_path, changed(institution(), attendance=repeat))).findings == ()


# --- how much is too much ------------------------------------------------------------------------------------------------------------------


def with_stray_rows(count: int, rows: int = 30000) -> Institution:
    """Give attendance of which so many rows belong to nobody."""
    tables = institution(2)
    row = tables["attendance"][0]
    plain = {column: row[column] for column in ("enrolment_id", "date", "scheduled", "attended")}
    tables["attendance"] = [plain] * (rows - count) + [{**plain, "enrolment_id": "nobody"}] * count
    return tables


def written(folder, tables: Institution, **more: Any):
    write_folder(folder, {**tables, "attendance": tables["attendance"][:1]}, tables={"attendance": "attendance.parquet"}, **more)
    write_parquet(folder / "attendance.parquet", tables["attendance"])
    return folder


def test_forty_stray_rows_do_not_block_a_mondays_list_and_four_thousand_do(tmp_path):
    few = check(written(tmp_path / "few", with_stray_rows(40)))
    many = check(written(tmp_path / "many", with_stray_rows(4000)))
    assert not few.faults
    assert the(few, "enrolment_unknown").count == 40
    fault = the(many, "too_many_warnings")
    assert (fault.severity, fault.table, fault.count, fault.figures["broken"]) == ("fault", "attendance", 4000, "enrolment_unknown")


def test_forty_of_a_small_table_do_not_block_either(tmp_path):
    assert not check(written(tmp_path, with_stray_rows(40, rows=400))).faults


ACCEPTED = {
    "rule": "enrolment_unknown",
    "table": "attendance",
    "by": "A. de Vries",
    "on": dt.date(2024, 10, 1),
    "because": "part-timers, see ticket 12",
}


def test_what_somebody_accepted_on_record_does_not_stop_and_is_told(tmp_path):
    report = check(written(tmp_path, with_stray_rows(4000), accept=[ACCEPTED]))
    assert not report.faults
    assert the(report, "enrolment_unknown").severity == "warning"
    assert "A. de Vries" in report.to_text("en")
    assert "part-timers" in report.to_text("nl")


@pytest.mark.parametrize("other", [{"rule": "before_start"}, {"table": "results"}, {"up_to_share": 0.05}])
def test_an_acceptance_covers_its_own_rule_table_and_share_alone(tmp_path, other):
    report = check(written(tmp_path, with_stray_rows(4000), accept=[{**ACCEPTED, **other}]))
    assert found(report, "too_many_warnings")


# --- columns of the institution's own ------------------------------------------------------------------------------------------------------


def declared(**more: Any) -> Row:
    words = {"nl": "iets", "en": "something"}
    return {"name": "iets", "label": words, "phrase": words, "justification": "Because this test needs one.", **more}


def test_declared_columns_on_enrolments_are_read_by_their_kind(tmp_path):
    tables = changed(
        institution(),
        enrolments=lambda rows: [
            row.update(Uren=f"{place},5", Mentor=("ja", "nee")[place % 2], Spoor=("A", "B", "Z")[place % 3])
            for place, row in enumerate(rows)
        ],
    )
    extra = [
        declared(name="uren", source="enrolment", column="Uren"),
        declared(name="mentor", source="enrolment", column="Mentor", kind="flag"),
        declared(name="spoor", source="enrolment", column="spoor", kind="category", categories=["A", "B"]),
    ]
    folder = write_folder(tmp_path, tables, extra=extra)
    finding = the(check(folder), "category_unknown")
    assert (finding.column, finding.count, finding.figures["example"]) == ("extra_spoor", 2, "Z")
    enrolments = table_of(load_dataset(folder), "enrolments").sort_values("enrolment_id")
    assert list(enrolments["extra_uren"]) == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert list(enrolments["extra_mentor"]) == [1.0, 0.0] * 3
    assert enrolments["extra_spoor"].isna().sum() == 2


def test_a_declared_column_that_is_not_there_or_of_the_wrong_type_is_a_fault(tmp_path):
    extra = [declared(name="uren", source="enrolment", column="uren"), declared(name="academie", source="enrolment", column="academy")]
    report = check(write_folder(tmp_path, institution(), extra=extra))
    assert {(finding.rule, finding.column) for finding in report.faults} == {
        ("extra_column_missing", "extra_uren"),
        ("wrong_type", "extra_academie"),
    }


def test_dated_rows_of_a_declared_column_are_checked_as_attendance_is(tmp_path):
    tables = institution()
    tables["visits"] = [{"Inschrijving": "e0", "Dag": CLOSED + place * DAY, "Aantal": place} for place in range(4)]
    tables["visits"] += [{"Inschrijving": "x", "Dag": CLOSED, "Aantal": 1}, {"Inschrijving": "e0", "Dag": CLOSED - DAY, "Aantal": 1}]
    tables["visits"] += [{"Inschrijving": "e0", "Dag": CLOSED, "Aantal": "veel"}]
    table = {"file": "visits.csv", "columns": {"enrolment_id": "Inschrijving", "date": "Dag"}}
    extra = [declared(name="bezoek", source="dated", column="Aantal", table=table)]
    folder = write_folder(tmp_path, {name: rows for name, rows in tables.items() if name != "visits"}, extra=extra, delays={"extra": 3})
    from folders import write_csv

    write_csv(folder / "visits.csv", tables["visits"])
    report = check(folder)
    assert {(finding.rule, finding.rows) for finding in report.warnings} == {
        ("enrolment_unknown", (6,)),
        ("before_start", (7,)),
        ("value_unreadable", (8,)),
    }
    rows = table_of(load_dataset(folder), "bezoek")
    assert sorted(rows["value"]) == [0.0, 1.0, 2.0, 3.0]
    assert set(rows["known_on"] - rows["date"]) == {3}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"justification": "  "}, "justification"),
        ({"column": "leeftijd"}, "sensitive"),
        ({"source": "dated"}, "table"),
        ({"kind": "category"}, "categories"),
        ({"label": {"nl": "geslacht", "en": "code 7"}}, "sensitive"),
        ({"label": {"nl": "code 7", "en": "parents' education"}}, "sensitive"),
        ({"kind": "category", "categories": ["V", "M", "X"]}, "sex"),
        ({"kind": "category", "categories": ["Man", "Vrouw"]}, "sex"),
    ],
)
def test_a_declared_column_that_may_not_be_is_refused(tmp_path, wrong, said):
    extra = [declared(**{"source": "enrolment", "column": "academy", **wrong})]
    with pytest.raises(ConfigurationFault, match=said):
        check(write_folder(tmp_path, institution(), extra=extra))


# --- what the data hold ---------------------------------------------------------------------------------------------------------------------


def test_the_check_says_what_it_found(tmp_path):
    summary = check(write_folder(tmp_path, institution(), imported={"dropped": {"results before the start": 3}})).summary
    assert [(cohort["label"], cohort["closed"], cohort["students"], cohort["enrolments"]) for cohort in summary["cohorts"]] == [
        ("2023", True, 3, 3),
        ("2024", False, 3, 3),
    ]
    tables = {table["table"]: table for table in summary["tables"]}
    assert tables["attendance"]["rows"] == 24
    assert (tables["attendance"]["first"], tables["attendance"]["last"]) == ("2023-09-05", "2024-09-24")
    assert tables["enrolments"]["missing"]["left_on"] == pytest.approx(5 / 6)
    assert summary["grades_known_after_days"] == {"median": 9.0, "late": 9.0}
    assert summary["leaving_known_after_days"] == {"median": 5.0, "late": 5.0}
    assert summary["outcomes"] == {"continued": 2, "dropped_out": 1}
    assert summary["outcome_definition"]["measured_on"] == "1 October of the next year"
    assert summary["imported"] == {"dropped": {"results before the start": 3}}


def test_a_cohort_without_enrolments_is_told_with_none(tmp_path):
    cohorts = [
        {"label": "2022", "start": dt.date(2022, 9, 5), "closed": True},
        {"label": "2023", "start": CLOSED, "closed": True},
        {"label": "2024", "start": dt.date(2024, 9, 2)},
    ]
    report = check(write_folder(tmp_path, institution(), cohorts=cohorts))
    assert report.summary["cohorts"][0]["students"] == 0


def test_a_person_twice_among_coaches_contacts_or_groups_is_told(tmp_path):
    tables = institution()
    tables["contacts"] = [{"student_id": "s0", "name": "A", "email": "a@example.org", "language": "nl"}] * 2
    tables["coaches"] = [{"coach_id": "c1", "name": "B"}, {"coach_id": None, "name": "C"}]
    report = check(write_folder(tmp_path, tables))
    assert {(finding.rule, finding.table, finding.rows) for finding in report.warnings} == {
        ("person_twice", "contacts", (3,)),
        ("row_incomplete", "coaches", (3,)),
    }
