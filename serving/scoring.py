"""Students that another system sends, scored together against what was usual in the newest cohort that the model knows.

A fault in one student is that student's own: it is told with its place, and the others are scored.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from riskmodel.certainty import HowSure
from riskmodel.contract.definition import Cohort, DatasetDefinition
from riskmodel.contract.rows import RowFaults, read_rows
from riskmodel.dates import to_epoch_day
from riskmodel.explain.certainty import ends_of_hundred, tell_unusual, told_between
from riskmodel.explain.words import Words
from riskmodel.features.alone import features_of
from riskmodel.model import RiskModel
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
class Measured:
    """Some students of a request, as far as they can be told without a model.

    Attributes
    ----------
    told : dict of int to Answer
        Who is not scored, by their place in the request.
    faults : dict of int to list of dict
        Each fault with its `pointer` in the request (RFC 6901) and `detail`.
    groups : dict of landmark to dict of int to (day or None, row)
        Whom the models are to be asked about, with a value for each feature of the catalogue.
    """

    told: dict[int, Answer]
    faults: dict[int, Faults]
    groups: dict[int, dict[int, tuple[int | None, dict[str, Any]]]]


@dataclass(frozen=True)
class Question:
    """What models are asked: some rows of features at one landmark, to be told in one language."""

    serving: Serving
    landmark: int
    language: str
    rows: Sequence[dict[str, Any]]


def look_at_ready(serving: Serving, students: Mapping[int, Ready]) -> Measured:
    """Look whether ready features are what the models look at.

    Parameters
    ----------
    serving : Serving
    students : mapping of int to Ready
        By their place in the request.
    """
    faults: dict[int, Faults] = {}
    groups: defaultdict[int, dict[int, tuple[int | None, dict[str, Any]]]] = defaultdict(dict)
    for place, student in students.items():
        row, found = _feature_row(serving, student, f"/students/{place}")
        if found:
            faults[place] = found
        else:
            groups[student.landmark][place] = (None, row)
    return Measured({}, faults, groups)


def _feature_row(serving: Serving, student: Ready, place: str) -> tuple[dict[str, Any], Faults]:
    """Give a row with every feature of the catalogue, or what is wrong with what was sent."""
    faults: Faults = []

    def fault(parts: Sequence[str], detail: str) -> None:
        faults.append({"pointer": place + pointer(parts), "detail": detail})

    known = next(iter(serving.models.values()))
    if student.landmark not in known.members:
        fault(["landmark"], f"There is no landmark {student.landmark}; there are {', '.join(map(str, known.landmarks))}.")
    row: dict[str, Any] = dict.fromkeys(serving.catalogue)
    for name, value in student.features.items():
        feature = serving.catalogue.get(name)
        if feature is None:
            fault(["features", name], "There is no such feature; GET /v1/features lists them.")
        elif feature.kind == "category":
            if value is not None and value not in feature.categories:
                fault(["features", name], "This is none of the feature's categories.")
            row[name] = value
        elif isinstance(value, str):
            fault(["features", name], "This should be a number or null.")
        else:
            row[name] = value
    return row, faults


def look_at_rows(serving: Serving, students: Mapping[int, Rows], on: dt.date) -> Measured:
    """Measure students from raw rows on a day; nothing that became known later is looked at.

    Parameters
    ----------
    serving : Serving
    students : mapping of int to Rows
        By their place in the request; no two of one enrolment.
    on : datetime.date
    """
    told: dict[int, Answer] = {}
    faults: dict[int, Faults] = {}
    model = next(iter(serving.models.values()))
    groups: defaultdict[int, dict[int, tuple[int | None, dict[str, Any]]]] = defaultdict(dict)
    for place, student in students.items():
        day = (on - student.enrolment["start_date"]).days
        landmark = model.landmark_for(day) if day >= 0 else None
        if landmark is None:
            told[place] = Answer(day, None, "not_started" if day < 0 else "before_first_landmark", {})
        elif day > serving.definition.last_day:
            told[place] = Answer(day, None, "after_last_day", {})
        else:
            try:
                row = _measured(serving, student, landmark, on)
            except RowFaults as found:
                below = f"/students/{place}"
                faults[place] = [{"pointer": below + _where(fault.path), "detail": fault.message} for fault in found.faults]
                continue
            if row is None:
                told[place] = Answer(day, landmark, "left", {})
            else:
                groups[landmark][place] = (day, row)
    return Measured(told, faults, groups)


def questions_of(serving: Serving, measured: Measured, language: str) -> list[Question]:
    """Give what the models are to be asked about these students, in the order of the landmarks."""
    return [Question(serving, landmark, language, [row for _, row in members.values()]) for landmark, members in measured.groups.items()]


def told_of(measured: Measured, answers: Sequence[Sequence[dict[str, dict[str, Any]]]]) -> dict[int, Answer]:
    """Give what is said of every student without a fault, from what the models answered to `questions_of`."""
    told = dict(measured.told)
    for (landmark, members), scores in zip(measured.groups.items(), answers, strict=True):
        told.update((place, Answer(day, landmark, None, own)) for (place, (day, _)), own in zip(members.items(), scores, strict=True))
    return told


def ask_models(questions: Sequence[Question]) -> list[list[dict[str, dict[str, Any]]]]:
    """Answer several questions; those of one landmark and language as one matrix.

    Parameters
    ----------
    questions : sequence of Question

    Returns
    -------
    list of list of dict of target to dict
        For each question and row what `Answer.scores` holds.
    """
    alike: defaultdict[tuple[int, int, str], list[int]] = defaultdict(list)
    for place, each in enumerate(questions):
        alike[(id(each.serving), each.landmark, each.language)].append(place)
    answers: list[list[dict[str, dict[str, Any]]]] = [[] for _ in questions]
    for places in alike.values():
        first = questions[places[0]]
        rows = [row for place in places for row in questions[place].rows]
        told = iter(_told(first.serving, rows, first.landmark, first.language))
        for place in places:
            answers[place] = [next(told) for _ in questions[place].rows]
    return answers


def _measured(serving: Serving, student: Rows, landmark: int, on: dt.date) -> dict[str, Any] | None:
    """Give one student's features with their facts, or None where it is known that they left."""
    definition = _with_cohort(serving.definition, student.enrolment)
    identity = {"enrolment_id": student.enrolment["enrolment_id"]}
    rows = {name: [{**row, **identity} for row in given] for name, given in student.tables.items() if given}
    read = read_rows(definition, {"enrolments": [student.enrolment], **rows})
    return features_of(read, definition, serving.usual[landmark], to_epoch_day(on))


