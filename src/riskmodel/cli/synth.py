"""`riskmodel data synth`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from riskmodel.cli.context import progress, say


def synth(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    students: Annotated[int, typer.Option(min=50, help="Students in each cohort.")] = 1200,
    cohorts: Annotated[int, typer.Option(min=1, max=20, help="Cohorts; the last one still runs.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same tables.")] = 20,
    scenario: Annotated[str, typer.Option(help="plain, drift, feed_failure, late_tests, new_programme, noise or transparent.")] = "plain",
    until_day: Annotated[int, typer.Option(min=1, help="Day of the last cohort on which the tables were delivered.")] = 60,
    table_format: Annotated[
        str, typer.Option("--format", help="parquet, csv, or 1cho: the sector's enrolment file and what is added to it.")
    ] = "parquet",
) -> None:
    """Make a synthetic institution: believable tables, nobody in them exists."""
    from riskmodel.synth import SCENARIOS, SynthSettings, generate

    if scenario not in SCENARIOS:
        raise typer.BadParameter(f"'{scenario}' is no scenario; there are {', '.join(SCENARIOS)}.")
    if table_format not in ("parquet", "csv", "1cho"):
        raise typer.BadParameter(f"'{table_format}' is no format; there are parquet, csv and 1cho.")
    if table_format == "1cho" and scenario == "transparent":
        raise typer.BadParameter("the transparent scenario has outcomes per landmark, which 1cijferHO can't hold.")
    told = {"students": students, "cohorts": cohorts, "seed": seed, "scenario": scenario, "until_day": until_day, "format": table_format}
    with progress() as listener:
        generate(folder, SynthSettings.model_validate(told), listener)
    say(f"Written: {folder} ({cohorts} cohorts of {students} students, scenario {scenario})")
