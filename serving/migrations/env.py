"""Runs migrations on the connection that the store hands over."""

from alembic import context

import serving.store.desk_tables  # noqa: F401 - its tables are part of the metadata
from serving.store.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
