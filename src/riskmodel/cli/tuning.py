"""`riskmodel tune`: search for a recipe, and write it as a file to commit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from riskmodel.cli.context import progress, say, workspace
from riskmodel.cli.data import Language
from riskmodel.cli.models import _FOLDER, _TARGET, _targets
from riskmodel.errors import RiskModelError

FAMILIES = ("logistic", "lightgbm", "blend")
_ENDED = {
    "trials": "as many trials as were asked for",
    "time": "the time that was given is used",
    "space": "every combination that may be tried was tried",
}


def tune(
    folder: Annotated[Path, _FOLDER],
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Stop after so many minutes; a trial under way is finished.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Stop at so many trials, those of earlier calls counted.")] = None,
    family: Annotated[
        list[str] | None,
        typer.Option(help="logistic, lightgbm, blend, or a recipe file; may be given several times. All three by default."),
    ] = None,
    target: Annotated[list[str] | None, _TARGET] = None,
    output: Annotated[Path, typer.Option(help="The recipe file to write; the page is written beside it, as .html.")] = Path("tuned.toml"),
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same trials.")] = 20,
    language: Annotated[Language, typer.Option(help="Language of the page.")] = Language.EN,
) -> None:
    """Search for the simplest recipe that predicts earlier cohorts as well as the best one; the test cohort is not looked at.

    Stopped at any moment, it is resumed by the same call.
    """
    from riskmodel.families.recipe import read_recipe
    from riskmodel.files import atomic_file
    from riskmodel.validation import worse_by
    from training.tune import Budget
    from training.tune import tune as run
    from training.tuning_report import recipe_text, tuning_page

    if minutes is None and trials is None:
        raise typer.BadParameter("say when to stop: --minutes M, --trials N, or both.")
    _check_output(output)
    targets = _targets(target)
    recipes = [read_recipe(name) for name in family or FAMILIES]
    families = [recipe.family for recipe in recipes]
    if len(set(families)) < len(families):
        raise typer.BadParameter("two recipes of one family can't be searched together; give each family once.", param_hint="--family")
    budget = Budget(trials, None if minutes is None else 60 * minutes)
    with progress() as listener:
        tuned = run(folder, workspace(), recipes, budget, targets=targets, seed=seed, progress=listener)
    page = output.with_suffix(".html")
    for path, text in ((page, tuning_page(tuned, language.value)), (output, recipe_text(tuned))):
        with atomic_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    resumed = f", {tuned.resumed} of them by earlier calls" if tuned.resumed else ""
    say(f"{len(tuned.tried)} trials{resumed}; ended: {_ENDED[tuned.ended]}.")
    say(f"Learnt from and measured on {', '.join(tuned.learnt_from)}; {tuned.untouched} was not looked at.")
    best, winner = tuned.best.validated, tuned.winner.validated
    say(f"Best:   trial {tuned.best.number}, {tuned.best.recipe.family}, log loss {best.loss:.5f}, AUC {best.roc_auc:.4f}")
    worse, error = worse_by(winner, best)
    say(
        f"Chosen: trial {tuned.winner.number}, {tuned.winner.recipe.family}, log loss {winner.loss:.5f}, AUC {winner.roc_auc:.4f}; "
        f"{worse:.5f} above the best, standard error {error:.5f}"
    )
    say(f"Written: {output}, {page}")
    say(f"Train with it: riskmodel train {folder} --family {output}")


def _check_output(output: Path) -> None:
    """Refuse a place that can't be written, and a recipe that someone wrote by hand, before hours of work."""
    from training.tuning_report import MADE_BY

    if output.suffix != ".toml":
        raise RiskModelError(
            "a recipe file ends in .toml.", place=str(output), remedy="Name it so; 'train' tells a file from a family by that."
        )
    if output.is_dir():
        raise RiskModelError("this is a folder.", place=str(output), remedy="Name a file in it.")
    if output.exists() and not output.read_text(encoding="utf-8", errors="replace").startswith(MADE_BY):
        raise RiskModelError(
            "a recipe stands there that no search wrote.", place=str(output), remedy="Choose another --output, or move it away."
        )
