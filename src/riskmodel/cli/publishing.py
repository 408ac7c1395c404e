"""From scores to a published list: who is invited, with reasons in both languages, lessons week by week and tests as they were known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from riskmodel.champion import current, read_champions
from riskmodel.cli.context import person
from riskmodel.cli.store import open_store
from riskmodel.contract.dataset import Dataset, load_dataset, read_coaches, read_contacts
from riskmodel.dates import from_epoch_day
from riskmodel.explain.certainty import tell_unusual, told_interval
from riskmodel.explain.reasons import CONTEXT, Reason, invitation_meaning, natural_frequency
from riskmodel.explain.words import Words, load_words
from riskmodel.files import require_writable
from riskmodel.frames import to_pandas
from riskmodel.model import RiskModel
from riskmodel.policy import Policy, read_policy, read_policy_file
from riskmodel.progress import Progress, silent
from riskmodel.routing import Routed, route
from riskmodel.routing.candidates import candidates, of_scored
from riskmodel.scoring import Scored, reasons_of, score_dataset, tellers
from riskmodel.synth.describe import SYNTHETIC_SOURCE
from riskmodel.tables import Frame, Tables
from riskmodel.window import Known, cut
from riskmodel.workspace import Workspace
from serving.languages import LANGUAGES
from serving.store.desk import earlier
from serving.store.people import ENROLMENT
from serving.store.weeks import Store, invited_before
from serving.store.weeks import publish_week as store_week
from serving.week import Background, CoachedStudent, LessonWeek, PublishedStudent, PublishedWeek, ReasonShown, TestShown

EARLIER = ("invited_on", "listed_before", "in_talk", "asked_for_talk", "put_on_list", "waiting_since")


@dataclass(frozen=True)
class Counted:
    """What a publication did."""

    scored: int
    not_scored: int
    invited: int
    waiting: int


def publish_week(
    folder: Path,
    workspace: Workspace,
    on: dt.date,
    *,
    policy_file: Path | None = None,
    own_words: Path | None = None,
    progress: Progress = silent,
) -> Counted:
    """Score, invite and publish; without a champion, by rules and wishes alone.

    Parameters
    ----------
    folder : Path
        A data folder.
    workspace : Workspace
        Its champions score; its store gets the list.
    on : datetime.date
        The day of the list.
    policy_file : Path, optional
        Who is invited; the folder's `policy.toml` by default.
    own_words : Path, optional
        An institution's own phrases.
    progress : Progress

    Returns
    -------
    Counted
    """
    models = read_champions(workspace.champion) if current(workspace.champion) else {}
    require_writable(workspace.folder)
    policy = read_policy(folder) if policy_file is None else read_policy_file(policy_file)
    dataset = load_dataset(folder, progress=progress)
    target = policy.target_among(models)
    scored = score_dataset(dataset, models, on, ranked_by=target, progress=progress) if models else None
    words = [load_words(language, own_words) for language in LANGUAGES]  # type: ignore[arg-type]
    students = candidates(dataset, {}, target, on, progress=progress) if scored is None else of_scored(dataset, scored, target)
    with open_store(workspace) as store:
        students = students.join(invited_earlier(store, students["enrolment_id"], on))
        routed = route(students, read_coaches(dataset.folder, dataset.definition), policy, on)
        if scored is None:
            week = make_week_without_model(dataset, on, policy, target, students, routed)
        else:
            week = make_week(dataset, scored, models, policy, target, words, students, routed)
        store_week(store, week, actor=person())
    waiting = int((routed.rows["waits_for"] != "").sum())
    return Counted(week.scored, week.not_scored, len(week.students), waiting)


def invited_earlier(store: Store, enrolments: pd.Series, on: dt.date) -> pd.DataFrame:
    """Give what the store knows of earlier lists and talks, in `EARLIER` columns, per enrolment.

    When it was last invited before a day, whether the last list held it, whether a talk goes on already, who asked for a talk or was put on the
    list by a coach, and since when such a wish waits.
    """
    with store.session() as session:
        before, last = invited_before(session, on)
        desk = earlier(session)
    digests = enrolments.map(lambda each: store.keys.digest(ENROLMENT, each))
    waiting = {**desk.listed, **desk.asked}
    told = {
        "invited_on": pd.to_datetime(digests.map(before)),
        "listed_before": digests.isin(last),
        "in_talk": digests.isin(desk.in_talk),
        "asked_for_talk": digests.isin(set(desk.asked)),
        "put_on_list": digests.isin(set(desk.listed)),
        "waiting_since": pd.to_datetime(digests.map(waiting)),
    }
    return pd.DataFrame(told, index=enrolments.index)


def make_week(
    dataset: Dataset,
    scored: Scored,
    models: Mapping[str, RiskModel],
    policy: Policy,
    target: str,
    words: list[Words],
    students: pd.DataFrame,
    routed: Routed,
) -> PublishedWeek:
    """Put a list together; nothing is written.

    Parameters
    ----------
    dataset, scored, models, policy
        What was scored, with what, and who is to be invited.
    target : str
        The target that ranks and whose reasons are told.
    words : list of Words
        One per language.
    students : pandas.DataFrame
        What `of_scored` gives.
    routed : Routed
        Who of them is invited, in the same order.
    """
    model = models[target]
    rows, features = scored.rows, scored.features
    # Whoever objected stands behind those who were scored, and was invited by the rule or not at all.
    invited, unscored = routed.rows.iloc[: len(rows)], students.join(routed.rows).iloc[len(rows) :]
    unscored = unscored[unscored["invited"].astype(bool)]
    told = {
        each: reasons_of(model, teller, features, rows["landmark"]) for each, teller in tellers(model, dataset.definition, words).items()
    }
    known = cut(dataset.tables, scored.on)
    chosen = set(rows.loc[invited["invited"].to_numpy(), "enrolment_id"])
    lessons = _lessons(known, chosen, rows)
    tests = _tests(known, chosen)
    people = _people(dataset, known)
    kinds = dataset.definition.prior_education.kinds
    listed = []
    for place, row in enumerate(rows.to_dict(orient="records")):
        if not invited["invited"].iloc[place]:
            continue
        identity = row["enrolment_id"]
        person = people.loc[identity]
        decision = row[f"decision_{target}"]
        listed.append(
            PublishedStudent(
                enrolment_id=identity,
                student_id=row["student_id"],
                name=_text(person["name"]) or row["student_id"],
                programme=row["programme"],
                coach_id=invited["talks_with"].iloc[place],
                day=row["day"],
                landmark=row["landmark"],
                invited=True,
                way=invited["way"].iloc[place],
                how=invited["how"].iloc[place],
                chance=float(invited["chance_of_invitation"].iloc[place]),
                capacity=int(invited["capacity"].iloc[place]),
                cut_off=_number(invited["cut_off"].iloc[place]),
                rank=int(invited["rank"].iloc[place]),
                margin=_number(invited["margin"].iloc[place]),
                probability=row[f"probability_{target}"],
                low=_number(row[f"probability_{target}_low"]),
                high=_number(row[f"probability_{target}_high"]),
                reasons=_reasons({language: all_told[place] for language, all_told in told.items()}),
                frequency={each.language: natural_frequency(decision, target, each) for each in words},
                interval=_interval(row[f"probability_{target}_low"], row[f"probability_{target}_high"], words),
                unusual={
                    each.language: strange for each in words if (strange := tell_unusual(row[f"unusual_{target}"], model.catalogue, each))
                },
                lessons=lessons.get(identity, ()),
                tests=tests.get(identity, ()),
                background=_background(person, kinds),
            )
        )
    listed += _without_score(dataset, dataset.objectors, unscored, scored.on, kinds)
    return PublishedWeek(
        **_common(dataset, scored.on, policy, target),
        capacity=int(invited.groupby("pool")["capacity"].first().sum()),
        cut_off=_number(invited["cut_off"].iloc[0]) if invited["pool"].nunique() == 1 else None,
        scored=len(rows),
        not_scored=len(scored.not_scored),
        models={each: f"{each}-{used.version}" for each, used in models.items()},
        meaning=_meaning(model, policy, target, words),
        students=tuple(listed),
    )


def make_week_without_model(
    dataset: Dataset, on: dt.date, policy: Policy, target: str, students: pd.DataFrame, routed: Routed
) -> PublishedWeek:
    """Put a list together where no model serves, as in a first year: rules, wishes and lots fill it, and nobody has a score.

    Parameters
    ----------
    dataset, on, policy, target
        As for `make_week`.
    students : pandas.DataFrame
        What `candidates` gives.
    routed : Routed
        Who of them is invited, in the same order.
    """
    told = students.join(routed.rows)
    invited = told[told["invited"].astype(bool)]
    kinds = dataset.definition.prior_education.kinds
    objected = invited["objected"].astype(bool)
    cohorts = to_pandas(dataset.tables.enrolments.select("enrolment_id", "cohort"))
    lessons = _lessons(cut(dataset.tables, on), set(invited.loc[~objected, "enrolment_id"]), students.merge(cohorts, on="enrolment_id"))
    listed = _without_score(dataset, dataset.tables, invited[~objected], on, kinds, lessons)
    listed += _without_score(dataset, dataset.objectors, invited[objected], on, kinds)
    return PublishedWeek(
        **_common(dataset, on, policy, target),
        capacity=int(routed.rows.groupby("pool")["capacity"].first().sum()),
        cut_off=None,
        scored=0,
        not_scored=len(students),
        models={},
        meaning={},
        students=tuple(listed),
    )


def _common(dataset: Dataset, on: dt.date, policy: Policy, target: str) -> dict[str, Any]:
    """Give what a list says whether or not a model made it."""
    coaches = read_coaches(dataset.folder, dataset.definition)
    return {
        "on": on,
        "institution": dataset.definition.name,
        "target": target,
        "policy": {**policy.model_dump(mode="json"), "version": policy.version},
        "outcome": dataset.definition.outcome.model_dump(),
        "coaches": dict(zip(coaches["coach_id"], coaches["name"], strict=True)),
        "coach_mails": {coach: mail for coach, email in zip(coaches["coach_id"], coaches["email"], strict=True) if (mail := _text(email))},
        "coach_logins": {login: coach for login, coach in zip(coaches["login_subject"], coaches["coach_id"], strict=True) if _text(login)},
        "synthetic": dataset.definition.source.startswith(SYNTHETIC_SOURCE),
        "caseload": _caseload(dataset, on),
    }


def _caseload(dataset: Dataset, on: dt.date) -> tuple[CoachedStudent, ...]:
    """Give everybody in a running cohort who has a coach, scored or not and objected or not: help is there for all of them."""
    running = set(dataset.definition.running_cohorts)
    told = []
    for tables in (dataset.tables, dataset.objectors):
        if tables is None:
            continue
        known = cut(tables, on)
        people = _people(dataset, known)
        places = _collect(known.enrolments.select("enrolment_id", "cohort", "programme")).set_index("enrolment_id")
        people = people.join(places)
        told += [
            CoachedStudent(
                enrolment_id=row["enrolment_id"],
                student_id=row["student_id"],
                name=_text(row["name"]) or row["student_id"],
                programme=row["programme"],
                coach_id=_text(row["coach_id"]) or "",
                started_on=from_epoch_day(int(row["start_date"])),
                email=_text(row["email"]) or "",
                language=_text(row["language"]) or "",
            )
            for row in people[people["cohort"].isin(running)].reset_index().to_dict(orient="records")
        ]
    return tuple(told)


def _without_score(
    dataset: Dataset,
    tables: Tables | None,
    invited: pd.DataFrame,
    on: dt.date,
    kinds: Mapping[str, Any],
    lessons: Mapping[str, tuple[LessonWeek, ...]] | None = None,
) -> list[PublishedStudent]:
    """Give whom something else than a model invites: with their tests, and with no score, no rank and no reason of a model."""
    if tables is None or invited.empty:
        return []
    known = cut(tables, on)
    tests, people = _tests(known, set(invited["enrolment_id"])), _people(dataset, known)
    return [
        PublishedStudent(
            enrolment_id=row["enrolment_id"],
            student_id=row["student_id"],
            name=_text(people.loc[row["enrolment_id"], "name"]) or row["student_id"],
            programme=row["programme"],
            coach_id=row["talks_with"],
            day=row["day"],
            landmark=0,
            invited=True,
            way=row["way"],
            how=row["how"],
            chance=row["chance_of_invitation"],
            capacity=row["capacity"],
            rank=0,
            margin=None,
            probability=None,
            reasons=(),
            frequency={},
            lessons=(lessons or {}).get(row["enrolment_id"], ()),
            tests=tests.get(row["enrolment_id"], ()),
            background=_background(people.loc[row["enrolment_id"]], kinds),
        )
        for row in invited.to_dict(orient="records")
    ]


def _meaning(model: RiskModel, policy: Policy, target: str, words: list[Words]) -> dict[str, dict[str, str]]:
    """Give what an invitation means, per landmark and language.

    Nothing where a rule fills places before the rank does, or where places are counted otherwise than as a share of all: what was measured is
    the model's own list at that share.
    """
    if policy.always_invite or policy.lottery_band or policy.programme or not policy.counts_a_share:
        return {}
    told = {
        str(landmark): {each.language: invitation_meaning(model.measured, target, landmark, policy.capacity_share, each) for each in words}
        for landmark in model.landmarks
    }
    return {landmark: {language: text for language, text in texts.items() if text is not None} for landmark, texts in told.items()}


def _interval(low: float, high: float, words: list[Words]) -> dict[str, str]:
    return {each.language: told_interval(low, high, each) for each in words} if np.isfinite(low) else {}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _text(value: Any) -> str | None:
    return None if value is None or pd.isna(value) or str(value) == "" else str(value)


def _reasons(told: Mapping[str, list[Reason]]) -> tuple[ReasonShown, ...]:
    first = next(iter(told.values()))
    return tuple(
        ReasonShown(
            key=reason.key,
            direction=reason.direction,
            actionable=reason.actionable,
            context=reason.key in CONTEXT,
            contribution=reason.contribution,
            label={language: reasons[place].label for language, reasons in told.items()},
            text={language: reasons[place].text for language, reasons in told.items()},
        )
        for place, reason in enumerate(first)
    )


def _collect(frame: Frame) -> pd.DataFrame:
    collected: pd.DataFrame = frame.collect(backend="pandas").to_native()
    return collected


def _people(dataset: Dataset, known: Known) -> pd.DataFrame:
    """Give what pages show of each student: name, coach, and what was known at the start."""
    columns = (
        "enrolment_id",
        "student_id",
        "coach_id",
        "start_date",
        "enrolled_on",
        "prior_education",
        "prior_education_related",
        "intake_check",
    )
    frame = _collect(known.enrolments.select(*columns))
    contacts = read_contacts(dataset.folder, dataset.definition).drop_duplicates("student_id")
    return frame.merge(contacts[["student_id", "name", "email", "language"]], on="student_id", how="left").set_index("enrolment_id")


def _background(person: pd.Series, kinds: Mapping[str, Mapping[Any, str]]) -> Background:
    prior = _text(person["prior_education"])
    related = person["prior_education_related"]
    enrolled = person["enrolled_on"]
    return Background(
        prior_education=None if prior is None else {str(language): name for language, name in kinds[prior].items()},
        related=None if pd.isna(related) else bool(related),
        intake_check=_text(person["intake_check"]),
        enrolled_on=None if pd.isna(enrolled) else from_epoch_day(int(enrolled)),
        start_date=from_epoch_day(int(person["start_date"])),
    )


def _lessons(known: Known, chosen: set[str], rows: pd.DataFrame) -> dict[str, tuple[LessonWeek, ...]]:
    """Give lessons per calendar week of the students invited, beside the median of their programme that week."""
    if known.attendance is None:
        return {}
    start = known.enrolments.select("enrolment_id", "start_date")
    dated = known.attendance.join(start, on="enrolment_id", how="inner")
    # Epoch day 4 was a Monday.
    dated = dated.with_columns(week=(nw.col("start_date") + nw.col("day") - 4) // 7)
    weekly = _collect(dated.group_by("enrolment_id", "week").agg(nw.col("scheduled").sum(), nw.col("attended").sum()))
    weekly = weekly.merge(rows[["enrolment_id", "cohort", "programme"]], on="enrolment_id")
    weekly["share"] = weekly["attended"] / weekly["scheduled"].where(weekly["scheduled"] > 0)
    usual = weekly.groupby(["cohort", "programme", "week"])["share"].median()
    found = {}
    for identity, own in weekly[weekly["enrolment_id"].isin(chosen)].groupby("enrolment_id"):
        place = (own["cohort"].iloc[0], own["programme"].iloc[0])
        by_week = own.set_index("week")
        weeks = []
        for week in range(int(by_week.index.min()), int(by_week.index.max()) + 1):
            here = dict(by_week.loc[week]) if week in by_week.index else None
            median = usual.get((*place, week))
            weeks.append(
                LessonWeek(
                    monday=from_epoch_day(4 + 7 * week),
                    scheduled=0.0 if here is None else float(here["scheduled"]),
                    attended=0.0 if here is None else float(here["attended"]),
                    usual_share=None if here is None or median is None or pd.isna(median) else float(median),
                )
            )
        found[str(identity)] = tuple(weeks)
    return found


def _tests(known: Known, chosen: set[str]) -> dict[str, tuple[TestShown, ...]]:
    """Give the attempts at tests that were known, oldest first."""
    if known.results is None:
        return {}
    start = known.enrolments.select("enrolment_id", "start_date")
    rows = _collect(known.results.filter(nw.col("enrolment_id").is_in(sorted(chosen))).join(start, on="enrolment_id", how="inner"))
    found: dict[str, list[TestShown]] = {}
    for row in rows.sort_values(["enrolment_id", "day", "course", "test", "attempt"]).to_dict(orient="records"):
        found.setdefault(row["enrolment_id"], []).append(
            TestShown(
                date=from_epoch_day(int(row["start_date"] + row["day"])),
                known_on=from_epoch_day(int(row["start_date"] + row["known_day"])),
                course=_text(row["course"]) or "",
                test=_text(row["test"]) or "",
                attempt=int(row["attempt"]),
                grade=None if pd.isna(row["grade"]) else float(row["grade"]),
                status=row["status"],
            )
        )
    return {identity: tuple(tests) for identity, tests in found.items()}
