"""What the coach's desk keeps besides follow-up: marks on invitations, data said to be wrong, wishes for a talk.

It also hands routing what it needs to know of earlier talks, and knows how all of the desk is encrypted anew.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, joinedload

from serving.store.audit import Event, record
from serving.store.desk_tables import (
    OF_A_PERSON,
    DataReport,
    FollowUp,
    InvitationMark,
    TalkRequest,
)
from serving.store.follow_up import IN_TALK, About, Writer
from serving.store.keys import Keys
from serving.store.sealing import open_text, seal_text
from serving.store.tables import Person
from serving.store.weeks import Store

KNOWN = ("known", "new")
NOT_NOW = ("talking", "arranged", "moment", "declined", "other")
REGISTERS = ("attendance", "results", "enrolment", "other")
OUTCOMES = ("mended", "right")
WAYS = ("coach", "request")
_CHUNK = 2000


@dataclass(frozen=True)
class Mark:
    """What was said of one invitation: one of `KNOWN` or '', and one of `NOT_NOW` or ''."""

    known: str = ""
    not_now: str = ""


@dataclass(frozen=True)
class Report:
    """A datum that is said to be wrong.

    Attributes
    ----------
    id : int
    register : str
        One of `REGISTERS`.
    text, by : str
    made_at : datetime.datetime
    ended_at : datetime.datetime or None
    outcome : str
        One of `OUTCOMES`, or '' where it is open.
    """

    id: int
    register: str
    text: str
    by: str
    made_at: dt.datetime
    ended_at: dt.datetime | None
    outcome: str


@dataclass(frozen=True)
class Wish:
    """A wish for a talk that stands: one of `WAYS`, why, who wrote it down and when."""

    way: str
    text: str
    by: str
    made_at: dt.datetime


def mark(
    store: Store, about: About, on: dt.date, *, known: str | None = None, not_now: str | None = None, by: Writer, at: dt.datetime
) -> None:
    """Keep what a coach says of an invitation; what is not said stays as it was."""
    with Session(store.engine) as session, session.begin():
        subjects = [about.person.student]
        record(session, store.keys, Event.PAGE_INVITATION_MARKED, actor=by.login, at=at, subjects=subjects, heads=store.heads)
        row = session.get(InvitationMark, (about.enrolment, on))
        if row is None:
            row = InvitationMark(enrolment=about.enrolment, on=on, person_id=about.person.id, known="", not_now="", at=at)
            session.add(row)
        row.known = row.known if known is None else known
        row.not_now = row.not_now if not_now is None else not_now
        row.at = at


def mark_of(session: Session, enrolment: str, on: dt.date) -> Mark:
    """Give what was said of an invitation."""
    row = session.get(InvitationMark, (enrolment, on))
    return Mark() if row is None else Mark(row.known, row.not_now)


def report_datum(store: Store, about: About, register: str, text: str, *, by: Writer, at: dt.datetime) -> None:
    """Keep that a datum is said to be wrong, for whoever keeps the register."""
    keys = store.keys
    with Session(store.engine) as session, session.begin():
        record(session, keys, Event.PAGE_DATUM_REPORTED, actor=by.login, at=at, subjects=[about.person.student], heads=store.heads)
        person = session.get_one(Person, about.person.id)
        told = {"register": register, "sealed_text": seal_text(person, keys, text), "made_at": at, "sealed_by": keys.seal(by.name)}
        session.add(DataReport(enrolment=about.enrolment, person_id=person.id, outcome="", **told))


def end_report(store: Store, about: About, identity: int, outcome: str, *, by: Writer, at: dt.datetime) -> bool:
    """Note that a reported datum was mended or found right, and tell whether that report was open."""
    with Session(store.engine) as session, session.begin():
        record(session, store.keys, Event.PAGE_REPORT_ENDED, actor=by.login, at=at, subjects=[about.person.student], heads=store.heads)
        own = (DataReport.id == identity, DataReport.enrolment == about.enrolment, DataReport.ended_at.is_(None))
        ended = session.execute(update(DataReport).where(*own).values(ended_at=at, outcome=outcome))
        if not ended.rowcount:  # type: ignore[attr-defined]
            session.rollback()
            return False
    return True


def reports_on(session: Session, keys: Keys, about: About) -> list[Report]:
    """Give what was reported of a student's data, newest first."""
    rows = session.scalars(select(DataReport).where(DataReport.enrolment == about.enrolment).order_by(DataReport.id.desc()))
    return [
        Report(
            row.id,
            row.register,
            open_text(about.person, keys, row.sealed_text),
            keys.open(row.sealed_by),
            row.made_at,
            row.ended_at,
            row.outcome,
        )
        for row in rows
    ]


