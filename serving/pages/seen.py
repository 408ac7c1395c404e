"""Whom somebody sees at the desk, and why: as own coach, as who talks with them, or because they were handed over. It tells nothing of anybody."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from serving.access.principal import Principal
from serving.access.scopes import Scope
from serving.pages.rendering import today
from serving.store.caseload import students_of
from serving.store.desk import handed_to
from serving.store.desk_tables import FollowUp, OwnStudent, TalkRequest
from serving.store.follow_up import OPEN, About
from serving.store.keys import Keys
from serving.store.people import ENROLMENT, details_of
from serving.store.rights import barred_among
from serving.store.sealing import shown_of
from serving.store.tables import Person, Student, Week
from serving.store.weeks import Store, coaches_behind, latest_week, now


@dataclass(frozen=True)
class Seen:
    """A student whom somebody may see.

    Attributes
    ----------
    enrolment_id, student_id, name : str
        As the institution knows them.
    about : About
    programme : str
    coach_id : str
        Who is or stands for the own coach; empty where nobody is.
    started_on : datetime.date or None
    place : Student or None
        Where they stand on the newest list, or while a talk goes on the last list that invited them; None for everybody else.
    shown : dict
        What that list says of them; empty without one.
    invited : bool
        Whether that is the newest list.
    own : bool
        Whether this is a student of one's own, whose notes one may read.
    """

    enrolment_id: str
    student_id: str
    name: str
    about: About
    programme: str
    coach_id: str
    started_on: dt.date | None
    place: Student | None
    shown: dict[str, Any]
    invited: bool
    own: bool


def own_coaches(session: Session, keys: Keys, week: Week, person: Principal) -> frozenset[str]:
    """Give as whose coach somebody looks: their own self, and those whom they stand in for now."""
    return coaches_behind(session, keys, week, person.login, now().date())


def today_of_demo(store: Store) -> dt.date:
    """Give the day that it is in the demo: that of its newest list, so that what its people agreed lies as near as it would."""
    with store.session() as session:
        week = latest_week(session)
    return week.on if week is not None and week.synthetic else today()


def _invited(week: Week) -> tuple[object, ...]:
    return (Student.week_id == week.id, Student.invited, Student.closed_on.is_(None))


def seen_by(session: Session, keys: Keys, week: Week, person: Principal, chosen: frozenset[str] | None = None) -> list[Seen]:
    """Give everybody whom somebody sees, in neutral order: by name.

    Parameters
    ----------
    session : Session
    keys : Keys
    week : Week
        The newest list.
    person : Principal
    chosen : frozenset of str, optional
        Of these coaches alone. Whoever may see all students and chose no coach is given those with an invitation or something open.
    """
    mine = own_coaches(session, keys, week, person)
    everyone = person.may(Scope.STUDENTS_ALL)
    of = chosen if everyone else mine if chosen is None else mine & chosen
    invited = select(Student).where(*_invited(week)).options(joinedload(Student.person))  # type: ignore[arg-type]
    places = {row.enrolment: row for row in session.scalars(invited if of is None else invited.where(Student.coach_id.in_(of)))}
    if of is None:
        going = select(FollowUp.enrolment).where(FollowUp.stage.in_(OPEN))
        waiting = select(TalkRequest.enrolment).where(TalkRequest.ended_at.is_(None))
        told = select(OwnStudent).where(
            OwnStudent.closed_on.is_(None),
            OwnStudent.enrolment.in_(places) | OwnStudent.enrolment.in_(going) | OwnStudent.enrolment.in_(waiting),
        )
        theirs = list(session.scalars(told.options(joinedload(OwnStudent.person))))
    else:
        theirs = students_of(session, of)
    coached = {row.enrolment: row for row in theirs}
    # Of own students whom a colleague talks with, the place on the list is told as well.
    elsewhere = [enrolment for enrolment in coached if enrolment not in places]
    if elsewhere and of is not None:
        places |= {row.enrolment: row for row in session.scalars(invited.where(Student.enrolment.in_(elsewhere)))}
    newest = set(places)
    handed = {row.enrolment: row for row in handed_to(session, mine if of is None else of)}
    earlier = _last_places(session, [enrolment for enrolment in (*coached, *handed) if enrolment not in newest], of or ())
    places = earlier | places
    rows: list[FollowUp | Student | OwnStudent] = [*handed.values(), *places.values(), *coached.values()]
    people = {row.enrolment: row.person for row in rows}
    missing = [enrolment for enrolment in handed if enrolment not in coached]
    others = {row.enrolment: row for row in session.scalars(select(OwnStudent).where(OwnStudent.enrolment.in_(missing)))} if missing else {}
    found = (
        _seen(
            keys,
            people[enrolment],
            enrolment,
            coached.get(enrolment) or others.get(enrolment),
            places.get(enrolment),
            enrolment in newest,
            mine,
            enrolment in handed,
        )
        for enrolment in people
    )
    return sorted((each for each in found if each is not None), key=lambda each: (each.name.casefold(), each.enrolment_id))


def find_seen(session: Session, keys: Keys, week: Week, person: Principal, enrolment_id: str) -> Seen | None:
    """Give a student whom somebody may see, or None: as if they were not here, because that they are is nobody else's business."""
    enrolment = keys.digest(ENROLMENT, enrolment_id)
    place = session.scalars(select(Student).where(*_invited(week), Student.enrolment == enrolment)).first()  # type: ignore[arg-type]
    coached = session.scalars(select(OwnStudent).where(OwnStudent.enrolment == enrolment, OwnStudent.closed_on.is_(None))).first()
    if place is None and coached is None:
        return None
    invited = place is not None
    if place is None:
        place = _last_places(session, [enrolment]).get(enrolment)
    mine = own_coaches(session, keys, week, person)
    follow_up = session.get(FollowUp, enrolment)
    handed = follow_up is not None and follow_up.handed_to == "coach" and follow_up.handed_coach in mine
    whose = place.person if place is not None else coached.person if coached is not None else None
    assert whose is not None
    seen = _seen(keys, whose, enrolment, coached, place, invited, mine, handed)
    if seen is None or not (seen.own or person.may(Scope.STUDENTS_ALL)):
        return None
    return seen


