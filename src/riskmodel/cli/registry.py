"""`riskmodel models`, `rollback` and `reproduce`: what is registered, the way back, and the same once more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from riskmodel.cli.context import person, progress, say, workspace
from riskmodel.cli.models import _TARGET, _targets

_HEAD = ("target", "version", "aliases", "serves", "family", "learnt from", "measured on", "gates", "by", "when (UTC)", "data")
EXIT_DIFFERS = 1
_TOLD = {"promoted": "was promoted", "rolled_back": "served again after a rollback", "found": "served without a record"}


def list_models(
    target: Annotated[list[str] | None, _TARGET] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead.")] = False,
) -> None:
    """List registered models: versions, aliases, gates, who made them and when, and from which data; then who let what serve."""
    from training.registry import list_models as run

    registry = run(workspace(), _targets(target))
    if as_json:
        say(json.dumps(registry.to_json(), ensure_ascii=False, indent=1))
        return
    rows = [
        (
            each.target,
            each.version,
            ", ".join(each.aliases) or "-",
            "yes" if each.serves else "-",
            each.family or "-",
            each.trained_on or "-",
            each.tested_on or "-",
            each.gates or "not judged",
            each.by or "-",
            each.made[:16].replace("T", " "),
            each.fingerprint[:8],
        )
        for each in registry.models
    ]
    _print_table(_HEAD, rows)
    for each in registry.models:
        if each.gates_reason:
            say(f"{each.target} {each.version} was refused: {each.gates_reason}")
    for name, champion, serving in registry.apart:
        say(f"Note: {name} is served by {serving}, and the registry's champion is version {champion}; the folder is what counts.")
    for step in registry.history:
        who = f" by {step.by}" if step.by else ""
        when = f" on {step.at[:16].replace('T', ' ')}" if step.at else ""
        say(f"{step.model} {_TOLD[step.what]}{who}{when}")


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(str(row[place])) for row in (head, *rows)) for place in range(len(head))]
    for row in (head, *rows):
        say("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def rollback(target: Annotated[list[str] | None, _TARGET] = None) -> None:
    """Return to the previous champion in one step; a running service follows within a second or two.

    Both targets go back where none is named. A second call goes one further back; exit code 3 where there is nothing to go back to.
    """
    from training.registry import rollback as run

    chosen = _targets(target) if target else ()
    done = run(workspace(), chosen, by=person())
    for name, model in done.serving.items():
        if done.finished:
            say(f"{name} is served by {model}; a rollback that was interrupted is finished now, and nothing went further back.")
        else:
            say(f"{name} is served by {model} again, instead of {done.before[name]}")


def reproduce(
    reference: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or a model as leave@champion or leave@3.")],
    folder: Annotated[Path | None, typer.Argument(help="The data folder; the one that the run names by default.")] = None,
) -> None:
    """Train a run anew and say 'same bytes', or what differs. Registers nothing.

    The exit code is 0 where the same bytes came out, and 1 where something differs.
    """
    from training.reproduce import reproduce as run

    with progress() as listener:
        done = run(workspace(), reference, folder, progress=listener)
    who = f", trained by {done.by}" if done.by else ""
    say(f"{done.name} of run {done.run_id}{who}, from {done.folder}")
    for note in done.notes:
        say(f"  differs from then: {note}")
    for what in done.data:
        say(f"  the data differ: {what}")
    for what in done.parts:
        say(f"  the model differs: {what}")
    if done.rights:
        say(f"  because of rights: {done.rights}")
    if done.same:
        say("same bytes")
        return
    say("Nothing was trained: other data give another model." if done.data else "other bytes")
    raise typer.Exit(EXIT_DIFFERS)
