"""What teachers report of students of their own programmes: a worry or a compliment, and whether a coach took it up. It knows nothing else of anybody."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session, joinedload

from serving.store.audit import Event, record
from serving.store.desk_tables import OwnStudent
from serving.store.follow_up import About, Writer
from serving.store.keys import Keys
from serving.store.letter_tables import Word
from serving.store.people import ENROLMENT, details_of
from serving.store.sealing import open_text, seal_text
from serving.store.tables import Person
from serving.store.weeks import Store

KINDS = ("worry", "compliment")
MOST_FOUND = 10


@dataclass(frozen=True)
class Taught:
    """A student whom a teacher may report something of: who it is, and nothing of how they do."""

    enrolment_id: str
    student_id: str
    name: str
    programme: str
    about: About


@dataclass(frozen=True)
class Given:
    """What was reported.

    Attributes
    ----------
    id : int
    name : str
        The student's.
    kind : str
        One of `KINDS`.
    text, by : str
    made_at : datetime.datetime
    taken_at : datetime.datetime or None
        When a coach took it up.
    """

    id: int
    name: str
    kind: str
    text: str
    by: str
    made_at: dt.datetime
    taken_at: dt.datetime | None


def find_taught(session: Session, keys: Keys, programmes: Collection[str], asked: str) -> list[Taught]:
    """Give the students of some programmes whose number is this, or in whose name all these words stand; by name, the first `MOST_FOUND`."""
    words = asked.casefold().split()
    if len("".join(words)) < 2:
        return []
    found = []
    for row in _enrolled(session, programmes):
        told = _taught(row, keys)
        if told is not None and (
            told.student_id.casefold() == asked.casefold().strip() or all(each in told.name.casefold() for each in words)
        ):
            found.append(told)
    return sorted(found, key=lambda each: (each.name.casefold(), each.enrolment_id))[:MOST_FOUND]


def taught(session: Session, keys: Keys, programmes: Collection[str], enrolment_id: str) -> Taught | None:
    """Give one student of some programmes, or None: as if they were not here."""
    digest = keys.digest(ENROLMENT, enrolment_id)
    return next((told for row in _enrolled(session, programmes, digest) if (told := _taught(row, keys)) is not None), None)


def _enrolled(session: Session, programmes: Collection[str], enrolment: str = "") -> list[OwnStudent]:
    query = (
        select(OwnStudent)
        .where(OwnStudent.closed_on.is_(None), OwnStudent.programme.in_(programmes))
        .options(joinedload(OwnStudent.person))
    )
    return list(session.scalars(query.where(OwnStudent.enrolment == enrolment) if enrolment else query))


def _taught(row: OwnStudent, keys: Keys) -> Taught | None:
    details = details_of(row.person, keys)
    if details is None or row.enrolment not in details.enrolments:
        return None
    return Taught(details.enrolments[row.enrolment], details.student_id, details.name, row.programme, About(row.person, row.enrolment))


def give_word(store: Store, about: About, kind: str, text: str, *, by: Writer, at: dt.datetime) -> None:
    """Keep what a teacher reported, for the student's coach."""
    keys = store.keys
    with Session(store.engine) as session, session.begin():
        record(session, keys, Event.PAGE_WORD_GIVEN, actor=by.login, at=at, subjects=[about.person.student], heads=store.heads)
        person = session.get_one(Person, about.person.id)
        session.add(
            Word(
                enrolment=about.enrolment, person_id=person.id, author=keys.digest("actor", by.login), kind=kind, made_at=at, taken_at=None,
                sealed_text=seal_text(person, keys, text), sealed_by=keys.seal(by.name),
            )
        )  # fmt: skip


def take_up(store: Store, about: About, identity: int, *, by: Writer, at: dt.datetime) -> bool:
    """Note that a coach took up what was reported, and tell whether it was still to be."""
    with Session(store.engine) as session, session.begin():
        record(session, store.keys, Event.PAGE_WORD_TAKEN_UP, actor=by.login, at=at, subjects=[about.person.student], heads=store.heads)
        own = (Word.id == identity, Word.enrolment == about.enrolment, Word.taken_at.is_(None))
        taken = session.execute(update(Word).where(*own).values(taken_at=at))
        if not taken.rowcount:  # type: ignore[attr-defined]
            session.rollback()
            return False
    return True


def words_on(session: Session, keys: Keys, about: About) -> list[Given]:
    """Give what teachers reported of a student, newest first."""
    query = select(Word).where(Word.enrolment == about.enrolment).options(joinedload(Word.person)).order_by(Word.id.desc())
    return [_given(row, keys) for row in session.scalars(query)]


def words_by(session: Session, keys: Keys, login: str) -> list[Given]:
    """Give what one teacher reported, newest first."""
    query = select(Word).where(Word.author == keys.digest("actor", login)).options(joinedload(Word.person)).order_by(Word.id.desc())
    return [_given(row, keys) for row in session.scalars(query)]


def _given(row: Word, keys: Keys) -> Given:
    details = details_of(row.person, keys)
    name = "" if details is None else details.name
    return Given(row.id, name, row.kind, open_text(row.person, keys, row.sealed_text), keys.open(row.sealed_by), row.made_at, row.taken_at)


def waiting_words(session: Session, enrolments: Collection[str]) -> dict[str, dt.datetime]:
    """Give since when something that a teacher reported waits to be taken up, by the enrolment's digest."""
    query = select(Word.enrolment, Word.made_at).where(Word.enrolment.in_(enrolments), Word.taken_at.is_(None)).order_by(Word.id.desc())
    return {row[0]: row[1] for row in session.execute(query)}
