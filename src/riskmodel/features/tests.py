"""Tests: what was due in the programme by then, and what this student made of it. A programme that has not tested yet has no failed tests.

A test is due once enough of a programme's students have a known result of it, and only then can anybody have missed it. Whoever is exempt has
neither taken nor missed it. A test that lies before a late starter's own first day is not theirs to miss. The first test is a student's earliest that is due.
"""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pandas as pd

from riskmodel.catalogue import Feature
from riskmodel.features.context import DUE_SHARE, TEST_COLUMNS, ProgrammeContext
from riskmodel.tables import Frame

_WHY = "Early results are the strongest early sign known, and extra attention for whoever fails a first test is common practice."

FEATURES = (
    Feature("first_test_passed", "tests", "flag", "first_test", "eerste toets gehaald", "first test passed", "", "down", True, _WHY),
    Feature("first_test_missed", "tests", "flag", "first_test", "eerste toets gemist", "first test missed", "", "up", True,
            "Missing the first test is often the first thing that can be seen of losing touch."),
    Feature("first_test_grade_vs_programme", "tests", "number", "first_test", "cijfer voor de eerste toets naast de opleiding",
            "grade of the first test beside the programme's", "standard deviations", "down", True, _WHY),
    Feature("tests_missed_share", "tests", "number", "tests_progress", "deel van de toetsen dat is gemist", "share of tests missed", "share", "up", True,
            "Tests that others took and this student did not can still be planned."),
    Feature("tests_passed_share", "tests", "number", "tests_progress", "deel van de toetsen dat is gehaald", "share of tests passed", "share", "down", True, _WHY),
    Feature("tests_later_than_programme", "tests", "number", "tests_progress", "dagen later getoetst dan gebruikelijk in de opleiding",
            "days that tests were taken later than is usual in the programme", "days", "up", True,
            "Handing in or sitting tests later than others can be a sign of falling behind, and can be planned."),
    Feature("grade_mean_vs_programme", "tests", "number", "grades", "gemiddeld cijfer naast de opleiding", "mean grade beside the programme's",
            "standard deviations", "down", True, _WHY),
    Feature("last_grade_vs_programme", "tests", "number", "grades", "laatste cijfer naast de opleiding", "last grade beside the programme's",
            "standard deviations", "down", True, "The last result says how it goes now."),
    Feature("resits_open", "tests", "number", "tests_progress", "toetsen die nog herkanst moeten worden", "tests still to be resat", "tests", "up", True,
            "A failed test that is not passed yet is work ahead that can be planned."),
    Feature("credits_share", "tests", "number", "credits", "behaalde studiepunten van wat er te halen was", "credits earned of those to be had by then",
            "share", "down", True, "Credits are how the programme itself counts progress."),
)  # fmt: skip

FACTS = {
    "fact_tests_due": "tests that were due in the programme, exemptions left out",
    "fact_tests_missed": "of these, not taken",
    "fact_tests_passed": "of these, passed",
    "fact_first_test": "name of the first test that was due",
    "fact_first_test_grade": "grade of its first attempt",
    "fact_first_test_programme_grade": "the programme's mean grade for it",
    "fact_first_test_status": "1 passed, 0 failed, -1 missed",
    "fact_grade_mean": "mean of first-attempt grades",
    "fact_programme_grade_mean": "the programme's mean for the same tests",
    "fact_credits": "credits earned",
    "fact_credits_due": "credits that were to be had by then",
}

LEAST_WEIGHT = 0.25  # a quiz that counts for less than a quarter of the largest test is no 'last grade'
_KEY = ["course", "test"]


