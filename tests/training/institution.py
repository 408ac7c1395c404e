"""A small made-up institution whose tables training can read in a moment."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from riskmodel.workspace import Workspace
from training.promote import Promotion
from training.train import Trained

LANDMARKS = (28, 56)
FIRST_YEAR = 2019

HEAD = """\
name = "made-up institution"
landmarks = {landmarks}

[outcome]
measured_on = "1 October of the next year"
switch_inside_counts = true
early_leavers_count = false

[tables]
enrolments.file = "enrolments.csv"
attendance.file = "attendance.csv"
results.file = "results.csv"
{outcomes}
"""
COHORT = """
[[cohorts]]
label = "{label}"
start = {start}
closed = {closed}
"""


def write_institution(
    folder: Path,
    *,
    students: int = 300,
    closed: int = 3,
    running: int = 0,
    seed: int = 0,
    signal: float = 1.0,
    first_year: int = FIRST_YEAR,
    programmes: tuple[str, ...] = ("nursing", "law"),
    leavers: float = 0.35,
) -> Path:
    """Write a data folder: three months of weekly attendance and one test, which tell who leaves as much as `signal` says.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    students : int
        Students a cohort.
    closed, running : int
        Cohorts with and without outcomes.
    seed : int
    signal : float
        0 for figures that say nothing of who leaves.
    first_year : int
        Year of the first cohort.
    programmes : tuple of str
    leavers : float
        Roughly the share that leaves.
    """
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    told = HEAD.format(landmarks=list(LANDMARKS), outcomes='outcomes.file = "outcomes.csv"' if closed else "")
    enrolments, attendance, results, outcomes = [], [], [], []
    for place in range(closed + running):
        year = first_year + place
        start = dt.date(year, 9, 1)
        label = str(year)
        told += COHORT.format(label=label, start=start, closed="true" if place < closed else "false")
        trouble = random.normal(size=students)
        ids = [f"{label}-{number}" for number in range(students)]
        enrolments.append(
            pd.DataFrame(
                {
                    "enrolment_id": ids,
                    "student_id": [f"s{each}" for each in ids],
                    "cohort": label,
                    "programme": random.choice(list(programmes), students),
                    "start_date": start,
                    "enrolled_on": [start - dt.timedelta(days=int(days)) for days in random.integers(20, 200, students)],
                    "prior_education": random.choice(["havo", "mbo", "vwo"], students, p=[0.5, 0.35, 0.15]),
                }
            )
        )
        for week in range(12):
            share = np.clip(0.8 - 0.2 * signal * trouble + 0.1 * random.normal(size=students), 0.02, 1.0)
            day = start + dt.timedelta(days=7 * week + 6)
            attendance.append(
                pd.DataFrame({"enrolment_id": ids, "date": day, "course": "year", "scheduled": 8, "attended": random.binomial(8, share)})
            )
        grade = np.clip(np.round(6.3 - 0.5 * signal * trouble + 1.2 * random.normal(size=students), 1), 1, 10)
        tested, known = start + dt.timedelta(days=35), start + dt.timedelta(days=45)
        results.append(
            pd.DataFrame(
                {
                    "enrolment_id": ids,
                    "course": "year",
                    "test": "T1",
                    "date": tested,
                    "known_on": known,
                    "attempt": 1,
                    "grade": grade,
                    "credits": 3,
                }
            )
        )
        if place < closed:
            leaves = random.random(students) < 1 / (1 + np.exp(-(np.log(leavers / (1 - leavers)) + 2.5 * signal * trouble)))
            how = np.where(random.random(students) < 0.8, "dropped_out", "switched")
            outcomes.append(pd.DataFrame({"enrolment_id": ids, "outcome": np.where(leaves, how, "continued")}))
    (folder / "dataset.toml").write_text(told, encoding="utf-8")
    for name, parts in {"enrolments": enrolments, "attendance": attendance, "results": results, "outcomes": outcomes}.items():
        if parts:
            pd.concat(parts).to_csv(folder / f"{name}.csv", index=False)
    return folder


def write_policy(folder: Path, *, capacity: float = 0.2, promote_at: tuple[int, ...] = LANDMARKS) -> None:
    """Write the policy that the made-up institution promotes by."""
    (folder / "policy.toml").write_text(f"capacity_share = {capacity}\npromote_at = {list(promote_at)}\n", encoding="utf-8")


@dataclass(frozen=True)
class Shop:
    """An institution with its workspace, and what was done there."""

    folder: Path
    workspace: Workspace
    trained: dict[str, Trained]
    promotion: Promotion | None = None
