"""Whatever dialect an institution exports in, the same rows come in; a broken file is one clear fault and hides nothing else."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import duckdb
import pytest
from folders import (
    CLOSED,
    Dialect,
    canonical,
    changed,
    check,
    definition,
    found,
    institution,
    rules,
    table_of,
    the,
    write_csv,
    write_definition,
    write_excel,
    write_folder,
    write_parquet,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from riskmodel.contract.dataset import load_dataset
from riskmodel.dates import to_epoch_day

DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    date=st.sampled_from(["%Y-%m-%d", "%d-%m-%Y", "%d/%m/%Y", "%Y%m%d", "%d-%m-%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d 00:00:00.000"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    last_newline=st.booleans(),
)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple]]:
    return canonical(load_dataset(write_folder(tmp_path_factory.mktemp("plain"), institution())))


@settings(max_examples=settings().max_examples // 2)
@given(dialect=DIALECTS)
def test_the_same_rows_come_in_from_every_dialect(dialect, expected, tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("dialect"), institution(), dialect)
    assert canonical(load_dataset(folder)) == expected


def test_the_same_rows_come_in_from_parquet_and_from_excel(expected, tmp_path):
    tables = institution()
    parquet, excel = tmp_path / "parquet", tmp_path / "excel"
    write_definition(parquet, definition({name: f"{name}.parquet" for name in tables}))
    for name, rows in tables.items():
        write_parquet(parquet / f"{name}.parquet", rows)
    write_definition(excel, definition({name: {"file": "book.xlsx", "sheet": name} for name in tables}))
    write_excel(excel / "book.xlsx", tables)
    assert canonical(load_dataset(parquet)) == expected
    assert canonical(load_dataset(excel)) == expected


def test_both_backends_hold_the_same_rows(expected, tmp_path):
    folder = write_folder(tmp_path, institution())
    assert canonical(load_dataset(folder, backend="pandas")) == expected


def test_names_that_are_no_plain_ascii_survive(tmp_path):
    folder = write_folder(tmp_path, institution(), Dialect(encoding="cp1252", delimiter=";"))
    assert "Café en Crème" in set(table_of(load_dataset(folder), "enrolments")["programme"])


def test_what_dataset_toml_declares_is_followed(expected, tmp_path):
    tables = institution()
    names = {"enrolment_id": "Inschrijving", "date": "Datum toets", "known_on": "Gepubliceerd", "grade": "Cijfer"}
    dialect = Dialect(delimiter="|", decimal=",", date="%m/%d/%Y", encoding="cp1252")
    entry = {
        "file": "results.csv", "delimiter": "|", "decimal": ",", "date_format": "%m/%d/%Y", "encoding": "cp1252", "columns": names,
        "values": {"course": {"VAK": "vak 1"}},
    }  # fmt: skip
    folder = write_folder(tmp_path, tables, tables={"results": entry})
    renamed = [
        {names.get(column, column): "vak" if column == "course" else value for column, value in row.items()} for row in tables["results"]
    ]
    write_csv(folder / "results.csv", renamed, dialect)
    assert canonical(load_dataset(folder)) == expected


def test_column_names_are_compared_without_regard_to_case_and_space(expected, tmp_path):
    folder = write_folder(tmp_path, institution())
    path = folder / "attendance.csv"
    header, rest = path.read_text(encoding="utf-8").split("\n", 1)
    path.write_text(" , ".join(header.upper().split(",")) + "\n" + rest, encoding="utf-8")
    assert canonical(load_dataset(folder)) == expected


@pytest.mark.parametrize(
    ("decimal", "text", "number"),
    [
        (None, "2,5", 2.5),
        (None, "2.5", 2.5),
        (None, "1.234,5", 1234.5),
        (None, "-0,5", -0.5),
        (",", "1.234", 1234.0),
        (".", "1,234", 1234.0),
        (".", "1,234.5", 1234.5),
        (None, "1,2,3", None),
        (None, "nan", None),
        (None, "inf", None),
    ],
)
def test_numbers_are_read_as_the_definition_says_and_never_guessed_wrong(tmp_path, decimal, text, number):
    tables = institution()
    tables["results"][0]["credits"] = text
    entry = {"file": "results.csv", "delimiter": ";"} | ({"decimal": decimal} if decimal else {})
    folder = write_folder(tmp_path, tables, Dialect(delimiter=";", decimal=decimal or "."), tables={"results": entry})
    write_csv(folder / "results.csv", tables["results"], Dialect(delimiter=";", decimal=decimal or "."))
    read = table_of(load_dataset(folder), "results")
    rest = read["credits"].dropna()
    assert sorted(set(rest) - {2.5}) == ([] if number in (None, 2.5) else [number])
    assert len(read) - len(rest) == (number is None)


def test_words_for_presence_are_read_where_the_definition_maps_them(tmp_path):
    tables = changed(
        institution(),
        attendance=lambda rows: [row.update(scheduled=1, attended=["Afwezig", "aanwezig "][place % 2]) for place, row in enumerate(rows)],
    )
    entry = {"file": "attendance.csv", "values": {"attended": {"aanwezig": "1", "afwezig": "0", "onbekend": ""}}}
    tables["attendance"][5]["attended"] = "Onbekend"
    attendance = table_of(load_dataset(write_folder(tmp_path, tables, tables={"attendance": entry})), "attendance")
    assert attendance["attended"].isna().sum() == 1
    assert attendance["attended"].sum() == len(attendance) / 2 - 1


def test_a_column_that_every_row_would_share_may_be_declared_once(tmp_path):
    tables = institution()
    for row in tables["attendance"]:
        del row["scheduled"]
        row["attended"] = 1
    folder = write_folder(tmp_path, tables, tables={"attendance": {"file": "attendance.csv", "constants": {"scheduled": "1"}}})
    assert set(table_of(load_dataset(folder), "attendance")["scheduled"]) == {1.0}


def test_a_date_that_stands_for_none_may_be_declared(tmp_path):
    tables = changed(institution(), enrolments=lambda rows: [row.update(left_on=row["left_on"] or dt.date(9999, 12, 31)) for row in rows])
    plain = write_folder(tmp_path / "plain", tables)
    assert the(check(plain), "date_blanked").column == "left_on"
    entry = {"file": "enrolments.csv", "values": {"left_on": {"9999-12-31": ""}}}
    mapped = write_folder(tmp_path / "mapped", tables, tables={"enrolments": entry})
    assert not found(check(mapped), "date_blanked")
    for folder in (plain, mapped):
        assert table_of(load_dataset(folder), "enrolments")["left_on"].notna().sum() == 1


def test_moments_with_a_time_zone_are_dutch_dates(tmp_path):
    tables = institution()
    folder = write_folder(tmp_path, tables, tables={"attendance": "attendance.parquet"})
    write_parquet(tmp_path / "a.parquet", tables["attendance"])
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Europe/Amsterdam'")
        select = "* REPLACE (CAST(CAST(date AS TIMESTAMP) AS TIMESTAMPTZ) AS date, CAST(known_on AS TIMESTAMP) AS known_on)"
        connection.execute(f"COPY (SELECT {select} FROM '{tmp_path}/a.parquet') TO '{tmp_path}/attendance.parquet'")
    read = table_of(load_dataset(folder), "attendance")["date"].min()
    assert read == to_epoch_day(CLOSED + dt.timedelta(days=1))


def test_nan_in_parquet_is_a_missing_value_and_ids_lose_their_point_zero(tmp_path):
    tables = institution()
    folder = write_folder(tmp_path, tables, tables={"results": "results.parquet"})
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 'e0' AS enrolment_id, DATE '2023-10-04' AS date, 7.0::DOUBLE AS grade, 12.0::DOUBLE AS test, 'NaN'::DOUBLE AS credits) "
            f"TO '{tmp_path.as_posix()}/results.parquet'"
        )
    results = table_of(load_dataset(folder), "results")
    assert results["credits"].isna().all()
    assert list(results["test"]) == ["12"]
    assert list(results["grade"]) == [7.0]


@pytest.mark.parametrize("how", ["folder", "pattern"])
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_table_may_lie_in_several_files_and_rows_are_told_by_file(tmp_path, how, suffix, expected):
    tables = institution()
    rows = tables["attendance"]
    folder = write_folder(tmp_path, tables, tables={"attendance": "parts" if how == "folder" else f"parts/a*.{suffix}"})
    (folder / "parts").mkdir()
    write = write_parquet if suffix == "parquet" else write_csv
    write(folder / "parts" / f"a1.{suffix}", rows[:10])
    write(folder / "parts" / f"a2.{suffix}", rows[10:])
    assert canonical(load_dataset(folder)) == expected
    rows[12]["attended"] = 99
    write(folder / "parts" / f"a2.{suffix}", rows[10:])
    assert the(check(folder), "attended_more_than_scheduled").rows == ("a2.parquet:3",) if suffix == "parquet" else ("a2.csv:4",)


# --- the number that a person sees ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["csv", "parquet", "xlsx"])
def test_row_numbers_are_those_that_a_person_sees(tmp_path, suffix):
    tables = changed(institution(), attendance=lambda rows: rows[3].update(attended=50))
    folder = write_folder(tmp_path, tables, tables={"attendance": f"attendance.{suffix}"})
    write_parquet(folder / "attendance.parquet", tables["attendance"])
    write_excel(folder / "attendance.xlsx", {"blad": tables["attendance"]})
    assert the(check(folder), "attended_more_than_scheduled").rows == (4 if suffix == "parquet" else 5,)


def test_line_numbers_hold_where_lines_are_blank_or_a_cell_holds_a_line_break(tmp_path):
    tables = changed(institution(), attendance=lambda rows: (rows[0].update(course="vak\neen"), rows[6].update(attended=50)))
    folder = write_folder(tmp_path, tables)
    path = folder / "attendance.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    wrong = next(place for place, line in enumerate(lines) if ",50," in line)
    lines.insert(4, "")
    lines.insert(5, ",,,,,,")
    path.write_text("\n".join(lines), encoding="utf-8")
    finding = the(check(folder), "attended_more_than_scheduled")
    assert finding.rows == (wrong + 2 + 1,)
    assert check(folder).summary["tables"][1]["rows"] == len(tables["attendance"])


def test_the_line_by_which_excel_names_its_separator_is_no_header(tmp_path, expected):
    folder = write_folder(tmp_path, institution(), Dialect(delimiter=";"))
    path = folder / "results.csv"
    path.write_text("sep=;\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert canonical(load_dataset(folder)) == expected


def test_lines_that_end_in_more_than_one_way_are_read(tmp_path, expected):
    folder = write_folder(tmp_path, institution())
    path = folder / "results.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n", 5))
    assert canonical(load_dataset(folder)) == expected


# --- broken files --------------------------------------------------------------------------------------------------------------------


def test_a_stray_quote_is_named_with_its_line(tmp_path):
    folder = write_folder(tmp_path, institution())
    path = folder / "results.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[4] = lines[4].replace("vak 1", '"vak 1')
    path.write_text("\n".join(lines), encoding="utf-8")
    finding = the(check(folder), "csv_quote")
    assert (finding.table, finding.rows, finding.severity) == ("results", (5,), "fault")
    assert "line 5" in finding.line("en")
    assert "regel 5" in finding.line("nl")


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_stray_quote_within_a_value_is_named_with_its_line(tmp_path, delimiter):
    folder = write_folder(tmp_path, institution(), Dialect(delimiter=delimiter))
    path = folder / "results.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[1] = lines[1].replace("vak 1", '"vak\n1"')
    lines[6] = lines[6].replace("vak 1", 'vak" 1')
    path.write_text("\n".join(lines), encoding="utf-8")
    assert the(check(folder), "csv_quote").rows == (8,)


def test_quotes_that_belong_to_a_value_are_no_finding(tmp_path):
    tables = changed(institution(), enrolments=lambda rows: [row.update(programme='hbo-"ICT"') for row in rows])
    assert check(write_folder(tmp_path, tables)).findings == ()
    path = tmp_path / "enrolments.csv"
    path.write_text(path.read_text(encoding="utf-8").replace('"hbo-""ICT"""', 'hbo-"ICT"'), encoding="utf-8")
    assert 'hbo-"ICT"' in path.read_text(encoding="utf-8")
    assert check(tmp_path).findings == ()


