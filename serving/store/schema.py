"""The store's schema: where it stands, and moving it up and down. A service never moves it by itself."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from riskmodel.errors import RiskModelError
from riskmodel.files import require_writable, writing_fault
from serving.store.keys import Keys

SECRET_PARTS = frozenset({"password", "sslpassword"})
"""Parts of an address's query that are nobody's to see."""
_TEXT = {"client_encoding": "utf8"}  # whatever the database's own default is
MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"
_BUSY_MS = 5000
# Only one process at a time moves a schema. A migration of a full store takes its time, so the others wait for it.
_WAIT_MS, _IMMEDIATE, _ADVISORY = 600_000, "riskmodel_immediate", 0x7269736B


@dataclass(frozen=True)
class Patience:
    """How long a request waits for the database before it is told to come back: nothing that serves may hang.

    Attributes
    ----------
    connections : int
        Most connections of one process.
    seconds : float
        How long to wait for a connection that is free, for the database to answer that it is there, and for a lock that others hold.
    statement_seconds : float
        After how long PostgreSQL gives up one statement.
    """

    connections: int = 10
    seconds: float = 3.0
    statement_seconds: float = 10.0

    def for_postgres(self) -> dict[str, Any]:
        """Give what psycopg and the server are told."""
        told = {"statement_timeout": self.statement_seconds, "lock_timeout": self.seconds}
        options = " ".join(f"-c {name}={round(1000 * seconds)}" for name, seconds in told.items())
        # A server that is gone without a word, as after a power cut, is found out by the kernel.
        alive = {
            "keepalives_idle": 10,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": round(1000 * self.statement_seconds),
        }
        return {"connect_timeout": max(2, math.ceil(self.seconds)), "options": options, **alive}

    def for_pool(self) -> dict[str, Any]:
        """Give what the pool of connections is told."""
        return {"pool_size": self.connections, "max_overflow": 0, "pool_timeout": self.seconds}


def connect(url: str, patience: Patience | None = None) -> Engine:
    """Give an engine for a store's URL: SQLite (a file, in WAL mode) or PostgreSQL; nothing is asked of the database yet.

    Parameters
    ----------
    url : str
    patience : Patience, optional
        How long a service waits; without it a command waits as long as the database takes.

    Raises
    ------
    RiskModelError
        The URL is none, or names a database that the store doesn't run on.
    """
    try:
        told = make_url(url)
    except SQLAlchemyError:
        raise RiskModelError(
            "this is no address of a database.", remedy="Write sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME."
        ) from None
    if SECRET_PARTS & set(told.query):
        raise RiskModelError(
            "the address of the database holds a password where messages would show it.",
            place="store_url",
            remedy="Write it as postgresql+psycopg://USER:PASSWORD@HOST/NAME, or use a passfile.",
        )
    kind = told.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise RiskModelError(f"the store does not run on {kind}.", remedy="Use SQLite or PostgreSQL.")
    if kind == "postgresql":
        postgres = told.set(drivername="postgresql+psycopg")
        if patience is None:
            return create_engine(postgres, pool_pre_ping=True, connect_args=_TEXT)
        return create_engine(postgres, pool_pre_ping=True, connect_args={**_TEXT, **patience.for_postgres()}, **patience.for_pool())
    if told.database:
        try:
            Path(told.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise writing_fault(error, Path(told.database).parent) from error
    in_memory = told.database in (None, "", ":memory:")
    engine = create_engine(told) if patience is None or in_memory else create_engine(told, **patience.for_pool())
    busy_ms = _BUSY_MS if patience is None else round(1000 * patience.seconds)
    event.listen(engine, "connect", functools.partial(_prepare_sqlite, busy_ms=busy_ms))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any, *, busy_ms: int) -> None:
    connection.isolation_level = None  # Python's module would begin transactions at its own discretion, and none around a schema's changes
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {busy_ms}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA secure_delete = ON")  # deleted rows are overwritten with noughts
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_IMMEDIATE) else "BEGIN")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["configure_logger"] = False
    return config


def newest_revision() -> str:
    """Give the schema that this version of the product works with."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def known_revisions() -> tuple[str, ...]:
    """Give every schema that this version can move between, oldest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())[::-1]


@contextlib.contextmanager
def _faults(engine: Engine) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        if engine.dialect.name == "sqlite" and engine.url.database:
            require_writable(Path(engine.url.database).parent)
        detail = (str(getattr(error, "orig", None) or "").splitlines() or [""])[0] or type(error).__name__
        raise RiskModelError(
            f"the store can't be opened ({detail}).",
            place=engine.url.render_as_string(),
            remedy="Check its address, your rights on it, and whether there is room.",
        ) from error


def revision(engine: Engine) -> str | None:
    """Give the schema that a store has, or None where it has none yet.

    Raises
    ------
    RiskModelError
        The database can't be reached or read.
    """
    with _faults(engine), engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def migrate(engine: Engine, keys: Keys, to: str = "head") -> None:
    """Move a store's schema up or down, with all that is in it, in one transaction. Who comes while another does so waits, and then finds it done.

    Parameters
    ----------
    engine : Engine
    keys : Keys
        What is in clear in one schema and encrypted in another passes through them.
    to : str
        A revision of `known_revisions`, or 'head'.

    Raises
    ------
    RiskModelError
        The database can't be reached or written, or the revision is unknown; the store is as it was.
    """
    target = newest_revision() if to == "head" else to
    if target not in known_revisions():
        raise RiskModelError(f"there is no schema {target}.", remedy=f"There are {', '.join(known_revisions())}.")
    config = _config()
    with _faults(engine), _without_cascades(engine) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY)))
        config.attributes["connection"] = connection
        config.attributes["keys"] = keys
        here = MigrationContext.configure(connection).get_current_revision()
        order = (None, *known_revisions())
        if here not in order:
            raise RiskModelError(f"this store has schema {here}, which a newer version of the product made.", remedy="Upgrade riskmodel.")
        if order.index(target) >= order.index(here):
            command.upgrade(config, target)
        else:
            command.downgrade(config, target)


@contextlib.contextmanager
def _without_cascades(engine: Engine) -> Iterator[Connection]:
    """Give a connection on which SQLite may make tables anew under the same name without taking along the rows that refer to them."""
    with engine.connect().execution_options(**{_IMMEDIATE: True}) as connection:
        own: Any = connection.connection.dbapi_connection
        lite = engine.dialect.name == "sqlite"
        if lite:
            [busy_ms] = own.execute("PRAGMA busy_timeout").fetchone()
            own.execute("PRAGMA foreign_keys = OFF")
            own.execute(f"PRAGMA busy_timeout = {_WAIT_MS}")
        try:
            yield connection
        finally:
            if lite:
                connection.rollback()
                own.execute("PRAGMA foreign_keys = ON")
                own.execute(f"PRAGMA busy_timeout = {busy_ms}")


def require_newest(engine: Engine) -> None:
    """Refuse a store whose schema is not the one that this version works with.

    Raises
    ------
    RiskModelError
        It is older (the command that mends it is named), newer or absent.
    """
    here, newest = revision(engine), newest_revision()
    if here == newest:
        return
    place = engine.url.render_as_string()
    if here is not None and here not in known_revisions():
        raise RiskModelError(
            f"this store has schema {here}, which a newer version of the product made.", place=place, remedy="Upgrade riskmodel."
        )
    what = "this store is empty." if here is None else f"this store has schema {here}; this version works with {newest}."
    raise RiskModelError(what, place=place, remedy="Make a backup, then run 'riskmodel store upgrade'.")
