"""The champion's own definition of the data, for uploads that bring none: their tables are called as the champion's were. It reads no more than cohorts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb
import tomlkit

from riskmodel.champion import current, read_champions
from riskmodel.contract.definition import FILE_NAME, Cohort, DatasetDefinition, Table
from riskmodel.errors import DataFault, RiskModelError
from riskmodel.files import atomic_file

NEEDED = ("enrolments", "attendance", "results")
SUFFIXES = (".csv", ".parquet")


def fitted(own: DatasetDefinition, names: Collection[str]) -> DatasetDefinition:
    """Give the champion's definition over files that were sent: each called as there, as CSV or Parquet whichever it was.

    Parameters
    ----------
    own : DatasetDefinition
    names : collection of str
        The files' names.

    Raises
    ------
    RiskModelError
        One that scoring needs is not among them.
    """
    tables = {name: _fitting(own.tables[name], names) for name in NEEDED if name in own.tables}
    extra = [each.model_copy(update={"table": _fitting(each.table, names)}) if each.table is not None else each for each in own.extra]
    found = own.model_copy(update={"tables": tables, "extra": tuple(extra), "accept": (), "rights": None})
    named = {table.file for table in [*tables.values(), *(each.table for each in extra if each.table is not None)]}
    unused = sorted(name for name in names if name not in named and name != FILE_NAME)
    if unused:
        raise RiskModelError(
            f"{unused[0]} is no table that scoring needs by the champion's own definition of the data.", remedy="Leave it out."
        )
    return found


def _fitting(table: Table, names: Collection[str]) -> Table:
    stem = PurePosixPath(table.file).stem
    for name in sorted(names):
        if PurePosixPath(name).stem == stem and PurePosixPath(name).suffix in SUFFIXES:
            return table.model_copy(update={"file": name, "sheet": None})
    raise RiskModelError(
        f"{stem}.csv or {stem}.parquet is not among the files, and the champion's own definition of the data names it.",
        remedy=f"Send it, or send {FILE_NAME} along.",
    )


def complete(folder: Path, champion_folder: Path) -> None:
    """Put the champion's own definition beside tables that came without one; nothing is done where there is one.

    Raises
    ------
    ModelFault
        There is no champion.
    RiskModelError
        A table that it names is not there.
    DataFault
        A cohort that it does not know has no start that can be read.
    """
    if (folder / FILE_NAME).exists():
        return
    model = read_champions(champion_folder)[next(iter(current(champion_folder)))]
    own = DatasetDefinition.model_validate(model.facts.definition)
    definition = _with_cohorts(fitted(own, [place.name for place in folder.iterdir()]), folder)
    with atomic_file(folder / FILE_NAME) as temporary:
        temporary.write_text(tomlkit.dumps(definition.model_dump(exclude_none=True, exclude_defaults=True)), encoding="utf-8")


def _with_cohorts(definition: DatasetDefinition, folder: Path) -> DatasetDefinition:
    """Add cohorts that the champion never heard of; each starts when its first student does."""
    table = definition.tables["enrolments"]
    if "cohort" in table.constants:
        return definition
    values = table.values.get("cohort", {})
    known = {cohort.label for cohort in definition.cohorts}
    new = {values.get(label, label): start for label, start in _starts(folder / table.file, table)}
    later = [Cohort(label=label, start=_day(label, start)) for label, start in new.items() if label not in known]
    cohorts = sorted([*definition.cohorts, *later], key=lambda cohort: cohort.start)
    return definition.model_copy(update={"cohorts": tuple(cohorts)})


def _starts(file: Path, table: Table) -> list[tuple[str, dt.date | None]]:
    name = {column: table.columns.get(column, column).replace('"', '""') for column in ("cohort", "start_date")}
    options: dict[str, Any] = {"all_varchar": True} | ({"sep": table.delimiter} if table.delimiter else {})
    with duckdb.connect(config={"memory_limit": "500MB"}) as connection:
        try:
            rows = connection.read_parquet(str(file)) if file.suffix == ".parquet" else connection.read_csv(str(file), **options)
            day = f'try_cast("{name["start_date"]}" AS DATE)'
            if table.date_format:
                written = table.date_format.replace("'", "''")
                day = f"coalesce({day}, try_strptime(\"{name['start_date']}\"::VARCHAR, '{written}')::DATE)"
            told = rows.aggregate(f'"{name["cohort"]}"::VARCHAR AS label, min({day}) AS start').filter("label IS NOT NULL").fetchall()
        except duckdb.Error:  # the check of the data says it better
            return []
    return [(str(label), start) for label, start in told]


def _day(label: str, start: dt.date | None) -> dt.date:
    if start is None:
        raise DataFault(
            f"when cohort '{label}' starts can't be read, and the champion does not know this cohort.",
            place="enrolments, start_date",
            remedy=f"Write days as 2026-09-01, or send {FILE_NAME} along.",
        )
    return start
