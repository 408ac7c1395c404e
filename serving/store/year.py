"""The end of a year: a cohort's lists leave the pages, and whoever saw its students because of them sees them no more. It knows digests and dates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from serving.access.scopes import Role
from serving.access.sessions import Person
from serving.store.audit import Event, hold, record
from serving.store.desk_tables import OwnStudent
from serving.store.keys import Keys
from serving.store.people import ENROLMENT
from serving.store.tables import LoginSession, StandIn, Student, Week
from serving.store.weeks import Store, coaches_of

_CHUNK = 500
# Whoever has one of these sees students for another reason than being their coach.
_OTHER_REASON = frozenset(Role) - {Role.COACH, Role.TEACHER, Role.STUDENT}


@dataclass(frozen=True)
class Closing:
    """What closing a cohort does, or would do.

    Attributes
    ----------
    places : int
        Places of the cohort's students on lists that leave the pages.
    lists : int
        Lists on which nobody else stands, and which leave the pages whole.
    sessions : int
        Log-ins of people who are no coach any more.
    stand_ins : int
        Stand-ins that were in force or still to come.
    coaches_gone, coaches_new : int
        Coaches of the newest list who are not in the new delivery, and the other way round.
    programmes_gone, programmes_new : int
        Programmes likewise.
    """

    places: int
    lists: int
    sessions: int
    stand_ins: int
    coaches_gone: int
    coaches_new: int
    programmes_gone: int
    programmes_new: int


@dataclass(frozen=True)
class NextYear:
    """What the new delivery says.

    Attributes
    ----------
    coaches : collection of str
        Coach ids.
    logins : collection of str
        Login subjects of those coaches.
    programmes : collection of str
        Programmes with a cohort that goes on.
    """

    coaches: Collection[str]
    logins: Collection[str]
    programmes: Collection[str]


def close_cohort(
    store: Store, enrolments: Collection[str], following: NextYear, on: dt.date, *, actor: str, at: dt.datetime, dry_run: bool = False
) -> Closing:
    """Close a cohort, in one transaction; doing it again closes what came since.

    Parameters
    ----------
    store : Store
    enrolments : collection of str
        The cohort's enrolment ids.
    following : NextYear
        Who are coaches, and which programmes there are, from now on.
    on : datetime.date
        The day on which it closes.
    actor : str
    at : datetime.datetime
        Now, UTC.
    dry_run : bool
        Count, and change nothing.
    """
    at = at.replace(tzinfo=None)
    digests = [store.keys.digest(ENROLMENT, enrolment) for enrolment in enrolments]
    with Session(store.engine) as session, session.begin():
        if dry_run:
            hold(session)
        else:
            record(session, store.keys, Event.OPERATOR_YEAR_CLOSED, actor=actor, at=at, why=f"on {on.isoformat()}", heads=store.heads)
        changed = _compared(session, store.keys, following)
        places = sum(_close_places(session, part, on) for part in _chunks(digests))
        lists = _close_lists(session, on)
        closing = Closing(places, lists, _end_sessions(session, store.keys, following, at), _end_stand_ins(session, on), *changed)
        if dry_run:
            session.rollback()
    return closing


def _chunks(digests: list[str]) -> Iterator[list[str]]:
    return (digests[first : first + _CHUNK] for first in range(0, len(digests), _CHUNK))


def _close_places(session: Session, enrolments: list[str], on: dt.date) -> int:
    theirs = update(Student).where(Student.enrolment.in_(enrolments), Student.closed_on.is_(None)).values(closed_on=on)
    session.execute(update(OwnStudent).where(OwnStudent.enrolment.in_(enrolments), OwnStudent.closed_on.is_(None)).values(closed_on=on))
    return int(session.execute(theirs).rowcount)  # type: ignore[attr-defined]


def _close_lists(session: Session, on: dt.date) -> int:
    still = select(Student.week_id).where(Student.closed_on.is_(None))
    held = select(Student.week_id)
    done = update(Week).where(Week.closed_on.is_(None), Week.id.not_in(still), Week.id.in_(held)).values(closed_on=on)
    return int(session.execute(done).rowcount)  # type: ignore[attr-defined]


def _end_sessions(session: Session, keys: Keys, following: NextYear, at: dt.datetime) -> int:
    ended = 0
    for each in session.scalars(select(LoginSession).where(LoginSession.ended_at.is_(None))):
        person = Person.from_text(keys.open(each.sealed_person))
        if Role.COACH in person.roles and not person.roles & _OTHER_REASON and person.login not in following.logins:
            each.ended_at = at
            ended += 1
    session.flush()
    return ended


def _end_stand_ins(session: Session, on: dt.date) -> int:
    last = on - dt.timedelta(days=1)
    open_ones = int(session.scalar(select(func.count()).select_from(StandIn).where(StandIn.ends_on > last)) or 0)
    session.execute(update(StandIn).where(StandIn.begins_on > last).values(begins_on=last))
    session.execute(update(StandIn).where(StandIn.ends_on > last).values(ends_on=last))
    return open_ones


def _compared(session: Session, keys: Keys, following: NextYear) -> tuple[int, int, int, int]:
    week = session.scalars(select(Week).order_by(Week.on.desc()).limit(1)).first()
    if week is None:
        return 0, len(set(following.coaches)), 0, len(set(following.programmes))
    coaches = set(coaches_of(week, keys))
    programmes = set(session.scalars(select(Student.programme).where(Student.week_id == week.id).distinct()))
    told = (coaches, set(following.coaches)), (programmes, set(following.programmes))
    counts = [count for before, after in told for count in (len(before - after), len(after - before))]
    return counts[0], counts[1], counts[2], counts[3]
