"""What is held of a student, told so that they can read it, in Dutch or English. It reads the store and changes nothing."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from riskmodel.scoring import NOT_SCORED
from serving.languages import LANGUAGES
from serving.store.audit import events_about
from serving.store.keys import Keys
from serving.store.people import STUDENT, Details, details_of, find_person
from serving.store.sealing import reasons_of, shown_of
from serving.store.tables import Objection, Person, Run, RunStudent, Score, Student
from serving.store.weeks import coaches_of
from serving.telling_desk import held_at_desk

_HERE = Path(__file__).parent / "texts"
TEXTS = {language: tomllib.loads((_HERE / f"rights.{language}.toml").read_text(encoding="utf-8")) for language in LANGUAGES}
_CODE = 12


class Section(BaseModel):
    """One kind of what is held."""

    title: str
    purpose: str = Field(description="What it is held for.")
    rows: list[dict[str, str]] = Field(description="Each in words, by what it is.")


def all_held(session: Session, keys: Keys, student_id: str, language: str) -> list[Section]:
    """Give all that is held of a student, in their language; of one who was erased, what stays.

    Parameters
    ----------
    session : Session
    keys : Keys
    student_id : str
    language : {'nl', 'en'}

    Returns
    -------
    list of Section
        Those with something in them.
    """
    texts = TEXTS[language]
    person = find_person(session, keys, student_id)
    details = None if person is None else details_of(person, keys)
    found: dict[str, list[dict[str, str]]] = {}
    if person is not None and details is not None:
        found["identity"] = [_identity(details, texts)]
        found["lists"] = _lists(session, keys, person, details, texts, language)
        found["scores"] = _scores(session, keys, person, details, texts, language)
        for kind, rows in held_at_desk(session, keys, person, texts).items():
            found[kind] = [_row(texts, **row) for row in rows]
        found["runs"] = _runs(session, person, details, texts, language)
    if person is not None:
        query = select(Objection).where(Objection.person_id == person.id).order_by(Objection.id)
        found["objections"] = [
            _row(texts, begun=_moment(each.begun_at), ended=None if each.ended_at is None else _moment(each.ended_at))
            for each in session.scalars(query)
        ]
    found["events"] = who_saw(session, keys, student_id, language)
    return [Section(title=texts["held"][name], purpose=texts["held"][f"{name}_why"], rows=rows) for name, rows in found.items() if rows]


def who_saw(session: Session, keys: Keys, student_id: str, language: str) -> list[dict[str, str]]:
    """Give who saw or did what about a student, oldest first, in words; people of the institution are codes."""
    texts = TEXTS[language]
    return [
        _row(texts, at=_moment(event.at), what=texts["event"].get(event.event, event.event), by=event.actor[:_CODE], why=event.why or None)
        for event in events_about(session, keys.digest(STUDENT, student_id))
    ]


def _row(texts: dict[str, Any], **told: str | None) -> dict[str, str]:
    return {texts["words"][name]: value for name, value in told.items() if value}


def _moment(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _number(value: float, language: str) -> str:
    text = f"{100 * value:.1f} %"
    return text.replace(".", ",") if language == "nl" else text


def _identity(details: Details, texts: dict[str, Any]) -> dict[str, str]:
    return _row(
        texts,
        student_number=details.student_id,
        name=details.name,
        email=details.email or None,
        language=details.language or None,
        enrolments=", ".join(sorted(details.enrolments.values())) or None,
    )


def _reasons(reasons: Any, language: str) -> str | None:
    return " ".join(reason["text"].get(language) or next(iter(reason["text"].values())) for reason in reasons) or None


def _lists(session: Session, keys: Keys, person: Person, details: Details, texts: dict[str, Any], language: str) -> list[dict[str, str]]:
    query = select(Student).where(Student.person_id == person.id).options(joinedload(Student.week)).order_by(Student.id)
    rows = []
    for place in session.scalars(query):
        shown = shown_of(place, keys)
        lessons = "; ".join(f"{each['monday']}: {each['attended']:g}/{each['scheduled']:g}" for each in shown.get("lessons", ()))
        tests = "; ".join(
            f"{each['date']} {each['course']} {each['test']}: {_grade(each['grade'], language) or texts['test_status'].get(each['status'], each['status'])}"
            for each in shown.get("tests", ())
        )
        background = "; ".join(_brought(shown.get("background", {}), texts, language))
        rows.append(
            _row(
                texts,
                on=place.week.on.isoformat(),
                programme=place.programme,
                coach=coaches_of(place.week, keys).get(place.coach_id),
                how=texts["way"].get(place.way),
                probability=None if place.probability is None else _number(place.probability, language),
                reasons=_reasons(shown.get("reasons", ()), language),
                lessons=lessons or None,
                tests=tests or None,
                background=background or None,
                enrolments=details.enrolments.get(place.enrolment),
            )
        )
    return rows


def _grade(grade: float | None, language: str) -> str:
    text = "" if grade is None else f"{grade:g}"
    return text.replace(".", ",") if language == "nl" else text


def _brought(background: dict[str, Any], texts: dict[str, Any], language: str) -> list[str]:
    """Give what a student brought along, each by its name."""
    told = []
    for name, value in background.items():
        if value is None:
            continue
        words = value.get(language) if isinstance(value, dict) else texts["brought_value"].get(str(value).lower(), str(value))
        told.append(f"{texts['brought'].get(name, name)}: {words}")
    return told


def _scores(session: Session, keys: Keys, person: Person, details: Details, texts: dict[str, Any], language: str) -> list[dict[str, str]]:
    rows = []
    for score in session.scalars(select(Score).where(Score.person_id == person.id).order_by(Score.id)):
        between = None if score.low is None or score.high is None else f"{_number(score.low, language)} - {_number(score.high, language)}"
        rows.append(
            _row(
                texts,
                at=_moment(score.at),
                target=texts["target"].get(score.target, score.target),
                probability=_number(score.probability, language),
                interval=between,
                reasons=_reasons(reasons_of(score, keys, person), language),
                model=score.model,
                source=texts["source"].get(score.source, score.source),
                enrolments=details.enrolments.get(score.enrolment),
            )
        )
    return rows


def _runs(session: Session, person: Person, details: Details, texts: dict[str, Any], language: str) -> list[dict[str, str]]:
    query = select(RunStudent, Run).join(Run).where(RunStudent.person_id == person.id).order_by(RunStudent.run_seq)
    return [
        _row(
            texts,
            at=_moment(run.made_at),
            programme=place.programme,
            cohort=place.cohort,
            rank=None if place.rank is None else str(place.rank),
            not_scored=None if place.not_scored is None else NOT_SCORED[place.not_scored][language],
            unusual="; ".join(place.unusual.get(language, ())) or None,
            enrolments=details.enrolments.get(place.enrolment),
        )
        for place, run in session.execute(query)
    ]
