"""What a model is worth on students that it never saw, beside what schools do by hand."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from riskmodel.baselines import BASELINES, baseline_scores
from riskmodel.metrics import (
    Ranked,
    average_precision,
    brier,
    calibrated,
    calibration_line,
    found_at_capacity,
    interval,
    lift_at_capacity,
    more_found,
    precision_at_capacity,
    ranked,
    recall_at_capacity,
    resamples,
    roc_auc,
)
from riskmodel.model import RiskModel

# One-sided, so that of a hundred sets without any signal not one is expected to pass at all landmarks and against all rules.
BEYOND_CHANCE = 0.995
SEED = 20


def measure(model: RiskModel, frame: pd.DataFrame, landmark: int, capacity: float) -> dict[str, Any] | None:
    """Measure one target's model at one landmark.

    Parameters
    ----------
    model : RiskModel
    frame : pandas.DataFrame
        Students with features and labels; those without a label are left out.
    landmark : int
    capacity : float
        Share of the students that the coaches have time for.

    Returns
    -------
    dict or None
        Plain figures: students, leavers, base_rate, capacity_share; roc_auc, average_precision, brier, calibration_slope,
        calibration_intercept, and precision, recall and lift `_at_capacity`, each with `_low` and `_high`, the ends of its 95 % interval;
        precision_at_10_percent; and under `baselines` per name the same figures of ranking with `more_found`: how many more leavers the
        model finds, with one-sided ends. Figures that do not exist are None. None where nobody has a label.
    """
    known = frame[frame[model.target].notna()]
    if known.empty:
        return None
    y = known[model.target].to_numpy(dtype=float)
    decision = model.decision(known, landmark)
    draws = resamples(known["student_id"].to_numpy(dtype=str), SEED)
    own = ranked(y, decision, capacity, draws)
    fit = calibrated(y, decision, draws)
    slope, intercept = calibration_line(y, decision)
    rates = model.facts.prior_education_rates.get(str(landmark), {})
    baselines: dict[str, Any] = {}
    for name in BASELINES:
        score = baseline_scores(known, name, rates)
        baselines[name] = None if score is None else _beside(y, score, capacity, draws, own, found_at_capacity(y, decision, capacity))
    figures = {
        "students": len(y),
        "leavers": int(y.sum()),
        "base_rate": float(y.mean()),
        "capacity_share": capacity,
        **_ranking(y, decision, capacity, own),
        **_ends("brier", brier(y, expit(decision)), fit.brier),
        **_ends("calibration_slope", slope, fit.slope),
        **_ends("calibration_intercept", intercept, fit.intercept),
        "baselines": baselines,
    }
    told: dict[str, Any] = plain(figures)
    return told


def _ranking(y: np.ndarray, score: np.ndarray, capacity: float, drawn: Ranked) -> dict[str, float]:
    return {
        **_ends("roc_auc", roc_auc(y, score), drawn.roc_auc),
        **_ends("average_precision", average_precision(y, score), drawn.average_precision),
        "precision_at_10_percent": precision_at_capacity(y, score, 0.1),
        **_ends("precision_at_capacity", precision_at_capacity(y, score, capacity), drawn.precision),
        **_ends("recall_at_capacity", recall_at_capacity(y, score, capacity), drawn.recall),
        **_ends("lift_at_capacity", lift_at_capacity(y, score, capacity), drawn.lift),
    }


def _beside(y: np.ndarray, score: np.ndarray, capacity: float, draws: np.ndarray, own: Ranked, found: float) -> dict[str, Any]:
    theirs = ranked(y, score, capacity, draws)
    more = more_found(found - found_at_capacity(y, score, capacity), own, theirs, BEYOND_CHANCE)
    return {**_ranking(y, score, capacity, theirs), "more_found": asdict(more)}


def _ends(name: str, value: float, drawn: np.ndarray) -> dict[str, float]:
    told = interval(value, drawn)
    return {name: told.value, f"{name}_low": told.low, f"{name}_high": told.high}


def plain(value: Any) -> Any:
    """Give nested figures with None where a number does not exist, as JSON asks."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
