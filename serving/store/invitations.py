"""Invitations as another system follows them: who was routed to whom and why, and what was withdrawn, in the order of the changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from serving.store.keys import Keys
from serving.store.people import Details, details_of
from serving.store.tables import ChangeHead, Person, Student, Week, Withdrawn
from serving.store.weeks import coaches_behind, coaches_of, latest_week, now


@dataclass(frozen=True)
class Change:
    """One change: an invitation, or the end of one.

    Attributes
    ----------
    number : int
        Rises with every change.
    id : str
        The same for all changes to one invitation.
    on : datetime.date
        The day of the list.
    at : datetime.datetime
        When it was written, UTC.
    person : Person
    details : Details or None
        None for a student who was erased.
    enrolment_id : str or None
    invited : Student or None
        None where the invitation was withdrawn.
    coach : str or None
        The coach's name; None for a student without one.
    """

    number: int
    id: str
    on: dt.date
    at: dt.datetime
    person: Person
    details: Details | None
    enrolment_id: str | None
    invited: Student | None = None
    coach: str | None = None


@dataclass(frozen=True)
class Here:
    """How far the changes go at one moment: the last number, and the epoch in which numbers are unique."""

    last: int
    epoch: str


def where_changes_stand(session: Session) -> Here:
    """Give how far the changes go; ask before reading them.

    No number up to the last one is still to come, because numbers are taken from a row that writers hold until their transactions end.
    """
    return Here(*session.execute(select(ChangeHead.seq, ChangeHead.epoch)).one())


def changes_since(session: Session, moment: dt.datetime, here: Here) -> int:
    """Give the number after which the changes since a moment follow."""
    first = session.scalar(select(func.min(Student.change)).join(Week).where(Week.published_at >= moment))
    ended = session.scalar(select(func.min(Withdrawn.change)).where(Withdrawn.at >= moment))
    return min((number - 1 for number in (first, ended) if number is not None), default=here.last)


def read_changes(session: Session, keys: Keys, *, after: int, through: int, most: int) -> Sequence[Change]:
    """Give changes in their order.

    An invitation that was changed again is given once, where it changed last.

    Parameters
    ----------
    session : Session
    keys : Keys
    after, through : int
        Numbers: the last one that is known already, and the last one to give.
    most : int
        How many at most.
    """
    coaches: dict[int, dict[str, str]] = {}

    def began(row: Student) -> Change:
        names = coaches.get(row.week_id) or coaches_of(row.week, keys)
        coaches[row.week_id] = names
        told = details_of(row.person, keys)
        enrolment = None if told is None else told.enrolments[row.enrolment]
        number = _number(keys, row.enrolment, row.week.on)
        coach = names.get(row.coach_id, row.coach_id) or None
        return Change(row.change, number, row.week.on, row.week.published_at, row.person, told, enrolment, row, coach)

    def ended(row: Withdrawn) -> Change:
        told = details_of(row.person, keys)
        enrolment = None if told is None else told.enrolments.get(row.enrolment)
        return Change(row.change, _number(keys, row.enrolment, row.on), row.on, row.at, row.person, told, enrolment)

    invited = select(Student).where(Student.change > after, Student.change <= through, Student.invited).order_by(Student.change).limit(most)
    gone = select(Withdrawn).where(Withdrawn.change > after, Withdrawn.change <= through).order_by(Withdrawn.change).limit(most)
    both: Iterator[Student | Withdrawn] = merge(
        session.scalars(invited.options(joinedload(Student.week), joinedload(Student.person))),
        session.scalars(gone.options(joinedload(Withdrawn.person))),
        key=lambda row: row.change,
    )
    return [began(row) if isinstance(row, Student) else ended(row) for row in islice(both, most)]


def _number(keys: Keys, enrolment: str, on: dt.date) -> str:
    return keys.digest("invitation", f"{enrolment} {on.isoformat()}")[:32]


def coach_sees(session: Session, keys: Keys, login: str, person: Person) -> bool:
    """Tell whether a student is invited on the newest list with a coach whom this login is or stands in for."""
    week = latest_week(session)
    if week is None:
        return False
    coaches = coaches_behind(session, keys, week, login, now().date())
    query = select(Student.id).where(
        Student.week_id == week.id,
        Student.person_id == person.id,
        Student.invited,
        Student.coach_id.in_(coaches),
        Student.closed_on.is_(None),
    )
    return session.scalars(query.limit(1)).first() is not None


def on_a_list(session: Session, person: Person) -> bool:
    """Tell whether a student stands on any list that this session sees."""
    return session.scalars(select(Student.id).where(Student.person_id == person.id).limit(1)).first() is not None
