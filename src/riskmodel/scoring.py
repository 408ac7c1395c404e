"""Students of a data set scored on a calendar date: features cut there, the model of the last landmark passed, and reasons in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np
import pandas as pd
from scipy.special import expit

from riskmodel.contract.definition import DatasetDefinition
from riskmodel.dates import to_epoch_day
from riskmodel.errors import DataFault
from riskmodel.explain.certainty import tell_unusual
from riskmodel.explain.reasons import Reason, Teller
from riskmodel.explain.words import Language, Words, load_words
from riskmodel.features import build_with_context
from riskmodel.features.context import ProgrammeContext
from riskmodel.model import RiskModel, shared_recent_days
from riskmodel.progress import Progress, silent
from riskmodel.routing import lots, rank
from riskmodel.tables import Tables
from riskmodel.unusual import Unusual
from riskmodel.window import cut

if TYPE_CHECKING:
    from riskmodel.contract.dataset import Dataset  # brings DuckDB, which a service that scores has no use for

# Enrolments that began longer ago belong to a cohort that is not scored any more, and are not listed either.
LONGEST_AGO = 366
NOT_SCORED = {
    "left": {"nl": "uitgeschreven", "en": "has left"},
    "not_started": {"nl": "nog niet begonnen", "en": "has not started yet"},
    "before_first_landmark": {"nl": "nog voor het eerste meetmoment", "en": "before the first landmark"},
    "after_last_day": {"nl": "na de laatste dag waarop gescoord wordt", "en": "after the last day on which students are scored"},
    "objected": {"nl": "wordt niet gescoord: bezwaar gemaakt of gewist", "en": "is not scored: objected, or was erased"},
}


@dataclass(frozen=True)
class Scored:
    """Scores of one day.

    Attributes
    ----------
    on : datetime.date
        The day.
    rows : pandas.DataFrame
        One row per student scored: enrolment_id, student_id, cohort, programme, day, landmark, and per target probability_TARGET, the ends of
        its interval probability_TARGET_low and _high (NaN for a model without intervals), decision_TARGET, unusual_TARGET (a tuple of
        `Unusual`) and model_TARGET (the version); `rank` by the target that ranks.
    not_scored : pandas.DataFrame
        enrolment_id, student_id, programme, reason: why no score is given.
    features : pandas.DataFrame
        Features and facts of the students scored, in the order of `rows`.
    context : ProgrammeContext
        What was usual in the programmes that day.
    """

    on: dt.date
    rows: pd.DataFrame
    not_scored: pd.DataFrame
    features: pd.DataFrame
    context: ProgrammeContext


def score_dataset(
    dataset: Dataset, models: Mapping[str, RiskModel], on: dt.date, *, ranked_by: str = "leave", progress: Progress = silent
) -> Scored:
    """Score every student of a data set who can be scored on a date.

    Parameters
    ----------
    dataset : Dataset
        A checked data folder.
    models : mapping of target to RiskModel
        The champions.
    on : datetime.date
        The day; nothing that became known later is looked at.
    ranked_by : str
        The target that ranks.
    progress : Progress

    Returns
    -------
    Scored

    Raises
    ------
    DataFault
        Nobody is enrolled on that date, or the data lack a feature that a model looks at.
    ModelFault
        The models look at recent weeks of different length.
    """
    dataset = dataset.with_recent(shared_recent_days(models.values()))
    moment = to_epoch_day(on)
    start = nw.col("start_date")
    enrolments = dataset.tables.enrolments.filter((start <= moment + LONGEST_AGO) & (start > moment - LONGEST_AGO))
    tables = replace(dataset.tables, enrolments=enrolments)
    progress(0, 3, "measuring features")
    features, context = build_with_context(cut(tables, on), dataset.definition)
    waiting = _everyone(tables)
    if waiting.empty:
        raise DataFault(
            f"nobody is enrolled around {on.isoformat()}.",
            place=str(dataset.folder),
            remedy="Choose another date, or deliver the current cohort.",
        )
    any_model = next(iter(models.values()))
    first, last = any_model.landmarks[0], dataset.definition.last_day
    features = features[(features["cut_day"] >= first) & (features["cut_day"] <= last)].reset_index(drop=True)
    progress(1, 3, "scoring")
    rows = score_features(features, models, on=on, ranked_by=ranked_by)
    progress(2, 3, "listing")
    not_scored = _not_scored(waiting, set(rows["enrolment_id"]), moment, first)
    progress(3, 3, "scored")
    return Scored(on, rows, not_scored, features, context)


def score_features(features: pd.DataFrame, models: Mapping[str, RiskModel], *, on: dt.date, ranked_by: str) -> pd.DataFrame:
    """Score ready features, each row by the model of the last landmark that its `cut_day` has passed.

    Parameters
    ----------
    features : pandas.DataFrame
        What `build_features` gives, each row at or after the first landmark.
    models : mapping of target to RiskModel
    on : datetime.date
        Seeds the lot between equal scores.
    ranked_by : str
        The target that ranks.

    Returns
    -------
    pandas.DataFrame
        As `Scored.rows`.

    Raises
    ------
    DataFault
        A feature that a model looks at is absent.
    """
    rows = features[["enrolment_id", "student_id", "cohort", "programme"]].copy()
    rows["day"] = features["cut_day"].astype("int64")
    for target, model in models.items():
        lacking = [name for name in model.catalogue if name not in features]
        if lacking:
            raise DataFault(
                f"the data do not have {', '.join(lacking)}, which the model for '{target}' looks at.",
                remedy="Declare the same extra columns as in the data that it was trained on, or train on these data.",
            )
        landmark = rows["day"].map({day: model.landmark_for(day) for day in rows["day"].unique()}).astype("int64")
        if "landmark" not in rows:
            rows["landmark"] = landmark
        decision, low, high = np.zeros(len(rows)), np.full(len(rows), np.nan), np.full(len(rows), np.nan)
        unusual: list[tuple[Unusual, ...]] = [()] * len(rows)
        for day in landmark.unique():
            chosen = (landmark == day).to_numpy()
            decision[chosen] = model.decision(features[chosen], int(day))
            if (sure := model.how_sure(features[chosen], int(day))) is not None:
                low[chosen], high[chosen] = sure.low, sure.high
                for place, found in zip(np.flatnonzero(chosen), sure.unusual, strict=True):
                    unusual[place] = found
        rows[f"probability_{target}"] = expit(decision)
        rows[f"probability_{target}_low"], rows[f"probability_{target}_high"] = low, high
        rows[f"unusual_{target}"] = pd.Series(unusual, index=rows.index, dtype=object)
        rows[f"decision_{target}"] = decision
        rows[f"model_{target}"] = f"{target}-{model.version}"
    ranking = f"probability_{ranked_by}" if ranked_by in models else f"probability_{next(iter(models))}"
    rows["rank"] = rank(rows[ranking], lots(rows["enrolment_id"], on)) if len(rows) else pd.Series(dtype="int64")
    return rows


def tellers(model: RiskModel, definition: DatasetDefinition | None, languages: Sequence[Words]) -> dict[str, Teller]:
    """Prepare, per language, what turns a model's contributions into reasons."""
    kinds = {} if definition is None else definition.prior_education.kinds
    return {
        words.language: Teller(
            model.catalogue, model.design.features, words, {kind: names[words.language] for kind, names in kinds.items()}
        )
        for words in languages
    }


