"""What deleted rows leave behind in a database's files, and how to be rid of it. It knows files and pages, and nothing of what was in them."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from riskmodel.errors import RiskModelError


def tidy(engine: Engine) -> bool:
    """Empty SQLite's write-ahead log, in which pages stand as they were; on PostgreSQL there is nothing to do here.

    Pages of SQLite themselves hold nothing of deleted rows, because `secure_delete` is on.

    Returns
    -------
    bool
        False where a reader held on to the log for too long; the next call empties it.
    """
    if engine.dialect.name != "sqlite":
        return True
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
    except OperationalError:
        return False
    return not busy


def rewrite(engine: Engine) -> None:
    """Write all tables anew, so that no page, free or not, holds what was deleted.

    On SQLite: VACUUM, and the log emptied. On PostgreSQL: VACUUM FULL of every table; its own log is another matter, which is why what can expire there is
    ciphertext.

    Raises
    ------
    RiskModelError
        Somebody else holds on to the database; the service has to be stopped for it.
    """
    try:
        raw = engine.raw_connection()
        try:
            own = raw.dbapi_connection
            assert own is not None
            if engine.dialect.name == "sqlite":
                own.execute("VACUUM")
            else:
                own.rollback()
                own.autocommit = True
                own.execute("VACUUM FULL")
                own.autocommit = False
        finally:
            raw.close()
    except Exception as error:
        raise RiskModelError(
            f"the database's files could not be written anew ({type(error).__name__}).",
            remedy="Stop the service and run the command again: until then traces of what was deleted may stand in the files.",
        ) from error
    if not tidy(engine):
        raise RiskModelError(
            "somebody reads the database, so its log could not be emptied.", remedy="Stop the service and run the command again."
        )
