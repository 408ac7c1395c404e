"""The coach's desk: own students, follow-up and its steps, notes and drafts, marks on invitations, data said to be wrong, wishes for a talk."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.String, nullable=False)


def _person() -> sa.Column[Any]:
    return sa.Column("person_id", sa.String, sa.ForeignKey("people.id"), nullable=False)


def _moment(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime, nullable=nullable)


def _day(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Date, nullable=nullable)


def _number() -> sa.Column[Any]:
    return sa.Column("id", sa.Integer, primary_key=True)


def _key(name: str, kind: type[Any] = sa.String) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True)


_TABLES: dict[str, Callable[[], tuple[sa.Column[Any], ...]]] = {
    "own_students": lambda: (
        _key("enrolment"), _person(), _text("programme"), _text("coach_id"), _day("started_on"), _day("on_date"), _day("closed_on", True),
    ),
    "follow_ups": lambda: (
        _key("enrolment"), _person(), sa.Column("version", sa.Integer, nullable=False), _text("stage"), _text("not_why"),
        sa.Column("reasons", sa.JSON, nullable=False), _text("sealed_words"), _day("next_on", True), _text("handed_to"), _text("handed_coach"),
        _day("consent_on", True), _day("contact_on", True), _moment("changed_at"), _text("sealed_by"),
    ),
    "steps": lambda: (
        _number(), _text("enrolment"), _person(), _day("on_date"), _moment("at"), _text("what"), _text("why"), _text("sealed_by"),
    ),
    "notes": lambda: (_number(), _text("enrolment"), _person(), _moment("at"), _text("sealed_by"), _text("sealed_text")),
    "drafts": lambda: (_key("enrolment"), _key("author"), _person(), _moment("saved_at"), _text("sealed_fields")),
    "invitation_marks": lambda: (
        _key("enrolment"), _key("on_date", sa.Date), _person(), _text("known"), _text("not_now"), _moment("at"),
    ),
    "data_reports": lambda: (
        _number(), _text("enrolment"), _person(), _text("register"), _text("sealed_text"), _moment("made_at"), _text("sealed_by"),
        _moment("ended_at", True), _text("outcome"),
    ),
    "talk_requests": lambda: (
        _number(), _text("enrolment"), _person(), _text("way"), _text("sealed_text"), _moment("made_at"), _text("sealed_by"),
        _moment("ended_at", True),
    ),
}  # fmt: skip
_INDEXES = (
    ("own_students", "coach", "coach_id"),
    ("follow_ups", "handed", "handed_coach"),
    *((table, "enrolment", "enrolment") for table in ("steps", "notes", "data_reports", "talk_requests")),
    *((table, "person", "person_id") for table in _TABLES),
)


def upgrade() -> None:
    for name, columns in _TABLES.items():
        op.create_table(name, *columns())
    for table, what, column in _INDEXES:
        op.create_index(f"ix_{table}_{what}", table, [column])


def downgrade() -> None:
    for name in reversed(_TABLES):
        op.drop_table(name)
