"""`riskmodel data import-oulad`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from riskmodel.cli.context import progress, say


def import_oulad(
    source: Annotated[Path, typer.Argument(help="The folder with studentInfo.csv and the other official tables.")],
    target: Annotated[Path, typer.Argument(help="A new data folder.")],
) -> None:
    """Turn the Open University Learning Analytics tables into a data folder; every choice is written in its dataset.toml."""
    from riskmodel.oulad import import_oulad as run

    with progress() as listener:
        done = run(source, target, listener)
    say(f"Activity from {done.activity}.csv.")
    for name, rows in done.rows.items():
        say(f"  {name}: {rows} rows")
    for cause, count in done.dropped.items():
        say(f"  dropped {count} {cause}")
    say(f"Written: {target}")
