"""The tables of the coach's desk. What somebody wrote of a student is sealed with the student's own key; who wrote it, with the store's."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from serving.store.letter_tables import Appointment, Letter, Word
from serving.store.tables import Base, Person


class OwnStudent(Base):
    """An enrolment and its own coach as last delivered, invited or not; nothing is said of how they do."""

    __tablename__ = "own_students"
    __table_args__ = (Index("ix_own_students_coach", "coach_id"), Index("ix_own_students_person", "person_id"))

    enrolment: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    programme: Mapped[str]
    coach_id: Mapped[str]
    started_on: Mapped[dt.date]
    on: Mapped[dt.date] = mapped_column("on_date")
    closed_on: Mapped[dt.date | None]
    person: Mapped[Person] = relationship()


class FollowUp(Base):
    """How far it is with one student: the newest state, which a version guards against being written over unseen."""

    __tablename__ = "follow_ups"
    __table_args__ = (Index("ix_follow_ups_person", "person_id"), Index("ix_follow_ups_handed", "handed_coach"))

    enrolment: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    version: Mapped[int]
    stage: Mapped[str]
    not_why: Mapped[str]
    reasons: Mapped[list[str]] = mapped_column(JSON)
    sealed_words: Mapped[str]
    next_on: Mapped[dt.date | None]
    handed_to: Mapped[str]
    handed_coach: Mapped[str]
    consent_on: Mapped[dt.date | None]
    contact_on: Mapped[dt.date | None]
    changed_at: Mapped[dt.datetime]
    sealed_by: Mapped[str]
    person: Mapped[Person] = relationship()


class Step(Base):
    """One step that was taken with a student, as it was noted; steps are added and never changed."""

    __tablename__ = "steps"
    __table_args__ = (Index("ix_steps_enrolment", "enrolment"), Index("ix_steps_person", "person_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    on: Mapped[dt.date] = mapped_column("on_date")
    at: Mapped[dt.datetime]
    what: Mapped[str]
    why: Mapped[str]
    sealed_by: Mapped[str]


class Note(Base):
    """What a coach wrote down after a talk."""

    __tablename__ = "notes"
    __table_args__ = (Index("ix_notes_enrolment", "enrolment"), Index("ix_notes_person", "person_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    at: Mapped[dt.datetime]
    sealed_by: Mapped[str]
    sealed_text: Mapped[str]


class Draft(Base):
    """What somebody filled in and did not save; theirs alone to see."""

    __tablename__ = "drafts"
    __table_args__ = (Index("ix_drafts_person", "person_id"),)

    enrolment: Mapped[str] = mapped_column(primary_key=True)
    author: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    saved_at: Mapped[dt.datetime]
    sealed_fields: Mapped[str]


class InvitationMark(Base):
    """What a coach said of one invitation: known or new, and why it does not fit now."""

    __tablename__ = "invitation_marks"
    __table_args__ = (Index("ix_invitation_marks_person", "person_id"),)

    enrolment: Mapped[str] = mapped_column(primary_key=True)
    on: Mapped[dt.date] = mapped_column("on_date", primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    known: Mapped[str]
    not_now: Mapped[str]
    at: Mapped[dt.datetime]


class DataReport(Base):
    """A datum that is said to be wrong, until whoever keeps the register has mended it or found it right."""

    __tablename__ = "data_reports"
    __table_args__ = (Index("ix_data_reports_enrolment", "enrolment"), Index("ix_data_reports_person", "person_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    register: Mapped[str]
    sealed_text: Mapped[str]
    made_at: Mapped[dt.datetime]
    sealed_by: Mapped[str]
    ended_at: Mapped[dt.datetime | None]
    outcome: Mapped[str]


class TalkRequest(Base):
    """A wish for a talk, of the student or of the coach, until they talked or it was taken back."""

    __tablename__ = "talk_requests"
    __table_args__ = (Index("ix_talk_requests_enrolment", "enrolment"), Index("ix_talk_requests_person", "person_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    way: Mapped[str]
    sealed_text: Mapped[str]
    made_at: Mapped[dt.datetime]
    sealed_by: Mapped[str]
    ended_at: Mapped[dt.datetime | None]


OF_A_PERSON: tuple[type[Any], ...] = (
    OwnStudent,
    FollowUp,
    Step,
    Note,
    Draft,
    InvitationMark,
    DataReport,
    TalkRequest,
    Word,
    Appointment,
    Letter,
)
"""All tables of the desk; each of their rows is of one person. Rows that others point to come last, so that rows can go in this order."""
