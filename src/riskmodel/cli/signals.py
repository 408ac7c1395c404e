"""`riskmodel signals`: what each signal is worth, as a page with pictures, and the configuration that leaves out what is worth nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from riskmodel.cli.context import progress, say, workspace
from riskmodel.cli.models import _FOLDER, _TARGET, _targets
from riskmodel.cli.scoring import Language
from riskmodel.files import atomic_file


def signals(
    folder: Annotated[Path, _FOLDER],
    family: Annotated[str, typer.Option(help="blend, logistic, lightgbm, or the path of a recipe file.")] = "blend",
    target: Annotated[list[str] | None, _TARGET] = None,
    margin: Annotated[float, typer.Option(min=0.0, max=0.5, help="The loss of AUC that counts as none.")] = 0.01,
    language: Annotated[Language, typer.Option(help="Language of the page.")] = Language.NL,
    output: Annotated[
        Path | None, typer.Option(help="A folder for the page and the figures; 'signals' in the workspace by default.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Add what can go to left_out_features in dataset.toml.")] = False,
) -> None:
    """Measure what is lost without each signal, on the latest closed cohort, and advise which could go without loss."""
    from riskmodel.families.recipe import read_recipe
    from riskmodel.measuring import plain
    from riskmodel.signals.leaving_out import leave_out
    from riskmodel.signals.page import name_of, signal_words, signals_page
    from riskmodel.signals.prior_page import prior_page
    from training.signals import signals as run

    targets = _targets(target)
    recipe = read_recipe(family)
    place = output if output is not None else workspace().folder / "signals"
    with progress() as listener:
        dataset, worth = run(folder, recipe, targets=targets, margin=margin, progress=listener)
    words = signal_words("en")
    say(f"Learnt from {', '.join(worth.learnt)}, measured on {worth.tested}; lists of {100 * worth.capacity:g} % of the students.")
    say("  lost without it, at the landmark where that is most: AUC (95 % interval), leavers on the list (95 % interval)")
    for signal in worth.signals:
        rows = worth.losses[worth.losses["signal"] == signal.name]
        auc, found = (rows.sort_values(name, ascending=False).to_dict("records")[0] for name in ("auc", "found"))
        told = f"{auc['auc']:+.3f} ({auc['auc_low']:+.3f} to {auc['auc_high']:+.3f}), {found['found']:+.1f} ({found['found_low']:+.1f} to {found['found_high']:+.1f})"
        say(f"  {name_of(signal, words):<28} {words['page'][worth.verdicts[signal.name]]:<14} {told}")
    say(f"  {worth.comparisons} comparisons were made; 'needed' holds beyond chance with all of them counted.")
    page, prior, figures = (place / name for name in ("signals.html", "prior-education.html", "signals.json"))
    written = {
        page: signals_page(worth, dataset.definition, language.value, prior.name),
        prior: prior_page(worth, dataset.definition, language.value),
    }
    for path, html in written.items():
        with atomic_file(path) as temporary:
            temporary.write_text(html, encoding="utf-8", newline="\n")
    content = {
        "learnt": worth.learnt,
        "tested": worth.tested,
        "capacity": worth.capacity,
        "margin": worth.margin,
        "verdicts": worth.verdicts,
        "advised": worth.advised,
        "left_out_features": worth.left_out,
        **{name: [plain(row) for row in getattr(worth, name).to_dict("records")] for name in ("losses", "together", "days")},
    }
    with atomic_file(figures) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    for path in written:
        say(f"Written: {path}")
    say(f"Written: {figures}")
    if not worth.advised:
        say("No signal was shown to go without loss; dataset.toml is as it was.")
        return
    say(f"Without loss could go, together as well: {', '.join(worth.left_out)}.")
    if write:
        added = leave_out(folder, worth.left_out)
        say(f"Added to left_out_features in {folder / 'dataset.toml'}: {', '.join(added)}. Train again.")
    else:
        say("Say --write to leave it out in dataset.toml.")
