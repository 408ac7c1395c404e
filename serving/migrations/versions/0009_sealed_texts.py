"""Reasons of scores, and what lists showed, are encrypted under each student's own key."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from alembic import context, op
from cryptography.fernet import Fernet

from serving.store.keys import Keys
from serving.store.sealing import new_key, own_key, seal, unseal

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TEXTS = (("scores", "reasons"), ("students", "shown"))
_CHUNK = 2000


def upgrade() -> None:
    for name, column in _TEXTS:
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column(f"sealed_{column}", sa.String))
        _rewrite(name, column, f"sealed_{column}", seal)
        with op.batch_alter_table(name) as table:
            table.drop_column(column)
            table.alter_column(f"sealed_{column}", existing_type=sa.String, nullable=False)


def downgrade() -> None:
    for name, column in _TEXTS:
        nothing: Any = [] if column == "reasons" else {}
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column(column, sa.JSON))
        _rewrite(name, f"sealed_{column}", column, lambda own, told, empty=nothing: empty if own is None else unseal(own, told))
        with op.batch_alter_table(name) as table:
            table.drop_column(f"sealed_{column}")
            table.alter_column(column, existing_type=sa.JSON, nullable=False)


def _rewrite(name: str, source: str, target: str, change: Callable[..., Any]) -> None:
    """Fill one column from another, some rows at a time."""
    connection = op.get_bind()
    keys: Keys = context.config.attributes["keys"]
    types = {column: sa.String if column.startswith("sealed_") else sa.JSON for column in (source, target)}
    rows = sa.table(
        name, sa.column("id", sa.Integer), sa.column("person_id", sa.String), *(sa.column(each, kind) for each, kind in types.items())
    )
    people = sa.table("people", sa.column("id", sa.String), sa.column("sealed_key", sa.String))
    own = lru_cache(maxsize=10_000)(lambda sealed_key: own_key(sealed_key, keys))
    sealing = target.startswith("sealed_")

    def key_of(sealed_key: str | None) -> Fernet | None:
        if sealed_key is not None:
            return own(sealed_key)
        # Of somebody who was erased: sealed with a key that is let go at once, and never opened again.
        return new_key() if sealing else None

    query = sa.select(rows.c.id, rows.c[source], people.c.sealed_key).join(people, people.c.id == rows.c.person_id)
    filled = sa.update(rows).where(rows.c.id == sa.bindparam("number")).values({target: sa.bindparam("told")})
    last = 0
    while found := connection.execute(query.where(rows.c.id > last).order_by(rows.c.id).limit(_CHUNK)).all():
        connection.execute(filled, [{"number": row[0], "told": change(key_of(row[2]), row[1])} for row in found])
        last = found[-1][0]
