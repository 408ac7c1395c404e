"""Published lists and the students on them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "weeks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("on_date", sa.Date, nullable=False, unique=True),
        sa.Column("published_at", sa.DateTime, nullable=False),
        sa.Column("institution", sa.String, nullable=False),
        sa.Column("target", sa.String, nullable=False),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("cut_off", sa.Float),
        sa.Column("scored", sa.Integer, nullable=False),
        sa.Column("not_scored", sa.Integer, nullable=False),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("policy", "models", "outcome", "meaning", "coaches")),
    )
    op.create_table(
        "students",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("week_id", sa.Integer, sa.ForeignKey("weeks.id", ondelete="CASCADE"), nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("enrolment_id", "student_id", "name", "programme", "coach_id")),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("landmark", sa.Integer, nullable=False),
        sa.Column("invited", sa.Boolean, nullable=False),
        sa.Column("way", sa.String, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("margin", sa.Float),
        sa.Column("probability", sa.Float, nullable=False),
        sa.Column("shown", sa.JSON, nullable=False),
    )
    op.create_index("ix_students_week_coach", "students", ["week_id", "coach_id"])
    op.create_index("ix_students_enrolment", "students", ["enrolment_id"])


def downgrade() -> None:
    op.drop_table("students")
    op.drop_table("weeks")
