"""The tables of letters, appointments and teachers' words. What stands in them of a student is sealed with the student's own key."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from serving.store.tables import Base, Person


class Letter(Base):
    """An invitation to one student, from its draft to the answer. `number` is what its link holds; without the store's keys nobody makes that link."""

    __tablename__ = "letters"
    __table_args__ = (
        Index("ix_letters_number", "number", unique=True),
        Index("ix_letters_enrolment", "enrolment"),
        Index("ix_letters_person", "person_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str]
    enrolment: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    host: Mapped[str]
    made_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    state: Mapped[str]
    state_at: Mapped[dt.datetime]
    attempts: Mapped[int]
    fault: Mapped[str]
    answer: Mapped[str]
    answered_at: Mapped[dt.datetime | None]
    sealed_text: Mapped[str]
    sealed_by: Mapped[str]
    person: Mapped[Person] = relationship()


class Appointment(Base):
    """The moment that a student picked. A coach's moment is given once."""

    __tablename__ = "appointments"
    __table_args__ = (
        Index("ix_appointments_moment", "host", "starts_at", unique=True),
        Index("ix_appointments_enrolment", "enrolment"),
        Index("ix_appointments_person", "person_id"),
    )

    letter_id: Mapped[int] = mapped_column(ForeignKey("letters.id"), primary_key=True, autoincrement=False)
    enrolment: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    host: Mapped[str]
    starts_at: Mapped[dt.datetime]
    minutes: Mapped[int]
    made_at: Mapped[dt.datetime]
    changes: Mapped[int]
    told: Mapped[str]


class Word(Base):
    """A worry or a compliment that a teacher reported, until a coach took it up."""

    __tablename__ = "words"
    __table_args__ = (
        Index("ix_words_enrolment", "enrolment"),
        Index("ix_words_person", "person_id"),
        Index("ix_words_author", "author"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    author: Mapped[str]
    kind: Mapped[str]
    made_at: Mapped[dt.datetime]
    taken_at: Mapped[dt.datetime | None]
    sealed_text: Mapped[str]
    sealed_by: Mapped[str]
    person: Mapped[Person] = relationship()