def reasons_of(model: RiskModel, teller: Teller, features: pd.DataFrame, landmark: pd.Series) -> list[list[Reason]]:
    """Give the reasons of every row of features.

    Parameters
    ----------
    model : RiskModel
    teller : Teller
    features : pandas.DataFrame, shape (n, any)
        With an index from 0 to n - 1.
    landmark : pandas.Series of int, shape (n,)
        The model's landmark for each row.

    Returns
    -------
    list of list of Reason, length n
    """
    told: list[list[Reason]] = [[]] * len(features)
    days = landmark.to_numpy()
    for day in np.unique(days):
        part = features[days == day]
        for place, reasons in zip(np.flatnonzero(days == day), teller.tell_all(model.explain(part, int(day)), part), strict=True):
            told[place] = reasons
    return told


def as_tables(
    scored: Scored,
    models: Mapping[str, RiskModel],
    definition: DatasetDefinition,
    language: Language,
    *,
    explained: str,
    words: Words | None = None,
) -> dict[str, pd.DataFrame]:
    """Give scores as the tables that are written to a file: `scores` with reasons in words, and `not_scored`.

    Parameters
    ----------
    scored : Scored
    models : mapping of target to RiskModel
    definition : DatasetDefinition
    language : {'nl', 'en'}
    explained : str
        The target whose reasons are told.
    words : Words, optional
        Phrases; the product's own by default.
    """
    model = models[explained]
    phrases = words or load_words(language)
    teller = tellers(model, definition, [phrases])[language]
    told = reasons_of(model, teller, scored.features, scored.rows["landmark"])
    columns = ["enrolment_id", "student_id", "cohort", "programme", "day", "landmark"]
    columns += [f"probability_{target}{end}" for target in models for end in ("", "_low", "_high")] + ["rank"]
    table = scored.rows[columns].copy()
    unusual = [tell_unusual(found, model.catalogue, phrases) for found in scored.rows[f"unusual_{explained}"]]
    table["reasons"] = pd.Series([[reason.text for reason in reasons] for reasons in told], index=table.index, dtype=object)
    table["unusual"] = pd.Series(unusual, index=table.index, dtype=object)
    for target in models:
        table[f"model_{target}"] = scored.rows[f"model_{target}"]
    not_scored = scored.not_scored.copy()
    not_scored["reason"] = not_scored["reason"].map({reason: told[language] for reason, told in NOT_SCORED.items()})
    return {"scores": table.sort_values("rank", ignore_index=True), "not_scored": not_scored}


def _everyone(tables: Tables) -> pd.DataFrame:
    columns = ("enrolment_id", "student_id", "programme", "start_date", "enrolled_on", "left_known_on")
    frame: pd.DataFrame = tables.enrolments.select(*columns).collect(backend="pandas").to_native()
    return frame.sort_values("enrolment_id", ignore_index=True)


def _not_scored(everyone: pd.DataFrame, scored: set[str], moment: int, first: int) -> pd.DataFrame:
    waiting = everyone[~everyone["enrolment_id"].isin(scored)]
    day = moment - waiting["start_date"]
    not_started = (day < 0) | (waiting["enrolled_on"].astype(float) > moment)
    conditions = [not_started, waiting["left_known_on"].astype(float) <= moment, day < first]
    reason = np.select(conditions, ["not_started", "left", "before_first_landmark"], default="after_last_day")
    return waiting[["enrolment_id", "student_id", "programme"]].assign(reason=reason).reset_index(drop=True)
