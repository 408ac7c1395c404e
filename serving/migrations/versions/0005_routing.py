"""An invitation keeps who else shared its places, how likely it was, and whether a colleague took it over."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_students = sa.table(
    "students",
    sa.column("week_id", sa.Integer),
    sa.column("how", sa.String),
    sa.column("capacity", sa.Integer),
    sa.column("cut_off", sa.Float),
)
_weeks = sa.table("weeks", sa.column("id", sa.Integer), sa.column("capacity", sa.Integer), sa.column("cut_off", sa.Float))


def upgrade() -> None:
    with op.batch_alter_table("students") as table:
        table.add_column(sa.Column("how", sa.String))
        table.add_column(sa.Column("chance", sa.Float))
        table.add_column(sa.Column("capacity", sa.Integer))
        table.add_column(sa.Column("cut_off", sa.Float))
    # Until now all students shared the places of a week, and everybody went to their own coach.
    of_week = {
        name: sa.select(_weeks.c[name]).where(_weeks.c.id == _students.c.week_id).scalar_subquery() for name in ("capacity", "cut_off")
    }
    op.get_bind().execute(sa.update(_students).values(how="own", **of_week))
    with op.batch_alter_table("students") as table:
        table.alter_column("how", existing_type=sa.String, nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("students") as table:
        for name in ("how", "chance", "capacity", "cut_off"):
            table.drop_column(name)
