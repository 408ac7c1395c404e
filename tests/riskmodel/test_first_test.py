"""The list of year zero, made of results alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from riskmodel.contract.dataset import load_dataset
from riskmodel.errors import DataFault
from riskmodel.first_test import first_test_list

DEFINITION = """
name = "year zero"
[outcome]
measured_on = "1 October of the next year"
switch_inside_counts = true
early_leavers_count = false
[[cohorts]]
label = "2026"
start = 2026-09-01
closed = false
[tables]
enrolments.file = "enrolments.csv"
results.file = "results.csv"
"""
KNOWN, BEFORE = dt.date(2026, 10, 20), dt.date(2026, 9, 20)


def write_year_zero(folder: Path) -> Path:
    """Write ten students of one running cohort: one failed the first test, one was not there, eight passed."""
    folder.mkdir()
    (folder / "dataset.toml").write_text(DEFINITION, encoding="utf-8")
    numbers = range(1, 11)
    pd.DataFrame(
        {
            "enrolment_id": [f"e{number}" for number in numbers], "student_id": [f"s{number}" for number in numbers], "cohort": "2026",
            "programme": "law", "start_date": "2026-09-01", "prior_education": "havo",
        }
    ).to_csv(folder / "enrolments.csv", index=False)  # fmt: skip
    rows = [(f"e{number}", 4.0 if number == 1 else 7.0) for number in numbers if number != 2]
    pd.DataFrame(rows, columns=["enrolment_id", "grade"]).assign(
        course="year", test="T1", date="2026-10-01", known_on="2026-10-12", attempt=1, credits=3
    ).to_csv(folder / "results.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_year_zero(tmp_path_factory.mktemp("zero") / "data")


def test_whoever_failed_or_missed_is_listed_and_nobody_else(folder: Path) -> None:
    tables = first_test_list(load_dataset(folder), KNOWN, "en")
    assert dict(zip(tables["first_test"]["student_id"], tables["first_test"]["first_test"], strict=True)) == {
        "s1": "not passed",
        "s2": "missed",
    }
    assert set(tables["others"]["first_test"]) == {"passed"}
    assert len(tables["others"]) == 8


def test_before_a_result_is_known_nobody_is_listed(folder: Path) -> None:
    tables = first_test_list(load_dataset(folder), BEFORE, "nl")
    assert tables["first_test"].empty
    assert set(tables["others"]["first_test"]) == {"nog geen toets of resultaat bekend"}


def test_a_list_holds_no_score_and_no_rank(folder: Path) -> None:
    for table in first_test_list(load_dataset(folder), KNOWN, "en").values():
        assert list(table.columns) == ["enrolment_id", "student_id", "cohort", "programme", "day", "first_test"]
        assert isinstance(table, pd.DataFrame)


def test_outside_the_first_days_nobody_can_be_listed(folder: Path) -> None:
    with pytest.raises(DataFault, match="nobody is in the first"):
        first_test_list(load_dataset(folder), dt.date(2025, 1, 1), "en")
