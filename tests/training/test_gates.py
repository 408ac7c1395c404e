"""Which challengers may become champion."""

from __future__ import annotations

from typing import Any

import pytest

from riskmodel.policy import Policy
from training.gates import judge

POLICY = Policy(capacity_share=0.2, promote_at=(28, 56))


def figures(
    *, capacity: float = 0.2, lot: float = 10.0, prior_education: float | None = 8.0, first_test: float | None = 5.0
) -> dict[str, Any]:
    """Give figures of a landmark, each rule with the least by which the model finds more than it."""

    def beside(least: float | None) -> dict[str, Any] | None:
        more = {"value": (least or 0) + 10, "low": least, "high": (least or 0) + 20}
        return None if least is None else {"recall_at_capacity": 0.3, "more_found": more}

    rules = {"lot": beside(lot), "prior_education": beside(prior_education), "first_test": beside(first_test)}
    return {"students": 1000, "leavers": 200, "capacity_share": capacity, "recall_at_capacity": 0.5, "baselines": rules}


def test_a_model_that_beats_every_rule_at_every_landmark_named_passes() -> None:
    verdict = judge("leave", {"28": figures(), "56": figures(), "84": figures(lot=-5)}, POLICY)
    assert verdict.passed
    assert len(verdict.gates) == 6
    assert "may become champion" in verdict.told()


def test_the_comparison_is_told_in_leavers_among_the_invited() -> None:
    told = judge("leave", {"28": figures(), "56": figures()}, POLICY).told()
    assert (
        "day 28: of 200 invited, 100 leavers by the model, 60 by the first-test rule; +15.0, at least +5.0 with 99.5 % confidence." in told
    )


@pytest.mark.parametrize(("rule", "told"), [("first_test", "the first-test rule"), ("prior_education", "prior education alone")])
def test_a_rule_that_is_not_beaten_beyond_chance_refuses_and_is_named(rule: str, told: str) -> None:
    verdict = judge("leave", {"28": figures(), "56": figures(**{rule: -0.5})}, POLICY)  # type: ignore[arg-type]
    assert not verdict.passed
    assert f"at day 56 it does not beat {told} beyond chance" in verdict.reason


def test_exactly_as_many_is_not_more() -> None:
    assert not judge("leave", {"28": figures(), "56": figures(first_test=0.0)}, POLICY).passed


def test_before_any_test_the_first_test_rule_is_not_asked_for() -> None:
    verdict = judge("leave", {"28": figures(first_test=None), "56": figures()}, POLICY)
    assert verdict.passed
    assert "day 28: the first-test rule does not exist here yet" in verdict.told()


def test_where_nothing_beats_a_lot_there_is_no_usable_signal() -> None:
    verdict = judge("leave", {"28": figures(lot=-1.0), "56": figures(lot=0.0)}, POLICY)
    assert not verdict.passed
    assert "no usable signal" in verdict.reason


def test_without_a_test_cohort_nothing_is_promoted() -> None:
    verdict = judge("leave", {}, POLICY)
    assert not verdict.passed
    assert "no cohort was held out" in verdict.told()


def test_a_landmark_that_was_not_measured_refuses() -> None:
    verdict = judge("leave", {"28": figures()}, POLICY)
    assert "the policy asks for day 56; measured are 28. Mend promote_at" in verdict.reason


def test_figures_at_another_capacity_than_the_policy_s_prove_nothing() -> None:
    verdict = judge("leave", {"28": figures(capacity=0.1), "56": figures(capacity=0.1)}, POLICY)
    assert "talks for 10 % of the students, and policy.toml now says 20 %" in verdict.reason
