"""`riskmodel rights`: what a student asks for by right, and the list by which every command leaves out who objected or was erased."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riskmodel.cli.context import person, say, workspace
from riskmodel.cli.scoring import Language
from riskmodel.cli.store import open_store
from riskmodel.objections import Held, Objections, Source, in_force

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from serving.store.weeks import Store

rights_app = typer.Typer(help="Objections, erasures and questions of students.", no_args_is_help=True)
_STUDENT = typer.Argument(help="The student's number.")
_WHY = typer.Option(help="Why; recorded, so never a name.")
_LANGUAGE = typer.Option(help="Language of the answer.")
_ASKED = "asked by the student"


def store_is_here() -> bool:
    """Tell whether this machine has a store: in the workspace, or named by a setting."""
    from riskmodel.workspace import Workspace

    place: Workspace = workspace()
    if place.store.exists():
        return True
    named = any(name.startswith("RISKMODEL_SERVICE_") for name in os.environ) or (place.folder / "service.toml").exists()
    if not named:
        return False
    from serving.settings import read_settings

    return read_settings(place).store_url.get_secret_value() != place.store_url


@contextmanager
def rights_hold() -> Iterator[None]:
    """Let the store's objections and erasures hold for every data folder that a command opens, and say how many are left out."""
    said: set[str] = set()

    def lists() -> Sequence[Objections]:
        if not store_is_here():
            return ()
        from serving.store.rights import lists_in_force

        with open_store(workspace()) as store, store.session() as session:
            return (lists_in_force(session, store.keys),)

    def tell(held: Held) -> None:
        told = held.told()
        if told not in said:
            said.add(told)
            say(told)

    with in_force(Source(lists, tell)):
        yield


@contextmanager
def _writing() -> Iterator[tuple[Store, Session]]:
    from sqlalchemy.orm import Session

    with open_store(workspace()) as store, Session(store.engine) as session, session.begin():
        yield store, session


@rights_app.command("object")
def object_to(student: Annotated[str, _STUDENT], why: Annotated[str, _WHY] = _ASKED) -> None:
    """Note an objection: from now on no score, no model that reads this student, and no invitation by model or lot."""
    from serving.store.rights import object_to_scores
    from serving.store.weeks import now

    with _writing() as (store, session):
        done = object_to_scores(session, store.keys, student, actor=person(), at=now(), why=why, heads=store.heads)
    if done.since is None:
        say("This student was erased before; no data of theirs is scored.")
        return
    say(f"The objection holds since {done.since:%Y-%m-%d %H:%M} UTC. Invitations by model or lot that were withdrawn: {done.withdrawn}.")
    say("Help on request, the rule of the first test and appointments already made stay.")
    if not done.known:
        say("Nothing was held of this student yet: check the number.")


@rights_app.command("withdraw")
def withdraw(student: Annotated[str, _STUDENT]) -> None:
    """Note that a student withdrew their objection; the next list may hold them again."""
    from serving.store.rights import withdraw_objection
    from serving.store.weeks import now

    with _writing() as (store, session):
        held = withdraw_objection(session, store.keys, student, actor=person(), at=now(), heads=store.heads)
    say("The objection is withdrawn." if held else "There was no objection, so nothing changed.")


@rights_app.command("erase")
def erase(
    student: Annotated[str, _STUDENT],
    why: Annotated[str, _WHY] = _ASKED,
    language: Annotated[Language, _LANGUAGE] = Language.EN,
) -> None:
    """Destroy what is written about a student, and say what stays and why. It can't be undone."""
    from serving.store.rights import erase_student
    from serving.store.traces import tidy
    from serving.store.weeks import now
    from serving.telling import TEXTS

    with _writing() as (store, session):
        done = erase_student(session, store.keys, student, actor=person(), at=now(), why=why, heads=store.heads)
    with open_store(workspace()) as store:
        tidy(store.engine)
    say(f"Erased: {done.scores} scores, {done.lists} places on lists, and {'the key to ' if done.details else 'no '}name and enrolments.")
    for kept in TEXTS[language.value]["kept"].values():
        say(f"Stays: {kept['what']} {kept['why']}")


@rights_app.command("show")
def show(student: Annotated[str, _STUDENT], language: Annotated[Language, _LANGUAGE] = Language.NL) -> None:
    """Print all that is held of a student, in words for that student. That it was read is recorded."""
    from serving.store.audit import Event
    from serving.store.people import STUDENT
    from serving.telling import all_held

    with open_store(workspace()) as store:
        store.record(Event.RIGHTS_DATA_READ, actor=person(), subjects=[store.keys.digest(STUDENT, student)], why=_ASKED)
        with store.session() as session:
            for section in all_held(session, store.keys, student, language.value):
                say(f"{section.title}. {section.purpose}")
                for row in section.rows:
                    for place, (name, value) in enumerate(row.items()):
                        say(f"  {'-' if place == 0 else ' '} {name}: {value}")
                say()


@rights_app.command("list")
def list_all() -> None:
    """Say how many students objected and how many were erased; the store keeps no list of their names."""
    from serving.store.rights import Why, count_in_force

    with open_store(workspace()) as store, store.session() as session:
        counts = count_in_force(session)
    say(f"{counts[Why.OBJECTED]} objected, {counts[Why.ERASED]} erased.")


@rights_app.command("apply")
def apply() -> None:
    """Let objections and erasures that were noted outside the database hold again; after a restore by the database's own means."""
    from serving.store.rights import apply_notes
    from serving.store.traces import tidy
    from serving.store.weeks import now

    with _writing() as (store, session):
        done = apply_notes(session, store.keys, actor=person(), at=now(), heads=store.heads)
    with open_store(workspace()) as store:
        tidy(store.engine)
    say(f"Of {done} students the store held something else than was noted; now it does not.")


@rights_app.command("export")
def export(target: Annotated[Path, typer.Argument(help="The file to write, beside the data folder on a machine without a store.")]) -> None:
    """Write the list by which a machine without the store leaves out who objected or was erased. Keep it as carefully as the data folder."""
    from serving.store.audit import Event, record
    from serving.store.rights import lists_in_force
    from serving.store.weeks import now

    with _writing() as (store, session):
        record(session, store.keys, Event.RIGHTS_LIST_EXPORTED, actor=person(), at=now(), heads=store.heads)
        found = lists_in_force(session, store.keys)
        _write(found, target)
    say(f"Written: {target} ({len(found.objected)} objected, {len(found.erased)} erased)")
    say(f"Name it in the folder's dataset.toml:  [rights]  list = '{target.name}'")


def _write(found: Objections, target: Path) -> None:
    from riskmodel.objections import write_list
    from serving.store.weeks import now

    write_list(found, target, now())


@rights_app.command("exports")
def exports(mark: Annotated[str, typer.Option(help="Only the one with this mark, as it stands in a file's rows.")] = "") -> None:
    """List the files of students that were handed out, from here and by the service: when, by whom, for what, and how many students are in each."""
    from riskmodel.handed_out import FILE_NAME, PURPOSES, read_listing

    places = {workspace().handed_out.resolve()}
    if store_is_here():
        from serving.settings import read_settings

        places.add(read_settings(workspace()).audit_heads.with_name(FILE_NAME).resolve())
    for each in sorted((each for place in places for each in read_listing(place)), key=lambda each: each.at):
        if mark in ("", each.mark):
            say(
                f"{each.at}  {each.mark}  {each.rows:>6} students  by {each.by}  {', '.join(each.files)}  {PURPOSES.get(each.purpose, each.purpose)}"
            )