def reduce(results: Frame) -> Frame:
    """Reduce results to one row per enrolment and test.

    Parameters
    ----------
    results : Frame
        enrolment_id, day, known_day, course, test, attempt, grade, passed, status, credits; known by the cut.

    Returns
    -------
    Frame
        enrolment_id, course, test, is_exempt, is_taken, is_passed (in any attempt), first_attempt, first_grade and first_passed (of the first attempt
        taken), first_day, known_day (of the last attempt), credits.
    """
    rows = results.with_columns(
        course=nw.coalesce(nw.col("course"), nw.lit("")),
        test=nw.coalesce(nw.col("test"), nw.lit("")),
        is_exempt=nw.when(nw.col("status") == "exempt").then(1.0).otherwise(0.0),
        is_taken=nw.when(nw.col("status").is_in(["passed", "failed"])).then(1.0).otherwise(0.0),
        is_passed=nw.when(nw.col("status") == "passed").then(1.0).otherwise(0.0),
    )
    attempt = nw.coalesce(nw.col("attempt").cast(nw.Float64), nw.lit(1.0))
    rows = rows.with_columns(taken_attempt=nw.when(nw.col("is_taken") > 0).then(attempt))
    tests = rows.group_by("enrolment_id", "course", "test").agg(
        nw.col("is_exempt").max(),
        nw.col("is_taken").max(),
        nw.col("is_passed").max(),
        nw.col("taken_attempt").min().alias("first_attempt"),
        nw.col("day").min().alias("first_day"),
        nw.col("known_day").max().alias("known_day"),
        nw.col("credits").max().alias("credits"),
    )
    firsts = rows.select("enrolment_id", "course", "test", "taken_attempt", "grade", "is_passed").rename({"is_passed": "first_passed"})
    firsts = firsts.join(
        tests.select("enrolment_id", "course", "test", "first_attempt"), on=["enrolment_id", "course", "test"], how="inner"
    )
    firsts = firsts.filter(nw.col("taken_attempt") == nw.col("first_attempt"))
    firsts = firsts.group_by("enrolment_id", "course", "test").agg(
        nw.col("grade").mean().alias("first_grade"), nw.col("first_passed").max().alias("first_passed")
    )
    return tests.join(firsts, on=["enrolment_id", "course", "test"], how="left")


def due_tests(taken: pd.DataFrame, place: pd.DataFrame) -> pd.DataFrame:
    """Tell which tests were due: those of which `DUE_SHARE` of a programme's students have a known result, exemptions left out on either side.

    Parameters
    ----------
    taken : pandas.DataFrame
        What `reduce` gives.
    place : pandas.DataFrame
        cohort and programme, indexed by enrolment_id; every student of the programmes at the cut.

    Returns
    -------
    pandas.DataFrame
        cohort, programme and `TEST_COLUMNS`, one row per test that was due.
    """
    columns = ["cohort", "programme", *TEST_COLUMNS]
    rows = taken[taken["enrolment_id"].isin(place.index)]
    if not (rows["is_exempt"] <= 0).any():
        return pd.DataFrame({column: pd.Series(dtype="str" if column in ("cohort", "programme", *_KEY) else float) for column in columns})
    rows = rows.join(place[["cohort", "programme"]], on="enrolment_id")
    key = ["cohort", "programme", *_KEY]
    exempt = rows[rows["is_exempt"] > 0].groupby(key, sort=True).size().rename("exempt").reset_index()
    grouped = rows[rows["is_exempt"] <= 0].groupby(key, sort=True)
    tests = grouped.agg(
        students=("first_day", "size"),
        first_day=("first_day", "min"),
        median_day=("first_day", "median"),
        grade_mean=("first_grade", "mean"),
        grade_sd=("first_grade", "std"),
        credits=("credits", "median"),
    ).reset_index()
    sizes = place.groupby(["cohort", "programme"], sort=True).size().rename("size").reset_index()
    tests = tests.merge(sizes, on=["cohort", "programme"], how="left").merge(exempt, on=key, how="left")
    asked = tests["size"] - tests["exempt"].fillna(0)
    return tests.loc[tests["students"] >= DUE_SHARE * asked, columns].reset_index(drop=True)


