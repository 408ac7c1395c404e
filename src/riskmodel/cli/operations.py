"""`riskmodel doctor` and `riskmodel config`: whether a service could run here, and with which settings."""

from __future__ import annotations

import typer

from riskmodel.cli.context import say, workspace
from riskmodel.errors import RiskModelError

config_app = typer.Typer(help="The service's settings.", no_args_is_help=True)


@config_app.command("show")
def show() -> None:
    """Print every setting in force, with where it comes from; secrets are masked."""
    from serving.settings import FILE_VARIABLE, PREFIX, read_settings, settings_file, told_settings

    settings = read_settings(workspace())
    for told in told_settings(settings, workspace()):
        say(f"{told.name:<18} {told.value}")
        say(f"{'':<18} {told.description} From: {told.source}.")
    say()
    say(f"Set one with {PREFIX}NAME in the environment, or in {settings_file(workspace())} (or the file that {FILE_VARIABLE} names).")


def doctor() -> None:
    """Look at configuration, log-ins, keys, database, champion, data, clock, disk and permissions, and say for each fault what to do. Exit code 2 where there is one."""
    from serving.doctor import examine
    from serving.store.weeks import now

    found = examine(workspace(), now())
    for each in found:
        say(f"  {'well ' if each.well else 'FAULT'}  {each.name:<14} {each.told}")
    faults = sum(not each.well for each in found)
    if faults:
        raise RiskModelError(f"{faults} of {len(found)} are not well; what to do stands above.")
    say("All is well.")
