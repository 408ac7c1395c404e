"""The tables. People stand apart from scores, and no name or number of theirs is in clear."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """All tables of the store. Times are UTC without a zone."""


class Person(Base):
    """A student, under a pseudonym; the key to what is written about them is their own, so that erasing them is destroying it."""

    __tablename__ = "people"

    id: Mapped[str] = mapped_column(primary_key=True)
    student: Mapped[str] = mapped_column(unique=True)
    sealed_key: Mapped[str | None]
    sealed_details: Mapped[str | None]
    erased_at: Mapped[dt.datetime | None]


class Week(Base):
    """A published list."""

    __tablename__ = "weeks"

    id: Mapped[int] = mapped_column(primary_key=True)
    on: Mapped[dt.date] = mapped_column("on_date", unique=True)
    published_at: Mapped[dt.datetime]
    institution: Mapped[str]
    target: Mapped[str]
    capacity: Mapped[int]
    cut_off: Mapped[float | None]
    scored: Mapped[int]
    not_scored: Mapped[int]
    policy: Mapped[dict[str, Any]] = mapped_column(JSON)
    models: Mapped[dict[str, str]] = mapped_column(JSON)
    outcome: Mapped[dict[str, Any]] = mapped_column(JSON)
    meaning: Mapped[dict[str, dict[str, str]]] = mapped_column(JSON)
    sealed_coaches: Mapped[str]
    sealed_logins: Mapped[str]
    sealed_mails: Mapped[str | None]
    synthetic: Mapped[bool]
    closed_on: Mapped[dt.date | None]
    students: Mapped[list[Student]] = relationship(back_populates="week", cascade="all, delete-orphan", passive_deletes=True)


class Student(Base):
    """A student on a published list: where they stood and what was said, linked to a person by a pseudonym."""

    __tablename__ = "students"
    __table_args__ = (
        Index("ix_students_week_coach", "week_id", "coach_id"),
        Index("ix_students_enrolment", "enrolment"),
        Index("ix_students_change", "change"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    week_id: Mapped[int] = mapped_column(ForeignKey("weeks.id", ondelete="CASCADE"))
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    enrolment: Mapped[str]
    programme: Mapped[str]
    coach_id: Mapped[str]
    day: Mapped[int]
    landmark: Mapped[int]
    invited: Mapped[bool]
    way: Mapped[str]
    how: Mapped[str]
    chance: Mapped[float | None]
    capacity: Mapped[int | None]
    cut_off: Mapped[float | None]
    rank: Mapped[int]
    margin: Mapped[float | None]
    probability: Mapped[float | None]
    sealed_shown: Mapped[str]
    change: Mapped[int]
    closed_on: Mapped[dt.date | None]
    week: Mapped[Week] = relationship(back_populates="students")
    person: Mapped[Person] = relationship()


class Withdrawn(Base):
    """An invitation that is no more, because another list of the same day took its place."""

    __tablename__ = "withdrawn"

    change: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    enrolment: Mapped[str]
    on: Mapped[dt.date] = mapped_column("on_date")
    at: Mapped[dt.datetime]
    person: Mapped[Person] = relationship()


class ChangeHead(Base):
    """The number of the last change to an invitation, in one row; taking hold of it puts writers in line, so that numbers appear in their order.

    The epoch is drawn anew when numbers may come twice, as after a restore.
    """

    __tablename__ = "change_head"

    id: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int]
    epoch: Mapped[str]


class Score(Base):
    """What one model said of one student at one moment, with the reasons as they were told."""

    __tablename__ = "scores"
    __table_args__ = (
        Index("ix_scores_person", "person_id", "id"),
        Index("ix_scores_run", "run_id", "id", sqlite_where=text("run_id IS NOT NULL"), postgresql_where=text("run_id IS NOT NULL")),
        Index(
            "ux_scores_run_student",
            "run_id",
            "enrolment",
            "target",
            unique=True,
            sqlite_where=text("run_id IS NOT NULL"),
            postgresql_where=text("run_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    enrolment: Mapped[str]
    at: Mapped[dt.datetime]
    on: Mapped[dt.date | None] = mapped_column("on_date")
    day: Mapped[int | None]
    landmark: Mapped[int]
    target: Mapped[str]
    probability: Mapped[float]
    low: Mapped[float | None]
    high: Mapped[float | None]
    unusual: Mapped[bool]
    model: Mapped[str]
    sealed_reasons: Mapped[str]
    source: Mapped[str]
    run_id: Mapped[str | None]
    person: Mapped[Person] = relationship()


class Run(Base):
    """A cohort that is scored, was, or waits to be; who asked is sealed, and what went wrong too, as it may quote the data."""

    __tablename__ = "runs"
    __table_args__ = (Index("ux_runs_caller_key", "caller", "key", unique=True), Index("ix_runs_state", "state"))

    seq: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    caller: Mapped[str]
    sealed_actor: Mapped[str]
    key: Mapped[str | None]
    body: Mapped[str]
    folder: Mapped[str | None]
    on: Mapped[dt.date] = mapped_column("on_date")
    state: Mapped[str]
    step: Mapped[str]
    total: Mapped[int | None]
    done: Mapped[int]
    left_out: Mapped[int]
    worker: Mapped[str | None]
    beat: Mapped[int]
    attempts: Mapped[int]
    made_at: Mapped[dt.datetime]
    begun_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]
    models: Mapped[dict[str, str] | None] = mapped_column(JSON)
    explained: Mapped[str | None]
    data: Mapped[str | None]
    problem: Mapped[str | None]
    sealed_detail: Mapped[str | None]


class RunStudent(Base):
    """A student of a run: scored, or not and why; the scores themselves are `Score`s of the run."""

    __tablename__ = "run_students"
    __table_args__ = (
        Index("ux_run_students_enrolment", "run_seq", "enrolment", unique=True),
        Index("ix_run_students_person", "person_id"),
    )

    run_seq: Mapped[int] = mapped_column(ForeignKey("runs.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    enrolment: Mapped[str]
    cohort: Mapped[str]
    programme: Mapped[str]
    day: Mapped[int | None]
    landmark: Mapped[int | None]
    rank: Mapped[int | None]
    not_scored: Mapped[str | None]
    unusual: Mapped[dict[str, list[str]]] = mapped_column(JSON)
    person: Mapped[Person] = relationship()


class AuditEvent(Base):
    """One thing that happened, under the chain's code."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_subject", "subject"),)

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[dt.datetime]
    event: Mapped[str]
    actor: Mapped[str]
    subject: Mapped[str]
    why: Mapped[str]
    code: Mapped[str]


