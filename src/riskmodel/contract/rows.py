"""Rows that another system sends as JSON, as canonical tables on pandas. Knows no files; sets nothing apart: a wrong value is a fault."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import narwhals as nw
import pandas as pd

from riskmodel.contract.definition import DatasetDefinition, ExtraColumn, is_sensitive_name
from riskmodel.dates import from_epoch_day, to_epoch_day
from riskmodel.errors import DataFault
from riskmodel.tables import ATTENDANCE_COLUMNS, ENROLMENT_COLUMNS, EXTRA_COLUMNS, RESULT_COLUMNS, Frame, Tables

FIRST_DATE, LAST_DATE = dt.date(1990, 1, 1), dt.date(2100, 12, 31)
FAULTS_TOLD = 100
LONGEST_NOTICE = 366
_SHOWN = 40

_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "enrolments": ("enrolment_id", "student_id", "cohort", "programme", "start_date"),
    "attendance": ("enrolment_id", "date", "scheduled"),
    "results": ("enrolment_id", "date", "test", "grade"),
}
_REQUIRED_EXTRA = ("enrolment_id", "date", "value")
_RESULT_FIELDS = {column: kind for column, kind in RESULT_COLUMNS.items() if column not in ("status", "passed")} | {"grade": "grade"}
_DTYPES = {"text": "str", "number": "float64", "flag": "float64"}


@dataclass(frozen=True)
class RowFault:
    """One wrong value: the table, the place of the row in it (from 0), the field, and what is wrong."""

    table: str
    row: int | None
    field: str
    message: str

    @property
    def path(self) -> tuple[str | int, ...]:
        """The way to the value, for a JSON pointer."""
        return tuple(part for part in (self.table, self.row, self.field) if part is not None and part != "")

    def __str__(self) -> str:
        row = "" if self.row is None else f"[{self.row}]"
        name = f".{self.field}" if self.field else ""
        return f"{self.table}{row}{name}: {self.message}"


class RowFaults(DataFault):
    """Rows that can't be used, each fault with its place."""

    def __init__(self, faults: Sequence[RowFault]) -> None:
        shown = "; ".join(str(fault) for fault in faults[:5])
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        super().__init__(f"{shown}{more}.", place="rows", remedy="Mend these values and send again.")
        self.faults = tuple(faults)


