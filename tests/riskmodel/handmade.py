"""Small tables made by hand or by lot, on any backend, for the tests of windows and features."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl

from riskmodel.contract.definition import DatasetDefinition
from riskmodel.dates import to_epoch_day
from riskmodel.tables import (
    ATTENDANCE_COLUMNS,
    ENROLMENT_COLUMNS,
    EXTRA_COLUMNS,
    OUTCOME_COLUMNS,
    RESULT_COLUMNS,
    Frame,
    Tables,
)

START_DATE = dt.date(2024, 9, 2)
START = to_epoch_day(START_DATE)
BACKENDS = ("pandas", "polars", "duckdb")
Rows = Sequence[Mapping[str, Any]]

_DUCKDB_TYPES = {"text": "VARCHAR", "date": "BIGINT", "number": "DOUBLE", "flag": "DOUBLE"}
_POLARS_TYPES = {"text": pl.String, "date": pl.Int64, "number": pl.Float64, "flag": pl.Float64}


def frame_of(rows: Rows, kinds: Mapping[str, str], backend: str) -> Frame:
    """Give rows as a lazy frame with all canonical columns; what a row does not say is null."""
    columns = {name: [row.get(name) for row in rows] for name in kinds}
    if backend == "polars":
        return nw.from_native(pl.DataFrame(columns, schema={name: _POLARS_TYPES[kind] for name, kind in kinds.items()}).lazy())
    if backend == "duckdb":
        listed = ", ".join(f"{name} {_DUCKDB_TYPES[kind]}" for name, kind in kinds.items())
        name = f"made_{next(_NUMBER)}"
        _CONNECTION.execute(f"CREATE TABLE {name} ({listed})")
        if rows:
            _CONNECTION.register("it", pandas_of(columns, kinds).astype(object).where(lambda frame: frame.notna(), None))
            _CONNECTION.execute(f"INSERT INTO {name} SELECT * FROM it")
            _CONNECTION.unregister("it")
        return nw.from_native(_CONNECTION.table(name)).lazy()
    if backend == "pandas":
        return nw.from_native(pandas_of(columns, kinds)).lazy()
    raise ValueError(backend)


def pandas_of(columns: Mapping[str, list[Any]], kinds: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(columns[name], dtype="str" if kind == "text" else float) for name, kind in kinds.items()})


def _numbers():
    number = 0
    while True:
        number += 1
        yield number


_NUMBER = _numbers()
_CONNECTION = duckdb.connect()


def tables_of(
    backend: str = "pandas",
    *,
    enrolments: Rows,
    attendance: Rows | None = None,
    results: Rows | None = None,
    outcomes: Rows | None = None,
    extra: Mapping[str, Rows] | None = None,
    enrolment_extras: Mapping[str, str] | None = None,
) -> Tables:
    """Give canonical tables from rows."""

    def optional(rows: Rows | None, kinds: Mapping[str, str]) -> Frame | None:
        return None if rows is None else frame_of(rows, kinds, backend)

    return Tables(
        enrolments=frame_of(enrolments, {**ENROLMENT_COLUMNS, **(enrolment_extras or {})}, backend),
        attendance=optional(attendance, ATTENDANCE_COLUMNS),
        results=optional(results, RESULT_COLUMNS),
        outcomes=optional(outcomes, OUTCOME_COLUMNS),
        extra={name: frame_of(rows, EXTRA_COLUMNS, backend) for name, rows in (extra or {}).items()},
    )


def enrolment(name: str = "e1", *, start: int = 0, **more: Any) -> dict[str, Any]:
    """Give an enrolment that starts so many days after `START_DATE`."""
    given = {"cohort": "2024", "programme": "nursing", "enrolled_on": START + start - 100}
    return {"enrolment_id": name, "student_id": f"s-{name}", "start_date": START + start, **given, **more}


def lesson(
    name: str, day: int, attended: float | None = 1, scheduled: float = 1, *, known: int | None = None, **more: Any
) -> dict[str, Any]:
    """Give a lesson on a day since `START_DATE`, known that day unless said otherwise."""
    dates = {"date": START + day, "known_on": START + (day if known is None else known)}
    return {"enrolment_id": name, **dates, "scheduled": scheduled, "attended": attended, **more}


def result(
    name: str,
    day: int,
    test: str = "test 1",
    grade: float | None = 7.0,
    *,
    status: str | None = None,
    known: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Give a result; 5.5 passes."""
    status = status or ("passed" if grade is not None and grade >= 5.5 else "failed")
    passed = {"passed": 1.0, "exempt": None}.get(status, 0.0)
    dates = {"date": START + day, "known_on": START + (day if known is None else known)}
    words = {"course": "course", "test": test, "attempt": 1.0, "credits": None}
    return {"enrolment_id": name, **dates, **words, "grade": grade, "status": status, "passed": passed, **more}


def event(name: str, day: int, value: float | None = 1.0, *, known: int | None = None) -> dict[str, Any]:
    """Give a dated row of a declared column."""
    return {"enrolment_id": name, "date": START + day, "known_on": START + (day if known is None else known), "value": value}


