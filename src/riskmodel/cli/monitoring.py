"""`riskmodel monitor`: green, amber or red for a scheduler, a page for people, metrics for MLflow and Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from riskmodel.cli.context import progress, say, workspace
from riskmodel.cli.scoring import Language, read_date
from riskmodel.files import atomic_file

EXIT_AMBER, EXIT_RED = 4, 5
_SAID = 5


def monitor(
    folder: Annotated[Path, typer.Argument(help="A data folder with the students to watch.")],
    since: Annotated[str, typer.Option("--since", help="Watch who reached a landmark on this day or later, as 2026-10-26 or 26-10-2026.")],
    date: Annotated[
        str | None, typer.Option("--date", help="The last day looked at; the last on which anything became known by default.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="The folder that the model was trained on, where this one lacks those cohorts.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="dropout or leave; the policy's by default.")] = None,
    output: Annotated[Path | None, typer.Option(help="The page; in the workspace by default.")] = None,
    prometheus: Annotated[Path | None, typer.Option(help="Also write the figures in Prometheus' text format to this .prom file.")] = None,
    language: Annotated[Language, typer.Option(help="Language of the page.")] = Language.NL,
) -> None:
    """Say whether students, data, scores or outcomes differ from what the model learnt from by more than chance gives.

    The exit code is 0 for green, 4 for amber and 5 for red.
    """
    from riskmodel.drift_page import page, told
    from training.evaluate import best_registered
    from training.monitor import log_watch, write_prometheus
    from training.monitor import monitor as run
    from training.tracking import open_tracking

    first, last = read_date(since), read_date(date) if date else None
    with progress() as listener:
        watch = run(folder, workspace(), first, until=last, reference=reference, target=target, progress=listener)
        found = best_registered(open_tracking(workspace()), watch.target)
        assert found is not None
        catalogue = found[1].catalogue
        html = page(watch.checks, watch, catalogue, language.value)
        place = output or workspace().folder / "monitoring" / f"{watch.target}-{watch.until.isoformat()}.html"
        with atomic_file(place) as temporary:
            temporary.write_text(html, encoding="utf-8")
        if prometheus is not None:
            write_prometheus(watch, prometheus)
        log_watch(workspace(), watch, html)
    say(f"{watch.level}: {watch.students} students of {', '.join(watch.cohorts)} at day {watch.landmark}, {len(watch.checks)} checks.")
    alarms = [check for check in watch.checks if check.level != "green"]
    for check in alarms[:_SAID]:
        say(f"  {check.level}: {told(check, catalogue, 'en')}")
    if len(alarms) > _SAID:
        say(f"  and {len(alarms) - _SAID} more")
    say(f"Written: {place}" + (f" and {prometheus}" if prometheus else ""))
    code = {"green": 0, "amber": EXIT_AMBER, "red": EXIT_RED}[watch.level]
    if code:
        raise typer.Exit(code)
