"""Published lists: put into the store whole, and read back with the people that belong to them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session, joinedload

from serving.store.audit import Event, hold, record
from serving.store.caseload import keep_caseload
from serving.store.changes import take_numbers, withdraw
from serving.store.keys import Keys
from serving.store.people import ENROLMENT, STUDENT, details_of, keep_people
from serving.store.rights import barred_students
from serving.store.scores import NewScore, Source, keep_scores
from serving.store.sealing import seal, shown_of
from serving.store.tables import StandIn, Student, Week
from serving.week import PublishedStudent, PublishedWeek

# What only pages read, kept together as it was that day.
_SHOWN = {"reasons", "frequency", "interval", "unusual", "lessons", "tests", "background"}
_APART = {"enrolment_id", "student_id", "name", "low", "high"}


@dataclass(frozen=True)
class Store:
    """An open store: the database, the keys to it, and the file that notes the audit trail outside it."""

    engine: Engine
    keys: Keys
    heads: Path | None = None

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Give a session to read with."""
        with Session(self.engine) as session:
            yield session

    def record(self, event: Event, *, actor: str, subjects: Sequence[str], why: str = "") -> None:
        """Record an event in a transaction of its own, before what it tells of is shown."""
        with Session(self.engine) as session, session.begin():
            record(session, self.keys, event, actor=actor, at=now(), subjects=subjects, why=why, heads=self.heads)


@dataclass(frozen=True)
class Listed:
    """A student on a list as a page shows them.

    Attributes
    ----------
    enrolment_id, student_id, name : str
        As the institution knows them.
    subject : str
        Digest of the student, for the audit trail.
    row : Student
        Where they stood.
    shown : dict
        What was said.
    """

    enrolment_id: str
    student_id: str
    name: str
    subject: str
    row: Student
    shown: dict[str, Any]


def now() -> dt.datetime:
    """Give the moment, UTC, as the store keeps it."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def publish_week(store: Store, week: PublishedWeek, *, actor: str) -> int:
    """Put a list into the store, in one transaction; a list of the same day is replaced whole.

    Parameters
    ----------
    store : Store
    week : PublishedWeek
    actor : str
        Who publishes it.

    Returns
    -------
    int
        How many students were left out because they objected or were erased.
    """
    keys = store.keys
    with Session(store.engine) as session, session.begin():
        hold(session)
        barred = barred_students(session, keys, (student.student_id for student in week.students))
        # Who objected while the list was being made is not put on it, unless something else than a model or the lot does.
        asked = [student for student in week.students if student.probability is None or student.student_id not in barred]
        subjects = [keys.digest(STUDENT, student.student_id) for student in asked]
        record(session, keys, Event.OPERATOR_LIST_PUBLISHED, actor=actor, at=now(), subjects=subjects, why="invitation", heads=store.heads)
        people = keep_people(session, keys, ((student.student_id, student.name, student.enrolment_id) for student in asked))
        listed = [student for student in asked if student.student_id in people]
        first = take_numbers(session, len(listed))
        students = [
            Student(
                **student.model_dump(exclude=_SHOWN | _APART),
                person_id=people[student.student_id].id,
                enrolment=keys.digest(ENROLMENT, student.enrolment_id),
                sealed_shown=seal(people[student.student_id].key, student.model_dump(mode="json", include=_SHOWN)),
                change=change,
            )
            for change, student in enumerate(listed, start=first)
        ]
        before = select(Student.person_id, Student.enrolment).join(Week).where(Week.on == week.on, Student.invited).order_by(Student.id)
        still = {student.enrolment for student in students if student.invited}
        gone = [(person, enrolment, week.on) for person, enrolment in session.execute(before).all() if enrolment not in still]
        withdraw(session, gone, now())
        session.execute(delete(Week).where(Week.on == week.on))
        told = week.model_dump(exclude={"students", "coaches", "coach_logins", "coach_mails", "caseload"})
        sealed_coaches = keys.seal(json.dumps(week.coaches, ensure_ascii=False))
        sealed_logins = keys.seal(json.dumps(week.coach_logins, ensure_ascii=False))
        mails = keys.seal(json.dumps(week.coach_mails, ensure_ascii=False)) if week.coach_mails else None
        sealed_parts = {"sealed_coaches": sealed_coaches, "sealed_logins": sealed_logins, "sealed_mails": mails}
        session.add(Week(**told, **sealed_parts, published_at=now(), students=students))
        if week.caseload is not None:
            keep_caseload(session, keys, week.caseload, week.on)
        scores = [score for student in listed if (score := _score_of(week, student)) is not None]
        keep_scores(session, keys, scores, source=Source.PUBLISH, actor=actor, at=now(), heads=store.heads)
    return len(week.students) - len(students)


def _score_of(week: PublishedWeek, student: PublishedStudent) -> NewScore | None:
    if student.probability is None:
        return None
    return NewScore(
        student_id=student.student_id,
        enrolment_id=student.enrolment_id,
        on=week.on,
        day=student.day,
        landmark=student.landmark,
        target=week.target,
        probability=student.probability,
        low=student.low,
        high=student.high,
        unusual=bool(student.unusual),
        model=week.models.get(week.target, ""),
        reasons=[reason.model_dump(mode="json") for reason in student.reasons],
        name=student.name,
    )


def latest_week(session: Session) -> Week | None:
    """Give the newest list of a cohort that is not closed, or None."""
    return session.scalars(select(Week).where(Week.closed_on.is_(None)).order_by(Week.on.desc()).limit(1)).first()


def published_days(session: Session) -> set[dt.date]:
    """Give the days of all lists."""
    return set(session.scalars(select(Week.on)).all())


def holds_real_people(session: Session) -> bool:
    """Tell whether any list in the store is of people who may exist."""
    return session.scalars(select(Week.id).where(Week.synthetic.is_(False)).limit(1)).first() is not None


def coaches_of(week: Week, keys: Keys) -> dict[str, str]:
    """Give the names of a list's coaches by their id."""
    told: dict[str, str] = json.loads(keys.open(week.sealed_coaches))
    return told


