"""Letters in the store: a draft, what became of sending it, its link, and the moment that a student picked. It knows no mail server and no page."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from itertools import pairwise

from itsdangerous import BadSignature, Signer
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from serving.store.audit import Event, hold, record
from serving.store.follow_up import About, Writer, advance
from serving.store.keys import Keys
from serving.store.letter_tables import Appointment, Letter
from serving.store.people import details_of
from serving.store.sealing import open_text, seal_text
from serving.store.tables import Person
from serving.store.weeks import Store

FAULTS = ("address", "refused", "login", "away", "unsure", "none")
"""Why a letter was not sent: the address or the message was refused, the server did not let us in, can't be reached, or fell silent; or there is none."""
ANSWERABLE = ("sending", "sent", "failed", "printed")
"""States in which the link works; whether a letter that is being sent has arrived is not known, and whoever has its link was given it."""
UNSURE_AFTER = dt.timedelta(minutes=2)
"""After so long in sending nobody is sending any more."""
LINK_ACTOR = "invitation-link"


class Picked(StrEnum):
    """How picking a moment ended."""

    YES = "yes"
    TAKEN = "taken"
    NOT_OFFERED = "not-offered"


@dataclass(frozen=True)
class Moment:
    """When a talk could be, UTC, and for how long."""

    starts_at: dt.datetime
    minutes: int

    @property
    def ends_at(self) -> dt.datetime:
        """When it is over."""
        return self.starts_at + dt.timedelta(minutes=self.minutes)

    def overlaps(self, other: Moment) -> bool:
        """Tell whether somebody can't be at both."""
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at