def test_lines_with_too_many_values_are_named_and_counted(tmp_path):
    folder = write_folder(tmp_path, institution())
    path = folder / "results.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[2] += ",more"
    lines[7] += ",more,and more"
    path.write_text("\n".join(lines), encoding="utf-8")
    finding = the(check(folder), "csv_columns")
    assert (finding.rows, finding.count) == ((3, 8), 2)


def test_an_export_that_broke_off_is_named(tmp_path):
    folder = write_folder(tmp_path, institution())
    path = folder / "results.csv"
    path.write_bytes(path.read_bytes()[:-20])
    assert the(check(folder), "csv_columns").count == 1


def test_a_truncated_parquet_file_is_one_fault(tmp_path):
    tables = institution()
    folder = write_folder(tmp_path, tables, tables={"attendance": "attendance.parquet"})
    path = folder / "attendance.parquet"
    write_parquet(path, tables["attendance"])
    path.write_bytes(path.read_bytes()[:-30])
    assert the(check(folder), "file_truncated").table == "attendance"


def test_parquet_that_is_damaged_within_is_one_fault_and_the_other_tables_are_checked(tmp_path):
    tables = changed(institution(200), results=lambda rows: rows[0].update(grade=77))
    folder = write_folder(tmp_path, tables, tables={"attendance": "attendance.parquet"})
    path = folder / "attendance.parquet"
    write_parquet(path, tables["attendance"])
    content = bytearray(path.read_bytes())
    content[10:600] = bytes(590)
    path.write_bytes(bytes(content))
    report = check(folder)
    assert [finding.table for finding in report.faults] == ["attendance"]
    assert "grade_unknown" in rules(report)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("results.csv", b"PK\x03\x04 something zipped", "excel_or_zip"),
        ("results.csv", b"PAR1....", "parquet"),
        ("results.csv", b"a;b\n\x00\x00\x00", "binary"),
        ("results.csv", b"", "nothing"),
        ("results.csv", b"<!DOCTYPE html><p>", "web_page"),
        ("results.xlsx", b"<html><table>", "web_page"),
        ("results.xlsx", b"a;b\n1;2\n", "text"),
        ("results.xlsx", b"\xd0\xcf\x11\xe0....", "old_excel"),
        ("results.parquet", b"a,b\n1,2\n", "text"),
        ("results.parquet", b"", "nothing"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_a_fault(tmp_path, name, content, kind):
    folder = write_folder(tmp_path, institution(), tables={"results": name})
    (folder / name).write_bytes(content)
    finding = the(check(folder), "file_not_as_named")
    assert finding.figures["kind"] == kind
    assert finding.severity == "fault"


def test_a_zip_that_calls_itself_excel_is_a_fault(tmp_path):
    folder = write_folder(tmp_path, institution(), tables={"results": "results.xlsx"})
    (folder / "results.xlsx").write_bytes(b"PK\x03\x04 no workbook at all")
    assert the(check(folder), "file_unreadable").table == "results"


def test_a_sheet_that_is_not_there_is_a_fault_that_names_those_that_are(tmp_path):
    tables = institution()
    folder = write_folder(tmp_path, tables, tables={"results": {"file": "book.xlsx", "sheet": "cijfers"}})
    write_excel(folder / "book.xlsx", {"toetsen": tables["results"], "meer": tables["results"]})
    assert "toetsen, meer" in the(check(folder), "sheet_missing").line()


@pytest.mark.parametrize("name", ["results.xls", "results.csv.gz", "results"])
def test_a_format_that_is_not_read_is_a_fault(tmp_path, name):
    folder = write_folder(tmp_path, institution(), tables={"results": name})
    (folder / name).write_bytes(b"anything")
    assert the(check(folder), "file_format_unknown").table == "results"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "no-such-encoding"])
