"""Scores are kept; changes to invitations are numbered, so that another system can follow them."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_students = sa.table("students", sa.column("id", sa.Integer), sa.column("change", sa.Integer))


def upgrade() -> None:
    op.create_table(
        "scores",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("person_id", sa.String, sa.ForeignKey("people.id"), nullable=False),
        sa.Column("enrolment", sa.String, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("on_date", sa.Date),
        sa.Column("day", sa.Integer),
        sa.Column("landmark", sa.Integer, nullable=False),
        sa.Column("target", sa.String, nullable=False),
        sa.Column("probability", sa.Float, nullable=False),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("unusual", sa.Boolean, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("run_id", sa.String),
    )
    op.create_index("ix_scores_person", "scores", ["person_id", "id"])
    of_a_run = sa.text("run_id IS NOT NULL")
    op.create_index("ix_scores_run", "scores", ["run_id", "id"], sqlite_where=of_a_run, postgresql_where=of_a_run)
    op.create_table(
        "withdrawn",
        sa.Column("change", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("person_id", sa.String, sa.ForeignKey("people.id"), nullable=False),
        sa.Column("enrolment", sa.String, nullable=False),
        sa.Column("on_date", sa.Date, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    head = op.create_table(
        "change_head",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("epoch", sa.String, nullable=False),
    )
    with op.batch_alter_table("students") as table:
        table.add_column(sa.Column("change", sa.Integer))
    # Who was invited before numbers were given was invited in the order of their rows.
    ranked = sa.select(_students.c.id, sa.func.row_number().over(order_by=_students.c.id).label("place")).subquery()
    place = sa.select(ranked.c.place).where(ranked.c.id == _students.c.id).scalar_subquery()
    op.get_bind().execute(sa.update(_students).values(change=place))
    last = op.get_bind().scalar(sa.select(sa.func.count()).select_from(_students))
    op.bulk_insert(head, [{"id": 1, "seq": last, "epoch": secrets.token_hex(8)}])
    with op.batch_alter_table("students") as table:
        table.alter_column("change", existing_type=sa.Integer, nullable=False)
    op.create_index("ix_students_change", "students", ["change"])


def downgrade() -> None:
    op.drop_index("ix_students_change", "students")
    with op.batch_alter_table("students") as table:
        table.drop_column("change")
    for name in ("change_head", "withdrawn", "scores"):
        op.drop_table(name)
