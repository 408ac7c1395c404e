"""Runs: a cohort scored by a worker, each student once."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("caller", sa.String, nullable=False),
        sa.Column("sealed_actor", sa.String, nullable=False),
        sa.Column("key", sa.String),
        sa.Column("body", sa.String, nullable=False),
        sa.Column("folder", sa.String),
        sa.Column("on_date", sa.Date, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("step", sa.String, nullable=False),
        sa.Column("total", sa.Integer),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("left_out", sa.Integer, nullable=False),
        sa.Column("worker", sa.String),
        sa.Column("beat", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("made_at", sa.DateTime, nullable=False),
        sa.Column("begun_at", sa.DateTime),
        sa.Column("ended_at", sa.DateTime),
        sa.Column("models", sa.JSON),
        sa.Column("explained", sa.String),
        sa.Column("data", sa.String),
        sa.Column("problem", sa.String),
        sa.Column("sealed_detail", sa.String),
    )
    op.create_index("ux_runs_caller_key", "runs", ["caller", "key"], unique=True)
    op.create_index("ix_runs_state", "runs", ["state"])
    op.create_table(
        "run_students",
        sa.Column("run_seq", sa.Integer, sa.ForeignKey("runs.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("person_id", sa.String, sa.ForeignKey("people.id"), nullable=False),
        sa.Column("enrolment", sa.String, nullable=False),
        sa.Column("cohort", sa.String, nullable=False),
        sa.Column("programme", sa.String, nullable=False),
        sa.Column("day", sa.Integer),
        sa.Column("landmark", sa.Integer),
        sa.Column("rank", sa.Integer),
        sa.Column("not_scored", sa.String),
        sa.Column("unusual", sa.JSON, nullable=False),
    )
    op.create_index("ux_run_students_enrolment", "run_students", ["run_seq", "enrolment"], unique=True)
    op.create_index("ix_run_students_person", "run_students", ["person_id"])
    of_a_run = sa.text("run_id IS NOT NULL")
    columns = ["run_id", "enrolment", "target"]
    op.create_index("ux_scores_run_student", "scores", columns, unique=True, sqlite_where=of_a_run, postgresql_where=of_a_run)


def downgrade() -> None:
    op.drop_index("ux_scores_run_student", "scores")
    for name in ("run_students", "runs"):
        op.drop_table(name)
