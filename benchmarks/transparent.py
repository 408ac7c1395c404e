"""How near the models come to the truth where the truth is known: the synthetic scenario `transparent`.

Learnt from two cohorts, measured on a third, at every landmark: the AUC beside that of the true probability, and the slope of the true on the
predicted log-odds.

    python benchmarks/transparent.py [--students 20000] [--family blend] [--seed 20]
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import logit

from riskmodel.contract.dataset import load_dataset
from riskmodel.families.recipe import Recipe, read_recipe
from riskmodel.features import catalogue
from riskmodel.landmarks import landmark_frames
from riskmodel.metrics import roc_auc
from riskmodel.model import fit_model
from riskmodel.synth import SynthSettings, generate
from riskmodel.synth.transparent import read_outcomes

STUDENTS = 20_000
MOST_LOST, SLOPE = 0.01, (0.95, 1.05)


@dataclass(frozen=True)
class Row:
    """One landmark: AUC of the model and of the truth, and the slope of the true on the predicted log-odds."""

    landmark: int
    students: int
    roc_auc: float
    true_roc_auc: float
    slope: float

    @property
    def met(self) -> bool:
        """Whether both goals are met."""
        return self.true_roc_auc - self.roc_auc <= MOST_LOST and SLOPE[0] <= self.slope <= SLOPE[1]


def make(folder: Path, students: int, seed: int) -> Path:
    """Make three closed cohorts, once."""
    place = folder / f"transparent-{students}-{seed}"
    if not place.exists():
        generate(place, SynthSettings(students=students, cohorts=3, closed=True, scenario="transparent", seed=seed))
    return place


def measure(folder: Path, recipe: Recipe) -> list[Row]:
    """Learn from all cohorts but the last and measure on the last."""
    dataset = load_dataset(folder)
    *learnt, tested = dataset.definition.closed_cohorts
    frames = {}
    for day, frame in landmark_frames(dataset).frames.items():
        truth = read_outcomes(folder, day).set_index("enrolment_id")
        frames[day] = frame.assign(
            dropout=frame["enrolment_id"].map(truth["dropout"]), probability=frame["enrolment_id"].map(truth["probability"])
        )
    known = {day: frame[frame["cohort"].isin(learnt)] for day, frame in frames.items()}
    programmes = tuple(sorted({name for frame in known.values() for name in frame["programme"]}))
    model = fit_model(known, "dropout", catalogue(dataset.definition, programmes), recipe, intervals=False)
    rows = []
    for day, frame in frames.items():
        test = frame[frame["cohort"] == tested]
        y, decision = test["dropout"].to_numpy(dtype=float), model.decision(test, day)
        true = test["probability"].to_numpy(dtype=float)
        slope = float(np.polyfit(decision, logit(true), 1)[0])
        rows.append(Row(day, len(test), roc_auc(y, decision), roc_auc(y, true), slope))
    return rows


def main() -> None:
    """Print a row per landmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=STUDENTS, help="in each of three cohorts")
    parser.add_argument("--family", default="blend")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "riskmodel-benchmark", help="where made-up data are kept"
    )
    told = parser.parse_args()
    rows = measure(make(told.cache, told.students, told.seed), read_recipe(told.family))
    print(
        f"scenario transparent, {told.students:,} students a cohort, learnt from two, measured on a third; {told.family}, seed {told.seed}"
    )
    print("  day  students    AUC  true AUC    lost  slope")
    for row in rows:
        lost = row.true_roc_auc - row.roc_auc
        end = "met" if row.met else "missed"
        print(f"  {row.landmark:3d}  {row.students:8d}  {row.roc_auc:.4f}    {row.true_roc_auc:.4f}  {lost:.4f}  {row.slope:.3f}  {end}")
    print(f"  goal: at most {MOST_LOST} lost, slope {SLOPE[0]} to {SLOPE[1]}: {'met' if all(row.met for row in rows) else 'missed'}")


if __name__ == "__main__":
    main()
