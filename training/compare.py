"""Compare: two models on a day's students and on a closed cohort. Reads the data and the models; writes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from riskmodel.comparison.lists import Overlap, ReasonsCompared, by_programme, compare_reasons, differing, overlap
from riskmodel.comparison.page import FEWEST, Compared
from riskmodel.comparison.worth import compare_worth
from riskmodel.contract.dataset import Dataset, load_dataset
from riskmodel.errors import DataFault, ModelFault
from riskmodel.explain.words import load_words
from riskmodel.landmarks import landmark_frames
from riskmodel.listing import Lists, lists_on
from riskmodel.model import RiskModel
from riskmodel.policy import Policy, read_policy
from riskmodel.progress import Progress, silent
from riskmodel.routing import invite
from riskmodel.scoring import reasons_of, tellers

WEEK = dt.timedelta(days=7)


@dataclass(frozen=True)
class Comparison:
    """What was found, and who stands on one list alone: the latter is for a file that somebody asks for, and for no page."""

    found: Compared
    apart: pd.DataFrame


def compare(
    names: tuple[str, str],
    models: tuple[RiskModel, RiskModel],
    folder: Path,
    *,
    on: dt.date | None = None,
    cohort: str | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Compare two models of one target; each looks at features over its own recent weeks.

    Parameters
    ----------
    names, models : tuple
        What they are called, and the models.
    folder : Path
        A data folder.
    on : datetime.date, optional
        The day whose lists are compared, and each with the same model's list a week earlier.
    cohort : str, optional
        The closed cohort on which both are measured; the latest closed one where no day is given.
    progress : Progress

    Raises
    ------
    ModelFault
        The models answer different questions, or have no landmark in common.
    DataFault
        There is no such cohort, nobody is enrolled on that day, or the data lack a feature that a model looks at.
    """
    first, second = models
    if first.target != second.target:
        raise ModelFault(
            f"{names[0]} tells '{first.target}' and {names[1]} tells '{second.target}'.", remedy="Compare two models of the same target."
        )
    policy, dataset = read_policy(folder), load_dataset(folder, progress=progress)
    chosen = _cohort(dataset, cohort) if cohort or on is None else ""
    lists, told = None, None
    programmes: dict[str, Overlap] = {}
    weeks: tuple[Overlap, ...] = ()
    apart = pd.DataFrame({"enrolment_id": pd.Series(dtype="str"), "invited_by": pd.Series(dtype="str")})
    if on is not None:
        pair = {"first": first, "second": second}
        now = lists_on(dataset, pair, on, policy, progress=progress)
        if now.empty:
            raise DataFault(
                f"nobody could be scored on {on.isoformat()}.", place=str(folder), remedy="Choose a day after the first landmark."
            )
        lists = overlap(now.rows["first"], now.rows["second"])
        programmes = by_programme(now.rows["first"], now.rows["second"], FEWEST)
        apart = differing(now.rows["first"], now.rows["second"], names)
        told = _reasons(dataset, pair, now)
        weeks = _week_to_week(dataset, pair, now, policy, progress)
    worth, at_landmarks = {}, {}
    if chosen:
        common = tuple(sorted(set(first.landmarks) & set(second.landmarks)))
        if not common:
            raise ModelFault("these models have no landmark in common.", remedy="Compare models that were trained at the same landmarks.")
        windows = {
            days: landmark_frames(dataset.with_recent(days), common, (chosen,), progress).frames
            for days in {model.recent_days: None for model in models}
        }
        start = dataset.definition.cohort(chosen).start
        for place, day in enumerate(common):
            progress(place, len(common), f"measuring at day {day}")
            frames = windows[first.recent_days][day], windows[second.recent_days][day]
            _require(models, names, frames, folder)
            figures = compare_worth(first, second, frames[0], day, policy.capacity_share, of_second=frames[1])
            if figures is not None:
                worth[day] = figures
            at_landmarks[day] = _at_landmark(models, frames, day, policy, start + dt.timedelta(days=day))
        progress(len(common), len(common), "compared")
    found = Compared(
        names=names, models=models, institution=dataset.definition.name, capacity=policy.capacity_share, on=on, lists=lists,
        programmes=programmes, weeks=weeks,
        reasons=told, cohort=chosen, worth=worth, at_landmarks=at_landmarks,
        learnt_from=(chosen in first.facts.trained_on, chosen in second.facts.trained_on),
    )  # fmt: skip
    return Comparison(found, apart)


def _cohort(dataset: Dataset, asked: str | None) -> str:
    closed = dataset.definition.closed_cohorts
    if not closed or (asked is not None and asked not in closed):
        what = f"there is no closed cohort '{asked}'." if asked else "no cohort is closed, so there is no outcome to measure on."
        remedy = f"Closed are: {', '.join(closed)}." if closed else "Give a day with --date: lists can be compared without outcomes."
        raise DataFault(what, place=str(dataset.folder), remedy=remedy)
    return asked or closed[-1]


def _require(models: tuple[RiskModel, RiskModel], names: tuple[str, str], frames: tuple[pd.DataFrame, pd.DataFrame], folder: Path) -> None:
    for name, model, frame in zip(names, models, frames, strict=True):
        lacking = [feature for feature in model.catalogue if feature not in frame]
        if lacking:
            raise DataFault(
                f"the data do not have {', '.join(lacking)}, which {name} looks at.",
                place=str(folder),
                remedy="Declare the same extra columns as in the data that it was trained on.",
            )


def _reasons(dataset: Dataset, pair: Mapping[str, RiskModel], now: Lists) -> ReasonsCompared:
    words = load_words("en")
    told = []
    for name, model in pair.items():
        teller = tellers(model, dataset.definition, [words])["en"]
        told.append(reasons_of(model, teller, now.features[name], now.rows[name]["landmark"]))
    return compare_reasons(told[0], told[1], (now.rows["first"]["invited"], now.rows["second"]["invited"]))


def _week_to_week(dataset: Dataset, pair: Mapping[str, RiskModel], now: Lists, policy: Policy, progress: Progress) -> tuple[Overlap, ...]:
    """Compare each model's list with its own a week earlier; nothing where nobody could be scored then."""
    try:
        before = lists_on(dataset, pair, now.on - WEEK, policy, progress=progress)
    except DataFault:
        return ()
    if before.empty:
        return ()
    return tuple(overlap(before.rows[name], now.rows[name]) for name in pair)


def _at_landmark(
    models: tuple[RiskModel, RiskModel], frames: tuple[pd.DataFrame, pd.DataFrame], day: int, policy: Policy, on: dt.date
) -> Overlap:
    """Compare lists that go by rank alone."""
    by_rank = policy.model_copy(update={"always_invite": (), "by_chance_share": 0.0})
    rows = []
    for model, frame in zip(models, frames, strict=True):
        listed = frame[["enrolment_id"]].assign(probability=model.probability(frame, day))
        rows.append(listed.join(invite(listed, by_rank, on)))
    return overlap(rows[0], rows[1])
