"""What each signal is worth in a data folder: learnt from earlier cohorts, measured on the latest closed one. Nothing is logged or registered."""

from __future__ import annotations

from pathlib import Path

from riskmodel.contract.dataset import Dataset, load_dataset
from riskmodel.errors import DataFault
from riskmodel.families.recipe import Recipe
from riskmodel.features import catalogue
from riskmodel.landmarks import landmark_frames
from riskmodel.policy import read_policy
from riskmodel.progress import Progress, silent
from riskmodel.signals.worth import MARGIN, Worth, measure_worth
from riskmodel.tables import TARGETS


def signals(
    folder: Path, recipe: Recipe, *, targets: tuple[str, ...] = TARGETS, margin: float = MARGIN, progress: Progress = silent
) -> tuple[Dataset, Worth]:
    """Measure what each signal of a data folder is worth.

    Parameters
    ----------
    folder : Path
        A data folder with at least two closed cohorts.
    recipe : Recipe
        How models are fitted, with all signals and without each.
    targets : tuple of str
        What is asked; a signal can go only where none of them loses.
    margin : float
        The loss of ROC AUC that counts as none.
    progress : Progress

    Returns
    -------
    tuple of Dataset and Worth

    Raises
    ------
    DataFault
        Fewer than two cohorts are closed, or the data can't be used.
    """
    dataset = load_dataset(folder, progress=progress)
    closed = dataset.definition.closed_cohorts
    if len(closed) < 2:
        raise DataFault(
            "a signal is measured on a cohort that was not learnt from, and fewer than two cohorts are closed.",
            place=str(folder),
            remedy="Add a cohort with outcomes; until then nobody can say what a signal is worth.",
        )
    policy = read_policy(folder)
    dataset = dataset.with_recent(recipe.recent_days)
    frames = landmark_frames(dataset, progress=progress).frames
    learnt, tested = closed[:-1], closed[-1]
    programmes = sorted({name for frame in frames.values() for name in frame.loc[frame["cohort"].isin(learnt), "programme"]})
    features = catalogue(dataset.definition, tuple(programmes) if recipe.programme else ())
    prior_day = next((day for day in policy.promote_at if day in frames), None)
    worth = measure_worth(
        frames, targets, features, recipe, learnt, tested, policy.capacity_share, margin=margin, prior_day=prior_day, progress=progress
    )
    return dataset, worth
