"""Monitor: hold the students who reached a landmark lately beside those a model learnt from, and its promises beside outcomes once these are known."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from riskmodel.catalogue import Feature
from riskmodel.contract.dataset import Dataset, load_dataset
from riskmodel.dates import from_epoch_day, to_epoch_day
from riskmodel.drift import (
    LEVELS,
    Check,
    Compared,
    Level,
    cluster_dispersion,
    compare_calibration,
    compare_categories,
    compare_numbers,
    compare_shares,
    judge,
    over_dispersion,
    widened,
    worst,
)
from riskmodel.drift_page import WatchTold
from riskmodel.errors import DataFault
from riskmodel.files import writing_fault
from riskmodel.frames import to_pandas
from riskmodel.landmarks import landmark_frames
from riskmodel.model import RiskModel
from riskmodel.policy import read_policy
from riskmodel.progress import Progress, silent
from riskmodel.tables import Tables
from riskmodel.window import cut
from riskmodel.workspace import Workspace
from training.evaluate import best_registered
from training.rehearsal import Rehearsal, rehearse
from training.tracking import nothing_trained, open_tracking, start_run

LEAST_STUDENTS = 50
FEWEST = 10  # students of whom anything is told
# What is compared with the programme's own median is centred anew each year and cannot drift; the figures that it comes from are watched.
CENTRED_ANEW = "_vs_programme"
# Longer than a school break, so that a holiday that moved by a week is no stop.
BLOCK_DAYS = 14


@dataclass(frozen=True)
class Watch(WatchTold):
    """What a watch saw: what its page tells, and the checks.

    Attributes
    ----------
    checks : tuple of Check
        Judged, causes first.
    outcomes_known : bool
    """

    checks: tuple[Check, ...]
    outcomes_known: bool

    @property
    def level(self) -> Level:
        """The worst of its checks."""
        return worst(self.checks)


@dataclass(frozen=True)
class _Sides:
    """Everything that is compared: a data set and cohorts for either side, at one landmark."""

    now: Dataset
    before: Dataset
    cohorts_now: tuple[str, ...]
    cohorts_before: tuple[str, ...]


def monitor(
    folder: Path,
    workspace: Workspace,
    since: dt.date,
    *,
    until: dt.date | None = None,
    reference: Path | None = None,
    target: str | None = None,
    progress: Progress = silent,
) -> Watch:
    """Watch a registered model in use; see `watch_model`.

    The reference is computed from the data folder that the model was trained on, at the same landmark, and not kept with the model: a
    sample is compared with a sample, and no summary of students leaves the institution's own folder.

    Parameters
    ----------
    folder : Path
        The data folder with the students to watch.
    workspace : Workspace
        Its champion, or its challenger where there is none, is watched.
    since : datetime.date
        Students who reached the landmark on this day or later are watched.
    until : datetime.date, optional
        The last day looked at; the last on which anything became known by default.
    reference : Path, optional
        The folder with the cohorts that the model learnt from; `folder` itself by default.
    target : str, optional
        'dropout' or 'leave'; the policy's by default.
    progress : Progress

    Raises
    ------
    ModelFault
        Nothing was trained yet.
    DataFault
        There is nobody new to watch, or the reference lacks the cohorts learnt from.
    """
    policy = read_policy(folder)
    asked = target or policy.target
    found = best_registered(open_tracking(workspace), asked)
    if found is None:
        raise nothing_trained(workspace, asked)
    model = found[1]
    now = load_dataset(folder, progress=progress)
    before = now if reference is None else load_dataset(reference, progress=progress)
    return watch_model(model, now, before, since, until=until, capacity_share=policy.capacity_share, progress=progress)


def watch_model(
    model: RiskModel,
    now: Dataset,
    before: Dataset,
    since: dt.date,
    *,
    until: dt.date | None = None,
    capacity_share: float = 0.2,
    progress: Progress = silent,
) -> Watch:
    """Hold the students who reached a landmark lately beside those a model learnt from.

    Parameters
    ----------
    model : RiskModel
    now : Dataset
        With the students to watch: of cohorts that the model did not learn from.
    before : Dataset
        With the cohorts that it learnt from; may be the same.
    since : datetime.date
    until : datetime.date, optional
    capacity_share : float
        For the list's turnover, precision and recall.
    progress : Progress

    Raises
    ------
    DataFault
        As for `monitor`.
    """
    folder = now.folder
    now, before = now.with_recent(model.recent_days), before.with_recent(model.recent_days)
    learnt = tuple(model.facts.trained_on)
    lacking = sorted(set(learnt) - set(before.definition.closed_cohorts))
    if lacking:
        raise DataFault(
            f"the cohorts {', '.join(lacking)}, which the model learnt from, are not here.",
            place=str(before.folder),
            remedy="Name the folder that it was trained on with --reference.",
        )
    fresh = tuple(cohort.label for cohort in now.definition.cohorts if cohort.label not in learnt)
    if not fresh:
        raise DataFault(
            "the model learnt from every cohort here, so there is nobody to watch.", place=str(folder), remedy="Deliver the current cohort."
        )
    sides = _Sides(now, before, fresh, learnt)
    last = until or _last_known(now, fresh)
    started = _starts(now, fresh)
    landmark, watched = _landmark(model, started, since, last, folder)
    days = tuple(day for day in model.landmarks if day <= landmark)[-2:]
    progress(0, 4, "features of now")
    frames_now = {
        day: frame[frame["enrolment_id"].isin(watched)].reset_index(drop=True) for day, frame in _frames(now, days, fresh).items()
    }
    progress(1, 4, "features of the cohorts learnt from")
    asked_days = days if model.recipe.layout != "pooled" else model.landmarks
    frames_before = _frames(before, asked_days, learnt)
    present, past = frames_now[landmark], frames_before[landmark]
    if len(present) < LEAST_STUDENTS:
        raise _nobody(folder, since, last)
    cohorts = tuple(sorted(present["cohort"].unique()))
    sides = replace(sides, cohorts_now=cohorts)
    progress(2, 4, "comparing")
    checks: list[Check] = [*_feed(sides, watched, since, last)]
    told = compare_categories(present["programme"], past["programme"])
    checks.append(_about("composition", "", told, present, past, _apart(past["programme"], past["cohort"], compare_categories)))
    checks.append(_unscored(sides, watched, present, past))
    checks += [check for feature in model.catalogue.values() for check in _feature(feature, present, past)]
    notes: list[str] = []
    scores: dict[str, list[float]] = {}
    if len(learnt) > 1:
        rehearsals = {day: rehearse(before, model, learnt[-1], day, whole=False, frames=frames_before) for day in days}
        scored, scores = _scores(rehearsals, frames_now, landmark, capacity_share)
        checks += scored
    else:
        notes.append("one_cohort")
    known = present[present[model.target].notna()]
    outcomes = len(known) >= LEAST_STUDENTS
    if outcomes:
        checks += _outcomes(model, known, landmark, capacity_share, len(past))
    else:
        notes.append("no_outcomes")
    if now.tables.attendance is None:
        notes.append("no_attendance")
    progress(4, 4, "watched")
    return Watch(
        now.definition.name, model.target, model.version, since, last, landmark, cohorts, learnt, len(present), len(past), scores,
        tuple(notes), tuple(judge(checks)), outcomes,
    )  # fmt: skip


def _frames(dataset: Dataset, days: Sequence[int], cohorts: Sequence[str]) -> Mapping[int, pd.DataFrame]:
    return landmark_frames(dataset, days, tuple(cohorts)).frames


def _only(dataset: Dataset, cohorts: Sequence[str]) -> Tables:
    return replace(dataset.tables, enrolments=dataset.tables.enrolments.filter(nw.col("cohort").is_in(list(cohorts))))


def _starts(dataset: Dataset, cohorts: Sequence[str]) -> pd.Series:
    """Give the start of each enrolment as an epoch day."""
    frame = to_pandas(_only(dataset, cohorts).enrolments.select("enrolment_id", "start_date"))
    return frame.set_index("enrolment_id")["start_date"].astype(int)


def _last_known(dataset: Dataset, cohorts: Sequence[str]) -> dt.date:
    """Give the last day on which the institution knew something of these cohorts."""
    latest = []
    enrolments = _only(dataset, cohorts).enrolments.select("enrolment_id", "start_date")
    for table in (dataset.tables.attendance, dataset.tables.results):
        if table is not None:
            known = to_pandas(table.join(enrolments, on="enrolment_id", how="inner").select(nw.col("known_on").max()))["known_on"]
            latest += [int(day) for day in known.dropna()]
    latest = latest or [int(_starts(dataset, cohorts).max())]
    return from_epoch_day(max(latest))


def _nobody(folder: Path, since: dt.date, until: dt.date) -> DataFault:
    return DataFault(
        f"fewer than {LEAST_STUDENTS} students reached a landmark from {since.isoformat()} to {until.isoformat()}.",
        place=str(folder),
        remedy="Choose an earlier --since, or deliver newer data.",
    )


def _landmark(model: RiskModel, starts: pd.Series, since: dt.date, until: dt.date, folder: Path) -> tuple[int, set[str]]:
    """Give the last landmark that enough students reached in the days asked for, and who they are."""
    for day in reversed(model.landmarks):
        reached = starts[(starts + day >= to_epoch_day(since)) & (starts + day <= to_epoch_day(until))]
        if len(reached) >= LEAST_STUDENTS:
            return day, set(reached.index)
    raise _nobody(folder, since, until)


def _about(
    kind: str, name: str, told: Compared, now: pd.DataFrame, before: pd.DataFrame, apart: tuple[float, float], **detail: Any
) -> Check:
    spread, dispersion = apart
    return Check(kind, name, widened(told, dispersion), len(now), len(before), spread, detail)


def _feed(sides: _Sides, watched: set[str], since: dt.date, until: dt.date) -> Iterator[Check]:
    """Watch, two weeks at a time, who has any lesson registered, in all and in each programme, and how many lessons a student has."""
    starts = _starts(sides.now, sides.cohorts_now)
    starts = starts[starts.index.isin(watched)]
    day = min(int(to_epoch_day(until) - starts.median()), sides.now.definition.last_day)
    now, before = (_blocks(data, cohorts, day) for data, cohorts in ((sides.now, sides.cohorts_now), (sides.before, sides.cohorts_before)))
    if now is None or before is None:
        return
    now = now[now.index.isin(watched)]
    first = to_epoch_day(since) - int(starts.median())
    for block in range(day // BLOCK_DAYS):
        if (block + 1) * BLOCK_DAYS < first:
            continue
        days = {"first": block * BLOCK_DAYS, "last": (block + 1) * BLOCK_DAYS - 1}
        present, past = now[block], before[block]
        whole = compare_shares(int((present > 0).sum()), len(present), int((past > 0).sum()), len(past))
        yield Check("feed_stopped", "", whole, len(present), len(past), detail=days)
        if whole.now < whole.before / 2:
            continue  # it stopped everywhere; programme by programme says no more
        for programme, own in present.groupby(now["programme"]):
            earlier = past[before["programme"] == programme]
            earlier = earlier if len(earlier) >= FEWEST else past
            if len(own) >= FEWEST and not (earlier > 0).mean() <= (own > 0).mean():
                told = compare_shares(int((own > 0).sum()), len(own), int((earlier > 0).sum()), len(earlier))
                yield Check("feed_stopped", str(programme), told, len(own), len(earlier), detail=days)
        told = compare_numbers(present.to_numpy(dtype=float), past.to_numpy(dtype=float))
        yield _about("feed_changed", "", told, now, before, _apart(past.astype(float), before["cohort"], compare_numbers), **days)


def _blocks(dataset: Dataset, cohorts: Sequence[str], day: int) -> pd.DataFrame | None:
    """Give per student still enrolled on a day the lessons registered in every two weeks before it, with programme and cohort."""
    known = cut(_only(dataset, cohorts), day)
    if known.attendance is None:
        return None
    people = to_pandas(known.enrolments.select("enrolment_id", "programme", "cohort")).set_index("enrolment_id")
    rows = known.attendance.filter(nw.col("day") >= 0).with_columns(block=nw.col("day") // BLOCK_DAYS)
    counted = to_pandas(rows.group_by("enrolment_id", "block").agg(nw.col("scheduled").sum().alias("lessons")))
    table = counted.pivot(index="enrolment_id", columns="block", values="lessons").reindex(people.index)
    table = table.reindex(columns=range(day // BLOCK_DAYS)).fillna(0.0)
    return pd.concat([table, people], axis=1)


def _unscored(sides: _Sides, watched: set[str], present: pd.DataFrame, past: pd.DataFrame) -> Check:
    """Watch the share of those enrolled who had no score on their day: they had left, or were registered too late."""
    everyone = len(_starts(sides.before, sides.cohorts_before))
    told = compare_shares(len(watched) - len(present), len(watched), everyone - len(past), everyone)
    return Check("unscored", "", told, len(watched), everyone)


def _feature(feature: Feature, now: pd.DataFrame, before: pd.DataFrame) -> Iterator[Check]:
    """Watch whether a feature is known as often as before, and whether its values are spread as before."""
    here, there, cohort = now[feature.name], before[feature.name], before["cohort"]
    lacking = [side.isna().to_numpy(dtype=float) for side in (here, there)]
    apart = _apart(pd.Series(lacking[1], index=there.index), cohort, _shares)
    yield _about("missing", feature.name, _shares(*lacking), now, before, apart)
    compare = {"category": compare_categories, "flag": _shares}.get(feature.kind, compare_numbers)
    if feature.name.endswith(CENTRED_ANEW):
        return
    known = [side[side.notna()] for side in (here, there)]
    values = [side.to_numpy(dtype=object if feature.kind == "category" else float) for side in known]
    spread, dispersion = _apart(pd.Series(values[1], index=known[1].index), cohort[known[1].index], compare)
    if feature.kind != "category":
        dispersion = max(dispersion, cluster_dispersion(there.to_numpy(dtype=float), cohort.to_numpy(), before["programme"].to_numpy()))
    apart = spread, dispersion
    yield _about("feature", feature.name, compare(*values), now, before, apart)


def _shares(now: np.ndarray, before: np.ndarray) -> Compared:
    return compare_shares(int((now > 0).sum()), len(now), int((before > 0).sum()), len(before))


def _apart(values: pd.Series, cohort: pd.Series, compare: Callable[[Any, Any], Compared]) -> tuple[float, float]:
    """Give the largest distance of one earlier cohort from the others, NaN where there is one, and by how much chance is wider."""
    names = cohort.unique()
    if len(names) < 2:
        return math.nan, 1.0
    told = [compare(values[cohort == name].to_numpy(), values[cohort != name].to_numpy()) for name in names]
    return max((each.distance for each in told if each.distance == each.distance), default=math.nan), over_dispersion(told)


def _listed(probability: np.ndarray, share: float) -> np.ndarray:
    """Tell who would be invited by rank alone."""
    invited = np.zeros(len(probability), dtype=bool)
    invited[np.argsort(-probability, kind="stable")[: math.ceil(share * len(probability))]] = True
    return invited


def _scores(
    rehearsals: Mapping[int, Rehearsal], now: Mapping[int, pd.DataFrame], landmark: int, share: float
) -> tuple[list[Check], dict[str, list[float]]]:
    """Watch scores and the list, by a model that saw neither side: the champion itself has learnt from the earlier one."""
    done = rehearsals[landmark]
    present = done.model.probability(now[landmark], landmark)
    told = compare_numbers(present, done.probability)
    checks = [Check("score", "", told, len(present), len(done.probability))]
    scores = {"now": _spread_out(present), "before": _spread_out(done.probability)}
    earlier = [day for day in rehearsals if day < landmark]
    if earlier:
        first = earlier[-1]
        stays = []
        for frames, probability in (
            (now, {day: rehearsals[day].model.probability(now[day], day) for day in (first, landmark)}),
            ({day: rehearsals[day].frame for day in (first, landmark)}, {day: rehearsals[day].probability for day in (first, landmark)}),
        ):
            lists = {day: set(frames[day].loc[_listed(probability[day], share), "enrolment_id"]) for day in (first, landmark)}
            still = lists[first] & set(frames[landmark]["enrolment_id"])
            stays.append((len(still - lists[landmark]), len(still)))
        told = compare_shares(*stays[0], *stays[1])
        checks.append(Check("turnover", "", told, stays[0][1], stays[1][1], detail={"first": first, "last": landmark}))
    return checks, scores


def _spread_out(probability: np.ndarray) -> list[float]:
    """Give the share of students in each tenth of probability; NaN where they are too few to tell of."""
    counts = np.histogram(probability, np.linspace(0.0, 1.0, 11))[0]
    return [float(count / len(probability)) if count >= FEWEST else math.nan for count in counts]


def _outcomes(model: RiskModel, known: pd.DataFrame, landmark: int, share: float, learnt: int) -> Iterator[Check]:
    """Hold what the model promised beside what came of it."""
    y = known[model.target].to_numpy(dtype=float)
    decision = model.decision(known, landmark)
    large, slope = compare_calibration(y, decision, learnt)
    yield Check("calibration", "", large, len(y), learnt)
    yield Check("slope", "", slope, len(y), learnt)
    promised = model.measured.get(str(landmark))
    if not promised or promised["capacity_share"] != share or promised["recall_at_capacity"] is None:
        return
    invited = _listed(decision, share)
    found, then = int(y[invited].sum()), round(promised["recall_at_capacity"] * promised["leavers"])
    room = math.ceil(share * promised["students"])
    yield Check("precision", "", compare_shares(found, int(invited.sum()), min(then, room), room), int(invited.sum()), room)
    leavers = int(y.sum())
    yield Check("recall", "", compare_shares(found, leavers, then, promised["leavers"]), leavers, promised["leavers"])


def log_watch(workspace: Workspace, watch: Watch, page: str) -> None:
    """Keep a watch in MLflow: levels and distances as metrics, the page as a file."""
    mlflow = open_tracking(workspace)
    with start_run(mlflow, f"monitor-{watch.target}"):
        mlflow.set_tags({"watch": watch.level, "model_version": watch.version, "since": str(watch.since), "until": str(watch.until)})
        mlflow.log_metrics(metrics_of(watch))
        mlflow.log_text(page, "monitor.html")


def metrics_of(watch: Watch) -> dict[str, float]:
    """Give a watch as plain figures by name."""
    told: dict[str, float] = {"watch.level": LEVELS.index(watch.level), "watch.students": watch.students, "watch.landmark": watch.landmark}
    told |= {f"watch.{level}": sum(check.level == level for check in watch.checks) for level in LEVELS}
    for check in watch.checks:
        if check.compared.distance == check.compared.distance and check.kind not in ("feed_stopped", "feed_changed"):
            name = f"{check.kind}.{check.name}" if check.name else check.kind
            told[f"distance.{name}"] = check.compared.distance
            if check.kind not in ("feature", "missing", "composition"):
                told[f"now.{name}"] = check.compared.now
    return told


def write_prometheus(watch: Watch, path: Path) -> None:
    """Write a watch in Prometheus' text format, for the node exporter's textfile collector; a reader sees the old file or the new one.

    Raises
    ------
    RiskModelError
        The file can't be written.
    """
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

    registry = CollectorRegistry()
    about = {"target": watch.target, "model_version": watch.version}
    level = Gauge("riskmodel_watch_level", "Worst of all checks: 0 green, 1 amber, 2 red", [*about], registry=registry)
    level.labels(**about).set(LEVELS.index(watch.level))
    students = Gauge("riskmodel_watch_students", "Students watched", [*about], registry=registry)
    students.labels(**about).set(watch.students)
    until = Gauge("riskmodel_watch_until_seconds", "Last day looked at, as seconds since 1970", [*about], registry=registry)
    until.labels(**about).set(to_epoch_day(watch.until) * 86400)
    each = [*about, "kind", "name", "days"]
    gauges = {
        "level": Gauge("riskmodel_watch_check_level", "0 green, 1 amber, 2 red", each, registry=registry),
        "distance": Gauge("riskmodel_watch_check_distance", "How far now is from before, 0 to 1", each, registry=registry),
        "p": Gauge("riskmodel_watch_check_p_adjusted", "How often chance would give this, all checks considered", each, registry=registry),
    }
    for check in watch.checks:
        if check.p_adjusted == check.p_adjusted:
            days = f"{check.detail['first']}-{check.detail['last']}" if check.detail else ""
            labels = {**about, "kind": check.kind, "name": check.name, "days": days}
            for name, value in {"level": LEVELS.index(check.level), "distance": check.compared.distance, "p": check.p_adjusted}.items():
                gauges[name].labels(**labels).set(value)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise writing_fault(error, path) from error
