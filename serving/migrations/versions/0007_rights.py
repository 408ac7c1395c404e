"""Objections are kept, and whom they bar from being scored; whom a rule invites though they objected has no score; cohorts close."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_people = sa.table("people", sa.column("id", sa.String), sa.column("student", sa.String), sa.column("erased_at", sa.DateTime))


def upgrade() -> None:
    barred = op.create_table(
        "barred",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("person_id", sa.String, sa.ForeignKey("people.id"), nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("listed", sa.String),
    )
    op.create_index("ix_barred_person", "barred", ["person_id"])
    op.create_table(
        "objections",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("person_id", sa.String, sa.ForeignKey("people.id"), nullable=False),
        sa.Column("begun_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
    )
    op.create_index("ix_objections_person", "objections", ["person_id"])
    with op.batch_alter_table("students") as table:
        table.alter_column("probability", existing_type=sa.Float, nullable=True)
        table.add_column(sa.Column("closed_on", sa.Date))
    with op.batch_alter_table("weeks") as table:
        table.add_column(sa.Column("closed_on", sa.Date))
    # Whose number is no longer known can't be put on lists for data folders; the store itself goes on leaving them out.
    erased = sa.select(_people.c.student, _people.c.id, sa.literal("erased")).where(_people.c.erased_at.is_not(None))
    op.get_bind().execute(sa.insert(barred).from_select(["digest", "person_id", "why"], erased))


def downgrade() -> None:
    students = sa.table("students", sa.column("probability", sa.Float))
    # An older version knows no invitation without a score.
    op.get_bind().execute(sa.delete(students).where(students.c.probability.is_(None)))
    with op.batch_alter_table("students") as table:
        table.drop_column("closed_on")
        table.alter_column("probability", existing_type=sa.Float, nullable=False)
    with op.batch_alter_table("weeks") as table:
        table.drop_column("closed_on")
    op.drop_table("objections")
    op.drop_table("barred")