def test_a_declared_encoding_that_does_not_fit_is_a_fault(tmp_path, encoding):
    entry = {"file": "enrolments.csv", "encoding": encoding}
    folder = write_folder(tmp_path, institution(), Dialect(encoding="cp1252"), tables={"enrolments": entry})
    assert the(check(folder), "encoding_wrong").figures["encoding"] == encoding


def test_every_broken_file_is_told_and_none_hides_another(tmp_path):
    folder = write_folder(tmp_path, institution())
    (folder / "enrolments.csv").unlink()
    (folder / "attendance.csv").write_bytes(b"PK\x03\x04")
    (folder / "results.csv").write_text("enrolment_id,date,test,grade\n", encoding="utf-8")
    outcomes = (folder / "outcomes.csv").read_text(encoding="utf-8")
    (folder / "outcomes.csv").write_text(outcomes.replace("outcome\n", "uitkomst\n"), encoding="utf-8")
    told = {(finding.table, finding.rule) for finding in check(folder).faults}
    assert told == {
        ("enrolments", "file_missing"),
        ("attendance", "file_not_as_named"),
        ("results", "table_empty"),
        ("outcomes", "column_missing"),
    }


def test_a_workbook_without_rows_is_an_empty_table(tmp_path):
    from openpyxl import Workbook

    folder = write_folder(tmp_path, institution(), tables={"results": "empty.xlsx"})
    Workbook().save(folder / "empty.xlsx")
    assert the(check(folder), "table_empty").table == "results"


