"""One student's features straight from rows: what `build_features` gives, without the hundred small frames that one row of it costs.

A frame is worth its price where it holds thousands of students; for one, pandas takes a hundred milliseconds to say what this says in less
than one. It cuts at a date as `window.cut` does, and a property test holds it to the same figures. Knows no frames of students, only rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from riskmodel.contract.definition import DatasetDefinition, ExtraColumn
from riskmodel.contract.rows import Rows
from riskmodel.dates import to_epoch_day
from riskmodel.features import attendance, declared, start, tests
from riskmodel.features.context import DIGITS, EVERYONE, QUANTILES, ProgrammeContext, rank_among
from riskmodel.window import A_MONDAY

_NAN = math.nan
_ATTENDANCE = ("attendance_share", "attendance_share_recent")
_OF_TEST = ("due", "median_day", "grade_mean", "grade_sd", "points", "credits")
_OWN = ("is_taken", "is_passed", "first_grade", "first_passed", "own_day", "known_day")
_ABSENT = dict.fromkeys(_OWN, _NAN)
_NO_TEST = [feature.name for feature in tests.FEATURES if feature.name not in tests.RANKED.values()] + list(tests.FACTS)


@dataclass(frozen=True)
class _Held:
    """The tests of one programme, in the order of their course and name."""

    names: list[tuple[str, str]]
    figures: list[dict[str, float]]


class Usual:
    """What is usual in the programmes at one landmark, laid out to be looked up.

    Parameters
    ----------
    context : ProgrammeContext
    """

    def __init__(self, context: ProgrammeContext) -> None:
        columns = [str(column) for column in context.usual.columns]
        self._usual: dict[tuple[str, str], dict[str, float]] = {
            (str(cohort), str(programme)): dict(zip(columns, values, strict=True))
            for (cohort, programme), values in zip(context.usual.index, context.usual.to_numpy(dtype=float).tolist(), strict=True)
        }
        self._cohorts = [str(cohort) for cohort in context.usual.index.get_level_values(0)]
        self._held: dict[tuple[str, str], _Held] = {}
        for row in context.tests.sort_values(["course", "test"], kind="stable").to_dict("records"):
            held = self._held.setdefault((row["cohort"], row["programme"]), _Held([], []))
            held.names.append((row["course"], row["test"]))
            held.figures.append({name: float(row[name]) for name in _OF_TEST})
        self._points: dict[tuple[str, str, str], np.ndarray] = {}

    def cohort(self, cohort: str) -> str:
        """Give the cohort whose figures count for this one: itself, or the last one that is held, as `ProgrammeContext.for_cohort` says."""
        return cohort if not self._cohorts or cohort in self._cohorts else self._cohorts[-1]

    def own(self, cohort: str, programme: str, figure: str) -> float:
        """Give the programme's figure; NaN where it has none."""
        found = self._usual.get((cohort, programme))
        return _NAN if found is None else found.get(figure, _NAN)

    def median(self, cohort: str, programme: str, figure: str) -> float:
        """Give the programme's figure; the cohort's where it has none."""
        found = self.own(cohort, programme, figure)
        return self.own(cohort, EVERYONE, figure) if math.isnan(found) else found

    def rank(self, cohort: str, programme: str, figure: str, value: float) -> float:
        """Give where a figure stands among the programme's."""
        key = (cohort, programme, figure)
        if key[:2] not in self._usual:
            key = (cohort, EVERYONE, figure)  # so that names that others send fill no memory
        if key not in self._points:
            points = [self.median(key[0], key[1], f"{figure}@{quantile}") for quantile in QUANTILES]
            self._points[key] = np.array([points])
        return float(rank_among(np.array([value]).round(DIGITS), self._points[key])[0])

    def held(self, cohort: str, programme: str) -> _Held:
        """Give the tests that were held."""
        return self._held.get((cohort, programme), _Held([], []))