def tables_from_rows(definition: DatasetDefinition, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> Tables:
    """Turn rows with canonical names and ISO dates into canonical tables.

    Parameters
    ----------
    definition : DatasetDefinition
        Grade scale, kinds of prior education, delays and declared columns.
    rows : mapping of table to rows
        `enrolments`, and perhaps `attendance`, `results` and the dated tables of declared columns by their name (fields enrolment_id,
        date, known_on, value). Declared columns on enrolments carry their own name. A field that is absent or null is not known.

    Returns
    -------
    Tables
        On pandas; without outcomes.

    Raises
    ------
    RowFaults
        A table or field that the contract does not know, a sensitive attribute, a wrong type, a value that can't be. Every fault
        (at most a hundred) is told with its place.
    """
    found = read_rows(definition, rows)
    own = {f"extra_{extra.name}": _kind(extra) for extra in definition.extra if extra.source == "enrolment"}
    return Tables(
        enrolments=_frame(found.enrolments, {**ENROLMENT_COLUMNS, **own}),
        attendance=None if found.attendance is None else _frame(found.attendance, ATTENDANCE_COLUMNS),
        results=None if found.results is None else _frame(found.results, RESULT_COLUMNS),
        extra={name: _frame(dated, EXTRA_COLUMNS) for name, dated in found.extra.items()},
    )


@dataclass(frozen=True)
class Rows:
    """Canonical rows: dates as epoch days, what is not known as None.

    Attributes
    ----------
    enrolments : list of dict
    attendance, results : list of dict or None
        None where the table was not sent.
    extra : dict of name to list of dict
        Dated rows of declared columns that were sent.
    """

    enrolments: list[dict[str, Any]]
    attendance: list[dict[str, Any]] | None
    results: list[dict[str, Any]] | None
    extra: dict[str, list[dict[str, Any]]]


def read_rows(definition: DatasetDefinition, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> Rows:
    """Turn rows with canonical names and ISO dates into canonical rows; takes and raises what `tables_from_rows` does."""
    reader = _Reader(definition)
    found = reader.read(rows)
    if reader.faults:
        raise RowFaults(reader.faults)
    return found


def _kind(extra: ExtraColumn) -> str:
    return "text" if extra.kind == "category" else extra.kind


class _WrongError(ValueError):
    """A value that can't be read; its message says why."""


def _date(value: object) -> int:
    if type(value) is dt.date:
        return _epoch_day(value)
    if isinstance(value, dt.date):
        return _epoch_day(value.date() if isinstance(value, dt.datetime) else value)
    if not isinstance(value, str):
        raise _WrongError("this is no date; write it as a text like 2026-10-26")
    try:
        date = dt.date.fromisoformat(value.strip()[:10])
    except ValueError:
        raise _WrongError(f"'{value[:_SHOWN]}' is no date; write it as 2026-10-26") from None
    return _epoch_day(date)


@lru_cache(maxsize=1000)
def _epoch_day(date: dt.date) -> int:
    """Count a date; a student's rows tell the same hundred over and over."""
    if not FIRST_DATE <= date <= LAST_DATE:
        raise _WrongError(f"the date {date.isoformat()} lies before 1990 or after 2100")
    return to_epoch_day(date)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _WrongError("this is no number")
    if not math.isfinite(value):
        raise _WrongError("this is no finite number")
    return float(value)


def _flag(value: object) -> float:
    if value in (True, False, 0, 1) and isinstance(value, bool | int | float):
        return float(value)
    raise _WrongError("this is not true, false, 1 or 0")


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _WrongError("this is no text")
    return str(value).strip()


_READERS: Mapping[str, Callable[[object], Any]] = {
    "date": _date,
    "number": _number,
    "flag": _flag,
    "text": _text,
    "grade": lambda value: value,
}


class _Reader:
    def __init__(self, definition: DatasetDefinition) -> None:
        self.definition = definition
        self.faults: list[RowFault] = []
        self.wrong = 0
        self.told: set[str] = set()
        kinds = definition.prior_education
        self.prior = {kind.lower(): kind for kind in kinds.kinds} | {value.strip().lower(): kind for value, kind in kinds.values.items()}
        self.statuses = {word.strip().lower(): status for word, status in definition.grades.words.items()}
        self.dated = {extra.name: extra for extra in definition.extra if extra.source == "dated"}
        self.own = {extra.name: extra for extra in definition.extra if extra.source == "enrolment"}

    def read(self, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> Rows:
        for name in rows:
            if name not in ("enrolments", "attendance", "results", *self.dated):
                self._fault(name, None, "", f"the contract knows no such table here; there are {', '.join(self._names())}")
        enrolments = self._enrolments(rows.get("enrolments") or [])
        starts = {row["enrolment_id"]: row["start_date"] for row in enrolments}
        attendance = self._dated_rows("attendance", rows, starts, ATTENDANCE_COLUMNS, self.definition.delays.attendance)
        results = self._dated_rows("results", rows, starts, _RESULT_FIELDS, self.definition.delays.results)
        for place, row in attendance:
            self._attended(place, row)
        graded = [(place, self._graded(place, row)) for place, row in results]
        self._number_attempts(graded)
        extra = {
            name: self._dated_rows(name, rows, starts, {**EXTRA_COLUMNS, "value": column.kind}, self.definition.delays.extra)
            for name, column in self.dated.items()
        }
        return Rows(
            enrolments,
            [row for _, row in attendance] if "attendance" in rows else None,
            [row for _, row in graded] if "results" in rows else None,
            {name: [row for _, row in found] for name, found in extra.items() if name in rows},
        )

    def _names(self) -> list[str]:
        return ["enrolments", "attendance", "results", *self.dated]

    def _fault(self, table: str, row: int | None, field: str, message: str) -> None:
        self.wrong += 1
        if len(self.faults) < FAULTS_TOLD:
            self.faults.append(RowFault(table, row, field, message))

    def _values(self, table: str, place: int, row: object, kinds: Mapping[str, str], required: Sequence[str]) -> dict[str, Any] | None:
        """Read the fields of one row; None where any is wrong."""
        before = self.wrong
        if type(row) is not dict and not isinstance(row, Mapping):
            self._fault(table, place, "", "a row is an object with named fields")
            return None
        if not row.keys() <= kinds.keys():
            for field in (field for field in row if field not in kinds):
                message = f"the contract knows no such field; there are {', '.join(kinds)}"
                if is_sensitive_name(str(field)):
                    message = "a sensitive attribute can't be sent"
                self._fault(table, place, str(field), message)
        values: dict[str, Any] = {}
        given = row.get
        for field, kind in kinds.items():
            value = given(field)
            # Most values are what they should be; the long way, with its faults, is for the others.
            if type(value) is float and kind == "number" and math.isfinite(value):
                values[field] = value
            elif type(value) is str and kind == "text" and (text := value.strip()):
                values[field] = text
            elif value is None or (isinstance(value, str) and not value.strip()):
                if field in required:
                    self._fault(table, place, field, "this is needed")
                values[field] = None
            else:
                try:
                    values[field] = _READERS[kind](value)
                except _WrongError as wrong:
                    self._fault(table, place, field, str(wrong))
        return values if self.wrong == before else None

    def _enrolments(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        if not rows:
            self._fault("enrolments", None, "", "at least one enrolment is needed")
        kinds = {**ENROLMENT_COLUMNS, **{name: _kind(extra) for name, extra in self.own.items()}}
        found: list[dict[str, Any]] = []
        places: dict[str, int] = {}
        for place, row in enumerate(rows):
            values = self._values("enrolments", place, row, kinds, _REQUIRED["enrolments"])
            if isinstance(row, Mapping):
                self.told.add(str(row.get("enrolment_id")).strip())
            if values is None:
                continue
            name = values["enrolment_id"]
            if name in places:
                self._fault("enrolments", place, "enrolment_id", f"this enrolment stands in row {places[name]} already")
            places[name] = place
            self._enrolment(place, values)
            found.append(values)
        return found

    def _enrolment(self, place: int, values: dict[str, Any]) -> None:
        told = values["prior_education"]
        if told is not None:
            values["prior_education"] = self.prior.get(told.lower())
            if values["prior_education"] is None and self.definition.prior_education.use:
                known = ", ".join(self.definition.prior_education.kinds)
                self._fault("enrolments", place, "prior_education", f"'{told[:_SHOWN]}' is no known kind; there are {known}")
        if values["left_on"] is not None:
            if values["left_on"] < values["start_date"] - LONGEST_NOTICE:
                self._fault("enrolments", place, "left_on", "this lies more than a year before the start")
            if values["left_known_on"] is None:
                values["left_known_on"] = values["left_on"] + self.definition.delays.leaving
        for name, extra in self.own.items():
            value = values.pop(name)
            if extra.kind == "category" and value is not None and value not in extra.categories:
                self._fault("enrolments", place, name, f"'{value[:_SHOWN]}' is none of {', '.join(extra.categories)}")
            values[f"extra_{name}"] = value

    def _dated_rows(
        self, name: str, rows: Mapping[str, Sequence[Mapping[str, Any]]], starts: Mapping[str, int], kinds: Mapping[str, str], delay: int
    ) -> list[tuple[int, dict[str, Any]]]:
        found: list[tuple[int, dict[str, Any]]] = []
        slack = self.definition.keep_before_start_days
        for place, row in enumerate(rows.get(name) or []):
            values = self._values(name, place, row, kinds, _REQUIRED.get(name, _REQUIRED_EXTRA))
            if values is None:
                continue
            start = starts.get(values["enrolment_id"])
            if start is None:
                if values["enrolment_id"] not in self.told:
                    self._fault(name, place, "enrolment_id", f"no enrolment '{values['enrolment_id'][:_SHOWN]}' is among the enrolments")
                continue
            if values["date"] < start - slack:
                began = from_epoch_day(start).isoformat()
                self._fault(name, place, "date", f"this lies before the start of the enrolment ({began})")
            if values["known_on"] is None:
                values["known_on"] = values["date"] + delay
            elif values["known_on"] < values["date"]:
                self._fault(name, place, "known_on", "this lies before the date itself")
            found.append((place, values))
        return found

    def _attended(self, place: int, values: Mapping[str, Any]) -> None:
        attended, scheduled = values["attended"] or 0.0, values["scheduled"]
        if attended < 0 or scheduled < 0:
            self._fault("attendance", place, "attended" if attended < 0 else "scheduled", "this is negative")
        elif attended > scheduled:
            self._fault("attendance", place, "attended", "this is more than scheduled")

    def _graded(self, place: int, values: dict[str, Any]) -> dict[str, Any]:
        scale = self.definition.grades
        told = values["grade"]
        status: str | None = None
        grade: float | None = None
        if isinstance(told, str):
            status = self.statuses.get(told.strip().lower())
            if status is None:
                try:
                    told = float(told.strip().replace(",", "."))
                except ValueError:
                    told = None
        if status is None and isinstance(told, int | float) and not isinstance(told, bool) and scale.minimum <= told <= scale.maximum:
            grade = float(told)
            status = "passed" if grade >= scale.pass_mark else "failed"
        if status is None:
            shown = str(values["grade"])[:_SHOWN]
            self._fault("results", place, "grade", f"'{shown}' is no grade from {scale.minimum:g} to {scale.maximum:g} and no known word")
        passed = {"passed": 1.0, "exempt": None}.get(status or "", 0.0)
        return {**values, "grade": grade, "status": status, "passed": passed}

    def _number_attempts(self, rows: Sequence[tuple[int, dict[str, Any]]]) -> None:
        tests: defaultdict[tuple[Any, ...], list[tuple[int, dict[str, Any]]]] = defaultdict(list)
        for place, row in rows:
            tests[row["enrolment_id"], row["course"], row["test"]].append((place, row))
        for attempts in tests.values():
            told = Counter(row["attempt"] for _, row in attempts if row["attempt"] is not None)
            for place, row in attempts:
                if row["attempt"] is not None and told[row["attempt"]] > 1:
                    self._fault("results", place, "attempt", "the same attempt at the same test stands more than once")
            for nth, (_, row) in enumerate(sorted(attempts, key=lambda each: (each[1]["known_on"], each[1]["date"], each[0])), 1):
                row["attempt"] = float(nth) if row["attempt"] is None else row["attempt"]


def _frame(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> Frame:
    columns = {}
    for name, kind in kinds.items():
        values = [row.get(name) for row in rows]
        whole = kind == "date" and None not in values
        columns[name] = pd.Series(values, dtype="int64" if whole else _DTYPES.get(kind, "float64"))
    return nw.from_native(pd.DataFrame(columns)).lazy()