def declared_column(name: str = "visits", **more: Any) -> dict[str, Any]:
    """Give the declaration of a column of the institution's own."""
    words = {"nl": f"{name} (nl)", "en": f"{name} (en)"}
    told = {"name": name, "column": name, "label": words, "phrase": words, "justification": "Declared for a test of declared columns."}
    if more.get("source", "dated") == "dated":
        told |= {"source": "dated", "table": {"file": f"{name}.csv"}}
    return {**told, **more}


def definition_of(*extra: Mapping[str, Any], **more: Any) -> DatasetDefinition:
    """Give a definition with cohorts 2023 (closed) and 2024."""
    told: dict[str, Any] = {
        "name": "made by hand",
        "cohorts": [
            {"label": "2023", "start": START_DATE.replace(year=2023), "closed": True},
            {"label": "2024", "start": START_DATE},
        ],
        "outcome": {"measured_on": "1 October of the next year", "switch_inside_counts": True, "early_leavers_count": False},
        "tables": {"enrolments": {"file": "enrolments.csv"}},
        "extra": list(extra),
    }
    return DatasetDefinition.model_validate(told | more)


Population = dict[str, Any]


def population(seed: int, students: int = 24, *, last_day: int = 80) -> Population:
    """Give the rows of students by lot, with everything that happens in life: late starters, leavers, gaps, resits, exemptions, late grades."""
    random = np.random.default_rng(seed)
    rows: Population = {"enrolments": [], "attendance": [], "results": [], "outcomes": [], "extra": {"visits": [], "clicks": []}}
    for number in range(students):
        name = f"e{number:03d}"
        start = 0 if random.random() < 0.8 else int(random.integers(1, 30))
        more: dict[str, Any] = {"programme": str(random.choice(["nursing", "law", "small"], p=[0.5, 0.42, 0.08]))}
        more["enrolled_on"] = None if random.random() < 0.1 else START + start - int(random.integers(-5, 200))
        if random.random() < 0.3:
            more["left_on"] = START + start + int(random.integers(0, last_day))
            more["left_known_on"] = more["left_on"] + int(random.integers(0, 30))
        more["prior_education"] = None if random.random() < 0.1 else str(random.choice(["havo", "mbo", "vwo"]))
        more["prior_education_related"] = None if random.random() < 0.5 else float(random.integers(0, 2))
        more["intake_check"] = None if random.random() < 0.3 else str(random.choice(["ja", "nee", "twijfel"]))
        more["extra_load"] = None if random.random() < 0.2 else float(random.integers(10, 60))
        rows["enrolments"].append(enrolment(name, start=start, **more))
        rows["outcomes"].append({"enrolment_id": name, "outcome": str(random.choice(["continued", "switched", "dropped_out"]))})
        if random.random() < 0.9:
            zeal = random.random()
            for day in range(start, last_day):
                if day % 7 >= 5 or day // 7 == 4 or random.random() < 0.3:
                    continue
                attended = None if random.random() < 0.03 else float(random.random() < zeal)
                rows["attendance"].append(lesson(name, day, attended, known=day + int(random.integers(0, 4))))
        for test, day in (("test 1", 18), ("test 2", 32), ("test 3", 60)):
            draw = random.random()
            if draw < 0.15:
                continue
            when = day + int(random.integers(0, 4))
            known = when + int(random.integers(0, 12))
            if draw < 0.22:
                rows["results"].append(result(name, when, test, None, status="exempt", known=known, credits=5.0))
            elif draw < 0.3:
                rows["results"].append(result(name, when, test, None, status="absent", known=known, credits=5.0))
            else:
                grade = round(float(random.uniform(2, 10)), 1)
                rows["results"].append(result(name, when, test, grade, known=known, credits=5.0))
                if grade < 5.5:
                    resit = round(float(random.uniform(3, 9)), 1)
                    rows["results"].append(result(name, when + 15, test, resit, known=known + 18, attempt=2.0, credits=5.0))
        for extra in ("visits", "clicks"):
            for _ in range(int(random.integers(0, 6))):
                day = int(random.integers(start, last_day))
                rows["extra"][extra].append(event(name, day, float(random.integers(0, 50)), known=day + int(random.integers(0, 5))))
    return rows


def population_definition() -> DatasetDefinition:
    """Give the definition that goes with `population`."""
    return definition_of(
        declared_column("visits", aggregate=["sum", "sum_recent", "mean", "last", "count", "days_since"], compare=True, direction="down"),
        declared_column("clicks", aggregate=["sum", "sum_recent"], compare=True, transform="log1p"),
        declared_column("load", source="enrolment", known_from_day=20),
        landmarks=[14, 28, 42, 56, 70],
    )


def population_tables(rows: Population, backend: str = "pandas") -> Tables:
    """Give a population as tables."""
    return tables_of(backend, enrolment_extras={"extra_load": "number"}, **rows)
