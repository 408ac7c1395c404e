"""A small made-up institution whose tables training can read in a moment, and models that were trained on it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from riskmodel.families.recipe import BoostedParameters, Recipe
from riskmodel.workspace import Workspace
from training.promote import Promotion, promote
from training.train import Trained, train

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
outcomes.file = "outcomes.csv"
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
    told = HEAD.format(landmarks=list(LANDMARKS))
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
                {"enrolment_id": ids, "course": "year", "test": "T1", "date": tested, "known_on": known, "attempt": 1, "grade": grade, "credits": 3}
            )
        )
        if place < closed:
            leaves = random.random(students) < 1 / (1 + np.exp(-(np.log(leavers / (1 - leavers)) + 2.5 * signal * trouble)))
            how = np.where(random.random(students) < 0.8, "dropped_out", "switched")
            outcomes.append(pd.DataFrame({"enrolment_id": ids, "outcome": np.where(leaves, how, "continued")}))
    (folder / "dataset.toml").write_text(told, encoding="utf-8")
    for name, parts in {"enrolments": enrolments, "attendance": attendance, "results": results, "outcomes": outcomes}.items():
        frame = pd.concat(parts) if parts else pd.DataFrame({"enrolment_id": [], "outcome": []})
        frame.to_csv(folder / f"{name}.csv", index=False)
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


@pytest.fixture(scope="session")
def institution() -> Callable[..., Path]:
    """Give the writer of data folders."""
    return write_institution


@pytest.fixture(scope="session")
def policy() -> Callable[..., None]:
    """Give the writer of policies."""
    return write_policy


@pytest.fixture(scope="session")
def quick() -> Recipe:
    """Give a blend that is fitted in a moment."""
    return Recipe(family="blend", lightgbm=BoostedParameters(trees=15, learning_rate=0.2, leaves=4, least_students_in_leaf=15))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, quick: Recipe) -> Shop:
    """Give three closed cohorts with signal and challengers for both targets; nobody changes it."""
    place = tmp_path_factory.mktemp("trained")
    folder, workspace = write_institution(place / "data"), Workspace(place / "workspace")
    write_policy(folder)
    return Shop(folder, workspace, train(folder, workspace, quick))


@pytest.fixture(scope="session")
def promoted(tmp_path_factory: pytest.TempPathFactory, quick: Recipe) -> Shop:
    """Give the same with champions; nobody changes it."""
    place = tmp_path_factory.mktemp("promoted")
    folder, workspace = write_institution(place / "data", running=1), Workspace(place / "workspace")
    write_policy(folder)
    done = train(folder, workspace, quick)
    return Shop(folder, workspace, done, promote(workspace, folder))
