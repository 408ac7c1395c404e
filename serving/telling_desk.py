"""What the coach's desk holds of a student, told so that they can read it. It reads the store and changes nothing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.store.desk_tables import DataReport, Draft, FollowUp, InvitationMark, Note, OwnStudent, Step, TalkRequest
from serving.store.keys import Keys
from serving.store.letter_tables import Appointment, Letter, Word
from serving.store.letters import Written
from serving.store.sealing import open_text
from serving.store.tables import Person

Rows = list[dict[str, str | None]]


def held_at_desk(session: Session, keys: Keys, person: Person, texts: dict[str, Any]) -> dict[str, Rows]:
    """Give each kind of what the desk holds of a student, in words of their language.

    Parameters
    ----------
    session : Session
    keys : Keys
    person : Person
        One who was not erased.
    texts : dict
        Phrases for the student, with the words of closed lists under 'desk'.
    """

    def of(table: Any, order: Any, tell: Callable[[Any], dict[str, str | None]]) -> Rows:
        return [tell(row) for row in session.scalars(select(table).where(table.person_id == person.id).order_by(order))]

    def own(text: str) -> str:
        return open_text(person, keys, text)

    def word(kind: str, key: str) -> str | None:
        return texts["desk"][kind].get(key, key) if key else None

    def follow_up(row: FollowUp) -> dict[str, str | None]:
        words = json.loads(own(row.sealed_words) or "{}")
        return {
            "at": _moment(row.changed_at),
            "stage": word("stage", row.stage),
            "why": word("not_why", row.not_why),
            "reasons_told": "; ".join(word("reason", each) or "" for each in row.reasons) or None,
            "reason_note": words.get("reason_note") or None,
            "next_step": words.get("next_step") or None,
            "next_on": _day(row.next_on),
            "handed_to": word("hand_to", row.handed_to),
            "consent_on": _day(row.consent_on),
            "contact_on": _day(row.contact_on),
        }

    def letter(row: Letter) -> dict[str, str | None]:
        written = Written.from_text(own(row.sealed_text))
        return {
            "at": _moment(row.made_at),
            "outcome": word("letter", row.state),
            "answer": word("answer", row.answer),
            "moments": "; ".join(_moment(each.starts_at) for each in written.moments),
            "text": written.body,
        }

    return {
        "coached": of(
            OwnStudent,
            OwnStudent.started_on,
            lambda row: {"programme": row.programme, "coach": row.coach_id, "begun": _day(row.started_on)},
        ),
        "follow_up": of(FollowUp, FollowUp.changed_at, follow_up),
        "steps": of(Step, Step.id, lambda row: {"on": _day(row.on), "stage": word("stage", row.what), "why": word("not_why", row.why)}),
        "notes": of(Note, Note.id, lambda row: {"at": _moment(row.at), "text": own(row.sealed_text)}),
        "drafts": of(Draft, Draft.saved_at, lambda row: {"at": _moment(row.saved_at), "text": _filled_in(own(row.sealed_fields))}),
        "marks": of(
            InvitationMark,
            InvitationMark.on,
            lambda row: {"on": _day(row.on), "mark": word("known", row.known), "why": word("not_now", row.not_now)},
        ),
        "reports": of(
            DataReport,
            DataReport.id,
            lambda row: {
                "at": _moment(row.made_at),
                "register": word("register", row.register),
                "text": own(row.sealed_text),
                "outcome": word("outcome", row.outcome or "open"),
            },
        ),
        "letters": of(Letter, Letter.id, letter),
        "appointments": of(
            Appointment,
            Appointment.starts_at,
            lambda row: {"at": _moment(row.starts_at), "minutes": str(row.minutes)},
        ),
        "words": of(
            Word,
            Word.id,
            lambda row: {
                "at": _moment(row.made_at),
                "mark": word("word", row.kind),
                "text": own(row.sealed_text),
                "taken_up": None if row.taken_at is None else _moment(row.taken_at),
            },
        ),
        "wishes": of(
            TalkRequest,
            TalkRequest.id,
            lambda row: {
                "at": _moment(row.made_at),
                "how": texts["way"].get(row.way),
                "text": own(row.sealed_text) or None,
                "ended": None if row.ended_at is None else _moment(row.ended_at),
            },
        ),
    }


def _filled_in(text: str) -> str:
    fields = json.loads(text or "{}")
    return "; ".join(str(value) for name, value in fields.items() if name in ("note", "next_step", "reason_note") and value) or "-"


def _moment(at: dt.datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _day(on: dt.date | None) -> str | None:
    return None if on is None else on.isoformat()
