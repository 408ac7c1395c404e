"""Objections and erasures: who may not be scored, and the destruction of what is written about a student. It knows no model and no file of data.

Each is noted in a file outside the database as well, beside the audit trail's codes, so that a restored backup can't bring back what was erased.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from riskmodel.errors import RiskModelError
from riskmodel.objections import Objections, digest_of
from serving.store.audit import Event, hold, record
from serving.store.changes import withdraw
from serving.store.desk_tables import OF_A_PERSON
from serving.store.keys import Keys
from serving.store.people import STUDENT, Details, details_of, erase, find_person, sealed
from serving.store.sealing import own_key, seal, unseal
from serving.store.tables import AuditEvent, Barred, Objection, Person, RunStudent, Score, Student, Week

NOTES_NAME = "rights-notes.jsonl"
_WITHDRAWN = "withdrawn"
# Ways of being invited that stay for who objected: no model and no lot leads to them.
STAY = ("rule", "request", "coach")
_BARRED = select(Barred.digest, Barred.why).where(Barred.digest.in_(bindparam("asked", expanding=True)))


class Why(StrEnum):
    """Why somebody is not to be scored."""

    OBJECTED = "objected"
    ERASED = "erased"


@dataclass(frozen=True)
class Objected:
    """What an objection, or its end, did.

    Attributes
    ----------
    known : bool
        Whether anything was held of this student before.
    since : datetime.datetime or None
        Since when it holds, UTC; None where none does.
    withdrawn : int
        Invitations by model or lot on the newest list that are no more.
    """

    known: bool
    since: dt.datetime | None
    withdrawn: int = 0


@dataclass(frozen=True)
class Erased:
    """What an erasure destroyed.

    Attributes
    ----------
    at : datetime.datetime
        When, UTC.
    scores, lists : int
        Scores, and places on lists.
    details : bool
        Whether there were a name and enrolments, whose key is destroyed.
    events : int
        Events of the audit trail about the student, which stay.
    """

    at: dt.datetime
    scores: int
    lists: int
    details: bool
    events: int


def list_key(keys: Keys) -> bytes:
    """Give the secret of the digests on lists for data folders: one of its own, so that a list tells nothing of the store's pseudonyms."""
    return hmac.new(keys.pseudonym, b"rights list", hashlib.sha256).digest()


def notes_beside(heads: Path | None) -> Path | None:
    """Give the file outside the database in which objections and erasures are noted."""
    return None if heads is None else heads.with_name(NOTES_NAME)


@dataclass(frozen=True)
class Note:
    """What was noted last of a student outside the database.

    Attributes
    ----------
    what : str
        'objected', 'withdrawn' or 'erased'.
    listed : str
        Their digest on lists for data folders.
    at : datetime.datetime
        Since when, UTC.
    """

    what: str
    listed: str
    at: dt.datetime


def _note(heads: Path | None, subject: str, listed: str, what: str, at: dt.datetime) -> None:
    notes = notes_beside(heads)
    if notes is None:
        return
    notes.parent.mkdir(parents=True, exist_ok=True)
    with notes.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"student": subject, "listed": listed, "what": what, "at": at.isoformat()}) + "\n")


def read_notes(heads: Path | None) -> dict[str, Note]:
    """Give what was noted last of each student outside the database, by the student's digest; an erasure is the last word.

    Raises
    ------
    RiskModelError
        A line is not what the service writes, other than one cut short at the end.
    """
    notes = notes_beside(heads)
    if notes is None or not notes.exists():
        return {}
    found: dict[str, Note] = {}
    lines = notes.read_text(encoding="utf-8").splitlines()
    for place, line in enumerate(lines, start=1):
        try:
            told = json.loads(line)
            student, note = str(told["student"]), Note(str(told["what"]), str(told["listed"]), dt.datetime.fromisoformat(told["at"]))
        except (ValueError, KeyError, TypeError):
            if place == len(lines):
                break
            raise RiskModelError(
                f"line {place} is no note of an objection or an erasure.", place=str(notes), remedy="Put the file back from its backup."
            ) from None
        if student not in found or found[student].what != Why.ERASED:
            found[student] = note
    return found


def barred_among(session: Session | Connection, digests: Iterable[str]) -> dict[str, Why]:
    """Give which digests, of students or enrolments, are of somebody who is not to be scored, and why."""
    asked = set(digests)
    if not asked:
        return {}
    rows = session.execute(_BARRED, {"asked": list(asked)}).all()
    return {digest: Why(why) for digest, why in rows}


def barred_students(session: Session | Connection, keys: Keys, students: Iterable[str]) -> dict[str, Why]:
    """Give which of some students are not to be scored, and why, by their number."""
    digests = {keys.digest(STUDENT, student): student for student in students}
    return {digests[digest]: why for digest, why in barred_among(session, digests).items()}


