"""`riskmodel retention`: remove what is past its time, so that it can be read nowhere."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer

from riskmodel.cli.context import person, say, workspace
from riskmodel.cli.store import open_store, renew_keys

if TYPE_CHECKING:
    from serving.store.retention import Expired, Periods

retention_app = typer.Typer(help="What is past its time.", no_args_is_help=True)
_TOLD = {
    "scores": "scores",
    "runs": "runs over cohorts, with who was in them",
    "lists": "lists",
    "places": "places of students on those lists",
    "people": "students' names and enrolments",
    "sessions": "log-ins, stand-ins and tokens",
    "audit": "events of the audit trail",
    "talks": "rows of the coaches' desk: own students, follow-up, notes, marks, reports and wishes",
    "drafts": "drafts that were never saved",
}


@retention_app.command("run")
def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many of each kind would go, and change nothing.")] = False,
) -> None:
    """Remove what is past its time, encrypt the rest under a fresh key, and write the database's files anew."""
    from serving.settings import read_settings
    from serving.store.retention import expired
    from serving.store.weeks import now

    periods = read_settings(workspace()).retention
    if dry_run:
        with open_store(workspace()) as store, store.session() as session:
            _say(expired(session, periods, now()), periods, "would go")
        return
    found = apply_retention(periods, now())
    _say(found, periods, "gone")
    say(
        "What is left was encrypted under a fresh key, and the database's files were written anew. Old backups still hold what went: remove them too."
    )


def apply_retention(periods: Periods, at: dt.datetime) -> Expired:
    """Remove what is past its time, so that it can be read nowhere; doing it again finishes what was interrupted.

    Parameters
    ----------
    periods : Periods
    at : datetime.datetime
        Now, UTC.
    """
    from serving.store.audit import prune
    from serving.store.retention import remove_expired
    from serving.store.traces import rewrite

    with open_store(workspace()) as store:
        found = remove_expired(store, periods, actor=person(), at=at)
        if found.audit:
            before = at.date() - dt.timedelta(days=periods.audit)
            prune(store.engine, store.keys, before, actor=person(), at=at, heads=store.heads)
    renew_keys()
    with open_store(workspace()) as store:
        rewrite(store.engine)
    return found


def _say(found: Expired, periods: Periods, what: str) -> None:
    kept = periods.model_dump() | {"places": periods.lists, "runs": periods.scores}
    for name, count in found.told().items():
        say(f"{count:>7} {what}: {_TOLD[name]} (kept for {kept[name]} days)")
