"""Tests: due once enough of a programme has a result; missed, exempt and not yet tested differ."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import BACKENDS, START_DATE, definition_of, enrolment, result, tables_of

from riskmodel.features import build_features
from riskmodel.features.context import DUE_SHARE
from riskmodel.window import cut

pytestmark = pytest.mark.parametrize("backend", BACKENDS)
NAMES = [f"e{number}" for number in range(6)]


def features(
    backend: str, results: list[dict[str, Any]] | None, at: int | dt.date = 56, enrolments: list[dict[str, Any]] | None = None
) -> pd.DataFrame:
    tables = tables_of(backend, enrolments=enrolments or [enrolment(name) for name in NAMES], results=results)
    return build_features(cut(tables, at), definition_of()).set_index("enrolment_id")


def everybody(day: int, test: str = "test 1", grade: float = 7.0, but: tuple[str, ...] = (), **more: Any) -> list[dict[str, Any]]:
    return [result(name, day, test, grade, **more) for name in NAMES if name not in but]


def figures(told: pd.Series) -> pd.Series:
    return told[[name for name in told.index if "test" in name or "grade" in name or "credits" in name or name == "resits_open"]]


@pytest.mark.parametrize("results", [None, [], everybody(70)], ids=["no table", "no rows", "later tests"])
def test_a_programme_that_has_not_tested_yet_has_no_failed_tests(backend, results):
    told = features(backend, results)
    assert told.apply(figures, axis=1).isna().all(axis=None)


def test_whoever_has_no_result_of_a_test_that_was_due_has_missed_it(backend):
    told = features(backend, everybody(20, but=("e5",))).loc["e5"]
    assert told["first_test_missed"] == 1
    assert told["first_test_passed"] == 0
    assert np.isnan(told["first_test_grade_vs_programme"])
    assert told["fact_first_test_status"] == -1
    assert told["tests_missed_share"] == 1


def test_a_test_is_missed_only_once_enough_of_the_programme_has_a_result(backend):
    few = int(np.ceil(DUE_SHARE * len(NAMES))) - 1
    not_due = features(backend, [result(name, 20) for name in NAMES[:few]])
    due = features(backend, [result(name, 20) for name in NAMES[: few + 1]])
    assert not_due["first_test_missed"].isna().all()
    assert due.loc["e5", "first_test_missed"] == 1


def test_grades_that_are_not_published_yet_make_nobody_miss_a_test(backend):
    told = features(backend, everybody(20, known=60, but=("e5",)), 56)
    assert told["first_test_missed"].isna().all()


def test_being_registered_as_absent_counts_as_missed(backend):
    told = features(backend, [*everybody(20, but=("e5",)), result("e5", 20, grade=None, status="absent")]).loc["e5"]
    assert told["first_test_missed"] == 1
    assert told["resits_open"] == 0


def test_a_test_that_most_were_absent_from_was_held(backend):
    absent = [result(name, 20, grade=None, status="absent") for name in NAMES[:4]]
    told = features(backend, [*absent, result("e4", 20)])
    assert told.loc["e0", "first_test_missed"] == 1
    assert told.loc["e4", "first_test_missed"] == 0


def test_whoever_is_exempt_has_neither_taken_nor_missed_it(backend):
    told = features(backend, [*everybody(20, but=("e5",)), result("e5", 20, grade=None, status="exempt")]).loc["e5"]
    assert figures(told).isna().all()


def test_the_first_test_of_whoever_is_exempt_is_the_next_one(backend):
    rows = [*everybody(20, but=("e5",)), result("e5", 20, grade=None, status="exempt"), *everybody(40, "test 2", 4.0)]
    told = features(backend, rows).loc["e5"]
    assert told["fact_first_test"] == "test 2"
    assert told["first_test_passed"] == 0
    assert told["fact_tests_due"] == 1


def test_exemptions_do_not_keep_a_test_from_being_due(backend):
    exempt = [result(name, 20, grade=None, status="exempt") for name in NAMES[:4]]
    told = features(backend, [*exempt, result("e4", 20)])
    assert told.loc["e5", "first_test_missed"] == 1


def test_the_first_test_is_the_earliest_that_was_due(backend):
    rows = [*everybody(30, "b test", 8.0), *everybody(20, "z test", 4.0), result("e0", 5, "own little test", 9.0)]
    told = features(backend, rows).loc["e0"]
    assert told["fact_first_test"] == "z test"
    assert told["fact_first_test_grade"] == 4
    assert told["first_test_passed"] == 0
    assert told["fact_first_test_status"] == 0


def test_a_resit_that_is_passed_closes_a_failed_test_and_the_first_attempt_stays_failed(backend):
    rows = [*everybody(20, grade=4.0), result("e0", 35, grade=8.0, attempt=2.0)]
    told = features(backend, rows)
    assert told["resits_open"].tolist() == [0, 1, 1, 1, 1, 1]
    assert told.loc["e0", "tests_passed_share"] == 1
    assert told.loc["e0", "first_test_passed"] == 0
    assert told.loc["e0", "fact_first_test_grade"] == 4


def test_attempts_count_by_number_and_not_by_the_order_of_rows(backend):
    rows = [result("e0", 35, grade=8.0, attempt=2.0), *everybody(20, grade=4.0)]
    assert features(backend, rows).loc["e0", "fact_first_test_grade"] == 4


def test_a_first_attempt_missed_leaves_the_resit_as_the_first_grade(backend):
    rows = [*everybody(20, grade=5.0, but=("e0",)), result("e0", 20, grade=None, status="absent"), result("e0", 35, grade=9.0, attempt=2.0)]
    told = features(backend, rows).loc["e0"]
    assert told["first_test_missed"] == 0
    assert told["fact_first_test_grade"] == 9


def test_a_result_in_words_has_no_number_made_up_for_it(backend):
    rows = [*everybody(20, but=("e5",)), result("e5", 20, grade=None, status="passed")]
    told = features(backend, rows).loc["e5"]
    assert told["first_test_passed"] == 1
    assert np.isnan(told["first_test_grade_vs_programme"])
    assert np.isnan(told["fact_grade_mean"])


def test_grades_are_told_against_the_programmes_mean_in_standard_deviations(backend):
    grades = [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    rows = [result(name, 20, grade=grade) for name, grade in zip(NAMES, grades, strict=True)]
    told = features(backend, rows)
    expected = (np.array(grades) - 6.5) / np.std(grades, ddof=1)
    np.testing.assert_allclose(told["first_test_grade_vs_programme"], expected)
    np.testing.assert_allclose(told["grade_mean_vs_programme"], expected)
    assert (told["fact_first_test_programme_grade"] == 6.5).all()


def test_when_all_have_the_same_grade_nobody_stands_out(backend):
    assert features(backend, everybody(20))["first_test_grade_vs_programme"].isna().all()


def test_the_last_grade_is_the_one_known_last(backend):
    rows = [result(name, 20, "a", 5.0 + place, known=50) for place, name in enumerate(NAMES)]
    rows += [result(name, 25, "b", 5.0 - place / 2, known=30) for place, name in enumerate(NAMES)]
    told = features(backend, rows)
    assert told.loc["e5", "last_grade_vs_programme"] > 0
    assert told.loc["e0", "last_grade_vs_programme"] < 0


def test_credits_are_told_against_what_could_be_had_by_then(backend):
    rows = [*everybody(20, "a", credits=10.0), *everybody(30, "b", 4.0, credits=5.0, but=("e0",)), result("e0", 30, "b", 8.0, credits=5.0)]
    told = features(backend, rows)
    assert told.loc["e0", "credits_share"] == 1
    assert told.loc["e1", "credits_share"] == pytest.approx(10 / 15)
    assert told.loc["e1", ["fact_credits", "fact_credits_due"]].tolist() == [10, 15]


def test_without_credits_that_share_is_unknown(backend):
    told = features(backend, everybody(20))
    assert told["credits_share"].isna().all()
    assert told["fact_credits_due"].isna().all()


def test_tests_of_another_programme_or_cohort_are_not_due_here(backend):
    enrolments = [*(enrolment(name) for name in NAMES), enrolment("other", programme="law"), enrolment("before", start=-365, cohort="2023")]
    told = features(backend, everybody(20), enrolments=enrolments)
    assert told.loc[["other", "before"], "first_test_missed"].isna().all()


def test_the_same_test_name_in_two_courses_is_two_tests(backend):
    rows = [*everybody(20, course="a"), *everybody(22, course="b", but=("e5",))]
    told = features(backend, rows).loc["e5"]
    assert told["fact_tests_due"] == 2
    assert told["fact_tests_missed"] == 1


def test_a_late_starter_has_not_missed_what_was_held_before_they_came(backend):
    enrolments = [*(enrolment(name) for name in NAMES), enrolment("late", start=30)]
    told = features(backend, [*everybody(20), *everybody(50, "test 2")], START_DATE + dt.timedelta(days=60), enrolments).loc["late"]
    assert told["fact_first_test"] == "test 2"
    assert told["fact_tests_due"] == 1
    assert told["tests_missed_share"] == 1


def test_a_late_starter_for_whom_nothing_was_due_yet_has_missed_nothing(backend):
    enrolments = [*(enrolment(name) for name in NAMES), enrolment("late", start=30)]
    told = features(backend, everybody(20), START_DATE + dt.timedelta(days=60), enrolments).loc["late"]
    assert figures(told).isna().all()


def test_points_sum_up_what_was_taken_against_what_the_others_have(backend):
    rows = [*everybody(20, "a", 10.0, but=("e5",)), *everybody(30, "b", 5.5)]
    told = features(backend, rows)["tests_points_vs_programme"]
    assert told["e0"] == pytest.approx((1 - 5 / 6) + 0)
    assert told["e5"] == pytest.approx((0 - 5 / 6) + 0)


def test_points_of_tests_that_few_have_taken_count_and_nobody_has_missed_those(backend):
    names = [f"e{number}" for number in range(20)]
    rows = [result(name, 20, "early", 10.0) for name in names[:5]]
    told = features(backend, rows, enrolments=[enrolment(name) for name in names])
    assert told["tests_missed_share"].isna().all()
    assert told.loc["e0", "tests_points_vs_programme"] == pytest.approx(1 - 5 / 20)
    assert told.loc["e9", "tests_points_vs_programme"] == pytest.approx(-5 / 20)


def test_points_that_were_to_be_had_weigh_by_credits_and_give_a_place_in_the_programme(backend):
    rows = [
        *everybody(20, "a", 6.4, credits=10.0),
        *everybody(30, "b", 5.5, credits=5.0, but=("e5",)),
        result("e5", 30, "b", 10.0, credits=5.0),
    ]
    told = features(backend, [row for row in rows if (row["enrolment_id"], row["test"]) != ("e0", "a")])
    # 6.4 is 0.6 of the scale from 1 to 10 and 5.5 is 0.5 of it; e0 missed the large test.
    assert told["fact_tests_points"].tolist() == pytest.approx([2.5 / 15, *[8.5 / 15] * 4, 11 / 15])
    assert told["tests_points_rank"].tolist() == [0, *[0.5] * 4, 1]


def test_points_of_tests_without_credits_all_count_alike(backend):
    rows = [*everybody(20, "a", 10.0, but=("e5",)), *everybody(30, "b", 5.5)]
    told = features(backend, rows)["fact_tests_points"]
    assert told[["e0", "e5"]].tolist() == pytest.approx([0.75, 0.25])


def test_neither_exemptions_nor_results_in_words_cost_points(backend):
    rows = [
        *everybody(20, grade=7.0, but=("e4", "e5")),
        result("e4", 20, grade=None, status="exempt"),
        result("e5", 20, grade=None, status="passed"),
    ]
    told = features(backend, rows)["tests_points_vs_programme"]
    assert told[["e4", "e5"]].isna().all()
    np.testing.assert_allclose(told[NAMES[:4]], 0, atol=1e-12)


def test_results_in_words_alone_give_no_points_to_compare(backend):
    told = features(backend, [result(name, 20, grade=None, status="passed") for name in NAMES[:4]])
    assert told["tests_points_vs_programme"].isna().all()
    assert told.loc["e5", "first_test_missed"] == 1