def lists_in_force(session: Session, keys: Keys) -> Objections:
    """Give everybody who objected or was erased, as a list for data folders."""
    rows = session.execute(select(Barred.listed, Barred.why).where(Barred.listed.is_not(None))).all()
    by = {why: frozenset(str(listed) for listed, each in rows if each == why) for why in Why}
    return Objections(list_key(keys), by[Why.OBJECTED], by[Why.ERASED])


def count_in_force(session: Session) -> dict[Why, int]:
    """Give how many students objected and how many were erased."""
    rows = session.execute(select(Barred.why, func.count(Barred.person_id.distinct())).group_by(Barred.why)).all()
    return {why: next((int(count) for each, count in rows if each == why), 0) for why in Why}


def _bar(session: Session, person: Person, why: Why, listed: str, details: Details | None) -> None:
    enrolments = [] if details is None else list(details.enrolments)
    known = select(Barred.digest).where(Barred.person_id == person.id, Barred.digest != person.student)
    others = set(session.scalars(known)) | set(enrolments)
    session.execute(delete(Barred).where(Barred.person_id == person.id))
    rows: list[dict[str, Any]] = [{"digest": person.student, "person_id": person.id, "why": str(why), "listed": listed}]
    rows += [{"digest": digest, "person_id": person.id, "why": str(why), "listed": None} for digest in sorted(others)]
    session.execute(insert(Barred), rows)


def _standing(session: Session, person: Person) -> Objection | None:
    query = select(Objection).where(Objection.person_id == person.id, Objection.ended_at.is_(None)).limit(1)
    return session.scalars(query).first()


def _unknown(session: Session, keys: Keys, student_id: str) -> Person:
    """Add a student of whom nothing was held, so that what is to hold of them holds when they come."""
    person = Person(id=secrets.token_hex(16), student=keys.digest(STUDENT, student_id))
    person.sealed_key, person.sealed_details = sealed(Details(student_id, student_id, {}), keys)
    session.add(person)
    session.flush()
    return person


def object_to_scores(
    session: Session, keys: Keys, student_id: str, *, actor: str, at: dt.datetime, why: str = "", heads: Path | None = None
) -> Objected:
    """Let an objection hold: from now on no score, no model that reads this student, and no invitation by model or lot.

    Invitations by model or lot on the newest list are withdrawn; those by rule, at the student's request or by the coach stay, without a score. An
    objection that holds already is left as it is. Call it first in its transaction, as `audit.record`.

    Parameters
    ----------
    session : Session
    keys : Keys
    student_id : str
        Also of somebody who is not known here yet.
    actor : str
    at : datetime.datetime
        Now, UTC.
    why : str
        Recorded; never a name.
    heads : Path, optional
        As for `audit.record`.
    """
    at = at.replace(tzinfo=None)
    subject = keys.digest(STUDENT, student_id)
    record(session, keys, Event.RIGHTS_OBJECTION_MADE, actor=actor, at=at, subjects=[subject], why=why, heads=heads)
    person = find_person(session, keys, student_id)
    known = person is not None
    if person is None:
        person = _unknown(session, keys, student_id)
    if person.erased_at is not None:
        return Objected(known, None)
    standing = _standing(session, person)
    if standing is not None:
        return Objected(known, standing.begun_at)
    listed = digest_of(list_key(keys), student_id)
    withdrawn = _let_hold(session, keys, person, listed, at, since=at)
    _note(heads, subject, listed, Why.OBJECTED, at)
    return Objected(known, at, withdrawn)


def _let_hold(session: Session, keys: Keys, person: Person, listed: str, at: dt.datetime, *, since: dt.datetime) -> int:
    session.add(Objection(person_id=person.id, begun_at=since))
    _bar(session, person, Why.OBJECTED, listed, details_of(person, keys))
    return _leave_lists(session, keys, person, at)


def _leave_lists(session: Session, keys: Keys, person: Person, at: dt.datetime) -> int:
    """Take a student off the newest list where a model or the lot put them there, and the score from their row where something else did."""
    newest = select(Week.id).order_by(Week.on.desc()).limit(1).scalar_subquery()
    rows = session.scalars(select(Student).where(Student.week_id == newest, Student.person_id == person.id)).all()
    going = [row for row in rows if row.way not in STAY]
    withdraw(session, [(person.id, row.enrolment, row.week.on) for row in going if row.invited], at)
    own = None if person.sealed_key is None else own_key(person.sealed_key, keys)
    for row in rows:
        if row in going:
            session.delete(row)
        else:
            row.probability, row.margin, row.rank = None, None, 0
            if own is not None:
                shown = {**unseal(own, row.sealed_shown), "reasons": [], "frequency": {}, "interval": {}, "unusual": {}}
                row.sealed_shown = seal(own, shown)
    session.flush()
    return sum(row.invited for row in going)


