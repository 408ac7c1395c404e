"""What schools do by hand, as scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from riskmodel.baselines import baseline_scores, first_test_failed_or_missed, prior_education_rates


def students(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_whoever_failed_or_missed_the_first_test_is_named_and_whoever_passed_is_not() -> None:
    frame = students(fact_first_test_status=[1.0, 0.0, -1.0, np.nan])
    told = first_test_failed_or_missed(frame)
    assert told.tolist()[:3] == [0.0, 1.0, 1.0]
    assert np.isnan(told[3])


def test_before_any_test_was_due_there_is_no_first_test_rule() -> None:
    assert baseline_scores(students(fact_first_test_status=[np.nan, np.nan]), "first_test", {}) is None


def test_students_of_a_programme_that_has_not_tested_yet_stand_with_those_who_passed() -> None:
    frame = students(fact_first_test_status=[np.nan, 1.0, 0.0, -1.0])
    score = baseline_scores(frame, "first_test", {})
    assert score is not None
    assert score.tolist() == [0.0, 0.0, 1.0, 1.0]


def test_a_lot_scores_everybody_alike() -> None:
    score = baseline_scores(students(any=[1, 2, 3]), "lot", {})
    assert score is not None
    assert score.tolist() == [0.0, 0.0, 0.0]


def test_rates_per_kind_of_prior_education_are_learnt_from_students_with_an_outcome() -> None:
    frame = students(fact_prior_education=["havo", "havo", "mbo", "mbo", None, "vwo"], leave=[1.0, 0.0, 1.0, np.nan, 0.0, 0.0])
    assert prior_education_rates(frame, "leave") == {"": pytest.approx(0.4), "havo": 0.5, "mbo": 1.0, "vwo": 0.0}


def test_a_kind_never_seen_and_an_unknown_one_get_the_rate_of_all() -> None:
    rates = {"": 0.4, "havo": 0.5}
    score = baseline_scores(students(fact_prior_education=["havo", "mbo", None]), "prior_education", rates)
    assert score is not None
    assert score.tolist() == [0.5, 0.4, 0.4]


@pytest.mark.parametrize(("kinds", "rates"), [([None, None], {"": 0.4, "havo": 0.5}), (["havo", "mbo"], {})])
def test_without_prior_education_here_or_in_training_the_comparison_does_not_exist(kinds: list[object], rates: dict[str, float]) -> None:
    assert baseline_scores(students(fact_prior_education=kinds), "prior_education", rates) is None


def test_nothing_is_learnt_where_no_outcome_or_no_prior_education_is_known() -> None:
    assert prior_education_rates(students(fact_prior_education=["havo"], leave=[np.nan]), "leave") == {}
    assert prior_education_rates(students(fact_prior_education=[None, None], leave=[1.0, 0.0]), "leave") == {}


def test_an_unknown_baseline_is_refused() -> None:
    with pytest.raises(ValueError, match="no baseline 'stars'"):
        baseline_scores(students(any=[1]), "stars", {})
