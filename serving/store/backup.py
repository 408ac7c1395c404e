"""Backup and restore: every table of the store as lines of JSON in one archive, the same whichever database it is on.

What is encrypted stays encrypted, so an archive without the keys tells nobody's name. The keys are no part of it, and have to be kept apart.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Date, DateTime, Engine, Table, func, insert, select

import serving.store.desk_tables  # noqa: F401 - its tables are part of the metadata
from riskmodel.errors import DataFault, RiskModelError
from riskmodel.files import atomic_file
from serving.store.changes import begin_epoch
from serving.store.schema import newest_revision, require_newest
from serving.store.tables import Base

FORMAT = "riskmodel-store"
_ABOUT = "about.json"
_CHUNK = 1000
_HEADS = ("audit_head", "change_head")


def back_up(engine: Engine, target: Path, at: dt.datetime) -> dict[str, int]:
    """Write the whole store to an archive, as it is at one moment.

    Parameters
    ----------
    engine : Engine
    target : Path
        The archive to write, whole or not at all.
    at : datetime.datetime
        Now, UTC; kept in the archive.

    Returns
    -------
    dict of table to int
        Rows written.

    Raises
    ------
    RiskModelError
        The store has another schema than this version works with, or the archive can't be written.
    """
    require_newest(engine)
    counts, sums = {}, {}
    with atomic_file(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        with engine.connect() as connection:
            # One moment for all tables: what is written meanwhile is in none of them.
            if engine.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            for table in Base.metadata.sorted_tables:
                digest, rows = hashlib.sha256(), 0
                with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as file:
                    query = select(table).order_by(*table.primary_key).execution_options(yield_per=_CHUNK)
                    for row in connection.execute(query):
                        line = json.dumps([_plain(value) for value in row], ensure_ascii=False).encode() + b"\n"
                        file.write(line)
                        digest.update(line)
                        rows += 1
                counts[table.name], sums[table.name] = rows, digest.hexdigest()
        about = {"format": FORMAT, "schema": newest_revision(), "at": at.isoformat(), "rows": counts, "sha256": sums}
        archive.writestr(_ABOUT, json.dumps(about, indent=1))
    return counts


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value


def restore(engine: Engine, source: Path) -> dict[str, int]:
    """Fill an empty store of this version's schema from an archive, in one transaction.

    Parameters
    ----------
    engine : Engine
        On whichever database; it need not be the kind that the archive came from.
    source : Path
        What `back_up` wrote.

    Returns
    -------
    dict of table to int
        Rows restored.

    Raises
    ------
    DataFault
        The archive is none, damaged, or of another schema.
    RiskModelError
        The store is not empty.
    """
    require_newest(engine)
    try:
        with zipfile.ZipFile(source) as archive:
            about = json.loads(archive.read(_ABOUT))
            if about["format"] != FORMAT:
                raise DataFault("this is no backup of a store.", place=str(source), remedy="Name another file.")
            if about["schema"] != newest_revision():
                raise DataFault(
                    f"this backup has schema {about['schema']}, and this version works with {newest_revision()}.",
                    place=str(source),
                    remedy="Restore it with the version that made it, then run 'riskmodel store upgrade'.",
                )
            with engine.begin() as connection:
                for table in Base.metadata.sorted_tables:
                    # A new store has the heads of its audit trail and of its changes, at nought.
                    held = connection.scalar(select(func.count()).select_from(table))
                    if held and table.name not in _HEADS:
                        raise RiskModelError("this store is not empty, so nothing is put into it.", remedy="Restore into a new one.")
                    if held:
                        connection.execute(table.delete())
                for table in Base.metadata.sorted_tables:
                    content = archive.read(f"{table.name}.jsonl")
                    if hashlib.sha256(content).hexdigest() != about["sha256"][table.name]:
                        raise DataFault(
                            f"the table {table.name} in this backup is damaged.", place=str(source), remedy="Use another backup."
                        )
                    for rows in _chunks(table, content):
                        connection.execute(insert(table), rows)
                _follow_on(connection, engine.dialect.name)
                begin_epoch(connection)
        return {name: int(count) for name, count in about["rows"].items()}
    except FileNotFoundError:
        raise DataFault(
            "there is no such file.", place=str(source), remedy="Name the archive that 'riskmodel store backup' wrote."
        ) from None
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise DataFault(
            f"this is no backup of a store, or it is damaged ({type(error).__name__}).", place=str(source), remedy="Use another backup."
        ) from None


def _chunks(table: Table, content: bytes) -> Iterable[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    for line in io.BytesIO(content):
        values = [_typed(column.type, value) for column, value in zip(table.columns, json.loads(line), strict=True)]
        rows.append(dict(zip(table.columns.keys(), values, strict=True)))
        if len(rows) == _CHUNK:
            yield rows
            rows = []
    if rows:
        yield rows


def _typed(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, DateTime):
        return dt.datetime.fromisoformat(value)
    return dt.date.fromisoformat(value) if isinstance(kind, Date) else value


def _follow_on(connection: Any, dialect: str) -> None:
    """Let PostgreSQL's own numbers go on after those that were restored; SQLite's do by themselves."""
    if dialect != "postgresql":
        return
    for table in Base.metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None or table.name in _HEADS:
            continue
        last = f"(SELECT coalesce(max({column.name}), 0) + 1 FROM {table.name})"
        connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{table.name}', '{column.name}'), {last}, false)")