def withdraw_objection(session: Session, keys: Keys, student_id: str, *, actor: str, at: dt.datetime, heads: Path | None = None) -> bool:
    """End an objection, and tell whether one held. Call it first in its transaction, as `audit.record`."""
    at = at.replace(tzinfo=None)
    subject = keys.digest(STUDENT, student_id)
    record(session, keys, Event.RIGHTS_OBJECTION_ENDED, actor=actor, at=at, subjects=[subject], heads=heads)
    person = find_person(session, keys, student_id)
    standing = None if person is None else _standing(session, person)
    if person is None or standing is None:
        return False
    _end(session, person, at)
    _note(heads, subject, digest_of(list_key(keys), student_id), _WITHDRAWN, at)
    return True


def _end(session: Session, person: Person, at: dt.datetime) -> None:
    session.execute(update(Objection).where(Objection.person_id == person.id, Objection.ended_at.is_(None)).values(ended_at=at))
    session.execute(delete(Barred).where(Barred.person_id == person.id, Barred.why == Why.OBJECTED))


def erase_student(
    session: Session, keys: Keys, student_id: str, *, actor: str, at: dt.datetime, why: str = "", heads: Path | None = None
) -> Erased:
    """Destroy what is written about a student: scores, places on lists, and the key to name and enrolments.

    Their digest stays, so that no export brings them back, and so does the audit trail, which is told of digests alone. Also a student of whom nothing
    is held is noted, because an export may bring them. Call it first in its transaction, as `audit.record`.
    """
    at = at.replace(tzinfo=None)
    subject = keys.digest(STUDENT, student_id)
    record(session, keys, Event.OPERATOR_STUDENT_ERASED, actor=actor, at=at, subjects=[subject], why=why, heads=heads)
    person = find_person(session, keys, student_id)
    held = person is not None and person.sealed_details is not None
    if person is None:
        person = _unknown(session, keys, student_id)
    listed = digest_of(list_key(keys), student_id)
    scores, lists = _destroy(session, keys, person, listed, at)
    _note(heads, subject, listed, Why.ERASED, at)
    events = session.scalar(select(func.count()).where(AuditEvent.subject == subject)) or 0
    return Erased(person.erased_at or at, scores, lists, held, int(events))


def _destroy(session: Session, keys: Keys, person: Person, listed: str, at: dt.datetime) -> tuple[int, int]:
    scores = session.execute(delete(Score).where(Score.person_id == person.id)).rowcount  # type: ignore[attr-defined]
    session.execute(delete(RunStudent).where(RunStudent.person_id == person.id))
    for table in OF_A_PERSON:
        session.execute(delete(table).where(table.person_id == person.id))
    rows = session.scalars(select(Student).where(Student.person_id == person.id)).all()
    withdraw(session, [(person.id, row.enrolment, row.week.on) for row in rows if row.invited], at)
    for row in rows:
        session.delete(row)
    _bar(session, person, Why.ERASED, listed, details_of(person, keys))
    _end(session, person, at)
    session.flush()
    if person.erased_at is None:
        erase(person, at)
    return int(scores), len(rows)


def not_applied(session: Session, heads: Path | None) -> dict[str, Note]:
    """Give the notes that the store does not hold to, by the student's digest, as after a restore from an older backup."""
    notes = read_notes(heads)
    rows = session.execute(select(Barred.digest, Barred.why).where(Barred.listed.is_not(None))).all()
    here = {digest: str(why) for digest, why in rows}
    return {
        subject: note
        for subject, note in notes.items()
        if (note.what in set(Why) and here.get(subject) not in (note.what, Why.ERASED))
        or (note.what == _WITHDRAWN and here.get(subject) == Why.OBJECTED)
    }


def require_applied(session: Session, heads: Path | None) -> None:
    """Refuse a store in which an objection or an erasure does not hold that was noted outside it.

    Raises
    ------
    RiskModelError
        There is one; the command that mends it is named.
    """
    missing = not_applied(session, heads)
    if missing:
        raise RiskModelError(
            f"{len(missing)} objections or erasures were noted and do not hold in this store, as after a restore.",
            place=str(notes_beside(heads)),
            remedy="Run 'riskmodel rights apply'.",
        )


def apply_notes(session: Session, keys: Keys, *, actor: str, at: dt.datetime, heads: Path | None) -> int:
    """Let objections and erasures that were noted outside the database hold again, as after a restore from an older backup.

    Call it first in its transaction, as `audit.record`.

    Returns
    -------
    int
        Of how many students the store held something else.
    """
    at = at.replace(tzinfo=None)
    hold(session)
    missing = not_applied(session, heads)
    if not missing:
        return 0
    record(session, keys, Event.RIGHTS_APPLIED_AGAIN, actor=actor, at=at, subjects=list(missing), heads=heads)
    for subject, note in missing.items():
        person = session.scalars(select(Person).where(Person.student == subject)).first()
        if person is None:  # whoever came after the backup and may come again
            person = Person(id=secrets.token_hex(16), student=subject)
            session.add(person)
            session.flush()
        if note.what == Why.ERASED:
            _destroy(session, keys, person, note.listed, note.at)
        elif note.what == Why.OBJECTED:
            _let_hold(session, keys, person, note.listed, at, since=note.at)
        else:
            _end(session, person, note.at)
    return len(missing)
