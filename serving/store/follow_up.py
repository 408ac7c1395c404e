"""What was agreed with a student and how far it is: written under a version, so that whoever writes second sees both texts and nothing is lost."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from serving.store.audit import Event, hold, record
from serving.store.desk_tables import Draft, FollowUp, Note, Step, TalkRequest
from serving.store.keys import Keys
from serving.store.sealing import open_text, seal_text
from serving.store.tables import Person
from serving.store.weeks import Store

STAGES = ("invited", "reached", "talked", "agreed", "done", "not")
"""How far it can be; 'not' goes with a reason out of `NOT_WHY`."""
OPEN = ("invited", "reached", "talked", "agreed")
IN_TALK = ("reached", "talked", "agreed")
"""Stages in which a student is in a talk already, and is left alone by rules, ranks and lots."""
ENDS_REQUEST = ("talked", "agreed", "done", "not")
NOT_WHY = ("no_answer", "declined", "not_needed", "left", "else")
REASONS = ("expectations", "study_skills", "wrong_choice", "level", "circumstances", "other")
HAND_TO = ("dean", "peer", "coach")
_CONTACT = ("reached", "talked", "agreed", "done")


@dataclass(frozen=True)
class About:
    """The student whom something is written about.

    Attributes
    ----------
    person : Person
    enrolment : str
        Digest of the enrolment.
    """

    person: Person
    enrolment: str


@dataclass(frozen=True)
class Writer:
    """Who writes: the login for the audit trail, and the name that colleagues read."""

    login: str
    name: str


@dataclass(frozen=True)
class Agreed:
    """What a follow-up says.

    Attributes
    ----------
    stage : str
        One of `STAGES`, or '' where nothing was done yet.
    not_why : str
        One of `NOT_WHY` where the stage is 'not'.
    contact_on : datetime.date or None
        The day of the last contact.
    reasons : tuple of str
        Reasons for doubt or leaving, out of `REASONS`.
    reason_note, next_step : str
        In the coach's and in the student's own words.
    next_on : datetime.date or None
    handed_to : str
        One of `HAND_TO`, or ''.
    handed_coach : str
        Coach id where it was handed to another coach.
    consent_on : datetime.date or None
        The day on which the student agreed to the hand-over.
    """

    stage: str = ""
    not_why: str = ""
    contact_on: dt.date | None = None
    reasons: tuple[str, ...] = ()
    reason_note: str = ""
    next_step: str = ""
    next_on: dt.date | None = None
    handed_to: str = ""
    handed_coach: str = ""
    consent_on: dt.date | None = None


@dataclass(frozen=True)
class Standing:
    """A follow-up as it stands.

    Attributes
    ----------
    version : int
        0 where nothing was written yet.
    agreed : Agreed
    at : datetime.datetime or None
        When it was written, UTC.
    by : str
        Name of who wrote it.
    """

    version: int = 0
    agreed: Agreed = field(default_factory=Agreed)
    at: dt.datetime | None = None
    by: str = ""


@dataclass(frozen=True)
class Contact:
    """One step that was taken."""

    on: dt.date
    what: str
    why: str
    by: str


@dataclass(frozen=True)
class Noted:
    """One note, in clear."""

    at: dt.datetime
    by: str
    text: str


class WrittenMeanwhile(Exception):
    """Somebody else wrote since the text was read that this one was to replace; `theirs` is what stands now."""

    def __init__(self, theirs: Standing) -> None:
        super().__init__()
        self.theirs = theirs


def _standing(row: FollowUp, keys: Keys) -> Standing:
    words = json.loads(open_text(row.person, keys, row.sealed_words) or "{}")
    agreed = Agreed(
        stage=row.stage,
        not_why=row.not_why,
        contact_on=row.contact_on,
        reasons=tuple(row.reasons),
        reason_note=words.get("reason_note", ""),
        next_step=words.get("next_step", ""),
        next_on=row.next_on,
        handed_to=row.handed_to,
        handed_coach=row.handed_coach,
        consent_on=row.consent_on,
    )
    return Standing(row.version, agreed, row.changed_at, keys.open(row.sealed_by))


def standing(session: Session, keys: Keys, enrolment: str) -> Standing:
    """Give a student's follow-up as it stands."""
    row = session.get(FollowUp, enrolment)
    return Standing() if row is None else _standing(row, keys)


