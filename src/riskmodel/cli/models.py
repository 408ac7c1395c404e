"""`riskmodel train`, `evaluate` and `promote`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from riskmodel.cli.context import progress, say, workspace
from riskmodel.errors import PromotionRefused
from riskmodel.files import atomic_file

_FOLDER = typer.Argument(help="A data folder with dataset.toml.")
_TARGET = typer.Option("--target", help="Only this target: dropout or leave. May be given twice.")


def _targets(asked: list[str] | None) -> tuple[str, ...]:
    from riskmodel.tables import TARGETS

    for target in asked or ():
        if target not in TARGETS:
            raise typer.BadParameter(f"'{target}' is no target; there are {' and '.join(TARGETS)}.")
    return tuple(asked) if asked else TARGETS


def train(
    folder: Annotated[Path, _FOLDER],
    family: Annotated[str, typer.Option(help="blend, logistic, lightgbm, or the path of a recipe file.")] = "blend",
    target: Annotated[list[str] | None, _TARGET] = None,
) -> None:
    """Fit models, measure them on the latest closed cohort, log them to MLflow, register them as challenger."""
    from riskmodel.families.recipe import read_recipe
    from training.train import train as run

    targets = _targets(target)
    recipe = read_recipe(family)
    with progress() as listener:
        trained = run(folder, workspace(), recipe, targets=targets, progress=listener)
    for name, result in trained.items():
        facts = result.model.facts
        say(f"{name}: version {result.version}, learnt from {', '.join(facts.trained_on)}, measured on {facts.tested_on or 'nothing'}")
        _print_figures([{"landmark": int(day), **figures} for day, figures in result.model.measured.items()])
        if not facts.tested_on:
            say("  Only one cohort is closed, so none could be held out: nothing was measured, and nothing can be promoted.")
    say(f"See them with: mlflow ui --backend-store-uri {workspace().tracking_uri}")


def _print_figures(rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    say("   day  students  base rate   AUC (95 % interval)      AP    prior education  first test")
    for row in rows:
        baselines = row["baselines"]
        others = "  ".join(_auc(baselines.get(name)) for name in ("prior_education", "first_test"))
        interval = f"{row['roc_auc']:.3f} ({row['roc_auc_low']:.3f}-{row['roc_auc_high']:.3f})" if row["roc_auc"] is not None else "-"
        precision = f"{row['average_precision']:.3f}" if row["average_precision"] is not None else "  -  "
        say(f"  {row['landmark']:4d}  {row['students']:8d}  {row['base_rate']:9.3f}   {interval:22}  {precision}   {others}")


def _auc(figures: dict[str, Any] | None) -> str:
    return "      -        " if not figures or figures["roc_auc"] is None else f"  AUC {figures['roc_auc']:.3f}    "


def evaluate(
    folder: Annotated[Path, _FOLDER],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as JSON.")] = None,
    cohort: Annotated[str | None, typer.Option(help="The cohort to score; the latest closed one by default.")] = None,
) -> None:
    """Score a labelled set with the registered models (champion, else challenger) and say how good they are."""
    from training.evaluate import evaluate as run

    with progress() as listener:
        found = run(folder, workspace(), cohort=cohort, progress=listener)
    for target, facts in found["models"].items():
        say(f"{target}: {facts['alias']}, learnt from {', '.join(facts['trained_on'])}, scored on {found['cohort']}")
        _print_figures([row for row in found["results"] if row["target"] == target])
    for note in found["notes"]:
        say(f"Note: {note}")
    if json_file is not None:
        with atomic_file(json_file) as temporary:
            temporary.write_text(json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        say(f"Written: {json_file}")


def promote(
    folder: Annotated[Path | None, typer.Argument(help="The data folder; the one trained on by default.")] = None,
    target: Annotated[list[str] | None, _TARGET] = None,
) -> None:
    """Make a challenger champion when it beats what schools do by hand, beyond chance; exit code 3 where any is refused."""
    from training.promote import promote as run

    targets = _targets(target)
    with progress() as listener:
        done = run(workspace(), folder, targets=targets, progress=listener)
    for verdict in done.verdicts.values():
        say(verdict.told())
    for name, model in done.serving.items():
        say(f"{name} is served by {model}")
    refused = [name for name, verdict in done.verdicts.items() if not verdict.passed]
    if refused:
        raise PromotionRefused(f"the challenger for {' and '.join(refused)} was refused; the comparison stands above.")
