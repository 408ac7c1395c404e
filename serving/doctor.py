"""Whether a service could run here: configuration, keys, database, champion, clock, disk and rights, each with what to do about it."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from riskmodel.champion import read_champions
from riskmodel.errors import RiskModelError
from riskmodel.workspace import Workspace
from serving.settings import Settings, keys_in, read_settings
from serving.store.audit import read_heads
from serving.store.schema import connect, require_newest
from serving.store.tables import AuditEvent

LEAST_FREE_BYTES = 500 * 1024 * 1024
EARLIEST = dt.datetime(2026, 1, 1)
_AHEAD = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class Examined:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
    well : bool
    told : str
        What was found, and where it is not well what to do.
    """

    name: str
    well: bool
    told: str


def examine(place: Workspace, now: dt.datetime) -> list[Examined]:
    """Look at all that a service needs; one thing that is not well keeps none of the others from being looked at.

    Parameters
    ----------
    place : Workspace
    now : datetime.datetime
        UTC, without a zone.
    """
    try:
        settings = read_settings(place)
    except RiskModelError as error:
        return [Examined("configuration", False, str(error))]
    looks: dict[str, Callable[[], str]] = {
        "configuration": lambda: f"{len(type(settings).model_fields)} settings",
        "keys": lambda: _keys(settings),
        "database": lambda: _database(settings),
        "champion": lambda: _champion(settings),
        "clock": lambda: _clock(settings, now),
        "disk": lambda: _disk(place),
        "rights": lambda: _rights(place, settings),
    }
    return [_looked(name, look) for name, look in looks.items()]


def _looked(name: str, look: Callable[[], str]) -> Examined:
    try:
        return Examined(name, True, look())
    except RiskModelError as error:
        return Examined(name, False, str(error))
    except OSError as error:
        return Examined(name, False, f"{error.filename or ''}: {error.strerror}. Check the rights on it.")


def _keys(settings: Settings) -> str:
    keys = keys_in(settings)
    if settings.keys is None and os.name == "posix" and settings.keys_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise RiskModelError("others may read the keys.", place=str(settings.keys_file), remedy="Run chmod 600 on it.")
    return f"{len(keys.encryption)} for encryption"


def _database(settings: Settings) -> str:
    engine = connect(settings.store_url.get_secret_value())
    try:
        require_newest(engine)
        return f"{engine.dialect.name}, schema up to date"
    finally:
        engine.dispose()


def _champion(settings: Settings) -> str:
    return ", ".join(f"{target}-{model.version}" for target, model in read_champions(settings.champion_folder).items())


def _clock(settings: Settings, now: dt.datetime) -> str:
    if now < EARLIEST:
        raise RiskModelError(f"the clock says {now:%Y-%m-%d %H:%M} UTC.", remedy="Set it, and keep it right with NTP.")
    engine = connect(settings.store_url.get_secret_value())
    try:
        require_newest(engine)
        with engine.connect() as connection:
            newest = connection.scalar(select(func.max(AuditEvent.at)))
    except RiskModelError:
        return f"{now:%Y-%m-%d %H:%M} UTC"
    finally:
        engine.dispose()
    if newest is not None and newest > now + _AHEAD:
        raise RiskModelError(
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, and something was recorded at {newest:%Y-%m-%d %H:%M}: it was set back.",
            remedy="Set it, and keep it right with NTP.",
        )
    return f"{now:%Y-%m-%d %H:%M} UTC"


def _disk(place: Workspace) -> str:
    free = shutil.disk_usage(_there(place.folder)).free
    if free < LEAST_FREE_BYTES:
        raise RiskModelError(
            f"{free // 2**20} MB are free.", place=str(place.folder), remedy="Make room: writing stops when the disk is full."
        )
    return f"{free / 2**30:.1f} GB free"


def _there(folder: Path) -> Path:
    """Give the folder, or the nearest one above it that there is."""
    return folder if folder.exists() or folder.parent == folder else _there(folder.parent)


def _rights(place: Workspace, settings: Settings) -> str:
    folder = _there(place.folder)
    if not os.access(folder, os.W_OK):
        raise RiskModelError("this user may not write here.", place=str(folder), remedy="Give the service's user the right to.")
    if not os.access(_there(settings.audit_heads.parent), os.W_OK):
        raise RiskModelError(
            "the audit trail's codes can't be noted here.", place=str(settings.audit_heads), remedy="Give the right to write."
        )
    read_heads(settings.audit_heads)
    return "may read and write"
