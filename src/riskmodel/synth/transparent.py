"""The scenario `transparent`: at each landmark an outcome drawn from a known function of that day's features, so that the truth is exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from riskmodel.contract.definition import DEFAULT_LANDMARKS


def true_log_odds(frame: pd.DataFrame) -> np.ndarray:
    """Give the log-odds of dropping out, a non-linear function of catalogue features; what is not known has a term of its own.

    Parameters
    ----------
    frame : pandas.DataFrame
        What `riskmodel.features.build_features` gives.
    """

    def known(name: str, otherwise: float) -> np.ndarray:
        return np.asarray(frame[name].fillna(otherwise), dtype=float)

    recent = known("attendance_share_recent", 0.8)
    missed = known("first_test_missed", 0.0)
    grade = np.clip(known("first_test_grade_vs_programme", 0.0), -3, 3)
    related = known("prior_education_related", 0.5)
    mbo = (frame["prior_education"] == "mbo").to_numpy(dtype=float)
    log_odds = (
        -2.1
        + 2.4 * np.maximum(0.0, 0.75 - recent)
        + 1.6 * np.maximum(0.0, 0.35 - recent)
        + 0.9 * missed
        - 0.55 * grade
        + 0.25 * np.maximum(0.0, -grade) ** 1.5
        + mbo * (0.45 - 0.5 * related)
        + 0.15 * frame["first_test_missed"].isna().to_numpy(dtype=float)
    )
    return np.asarray(log_odds)


def write_outcomes(folder: Path, seed: int) -> None:
    """Draw and write `truth/transparent_DAY.parquet` (enrolment_id, probability, dropout) for each landmark."""
    from riskmodel.contract.dataset import load_dataset
    from riskmodel.features import build_features
    from riskmodel.window import cut

    dataset = load_dataset(folder)
    for day in DEFAULT_LANDMARKS:
        frame = build_features(cut(dataset.tables, day), dataset.definition)
        probability = expit(true_log_odds(frame))
        drawn = np.random.default_rng([seed, 7, day]).random(len(frame)) < probability
        truth = pd.DataFrame({"enrolment_id": frame["enrolment_id"], "probability": probability, "dropout": drawn.astype(float)})
        truth.to_parquet(folder / "truth" / f"transparent_{day}.parquet", index=False)


def read_outcomes(folder: Path, day: int) -> pd.DataFrame:
    """Read enrolment_id, probability and dropout of one landmark."""
    return pd.read_parquet(folder / "truth" / f"transparent_{day}.parquet")
