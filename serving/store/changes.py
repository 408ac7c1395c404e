"""Changes to invitations, numbered in the order in which they appear, so that whoever follows them misses none.

A number is taken from one row that a transaction holds until it ends. A reader who sees a number therefore sees every smaller one that will ever be:
there is no late transaction with a lower number still to come, as there is with a sequence or a clock. Who writes to the audit trail as well takes hold
of that first, so that no two wait for each other.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.orm import Session

from serving.store.tables import ChangeHead, Student, Withdrawn


def take_numbers(session: Session, count: int) -> int:
    """Take numbers for changes, and hold back other writers until this transaction ends.

    Returns
    -------
    int
        The first of them; the others follow without a gap.
    """
    taken = update(ChangeHead).where(ChangeHead.id == 1).values(seq=ChangeHead.seq + count).returning(ChangeHead.seq)
    return int(session.execute(taken).scalar_one()) - count + 1


def withdraw(session: Session, invited: Iterable[tuple[str, str, dt.date]], at: dt.datetime) -> None:
    """Note that invitations are no more.

    Parameters
    ----------
    session : Session
    invited : iterable of (person_id, enrolment digest, day of the list)
    at : datetime.datetime
        Now, UTC.
    """
    gone = list(invited)
    first = take_numbers(session, len(gone))
    rows = [
        {"change": change, "person_id": person, "enrolment": enrolment, "on": on, "at": at}
        for change, (person, enrolment, on) in enumerate(gone, start=first)
    ]
    if rows:
        session.execute(insert(Withdrawn), rows)


def note_erased(session: Session, person_id: str) -> None:
    """Number every invitation of a student anew who is erased, so that whoever follows them is told to forget."""
    theirs = session.scalars(select(Student).where(Student.person_id == person_id).order_by(Student.id)).all()
    for change, student in enumerate(theirs, start=take_numbers(session, len(theirs))):
        student.change = change


def begin_epoch(connection: Connection) -> None:
    """Draw a new epoch, so that nobody goes on from a number that now means something else."""
    connection.execute(update(ChangeHead).values(epoch=secrets.token_hex(8)))
