"""The service's store: published lists, in SQLite by default and PostgreSQL by URL. Times are UTC."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Engine, ForeignKey, Index, create_engine, delete, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from riskmodel.errors import RiskModelError
from serving.week import PublishedWeek

MIGRATIONS = Path(__file__).with_name("migrations")


class Base(DeclarativeBase):
    """All tables of the store."""


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
    coaches: Mapped[dict[str, str]] = mapped_column(JSON)
    students: Mapped[list[Student]] = relationship(back_populates="week", cascade="all, delete-orphan", passive_deletes=True)


class Student(Base):
    """A student on a published list."""

    __tablename__ = "students"
    __table_args__ = (
        Index("ix_students_week_coach", "week_id", "coach_id"),
        Index("ix_students_enrolment", "enrolment_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    week_id: Mapped[int] = mapped_column(ForeignKey("weeks.id", ondelete="CASCADE"))
    enrolment_id: Mapped[str]
    student_id: Mapped[str]
    name: Mapped[str]
    programme: Mapped[str]
    coach_id: Mapped[str]
    day: Mapped[int]
    landmark: Mapped[int]
    invited: Mapped[bool]
    way: Mapped[str]
    rank: Mapped[int]
    margin: Mapped[float | None]
    probability: Mapped[float]
    shown: Mapped[dict[str, Any]] = mapped_column(JSON)
    week: Mapped[Week] = relationship(back_populates="students")


def open_store(url: str) -> Engine:
    """Open the store, and bring its schema up to date.

    Parameters
    ----------
    url : str
        SQLAlchemy URL; the folder of an SQLite file is made where it is missing.

    Raises
    ------
    RiskModelError
        The database can't be reached or written.
    """
    from alembic import command
    from alembic.config import Config

    told = make_url(url)
    if told.get_backend_name() == "sqlite" and told.database:
        Path(told.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    if told.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["configure_logger"] = False
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        detail = type(error).__name__
        raise RiskModelError(
            f"the store can't be opened ({detail}).", place=told.render_as_string(), remedy="Check its address and rights."
        ) from error
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA busy_timeout = 5000")
    cursor.close()


def publish_week(engine: Engine, week: PublishedWeek) -> None:
    """Put a list into the store, in one transaction; a list of the same day is replaced whole.

    Parameters
    ----------
    engine : Engine
        What `open_store` gave.
    week : PublishedWeek
    """
    students = [
        Student(
            **student.model_dump(exclude={"reasons", "frequency", "lessons", "tests", "background"}),
            shown=student.model_dump(mode="json", include={"reasons", "frequency", "lessons", "tests", "background"}),
        )
        for student in week.students
    ]
    with Session(engine) as session, session.begin():
        session.execute(delete(Week).where(Week.on == week.on))
        told = week.model_dump(exclude={"students"})
        session.add(Week(**told, published_at=dt.datetime.now(dt.UTC).replace(tzinfo=None), students=students))


def latest_week(session: Session) -> Week | None:
    """Give the newest list, or None."""
    return session.scalars(select(Week).order_by(Week.on.desc()).limit(1)).first()


def invited_students(session: Session, week: Week, coach_id: str | None) -> Sequence[Student]:
    """Give the students invited on a list, all or one coach's, in neutral order: by name."""
    query = select(Student).where(Student.week_id == week.id, Student.invited)
    if coach_id is not None:
        query = query.where(Student.coach_id == coach_id)
    return sorted(session.scalars(query).all(), key=lambda student: (student.name.casefold(), student.enrolment_id))


def coaches_with_invited(session: Session, week: Week) -> dict[str, int]:
    """Give how many students of each coach are invited on a list."""
    rows = session.execute(
        select(Student.coach_id, func.count()).where(Student.week_id == week.id, Student.invited).group_by(Student.coach_id)
    ).all()
    return {row[0]: int(row[1]) for row in rows}


def find_student(session: Session, week: Week, enrolment_id: str) -> Student | None:
    """Give an invited student on a list, or None."""
    query = select(Student).where(Student.week_id == week.id, Student.enrolment_id == enrolment_id, Student.invited)
    return session.scalars(query).first()


def invited_since(session: Session, week: Week, enrolments: Sequence[str]) -> dict[str, dt.date]:
    """Give since which list each student has been invited without a break."""
    weeks = session.execute(select(Week.id, Week.on).where(Week.on <= week.on).order_by(Week.on.desc())).all()
    since = dict.fromkeys(enrolments, week.on)
    going = set(enrolments)
    for identity, on in weeks:
        found = set(
            session.scalars(
                select(Student.enrolment_id).where(Student.week_id == identity, Student.invited, Student.enrolment_id.in_(going))
            ).all()
        )
        going &= found
        since |= dict.fromkeys(going, on)
        if not going:
            break
    return since
