"""`riskmodel route`: the list that a policy would give, before anybody is invited."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riskmodel.cli.context import progress, say, workspace
from riskmodel.cli.handing_out import Purpose, hand_out
from riskmodel.cli.scoring import read_date
from riskmodel.errors import RiskModelError

if TYPE_CHECKING:
    import pandas as pd

    from riskmodel.contract.dataset import Dataset
    from riskmodel.policy import Policy
    from riskmodel.routing import Routed

_SHOWN = 20
_JUST_OUTSIDE = 5
_WAYS = {
    "request": "asked for a talk",
    "coach": "put on the list by the coach",
    "rule": "failed or missed the first test",
    "model": "by rank",
    "lottery": "drawn near the cut-off",
    "chance": "picked by chance",
}


def route(
    folder: Annotated[Path, typer.Argument(help="A data folder with dataset.toml.")],
    date: Annotated[str, typer.Option("--date", help="The day, as 2026-10-26 or 26-10-2026.")],
    policy: Annotated[Path | None, typer.Option(help="A policy file; the folder's policy.toml by default.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Needed: this command shows the list and invites nobody; 'publish' does.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="All of it as .xlsx, .csv, .parquet or .json.")] = None,
) -> None:
    """Show whom a policy would invite on a date: the list, the load per coach, who falls just outside, and the turnover. Nobody is invited."""
    from riskmodel.champion import current, read_champions
    from riskmodel.cli.publishing import EARLIER
    from riskmodel.contract.dataset import load_dataset, read_coaches
    from riskmodel.output import check_output
    from riskmodel.policy import read_policy, read_policy_file
    from riskmodel.routing import route as make_list
    from riskmodel.routing.candidates import candidates

    if not dry_run:
        raise RiskModelError("this command invites nobody.", place="route", remedy="Look with --dry-run; invite with 'riskmodel publish'.")
    on = read_date(date)
    if output is not None:
        check_output(output)
    rules = read_policy(folder) if policy is None else read_policy_file(policy)
    place = workspace()
    models = read_champions(place.champion) if current(place.champion) else {}
    target = rules.target_among(models)
    with progress() as listener:
        dataset = load_dataset(folder, progress=listener)
        students = candidates(dataset, models, target, on, progress=listener)
    students = students.join(_earlier(students["enrolment_id"], on))
    done = make_list(students, read_coaches(dataset.folder, dataset.definition), rules, on)
    told = students.drop(columns=list(EARLIER), errors="ignore").join(done.rows)
    turnover = _turnover(students["listed_before"], done)
    tables = {
        "list": told[told["invited"]].sort_values(["talks_with", "enrolment_id"]),
        "waiting": told[told["waits_for"] != ""].sort_values(["pool", "rank"]),
        "just_outside": _just_outside(told),
        "load": done.load,
    }
    by_group = _by_group(dataset, told)
    if by_group is not None:
        tables["by_group"] = by_group
    _say(tables, done, rules, on, target if models else None, turnover)
    if output is not None:
        # The list tells where somebody stands; the score itself goes into no list.
        kept = {name: _without_times(table.drop(columns="probability", errors="ignore")) for name, table in tables.items()}
        written = hand_out(kept, output, Purpose.INVITATION, students=sum(len(kept[name]) for name in ("list", "waiting", "just_outside")))
        say(f"Written: {', '.join(map(str, written))}")
    say("Nobody was invited: this was a dry run.")


def _without_times(table: pd.DataFrame) -> pd.DataFrame:
    kept = table.copy()
    for column in kept.select_dtypes("datetime"):
        kept[column] = kept[column].dt.date
    return kept


def _earlier(enrolments: pd.Series, on: dt.date) -> pd.DataFrame:
    """Give who was invited before, as the store tells; nobody where there is none yet."""
    import pandas as pd

    from riskmodel.cli.publishing import invited_earlier
    from riskmodel.cli.store import open_store

    place = workspace()
    if not place.store.exists():
        return pd.DataFrame({"invited_on": pd.NaT, "listed_before": False}, index=enrolments.index)
    with open_store(place) as store:
        return invited_earlier(store, enrolments, on)


def _turnover(listed_before: pd.Series, done: Routed) -> float | None:
    before = listed_before.astype(bool)
    return float((before & ~done.rows["invited"]).sum() / before.sum()) if before.any() else None


def _just_outside(told: pd.DataFrame) -> pd.DataFrame:
    """Give those nearest below the cut-off of their pool, who would be next."""
    outside = told[~told["invited"] & (told["waits_for"] == "") & (told["left_alone"] == "") & told["rank"].notna()]
    return outside.sort_values(["pool", "rank"]).groupby("pool").head(_JUST_OUTSIDE)


def _by_group(dataset: Dataset, told: pd.DataFrame) -> pd.DataFrame | None:
    from riskmodel.contract.groups import read_groups
    from riskmodel.errors import DataFault
    from riskmodel.fairness.invited import invited_by_group

    try:
        return invited_by_group(told[["student_id", "invited"]], read_groups(dataset.folder, dataset.definition))
    except DataFault:  # an institution may keep no such table
        return None


def _say(tables: dict[str, pd.DataFrame], done: Routed, policy: Policy, on: dt.date, target: str | None, turnover: float | None) -> None:
    invited = tables["list"]
    by = "no model: rules and requests alone" if target is None else f"ranked by {target}"
    say(f"List of {on.isoformat()}, policy {policy.version}, {by}: {len(invited)} of {len(done.rows)} students.")
    for way, count in invited["way"].value_counts().items():
        say(f"  {count:>5}  {_WAYS[str(way)]}")
    for clash in done.clashes:
        what = ", ".join(f"{count} {_WAYS[way]}" for way, count in clash.by.items())
        say(f"Clash in {clash.pool}: {clash.due} should be invited ({what}) and there are {clash.places} places; the others wait.")
    if turnover is not None:
        say(f"Turnover: {100 * turnover:.0f} % of the last list does not stand on this one.")
    load = done.load
    full = load["free"].eq(0).sum()
    if load["places"].notna().any():
        say(f"Load: {len(load)} coaches, {int(load['places'].sum())} places, {int(load['free'].sum())} free; {int(full)} are full.")
    say()
    _table("Load per coach", load)
    _table("Would be invited", invited[["talks_with", "enrolment_id", "programme", "way", "how"]])
    _table("Waits for a place", tables["waiting"][["pool", "enrolment_id", "waits_for"]])
    _table("Just outside", tables["just_outside"][["pool", "enrolment_id", "rank"]].astype({"rank": "int64"}))
    if "by_group" in tables:
        counted = tables["by_group"]
        share = counted["share"].map(lambda value: "" if value != value else f"{100 * value:.0f} %")
        _table("By group (counts under ten, and what would give them away, are left out)", counted.assign(share=share))


def _table(title: str, rows: pd.DataFrame) -> None:
    if rows.empty:
        return
    say(f"{title}:")
    say(rows.head(_SHOWN).to_string(index=False, na_rep=""))
    if len(rows) > _SHOWN:
        say(f"... and {len(rows) - _SHOWN} more; --output FILE has all.")
    say()