def standings(session: Session, keys: Keys, enrolments: Collection[str]) -> dict[str, Standing]:
    """Give the follow-ups of some enrolments, by their digest; those without one are not among them."""
    rows = session.scalars(select(FollowUp).where(FollowUp.enrolment.in_(enrolments)))
    return {row.enrolment: _standing(row, keys) for row in rows}


def contacts_with(session: Session, keys: Keys, enrolment: str) -> list[Contact]:
    """Give all steps taken with a student, oldest first."""
    rows = session.scalars(select(Step).where(Step.enrolment == enrolment).order_by(Step.on, Step.id))
    return [Contact(row.on, row.what, row.why, keys.open(row.sealed_by)) for row in rows]


def notes_on(session: Session, keys: Keys, about: About) -> list[Noted]:
    """Give the notes on a student, newest first."""
    rows = session.scalars(select(Note).where(Note.enrolment == about.enrolment).order_by(Note.id.desc()))
    return [Noted(row.at, keys.open(row.sealed_by), open_text(about.person, keys, row.sealed_text)) for row in rows]


def save(
    store: Store, about: About, agreed: Agreed, note: str, *, version: int, by: Writer, at: dt.datetime, today: dt.date
) -> tuple[bool, bool]:
    """Write a follow-up and a note in one transaction; the writer's draft is gone with it.

    Parameters
    ----------
    store : Store
    about : About
    agreed : Agreed
    note : str
        Added to the notes where it is not empty.
    version : int
        Of the follow-up that the writer had before them.
    by : Writer
    at : datetime.datetime
        Now, UTC.
    today : datetime.date
        The day of a step whose day was not told.

    Returns
    -------
    tuple of bool
        Whether the follow-up changed, and whether a note was added.

    Raises
    ------
    WrittenMeanwhile
        The follow-up is of another version and says something else; nothing was written.
    """
    keys = store.keys
    with Session(store.engine) as session, session.begin():
        hold(session)  # writers wait for one another in line, so that what is read here is what stands
        person = session.get_one(Person, about.person.id)
        own = About(person, about.enrolment)
        before = standing(session, keys, about.enrolment)
        changed = agreed != before.agreed
        if changed and before.version != version:
            raise WrittenMeanwhile(before)
        for event, happened in ((Event.PAGE_FOLLOW_UP_SAVED, changed), (Event.PAGE_NOTE_WRITTEN, bool(note))):
            if happened:
                record(session, keys, event, actor=by.login, at=at, subjects=[person.student], heads=store.heads)
        sealed_by = keys.seal(by.name)
        if changed:
            _write(session, keys, own, before, agreed, sealed_by, at)
            _take_step(session, own, before.agreed, agreed, sealed_by, at, today)
        if note:
            session.add(
                Note(enrolment=about.enrolment, person_id=person.id, at=at, sealed_by=sealed_by, sealed_text=seal_text(person, keys, note))
            )
        if agreed.stage in ENDS_REQUEST:
            theirs = update(TalkRequest).where(TalkRequest.enrolment == about.enrolment, TalkRequest.ended_at.is_(None))
            session.execute(theirs.values(ended_at=at))
        drop_draft(session, keys, about.enrolment, by.login)
    return changed, bool(note)


