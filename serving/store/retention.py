"""Retention: what is past its time, removed and made unreadable. It knows periods and tables, and nothing of why a period is as long as it is.

A row that is deleted may still stand in a page, a log or a backup. So what tells who somebody is was never there but encrypted; after the rows are gone
everything that stays is encrypted anew, and the key that the old copies need is destroyed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.orm import Session

from serving.store.audit import Event, record
from serving.store.desk_tables import (
    OF_A_PERSON,
    DataReport,
    Draft,
    FollowUp,
    InvitationMark,
    Note,
    OwnStudent,
    Step,
    TalkRequest,
)
from serving.store.letter_tables import Appointment, Letter, Word
from serving.store.sealing import renew_own_keys
from serving.store.tables import (
    AuditEvent,
    Barred,
    LoginSession,
    Objection,
    Person,
    Run,
    RunStudent,
    Score,
    StandIn,
    Student,
    Token,
    Week,
    Withdrawn,
)
from serving.store.weeks import Store

_CHUNK = 500
_OF_A_PERSON: tuple[type[Any], ...] = (Score, RunStudent, Withdrawn, Student, *OF_A_PERSON)


class Periods(BaseModel):
    """For how many days each kind of data is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scores: int = Field(default=730, gt=0, description="Scores and runs over cohorts, from when they were given and ended.")
    lists: int = Field(default=730, gt=0, description="Published lists with what was shown on them, from the day of the list.")
    people: int = Field(default=730, gt=0, description="Names and enrolments, from the last list or score that a student was in.")
    sessions: int = Field(default=90, gt=0, description="Log-ins, stand-ins and tokens, from their end.")
    talks: int = Field(
        default=730,
        gt=0,
        description="Follow-up, notes, marks, reports, letters, words and wishes for a talk, from when they were last written.",
    )
    drafts: int = Field(default=30, gt=0, description="What was filled in and never saved.")
    audit: int = Field(default=1095, gt=0, description="Who saw or did what; removed under a signed checkpoint.")


@dataclass(frozen=True)
class Expired:
    """How many rows of each kind are past their time.

    Attributes
    ----------
    scores, runs, lists, places, people, sessions, audit, talks, drafts : int
        `places` are those of students on the lists; `people` are students of whom nothing else is held any more; `talks` are all rows of the
        coach's desk but drafts.
    """

    scores: int
    runs: int
    lists: int
    places: int
    people: int
    sessions: int
    audit: int
    talks: int = 0
    drafts: int = 0

    def told(self) -> dict[str, int]:
        """Give the numbers by name."""
        return asdict(self)


@dataclass(frozen=True)
class _Bounds:
    scores: dt.datetime
    lists: dt.date
    people: dt.datetime
    sessions: dt.datetime
    audit: dt.datetime
    talks: dt.datetime
    drafts: dt.datetime


def _bounds(periods: Periods, at: dt.datetime) -> _Bounds:
    def before(days: int) -> dt.datetime:
        return dt.datetime.combine(at.date() - dt.timedelta(days=days), dt.time())

    return _Bounds(
        before(periods.scores),
        before(periods.lists).date(),
        before(periods.people),
        before(periods.sessions),
        before(periods.audit),
        before(periods.talks),
        before(periods.drafts),
    )


def _still_there(bound: dt.datetime) -> ColumnElement[bool]:
    """Say which runs go on, or ended after a moment."""
    return Run.ended_at.is_(None) | (Run.ended_at >= bound)


def _gone(bounds: _Bounds) -> Select[Any]:
    """Give the people in no score and on no list that stays, whose last mention is longer ago than their own period."""
    recent = min(bounds.scores, bounds.people), min(bounds.lists, bounds.people.date())
    scored = select(Score.person_id).where(Score.at >= recent[0])
    listed = select(Student.person_id).join(Week).where(Week.on >= recent[1])
    ran = select(RunStudent.person_id).join(Run).where(_still_there(recent[0]))
    return select(Person.id).where(
        Person.sealed_details.is_not(None),
        Person.id.not_in(scored),
        Person.id.not_in(listed),
        Person.id.not_in(ran),
        *(Person.id.not_in(select(table.person_id).where(~past)) for table, past in _old_of_desk(bounds)),
        # Somebody who objected before any list held them is kept for as long as others are.
        Person.id.not_in(select(Objection.person_id).where(Objection.begun_at >= bounds.people)),
    )


def _partly(bounds: _Bounds) -> Select[Any]:
    """Give the people of whom a text is past its time: a score's reasons, what a list showed, what was written at the desk."""
    scored = select(Score.person_id).where(Score.at < bounds.scores)
    listed = select(Student.person_id).join(Week).where(Week.on < bounds.lists)
    written = (select(table.person_id).where(past) for table, past in _old_of_desk(bounds))
    return select(Person.id).where(Person.id.in_(scored.union(listed, *written)), Person.id.not_in(_gone(bounds)))


