"""Students that another system sends, scored together against what was usual in the newest cohort that the model knows.

A fault in one student is that student's own: it is told with its place, and the others are scored.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy.special import expit

from riskmodel.certainty import HowSure
from riskmodel.contract.definition import Cohort, DatasetDefinition
from riskmodel.contract.rows import RowFaults, tables_from_rows
from riskmodel.explain.certainty import tell_unusual, told_interval
from riskmodel.explain.reasons import natural_frequency
from riskmodel.explain.words import Words
from riskmodel.features import build_features
from riskmodel.model import RiskModel
from riskmodel.window import cut
from serving.champions import Serving
from serving.problems import pointer

Faults = list[dict[str, str]]


@dataclass(frozen=True)
class Ready:
    """A student as ready features.

    Attributes
    ----------
    features : mapping of str to number, str or None
        Catalogue features; one that is absent or null is not known.
    landmark : int
    """

    features: Mapping[str, Any]
    landmark: int


@dataclass(frozen=True)
class Rows:
    """A student as raw rows with the contract's names and ISO dates.

    Attributes
    ----------
    enrolment : dict
        One row of `enrolments`.
    tables : mapping of str to sequence of dict
        `attendance`, `results` and declared tables; their rows need no enrolment_id.
    """

    enrolment: dict[str, Any]
    tables: Mapping[str, Sequence[dict[str, Any]]]


@dataclass(frozen=True)
class Answer:
    """What is said of a student.

    Attributes
    ----------
    day : int or None
        Of the student's own count; None for ready features.
    landmark : int or None
    not_scored : str or None
        Why no score is given; None where one is.
    scores : dict of target to dict
        probability, natural_frequency, interval (None for a model without), unusual, unusual_what, baseline, reasons and model.
    """

    day: int | None
    landmark: int | None
    not_scored: str | None
    scores: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Answers:
    """What is said of some students, by their place in the request: each is in one of the two.

    Attributes
    ----------
    told : dict of int to Answer
    faults : dict of int to list of dict
        Each fault with its `pointer` in the request (RFC 6901) and `detail`.
    """

    told: dict[int, Answer]
    faults: dict[int, Faults]


def score_ready(serving: Serving, students: Mapping[int, Ready], language: str) -> Answers:
    """Score ready features.

    Parameters
    ----------
    serving : Serving
    students : mapping of int to Ready
        By their place in the request.
    language : {'nl', 'en'}
    """
    known = next(iter(serving.models.values()))
    answers = Answers({}, {})
    groups: defaultdict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
    for place, student in students.items():
        row, faults = _feature_row(known, student, f"/students/{place}")
        if faults:
            answers.faults[place] = faults
        else:
            groups[student.landmark][place] = row
    for landmark, rows in groups.items():
        told = _told(serving, pd.DataFrame(list(rows.values())), landmark, language)
        answers.told.update((place, Answer(None, landmark, None, scores)) for place, scores in zip(rows, told, strict=True))
    return answers


def _feature_row(model: RiskModel, student: Ready, place: str) -> tuple[dict[str, Any], Faults]:
    """Give a row with every feature of the catalogue, or what is wrong with what was sent."""
    faults: Faults = []

    def fault(parts: Sequence[str], detail: str) -> None:
        faults.append({"pointer": place + pointer(parts), "detail": detail})

    if student.landmark not in model.landmarks:
        fault(["landmark"], f"There is no landmark {student.landmark}; there are {', '.join(map(str, model.landmarks))}.")
    for name, value in student.features.items():
        feature = model.catalogue.get(name)
        if feature is None:
            fault(["features", name], "There is no such feature; GET /v1/features lists them.")
        elif feature.kind == "category":
            if value is not None and value not in feature.categories:
                fault(["features", name], "This is none of the feature's categories.")
        elif isinstance(value, str):
            fault(["features", name], "This should be a number or null.")
    row = {}
    for name, feature in model.catalogue.items():
        value = student.features.get(name)
        row[name] = float("nan") if value is None and feature.kind != "category" else value
    return row, faults


def score_rows(serving: Serving, students: Mapping[int, Rows], on: dt.date, language: str) -> Answers:
    """Score students from raw rows on a day; nothing that became known later is looked at.

    Parameters
    ----------
    serving : Serving
    students : mapping of int to Rows
        By their place in the request; no two of one enrolment.
    on : datetime.date
    language : {'nl', 'en'}
    """
    model = next(iter(serving.models.values()))
    answers = Answers({}, {})
    groups: defaultdict[tuple[int, str, str], dict[int, tuple[int, Rows]]] = defaultdict(dict)
    for place, student in students.items():
        day = (on - dt.date.fromisoformat(student.enrolment["start_date"])).days
        landmark = model.landmark_for(day) if day >= 0 else None
        if landmark is None:
            answers.told[place] = Answer(day, None, "not_started" if day < 0 else "before_first_landmark", {})
        elif day > serving.definition.last_day:
            answers.told[place] = Answer(day, None, "after_last_day", {})
        else:
            groups[(landmark, *_cohort_key(serving.definition, student.enrolment))][place] = (day, student)
    for (landmark, cohort, start), members in groups.items():
        definition = _with_cohort(serving.definition, cohort, start)
        context = model.contexts[landmark].for_cohort(cohort)
        sound = {place: student for place, (_, student) in members.items()}
        try:
            tables = tables_from_rows(definition, _tables(sound.values()))
        except RowFaults:
            # Only so many faults are told at once, so whose they are is found student by student.
            faults = {place: _faults(definition, student, f"/students/{place}") for place, student in sound.items()}
            answers.faults.update((place, found) for place, found in faults.items() if found)
            sound = {place: student for place, student in sound.items() if not faults[place]}
            if not sound:
                continue
            tables = tables_from_rows(definition, _tables(sound.values()))
        features = build_features(cut(tables, on), definition, context)
        told = {} if features.empty else dict(zip(features["enrolment_id"], _told(serving, features, landmark, language), strict=True))
        for place, student in sound.items():
            day = members[place][0]
            scores = told.get(student.enrolment["enrolment_id"].strip())
            answers.told[place] = Answer(day, landmark, "left" if scores is None else None, scores or {})
    return answers


def _tables(students: Iterable[Rows]) -> dict[str, list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = {"enrolments": []}
    for student in students:
        tables["enrolments"].append(student.enrolment)
        identity = {"enrolment_id": student.enrolment["enrolment_id"]}
        for name, rows in student.tables.items():
            if rows:
                tables.setdefault(name, []).extend({**row, **identity} for row in rows)
    return tables


def _faults(definition: DatasetDefinition, student: Rows, place: str) -> Faults:
    try:
        tables_from_rows(definition, _tables([student]))
    except RowFaults as found:
        return [{"pointer": place + _where(fault.path), "detail": fault.message} for fault in found.faults]
    return []


def _where(path: Sequence[str | int]) -> str:
    """Give the place of a row's fault below its student: the one enrolment is no list there, and declared tables lie under 'extra'."""
    table, *rest = path
    if table == "enrolments":
        return pointer(["enrolment", *rest[1:]])
    return pointer([table, *rest] if table in ("attendance", "results") else ["extra", table, *rest])


