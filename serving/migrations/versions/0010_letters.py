"""Letters, appointments and teachers' words; coaches' addresses on lists."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.String, nullable=False)


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, nullable=False)


def _moment(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime, nullable=nullable)


def _person() -> sa.Column[Any]:
    return sa.Column("person_id", sa.String, sa.ForeignKey("people.id"), nullable=False)


_TABLES: dict[str, Callable[[], tuple[sa.Column[Any], ...]]] = {
    "letters": lambda: (
        sa.Column("id", sa.Integer, primary_key=True), _text("number"), _text("enrolment"), _person(), _text("host"), _moment("made_at"),
        _moment("expires_at"), _text("state"), _moment("state_at"), _number("attempts"), _text("fault"), _text("answer"),
        _moment("answered_at", True), _text("sealed_text"), _text("sealed_by"),
    ),
    "appointments": lambda: (
        sa.Column("letter_id", sa.Integer, sa.ForeignKey("letters.id"), primary_key=True, autoincrement=False), _text("enrolment"), _person(),
        _text("host"), _moment("starts_at"), _number("minutes"), _moment("made_at"), _number("changes"), _text("told"),
    ),
    "words": lambda: (
        sa.Column("id", sa.Integer, primary_key=True), _text("enrolment"), _person(), _text("author"), _text("kind"), _moment("made_at"),
        _moment("taken_at", True), _text("sealed_text"), _text("sealed_by"),
    ),
}  # fmt: skip
_INDICES = {
    "letters": (("ix_letters_number", ["number"], True), ("ix_letters_enrolment", ["enrolment"], False), ("ix_letters_person", ["person_id"], False)),
    "appointments": (
        ("ix_appointments_moment", ["host", "starts_at"], True), ("ix_appointments_enrolment", ["enrolment"], False),
        ("ix_appointments_person", ["person_id"], False),
    ),
    "words": (("ix_words_enrolment", ["enrolment"], False), ("ix_words_person", ["person_id"], False), ("ix_words_author", ["author"], False)),
}  # fmt: skip


def upgrade() -> None:
    for name, columns in _TABLES.items():
        op.create_table(name, *columns())
        for index, over, unique in _INDICES[name]:
            op.create_index(index, name, over, unique=unique)
    with op.batch_alter_table("weeks") as table:
        table.add_column(sa.Column("sealed_mails", sa.String, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("weeks") as table:
        table.drop_column("sealed_mails")
    for name in reversed(_TABLES):
        op.drop_table(name)
