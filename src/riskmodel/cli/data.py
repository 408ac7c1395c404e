"""`riskmodel data init`, `check` and `describe`: from tables in a folder to a data set that can be used."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from riskmodel.cli.context import progress, say, workspace
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
    from riskmodel.policy import read_policy

    with progress() as listener:
        report = check_dataset(folder, progress=listener, memory_limit=memory_limit)
    say(report.to_json(language.value) if json else report.to_text(language.value))
    read_policy(folder)  # a fault in the invitation rule would stop training too
    if report.faults:
        raise typer.Exit(EXIT_FAULT)


@app.command()
def init(
    folder: Annotated[Path, _FOLDER],
    language: Annotated[Language, typer.Option(help="Language of the comments.")] = Language.EN,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a dataset.toml that is there already.")] = False,
) -> None:
    """Propose a dataset.toml from the headers and values of the tables in a folder."""
    from riskmodel.contract.definition import FILE_NAME
    from riskmodel.contract.proposing import propose
    from riskmodel.errors import RiskModelError
    from riskmodel.files import atomic_file

    target = folder / FILE_NAME
    if target.exists() and not replace:
        raise RiskModelError("this file is there already.", place=str(target), remedy="Move it away, or say --replace.")
    proposal = propose(folder, language.value)
    with atomic_file(target) as temporary:
        temporary.write_text(proposal.text, encoding="utf-8", newline="\n")
    for table, file in proposal.placed.items():
        say(f"{table}: {file}")
    for text in proposal.unplaced:
        say(f"? {text}")
    say(f"Written: {target}")


@app.command()
def describe(
    folder: Annotated[Path, _FOLDER],
    output: Annotated[
        Path | None, typer.Option(help="A folder for the page and the dictionary; 'description' in the workspace by default.")
    ] = None,
    language: Annotated[Language, typer.Option(help="Language of the page.")] = Language.EN,
) -> None:
    """Write a data dictionary, and a page with pictures of what the data hold; cells under ten students are left out."""
    from riskmodel.contract.dataset import load_dataset
    from riskmodel.contract.describing import describe as describe_dataset
    from riskmodel.features import catalogue
    from riskmodel.files import atomic_file
    from riskmodel.output import write_output

    target = output if output is not None else workspace().folder / "description"
    with progress() as listener:
        dataset = load_dataset(folder, progress=listener)
        description = describe_dataset(dataset, catalogue(dataset.definition), language.value)
    page = target / "description.html"
    with atomic_file(page) as temporary:
        temporary.write_text(description.html, encoding="utf-8", newline="\n")
    tables = {"columns": description.dictionary, "features": description.features}
    for path in (page, *write_output(tables, target / "data-dictionary.xlsx")):
        say(f"Written: {path}")