def _cohort_key(definition: DatasetDefinition, enrolment: Mapping[str, Any]) -> tuple[str, str]:
    """Give a student's cohort and its start; a cohort that the model never heard of starts when the student does."""
    label = enrolment["cohort"].strip()
    known = any(cohort.label == label for cohort in definition.cohorts)
    return label, "" if known else enrolment["start_date"]


def _with_cohort(definition: DatasetDefinition, label: str, start: str) -> DatasetDefinition:
    if not start:
        return definition
    new = Cohort(label=label, start=dt.date.fromisoformat(start))
    return definition.model_copy(update={"cohorts": (*definition.cohorts, new)})


def _told(serving: Serving, features: pd.DataFrame, landmark: int, language: str) -> list[dict[str, dict[str, Any]]]:
    """Give what every target's model says of each row."""
    told: list[dict[str, dict[str, Any]]] = [{} for _ in range(len(features))]
    words = serving.words[language]
    for target, model in serving.models.items():
        explanation = model.explain(features, landmark)
        decisions = explanation.baseline + explanation.contributions.sum(axis=1)
        sure = model.how_sure(features, landmark)
        reasons = serving.tellers[target][language].tell_all(explanation, features)
        for place, decision in enumerate(map(float, decisions)):
            told[place][target] = {
                "probability": float(expit(decision)),
                "natural_frequency": natural_frequency(decision, target, words),
                **_how_sure(sure, place, model, words),
                "baseline": explanation.baseline,
                "reasons": reasons[place],
                "model": serving.versions[target],
            }
    return told


def _how_sure(sure: HowSure | None, place: int, model: RiskModel, words: Words) -> dict[str, Any]:
    if sure is None:
        return {"interval": None, "unusual": False, "unusual_what": []}
    low, high = float(sure.low[place]), float(sure.high[place])
    told = tell_unusual(sure.unusual[place], model.catalogue, words)
    interval = {"low": low, "high": high, "level": model.interval_level, "text": told_interval(low, high, words)}
    return {"interval": interval, "unusual": bool(told), "unusual_what": told}