@dataclass(frozen=True)
class Written:
    """What a letter says.

    Attributes
    ----------
    language : {'nl', 'en'}
    subject, body : str
        The link stands in the body.
    place : str
        Where the talk is.
    moments : tuple of Moment
        On offer, earliest first.
    host_mail : str
        Where answers go; empty where none is known.
    institution, programme : str
    """

    language: str
    subject: str
    body: str
    place: str
    moments: tuple[Moment, ...]
    host_mail: str
    institution: str
    programme: str

    def to_text(self) -> str:
        """Give all as one text, to be encrypted."""
        told = asdict(self) | {"moments": [[each.starts_at.isoformat(), each.minutes] for each in self.moments]}
        return json.dumps(told, ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> Written:
        """Take back what `to_text` gave."""
        told = json.loads(text)
        moments = tuple(Moment(dt.datetime.fromisoformat(starts_at), minutes) for starts_at, minutes in told.pop("moments"))
        return cls(**told, moments=moments)


@dataclass(frozen=True)
class Invitation:
    """A letter as it stands.

    Attributes
    ----------
    id : int
    number : str
        What its link holds.
    enrolment, person_id, subject : str
        Digest of the enrolment, pseudonym, and digest of the student for the audit trail.
    name, email : str
        The student's.
    by, host : str
        Name of the coach, and digest of their login.
    written : Written
    state, fault, answer : str
        'draft', 'sending', 'sent', 'failed', 'printed' or 'withdrawn'; one of `FAULTS` or ''; 'picked', 'declined' or ''.
    made_at, state_at, expires_at : datetime.datetime
    answered_at : datetime.datetime or None
    picked : Moment or None
    changes : int
        How often the picked moment changed.
    told : str
        Whether both were sent the appointment: '', 'sent' or 'failed'.
    """

    id: int
    number: str
    enrolment: str
    person_id: str
    subject: str
    name: str
    email: str
    by: str
    host: str
    written: Written
    state: str
    fault: str
    answer: str
    made_at: dt.datetime
    state_at: dt.datetime
    expires_at: dt.datetime
    answered_at: dt.datetime | None
    picked: Moment | None
    changes: int
    told: str

    def unsure(self, at: dt.datetime) -> bool:
        """Tell whether sending broke off in the middle, so that nobody knows whether it arrived."""
        return self.state == "sending" and at - self.state_at > UNSURE_AFTER


def clashing(moments: Sequence[Moment]) -> bool:
    """Tell whether some of these moments lie over one another."""
    return any(one.overlaps(other) for one, other in pairwise(sorted(moments, key=lambda each: each.starts_at)))


def new_number() -> str:
    """Draw what a letter's link is to hold: 128 bits from the operating system."""
    return secrets.token_urlsafe(16)


def link_token(keys: Keys, number: str) -> str:
    """Give the last part of a letter's link: its number, signed under a key that is not in the database."""
    return _signer(keys).sign(number).decode()


def _signer(keys: Keys) -> Signer:
    return Signer(keys.digest("letter", "link"), salt="invitation")


def _number_in(keys: Keys, token: str) -> str | None:
    try:
        return _signer(keys).unsign(token).decode()
    except (BadSignature, UnicodeError):
        return None


def keep_draft_letter(
    store: Store, about: About, number: str, written: Written, expires_at: dt.datetime, *, by: Writer, at: dt.datetime
) -> None:
    """Keep a letter that was not sent yet; the same coach's earlier draft for this student goes."""
    keys = store.keys
    host = keys.digest("actor", by.login)
    with Session(store.engine) as session, session.begin():
        record(session, keys, Event.PAGE_LETTER_MADE, actor=by.login, at=at, subjects=[about.person.student], heads=store.heads)
        person = session.get_one(Person, about.person.id)
        session.execute(delete(Letter).where(Letter.enrolment == about.enrolment, Letter.host == host, Letter.state == "draft"))
        session.add(
            Letter(
                number=number, enrolment=about.enrolment, person_id=person.id, host=host, made_at=at, expires_at=expires_at, state="draft",
                state_at=at, attempts=0, fault="", answer="", sealed_text=seal_text(person, keys, written.to_text()), sealed_by=keys.seal(by.name),
            )
        )  # fmt: skip


def _told(session: Session, keys: Keys, rows: Sequence[Letter]) -> list[Invitation]:
    picked = {row.letter_id: row for row in session.scalars(select(Appointment).where(Appointment.letter_id.in_([row.id for row in rows])))}
    found = []
    for row in rows:
        details = details_of(row.person, keys)
        if details is None:
            continue
        own = picked.get(row.id)
        found.append(
            Invitation(
                id=row.id, number=row.number, enrolment=row.enrolment, person_id=row.person_id, subject=row.person.student, name=details.name,
                email=details.email, by=keys.open(row.sealed_by), host=row.host,
                written=Written.from_text(open_text(row.person, keys, row.sealed_text)), state=row.state, fault=row.fault, answer=row.answer,
                made_at=row.made_at, state_at=row.state_at, expires_at=row.expires_at, answered_at=row.answered_at,
                picked=None if own is None else Moment(own.starts_at, own.minutes), changes=0 if own is None else own.changes,
                told="" if own is None else own.told,
            )
        )  # fmt: skip
    return found


def letters_to(session: Session, keys: Keys, enrolments: Collection[str]) -> dict[str, list[Invitation]]:
    """Give all letters to some students, newest first, by the enrolment's digest; drafts are among them."""
    query = select(Letter).where(Letter.enrolment.in_(enrolments)).options(joinedload(Letter.person)).order_by(Letter.id.desc())
    found: dict[str, list[Invitation]] = {}
    for each in _told(session, keys, list(session.scalars(query))):
        found.setdefault(each.enrolment, []).append(each)
    return found


def own_draft(letters: Sequence[Invitation], keys: Keys, login: str) -> Invitation | None:
    """Give a coach's draft among some letters."""
    host = keys.digest("actor", login)
    return next((each for each in letters if each.state == "draft" and each.host == host), None)


def letter_behind(session: Session, keys: Keys, token: str, at: dt.datetime) -> Invitation | None:
    """Give the letter that a link was given out for; None for a link that is forged, past its time, withdrawn, or of somebody who was erased."""
    number = _number_in(keys, token)
    if number is None:
        return None
    open_ones = (Letter.number == number, Letter.state.in_(ANSWERABLE), Letter.expires_at > at)
    rows = session.scalars(select(Letter).where(*open_ones).options(joinedload(Letter.person))).all()
    return next(iter(_told(session, keys, rows)), None)


def free_of(session: Session, letter: Invitation, at: dt.datetime) -> list[Moment]:
    """Give the moments of a letter that are still to be had, with the one that was picked."""
    others = _taken(session, letter.host, letter.id)
    return [each for each in letter.written.moments if each.starts_at > at and not any(each.overlaps(other) for other in others)]


def _taken(session: Session, host: str, but: int) -> list[Moment]:
    rows = session.scalars(select(Appointment).where(Appointment.host == host, Appointment.letter_id != but))
    return [Moment(row.starts_at, row.minutes) for row in rows]


def begin_sending(store: Store, letter: Invitation, *, by: Writer, at: dt.datetime, paper: bool = False, today: dt.date) -> bool:
    """Take a letter to be sent; whoever is told True is the only one, and sends it. On paper there is nothing more to do.

    Whatever else went to this student without an answer is withdrawn, so that one link stands.
    """
    keys = store.keys
    with Session(store.engine) as session, session.begin():
        record(session, keys, Event.PAGE_LETTER_SENT, actor=by.login, at=at, subjects=[letter.subject], heads=store.heads)
        to_take = Letter.state.in_(("draft", "failed")) | ((Letter.state == "sending") & (Letter.state_at < at - UNSURE_AFTER))
        told = {"state": "printed" if paper else "sending", "state_at": at, "fault": "", "attempts": Letter.attempts + 1}
        taken = session.execute(update(Letter).where(Letter.id == letter.id, to_take).values(told))
        if not taken.rowcount:  # type: ignore[attr-defined]
            session.rollback()
            return False
        others = (Letter.enrolment == letter.enrolment, Letter.id != letter.id, Letter.answer == "", Letter.state.in_(ANSWERABLE))
        session.execute(update(Letter).where(*others).values(state="withdrawn", state_at=at))
        if paper:
            advance(session, keys, _about(session, letter), "invited", by=by.name, at=at, today=today)
    return True


def end_sending(store: Store, letter: Invitation, fault: str, *, by: Writer, at: dt.datetime, today: dt.date) -> None:
    """Note that a letter was sent, or one of `FAULTS`."""
    with Session(store.engine) as session, session.begin():
        hold(session)
        own = update(Letter).where(Letter.id == letter.id, Letter.state == "sending")
        ended = session.execute(own.values(state="failed" if fault else "sent", fault=fault, state_at=at))
        if ended.rowcount and not fault:  # type: ignore[attr-defined]
            advance(session, store.keys, _about(session, letter), "invited", by=by.name, at=at, today=today)


def _about(session: Session, letter: Invitation) -> About:
    return About(session.get_one(Person, letter.person_id), letter.enrolment)


def withdraw_letter(store: Store, letter: Invitation, *, by: Writer, at: dt.datetime) -> None:
    """End a letter: its link opens nothing, and its moment is free again."""
    with Session(store.engine) as session, session.begin():
        record(session, store.keys, Event.PAGE_LETTER_WITHDRAWN, actor=by.login, at=at, subjects=[letter.subject], heads=store.heads)
        session.execute(delete(Appointment).where(Appointment.letter_id == letter.id))
        if letter.state == "draft":
            session.execute(delete(Letter).where(Letter.id == letter.id))
        else:
            session.execute(update(Letter).where(Letter.id == letter.id).values(state="withdrawn", state_at=at))


def note_opened(store: Store, letter: Invitation) -> None:
    """Record that a link was opened."""
    store.record(Event.LINK_LETTER_OPENED, actor=LINK_ACTOR, subjects=[letter.subject])


def pick(store: Store, letter: Invitation, moment: Moment, *, at: dt.datetime, present: dt.datetime, today: dt.date) -> Picked:
    """Give a student a moment; of two who want one at the same time the first gets it.

    Parameters
    ----------
    store : Store
    letter : Invitation
    moment : Moment
    at : datetime.datetime
        Now, UTC.
    present : datetime.datetime
        Now as pages take it; a moment before it can't be picked any more.
    today : datetime.date
    """
    keys = store.keys
    try:
        with Session(store.engine) as session, session.begin():
            record(session, keys, Event.LINK_MOMENT_PICKED, actor=LINK_ACTOR, at=at, subjects=[letter.subject], heads=store.heads)
            row = session.get(Letter, letter.id)  # others wait from here on, so what is read now stands
            if row is None or row.state not in ANSWERABLE or moment not in letter.written.moments or moment.starts_at <= present:
                session.rollback()
                return Picked.NOT_OFFERED
            if any(moment.overlaps(other) for other in _taken(session, letter.host, letter.id)):
                session.rollback()
                return Picked.TAKEN
            own = session.get(Appointment, letter.id)
            if own is None:
                session.add(
                    Appointment(
                        letter_id=letter.id, enrolment=letter.enrolment, person_id=letter.person_id, host=letter.host, starts_at=moment.starts_at,
                        minutes=moment.minutes, made_at=at, changes=0, told="",
                    )
                )  # fmt: skip
            elif own.starts_at != moment.starts_at:
                own.starts_at, own.minutes, own.made_at, own.changes, own.told = moment.starts_at, moment.minutes, at, own.changes + 1, ""
            row.answer, row.answered_at = "picked", at
            advance(session, keys, _about(session, letter), "reached", by=letter.name, at=at, today=today)
    except IntegrityError:  # the database's own word that somebody was first
        return Picked.TAKEN
    return Picked.YES


def decline(store: Store, letter: Invitation, *, at: dt.datetime, today: dt.date) -> None:
    """Note that a student does not want to come; a moment that was picked is free again."""
    with Session(store.engine) as session, session.begin():
        record(session, store.keys, Event.LINK_LETTER_DECLINED, actor=LINK_ACTOR, at=at, subjects=[letter.subject], heads=store.heads)
        session.execute(delete(Appointment).where(Appointment.letter_id == letter.id))
        session.execute(update(Letter).where(Letter.id == letter.id).values(answer="declined", answered_at=at))
        advance(session, store.keys, _about(session, letter), "not", not_why="declined", by=letter.name, at=at, today=today)


def note_told(store: Store, letter: Invitation, told: str) -> None:
    """Note whether both were sent the appointment as it stands."""
    with Session(store.engine) as session, session.begin():
        hold(session)
        own = (Appointment.letter_id == letter.id, Appointment.changes == letter.changes)
        session.execute(update(Appointment).where(*own).values(told=told))


def moved(letter: Invitation, moment: Moment | None) -> Invitation:
    """Give a letter as it stands once a moment was picked."""
    return replace(letter, picked=moment)
