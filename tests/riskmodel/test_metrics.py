"""Each figure against a table worked out by hand, then against scikit-learn, then by properties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from riskmodel.metrics import (
    average_precision,
    brier,
    calibrated,
    calibration_line,
    found_at_capacity,
    gain_curve,
    interval,
    lift_at_capacity,
    more_found,
    precision_at_capacity,
    ranked,
    recall_at_capacity,
    resamples,
    roc_auc,
)

# Ten students by falling score; a tie of three crosses a list of four.
#   score  9  8  5  5  5  4  3  2  1  0
#   left   1  0  1  1  0  0  0  1  0  0
SCORE = np.array([9.0, 8, 5, 5, 5, 4, 3, 2, 1, 0])
LEFT = np.array([1.0, 0, 1, 1, 0, 0, 0, 1, 0, 0])

labels_and_scores = st.integers(2, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from([0.0, 1.0]), min_size=n, max_size=n).map(np.array),
        st.lists(st.integers(-5, 5).map(float), min_size=n, max_size=n).map(np.array),
    )
)
shares = st.floats(0.01, 1.0)


def test_auc_counts_the_pairs_that_stand_in_the_right_order_and_half_of_the_ties() -> None:
    # Pairs won: the leaver at 9 beats 6 stayers, each at 5 beats 4 and ties 1, the one at 2 beats 2; of 4 x 6 pairs.
    assert roc_auc(LEFT, SCORE) == pytest.approx((6 + 4.5 + 4.5 + 2) / 24)


def test_average_precision_takes_in_students_of_equal_score_together() -> None:
    # Thresholds that add leavers: 9 (1 of 1), 5 (3 of 5, two leavers more), 2 (4 of 8).
    assert average_precision(LEFT, SCORE) == pytest.approx(0.25 * 1 + 0.5 * 3 / 5 + 0.25 * 4 / 8)


def test_brier_is_the_mean_squared_difference() -> None:
    assert brier(np.array([1.0, 0.0, 1.0]), np.array([0.5, 0.2, 1.0])) == pytest.approx((0.25 + 0.04 + 0.0) / 3)


def test_a_lot_decides_between_equal_scores_in_expectation() -> None:
    # Four of ten invited: 9 and 8 for sure (1 leaver), then two of the three at 5, of whom two left: 2 x 2/3.
    assert found_at_capacity(LEFT, SCORE, 0.4) == pytest.approx(1 + 4 / 3)
    assert precision_at_capacity(LEFT, SCORE, 0.4) == pytest.approx((1 + 4 / 3) / 4)
    assert recall_at_capacity(LEFT, SCORE, 0.4) == pytest.approx((1 + 4 / 3) / 4)
    assert lift_at_capacity(LEFT, SCORE, 0.4) == pytest.approx((1 + 4 / 3) / 4 / 0.4)


def test_capacity_may_end_within_a_student() -> None:
    # 1.5 invited: the first, who left, and half of the second, who stayed.
    assert found_at_capacity(LEFT, SCORE, 0.15) == pytest.approx(1.0)
    assert found_at_capacity(LEFT, SCORE, 0.05) == pytest.approx(0.5)


def test_equal_scores_throughout_find_what_a_lot_finds() -> None:
    for share in (0.1, 0.25, 1.0):
        assert found_at_capacity(LEFT, np.zeros(10), share) == pytest.approx(4 * share)
        assert lift_at_capacity(LEFT, np.zeros(10), share) == pytest.approx(1.0)


def test_expectation_is_the_mean_over_every_order_in_which_a_lot_could_fall() -> None:
    left, score = np.array([1.0, 0, 1, 0, 0]), np.array([2.0, 1, 1, 1, 0])
    found = []
    for order in itertools.permutations(range(5)):
        ranked = sorted(order, key=lambda student: -score[student])
        found.append(left[ranked[:3]].sum())
    assert found_at_capacity(left, score, 0.6) == pytest.approx(np.mean(found))


def test_figures_that_need_leavers_do_not_exist_without_them() -> None:
    nobody, score = np.zeros(5), np.arange(5.0)
    for figure in (
        roc_auc(nobody, score),
        average_precision(nobody, score),
        recall_at_capacity(nobody, score, 0.2),
        lift_at_capacity(nobody, score, 0.2),
    ):
        assert math.isnan(figure)
    assert all(math.isnan(figure) for figure in calibration_line(nobody, score))
    assert math.isnan(roc_auc(np.ones(5), score))
    drawn = ranked(nobody, score, 0.2, resamples(np.arange(5), 1))
    for figures in (drawn.roc_auc, drawn.average_precision, drawn.recall, drawn.lift):
        told = interval(math.nan, figures)
        assert all(math.isnan(figure) for figure in (told.value, told.low, told.high))


def test_calibration_is_one_and_nought_where_log_odds_are_true() -> None:
    random = np.random.default_rng(3)
    decision = random.normal(-1.5, 1.0, 200_000)
    left = (random.random(len(decision)) < expit(decision)).astype(float)
    slope, intercept = calibration_line(left, decision)
    assert slope == pytest.approx(1.0, abs=0.03)
    assert intercept == pytest.approx(0.0, abs=0.03)


def test_calibration_of_two_groups_by_hand() -> None:
    # Predicted 0.5 and 0.8, observed 1/4 and 3/4: the line goes through both observed log-odds exactly.
    decision = np.repeat([0.0, logit(0.8)], 4)
    left = np.array([1.0, 0, 0, 0, 1, 1, 1, 0])
    slope, intercept = calibration_line(left, decision)
    assert slope == pytest.approx((logit(0.75) - logit(0.25)) / logit(0.8), rel=1e-4)
    # In the large: the shift at which as many are predicted as left.
    assert expit(intercept + decision).sum() == pytest.approx(4.0, abs=1e-3)


def test_too_sure_a_model_has_a_slope_below_one() -> None:
    random = np.random.default_rng(4)
    truth = random.normal(-1.0, 1.0, 50_000)
    left = (random.random(len(truth)) < expit(truth)).astype(float)
    assert calibration_line(left, 2 * truth)[0] == pytest.approx(0.5, abs=0.03)
    assert calibration_line(left, truth - 1)[1] == pytest.approx(1.0, abs=0.05)


def test_calibration_agrees_with_an_unpenalised_logistic_regression() -> None:
    random = np.random.default_rng(5)
    decision = random.normal(size=500)
    left = (random.random(500) < expit(0.3 + 0.7 * decision)).astype(float)
    reference = LogisticRegression(C=np.inf, tol=1e-10).fit(decision[:, None], left)
    assert calibration_line(left, decision)[0] == pytest.approx(float(reference.coef_[0, 0]), abs=1e-4)


@given(labels_and_scores)
def test_ranking_figures_agree_with_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    left, score = data
    if left.any():
        assert average_precision(left, score) == pytest.approx(average_precision_score(left, score))
    if 0 < left.sum() < len(left):
        assert roc_auc(left, score) == pytest.approx(roc_auc_score(left, score))
        assert brier(left, expit(score)) == pytest.approx(brier_score_loss(left, expit(score)))


@given(labels_and_scores, shares)
def test_found_lies_between_none_and_all_and_grows_with_capacity(data: tuple[np.ndarray, np.ndarray], share: float) -> None:
    left, score = data
    found = found_at_capacity(left, score, share)
    assert -1e-9 <= found <= min(left.sum(), share * len(left)) + 1e-9
    assert found <= found_at_capacity(left, score, min(1.0, share * 1.3)) + 1e-9
    assert found_at_capacity(left, score, 1.0) == pytest.approx(left.sum())


@given(labels_and_scores, shares, st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_a_rising_scale_moves_a_figure(
    data: tuple[np.ndarray, np.ndarray], share: float, random: object
) -> None:
    left, score = data
    order = np.array(random.sample(range(len(left)), len(left)))  # type: ignore[attr-defined]
    for figure in (roc_auc, average_precision, lambda y, s: found_at_capacity(y, s, share)):
        value = figure(left, score)
        assert figure(left[order], np.exp(score[order])) == pytest.approx(value, nan_ok=True)


@given(labels_and_scores, shares)
def test_inviting_by_score_and_by_its_opposite_find_everybody_together(data: tuple[np.ndarray, np.ndarray], share: float) -> None:
    left, score = data
    both = found_at_capacity(left, score, share) + found_at_capacity(left, -score, 1 - share)
    assert both == pytest.approx(left.sum()) or share == 1.0


@given(labels_and_scores, shares)
def test_the_gain_curve_passes_through_the_recall_of_every_capacity(data: tuple[np.ndarray, np.ndarray], share: float) -> None:
    left, score = data
    invited, reached = gain_curve(left, score)
    assert np.interp(share, invited, reached) == pytest.approx(recall_at_capacity(left, score, share), nan_ok=True, abs=1e-9)


@given(labels_and_scores, st.integers(0, 1000), shares)
def test_a_resample_is_measured_as_if_its_students_were_there_as_often_as_drawn(
    data: tuple[np.ndarray, np.ndarray], seed: int, share: float
) -> None:
    left, score = data
    draws = resamples(np.arange(len(left)), seed, times=4)
    repeated = [np.repeat(np.arange(len(left)), times) for times in draws]
    for value, rows in zip(zip(*_ranking(left, score, share, draws), strict=True), repeated, strict=True):
        y, ordered = left[rows], score[rows]
        expected = (
            roc_auc(y, ordered),
            average_precision(y, ordered),
            found_at_capacity(y, ordered, share),
            precision_at_capacity(y, ordered, share),
            recall_at_capacity(y, ordered, share),
            lift_at_capacity(y, ordered, share),
        )
        assert value == pytest.approx(expected, nan_ok=True)


def _ranking(left: np.ndarray, score: np.ndarray, share: float, draws: np.ndarray) -> tuple[np.ndarray, ...]:
    drawn = ranked(left, score, share, draws)
    return drawn.roc_auc, drawn.average_precision, drawn.found, drawn.precision, drawn.recall, drawn.lift


def test_an_interval_is_cut_at_the_quantiles_of_the_resamples_in_which_the_figure_exists() -> None:
    told = interval(2.0, np.array([0.0, 1.0, np.nan, 2.0, 3.0, 4.0]), level=0.5)
    assert (told.value, told.low, told.high) == (2.0, 1.0, 3.0)


def test_calibration_in_resamples_is_that_of_fitting_anew() -> None:
    random = np.random.default_rng(6)
    decision = random.normal(-1, 1, 3000)
    left = (random.random(3000) < expit(0.2 + 0.8 * decision)).astype(float)
    draws = resamples(np.arange(3000), 1, 40)
    told = calibrated(left, decision, draws)
    for place, times in enumerate(draws):
        rows = np.repeat(np.arange(3000), times)
        assert told.brier[place] == pytest.approx(brier(left[rows], expit(decision[rows])))
        assert (told.slope[place], told.intercept[place]) == pytest.approx(calibration_line(left[rows], decision[rows]), abs=0.01)


def test_predictions_that_are_all_equal_have_no_slope() -> None:
    slope, intercept = calibration_line(LEFT, np.full(10, logit(0.4)))
    assert math.isnan(slope)
    assert intercept == pytest.approx(0.0, abs=1e-4)
    drawn = calibrated(LEFT, np.full(10, logit(0.4)), resamples(np.arange(10), 1, 50))
    assert np.isnan(drawn.slope).all()
    assert np.isfinite(drawn.brier).all()


def test_rows_of_one_student_are_drawn_together() -> None:
    draws = resamples(np.array(["a", "b", "a", "c"]), seed=1, times=200)
    assert (draws[:, 0] == draws[:, 2]).all()
    assert (draws[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_the_same_seed_gives_the_same_resamples() -> None:
    students = np.arange(50)
    assert (resamples(students, 7, 20) == resamples(students, 7, 20)).all()
    assert (resamples(students, 7, 20) != resamples(students, 8, 20)).any()


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    # Normal scores a standard deviation apart have an AUC of 0.760.
    covered, random = 0, np.random.default_rng(11)
    for seed in range(200):
        left = (np.arange(300) < 60).astype(float)
        score = random.normal(size=300) + left
        drawn = ranked(left, score, 0.2, resamples(np.arange(300), seed, 300))
        told = interval(roc_auc(left, score), drawn.roc_auc, level=0.9)
        covered += told.low <= 0.7602 <= told.high
    assert 0.84 <= covered / 200 <= 0.96


def test_a_comparison_of_a_score_with_itself_finds_no_more() -> None:
    drawn = ranked(LEFT, SCORE, 0.3, resamples(np.arange(10), 1))
    compared = more_found(0.0, drawn, drawn, 0.99)
    assert (compared.value, compared.low, compared.high) == (0.0, 0.0, 0.0)


def test_two_scores_without_signal_differ_beyond_chance_about_as_rarely_as_the_level_says() -> None:
    random, beyond = np.random.default_rng(12), 0
    for seed in range(300):
        left = (random.random(250) < 0.3).astype(float)
        draws = resamples(np.arange(250), seed, 300)
        one, other = (ranked(left, score, 0.2, draws) for score in (random.normal(size=250), np.round(random.random(250))))
        beyond += more_found(0.0, one, other, 0.95).low > 0
    assert beyond / 300 <= 0.09
