"""What every command shares: the workspace that was asked for, and a progress bar that stays quiet in a pipe."""

from __future__ import annotations

import contextlib
import getpass
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from riskmodel.progress import Progress
from riskmodel.workspace import Workspace


@dataclass
class Options:
    """Options given before the command."""

    workspace: Path = Path("workspace")
    by: str = ""


options = Options()


def workspace() -> Workspace:
    """Give the workspace of this call."""
    return Workspace(options.workspace)


def person() -> str:
    """Give who does this: the name given with --by, else the login of this machine."""
    if options.by:
        return options.by
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in some containers
        return "unknown"


def say(text: str = "") -> None:
    """Print one line for the person at the keyboard."""
    print(text, flush=True)


@contextlib.contextmanager
def progress() -> Iterator[Progress]:
    """Give a listener that draws a bar on a terminal, and prints each new step on a line of its own elsewhere."""
    if not sys.stderr.isatty():
        last = ""

        def line(done: int, total: int, what: str) -> None:
            nonlocal last
            if what != last:
                print(f"  {what} ...", file=sys.stderr, flush=True)
                last = what

        yield line
        return

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)
        yield lambda done, total, what: bars.update(task, completed=done, total=total or None, description=what)
