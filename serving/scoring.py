"""Students that another system sends, scored one by one against what was usual in the newest cohort that the model knows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pandas as pd
from scipy.special import expit

from riskmodel.certainty import HowSure
from riskmodel.contract.definition import Cohort, DatasetDefinition
from riskmodel.contract.rows import RowFaults, tables_from_rows
from riskmodel.explain.certainty import tell_unusual, told_interval
from riskmodel.explain.reasons import Reason, natural_frequency
from riskmodel.explain.words import Words
from riskmodel.features import build_features
from riskmodel.model import RiskModel
from riskmodel.window import cut
from serving.champions import Serving
from serving.problems import faults_problem, pointer


def score_ready(serving: Serving, features: dict[str, Any], landmark: int, language: str, place: str) -> dict[str, dict[str, Any]]:
    """Score ready features.

    Parameters
    ----------
    serving : Serving
    features : dict
        Catalogue features; one that is absent or null is not known.
    landmark : int
    language : {'nl', 'en'}
    place : str
        JSON pointer of the student in the request.

    Returns
    -------
    dict of target to dict
        probability, natural_frequency, interval (None for a model without), unusual, unusual_what, baseline, reasons and model.

    Raises
    ------
    Problem
        A feature or the landmark is not known.
    """
    errors = []
    known = next(iter(serving.models.values()))
    if landmark not in known.landmarks:
        errors.append(
            {
                "pointer": f"{place}/landmark",
                "detail": f"There is no landmark {landmark}; there are {', '.join(map(str, known.landmarks))}.",
            }
        )
    row: dict[str, Any] = {}
    for name, value in features.items():
        feature = known.catalogue.get(name)
        if feature is None:
            errors.append({"pointer": place + pointer(["features", name]), "detail": "There is no such feature; GET /v1/model lists them."})
        elif feature.kind == "category":
            if value is not None and value not in feature.categories:
                errors.append({"pointer": place + pointer(["features", name]), "detail": "This is none of the feature's categories."})
            row[name] = value
        elif isinstance(value, str):
            errors.append({"pointer": place + pointer(["features", name]), "detail": "This should be a number or null."})
        else:
            row[name] = value
    if errors:
        raise faults_problem(errors)
    for name, feature in known.catalogue.items():
        row.setdefault(name, None)
        if feature.kind != "category" and row[name] is None:
            row[name] = float("nan")
    return _told(serving, pd.DataFrame([row]), landmark, language)


def score_rows(
    serving: Serving,
    enrolment: dict[str, Any],
    attendance: Sequence[dict[str, Any]],
    results: Sequence[dict[str, Any]],
    extra: dict[str, list[dict[str, Any]]],
    on: dt.date,
    language: str,
    place: str,
) -> tuple[str | None, int, int | None, dict[str, dict[str, Any]]]:
    """Score one student from raw rows on a day.

    Returns
    -------
    tuple
        Why no score is given (None where one is), the day of the student's own count, the landmark, and per target what `score_ready` gives.

    Raises
    ------
    Problem
        A row holds what the contract refuses.
    """
    day = (on - dt.date.fromisoformat(enrolment["start_date"])).days
    model = next(iter(serving.models.values()))
    if day < 0:
        return "not_started", day, None, {}
    landmark = model.landmark_for(day)
    if landmark is None:
        return "before_first_landmark", day, None, {}
    if day > serving.definition.last_day:
        return "after_last_day", day, None, {}
    definition = _with_cohort(serving.definition, enrolment)
    identity = {"enrolment_id": enrolment["enrolment_id"]}
    rows = {"attendance": attendance, "results": results, **extra}
    try:
        tables = tables_from_rows(
            definition,
            {"enrolments": [enrolment], **{name: [{**row, **identity} for row in given] for name, given in rows.items() if given}},
        )
    except RowFaults as faults:
        errors = [{"pointer": place + _where(fault.path, set(extra)), "detail": fault.message} for fault in faults.faults]
        raise faults_problem(errors) from None
    context = model.contexts[landmark].for_cohort(enrolment["cohort"])
    features = build_features(cut(tables, on), definition, context)
    if features.empty:
        return "left", day, landmark, {}
    return None, day, landmark, _told(serving, features, landmark, language)


def _where(path: Sequence[str | int], extra: set[str]) -> str:
    """Give the place of a row's fault below its student: the one enrolment is no list there, and declared tables lie under 'extra'."""
    table, *rest = path
    if table == "enrolments":
        return pointer(["enrolment", *rest[1:]])
    return pointer(["extra", table, *rest] if table in extra else [table, *rest])


def _with_cohort(definition: DatasetDefinition, enrolment: dict[str, Any]) -> DatasetDefinition:
    """Give the definition with this student's cohort in it; a cohort that the model never heard of starts when this student does."""
    if any(cohort.label == enrolment["cohort"] for cohort in definition.cohorts):
        return definition
    new = Cohort(label=enrolment["cohort"], start=enrolment["start_date"])
    return definition.model_copy(update={"cohorts": (*definition.cohorts, new)})


def _told(serving: Serving, features: pd.DataFrame, landmark: int, language: str) -> dict[str, dict[str, Any]]:
    told = {}
    for target, model in serving.models.items():
        explanation = model.explain(features, landmark)
        decision = float(explanation.baseline + explanation.contributions[0].sum())
        teller = serving.tellers[target][language]
        sure = model.how_sure(features, landmark)
        reasons: list[Reason] = teller.tell_all(explanation, features)[0]
        told[target] = {
            "probability": float(expit(decision)),
            "natural_frequency": natural_frequency(decision, target, serving.words[language]),
            **_how_sure(sure, model, serving.words[language]),
            "baseline": explanation.baseline,
            "reasons": reasons,
            "model": serving.versions[target],
        }
    return told


def _how_sure(sure: HowSure | None, model: RiskModel, words: Words) -> dict[str, Any]:
    if sure is None:
        return {"interval": None, "unusual": False, "unusual_what": []}
    low, high = float(sure.low[0]), float(sure.high[0])
    told = tell_unusual(sure.unusual[0], model.catalogue, words)
    interval = {"low": low, "high": high, "level": model.interval_level, "text": told_interval(low, high, words)}
    return {"interval": interval, "unusual": bool(told), "unusual_what": told}
