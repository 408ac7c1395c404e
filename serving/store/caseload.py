"""Whose own coach is who, as last delivered. It knows nothing of scores, lists or talks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, joinedload

from serving.store.desk_tables import OwnStudent
from serving.store.keys import Keys
from serving.store.people import ENROLMENT, keep_people
from serving.week import CoachedStudent

_CHUNK = 2000


def keep_caseload(session: Session, keys: Keys, students: Iterable[CoachedStudent], on: dt.date) -> None:
    """Take over whose own coach is who, as delivered for a day; enrolments that are not in the delivery any more leave the desk."""
    rows = list(students)
    for first in range(0, len(rows), _CHUNK):
        part = rows[first : first + _CHUNK]
        addresses = {each.student_id: (each.email, each.language) for each in part}
        people = keep_people(session, keys, ((each.student_id, each.name, each.enrolment_id) for each in part), addresses)
        digests = {each.enrolment_id: keys.digest(ENROLMENT, each.enrolment_id) for each in part}
        there = {row.enrolment: row for row in session.scalars(select(OwnStudent).where(OwnStudent.enrolment.in_(digests.values())))}
        for each in part:
            person = people.get(each.student_id)
            if person is None:
                continue
            row = there.get(digests[each.enrolment_id])
            if row is None:
                row = OwnStudent(enrolment=digests[each.enrolment_id], person_id=person.id)
                session.add(row)
            row.programme, row.coach_id, row.started_on, row.on, row.closed_on = each.programme, each.coach_id, each.started_on, on, None
        session.flush()
    session.execute(delete(OwnStudent).where(OwnStudent.on < on))


def programmes_of(session: Session) -> frozenset[str]:
    """Give the programmes that students are enrolled in."""
    return frozenset(session.scalars(select(OwnStudent.programme).where(OwnStudent.closed_on.is_(None)).distinct()))


def students_of(session: Session, coaches: Collection[str] | None) -> list[OwnStudent]:
    """Give the enrolments whose own coach is one of these, or all, with the people behind them."""
    query = select(OwnStudent).where(OwnStudent.closed_on.is_(None)).options(joinedload(OwnStudent.person))
    return list(session.scalars(query if coaches is None else query.where(OwnStudent.coach_id.in_(coaches))))
