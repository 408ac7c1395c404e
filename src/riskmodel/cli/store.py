"""`riskmodel store`, `keys` and `audit`: what an operator does with the service's store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riskmodel.cli.context import person, say, workspace
from riskmodel.cli.scoring import Language
from riskmodel.errors import RiskModelError
from riskmodel.workspace import Workspace

if TYPE_CHECKING:
    from serving.store.keys import Keys
    from serving.store.weeks import Store

store_app = typer.Typer(help="The service's database: its schema.", no_args_is_help=True)
keys_app = typer.Typer(help="The keys to the service's database.", no_args_is_help=True)
audit_app = typer.Typer(help="Who saw or did what: verify the trail, answer a student, remove what is past its time.", no_args_is_help=True)


@contextmanager
def open_store(place: Workspace, *, require: bool = True) -> Iterator[Store]:
    """Open a workspace's store, or the one that the environment names; a store without anything in it gets its schema.

    Parameters
    ----------
    place : Workspace
    require : bool
        Whether an older schema is refused.

    Raises
    ------
    RiskModelError
        It can't be reached, its keys are not there, or its schema is not this version's.
    """
    from serving.settings import keys_in, read_settings
    from serving.store.keys import begin_keys
    from serving.store.schema import connect, migrate, require_newest, revision
    from serving.store.weeks import Store

    settings = read_settings(place)
    url = settings.store_url.get_secret_value()
    # A workspace of one's own gets keys with its first store; keys that are lost are never replaced in silence.
    if (
        url == place.store_url
        and settings.keys is None
        and settings.keys_file == place.keys
        and not place.store.exists()
        and not place.keys.exists()
    ):
        begin_keys(place.keys)
    engine = connect(url)
    try:
        store = Store(engine, keys_in(settings), settings.audit_heads)
        if require and revision(engine) is None:
            migrate(engine, store.keys)
        if require:
            require_newest(engine)
        yield store
    finally:
        engine.dispose()


@store_app.command("status")
def status() -> None:
    """Say which schema the store has, and which one this version works with."""
    from serving.store.schema import newest_revision, revision

    with open_store(workspace(), require=False) as store:
        say(
            f"{store.engine.url.render_as_string()}: schema {revision(store.engine) or 'none'}; this version works with {newest_revision()}"
        )


@store_app.command("upgrade")
def upgrade(to: Annotated[str, typer.Option(help="A schema to go to, up or down.")] = "head") -> None:
    """Move the store's schema to this version's, with all that is in it. Make a backup first; stop the service while it runs."""
    from serving.store.schema import migrate, revision
    from serving.store.traces import rewrite

    with open_store(workspace(), require=False) as store:
        before = revision(store.engine) or "none"
        migrate(store.engine, store.keys, to)
        after = revision(store.engine)
        if before not in ("none", after):
            rewrite(store.engine)  # an older schema may have kept in clear what is encrypted now
        say(f"The store has schema {after}; before it was {before}.")


@store_app.command("backup")
def backup(target: Annotated[Path, typer.Argument(help="The archive to write; it never holds the keys.")]) -> None:
    """Write the whole store, as it is at one moment, to an archive. The service may go on meanwhile. Keep the keys elsewhere."""
    from serving.store.backup import back_up
    from serving.store.weeks import now

    with open_store(workspace()) as store:
        counts = back_up(store.engine, target, now())
    say(f"Written: {target} ({sum(counts.values())} rows of {len(counts)} tables)")


@store_app.command("restore")
def restore(source: Annotated[Path, typer.Argument(help="The archive that 'riskmodel store backup' wrote.")]) -> None:
    """Fill a new, empty store from an archive, on whichever database, with the keys that belong to it.

    Objections and erasures of after the backup are applied again, and what is past its time by now is removed again.
    """
    from sqlalchemy.orm import Session

    from serving.settings import read_settings
    from serving.store.audit import verify as walk
    from serving.store.backup import restore as fill
    from serving.store.retention import remove_expired
    from serving.store.rights import apply_notes
    from serving.store.traces import rewrite
    from serving.store.weeks import now

    with open_store(workspace()) as store:
        counts = fill(store.engine, source)
        with Session(store.engine) as session, session.begin():
            applied = apply_notes(session, store.keys, actor=person(), at=now(), heads=store.heads)
        gone = remove_expired(store, read_settings(workspace()).retention, actor=person(), at=now())
        rewrite(store.engine)
        found = walk(store.engine, store.keys, store.heads)
    if applied:
        say(f"Objections and erasures of after the backup, applied again: {applied}.")
    if gone.places or gone.scores or gone.people:
        say(f"Past its time by now, and removed again: {gone.scores} scores, {gone.places} places on lists, {gone.people} students' names.")
    say(f"Restored: {sum(counts.values())} rows of {len(counts)} tables.")
    for fault in found.faults:
        say(f"  audit trail: {fault}")


@keys_app.command("make")
def make() -> None:
    """Make the keys to a new store; existing ones are never replaced."""
    from serving.settings import read_settings
    from serving.store.keys import make_keys, write_keys

    path = read_settings(workspace()).keys_file
    if path.exists():
        raise RiskModelError("there are keys already.", place=str(path), remedy="'riskmodel keys rotate' replaces the one that encrypts.")
    write_keys(make_keys(), path)
    say(f"Written: {path}. Keep a copy apart from the database's backups; without it nothing there can be read.")


@keys_app.command("rotate")
def rotate() -> None:
    """Encrypt everybody's key anew with a fresh one; the old one is dropped once all is done, so that a stop half-way loses nothing."""
    say(f"{renew_keys()} people's keys are encrypted anew. A running service reads the new keys when it is started again.")