def features_of(rows: Rows, definition: DatasetDefinition, usual: Usual, at: int) -> dict[str, Any] | None:
    """Give every feature and `fact_*` figure of the one student that the rows tell of.

    Parameters
    ----------
    rows : Rows
        With one enrolment, that has begun by the cut.
    definition : DatasetDefinition
        Its cohorts hold the student's own.
    usual : Usual
        What is usual at the landmark.
    at : int
        The date of the cut, as an epoch day: nothing that became known later is looked at.

    Returns
    -------
    dict of name to value, or None
        A row of `build_features` without its keys; a figure that is not known yet is NaN, a text None. None for a student who is known to have
        left, or of whom nobody knew by then.
    """
    (enrolment,) = rows.enrolments
    began = enrolment["start_date"]
    if (enrolment["enrolled_on"] or at) > at or began > at or (enrolment["left_known_on"] is not None and enrolment["left_known_on"] <= at):
        return None
    cohort, programme = usual.cohort(enrolment["cohort"]), enrolment["programme"]
    place = (cohort, programme)
    found: dict[str, Any] = {"programme": programme}
    found |= _attendance(_known(rows.attendance or (), at), began, at - began, usual, place)
    found |= _start(enrolment, definition)
    found |= _tests(_known(rows.results or (), at), began, usual, place, found["started_late_days"], definition)
    if definition.prior_education.use:
        found["prior_education"] = enrolment["prior_education"]
        found["prior_education_related"] = _figure(enrolment["prior_education_related"])
    found["fact_prior_education"] = enrolment["prior_education"]
    found["fact_enrolled_days_before"] = found["enrolment_lead_days"]
    if definition.extra:
        dated = {name: [row for row in _known(told, at) if row["value"] is not None] for name, told in rows.extra.items()}
        found |= _declared(enrolment, dated, began, at - began, definition, usual, place)
    return found


def _known(rows: Iterable[dict[str, Any]], at: int) -> list[dict[str, Any]]:
    return [row for row in rows if row["known_on"] <= at and row["date"] <= at]


def _figure(value: float | None) -> float:
    return _NAN if value is None else float(value)


def _over(above: float, below: float) -> float:
    return above / below if below > 0 else _NAN


