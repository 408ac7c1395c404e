"""Rows that another system sends: the same tables as from files, and each wrong value with its place."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from folders import CLOSED, changed, definition, institution, table_of, write_csv, write_folder

from riskmodel.contract.dataset import load_dataset
from riskmodel.contract.definition import DatasetDefinition
from riskmodel.contract.rows import FAULTS_TOLD, RowFaults, tables_from_rows
from riskmodel.frames import to_pandas
from riskmodel.window import cut

WORDS = {"nl": "iets", "en": "something"}
EXTRA = [
    {"name": "hours", "source": "enrolment", "column": "uren", "label": WORDS, "phrase": WORDS, "justification": "Needed by a test."},
    {
        "name": "visits", "source": "dated", "column": "aantal", "table": {"file": "visits.csv"}, "label": WORDS, "phrase": WORDS,
        "justification": "Needed by a test.",
    },
]  # fmt: skip


def told(**more: Any) -> DatasetDefinition:
    return DatasetDefinition.model_validate(definition({"enrolments": "enrolments.csv"}, extra=EXTRA, **more))


def as_json(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{column: value.isoformat() if isinstance(value, dt.date) else value for column, value in row.items()} for row in rows]


def request() -> dict[str, list[dict[str, Any]]]:
    tables = institution()
    return {name: as_json(tables[name]) for name in ("enrolments", "attendance", "results")}


def faults(rows: Any, **more: Any) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(RowFaults) as caught:
        tables_from_rows(told(**more), rows)
    return [(fault.path, fault.message) for fault in caught.value.faults]


def test_rows_give_the_tables_that_files_give(tmp_path):
    tables = changed(
        institution(),
        enrolments=lambda rows: [row.update(uren=place + 0.5) for place, row in enumerate(rows)],
        results=lambda rows: (rows[0].update(grade="NVD"), [row.update(attempt=None) for row in rows]),
    )
    visits = [{"enrolment_id": "e0", "date": CLOSED + dt.timedelta(days=3), "aantal": 2}]
    folder = write_folder(tmp_path, tables, extra=EXTRA)
    write_csv(folder / "visits.csv", visits)
    dataset = load_dataset(folder, backend="pandas")
    rows = {name: as_json(tables[name]) for name in ("enrolments", "attendance", "results")}
    for row in rows["enrolments"]:
        row["hours"] = row.pop("uren")
    rows["visits"] = [{"enrolment_id": "e0", "date": visits[0]["date"].isoformat(), "value": 2}]
    sent = tables_from_rows(dataset.definition, rows)
    for name in ("enrolments", "attendance", "results", "visits"):
        mine = to_pandas(sent.extra[name] if name == "visits" else getattr(sent, name))
        theirs = table_of(dataset, name)
        keys = [column for column in ("enrolment_id", "date", "test", "session_id") if column in mine]
        assert set(mine.columns) == set(theirs.columns)
        mine, theirs = (frame[sorted(frame.columns)].sort_values(keys, ignore_index=True) for frame in (mine, theirs))
        assert mine.astype(object).where(mine.notna(), None).equals(theirs.astype(object).where(theirs.notna(), None).astype(object)) or (
            mine.fillna(-1)
            .astype("str")
            .replace(r"\.0$", "", regex=True)
            .equals(theirs.fillna(-1).astype("str").replace(r"\.0$", "", regex=True))
        )


def test_a_student_without_results_or_attendance_can_be_sent():
    tables = tables_from_rows(told(), {"enrolments": request()["enrolments"][:1]})
    assert tables.attendance is None
    assert tables.results is None
    assert len(to_pandas(cut(tables, 28).enrolments)) == 1


def test_the_delay_is_added_where_known_on_is_not_sent():
    rows = request()
    for row in rows["results"]:
        del row["known_on"]
    results = to_pandas(tables_from_rows(told(delays={"results": 4}), rows).results)
    assert set(results["known_on"] - results["date"]) == {4}


@pytest.mark.parametrize(
    ("table", "field", "value", "said"),
    [
        ("enrolments", "start_date", "2-9-2024", "no date"),
        ("enrolments", "start_date", 20240902, "no date"),
        ("enrolments", "start_date", "1889-09-01", "1990"),
        ("enrolments", "start_date", None, "needed"),
        ("enrolments", "enrolment_id", " ", "needed"),
        ("enrolments", "programme", 4.5, "no text"),
        ("enrolments", "gap_years", "two", "no number"),
        ("enrolments", "gap_years", float("nan"), "finite"),
        ("enrolments", "gap_years", True, "no number"),
        ("enrolments", "prior_education_related", "maybe", "true, false"),
        ("enrolments", "prior_education", "gymnasium", "havo, mbo"),
        ("enrolments", "left_on", "2000-01-01", "more than a year before the start"),
        ("enrolments", "gender", "f", "sensitive"),
        ("enrolments", "shoe_size", 40, "no such field"),
        ("attendance", "enrolment_id", "nobody", "no enrolment"),
        ("attendance", "date", "2001-09-01", "before the start"),
        ("attendance", "known_on", "2001-09-01", "before the date"),
        ("attendance", "attended", 9, "more than scheduled"),
        ("attendance", "attended", -1, "negative"),
        ("attendance", "scheduled", -2, "negative"),
        ("results", "grade", 10.5, "no grade from 1 to 10"),
        ("results", "grade", "heel goed", "no known word"),
        ("results", "grade", True, "no grade"),
        ("results", "credits", "2", "no number"),
    ],
)
def test_each_wrong_value_is_named_with_its_place(table, field, value, said):
    rows = request()
    rows[table][1][field] = value
    found = faults(rows)
    assert (table, 1, field) in [path for path, _ in found]
    assert said in next(message for path, message in found if path == (table, 1, field))


def test_faults_are_told_all_at_once():
    rows = request()
    rows["enrolments"][0]["start_date"] = "soon"
    rows["attendance"][3]["attended"] = "x"
    rows["results"][5]["grade"] = 99
    rows["lessons"] = []
    assert {path for path, _ in faults(rows)} == {
        ("lessons",),
        ("enrolments", 0, "start_date"),
        ("attendance", 3, "attended"),
        ("results", 5, "grade"),
    }


def test_rows_of_an_enrolment_that_is_wrong_itself_are_no_further_faults():
    rows = request()
    del rows["enrolments"][0]["programme"]
    assert [path for path, _ in faults(rows)] == [("enrolments", 0, "programme")]


def test_an_enrolment_or_attempt_that_stands_twice_is_a_fault():
    rows = request()
    rows["enrolments"].append(dict(rows["enrolments"][0]))
    rows["results"].append(dict(rows["results"][0]))
    assert {path for path, _ in faults(rows)} == {("enrolments", 6, "enrolment_id"), ("results", 0, "attempt"), ("results", 12, "attempt")}


def test_nothing_sent_and_rows_that_are_no_objects_are_faults():
    assert faults({}) == [(("enrolments",), "at least one enrolment is needed")]
    assert faults({"enrolments": ["e1"]})[0][0] == ("enrolments", 0)


def test_a_flood_of_faults_is_told_up_to_a_limit():
    rows = request()
    rows["attendance"] = [{"enrolment_id": "e0", "date": "x", "scheduled": "x", "attended": "x"}] * 500
    assert len(faults(rows)) == FAULTS_TOLD


def test_what_is_not_known_is_null_and_never_zero():
    rows = request()
    rows["attendance"][0]["attended"] = None
    del rows["attendance"][0]["course"]
    attendance = to_pandas(tables_from_rows(told(), rows).attendance)
    assert attendance["attended"].isna().sum() == 1
    assert attendance["course"].isna().sum() == 1
    assert attendance["attended"].dtype == "float64"
    assert attendance["date"].dtype == "int64"