def renew_keys() -> int:
    """Encrypt anew all that the store's key encrypts, destroy that key, and give how many people's keys that were.

    Raises
    ------
    RiskModelError
        The keys come as text, which can't be written.
    """
    from sqlalchemy.orm import Session

    from serving.access.sessions import reseal_sessions
    from serving.settings import read_settings
    from serving.store.audit import Event, record
    from serving.store.desk import reseal_desk
    from serving.store.keys import write_keys
    from serving.store.people import rotate as reseal_people
    from serving.store.runs import reseal_runs
    from serving.store.weeks import now, reseal_coaches

    settings = read_settings(workspace())
    if settings.keys is not None:
        raise RiskModelError("the keys come as text, which can't be written from here.", place="keys", remedy="Use a key file to rotate.")
    with open_store(workspace()) as store:
        keys: Keys = store.keys.with_new()
        write_keys(keys, settings.keys_file)
        with Session(store.engine) as session, session.begin():
            record(session, keys, Event.OPERATOR_KEYS_ROTATED, actor=person(), at=now(), heads=store.heads)
            people = reseal_people(session, keys)
            reseal_coaches(session, keys)
            reseal_desk(session, keys)
            reseal_runs(session, keys)
            reseal_sessions(session, keys)
        write_keys(keys.newest_only(), settings.keys_file)
    return people


@audit_app.command("verify")
def verify() -> None:
    """Walk the audit trail and say whether anything was changed, removed, reordered or cut off. The exit code is 3 where it was."""
    from serving.store.audit import verify as walk

    with open_store(workspace()) as store:
        found = walk(store.engine, store.keys, store.heads)
    for fault in found.faults:
        say(f"  {fault}")
    if found.faults:
        broken = RiskModelError(f"the audit trail does not hold: {len(found.faults)} thing(s) stand above.")
        broken.exit_code = 3
        raise broken
    say(f"The audit trail holds: {found.events} events, the last one is number {found.through}.")


@audit_app.command("about")
def about(
    student: Annotated[str, typer.Argument(help="The student's number.")],
    why: Annotated[str, typer.Option(help="Why it is looked up; recorded as well.")] = "asked by the student",
    language: Annotated[Language, typer.Option(help="Language of the file.")] = Language.NL,
    output: Annotated[Path | None, typer.Option(help="A file for the student instead, in words: .csv, .xlsx or .json.")] = None,
) -> None:
    """List who saw or did what about one student, for an answer to that student. Looking it up is recorded too."""
    import pandas as pd

    from riskmodel.output import check_output, write_output
    from serving.store.audit import Event, events_about
    from serving.store.people import STUDENT
    from serving.telling import who_saw

    if output is not None:
        check_output(output)
    with open_store(workspace()) as store:
        subject = store.keys.digest(STUDENT, student)
        store.record(Event.OPERATOR_STUDENT_ASKED, actor=person(), subjects=[subject], why=why)
        with store.session() as session:
            if output is not None:
                told = pd.DataFrame(who_saw(session, store.keys, student, language.value)).fillna("")
                say(f"Written: {', '.join(map(str, write_output({'seen': told}, output)))}")
                return
            for event in events_about(session, subject):
                say(f"{event.at:%Y-%m-%d %H:%M} UTC  {event.event:<26}  by {event.actor[:12]}  {event.why}".rstrip())


@audit_app.command("prune")
def prune(before: Annotated[dt.datetime, typer.Option(formats=["%Y-%m-%d"], help="Events before this day go.")]) -> None:
    """Remove events past their time under a signed checkpoint, so that the rest still verifies."""
    from serving.store.audit import prune as remove
    from serving.store.weeks import now

    with open_store(workspace()) as store:
        removed = remove(store.engine, store.keys, before.date(), actor=person(), at=now(), heads=store.heads)
    say(f"{removed} events before {before:%Y-%m-%d} were removed; the rest verifies from there.")
