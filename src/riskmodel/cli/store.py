"""`riskmodel store`, `keys` and `audit`: what an operator does with the service's store."""

from __future__ import annotations

import datetime as dt
import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from riskmodel.cli.context import say, workspace
from riskmodel.errors import RiskModelError
from riskmodel.workspace import Workspace

if TYPE_CHECKING:
    from serving.store.keys import Keys
    from serving.store.weeks import Store

KEYS_VARIABLE = "RISKMODEL_SERVICE_KEYS"
URL_VARIABLE = "RISKMODEL_SERVICE_STORE_URL"

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
    from serving.store.keys import keys_of
    from serving.store.schema import connect, migrate, require_newest, revision
    from serving.store.weeks import Store

    url = os.environ.get(URL_VARIABLE, place.store_url)
    engine = connect(url)
    try:
        store = Store(engine, keys_of(place.keys, os.environ.get(KEYS_VARIABLE)), place.audit_heads)
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

    with open_store(workspace(), require=False) as store:
        before = revision(store.engine) or "none"
        migrate(store.engine, store.keys, to)
        say(f"The store has schema {revision(store.engine)}; before it was {before}.")


@keys_app.command("make")
def make() -> None:
    """Make the keys to a new store; existing ones are never replaced."""
    from serving.store.keys import make_keys, write_keys

    path = workspace().keys
    if path.exists():
        raise RiskModelError("there are keys already.", place=str(path), remedy="'riskmodel keys rotate' replaces the one that encrypts.")
    write_keys(make_keys(), path)
    say(f"Written: {path}. Keep a copy apart from the database's backups; without it nothing there can be read.")


@keys_app.command("rotate")
def rotate() -> None:
    """Encrypt everybody's key anew with a fresh one; the old one is dropped once all is done, so that a stop half-way loses nothing."""
    from sqlalchemy.orm import Session

    from serving.store.audit import Event, record
    from serving.store.keys import write_keys
    from serving.store.people import rotate as reseal_people
    from serving.store.weeks import now, reseal_coaches

    place = workspace()
    if os.environ.get(KEYS_VARIABLE) is not None:
        raise RiskModelError(
            "the keys come from the environment, which can't be written from here.", place=KEYS_VARIABLE, remedy="Use a key file to rotate."
        )
    with open_store(place) as store:
        keys: Keys = store.keys.with_new()
        write_keys(keys, place.keys)
        with Session(store.engine) as session, session.begin():
            record(session, keys, Event.OPERATOR_KEYS_ROTATED, actor=getpass.getuser(), at=now(), heads=store.heads)
            people = reseal_people(session, keys)
            reseal_coaches(session, keys)
        write_keys(keys.newest_only(), place.keys)
    say(f"{people} people's keys are encrypted anew. A running service reads the new keys when it is started again.")


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
) -> None:
    """List who saw or did what about one student, for an answer to that student. Looking it up is recorded too."""
    from serving.store.audit import Event, events_about
    from serving.store.people import STUDENT

    with open_store(workspace()) as store:
        subject = store.keys.digest(STUDENT, student)
        store.record(Event.OPERATOR_STUDENT_ASKED, actor=getpass.getuser(), subjects=[subject], why=why)
        with store.session() as session:
            for event in events_about(session, subject):
                say(f"{event.at:%Y-%m-%d %H:%M} UTC  {event.event:<26}  by {event.actor[:12]}  {event.why}".rstrip())


@audit_app.command("prune")
def prune(before: Annotated[dt.datetime, typer.Option(formats=["%Y-%m-%d"], help="Events before this day go.")]) -> None:
    """Remove events past their time under a signed checkpoint, so that the rest still verifies."""
    from serving.store.audit import prune as remove
    from serving.store.weeks import now

    with open_store(workspace()) as store:
        removed = remove(store.engine, store.keys, before.date(), actor=getpass.getuser(), at=now(), heads=store.heads)
    say(f"{removed} events before {before:%Y-%m-%d} were removed; the rest verifies from there.")
