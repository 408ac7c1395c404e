"""Scores that are kept: what a model said of a student, when and why, and the reader of a student's history. It knows no model."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.orm import Session

from serving.store.audit import Event, Happening, hold, record_all
from serving.store.keys import Keys
from serving.store.people import ENROLMENT, keep_people
from serving.store.rights import barred_students
from serving.store.sealing import seal
from serving.store.tables import Score


class Source(StrEnum):
    """How a score came about."""

    REQUEST = "request"
    """Somebody sent the student and asked to keep the answer."""
    RUN = "run"
    """A cohort was scored."""
    PUBLISH = "publish"
    """A list was published."""


_ADD = insert(Score.__table__)  # type: ignore[arg-type]
# A publication records an event of its own for each student on the list.
_EVENTS = {Source.REQUEST: Event.API_SCORES_KEPT, Source.RUN: Event.RUN_SCORES_KEPT}


@dataclass(frozen=True)
class NewScore:
    """A score to keep: one student, one target.

    Attributes
    ----------
    student_id, enrolment_id : str
        As the institution knows them; kept as digests, and readable under the student's own key alone.
    on : datetime.date or None
        The day as of which the student was looked at; None for ready features.
    day : int or None
        The day of the student's own count.
    landmark : int
    target : str
    probability : float
    low, high : float or None
        The interval; None from a model without.
    unusual : bool
    model : str
        Target and version, as in `dropout-3`.
    reasons : sequence of dict
        As they were told: `key`, `direction`, `actionable`, `contribution`, and `label` and `text` by language.
    name : str
        Empty where the caller does not know it.
    """

    student_id: str
    enrolment_id: str
    on: dt.date | None
    day: int | None
    landmark: int
    target: str
    probability: float
    low: float | None
    high: float | None
    unusual: bool
    model: str
    reasons: Sequence[dict[str, Any]]
    name: str = ""


@dataclass(frozen=True)
class Asked:
    """Scores that one caller wants kept.

    Attributes
    ----------
    scores : sequence of NewScore
    actor : str
        Who had them computed: a login subject, a token's name or an operating-system user.
    """

    scores: Sequence[NewScore]
    actor: str


def keep_scores(
    session: Session,
    keys: Keys,
    scores: Sequence[NewScore],
    *,
    source: Source,
    actor: str,
    at: dt.datetime,
    run_id: str | None = None,
    heads: Path | None = None,
) -> frozenset[str]:
    """Keep what one caller asked for; otherwise as `keep_together`.

    Returns
    -------
    frozenset of str
        The student numbers of whom nothing was kept, because they objected or were erased.
    """
    return keep_together(session, keys, [Asked(scores, actor)], source=source, at=at, run_id=run_id, heads=heads)


def keep_together(
    session: Session | Connection,
    keys: Keys,
    asked: Sequence[Asked],
    *,
    source: Source,
    at: dt.datetime,
    run_id: str | None = None,
    heads: Path | None = None,
) -> frozenset[str]:
    """Keep scores that several callers asked for and record that they were kept; they stand when the session's transaction does.

    Call it before anything else in its transaction, as `audit.record`. Each caller has an event of their own for each student.

    Parameters
    ----------
    session : Session or Connection
    keys : Keys
    asked : sequence of Asked
        Any number; all scores go in with one insert.
    source : Source
    at : datetime.datetime
        When, UTC.
    run_id : str, optional
        Which run they belong to.
    heads : Path, optional
        As for `audit.record`.

    Returns
    -------
    frozenset of str
        The student numbers of whom nothing was kept, because they objected or were erased.
    """
    scores = [score for each in asked for score in each.scores]
    if not scores:
        return frozenset()
    hold(session)
    barred = barred_students(session, keys, dict.fromkeys(score.student_id for score in scores))
    told = ((score.student_id, score.name, score.enrolment_id) for score in scores if score.student_id not in barred)
    people = keep_people(session, keys, dict.fromkeys(told))
    event = _EVENTS.get(source)
    if event is not None:
        happened = [
            Happening(event, each.actor, people[student].student, "signal")
            for each in asked
            for student in dict.fromkeys(score.student_id for score in each.scores)
            if student in people
        ]
        record_all(session, keys, happened, at=at, heads=heads)
    enrolments = {score.enrolment_id: keys.digest(ENROLMENT, score.enrolment_id) for score in scores}
    rows = [
        {
            "person_id": people[score.student_id].id,
            "enrolment": enrolments[score.enrolment_id],
            "at": at.replace(tzinfo=None),
            "on_date": score.on,
            "day": score.day,
            "landmark": score.landmark,
            "target": score.target,
            "probability": score.probability,
            "low": score.low,
            "high": score.high,
            "unusual": score.unusual,
            "model": score.model,
            "sealed_reasons": seal(people[score.student_id].key, score.reasons),
            "source": str(source),
            "run_id": run_id,
        }
        for score in scores
        if score.student_id in people
    ]
    if rows:
        session.execute(_ADD, rows)
    return frozenset(score.student_id for score in scores if score.student_id not in people)


def read_history(session: Session, person_id: str, *, most: int, before: int | None = None) -> Sequence[Score]:
    """Give a student's scores, newest first.

    Parameters
    ----------
    session : Session
    person_id : str
    most : int
        How many at most.
    before : int, optional
        The id of the last score that was given before; what is older follows.
    """
    query = select(Score).where(Score.person_id == person_id)
    if before is not None:
        query = query.where(Score.id < before)
    return session.scalars(query.order_by(Score.id.desc()).limit(most)).all()
