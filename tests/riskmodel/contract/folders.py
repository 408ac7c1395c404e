"""A small institution as rows, and folders that hold it in any dialect of CSV, in Parquet and in Excel."""

from __future__ import annotations

import copy
import csv
import datetime as dt
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import tomlkit

from riskmodel.contract.dataset import Dataset, check_dataset
from riskmodel.contract.findings import CheckReport, Finding
from riskmodel.frames import to_pandas

Rows = list[dict[str, Any]]
Institution = dict[str, Rows]
CLOSED, RUNNING = dt.date(2023, 9, 4), dt.date(2024, 9, 2)


def institution(students: int = 6) -> Institution:
    """Give clean rows: half of the students in a closed cohort, half in one that runs."""
    tables: Institution = {"enrolments": [], "attendance": [], "results": [], "outcomes": []}
    for number in range(students):
        closed = number % 2 == 0
        start = CLOSED if closed else RUNNING
        name = f"e{number}"
        left = start + dt.timedelta(days=60) if number == 2 else None
        tables["enrolments"].append(
            {
                "enrolment_id": name, "student_id": f"s{number}", "cohort": "2023" if closed else "2024",
                "programme": "Verpleegkunde" if number % 3 else "Café en Crème", "academy": "Zorg", "start_date": start,
                "enrolled_on": start - dt.timedelta(days=90 + number), "left_on": left,
                "left_known_on": None if left is None else left + dt.timedelta(days=5),
                "prior_education": ("havo", "mbo", "vwo", "other")[number % 4], "prior_education_related": number % 2,
            }
        )  # fmt: skip
        for week in range(4):
            day = start + dt.timedelta(days=7 * week + 1)
            tables["attendance"].append(
                {
                    "enrolment_id": name, "date": day, "known_on": day + dt.timedelta(days=1), "course": "vak 1", "scheduled": 2,
                    "attended": (number + week) % 3, "session_id": f"{name}-{week}",
                }
            )  # fmt: skip
        for place, grade in enumerate((5.5 + (number % 9) / 2, 7.0)):
            day = start + dt.timedelta(days=30 + 14 * place)
            tables["results"].append(
                {
                    "enrolment_id": name, "date": day, "known_on": day + dt.timedelta(days=9), "course": "vak 1", "test": f"toets {place + 1}",
                    "attempt": 1, "grade": grade, "credits": 2.5,
                }
            )  # fmt: skip
        if closed:
            tables["outcomes"].append({"enrolment_id": name, "outcome": "dropped_out" if left else "continued"})
    return tables


def definition(files: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Give `dataset.toml` as a dictionary: a file name or a whole table entry for each table."""
    return {
        "name": "a small institution",
        "cohorts": [{"label": "2023", "start": CLOSED, "closed": True}, {"label": "2024", "start": RUNNING}],
        "outcome": {"measured_on": "1 October of the next year", "switch_inside_counts": True, "early_leavers_count": False},
        "tables": {name: {"file": entry} if isinstance(entry, str) else dict(entry) for name, entry in files.items()},
        **more,
    }


def write_definition(folder: Path, told: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.toml").write_text(tomlkit.dumps(dict(told)), encoding="utf-8")


@dataclass(frozen=True)
class Dialect:
    """A way to write CSV."""

    delimiter: str = ","
    decimal: str = "."
    date: str = "%Y-%m-%d"
    encoding: str = "utf-8"
    newline: str = "\n"
    quoting: int = csv.QUOTE_MINIMAL
    last_newline: bool = True


def told(value: object, dialect: Dialect) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.date):
        return value.strftime(dialect.date)
    if isinstance(value, float):
        return str(value).replace(".", dialect.decimal)
    return str(value)


def write_csv(path: Path, rows: Rows, dialect: Dialect = Dialect(), header: Sequence[str] | None = None) -> None:
    """Write rows in a dialect."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=dialect.delimiter, lineterminator=dialect.newline, quoting=dialect.quoting)
    columns = list(rows[0]) if rows else list(header or ())
    writer.writerow(header or columns)
    writer.writerows([told(row.get(column), dialect) for column in columns] for row in rows)
    text = buffer.getvalue()
    path.write_bytes((text if dialect.last_newline else text.rstrip("\r\n")).encode(dialect.encoding))


def write_parquet(path: Path, rows: Rows) -> None:
    columns = {column: [row.get(column) for row in rows] for column in rows[0]}
    frame = pd.DataFrame({column: pd.Series(values, dtype="object") for column, values in columns.items()})
    dates = [column for column, values in columns.items() if any(isinstance(value, dt.date) for value in values)]
    with duckdb.connect() as connection:
        connection.register("it", frame.astype(dict.fromkeys(dates, "str")).where(frame.notna(), None))
        listed = ", ".join(f'CAST("{column}" AS DATE) AS "{column}"' if column in dates else f'"{column}"' for column in columns)
        connection.execute(f"COPY (SELECT {listed} FROM it) TO '{path.as_posix()}' (FORMAT parquet)")


def write_excel(path: Path, sheets: Mapping[str, Rows]) -> None:
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        sheet.append(list(rows[0]))
        for row in rows:
            sheet.append(list(row.values()))
    book.save(path)


def write_folder(folder: Path, rows_of: Institution, dialect: Dialect = Dialect(), **more: Any) -> Path:
    """Write an institution as CSV with its `dataset.toml`."""
    files = {name: f"{name}.csv" for name in rows_of}
    entries = more.pop("tables", {})
    write_definition(folder, definition({**files, **entries}, **more))
    for name, rows in rows_of.items():
        write_csv(folder / f"{name}.csv", rows, dialect)
    return folder


def changed(tables: Institution, **changes: Any) -> Institution:
    """Give a deep copy; `table=function(rows)` changes a table in place."""
    out = copy.deepcopy(tables)
    for name, change in changes.items():
        change(out[name])
    return out


def found(report: CheckReport, rule: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.rule == rule]


def the(report: CheckReport, rule: str) -> Finding:
    """Give the one finding of a rule."""
    findings = found(report, rule)
    assert len(findings) == 1, [finding.line() for finding in report.findings]
    return findings[0]


def rules(report: CheckReport) -> set[str]:
    return {finding.rule for finding in report.findings}


def check(folder: Path) -> CheckReport:
    return check_dataset(folder)


def canonical(dataset: Dataset) -> dict[str, list[tuple[Any, ...]]]:
    """Give every table as sorted rows with plain values, so that two data sets can be compared."""
    frames = {"enrolments": dataset.tables.enrolments, "attendance": dataset.tables.attendance, "results": dataset.tables.results}
    frames |= {"outcomes": dataset.tables.outcomes, **dataset.tables.extra}
    out = {}
    for name, frame in frames.items():
        if frame is not None:
            table = to_pandas(frame)
            rows = table[sorted(table.columns)].astype(object).where(table[sorted(table.columns)].notna(), None)
            out[name] = sorted((tuple(_plain(value) for value in row) for row in rows.itertuples(index=False)), key=repr)
    return out


def _plain(value: object) -> object:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def table_of(dataset: Dataset, name: str) -> pd.DataFrame:
    frame = dataset.tables.extra[name] if name in dataset.tables.extra else getattr(dataset.tables, name)
    return to_pandas(frame)