def logins_of(week: Week, keys: Keys) -> dict[str, str]:
    """Give whose login belongs to which of a list's coaches: coach ids by login subject."""
    told: dict[str, str] = json.loads(keys.open(week.sealed_logins))
    return told


def mail_of(week: Week, keys: Keys, login: str) -> str:
    """Give the address of the coach whose login this is; empty where none is known."""
    coach = logins_of(week, keys).get(login, "")
    mails: dict[str, str] = {} if week.sealed_mails is None else json.loads(keys.open(week.sealed_mails))
    return mails.get(coach, "")


def coaches_behind(session: Session, keys: Keys, week: Week, login: str, on: dt.date) -> frozenset[str]:
    """Give whose students a person sees: their own as a coach, and those of coaches whom they stand in for on a day.

    Parameters
    ----------
    session : Session
    keys : Keys
    week : Week
        The list tells which login belongs to which coach.
    login : str
        The person's login subject.
    on : datetime.date
    """
    logins = logins_of(week, keys)
    own = {logins[login]} if login in logins else set()
    query = select(StandIn.coach_id).where(StandIn.person == keys.digest("actor", login), StandIn.begins_on <= on, StandIn.ends_on >= on)
    return frozenset(own | set(session.scalars(query)))


def invited_students(session: Session, keys: Keys, week: Week, coaches: Collection[str] | None) -> list[Listed]:
    """Give the students invited on a list, all or some coaches', in neutral order: by name."""
    query = select(Student).where(Student.week_id == week.id, Student.invited, Student.closed_on.is_(None))
    if coaches is not None:
        query = query.where(Student.coach_id.in_(coaches))
    return sorted(_listed(session, keys, query), key=lambda student: (student.name.casefold(), student.enrolment_id))


def find_student(session: Session, keys: Keys, week: Week, enrolment_id: str) -> Listed | None:
    """Give an invited student on a list, or None."""
    own = (Student.week_id == week.id, Student.enrolment == keys.digest(ENROLMENT, enrolment_id))
    query = select(Student).where(*own, Student.invited, Student.closed_on.is_(None))
    return next(_listed(session, keys, query), None)


def _listed(session: Session, keys: Keys, query: Any) -> Iterator[Listed]:
    for row in session.scalars(query.options(joinedload(Student.person))):
        details = details_of(row.person, keys)
        if details is not None:
            shown = shown_of(row, keys)
            yield Listed(details.enrolments[row.enrolment], details.student_id, details.name, row.person.student, row, shown)


def coaches_with_invited(session: Session, week: Week) -> dict[str, int]:
    """Give how many students of each coach are invited on a list."""
    rows = session.execute(
        select(Student.coach_id, func.count())
        .where(Student.week_id == week.id, Student.invited, Student.closed_on.is_(None))
        .group_by(Student.coach_id)
    ).all()
    return {row[0]: int(row[1]) for row in rows}


def invited_since(session: Session, week: Week, students: Sequence[Listed]) -> dict[str, dt.date]:
    """Give since which list each student has been invited without a break, by enrolment id."""
    names = {student.row.enrolment: student.enrolment_id for student in students}
    lists = session.execute(select(Week.id, Week.on).where(Week.on <= week.on).order_by(Week.on.desc())).all()
    # By enrolment alone: a list holds many more students than are asked for, and with all that was shown of each.
    rows = session.execute(select(Student.enrolment, Student.week_id).where(Student.enrolment.in_(names), Student.invited))
    invited: dict[str, set[int]] = {}
    for enrolment, identity in rows:
        invited.setdefault(enrolment, set()).add(identity)
    since = dict.fromkeys(names.values(), week.on)
    for enrolment, name in names.items():
        for identity, on in lists:
            if identity not in invited.get(enrolment, ()):
                break
            since[name] = on
    return since


def invited_before(session: Session, on: dt.date) -> tuple[dict[str, dt.date], set[str]]:
    """Give when each enrolment was last invited before a day, by its digest, and whom the last list before it held."""
    query = select(Student.enrolment, func.max(Week.on)).join(Week).where(Student.invited, Week.on < on).group_by(Student.enrolment)
    last_invited = {enrolment: day for enrolment, day in session.execute(query)}  # noqa: C416 - a row is no pair to the type checker
    newest = max(last_invited.values(), default=None)
    return last_invited, {enrolment for enrolment, day in last_invited.items() if day == newest}


def reseal_coaches(session: Session, keys: Keys) -> None:
    """Encrypt the coaches' names and logins on every list anew with the newest key."""
    for week in session.scalars(select(Week)):
        week.sealed_coaches = keys.reseal(week.sealed_coaches)
        week.sealed_logins = keys.reseal(week.sealed_logins)
        week.sealed_mails = None if week.sealed_mails is None else keys.reseal(week.sealed_mails)