def _where(path: Sequence[str | int]) -> str:
    """Give the place of a row's fault below its student: the one enrolment is no list there, and declared tables lie under 'extra'."""
    table, *rest = path
    if table == "enrolments":
        return pointer(["enrolment", *rest[1:]])
    return pointer([table, *rest] if table in ("attendance", "results") else ["extra", table, *rest])


def _with_cohort(definition: DatasetDefinition, enrolment: dict[str, Any]) -> DatasetDefinition:
    """Give the definition with this student's cohort in it; a cohort that the model never heard of starts when this student does."""
    if any(cohort.label == enrolment["cohort"] for cohort in definition.cohorts):
        return definition
    new = Cohort(label=enrolment["cohort"], start=enrolment["start_date"])
    return definition.model_copy(update={"cohorts": (*definition.cohorts, new)})


def _told(serving: Serving, rows: Sequence[dict[str, Any]], landmark: int, language: str) -> list[dict[str, dict[str, Any]]]:
    """Give what every target's model says of each row of features, all at once."""
    told: list[dict[str, dict[str, Any]]] = [{} for _ in rows]
    words, versions = serving.words[language], serving.versions
    matrices: dict[str, np.ndarray] = {}
    for target, model in serving.models.items():
        like = serving.like[target]
        if like not in matrices:
            matrices[like] = model.design.matrix_of_rows(rows, landmark)
        X = matrices[like]
        explanation = model.explain_matrix(X, landmark)
        decision = explanation.baseline + explanation.contributions.sum(axis=1)
        probabilities = expit(decision).tolist()
        sure = _how_sure(model.how_sure_rows(rows, X, decision, landmark), len(rows), model, words, serving.intervals[language])
        teller = serving.tellers[target][language]
        reasons = teller.tell_rows(teller.contributions(explanation), rows)
        frequencies, baseline, version = serving.frequencies[target][language], explanation.baseline, versions[target]
        for own, probability, certain, each in zip(told, probabilities, sure, reasons, strict=True):
            own[target] = {
                "probability": probability,
                "natural_frequency": frequencies[round(100 * probability)],
                **certain,
                "baseline": baseline,
                "reasons": [reason.__dict__ for reason in each],
                "model": version,
            }
    return told


def _how_sure(sure: HowSure | None, count: int, model: RiskModel, words: Words, said: dict[tuple[int, int], str]) -> list[dict[str, Any]]:
    if sure is None:
        return [{"interval": None, "unusual": False, "unusual_what": []}] * count
    level, told = model.interval_level, []
    for low, high, unusual in zip(sure.low.tolist(), sure.high.tolist(), sure.unusual, strict=True):
        ends = ends_of_hundred(low, high)
        text = said.get(ends)
        if text is None:  # there are a few hundred
            text = said[ends] = told_between(*ends, words)
        what = tell_unusual(unusual, model.catalogue, words) if unusual else []
        told.append({"interval": {"low": low, "high": high, "level": level, "text": text}, "unusual": bool(what), "unusual_what": what})
    return told
