"""Tests: what was due in the programme by then, and what this student made of it. A programme that has not tested yet has no failed tests.

A test is due once enough of a programme's students have a known result of it, and only then can anybody have missed it. Whoever is exempt has
neither taken nor missed it. A test that lies before a late starter's own first day is not theirs to miss. The first test is a student's earliest that is due.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import narwhals as nw
import numpy as np
import pandas as pd

from riskmodel.catalogue import Feature
from riskmodel.contract.definition import GradeScale
from riskmodel.features.context import DUE_SHARE, HELD_SHARE, LEAST_STUDENTS, TEST_COLUMNS, ProgrammeContext
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
    Feature("tests_points_vs_programme", "tests", "number", "tests_progress", "punten voor toetsen naast de opleiding",
            "points for tests beside the programme's", "tests with full marks", "down", True,
            "One figure for who is behind: a test not taken brings no points and a low grade few, told against what the others have by then."),
    Feature("tests_later_than_programme", "tests", "number", "tests_progress", "dagen later getoetst dan gebruikelijk in de opleiding",
            "days that tests were taken later than is usual in the programme", "days", "up", True,
            "Handing in or sitting tests later than others can be a sign of falling behind, and can be planned."),
    Feature("tests_later_rank", "tests", "number", "tests_progress", "plaats in de opleiding naar hoe laat er getoetst is",
            "place in the programme by how late tests were taken", "share", "up", True,
            "A place among fellow students means the same in each programme, however strict its dates are."),
    Feature("tests_points_rank", "tests", "number", "tests_progress", "plaats in de opleiding naar punten voor toetsen",
            "place in the programme by points for tests", "share", "down", True,
            "A place among fellow students means the same in each programme, however hard its tests are; large tests count for more."),
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
    "fact_tests_points": "share of the points that were to be had, tests weighed by their credits",
    "fact_first_test": "name of the first test that was due",
    "fact_first_test_grade": "grade of its first attempt",
    "fact_first_test_programme_grade": "the programme's mean grade for it",
    "fact_first_test_status": "1 passed, 0 failed, -1 missed",
    "fact_grade_mean": "mean of first-attempt grades",
    "fact_programme_grade_mean": "the programme's mean for the same tests",
    "fact_credits": "credits earned",
    "fact_credits_due": "credits that were to be had by then",
}

RANKED = {"tests_later_than_programme": "tests_later_rank", "fact_tests_points": "tests_points_rank"}
LEAST_WEIGHT = 0.25  # a quiz that counts for less than a quarter of the largest test is no 'last grade'
_KEY = ["course", "test"]
Numbers = TypeVar("Numbers", pd.Series, np.ndarray)


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


def held_tests(taken: pd.DataFrame, place: pd.DataFrame, scale: GradeScale) -> pd.DataFrame:
    """Tell which tests were held in each programme, and which were due: those of which `DUE_SHARE` of the students asked have a known result.

    Whoever is exempt is not asked. Tests of which very few have a result (`HELD_SHARE`, `LEAST_STUDENTS`) are not held yet.

    Parameters
    ----------
    taken : pandas.DataFrame
        What `reduce` gives.
    place : pandas.DataFrame
        cohort and programme, indexed by enrolment_id; every student of the programmes at the cut.
    scale : GradeScale
        Its ends are no points and full marks.

    Returns
    -------
    pandas.DataFrame
        cohort, programme and `TEST_COLUMNS`, one row per test.
    """
    columns = ["cohort", "programme", *TEST_COLUMNS]
    rows = taken[taken["enrolment_id"].isin(place.index)]
    if not (rows["is_exempt"] <= 0).any():
        return pd.DataFrame({column: pd.Series(dtype="str" if column in ("cohort", "programme", *_KEY) else float) for column in columns})
    rows = rows.join(place[["cohort", "programme"]], on="enrolment_id")
    key = ["cohort", "programme", *_KEY]
    exempt = rows[rows["is_exempt"] > 0].groupby(key, sort=True).size().rename("exempt").reset_index()
    rows = rows[rows["is_exempt"] <= 0]
    rows = rows.assign(
        points=_points(rows["first_grade"], scale), in_words=((rows["is_taken"] > 0) & rows["first_grade"].isna()).astype(float)
    )
    grouped = rows.groupby(key, sort=True)
    tests = grouped.agg(
        students=("first_day", "size"),
        in_words=("in_words", "sum"),
        points=("points", "sum"),
        first_day=("first_day", "min"),
        median_day=("first_day", "median"),
        grade_mean=("first_grade", "mean"),
        grade_sd=("first_grade", "std"),
        credits=("credits", "median"),
    ).reset_index()
    sizes = place.groupby(["cohort", "programme"], sort=True).size().rename("size").reset_index()
    tests = tests.merge(sizes, on=["cohort", "programme"], how="left").merge(exempt, on=key, how="left")
    asked = tests["size"] - tests["exempt"].fillna(0)
    tests["due"] = (tests["students"] >= DUE_SHARE * asked).astype(float)
    tests["points"] = (tests["points"] / (asked - tests["in_words"])).where(tests["grade_mean"].notna())
    held = (tests["due"] > 0) | ((tests["students"] >= HELD_SHARE * asked) & (tests["students"] >= LEAST_STUDENTS))
    return tests.loc[held, columns].reset_index(drop=True)


def _points(grade: Numbers, scale: GradeScale) -> Numbers:
    return (grade - scale.minimum) / (scale.maximum - scale.minimum)


def measure(taken: pd.DataFrame, place: pd.DataFrame, held: pd.DataFrame, late: pd.Series, scale: GradeScale) -> pd.DataFrame:
    """Give each enrolment's figures on tests against what was held and due in its programme.

    Parameters
    ----------
    taken : pandas.DataFrame
        What `reduce` gives.
    place : pandas.DataFrame
        cohort and programme, indexed by enrolment_id.
    held : pandas.DataFrame
        The tests that were held.
    late : pandas.Series
        Days that each enrolment started after its cohort; tests before that day were not theirs to take.
    scale : GradeScale
        As for `held_tests`.

    Returns
    -------
    pandas.DataFrame
        Indexed as `place`; null where no test was held, or due, yet.
    """
    names = [*(feature.name for feature in FEATURES if feature.name not in RANKED.values()), *FACTS]
    pairs = _pairs(taken, place, held, late)
    if pairs.empty:
        out = pd.DataFrame(np.nan, index=place.index, columns=names)
        return out.astype({"fact_first_test": object})
    code = pairs["code"].to_numpy()
    each = {column: pairs[column].to_numpy(dtype=float) for column in pairs.columns.difference(["code", "course", "test"])}
    columns, first = figures(code, each, len(place), scale)
    told = np.full(len(place), None, dtype=object)
    course, test = pairs["course"].to_numpy(dtype=object), pairs["test"].to_numpy(dtype=object)
    told[code[first]] = np.where(test[first] == "", course[first], test[first])
    return pd.DataFrame(columns | {"fact_first_test": told}, index=place.index)[names]


def figures(code: np.ndarray, each: Mapping[str, np.ndarray], students: int, scale: GradeScale) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Give the figures on tests from one row per student and test that was theirs to take.

    Parameters
    ----------
    code : numpy.ndarray of int, shape (k,)
        Whose row it is, from 0.
    each : mapping of name to numpy.ndarray, shape (k,)
        Of the test: order, due, median_day, grade_mean, grade_sd, points, credits. Of the student's own result, NaN without one: is_taken, is_passed,
        first_grade, first_passed, own_day, known_day.
    students : int
    scale : GradeScale

    Returns
    -------
    columns : dict of name to numpy.ndarray, shape (students,)
        All that `measure` gives but the first test's name.
    first : numpy.ndarray of int
        The rows that are their student's first test.
    """

    def total(values: np.ndarray, where: np.ndarray) -> np.ndarray:
        return np.bincount(code, weights=np.where(where, values, 0.0), minlength=students)

    def over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
        return np.asarray(np.divide(above, below, out=np.full(students, np.nan), where=below > 0))

    def at(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        out = np.full(students, np.nan)
        out[code[rows]] = values[rows]
        return out

    every = np.ones(len(code), dtype=bool)
    one = np.ones(len(code))
    due, is_taken, is_passed = each["due"] > 0, each["is_taken"] > 0, each["is_passed"] > 0
    graded = ~np.isnan(each["first_grade"])
    # A test of many credits says more than a quiz; where any credits are unknown, all tests count alike.
    known_credits = each["credits"] > 0
    unweighted = total(one, ~known_credits) > 0
    size = np.where(unweighted[code], 1.0, each["credits"])
    # For points a test without credits is practice, and counts where all tests are.
    alike = (total(one, np.isnan(each["credits"])) > 0) | (total(one, known_credits) == 0)
    weight = np.where(alike[code], 1.0, each["credits"])
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(each["grade_sd"] > 0, (each["first_grade"] - each["grade_mean"]) / each["grade_sd"], np.nan)
    has_z = ~np.isnan(z)
    points = np.where(graded, _points(each["first_grade"], scale), 0.0)
    comparable = ~np.isnan(each["points"]) & (graded | ~is_taken)
    largest = np.zeros(students)
    np.maximum.at(largest, code, size)
    order = np.lexsort((each["order"], each["median_day"], code))
    order = order[due[order]]
    first = order[np.concatenate([[True], code[order][1:] != code[order][:-1]])] if len(order) else order
    order = np.lexsort((each["order"], each["own_day"], each["known_day"], code))
    last = order[(has_z & (size >= LEAST_WEIGHT * largest[code]))[order]]

    due_size, asked = total(size, due), total(one, due)
    to_have = total(np.nan_to_num(each["credits"]), due)
    earned = total(np.nan_to_num(each["credits"]), due & is_passed)
    nothing = asked == 0
    columns = {
        "first_test_passed": at(first, np.where(is_taken, each["first_passed"], 0.0)),
        "first_test_missed": at(first, 1.0 - is_taken),
        "first_test_grade_vs_programme": at(first, z),
        "tests_missed_share": over(total(size, due & ~is_taken), due_size),
        "tests_passed_share": over(total(size, due & is_passed), due_size),
        "tests_points_vs_programme": np.where(total(one, comparable) > 0, total(points - each["points"], comparable), np.nan),
        "tests_later_than_programme": over(total(each["own_day"] - each["median_day"], due & is_taken), total(one, due & is_taken)),
        "grade_mean_vs_programme": over(total(z * size, has_z), total(size, has_z)),
        "last_grade_vs_programme": at(last, z),
        "resits_open": np.where(total(one, every) > 0, total(one, is_taken & ~is_passed), np.nan),
        "credits_share": over(earned, to_have),
        "fact_tests_due": np.where(nothing, np.nan, asked),
        "fact_tests_missed": np.where(nothing, np.nan, total(one, due & ~is_taken)),
        "fact_tests_passed": np.where(nothing, np.nan, total(one, due & is_passed)),
        "fact_tests_points": over(total(weight * points, comparable), total(weight, comparable)),
        "fact_first_test_grade": at(first, each["first_grade"]),
        "fact_first_test_programme_grade": at(first, each["grade_mean"]),
        "fact_first_test_status": at(first, np.where(is_taken, each["first_passed"], -1.0)),
        "fact_grade_mean": over(total(each["first_grade"], graded), total(one, graded)),
        "fact_programme_grade_mean": over(total(each["grade_mean"], graded), total(one, graded)),
        "fact_credits": np.where(to_have > 0, earned, np.nan),
        "fact_credits_due": np.where(to_have > 0, to_have, np.nan),
    }
    return columns, first


def _pairs(taken: pd.DataFrame, place: pd.DataFrame, held: pd.DataFrame, late: pd.Series) -> pd.DataFrame:
    """Give a row per student and test that was theirs to take: what was held, and their own result of it where there is one."""
    order = held.sort_values(_KEY)
    order = order.assign(order=np.arange(len(order)))
    students = pd.DataFrame(
        {
            "enrolment_id": place.index,
            "cohort": place["cohort"].to_numpy(),
            "programme": place["programme"].to_numpy(),
            "late": late.to_numpy(),
        }
    )
    students["code"] = np.arange(len(place))
    pairs = students.merge(order, on=["cohort", "programme"], how="inner").drop(columns=["cohort", "programme"])
    own = taken.drop(columns="credits").rename(columns={"first_day": "own_day"})
    pairs = pairs.merge(own, on=["enrolment_id", *_KEY], how="left").drop(columns="enrolment_id")
    not_taken = ~(pairs["is_taken"] > 0)
    before = pairs["median_day"] < pairs["late"].fillna(0.0)
    return pairs[~(pairs["is_exempt"] > 0) & ~(before & not_taken)]


def compare(own: pd.DataFrame, context: ProgrammeContext, place: pd.DataFrame) -> pd.DataFrame:
    """Add places among the programme's students.

    Parameters
    ----------
    own : pandas.DataFrame
        What `measure` gives.
    context : ProgrammeContext
        What is usual in the programmes at the same cut.
    place : pandas.DataFrame
        cohort and programme, same index.
    """
    return own.join(context.ranks(place, own[list(RANKED)]).rename(columns=RANKED))
