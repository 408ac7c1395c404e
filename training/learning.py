"""Learning curves of a data folder, and their page; chooses nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from riskmodel.contract.dataset import load_dataset
from riskmodel.contract.definition import DatasetDefinition
from riskmodel.contract.findings import Language
from riskmodel.contract.pictures import COLOURS, as_svg, drawing
from riskmodel.errors import DataFault
from riskmodel.families.recipe import Recipe
from riskmodel.features import catalogue
from riskmodel.landmarks import landmark_frames
from riskmodel.learning import LearningCurve, learning_curve
from riskmodel.policy import Policy, read_policy
from riskmodel.progress import Progress, silent
from riskmodel.tables import TARGETS
from training.page import Section, page_words, render


@dataclass(frozen=True)
class Curves:
    """Learning curves of an institution.

    Attributes
    ----------
    institution : str
    learnt_from : tuple of str
    predicted : str
    curves : tuple of LearningCurve
    """

    institution: str
    learnt_from: tuple[str, ...]
    predicted: str
    curves: tuple[LearningCurve, ...]


def curve_of(
    frames: Mapping[int, pd.DataFrame],
    definition: DatasetDefinition,
    learnt: tuple[str, ...],
    tested: str,
    target: str,
    day: int,
    recipe: Recipe,
) -> LearningCurve | None:
    """Draw one curve from frames that are there already; None where too few left."""
    frame = frames[day]
    known = frame[frame["cohort"].isin(learnt)]
    programmes = tuple(sorted(set(known["programme"]))) if recipe.programme else ()
    features = catalogue(definition, programmes)
    return learning_curve(known, frame[frame["cohort"] == tested], target, day, features, l2=recipe.logistic.l2, seed=recipe.seed)


def shown_days(policy: Policy, days: tuple[int, ...]) -> tuple[int, ...]:
    """Give the days that the policy promotes at, or where there are none of them the middle one."""
    return tuple(day for day in policy.promote_at if day in days) or (days[len(days) // 2],)


def curves(folder: Path, recipe: Recipe, *, targets: tuple[str, ...] = TARGETS, progress: Progress = silent) -> Curves:
    """Draw the curves of every target at the days that the policy promotes at.

    Parameters
    ----------
    folder : Path
        A data folder with at least two closed cohorts: the latest is predicted from those before it.
    recipe : Recipe
        Its penalty, its seed and whether programmes have a part are used.
    targets : tuple of str
    progress : Progress

    Raises
    ------
    DataFault
        Fewer than two cohorts are closed, or too few left.
    """
    dataset = load_dataset(folder, progress=progress)
    closed = dataset.definition.closed_cohorts
    if len(closed) < 2:
        what = "no cohort is closed" if not closed else f"only {closed[0]} is closed"
        raise DataFault(
            f"{what}; a curve learns from one closed cohort or more and predicts a later one.",
            place=str(folder),
            remedy="Draw it once two cohorts are closed. Until then another cohort is needed in any case.",
        )
    days = shown_days(read_policy(folder), tuple(sorted(dataset.definition.landmarks)))
    dataset = dataset.with_recent(recipe.recent_days)
    frames = landmark_frames(dataset, landmarks=days, progress=progress).frames
    found = []
    for place, (target, day) in enumerate((target, day) for target in targets for day in days):
        progress(place, len(targets) * len(days), f"learning curve of {target} at day {day}")
        curve = curve_of(frames, dataset.definition, closed[:-1], closed[-1], target, day, recipe)
        found += [curve] if curve is not None else []
    if not found:
        raise DataFault("too few students left to draw a curve.", place=str(folder), remedy="Another cohort is needed in any case.")
    return Curves(dataset.definition.name, tuple(closed[:-1]), closed[-1], tuple(found))


def told(curve: LearningCurve, language: Language = "en") -> str:
    """Say whether another cohort would help, with the figures."""
    words = page_words("learning", language)

    def number(value: float) -> str:
        return f"{value:.3f}".replace(".", ",") if language == "nl" else f"{value:.3f}"

    return str(words["answers"][curve.answer]).format(
        target=words["targets"][curve.target], day=curve.landmark, students=curve.students[-1], leavers=curve.leavers, another=curve.another,
        auc=number(curve.roc_auc[-1]), gain=number(curve.gain), low=number(curve.gain_low), high=number(curve.gain_high),
    )  # fmt: skip


def learning_page(found: Curves, language: Language = "en") -> str:
    """Give the page with a picture for each curve."""
    words = page_words("learning", language)
    sections = [_section(curve, words, language) for curve in found.curves]
    data = words["data"].format(institution=found.institution, cohorts=", ".join(found.learnt_from), predicted=found.predicted)
    return render(
        language, words["title"], told(found.curves[-1], language), [data, words["method"], words["limit"]], sections, words["as_table"]
    )


def learning_figure(curve: LearningCurve) -> Any:
    """Give a curve as a picture of its own."""
    words = page_words("learning", "en")
    figure, axes = drawing(3.6)
    draw(axes, curve, words)
    axes.set_title(words["curve_title"].format(target=words["targets"][curve.target], day=curve.landmark))
    return figure


def _section(curve: LearningCurve, words: dict[str, Any], language: Language) -> Section:
    figure, axes = drawing(3.4)
    draw(axes, curve, words)
    title = words["curve_title"].format(target=words["targets"][curve.target], day=curve.landmark)
    told_rows = []
    for row in zip(curve.students, curve.roc_auc, curve.low, curve.high, strict=True):
        cells = (str(row[0]), *(f"{value:.3f}" for value in row[1:]))
        told_rows.append(tuple(cell.replace(".", ",") if language == "nl" else cell for cell in cells))
    return Section(title, (told(curve, language),), as_svg(figure, title), tuple(words["header"].split("|")), tuple(told_rows))


def draw(axes: Any, curve: LearningCurve, words: dict[str, Any]) -> None:
    """Draw a curve with its interval, and what one cohort more is expected to make of it."""
    errors = [
        [max(0.0, value - low) for value, low in zip(curve.roc_auc, curve.low, strict=True)],
        [max(0.0, high - value) for value, high in zip(curve.roc_auc, curve.high, strict=True)],
    ]
    axes.errorbar(curve.students, curve.roc_auc, yerr=errors, fmt="o-", color=COLOURS[0], capsize=3, label=words["measured"])
    more, at = curve.students[-1] + curve.another, curve.roc_auc[-1]
    ends = [[max(0.0, curve.gain - curve.gain_low)], [max(0.0, curve.gain_high - curve.gain)]]
    axes.errorbar([more], [at + curve.gain], yerr=ends, fmt="s", color=COLOURS[1], capsize=3, label=words["expected"])
    axes.plot([curve.students[-1], more], [at, at + curve.gain], linestyle=":", color=COLOURS[1])
    axes.set_xlim(left=0)
    axes.set_xlabel(words["students"])
    axes.set_ylabel("AUC")
    axes.legend(frameon=False, loc="lower right")