class AuditHead(Base):
    """The chain's last code, in one row; taking hold of it puts writers in line."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int]
    code: Mapped[str]


class AuditCheckpoint(Base):
    """Up to where old events were removed after their time, signed."""

    __tablename__ = "audit_checkpoints"

    through: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str]
    at: Mapped[dt.datetime]
    signature: Mapped[str]


class Token(Base):
    """A machine's token; its secret is known to the machine alone."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    digest: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(JSON)
    made_at: Mapped[dt.datetime]
    made_by: Mapped[str]
    ends_at: Mapped[dt.datetime]
    revoked_at: Mapped[dt.datetime | None]


class LoginSession(Base):
    """A person's session; its secret is known to their browser alone."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_person", "person"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    person: Mapped[str]
    sealed_person: Mapped[str]
    begun_at: Mapped[dt.datetime]
    seen_at: Mapped[dt.datetime]
    ended_at: Mapped[dt.datetime | None]


class StandIn(Base):
    """Somebody who sees a coach's students in that coach's place, for a stated time."""

    __tablename__ = "stand_ins"
    __table_args__ = (Index("ix_stand_ins_person", "person"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    person: Mapped[str]
    coach_id: Mapped[str]
    begins_on: Mapped[dt.date]
    ends_on: Mapped[dt.date]
    made_at: Mapped[dt.datetime]


class Barred(Base):
    """A digest of a student or of an enrolment of theirs that is not to be scored: because they objected, or because they were erased.

    `listed` is the digest under which a student stands on lists for data folders; only a student's own row has one.
    """

    __tablename__ = "barred"
    __table_args__ = (Index("ix_barred_person", "person_id"),)

    digest: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    why: Mapped[str]
    listed: Mapped[str | None]


class Objection(Base):
    """An objection to being scored, for as long as it held."""

    __tablename__ = "objections"
    __table_args__ = (Index("ix_objections_person", "person_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    begun_at: Mapped[dt.datetime]
    ended_at: Mapped[dt.datetime | None]
