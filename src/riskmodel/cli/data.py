"""`riskmodel data init`, `check` and `describe`: from tables in a folder to a data set that can be used."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from riskmodel.cli.context import progress, say
from riskmodel.errors import EXIT_FAULT

app = typer.Typer(help="Propose, check and describe a data folder; make or import one.", no_args_is_help=True)

_FOLDER = typer.Argument(help="A folder with tables and dataset.toml.")


class Language(StrEnum):
    """Languages that findings are told in."""

    NL = "nl"
    EN = "en"


_LANGUAGE = typer.Option(help="Language of the findings.")


@app.command()
def check(
    folder: Annotated[Path, _FOLDER],
    language: Annotated[Language, _LANGUAGE] = Language.EN,
    json: Annotated[bool, typer.Option("--json", help="Print findings and figures as JSON.")] = False,
    memory_limit: Annotated[str, typer.Option(help="What the check may hold in memory before it spills to disk.")] = "1200MB",
) -> None:
    """Tell all findings of a data folder at once; exit code 2 where any of them stops."""
    from riskmodel.contract.dataset import check_dataset

    with progress() as listener:
        report = check_dataset(folder, progress=listener, memory_limit=memory_limit)
    say(report.to_json(language.value) if json else report.to_text(language.value))
    if report.faults:
        raise typer.Exit(EXIT_FAULT)
