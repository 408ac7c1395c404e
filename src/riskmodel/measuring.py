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
    Interval,
    average_precision,
    brier,
    calibration_line,
    lift_at_capacity,
    more_found,
    precision_at_capacity,
    precision_interval,
    recall_at_capacity,
    resamples,
    roc_auc,
    roc_auc_interval,
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
        Plain figures: students, base_rate, roc_auc with roc_auc_low and roc_auc_high, average_precision, brier, calibration_slope, calibration_intercept,
        precision_at_10_percent, capacity_share, precision_at_capacity with ends, recall_at_capacity, lift_at_capacity, and under
        `baselines` per name the same kind of figures with `more_found`: how many more leavers the model finds, with one-sided ends. Figures that
        do not exist are None. None where nobody has a label.
    """
    known = frame[frame[model.target].notna()]
    if known.empty:
        return None
    y = known[model.target].to_numpy(dtype=float)
    decision = model.decision(known, landmark)
    draws = resamples(known["student_id"].to_numpy(dtype=str), SEED)
    slope, intercept = calibration_line(y, decision)
    auc = roc_auc_interval(y, decision, draws)
    precision = precision_interval(y, decision, capacity, draws)
    rates = model.facts.prior_education_rates.get(str(landmark), {})
    baselines: dict[str, Any] = {}
    for name in BASELINES:
        score = baseline_scores(known, name, rates)
        baselines[name] = None if score is None else _baseline(y, decision, score, capacity, draws)
    figures = {
        "students": len(y),
        "leavers": int(y.sum()),
        "base_rate": float(y.mean()),
        **_ends("roc_auc", auc),
        "average_precision": average_precision(y, decision),
        "precision_at_10_percent": precision_at_capacity(y, decision, 0.1),
        "brier": brier(y, expit(decision)),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "capacity_share": capacity,
        **_ends("precision_at_capacity", precision),
        "recall_at_capacity": recall_at_capacity(y, decision, capacity),
        "lift_at_capacity": lift_at_capacity(y, decision, capacity),
        "baselines": baselines,
    }
    return plain(figures)


def _baseline(y: np.ndarray, decision: np.ndarray, score: np.ndarray, capacity: float, draws: np.ndarray) -> dict[str, Any]:
    return {
        "roc_auc": roc_auc(y, score),
        "average_precision": average_precision(y, score),
        "precision_at_10_percent": precision_at_capacity(y, score, 0.1),
        "precision_at_capacity": precision_at_capacity(y, score, capacity),
        "recall_at_capacity": recall_at_capacity(y, score, capacity),
        "more_found": asdict(more_found(y, decision, score, capacity, draws, BEYOND_CHANCE)),
    }


def _ends(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def plain(value: Any) -> Any:
    """Give nested figures with None where a number does not exist, as JSON asks."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
