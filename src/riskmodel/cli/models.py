"""`riskmodel train`, `evaluate` and `promote`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from riskmodel.cli.context import person, progress, say, workspace
from riskmodel.cli.data import Language
from riskmodel.errors import PromotionRefused
from riskmodel.files import atomic_file

_FOLDER = typer.Argument(help="A data folder with dataset.toml.")
_TARGET = typer.Option("--target", help="Only this target: dropout or leave. May be given twice.")
_BASELINES = ("first_test", "prior_education", "lot")


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
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the recipe's own seed.")] = None,
) -> None:
    """Fit models, measure them on the latest closed cohort, log them to MLflow, register them as challenger."""
    from riskmodel.families.recipe import read_recipe
    from training.learning import told
    from training.train import train as run

    targets = _targets(target)
    recipe = read_recipe(family)
    if seed is not None:
        recipe = recipe.model_copy(update={"seed": seed})
    with progress() as listener:
        trained = run(folder, workspace(), recipe, targets=targets, by=person(), note=say, progress=listener)
    for name, result in trained.items():
        facts = result.model.facts
        learnt = ", ".join(facts.trained_on)
        if not facts.tested_on:
            say(f"{name}: version {result.version}, learnt from {learnt}")
            say("  Only one cohort is closed, so none could be held out: nothing was measured, and nothing can be promoted.")
            continue
        say(f"{name}: version {result.version}, learnt from {learnt}, measured on {facts.tested_on}")
        _print_figures({"landmark": int(day), **figures} for day, figures in result.model.measured.items())
        if result.curve is not None:
            say(f"  {told(result.curve)}")
    say(f"See them with: mlflow ui --backend-store-uri {workspace().tracking_uri}")


def _print_figures(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print, per landmark, how well a model ranks, and how many leavers a list at capacity holds by it and by what schools do by hand."""
    from training.gates import RULES

    rows = list(rows)
    if not rows:
        return
    share = rows[0]["capacity_share"]
    say(f"  Leavers found when {100 * share:g} % of the students are invited: by the model, and by what schools do by hand.")
    say(f"   day  students  leavers  AUC (95 % interval)   invited  model  {'  '.join(RULES[name] for name in _BASELINES)}")
    for row in rows:
        found = [_cell(_found(row, row["baselines"].get(name)), len(RULES[name])) for name in _BASELINES]
        auc = "-" if row["roc_auc"] is None else f"{row['roc_auc']:.3f} ({row['roc_auc_low']:.3f}-{row['roc_auc_high']:.3f})"
        head = f"  {row['landmark']:4d}  {row['students']:8d}  {row['leavers']:7d}  {auc:<20}  {share * row['students']:7.0f}"
        say("  ".join([head, _cell(_found(row, row), 5), *found]))


def _found(row: Mapping[str, Any], figures: Mapping[str, Any] | None) -> float | None:
    recall = figures["recall_at_capacity"] if figures else None
    return None if recall is None else float(recall * row["leavers"])


def _cell(value: float | None, width: int) -> str:
    return ("-" if value is None else f"{value:.0f}").rjust(width)


def learning_curve(
    folder: Annotated[Path, _FOLDER],
    target: Annotated[list[str] | None, _TARGET] = None,
    output: Annotated[Path, typer.Option(help="The page to write.")] = Path("learning-curve.html"),
    language: Annotated[Language, typer.Option(help="Language of the page.")] = Language.EN,
) -> None:
    """Say whether another cohort would help, by learning from more and more students; with a picture."""
    from riskmodel.errors import RiskModelError
    from riskmodel.families.recipe import read_recipe
    from training.learning import curves, learning_page, told

    targets = _targets(target)
    if output.suffix != ".html" or output.is_dir():
        raise RiskModelError("the page is a file that ends in .html.", place=str(output), remedy="Name it so.")
    with progress() as listener:
        found = curves(folder, read_recipe("logistic"), targets=targets, progress=listener)
    for curve in found.curves:
        say(told(curve))
    with atomic_file(output) as temporary:
        temporary.write_text(learning_page(found, language.value), encoding="utf-8")
    say(f"Written: {output}")


def evaluate(
    folder: Annotated[Path, _FOLDER],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as JSON.")] = None,
    cohort: Annotated[str | None, typer.Option(help="The cohort to score; the latest closed one by default.")] = None,
) -> None:
    """Score a labelled set with the registered models (champion, else challenger) and say how good they are."""
    from training.evaluate import evaluate as run

    with progress() as listener:
        found = run(folder, workspace(), cohort=cohort, progress=listener)
    for note in found.notes:
        say(f"Note: {note}")
    for target, (alias, model) in found.models.items():
        say(f"{target}: {alias} version {model.version}, learnt from {', '.join(model.facts.trained_on)}, scored on {found.cohort}")
        _print_figures(row for row in found.measured if row["target"] == target)
    if json_file is not None:
        with atomic_file(json_file) as temporary:
            temporary.write_text(json.dumps(found.to_json(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        say(f"Written: {json_file}")


def promote(
    folder: Annotated[Path | None, typer.Argument(help="The data folder; the one trained on by default.")] = None,
    target: Annotated[list[str] | None, _TARGET] = None,
    because: Annotated[str, typer.Option(help="Why one failed gate is overridden; kept with name and time. Never more than one.")] = "",
) -> None:
    """Make a challenger champion when it beats what schools do by hand, beyond chance, and keeps to the bounds of policy.toml.

    Each target stands for itself: one may pass while the other is refused. The exit code is 3 where any that was asked for is refused.
    """
    from training.promote import promote as run

    targets = _targets(target)
    with progress() as listener:
        done = run(workspace(), folder, targets=targets, by=person(), because=because, progress=listener)
    for verdict in done.verdicts.values():
        say(verdict.told())
    for name, model in done.serving.items():
        say(f"{name} is served by {model}")
    refused = [name for name, verdict in done.verdicts.items() if not verdict.passed]
    if refused:
        raise PromotionRefused(f"the challenger for {' and '.join(refused)} was refused; the comparison stands above.")
