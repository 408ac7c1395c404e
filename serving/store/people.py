"""Students as persons: found by the digest of their number, told by a text that only their own key opens, erased by destroying it."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Connection, Table, bindparam, insert, select, update
from sqlalchemy.orm import Session, object_session

from riskmodel.errors import RiskModelError
from serving.store.changes import note_erased
from serving.store.keys import Keys
from serving.store.sealing import own_key
from serving.store.tables import Person

STUDENT, ENROLMENT = "student", "enrolment"
_PEOPLE: Table = Person.__table__  # type: ignore[assignment]
_THERE = select(*(_PEOPLE.c[name] for name in ("id", "student", "sealed_key", "sealed_details", "erased_at"))).where(
    _PEOPLE.c.student.in_(bindparam("students", expanding=True))
)
_ADD = insert(_PEOPLE)
_CHANGE = update(_PEOPLE).where(_PEOPLE.c.id == bindparam("number"))


@dataclass(frozen=True)
class Details:
    """What is told of a person.

    Attributes
    ----------
    student_id : str
    name : str
        The number where no name is known.
    enrolments : mapping of str to str
        The institution's enrolment ids by their digest.
    email, language : str
        Where letters go and in which language they are; empty where the institution did not tell.
    """

    student_id: str
    name: str
    enrolments: Mapping[str, str]
    email: str = ""
    language: str = ""

    def to_text(self) -> str:
        """Give all as one text, to be encrypted."""
        told = {"student_id": self.student_id, "name": self.name, "enrolments": dict(self.enrolments)}
        written = {name: value for name, value in (("email", self.email), ("language", self.language)) if value}
        return json.dumps(told | written, ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> Details:
        """Take back what `to_text` gave."""
        told = json.loads(text)
        return cls(told["student_id"], told["name"], told["enrolments"], told.get("email", ""), told.get("language", ""))


def details_of(person: Person, keys: Keys) -> Details | None:
    """Decrypt what is told of a person; None for one who was erased.

    Raises
    ------
    RiskModelError
        The store was written with other keys.
    """
    if person.sealed_key is None or person.sealed_details is None:
        return None
    return opened(person.sealed_key, person.sealed_details, keys)


def opened(sealed_key: str, sealed_details: str, keys: Keys) -> Details:
    """Decrypt what `sealed` gave.

    Raises
    ------
    RiskModelError
        The store was written with other keys, or the text is damaged.
    """
    return _details(own_key(sealed_key, keys), sealed_details)


def _details(own: Fernet, sealed_details: str) -> Details:
    try:
        return Details.from_text(own.decrypt(sealed_details.encode()).decode())
    except (InvalidToken, ValueError):
        raise RiskModelError("what is told of a person can't be read.", remedy="Put the store back from its backup.") from None


def sealed(details: Details, keys: Keys, sealed_key: str | None = None) -> tuple[str, str]:
    """Give a person's own key, encrypted, and their details, encrypted with it.

    Parameters
    ----------
    details : Details
    keys : Keys
    sealed_key : str, optional
        The person's key, where they have one already.
    """
    own = Fernet.generate_key().decode() if sealed_key is None else keys.open(sealed_key)
    return sealed_key or keys.seal(own), Fernet(own).encrypt(details.to_text().encode()).decode()


@dataclass(frozen=True)
class Known:
    """A student who is kept.

    Attributes
    ----------
    id : str
        The person's pseudonym.
    student : str
        Digest of the student's number, for the audit trail.
    key : Fernet
        The student's own.
    """

    id: str
    student: str
    key: Fernet


def keep_people(
    session: Session | Connection,
    keys: Keys,
    told: Iterable[tuple[str, str, str]],
    addresses: Mapping[str, tuple[str, str]] | None = None,
) -> dict[str, Known]:
    """Find or add the person behind each student, with the newest name and every enrolment.

    Parameters
    ----------
    session : Session or Connection
        Whose transaction holds the audit trail, so that nobody else adds the same student meanwhile.
    keys : Keys
    told : iterable of (student_id, name, enrolment_id)
        An empty name leaves the one that is known; for a student without any, their number stands in.
    addresses : mapping of str to (str, str), optional
        E-mail address and language by student; of whoever is not in it they stay as they were.

    Returns
    -------
    dict of student_id to Known
        Without students who were erased: nothing brings them back.
    """
    rows: dict[str, list[tuple[str, str]]] = {}
    for student, name, enrolment in told:
        rows.setdefault(student, []).append((name, enrolment))
    digests = {keys.digest(STUDENT, student): student for student in rows}
    there = {row.student: row for row in session.execute(_THERE, {"students": list(digests)})}
    found: dict[str, Known] = {}
    added: list[dict[str, str]] = []
    changed: list[dict[str, str]] = []
    for digest, student in digests.items():
        row = there.get(digest)
        if row is not None and row.erased_at is not None:
            continue
        held, before = (None, None) if row is None else (row.sealed_key, row.sealed_details)
        text = Fernet.generate_key().decode() if held is None else keys.open(held)
        own = Fernet(text)
        known = None if held is None or before is None else _details(own, before)
        details = known or Details(student, student, {})
        for name, enrolment in rows[student]:
            enrolments = {**details.enrolments, keys.digest(ENROLMENT, enrolment): enrolment}
            details = replace(details, student_id=student, name=name or details.name, enrolments=enrolments)
        if addresses is not None and student in addresses:
            email, language = addresses[student]
            details = replace(details, email=email, language=language)
        identity = secrets.token_hex(16) if row is None else row.id
        found[student] = Known(identity, digest, own)
        if details != known:
            sealed_details = own.encrypt(details.to_text().encode()).decode()
            kept = {"sealed_key": keys.seal(text) if held is None else held, "sealed_details": sealed_details}
            if row is None:
                added.append({"id": identity, "student": digest, **kept})
            else:
                changed.append({"number": identity, **kept})
    if added:
        session.execute(_ADD, added)
    if changed:
        session.execute(_CHANGE, changed)
        if isinstance(session, Session):
            session.expire_all()  # whoever loaded one of them before reads what stands there now
    return found


def find_person(session: Session, keys: Keys, student_id: str) -> Person | None:
    """Give the person behind a student number, erased or not, or None."""
    return session.scalars(select(Person).where(Person.student == keys.digest(STUDENT, student_id))).first()


def erase(person: Person, at: dt.datetime) -> None:
    """Destroy the key to what is told of a person, and the text; the digest stays, so that no export brings them back.

    Whoever follows invitations is told. Record the event first, as `audit.record` asks for.
    """
    person.sealed_key = None
    person.sealed_details = None
    person.erased_at = at.replace(tzinfo=None)
    session = object_session(person)
    if session is not None:
        note_erased(session, person.id)


def rotate(session: Session, keys: Keys) -> int:
    """Encrypt every person's key anew with the newest key, and give how many; the texts themselves stay as they are."""
    people = session.scalars(select(Person).where(Person.sealed_key.is_not(None))).all()
    for person in people:
        if person.sealed_key is not None:
            person.sealed_key = keys.reseal(person.sealed_key)
    return len(people)
