"""docs/exports.md: its made-up exports are shaped by its own snippets, and what comes out is a data set that can be used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from riskmodel.contract.dataset import Dataset, load_dataset

PAGE = Path(__file__).resolve().parents[1] / "docs" / "exports.md"
BLOCK = re.compile(r"^```(\w+)( [^\n]*)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def shaped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dataset]:
    """Do what the page says, from top to bottom."""
    folder = tmp_path_factory.mktemp("exports")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for kind, heading, content in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
            if kind in ("csv", "toml"):
                (folder / heading.strip()).write_text(content, encoding="utf-8")
            elif kind == "sql":
                with duckdb.connect() as connection:
                    connection.execute(content)
            elif kind == "python":
                exec(compile(content, str(PAGE), "exec"), {})
        yield load_dataset(folder)


def table(dataset: Dataset, name: str) -> pd.DataFrame:
    return pd.read_csv(dataset.folder / name, dtype=str)


def test_what_comes_out_passes_the_check_with_nothing_set_apart(shaped: Dataset) -> None:
    assert [(finding.table, finding.rule) for finding in shaped.report.warnings] == []
    rows = {each["table"]: each["rows"] for each in shaped.report.summary["tables"]}
    assert rows == {"enrolments": 7, "attendance": 8, "results": 12, "outcomes": 4, "extra_platform_days": 4}


def test_only_the_first_year_in_a_programme_is_an_enrolment(shaped: Dataset) -> None:
    ids = set(table(shaped, "enrolments.csv")["enrolment_id"])
    assert "1001-SPH-2025" not in ids
    assert {"1003-HBO-V-2024", "1003-SPH-2025"} <= ids


def test_a_backdated_deregistration_keeps_the_day_on_which_it_was_known(shaped: Dataset) -> None:
    row = table(shaped, "enrolments.csv").set_index("enrolment_id").loc["1002-SPH-2024"]
    assert (row["left_on"], row["left_known_on"]) == ("2025-01-31", "2025-02-21")


def test_who_is_enrolled_nowhere_here_has_an_unknown_destination(shaped: Dataset) -> None:
    assert dict(table(shaped, "outcomes.csv").to_numpy().tolist()) == {
        "1001-SPH-2024": "continued",
        "1002-SPH-2024": "not_continued",
        "1003-HBO-V-2024": "switched",
        "1006-HBO-V-2024": "continued",
    }


def test_a_lesson_that_nobody_registered_is_no_absence_and_one_that_was_cancelled_is_no_lesson(shaped: Dataset) -> None:
    rows = table(shaped, "attendance.csv")
    told = {(row.enrolment_id, row.session_id): row.attended for row in rows.itertuples()}
    assert ("1002-SPH-2024", "L2") not in told
    assert ("1005-HBO-V-2025", "L40") not in told
    assert told["1002-SPH-2024", "L1"] == "1"
    assert told["1003-HBO-V-2024", "L9"] == "0"
    assert told["1003-SPH-2025", "L31"] == "1"


def test_grades_keep_their_words_and_concepts_empty_cells_and_unposted_scores_are_no_rows(shaped: Dataset) -> None:
    rows = table(shaped, "all_results.csv")
    told = {(row.enrolment_id, row.test, row.attempt): row.grade for row in rows.itertuples()}
    assert told["1002-SPH-2024", "Kennistoets", "1"] == "NVD"
    assert told["1003-HBO-V-2024", "Toets", "1"] == "ONV"
    assert ("1005-HBO-V-2025", "Rekenen", "1") not in told
    assert ("1002-SPH-2024", "Verslag", "1") not in told
    assert ("1003-HBO-V-2024", "Reflectie 1", "1") not in told


def test_a_time_in_utc_becomes_the_day_in_amsterdam(shaped: Dataset) -> None:
    row = table(shaped, "all_results.csv").query("test == 'Reflectie 1'").iloc[0]
    assert (row["date"], row["known_on"], row["grade"]) == ("2024-09-30", "2024-10-03", "8,2")


def test_two_courses_on_one_day_are_one_day_on_the_platform(shaped: Dataset) -> None:
    assert table(shaped, "platform_days.csv")["enrolment_id"].value_counts()["1001-SPH-2024"] == 2
