"""Rehearse: score a closed cohort as its model would have done, with a recipe fitted on earlier cohorts alone, whole and with signals left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from riskmodel.contract.dataset import Dataset
from riskmodel.errors import DataFault
from riskmodel.landmarks import landmark_frames
from riskmodel.model import RiskModel, fit_model
from riskmodel.progress import Progress, silent


@dataclass(frozen=True)
class Rehearsal:
    """Scores that were not trained on the outcomes they are held against.

    Attributes
    ----------
    model : RiskModel
        The recipe, fitted on the cohorts before this one at the landmark.
    landmark : int
    frame : pandas.DataFrame
        The cohort's students at the landmark, with features and a known label.
    probability : numpy.ndarray, shape (n,)
    learnt : mapping of landmark to pandas.DataFrame
        What it was fitted on.
    """

    model: RiskModel
    landmark: int
    frame: pd.DataFrame
    probability: np.ndarray
    learnt: Mapping[int, pd.DataFrame]

    def without(self, features: Sequence[str]) -> np.ndarray:
        """Fit the recipe anew without some features, or groups of features, and give probabilities to rank by, shape (n,)."""
        catalogue = self.model.catalogue.without(features)
        # Who is invited depends on the order alone, and that on the landmark's own members.
        learnt = self.learnt if self.model.recipe.layout == "pooled" else {self.landmark: self.learnt[self.landmark]}
        fitted = fit_model(learnt, self.model.target, catalogue, self.model.recipe, intervals=False)
        return fitted.probability(self.frame, self.landmark)


def rehearse(
    dataset: Dataset,
    model: RiskModel,
    cohort: str,
    landmark: int,
    *,
    whole: bool = True,
    frames: Mapping[int, pd.DataFrame] | None = None,
    progress: Progress = silent,
) -> Rehearsal:
    """Fit a model's recipe on earlier cohorts and score one.

    Parameters
    ----------
    dataset : Dataset
        Holds the cohort and at least one closed cohort before it.
    model : RiskModel
        Its recipe and catalogue are used, its fitted members are not.
    cohort : str
        A closed cohort.
    landmark : int
        One of the model's landmarks.
    whole : bool
        Whether all landmarks are fitted, as training does: their slopes of calibration are drawn towards each other, so only then are the
        probabilities those that training would have given. The order of students is the same either way.
    frames : mapping of landmark to pandas.DataFrame, optional
        What `riskmodel.landmarks.landmark_frames` gave for at least these cohorts and days; made here by default.
    progress : Progress

    Raises
    ------
    DataFault
        No cohort is closed before this one, the data lack a feature, or too few left.
    """
    closed = dataset.definition.closed_cohorts
    if cohort not in closed:
        raise DataFault(
            f"there is no closed cohort '{cohort}'.", place=str(dataset.folder), remedy=f"Closed are: {', '.join(closed) or 'none'}."
        )
    earlier = closed[: closed.index(cohort)]
    if not earlier:
        raise DataFault(
            f"no cohort is closed before {cohort}, so there is nothing to fit on that has not seen its outcomes.",
            place=str(dataset.folder),
            remedy="Choose a later cohort, or add one.",
        )
    days = model.landmarks if whole or model.recipe.layout == "pooled" else (landmark,)
    dataset = dataset.with_recent(model.recent_days)
    if frames is None or not set(days) <= set(frames):
        frames = landmark_frames(dataset, days, (*earlier, cohort), progress).frames
    lacking = [name for name in model.catalogue if name not in frames[landmark]]
    if lacking:
        raise DataFault(
            f"the data do not have {', '.join(lacking)}, which the model for '{model.target}' looks at.",
            place=str(dataset.folder),
            remedy="Declare the same extra columns as in the data that it was trained on.",
        )
    learnt = {day: frames[day][frames[day]["cohort"].isin(earlier)] for day in days}
    own = frames[landmark]
    frame = own[(own["cohort"] == cohort) & own[model.target].notna()].reset_index(drop=True)
    if frame.empty:
        raise DataFault(
            f"nobody of {cohort} has an outcome at day {landmark}.", place=str(dataset.folder), remedy="Choose another cohort or day."
        )
    fitted = fit_model(learnt, model.target, model.catalogue, model.recipe, intervals=False)
    return Rehearsal(fitted, landmark, frame, fitted.probability(frame, landmark), learnt)
