"""Tokens, sessions and stand-ins; which login a coach has, and whether a list is of people who do not exist."""

import sqlalchemy as sa
from alembic import context, op

from serving.store.keys import Keys

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_weeks = sa.table("weeks", sa.column("sealed_logins", sa.String), sa.column("synthetic", sa.Boolean))


def upgrade() -> None:
    op.create_table(
        "tokens",
        *(sa.Column(name, sa.String, nullable=False, primary_key=name == "id") for name in ("id", "name", "digest", "made_by")),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("made_at", sa.DateTime, nullable=False),
        sa.Column("ends_at", sa.DateTime, nullable=False),
        sa.Column("revoked_at", sa.DateTime),
    )
    op.create_table(
        "sessions",
        *(sa.Column(name, sa.String, nullable=False, primary_key=name == "id") for name in ("id", "person", "sealed_person")),
        sa.Column("begun_at", sa.DateTime, nullable=False),
        sa.Column("seen_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
    )
    op.create_index("ix_sessions_person", "sessions", ["person"])
    op.create_table(
        "stand_ins",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("coach_id", sa.String, nullable=False),
        sa.Column("begins_on", sa.Date, nullable=False),
        sa.Column("ends_on", sa.Date, nullable=False),
        sa.Column("made_at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_stand_ins_person", "stand_ins", ["person"])
    with op.batch_alter_table("weeks") as table:
        table.add_column(sa.Column("sealed_logins", sa.String))
        table.add_column(sa.Column("synthetic", sa.Boolean))
    keys: Keys = context.config.attributes["keys"]
    # Whose login belongs to whom was not kept before: a list published anew tells it.
    op.get_bind().execute(sa.update(_weeks).values(sealed_logins=keys.seal("{}"), synthetic=False))
    with op.batch_alter_table("weeks") as table:
        table.alter_column("sealed_logins", existing_type=sa.String, nullable=False)
        table.alter_column("synthetic", existing_type=sa.Boolean, nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("weeks") as table:
        table.drop_column("synthetic")
        table.drop_column("sealed_logins")
    for name in ("stand_ins", "sessions", "tokens"):
        op.drop_table(name)