def _last_places(session: Session, enrolments: Sequence[str], coaches: Iterable[str] = ()) -> dict[str, Student]:
    """Give where students with whom a talk goes on stood on the last list that invited them; nothing of who objected since.

    Of some enrolments, and of whoever was routed to one of some coaches.
    """
    asked = set(enrolments)
    if coaches:
        weeks = select(Week.id).where(Week.closed_on.is_(None))
        asked |= set(session.scalars(select(Student.enrolment).where(Student.week_id.in_(weeks), Student.coach_id.in_(tuple(coaches)))))
    going = (
        session.scalars(select(FollowUp.enrolment).where(FollowUp.enrolment.in_(asked), FollowUp.stage.in_(OPEN))).all() if asked else []
    )
    if not going:
        return {}
    told = (
        select(Student)
        .join(Week)
        .where(Student.enrolment.in_(going), Student.invited, Student.closed_on.is_(None))
        .order_by(Week.on)
        .options(joinedload(Student.person))
    )
    found = {row.enrolment: row for row in session.scalars(told)}
    barred = barred_among(session, (row.person.student for row in found.values()))
    return {enrolment: row for enrolment, row in found.items() if row.person.student not in barred}


def _seen(
    keys: Keys,
    person: Person,
    enrolment: str,
    coached: OwnStudent | None,
    place: Student | None,
    invited: bool,
    mine: Iterable[str],
    handed: bool,
) -> Seen | None:
    details = details_of(person, keys)
    if details is None or enrolment not in details.enrolments or (coached is None and place is None):
        return None
    coaches = {row.coach_id for row in (coached, place) if row is not None and row.coach_id}
    shown = {} if place is None else shown_of(place, keys)
    started = coached.started_on if coached is not None else None
    if started is None and place is not None:
        started = dt.date.fromisoformat(shown["background"]["start_date"])
    row = place if place is not None else coached
    assert row is not None
    return Seen(
        enrolment_id=details.enrolments[enrolment],
        student_id=details.student_id,
        name=details.name,
        about=About(person, enrolment),
        programme=row.programme,
        coach_id=row.coach_id,
        started_on=started,
        place=place,
        shown=shown,
        invited=invited,
        own=handed or bool(coaches & set(mine)),
    )
