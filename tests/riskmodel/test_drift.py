"""Levels come from what chance gives: by hand, by library, and over many samples in which nothing changed."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from riskmodel.catalogue import Catalogue
from riskmodel.drift import (
    AMBER,
    KINDS,
    Check,
    Compared,
    cluster_dispersion,
    compare_calibration,
    compare_categories,
    compare_numbers,
    compare_shares,
    judge,
    over_dispersion,
    widened,
    worst,
)
from riskmodel.drift_page import WatchTold, page
from riskmodel.metrics import calibration_line
from riskmodel.resources import words_file

ABOUT = WatchTold("Hogeschool <i>X</i>", "leave", "3", dt.date(2026, 9, 1), dt.date(2026, 11, 1), 56, ("2026",), ("2024", "2025"), 1200, 2400,
                  {"now": [0.1] * 10, "before": [0.1] * 10}, ("no_outcomes",))  # fmt: skip


def check(kind: str = "feature", name: str = "x", p: float = 0.5, distance: float = 0.2, spread: float = 0.1) -> Check:
    detail = {"first": 0, "last": 13} if kind in ("feed_stopped", "feed_changed", "turnover") else {}
    return Check(kind, name, Compared(0.4, 0.5, distance, p), 100, 200, spread, detail)


def test_numbers_are_told_by_median_and_largest_difference_in_cumulative_share():
    told = compare_numbers(np.array([1.0, 2.0, 3.0, np.nan]), np.array([3.0, 4.0, 5.0, 6.0]))
    assert (told.now, told.before) == (2.0, 4.5)
    assert told.distance == pytest.approx(0.75)  # at 3: all of one, a quarter of the other
    assert told.p == ks_2samp([1, 2, 3], [3, 4, 5, 6], method="asymp").pvalue


def test_shares_are_told_by_fisher_s_exact_test():
    told = compare_shares(1, 10, 9, 10)
    assert (told.now, told.before, told.distance) == pytest.approx((0.1, 0.9, 0.8))
    assert told.p == pytest.approx((1 + 100 + 100 + 1) / 184756)  # tables no likelier than this one


def test_where_all_or_none_are_on_both_sides_nothing_is_compared():
    assert np.isnan(compare_shares(0, 10, 0, 30).p)
    assert np.isnan(compare_shares(10, 10, 30, 30).p)
    assert np.isnan(compare_numbers(np.array([np.nan]), np.array([1.0])).p)
    assert np.isnan(compare_categories(["a"], ["a"]).p)


def test_the_category_that_changed_most_is_named():
    told = compare_categories(["a"] * 50 + ["b"] * 30 + ["new"] * 20, ["a"] * 60 + ["b"] * 40)
    assert told.which == "new"
    assert (told.now, told.before) == (0.2, 0.0)
    assert told.distance == pytest.approx(0.2)
    assert told.p < 1e-4


def test_calibration_is_the_cox_line_and_chance_is_wider_where_little_was_learnt_from():
    random = np.random.default_rng(1)
    decision = random.normal(-0.5, 1.0, 3000)
    y = (random.random(3000) < 1 / (1 + np.exp(-(0.4 + 0.8 * decision)))).astype(float)
    large, slope = compare_calibration(y, decision, 10_000)
    assert slope.now == pytest.approx(calibration_line(y, decision)[0], abs=1e-3)
    assert large.p < 1e-4
    assert compare_calibration(y, decision, 100)[0].p > large.p


def test_chance_is_as_wide_as_earlier_cohorts_show_it_to_be():
    calm = [Compared(0, 0, 0.1, p) for p in (0.9, 0.5, 0.7)]
    apart = [Compared(0, 0, 0.1, p) for p in (1e-4, 0.01, 1e-3)]
    assert over_dispersion(calm) == 1.0
    assert over_dispersion([]) == 1.0
    assert over_dispersion(apart) == pytest.approx(np.mean([15.137, 6.635, 10.828]), abs=0.01)  # chi-squared of one degree of freedom
    told = Compared(0, 0, 0.2, 1e-6)
    assert widened(told, 1.0) == told
    assert widened(told, over_dispersion(apart)).p == pytest.approx(0.1376, abs=0.002)  # 23.93 / 10.87
    assert widened(told, 2.0).p > told.p


def test_what_lasts_from_cohort_to_cohort_is_no_dispersion_and_what_befalls_one_is():
    random = np.random.default_rng(3)
    programme, cohort = np.repeat(["a", "b", "c"], 200), np.tile(np.repeat(["1", "2"], 100), 3)
    lasting = random.normal(size=600) + 2.0 * (programme == "b")
    assert cluster_dispersion(lasting, cohort, programme) < 3.5
    befell = lasting + 1.5 * ((programme == "c") & (cohort == "2"))
    assert cluster_dispersion(befell, cohort, programme) > 10
    assert cluster_dispersion(lasting, np.repeat("1", 600), programme) == 1.0


def test_red_asks_that_no_earlier_cohort_stood_so_far_from_the_others():
    far, near = judge([check(p=1e-9, distance=0.3, spread=0.1), check(name="y", p=1e-9, distance=0.05, spread=0.1)])
    assert (far.level, near.level) == ("red", "amber")
    assert judge([check(p=1e-9, spread=float("nan"))])[0].level == "red"


def test_causes_come_before_what_follows_from_them():
    told = judge(
        [
            check("score", "", 1e-9),
            check("feature", "x", 1e-9),
            check("feed_stopped", "law", 1e-9),
            check("turnover", "", 0.9),
            check("missing", "x", 0.004),
        ]
    )
    assert [each.kind for each in told] == ["feed_stopped", "feature", "score", "missing", "turnover"]
    assert worst(told) == "red"
    assert worst([]) == "green"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_a_correction_never_makes_chance_smaller_and_keeps_the_order(ps):
    told = judge([check(name=str(place), p=p) for place, p in enumerate(ps)])
    assert len(told) == len(ps)
    assert all(each.p_adjusted >= each.compared.p - 1e-12 for each in told)
    by_p = sorted(told, key=lambda each: each.compared.p)
    assert all(one.p_adjusted <= other.p_adjusted + 1e-12 for one, other in pairwise(by_p))


def test_what_is_seen_after_outcomes_is_corrected_apart():
    alone = judge([check("calibration", "", 0.002), *(check(name=str(at), p=0.9) for at in range(100))])
    assert next(each for each in alone if each.kind == "calibration").p_adjusted == pytest.approx(0.004)


def test_of_a_thousand_watches_without_change_about_ten_are_not_green():
    random = np.random.default_rng(8)
    alarms = 0
    for _ in range(1000):
        ps = random.random(60)
        alarms += worst(judge([check(name=str(at), p=float(p)) for at, p in enumerate(ps)])) != "green"
    assert alarms <= 1000 * AMBER + 3 * np.sqrt(1000 * AMBER)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_the_page_tells_every_kind_of_check_and_stands_on_its_own(language):
    checks = judge(
        [check(kind, "" if kind not in ("feature", "missing") else "x", 1e-9) for kind in KINDS if kind not in ("feature", "missing")]
    )
    html = page(checks, ABOUT, Catalogue([]), language)
    assert "&lt;i&gt;X" in html
    assert not re.search(r"\b(because|omdat|doordat)\b|\{", re.sub(r"<style.*?</style>|<svg.*?</svg>", "", html, flags=re.DOTALL))
    assert html.count("<li>") >= len(checks)
    green = page([replace(each, level="green") for each in checks], ABOUT, Catalogue([]), language)
    assert "alarms" not in green


def test_both_languages_have_the_same_words():
    def shape(tree):
        if isinstance(tree, dict):
            return {name: shape(part) for name, part in tree.items()}
        return len(tree) if isinstance(tree, list) else sorted(re.findall(r"\{\w+\}", tree)), str(tree).count("|")

    dutch, english = (tomllib.loads(words_file(f"monitoring.{language}.toml").read_text(encoding="utf-8")) for language in ("nl", "en"))
    assert shape(dutch) == shape(english)
    assert set(dutch["kinds"]) == set(dutch["advice"]) == set(KINDS)
