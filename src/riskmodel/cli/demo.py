"""`riskmodel demo`: from nothing to a running service; what is done already is not done again."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from riskmodel.champion import current
from riskmodel.cli import context
from riskmodel.cli.context import progress, say
from riskmodel.tables import TARGETS
from riskmodel.workspace import Workspace

_STUDENTS, _COHORTS, _UNTIL_DAY = 1200, 4, 62
_PUBLISHED_DAYS = (48, 55, 62)  # three Mondays


def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo's data and workspace are kept.")] = Path("demo"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8000,
    serve: Annotated[bool, typer.Option(help="Start the service at the end.")] = True,
) -> None:
    """Make demo data, train, promote, score the current cohort and start the service on this machine."""
    from riskmodel.cli.service import require_free
    from riskmodel.cli.service import serve as start

    if serve:
        require_free("127.0.0.1", port)
    data = folder / "data"
    workspace = Workspace(folder / "workspace")
    context.options.workspace = workspace.folder
    with progress() as listener:
        if not data.exists():
            from riskmodel.synth import SynthSettings, generate

            say(f"1/4 Making demo data: {_COHORTS} cohorts of {_STUDENTS} students who do not exist")
            generate(data, SynthSettings(students=_STUDENTS, cohorts=_COHORTS, until_day=_UNTIL_DAY), listener)
        else:
            say("1/4 Demo data: there already")
        promoted = current(workspace.champion)
        if not promoted and not _is_trained(workspace):
            from riskmodel.families.recipe import read_recipe
            from training.train import train

            say("2/4 Training on two cohorts, measuring on the third, logging to MLflow")
            train(data, workspace, read_recipe("blend"), by=context.person(), progress=listener)
        else:
            say("2/4 Models: trained already")
        if not promoted:
            from training.promote import promote

            say("3/4 Holding the models against what schools do by hand, and promoting")
            done = promote(workspace, by=context.person(), progress=listener)
            for verdict in done.verdicts.values():
                say(verdict.told())
        else:
            say("3/4 Champion: promoted already")
        lacking = _days_to_publish(data, workspace)
        if lacking:
            from riskmodel.cli.demo_desk import talk_after, write_desk_file
            from riskmodel.cli.publishing import publish_week
            from riskmodel.cli.store import open_store

            say("4/4 Scoring the current cohort, inviting as many as the coaches have time for, and letting coaches talk with them")
            write_desk_file(workspace.folder)
            for day in lacking:
                publish_week(data, workspace, day, progress=listener)
                with open_store(workspace) as store:
                    talk_after(store, day, newest=day == lacking[-1])
        else:
            say("4/4 Lists: published already")
    if serve:
        start(port=port, demo=True)


def _is_trained(workspace: Workspace) -> bool:
    """Tell whether an earlier run got as far as a challenger for every target."""
    if not workspace.registry.exists():
        return False
    from training.tracking import CHALLENGER, open_tracking, registered_version

    mlflow = open_tracking(workspace)
    return all(registered_version(mlflow, target, CHALLENGER) is not None for target in TARGETS)


def _days_to_publish(data: Path, workspace: Workspace) -> list[dt.date]:
    """Give the days whose lists are not in the store yet."""
    from riskmodel.cli.store import open_store
    from riskmodel.contract.definition import read_definition
    from serving.store.weeks import published_days

    with open_store(workspace) as store, store.session() as session:
        there = published_days(session)
    begin = read_definition(data).cohorts[-1].start
    days = [begin + dt.timedelta(days=day) for day in _PUBLISHED_DAYS]
    return [day for day in days if day not in there]