def _write(session: Session, keys: Keys, about: About, before: Standing, agreed: Agreed, sealed_by: str, at: dt.datetime) -> None:
    words = {"reason_note": agreed.reason_note, "next_step": agreed.next_step}
    plain = {name: value for name, value in asdict(agreed).items() if name not in words} | {"reasons": list(agreed.reasons)}
    told = {
        **plain,
        "sealed_words": seal_text(about.person, keys, json.dumps(words, ensure_ascii=False)),
        "version": before.version + 1,
        "changed_at": at,
        "sealed_by": sealed_by,
    }
    row = session.get(FollowUp, about.enrolment)
    if row is None:
        session.add(FollowUp(enrolment=about.enrolment, person_id=about.person.id, **told))
    else:
        for name, value in told.items():
            setattr(row, name, value)


def advance(session: Session, keys: Keys, about: About, stage: str, *, by: str, at: dt.datetime, today: dt.date, not_why: str = "") -> bool:
    """Note how far it is where something else than the form tells it, such as a letter that was sent; what is further already stays.

    Call it in a transaction that holds the audit trail's head.

    Returns
    -------
    bool
        Whether anything changed.
    """
    before = standing(session, keys, about.enrolment)
    # An invitation is sent anew after a talk that did not come about; nothing else leads back.
    begins = before.agreed.stage in ("", "done", "not")
    further = begins or (before.agreed.stage == "invited" and stage != "invited") or (before.agreed.stage == "reached" and stage == "not")
    if not further:
        return False
    contact = today if stage == "reached" else before.agreed.contact_on
    agreed = replace(before.agreed, stage=stage, not_why=not_why, contact_on=contact)
    sealed_by = keys.seal(by)
    _write(session, keys, about, before, agreed, sealed_by, at)
    _take_step(session, about, before.agreed, agreed, sealed_by, at, today)
    return True


def _take_step(session: Session, about: About, before: Agreed, agreed: Agreed, sealed_by: str, at: dt.datetime, today: dt.date) -> None:
    if not agreed.stage or (agreed.stage, agreed.contact_on) == (before.stage, before.contact_on):
        return
    on = agreed.contact_on if agreed.stage in _CONTACT and agreed.contact_on else today
    session.add(
        Step(enrolment=about.enrolment, person_id=about.person.id, on=on, at=at, what=agreed.stage, why=agreed.not_why, sealed_by=sealed_by)
    )


def keep_draft(store: Store, about: About, fields: dict[str, Any], *, by: Writer, at: dt.datetime) -> None:
    """Keep what somebody filled in and did not save; the first time is recorded, as the later ones are of the same text."""
    keys = store.keys
    author = keys.digest("actor", by.login)
    with Session(store.engine) as session:
        new = session.get(Draft, (about.enrolment, author)) is None
    with Session(store.engine) as session, session.begin():
        if new:
            record(session, keys, Event.PAGE_DRAFT_KEPT, actor=by.login, at=at, subjects=[about.person.student], heads=store.heads)
        person = session.get_one(Person, about.person.id)
        session.merge(
            Draft(
                enrolment=about.enrolment,
                author=author,
                person_id=person.id,
                saved_at=at,
                sealed_fields=seal_text(person, keys, json.dumps(fields, ensure_ascii=False)),
            )
        )


def draft_of(session: Session, keys: Keys, about: About, login: str) -> tuple[dict[str, Any], dt.datetime] | None:
    """Give what somebody filled in for a student and did not save, and when it was kept."""
    row = session.get(Draft, (about.enrolment, keys.digest("actor", login)))
    if row is None:
        return None
    told: dict[str, Any] = json.loads(open_text(about.person, keys, row.sealed_fields) or "{}")
    return told, row.saved_at


def drop_draft(session: Session, keys: Keys, enrolment: str, login: str) -> None:
    """Throw a draft away."""
    session.execute(delete(Draft).where(Draft.enrolment == enrolment, Draft.author == keys.digest("actor", login)))


def drafts_of(session: Session, keys: Keys, login: str, enrolments: Sequence[str]) -> set[str]:
    """Give for which enrolments somebody has a draft."""
    query = select(Draft.enrolment).where(Draft.author == keys.digest("actor", login), Draft.enrolment.in_(enrolments))
    return set(session.scalars(query))