def _attendance(rows: Sequence[dict[str, Any]], began: int, day: int, usual: Usual, place: tuple[str, str]) -> dict[str, float]:
    attended = scheduled = attended_recent = scheduled_recent = 0.0
    last_seen = attendance.NEVER + began
    at_least = began + day - attendance.RECENT_DAYS
    lessons = [row for row in rows if row["scheduled"] > 0 and row["attended"] is not None]
    for row in lessons:
        came, planned, date = row["attended"], row["scheduled"], row["date"]
        attended += came
        scheduled += planned
        if date > at_least:
            attended_recent += came
            scheduled_recent += planned
        if came > 0 and date > last_seen:
            last_seen = date
    missed = [row for row in lessons if row["attended"] <= 0 and row["date"] > last_seen]
    run, gap = 0.0, 0.0
    if missed:
        run = float(sum(row["scheduled"] for row in missed))
        days = [row["date"] for row in missed]
        weeks = {(date - A_MONDAY) // 7 for date in days}
        free = max(weeks) - min(weeks) + 1 - len(weeks)
        gap = float(max(days) - min(days) + 1 - 7 * free)
    known = bool(lessons)
    share, recent = _over(attended, scheduled), _over(attended_recent, scheduled_recent)
    usual_share, usual_recent = (usual.median(*place, figure) for figure in _ATTENDANCE)
    return {
        "attendance_share": share,
        "attendance_share_recent": recent,
        "attendance_trend": recent - _over(attended - attended_recent, scheduled - scheduled_recent),
        "attendance_miss_run": run if known else _NAN,
        "attendance_days_since_last_seen": gap if known else _NAN,
        "attendance_vs_programme": share - usual_share,
        "attendance_recent_vs_programme": recent - usual_recent,
        "fact_attended": attended if known else _NAN,
        "fact_scheduled": scheduled if known else _NAN,
        "fact_attended_recent": attended_recent if scheduled_recent > 0 else _NAN,
        "fact_scheduled_recent": scheduled_recent if scheduled_recent > 0 else _NAN,
        "fact_last_seen_day": float(last_seen - began) if last_seen > attendance.NEVER + began else _NAN,
        "fact_programme_share": usual.own(*place, "attendance_share"),
        "fact_programme_share_recent": usual.own(*place, "attendance_share_recent"),
    }


def _start(enrolment: Mapping[str, Any], definition: DatasetDefinition) -> dict[str, float]:
    began, enrolled = float(enrolment["start_date"]), enrolment["enrolled_on"]
    cohort = next((cohort.start for cohort in definition.cohorts if cohort.label == enrolment["cohort"]), None)
    check = "" if enrolment["intake_check"] is None else str(enrolment["intake_check"]).strip().lower()
    told, checked = check not in ("", "nan", "none"), check in start.CHECKED
    return {
        "enrolment_lead_days": _NAN if enrolled is None else min(began - enrolled, float(start.LONGEST_LEAD)),
        "started_late_days": _NAN if cohort is None else max(began - to_epoch_day(cohort), 0.0),
        "intake_check_done": float(checked) if told else _NAN,
        "intake_check_doubt": float(check in start.DOUBTED) if checked else _NAN,
        "gap_years": _figure(enrolment["gap_years"]),
    }


def _tests(
    rows: Sequence[dict[str, Any]], began: int, usual: Usual, place: tuple[str, str], late: float, definition: DatasetDefinition
) -> dict[str, Any]:
    taken, exempt = _taken(rows, began)
    late = 0.0 if math.isnan(late) else late
    held = usual.held(*place)
    pairs = []
    for order, (name, told) in enumerate(zip(held.names, held.figures, strict=True)):
        own = taken.get(name, _ABSENT)
        if name not in exempt and not (told["median_day"] < late and not own["is_taken"] > 0):
            pairs.append((order, name, told, own))
    found: dict[str, Any] = dict.fromkeys(_NO_TEST, _NAN) | {"fact_first_test": None}
    if pairs:
        each = {name: np.array([told[name] for _, _, told, _ in pairs], dtype=float) for name in _OF_TEST}
        each |= {name: np.array([own[name] for _, _, _, own in pairs], dtype=float) for name in _OWN}
        each["order"] = np.array([order for order, _, _, _ in pairs], dtype=float)
        columns, first = tests.figures(np.zeros(len(pairs), dtype=np.intp), each, 1, definition.grades)
        found |= {name: float(values[0]) for name, values in columns.items()}
        if len(first):
            course, test = pairs[first[0]][1]
            found["fact_first_test"] = test or course
    for figure, rank in tests.RANKED.items():
        found[rank] = usual.rank(*place, figure, found[figure])
    return found


def _taken(rows: Sequence[dict[str, Any]], began: int) -> tuple[dict[tuple[str, str], dict[str, float]], set[tuple[str, str]]]:
    """Give a student's own result of each test, as `tests.reduce` does, and the tests that they are exempt from."""
    of_test: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        of_test.setdefault((row["course"] or "", row["test"] or ""), []).append(row)
    taken = {}
    for name, attempts in of_test.items():
        done = [
            (_figure(row["attempt"]) if row["attempt"] is not None else 1.0, row)
            for row in attempts
            if row["status"] in ("passed", "failed")
        ]
        nth = min((attempt for attempt, _ in done), default=_NAN)
        firsts = [row for attempt, row in done if attempt == nth]
        grades = [row["grade"] for row in firsts if row["grade"] is not None]
        taken[name] = {
            "is_taken": float(bool(done)),
            "is_passed": float(any(row["status"] == "passed" for _, row in done)),
            "first_grade": sum(grades) / len(grades) if grades else _NAN,
            "first_passed": float(any(row["status"] == "passed" for row in firsts)) if firsts else _NAN,
            "own_day": float(min(row["date"] for row in attempts) - began),
            "known_day": float(max(row["known_on"] for row in attempts) - began),
        }
    return taken, {name for name, attempts in of_test.items() if any(row["status"] == "exempt" for row in attempts)}


def _declared(
    enrolment: Mapping[str, Any],
    dated: Mapping[str, Sequence[dict[str, Any]]],
    began: int,
    day: int,
    definition: DatasetDefinition,
    usual: Usual,
    place: tuple[str, str],
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for extra in definition.extra:
        if extra.source == "enrolment":
            name = f"extra_{extra.name}"
            value = enrolment.get(name) if day >= extra.known_from_day else None
            found[name] = value if extra.kind == "category" else _transformed(_figure(value), extra)
            continue
        rows = dated.get(extra.name)
        for aggregate in extra.aggregate:
            value = _NAN if rows is None else _aggregate(rows, aggregate, began, day)
            if rows is not None and math.isnan(value) and extra.no_rows == "zero" and aggregate in declared.ZERO_WITHOUT_ROWS:
                value = 0.0
            found[f"extra_{extra.name}_{aggregate}"] = value if aggregate in ("count", "days_since") else _transformed(value, extra)
    for name in declared.compared(definition):
        found[f"{name}_vs_programme"] = found[name] - usual.median(*place, name)
        found[f"fact_programme_{name}"] = usual.own(*place, name)
    return found


def _aggregate(rows: Sequence[dict[str, Any]], aggregate: str, began: int, day: int) -> float:
    if not rows:
        return _NAN
    last = max(row["date"] for row in rows)
    if aggregate == "count":
        return float(len(rows))
    if aggregate == "days_since":
        return float(began + day - last)
    recent = began + day - attendance.RECENT_DAYS
    values = [
        row["value"] for row in rows if (aggregate != "last" or row["date"] == last) and (aggregate != "sum_recent" or row["date"] > recent)
    ]
    total = float(sum(values))
    return round(total / len(values) if aggregate in ("mean", "last") else total, DIGITS)


def _transformed(value: float, extra: ExtraColumn) -> float:
    return math.log1p(max(value, 0.0)) if extra.transform == "log1p" and not math.isnan(value) else value