def open_reports(session: Session, enrolments: Collection[str]) -> dict[str, dt.datetime]:
    """Give since when a datum of each of some enrolments is reported and not mended."""
    query = select(DataReport.enrolment, func.min(DataReport.made_at)).where(
        DataReport.enrolment.in_(enrolments), DataReport.ended_at.is_(None)
    )
    return {row[0]: row[1] for row in session.execute(query.group_by(DataReport.enrolment))}


def ask_for_talk(store: Store, about: About, way: str, text: str, *, by: Writer, at: dt.datetime) -> None:
    """Put a student on the list, at their own wish or at the coach's; one wish of each way at a time."""
    keys = store.keys
    with Session(store.engine) as session, session.begin():
        record(session, keys, Event.PAGE_TALK_ASKED, actor=by.login, at=at, subjects=[about.person.student], heads=store.heads)
        person = session.get_one(Person, about.person.id)
        standing = select(TalkRequest).where(
            TalkRequest.enrolment == about.enrolment, TalkRequest.way == way, TalkRequest.ended_at.is_(None)
        )
        row = session.scalars(standing).first()
        told = {"sealed_text": seal_text(person, keys, text), "sealed_by": keys.seal(by.name)}
        if row is None:
            session.add(TalkRequest(enrolment=about.enrolment, person_id=person.id, way=way, made_at=at, **told))
        else:
            row.sealed_text, row.sealed_by = told["sealed_text"], told["sealed_by"]


def take_back(store: Store, about: About, *, way: str | None = None, by: Writer, at: dt.datetime) -> None:
    """End every wish for a talk with a student, or those of one way alone."""
    with Session(store.engine) as session, session.begin():
        record(session, store.keys, Event.PAGE_TALK_TAKEN_BACK, actor=by.login, at=at, subjects=[about.person.student], heads=store.heads)
        own = update(TalkRequest).where(TalkRequest.enrolment == about.enrolment, TalkRequest.ended_at.is_(None))
        session.execute((own if way is None else own.where(TalkRequest.way == way)).values(ended_at=at))


def wishes(session: Session, keys: Keys, enrolments: Collection[str]) -> dict[str, list[Wish]]:
    """Give the wishes for a talk that stand with some enrolments, oldest first."""
    query = select(TalkRequest).where(TalkRequest.enrolment.in_(enrolments), TalkRequest.ended_at.is_(None)).order_by(TalkRequest.id)
    found: dict[str, list[Wish]] = {}
    people = {
        row.id: row
        for row in session.scalars(select(Person).where(Person.id.in_(query.with_only_columns(TalkRequest.person_id).order_by(None))))
    }
    for row in session.scalars(query):
        wish = Wish(row.way, open_text(people[row.person_id], keys, row.sealed_text), keys.open(row.sealed_by), row.made_at)
        found.setdefault(row.enrolment, []).append(wish)
    return found


@dataclass(frozen=True)
class Earlier:
    """What routing needs to know of the desk, each by the enrolment's digest.

    Attributes
    ----------
    in_talk : set of str
        In a talk already.
    asked, listed : dict of str to datetime.date
        Who asked for a talk, and whom a coach put on the list, and since when.
    """

    in_talk: set[str]
    asked: dict[str, dt.date]
    listed: dict[str, dt.date]


def earlier(session: Session) -> Earlier:
    """Give who is in a talk, and who waits for one."""
    talking = set(session.scalars(select(FollowUp.enrolment).where(FollowUp.stage.in_(IN_TALK))))
    since: dict[str, dict[str, dt.date]] = {way: {} for way in WAYS}
    rows = session.execute(select(TalkRequest.way, TalkRequest.enrolment, TalkRequest.made_at).where(TalkRequest.ended_at.is_(None)))
    for way, enrolment, made_at in rows:
        since[way][enrolment] = made_at.date()
    return Earlier(talking, since["request"], since["coach"])


def reseal_desk(session: Session, keys: Keys) -> None:
    """Encrypt anew with the newest key who wrote at the desk; what they wrote is sealed with the student's own."""
    for table in OF_A_PERSON:
        for row in session.scalars(select(table).execution_options(yield_per=_CHUNK)) if hasattr(table, "sealed_by") else ():
            row.sealed_by = keys.reseal(row.sealed_by)


def handed_to(session: Session, coaches: Collection[str]) -> list[FollowUp]:
    """Give the follow-ups that were handed over to one of these coaches, with the student's consent."""
    query = select(FollowUp).where(FollowUp.handed_to == "coach", FollowUp.handed_coach.in_(coaches))
    return list(session.scalars(query.options(joinedload(FollowUp.person))))
