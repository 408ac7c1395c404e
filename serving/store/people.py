"""Students as persons: found by the digest of their number, told by a text that only their own key opens, erased by destroying it."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import select
from sqlalchemy.orm import Session, object_session

from riskmodel.errors import RiskModelError
from serving.store.changes import note_erased
from serving.store.keys import Keys
from serving.store.tables import Person

STUDENT, ENROLMENT = "student", "enrolment"


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
    """

    student_id: str
    name: str
    enrolments: Mapping[str, str]

    def to_text(self) -> str:
        """Give all as one text, to be encrypted."""
        return json.dumps({"student_id": self.student_id, "name": self.name, "enrolments": dict(self.enrolments)}, ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> Details:
        """Take back what `to_text` gave."""
        told = json.loads(text)
        return cls(told["student_id"], told["name"], told["enrolments"])


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
    own = keys.open(sealed_key)
    try:
        return Details.from_text(Fernet(own).decrypt(sealed_details.encode()).decode())
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


def keep_people(session: Session, keys: Keys, told: Iterable[tuple[str, str, str]]) -> dict[str, Person]:
    """Find or add the person behind each student, with the newest name and every enrolment.

    Parameters
    ----------
    session : Session
    keys : Keys
    told : iterable of (student_id, name, enrolment_id)
        An empty name leaves the one that is known; for a student without any, their number stands in.

    Returns
    -------
    dict of student_id to Person
        Without students who were erased: nothing brings them back.
    """
    rows = list(told)
    digests = {student: keys.digest(STUDENT, student) for student, _, _ in rows}
    known = {person.student: person for person in session.scalars(select(Person).where(Person.student.in_(set(digests.values()))))}
    found: dict[str, Person] = {}
    for student, name, enrolment in rows:
        person = known.get(digests[student])
        if person is not None and person.erased_at is not None:
            continue
        here = keys.digest(ENROLMENT, enrolment)
        if person is None:
            person = Person(id=secrets.token_hex(16), student=digests[student])
            known[digests[student]] = person
            session.add(person)
            details = Details(student, name or student, {here: enrolment})
        else:
            before = details_of(person, keys)
            name = name or (before.name if before else student)
            details = Details(student, name, {**(before.enrolments if before else {}), here: enrolment})
            if before == details:
                found[student] = person
                continue
        person.sealed_key, person.sealed_details = sealed(details, keys, person.sealed_key)
        found[student] = person
    session.flush()
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