def _ended_sessions(bounds: _Bounds) -> list[tuple[type[Any], ColumnElement[bool]]]:
    return [
        (LoginSession, LoginSession.seen_at < bounds.sessions),
        (StandIn, StandIn.ends_on < bounds.sessions.date()),
        (Token, (Token.ends_at < bounds.sessions) | (Token.revoked_at < bounds.sessions)),
    ]


def _old_of_desk(bounds: _Bounds) -> list[tuple[type[Any], ColumnElement[bool]]]:
    """Give what of the coach's desk is past its time; a follow-up that goes on keeps its steps by being written."""
    return [
        (OwnStudent, OwnStudent.on < bounds.lists),
        (FollowUp, FollowUp.changed_at < bounds.talks),
        (Step, Step.at < bounds.talks),
        (Note, Note.at < bounds.talks),
        (InvitationMark, InvitationMark.at < bounds.talks),
        (DataReport, func.coalesce(DataReport.ended_at, DataReport.made_at) < bounds.talks),
        (TalkRequest, func.coalesce(TalkRequest.ended_at, TalkRequest.made_at) < bounds.talks),
        (Word, func.coalesce(Word.taken_at, Word.made_at) < bounds.talks),
        (
            Appointment,
            Appointment.letter_id.in_(select(Letter.id).where(func.coalesce(Letter.answered_at, Letter.state_at) < bounds.talks)),
        ),
        (Letter, func.coalesce(Letter.answered_at, Letter.state_at) < bounds.talks),
        (Draft, Draft.saved_at < bounds.drafts),
    ]


def expired(session: Session, periods: Periods, at: dt.datetime) -> Expired:
    """Count what is past its time; nothing is changed.

    Parameters
    ----------
    session : Session
    periods : Periods
    at : datetime.datetime
        Now, UTC.
    """
    bounds = _bounds(periods, at)

    def count(query: Any) -> int:
        return int(session.scalar(select(func.count()).select_from(query.subquery())) or 0)

    old = select(Week.id).where(Week.on < bounds.lists)
    return Expired(
        scores=count(select(Score.id).where(Score.at < bounds.scores)),
        runs=count(select(Run.seq).where(~_still_there(bounds.scores))),
        lists=count(old),
        places=count(select(Student.id).where(Student.week_id.in_(old))),
        people=count(_gone(bounds)),
        sessions=sum(count(select(*table.__table__.primary_key).where(past)) for table, past in _ended_sessions(bounds)),
        audit=count(select(AuditEvent.seq).where(AuditEvent.at < bounds.audit)),
        talks=sum(count(select(*table.__table__.primary_key).where(past)) for table, past in _old_of_desk(bounds) if table is not Draft),
        drafts=count(select(Draft.enrolment).where(Draft.saved_at < bounds.drafts)),
    )


def remove_expired(store: Store, periods: Periods, *, actor: str, at: dt.datetime) -> Expired:
    """Remove what is past its time, in one transaction, but for the audit trail, which `audit.prune` shortens under a checkpoint.

    Returns
    -------
    Expired
        What was there to remove.
    """
    at = at.replace(tzinfo=None)
    bounds = _bounds(periods, at)
    with Session(store.engine) as session, session.begin():
        record(session, store.keys, Event.OPERATOR_RETENTION_RUN, actor=actor, at=at, heads=store.heads)
        found = expired(session, periods, at)
        people = list(session.scalars(_gone(bounds)))
        staying = session.scalars(_partly(bounds)).all()
        session.execute(delete(Score).where(Score.at < bounds.scores))
        session.execute(delete(Run).where(~_still_there(bounds.scores)))
        session.execute(delete(Week).where(Week.on < bounds.lists))
        session.execute(delete(Withdrawn).where(Withdrawn.on < bounds.lists))
        for table, past in [*_ended_sessions(bounds), *_old_of_desk(bounds)]:
            session.execute(delete(table).where(past))
        for part in _chunks(people):
            _forget(session, part)
        # What went of a student who stays is to be noise wherever else it stands, so all that is left of theirs gets another key.
        renew_own_keys(session, store.keys, staying)
    return found


def _forget(session: Session, people: list[str]) -> None:
    for table in _OF_A_PERSON:
        session.execute(delete(table).where(table.person_id.in_(people)))
    # Who objected or was erased keeps a digest, so that the next export finds them as they wished.
    barred = select(Barred.person_id).where(Barred.person_id.in_(people))
    session.execute(update(Person).where(Person.id.in_(barred)).values(sealed_key=None, sealed_details=None))
    session.execute(delete(Objection).where(Objection.person_id.in_(people), Objection.person_id.not_in(barred)))
    session.execute(delete(Person).where(Person.id.in_(people), Person.id.not_in(barred)))


def _chunks(people: list[str]) -> Iterable[list[str]]:
    return (people[first : first + _CHUNK] for first in range(0, len(people), _CHUNK))