def measure(taken: pd.DataFrame, place: pd.DataFrame, context: ProgrammeContext, late: pd.Series) -> pd.DataFrame:
    """Give each enrolment's figures on tests against what was due in its programme.

    Parameters
    ----------
    taken : pandas.DataFrame
        What `reduce` gives.
    place : pandas.DataFrame
        cohort and programme, indexed by enrolment_id.
    context : ProgrammeContext
        The tests that were due.
    late : pandas.Series
        Days that each enrolment started after its cohort; tests before that day were not theirs to take.

    Returns
    -------
    pandas.DataFrame
        Indexed as `place`; null where no test was due yet.
    """
    names = [*(feature.name for feature in FEATURES), *FACTS]
    due = context.tests
    pairs = place[["cohort", "programme"]].reset_index().merge(due, on=["cohort", "programme"], how="inner")
    if pairs.empty:
        out = pd.DataFrame(np.nan, index=place.index, columns=names)
        return out.astype({"fact_first_test": object})
    own = taken.drop(columns="credits").rename(columns={"first_day": "own_day"})
    pairs = pairs.merge(own, on=["enrolment_id", *_KEY], how="left")
    before = pairs["median_day"] < pairs["enrolment_id"].map(late).fillna(0.0)
    pairs = pairs[~(pairs["is_exempt"] > 0) & ~(before & ~(pairs["is_taken"] > 0))]
    pairs["is_taken"] = pairs["is_taken"].fillna(0.0)
    pairs["is_passed"] = pairs["is_passed"].fillna(0.0)
    spread = pairs["grade_sd"].where(pairs["grade_sd"] > 0)
    pairs["z"] = (pairs["first_grade"] - pairs["grade_mean"]) / spread
    # A test of many credits says more than a quiz; where any credits are unknown, all tests count alike.
    known = pairs.groupby("enrolment_id")["credits"].transform("min") > 0
    pairs["size"] = pairs["credits"].where(known, 1.0)
    pairs["missed"] = pairs["size"] * (1 - pairs["is_taken"])
    pairs["gained"] = pairs["size"] * pairs["is_passed"]
    pairs["z_size"] = pairs["size"].where(pairs["z"].notna())
    pairs["z_weighted"] = pairs["z"] * pairs["size"]
    pairs["later"] = (pairs["own_day"] - pairs["median_day"]).where(pairs["is_taken"] > 0)
    pairs["open"] = ((pairs["is_taken"] > 0) & (pairs["is_passed"] == 0)).astype(float)
    pairs["earned"] = pairs["credits"] * pairs["is_passed"]
    pairs["programme_grade"] = pairs["grade_mean"].where(pairs["first_grade"].notna())
    grouped = pairs.groupby("enrolment_id", sort=False)
    sums = grouped.agg(
        due=("is_taken", "size"),
        taken=("is_taken", "sum"),
        passed=("is_passed", "sum"),
        size=("size", "sum"),
        missed=("missed", "sum"),
        gained=("gained", "sum"),
        z_weighted=("z_weighted", "sum"),
        z_size=("z_size", "sum"),
        later=("later", "mean"),
        open=("open", "sum"),
        earned=("earned", "sum"),
        credits=("credits", "sum"),
        grade=("first_grade", "mean"),
        programme_grade=("programme_grade", "mean"),
    )
    out = pd.DataFrame(index=place.index)
    sums = sums.reindex(place.index)
    out["tests_missed_share"] = sums["missed"] / sums["size"]
    out["tests_passed_share"] = sums["gained"] / sums["size"]
    out["tests_later_than_programme"] = sums["later"]
    out["grade_mean_vs_programme"] = sums["z_weighted"] / sums["z_size"].where(sums["z_size"] > 0)
    out["resits_open"] = sums["open"]
    out["credits_share"] = sums["earned"] / sums["credits"].where(sums["credits"] > 0)
    largest = pairs.groupby("enrolment_id")["size"].transform("max")
    graded = pairs[pairs["z"].notna() & (pairs["size"] >= LEAST_WEIGHT * largest)].sort_values(["enrolment_id", "known_day", "own_day", *_KEY])
    out["last_grade_vs_programme"] = graded.groupby("enrolment_id")["z"].last().reindex(place.index)
    first = (
        pairs.sort_values(["enrolment_id", "median_day", *_KEY])
        .drop_duplicates("enrolment_id")
        .set_index("enrolment_id")
        .reindex(place.index)
    )
    out["first_test_missed"] = 1 - first["is_taken"]
    out["first_test_passed"] = first["first_passed"].where(first["is_taken"] > 0)
    out["first_test_grade_vs_programme"] = first["z"]
    out["fact_tests_due"] = sums["due"]
    out["fact_tests_missed"] = sums["due"] - sums["taken"]
    out["fact_tests_passed"] = sums["passed"]
    name = first["course"].where(first["test"] == "", first["test"])
    out["fact_first_test"] = name.astype(object).where(first["test"].notna(), None)
    out["fact_first_test_grade"] = first["first_grade"]
    out["fact_first_test_programme_grade"] = first["grade_mean"]
    out["fact_first_test_status"] = first["first_passed"].where(first["is_taken"] > 0, -1.0).where(first["is_taken"].notna())
    out["fact_grade_mean"] = sums["grade"]
    out["fact_programme_grade_mean"] = sums["programme_grade"]
    out["fact_credits"] = sums["earned"].where(sums["credits"] > 0)
    out["fact_credits_due"] = sums["credits"].where(sums["credits"] > 0)
    return out.reindex(columns=names)
