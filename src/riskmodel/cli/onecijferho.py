"""`riskmodel data import-1cho` and `link`: history from the sector's enrolment file, and student numbers for it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from riskmodel.cli.context import progress, say, workspace

_KEY_NAME = "pseudonyms.key"
_KEY = typer.Option(
    "--key", help="The key of the pseudonyms; 'pseudonyms.key' in the workspace by default. Keep it from whoever gets the data."
)


class FirstYears(StrEnum):
    """Whose first year counts."""

    PROGRAMME = "programme"
    INSTITUTION = "institution"
    HO = "ho"


class University(StrEnum):
    """What leaving hbo for university counts as."""

    SWITCHED = "switched"
    DROPPED_OUT = "dropped_out"
    LEFT_OUT = "left_out"


class Also(StrEnum):
    """Further columns, declared as signals."""

    SCHOOL_GRADE = "school_grade"
    YEARS_IN_HO = "years_in_ho"


def import_1cho(
    files: Annotated[list[Path], typer.Argument(help="EV*.asc as delivered, or the converter's .csv or .parquet; or a folder with them.")],
    target: Annotated[Path, typer.Argument(help="A new data folder.")],
    layout: Annotated[
        list[Path] | None, typer.Option(help="Bestandsbeschrijving_1cyferho_...txt; found beside the files by default.")
    ] = None,
    institution: Annotated[
        str | None, typer.Option(help="Code of the institution (four signs); found out where only one can be meant.")
    ] = None,
    first_years: Annotated[
        FirstYears, typer.Option(help="First-years of the programme here, of the institution, or of higher education.")
    ] = FirstYears.PROGRAMME,
    university: Annotated[University, typer.Option(help="What leaving hbo for university counts as.")] = University.SWITCHED,
    since: Annotated[
        int | None, typer.Option(help="Calendar year in which the first cohort begins; the earliest in the files by default.")
    ] = None,
    groups: Annotated[
        list[str] | None, typer.Option(help="A sensitive field to read for the table 'groups' alone; may be repeated.")
    ] = None,
    also: Annotated[list[Also] | None, typer.Option(help="A further column, declared as a signal; may be repeated.")] = None,
    key: Annotated[Path | None, _KEY] = None,
    memory_limit: Annotated[str, typer.Option(help="What the import may hold in memory before it spills to disk.")] = "1200MB",
) -> None:
    """Turn 1cijferHO enrolment files into a data folder with all past cohorts; every choice is written in its dataset.toml."""
    from riskmodel.onecijferho import import_1cho as run
    from riskmodel.onecijferho.history import Choices
    from riskmodel.onecijferho.report import report_lines

    place = key if key is not None else workspace().folder / _KEY_NAME
    with progress() as listener:
        done = run(
            files,
            target,
            place,
            layouts=layout or (),
            institution=institution,
            choices=Choices(first_years.value, university.value, since),
            groups=groups or (),
            also=tuple(each.value for each in also or ()),
            memory_limit=memory_limit,
            progress=listener,
        )
    for line in report_lines(done):
        say(line)
    _tell_key(place, new=done.new_key)
    say(f"Written: {target}")


def link(
    folder: Annotated[Path, typer.Argument(help="A data folder made by import-1cho.")],
    numbers: Annotated[Path, typer.Argument(help="A table (CSV, Excel or Parquet) of person number and student number.")],
    key: Annotated[Path | None, _KEY] = None,
    person_column: Annotated[str | None, typer.Option(help="The column with person numbers, where its name is unusual.")] = None,
    student_column: Annotated[str | None, typer.Option(help="The column with student numbers, where its name is unusual.")] = None,
    sheet: Annotated[str | None, typer.Option(help="The sheet of an Excel file; the first by default.")] = None,
) -> None:
    """Put student numbers in the place of pseudonyms, from the institution's own list; no number is shown."""
    from riskmodel.onecijferho import link as run

    place = key if key is not None else workspace().folder / _KEY_NAME
    done = run(folder, numbers, place, person_column=person_column, student_column=student_column, sheet=sheet)
    say(
        f"{done.matched} students have their number now, {done.unmatched} keep their pseudonym"
        + (f", {done.before} had theirs before." if done.before else ".")
    )
    if done.contradicted:
        say(
            f"  {done.contradicted} of those keep it since the list gives them several numbers, one of somebody else, or one with a hyphen."
        )
    say(f"  {done.listed} rows in the list; {done.unused} are of nobody in this folder, {done.empty} lack one of both numbers.")
    _tell_key(place, new=False)
    say(f"Written: {folder}")


def _tell_key(place: Path, *, new: bool) -> None:
    from riskmodel.onecijferho.pseudonyms import open_to_others

    if new:
        say(f"A new key was made: {place}. Without it students can never be linked; keep it where only those who may link can read it.")
    if open_to_others(place):
        say(f"Others on this machine may read {place}: take that right away (chmod 600).")
