"""Who is invited: rules that should hold for every list."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.policy import Policy
from riskmodel.routing import invite, lots

MONDAY = dt.date(2026, 10, 26)
people = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)
policies = st.builds(
    Policy,
    capacity_share=st.floats(0.01, 1),
    by_chance_share=st.floats(0, 0.2),
    always_invite=st.sampled_from([(), ("first_test_failed_or_missed",)]),
)


def listing(rows: list[tuple[float, bool]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "enrolment_id": [f"e{place}" for place in range(len(rows))],
            "probability": [row[0] for row in rows],
            "first_test_failed_or_missed": [row[1] for row in rows],
        }
    )


@given(people, policies)
def test_capacity_is_used_and_never_exceeded(rows: list[tuple[float, bool]], policy: Policy) -> None:
    invited = invite(listing(rows), policy, MONDAY)
    assert invited["invited"].sum() == invited["capacity"].iloc[0]
    assert set(invited.loc[invited["invited"], "way"]) <= {"rule", "chance", "model"}


@given(people, policies)
def test_nobody_invited_by_rank_has_a_lower_probability_than_somebody_left_out(rows: list[tuple[float, bool]], policy: Policy) -> None:
    scored = listing(rows)
    invited = invite(scored, policy, MONDAY)
    by_rank = scored.loc[invited["way"] == "model", "probability"]
    left_out = scored.loc[~invited["invited"], "probability"]
    if len(by_rank) and len(left_out):
        assert by_rank.min() >= left_out.max()


@given(people, policies)
def test_a_rule_that_always_invites_is_filled_first(rows: list[tuple[float, bool]], policy: Policy) -> None:
    scored = listing(rows)
    invited = invite(scored, policy, MONDAY)
    due = scored["first_test_failed_or_missed"]
    if policy.always_invite and not invited.loc[due, "invited"].all():
        assert set(invited.loc[invited["invited"], "way"]) <= {"rule"}


@given(people, policies, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(rows: list[tuple[float, bool]], policy: Policy, random) -> None:
    scored = listing(rows)
    order = list(scored.index)
    random.shuffle(order)
    first = invite(scored, policy, MONDAY)
    second = invite(scored.loc[order], policy, MONDAY).loc[scored.index]
    pd.testing.assert_frame_equal(first, second)


def test_equal_scores_are_put_in_order_by_lot_and_another_day_draws_another() -> None:
    ids = pd.Series([f"e{place}" for place in range(50)])
    assert list(lots(ids, MONDAY)) == list(lots(ids, MONDAY))
    assert list(lots(ids, MONDAY)) != list(lots(ids, MONDAY + dt.timedelta(days=7)))
    scored = listing([(0.5, False)] * 50)
    chosen = invite(scored, Policy(capacity_share=0.2, by_chance_share=0), MONDAY)["invited"]
    assert chosen.sum() == 10
    assert not chosen.iloc[:10].all()


def test_the_worked_example_of_five_students() -> None:
    scored = listing([(0.9, False), (0.2, True), (0.5, False), (0.4, False), (0.1, False)])
    policy = Policy(capacity_share=0.6, by_chance_share=0, always_invite=("first_test_failed_or_missed",))
    result = invite(scored, policy, MONDAY)
    assert list(result["way"]) == ["model", "rule", "model", "", ""]
    assert list(result["rank"]) == [1, 4, 2, 3, 5]
    assert result["cut_off"].iloc[0] == pytest.approx(0.5)
    assert result["margin"].iloc[3] == pytest.approx(-0.1)


def test_what_a_programme_sets_otherwise_counts_for_its_students_alone_whoever_comes_first() -> None:
    scored = listing([(place / 20, False) for place in range(20)]).assign(programme=["A", "B"] * 10)
    policy = Policy.model_validate({"capacity_share": 0.5, "by_chance_share": 0, "programme": {"A": {"by_chance_share": 0.2}}})
    first = invite(scored, policy, MONDAY)
    backwards = invite(scored.iloc[::-1], policy, MONDAY).loc[scored.index]
    pd.testing.assert_frame_equal(first, backwards)
