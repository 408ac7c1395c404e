"""Whether a service could run here: configuration, log-ins, keys, database, champion, data, clock, disk and permissions, each with what to do about it."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from riskmodel.champion import read_champions
from riskmodel.contract.definition import read_definition
from riskmodel.errors import RiskModelError
from riskmodel.explain.words import load_words
from riskmodel.workspace import Workspace
from serving.access.configuration import Access, read_access
from serving.languages import LANGUAGES
from serving.letters.file import read_letters, told_plainness
from serving.settings import Settings, keys_in, read_settings, settings_file
from serving.store.audit import read_heads
from serving.store.keys import Keys
from serving.store.rights import require_applied
from serving.store.schema import Patience, connect, require_newest
from serving.store.tables import AuditEvent, Student
from serving.store.weeks import latest_week

LEAST_FREE_BYTES = 500 * 1024 * 1024
EARLIEST = dt.datetime(2026, 1, 1)
_AHEAD, _APART, _SOON = dt.timedelta(minutes=5), dt.timedelta(minutes=1), dt.timedelta(days=30)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


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
        "configuration": lambda: _configuration(settings),
        "log-ins": lambda: _log_ins(settings, now.date()),
        "keys": lambda: _keys(settings),
        "database": lambda: _database(settings),
        "champion": lambda: _champion(settings),
        "data": lambda: _data(settings),
        "letter": lambda: told_plainness(read_letters(settings.letter_file)),
        "clock": lambda: _clock(settings, now),
        "disk": lambda: _disk(place, settings),
        "permissions": lambda: _permissions(place, settings),
    }
    return [_looked(name, look) for name, look in looks.items()]


def _looked(name: str, look: Callable[[], str]) -> Examined:
    try:
        return Examined(name, True, look())
    except RiskModelError as error:
        return Examined(name, False, str(error))
    except OSError as error:
        return Examined(name, False, f"{error.filename or ''}: {error.strerror}. Check the rights on it.")
    except SQLAlchemyError as error:
        return Examined(name, False, f"the store does not answer ({type(error).__name__}). Check its address and whether it runs.")


def _configuration(settings: Settings) -> str:
    if settings.words_file is not None:
        for language in LANGUAGES:
            load_words(language, settings.words_file)  # type: ignore[arg-type]
    if settings.public_url is not None and settings.secure_cookies and not settings.public_url.startswith("https://"):
        raise RiskModelError(
            f"public_url is {settings.public_url}, and log-ins are kept by cookies that go over TLS alone.",
            place="public_url",
            remedy="Write it with https://, and let a proxy with TLS stand there.",
        )
    host = (settings.public_url or "").partition("//")[2].partition("/")[0].rpartition("]")[2].partition(":")[0]
    if host and "*" not in settings.allowed_hosts and host not in settings.allowed_hosts:
        raise RiskModelError(
            f"public_url names the host {host}, which allowed_hosts does not.",
            place="allowed_hosts",
            remedy="Name it there too, or every request is refused.",
        )
    return f"{len(type(settings).model_fields)} settings"


def _log_ins(settings: Settings, today: dt.date) -> str:
    if settings.access_file is None:
        return "nobody logs in: machines with tokens alone" if not settings.demo else "the demo: everybody chooses who to be"
    access = read_access(settings.access_file)
    if settings.oidc_secret is None:
        raise RiskModelError(
            "the client's secret is not known, so nobody can log in.",
            place="oidc_secret",
            remedy="Give it as RISKMODEL_SERVICE_OIDC_SECRET.",
        )
    if settings.public_url is None and settings.secure_cookies:
        raise RiskModelError(
            "the provider can't be told where to send people back to.",
            place="public_url",
            remedy="Set it to the address that browsers use, as in https://riskmodel.example.nl.",
        )
    ended = [each.login for each in access.both_roles if each.until < today]
    if ended:
        raise RiskModelError(
            f"the record of why somebody has both roles has ended for {', '.join(sorted(ended))}, who is kept out since.",
            place=str(settings.access_file),
            remedy="Let the institution decide anew, or take the entry out.",
        )
    _known_programmes(settings, access)
    soon = min((each.until for each in access.both_roles if each.until <= today + _SOON), default=None)
    told = f"by {access.oidc.issuer}" + ("" if access.machines is None else ", also for machines")
    return told if soon is None else f"{told}; a record of both roles ends on {soon.isoformat()}"


def _known_programmes(settings: Settings, access: Access) -> None:
    """Refuse a programme that no student of the newest list is in: a wall around a name that is misspelt keeps nobody from anything."""
    named = frozenset().union(*access.study_advice.values(), *(each.programmes for each in access.both_roles))
    if not named:
        return
    with _open(settings) as engine, Session(engine) as session:
        week = latest_week(session)
        known = set() if week is None else set(session.scalars(select(Student.programme).where(Student.week_id == week.id).distinct()))
    unknown = sorted(named - known) if known else []
    if unknown:
        raise RiskModelError(
            f"{', '.join(unknown)} is no programme of the newest list.",
            place=str(settings.access_file),
            remedy=f"Write it as the enrolments table does: {', '.join(sorted(known))}.",
        )


@contextmanager
def _open(settings: Settings) -> Iterator[Engine]:
    engine = connect(settings.store_url.get_secret_value(), Patience(settings.store_connections, settings.store_seconds))
    try:
        require_newest(engine)
        yield engine
    finally:
        engine.dispose()


def _keys(settings: Settings) -> str:
    keys = keys_in(settings)
    if settings.keys is None and os.name == "posix" and settings.keys_file.stat().st_mode & _OTHERS:
        raise RiskModelError("others may read the keys.", place=str(settings.keys_file), remedy="Run chmod 600 on it.")
    told = f"{len(keys.encryption)} for encryption"
    try:
        with _open(settings) as engine, Session(engine) as session:
            return f"{told}, and they open this store" if _fit(session, keys) else told
    except (RiskModelError, SQLAlchemyError) as error:
        if isinstance(error, RiskModelError) and "other keys" in error.message:
            raise
        return told  # the database says itself what is wrong with it


def _fit(session: Session, keys: Keys) -> bool:
    """Open something that the store holds; tell whether there was anything."""
    week = latest_week(session)
    if week is not None:
        keys.open(week.sealed_coaches)
    return week is not None


def _database(settings: Settings) -> str:
    with _open(settings) as engine, Session(engine) as session:
        if engine.dialect.name == "postgresql":
            encoding = session.scalar(text("SHOW server_encoding"))
            if encoding != "UTF8":
                raise RiskModelError(
                    f"this database keeps text as {encoding}.", remedy="Make it anew with --encoding=UTF8, and restore a backup into it."
                )
        require_applied(session, settings.audit_heads)
        return f"{engine.dialect.name}, schema up to date"


def _champion(settings: Settings) -> str:
    return ", ".join(f"{target}-{model.version}" for target, model in read_champions(settings.champion_folder).items())


def _data(settings: Settings) -> str:
    for folder in settings.run_folders.values():
        definition = read_definition(folder)
        for table in definition.tables.values():
            file = folder / table.file
            if "*" not in table.file and not os.access(file, os.R_OK):
                what = "may not be read by this user" if file.exists() else "is not there"
                raise RiskModelError(f"this table {what}.", place=str(file), remedy="Put it there, or mend run_folders or dataset.toml.")
    return f"{len(settings.run_folders)} folders that runs may read"


def _clock(settings: Settings, now: dt.datetime) -> str:
    if now < EARLIEST:
        raise RiskModelError(f"the clock says {now:%Y-%m-%d %H:%M} UTC.", remedy="Set it, and keep it right with NTP.")
    newest = theirs = None
    try:
        with _open(settings) as engine, engine.connect() as connection:
            newest = connection.scalar(select(func.max(AuditEvent.at)))
            if engine.dialect.name == "postgresql":
                theirs = connection.scalar(text("SELECT now() AT TIME ZONE 'UTC'"))
    except (RiskModelError, SQLAlchemyError):
        return f"{now:%Y-%m-%d %H:%M} UTC"
    if newest is not None and newest > now + _AHEAD:
        raise RiskModelError(
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, and something was recorded at {newest:%Y-%m-%d %H:%M}: it was set back.",
            remedy="Set it, and keep it right with NTP.",
        )
    if theirs is not None and abs(theirs - now) > _APART:
        raise RiskModelError(
            f"the clock says {now:%Y-%m-%d %H:%M:%S} UTC, and the database's {theirs:%Y-%m-%d %H:%M:%S}.",
            remedy="Keep both right with NTP.",
        )
    return f"{now:%Y-%m-%d %H:%M} UTC"


def _disk(place: Workspace, settings: Settings) -> str:
    needed = [place.folder, settings.audit_heads.parent, Path(tempfile.gettempdir())]
    needed += [settings.uploads_folder] if settings.accept_uploads and settings.uploads_folder is not None else []
    least, where = min((shutil.disk_usage(_there(folder)).free, str(folder)) for folder in needed)
    if least < LEAST_FREE_BYTES:
        raise RiskModelError(f"{least // 2**20} MB are free.", place=where, remedy="Make room: writing stops when the disk is full.")
    return f"{least / 2**30:.1f} GB free"


def _there(folder: Path) -> Path:
    """Give the folder, or the nearest one above it that there is."""
    return folder if folder.exists() or folder.parent == folder else _there(folder.parent)


def _permissions(place: Workspace, settings: Settings) -> str:
    written = {
        place.folder: "this user may not write here.",
        settings.audit_heads.parent: "the audit trail's codes can't be noted here.",
    }
    if settings.accept_uploads and settings.uploads_folder is not None:
        written[settings.uploads_folder] = "uploads can't be put here."
    for folder, fault in written.items():
        if not os.access(_there(folder), os.W_OK):
            raise RiskModelError(fault, place=str(folder), remedy="Give the service's user the right to write.")
    if os.name == "posix":
        for file, what in ((settings.access_file, "who may log in"), (settings_file(place), "the settings")):
            if file is not None and file.exists() and file.stat().st_mode & _OTHERS_WRITE:
                raise RiskModelError(f"others may change {what}.", place=str(file), remedy="Run chmod go-w on it.")
    read_heads(settings.audit_heads)
    return "may read and write what it needs to"
