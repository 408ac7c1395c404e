"""`riskmodel compare`: two models beside each other, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from riskmodel.cli.context import progress, say, workspace
from riskmodel.cli.handing_out import Purpose, hand_out
from riskmodel.cli.scoring import _FOLDER, Language, read_date
from riskmodel.files import atomic_file

_MODEL = "A registered version (leave@3), an alias (leave@champion), or the path of a model folder."


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help=_MODEL)],
    second: Annotated[str, typer.Argument(metavar="B", help="The same.")],
    folder: Annotated[Path, _FOLDER],
    date: Annotated[
        str | None, typer.Option("--date", help="Compare the lists of this day, and each with the same model's a week earlier.")
    ] = None,
    cohort: Annotated[str | None, typer.Option(help="Measure on this closed cohort; on the latest one where no --date is given.")] = None,
    output: Annotated[Path | None, typer.Option(help="The page; compare.html in the workspace by default.")] = None,
    ids: Annotated[Path | None, typer.Option(help="With --date: write enrolment ids of who stands on one list alone to this file.")] = None,
    language: Annotated[Language, typer.Option(help="Language of the page.")] = Language.NL,
) -> None:
    """Say whom one model would invite and the other would not, how their reasons differ, and what each is worth; writes one page."""
    from riskmodel.comparison.page import render
    from riskmodel.output import check_output
    from training.compare import compare as run
    from training.registry import find_model

    if ids is not None:
        check_output(ids)
        if date is None:
            raise typer.BadParameter("--ids goes with --date.")
    on = read_date(date) if date else None
    models = find_model(workspace(), first), find_model(workspace(), second)
    names = _name(first), _name(second)
    if names[0] == names[1]:
        names = first, second
    with progress() as listener:
        done = run(names, models, folder, on=on, cohort=cohort, progress=listener)
    page = output or workspace().folder / "compare.html"
    with atomic_file(page) as temporary:
        temporary.write_text(render(done.found, language.value), encoding="utf-8")
    told = done.found
    if told.lists is not None:
        share = 100 * told.lists.turnover
        say(
            f"Invited by both: {told.lists.both}; by {names[0]} alone: {told.lists.only_first}; by {names[1]} alone: {told.lists.only_second}."
        )
        say(
            f"Turnover {share:.1f} % (by lot {100 * told.lists.turnover_by_lot:.1f} %), rank correlation {told.lists.rank_correlation:.3f}."
        )
        for name, week in zip(names, told.weeks, strict=False):
            say(f"{name} from a week earlier to this day: turnover {100 * week.turnover:.1f} %, {week.gone} no longer scored.")
    for name, learnt in zip(names, told.learnt_from, strict=True):
        if told.worth and learnt:
            say(f"Note: {name} has learnt from {told.cohort}, so its figures are too good, and do not say which model is better.")
    for day, worth in told.worth.items():
        one, other, difference = worth.figures["recall"]
        say(
            f"Day {day}, {told.cohort}: leavers reached {100 * one.value:.1f} % and {100 * other.value:.1f} %, "
            f"difference {100 * difference.value:+.1f} ({100 * difference.low:+.1f} to {100 * difference.high:+.1f}) percentage points."
        )
    if ids is not None:
        written = hand_out({"apart": done.apart}, ids, Purpose.CHECK, students=len(done.apart))
        say(f"Written: {', '.join(map(str, written))}")
    say(f"Written: {page}")


def _name(reference: str) -> str:
    """Give a reference as it is told: a folder by its own name."""
    return Path(reference).name if Path(reference).is_dir() else reference.removeprefix("riskmodel-")
