"""`riskmodel year`: the end of a year, when a cohort closes and coaches change."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riskmodel.cli.context import person, progress, say, workspace
from riskmodel.cli.scoring import read_date
from riskmodel.cli.store import open_store
from riskmodel.errors import ConfigurationFault

if TYPE_CHECKING:
    import pandas as pd

    from riskmodel.contract.dataset import Dataset

year_app = typer.Typer(help="The end of a year.", no_args_is_help=True)


@year_app.command("close")
def close(
    folder: Annotated[Path, typer.Argument(help="The newest data folder: its coaches and programmes are those from now on.")],
    cohort: Annotated[str, typer.Option(help="The cohort that closes, by its label in dataset.toml.")],
    date: Annotated[str, typer.Option("--date", help="The day on which it closes; today by default.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
) -> None:
    """Close a cohort: its lists leave the pages, log-ins of former coaches end, and so do all stand-ins. Nothing is removed: retention does that."""
    from riskmodel.contract.dataset import load_dataset, read_coaches
    from serving.settings import read_settings
    from serving.store.weeks import now
    from serving.store.year import NextYear, close_cohort

    on = read_date(date) if date else now().date()
    with progress() as listener:
        dataset = load_dataset(folder, progress=listener)
    _require_over(dataset, cohort, on, folder)
    enrolments = _enrolments(dataset)
    coaches = read_coaches(dataset.folder, dataset.definition)
    going_on = enrolments[(enrolments["cohort"] != cohort) & ~enrolments["cohort"].isin(dataset.definition.closed_cohorts)]
    following = NextYear(set(coaches["coach_id"]), set(coaches["login_subject"].dropna()) - {""}, set(going_on["programme"]))
    closes = enrolments[enrolments["cohort"] == cohort]
    with open_store(workspace()) as store:
        done = close_cohort(store, set(closes["enrolment_id"]), following, on, actor=person(), at=now(), dry_run=dry_run)
    periods = read_settings(workspace()).retention
    would = "would " if dry_run else ""
    say(f"Cohort {cohort} {'would close' if dry_run else 'is closed'} on {on.isoformat()}: {len(closes)} enrolments.")
    say(f"{done.places:>6} places on lists {would}leave the pages, and {done.lists} lists as a whole.")
    say(f"{done.sessions:>6} log-ins of former coaches {would}end, and {done.stand_ins} stand-ins.")
    say(f"{done.coaches_gone:>6} coaches of the newest list are gone, {done.coaches_new} are new.")
    say(f"{done.programmes_gone:>6} programmes of the newest list are gone, {done.programmes_new} are new.")
    say(f"{_moved(enrolments, cohort):>6} of its students go on in another enrolment; the next list knows them there.")
    gone_by = on + dt.timedelta(days=max(periods.scores, periods.lists, periods.people))
    say(f"The periods run: 'riskmodel retention run' lets the last of it go by {gone_by.isoformat()}.")


def _require_over(dataset: Dataset, label: str, on: dt.date, folder: Path) -> None:
    try:
        last = dataset.definition.cohort(label).start + dt.timedelta(days=dataset.definition.last_day)
    except KeyError:
        labels = ", ".join(each.label for each in dataset.definition.cohorts)
        raise ConfigurationFault(f"there is no cohort '{label}'.", place=str(folder), remedy=f"There are {labels}.") from None
    if on <= last:
        raise ConfigurationFault(
            f"students of {label} are scored up to {last.isoformat()}, and {on.isoformat()} is not past it.",
            place="--date",
            remedy="Close a cohort when nobody of it is invited any more.",
        )


def _enrolments(dataset: Dataset) -> pd.DataFrame:
    """Give every enrolment, also of students who objected: their places on lists leave the pages with the others'."""
    import pandas as pd

    from riskmodel.frames import to_pandas

    columns = ("enrolment_id", "student_id", "cohort", "programme")
    parts = [dataset.tables, *([] if dataset.objectors is None else [dataset.objectors])]
    return pd.concat([to_pandas(tables.enrolments.select(*columns)) for tables in parts], ignore_index=True)


def _moved(enrolments: pd.DataFrame, cohort: str) -> int:
    theirs = enrolments["cohort"] == cohort
    return len(set(enrolments.loc[theirs, "student_id"]) & set(enrolments.loc[~theirs, "student_id"]))