def test_a_workbook_may_be_ragged_and_have_blank_rows(tmp_path):
    from openpyxl import load_workbook

    tables = institution()
    folder = write_folder(tmp_path, tables, tables={"results": "book.xlsx"})
    write_excel(folder / "book.xlsx", {"blad": tables["results"]})
    book = load_workbook(folder / "book.xlsx")
    sheet = book["blad"]
    sheet.insert_rows(3)
    sheet.cell(row=6, column=15, value="een opmerking naast de tabel")
    sheet.cell(row=7, column=list(tables["results"][0]).index("grade") + 1, value=44)
    book.save(folder / "book.xlsx")
    report = check(folder)
    assert the(report, "grade_unknown").rows == (7,)
    assert len(table_of(load_dataset(folder), "results")) == len(tables["results"]) - 1


def test_reading_leaves_nothing_behind(tmp_path, monkeypatch):
    import tempfile

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    folder = write_folder(tmp_path / "data", institution(), Dialect(encoding="cp1252"))
    before = sorted(path.name for path in folder.iterdir())
    check(folder)
    dataset = load_dataset(folder)
    table_of(dataset, "results")
    del dataset
    import gc

    gc.collect()
    assert list(scratch.iterdir()) == []
    assert sorted(path.name for path in Path(folder).iterdir()) == before
