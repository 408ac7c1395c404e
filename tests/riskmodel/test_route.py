"""Lists with coaches: whom a rule always invites, who waits, who is left alone, and who talks with whom."""

from __future__ import annotations

import datetime as dt
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskmodel.errors import ConfigurationFault
from riskmodel.policy import Policy
from riskmodel.routing import Routed, route

MONDAY = dt.date(2026, 11, 2)
RULE = ("first_test_failed_or_missed",)

student = st.fixed_dictionaries(
    {
        "programme": st.sampled_from(["P1", "P2", "Q1"]),
        "coach": st.integers(0, 2),
        "probability": st.one_of(st.floats(0, 1), st.just(float("nan"))),
        "first_test_failed_or_missed": st.booleans(),
        "asked_for_talk": st.booleans(),
        "put_on_list": st.booleans(),
        "in_talk": st.booleans(),
        "objected": st.booleans(),
        "listed_before": st.booleans(),
        "invited_on": st.sampled_from([None, dt.date(2026, 10, 26), dt.date(2026, 9, 1)]),
        "waiting_since": st.sampled_from([None, dt.date(2026, 10, 26)]),
    }
)
cohorts = st.lists(student, min_size=1, max_size=40)
policies = st.builds(
    Policy,
    talks_per_coach=st.integers(1, 5),
    overflow=st.sampled_from(["wait", "programme", "academy"]),
    always_invite=st.sampled_from([(), RULE]),
    by_chance_share=st.floats(0, 0.2),
    lottery_band=st.floats(0, 1),
    hysteresis=st.floats(0, 0.5),
    leave_alone_weeks=st.integers(0, 4),
)
COACHES = pd.DataFrame({"coach_id": pd.Series(dtype="str"), "capacity": pd.Series(dtype="str")})


def people(rows: list[dict[str, object]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    frame["enrolment_id"] = [f"e{place}" for place in range(len(frame))]
    frame["academy"] = frame["programme"].str[0]
    frame["coach_id"] = frame["programme"] + "-" + frame.pop("coach").astype(str)
    return frame


def routed(rows: list[dict[str, object]], policy: Policy) -> tuple[pd.DataFrame, Routed]:
    frame = people(rows)
    return frame, route(frame, COACHES, policy, MONDAY)


@given(cohorts, policies)
@settings(deadline=None, max_examples=40)
def test_no_coach_gets_more_students_than_places(rows: list[dict[str, object]], policy: Policy) -> None:
    _, done = routed(rows, policy)
    assert (done.load["free"] >= 0).all()
    taken = done.rows.loc[done.rows["invited"], "talks_with"].value_counts()
    assert (taken <= policy.talks_per_coach).all()


@given(cohorts, policies)
@settings(deadline=None, max_examples=40)
def test_ways_that_always_invite_fill_places_first_and_what_does_not_fit_waits(rows: list[dict[str, object]], policy: Policy) -> None:
    frame, done = routed(rows, policy)
    due = frame["asked_for_talk"] | frame["put_on_list"]
    out = done.rows
    due = (due & ~frame["in_talk"]) | out["way"].isin(["rule"]) | (out["waits_for"] == "rule")
    assert (out.loc[due, "invited"] | (out.loc[due, "waits_for"] != "")).all()
    for _, pool in out.groupby("pool"):
        if (pool["waits_for"] != "").any():
            assert set(pool.loc[pool["invited"], "way"]) <= {"request", "coach", "rule"}
            assert pool["invited"].sum() == pool["capacity"].iloc[0]
    assert {clash.pool for clash in done.clashes} == set(out.loc[out["waits_for"] != "", "pool"])


@given(cohorts, policies)
@settings(deadline=None, max_examples=40)
def test_who_objected_is_invited_by_no_model_and_no_lot(rows: list[dict[str, object]], policy: Policy) -> None:
    frame, done = routed(rows, policy)
    assert not done.rows.loc[frame["objected"], "way"].isin(["model", "lottery", "chance"]).any()
    assert not done.rows.loc[frame["in_talk"], "invited"].any()


@given(cohorts, policies, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_the_same_students_in_another_order_give_the_same_list(rows: list[dict[str, object]], policy: Policy, random) -> None:
    frame = people(rows)
    order = list(frame.index)
    random.shuffle(order)
    first = route(frame, COACHES, policy, MONDAY)
    second = route(frame.loc[order], COACHES, policy, MONDAY)
    pd.testing.assert_frame_equal(first.rows, second.rows.loc[frame.index])
    pd.testing.assert_frame_equal(first.load, second.load)


@pytest.mark.parametrize("talks", [1, 3, 5])
def test_the_probability_of_being_invited_is_what_lots_give_over_many_days(talks: int) -> None:
    risks = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    frame = pd.DataFrame(
        {
            "enrolment_id": [f"e{place}" for place in range(len(risks))],
            "programme": "P",
            "academy": "A",
            "coach_id": "c",
            "probability": risks,
        }
    )
    policy = Policy(talks_per_coach=talks, by_chance_share=0.2, lottery_band=0.5)
    days = [MONDAY + dt.timedelta(days=day) for day in range(80)]
    lists = [route(frame, COACHES, policy, day).rows for day in days]
    happened = np.mean([each["invited"].to_numpy(dtype=float) for each in lists], axis=0)
    assert happened == pytest.approx(lists[0]["chance_of_invitation"].to_numpy(), abs=0.2)


def moves(rows: pd.DataFrame) -> int:
    return int((rows["how"] == "programme").sum() + 3 * (rows["how"] == "academy").sum())


def crowd() -> pd.DataFrame:
    """Coach a has four at risk and two places, b of the same programme has one free place, z of the academy has three."""
    return pd.DataFrame(
        {
            "enrolment_id": [f"e{place}" for place in range(7)],
            "programme": ["P1"] * 5 + ["P2"] * 2,
            "academy": "A",
            "coach_id": ["a"] * 4 + ["b"] + ["z"] * 2,
            "probability": [0.9, 0.8, 0.7, 0.6, 0.5, 0.01, 0.02],
        }
    )


ROOM = pd.DataFrame({"coach_id": ["a", "b", "z"], "capacity": ["2", "2", "1"]})


@pytest.mark.parametrize(
    ("overflow", "talks_with"),
    [
        ("wait", ["a", "a", "", "", "b", "", "z"]),
        ("programme", ["a", "a", "b", "", "", "", ""]),
        ("academy", ["a", "a", "b", "z", "b", "", ""]),
    ],
)
def test_a_full_coach_s_student_waits_or_goes_to_a_colleague_of_the_programme_and_then_of_the_academy(
    overflow: str, talks_with: list[str]
) -> None:
    frame = crowd()
    if overflow == "programme":
        frame["probability"] = [0.9, 0.8, 0.7, float("nan"), float("nan"), float("nan"), float("nan")]
    policy = Policy(talks_per_coach=2, overflow=overflow, by_chance_share=0)
    done = route(frame, ROOM, policy, MONDAY)
    assert list(done.rows["talks_with"]) == talks_with


def test_as_few_students_move_as_can_be() -> None:
    random = np.random.default_rng(20)
    for _ in range(10):
        size = 6
        frame = pd.DataFrame(
            {
                "enrolment_id": [f"e{place}" for place in range(size)],
                "programme": random.choice(["P1", "P2"], size),
                "academy": "A",
                "coach_id": "",
                "probability": random.random(size),
            }
        )
        frame["coach_id"] = frame["programme"] + random.choice(["a", "b"], size)
        room = pd.DataFrame({"coach_id": sorted(frame["coach_id"].unique())})
        room["capacity"] = random.integers(0, 3, len(room)).astype(str)
        if not room["capacity"].astype(int).sum():
            continue
        rows = route(frame, room, Policy(talks_per_coach=1, overflow="academy", by_chance_share=0), MONDAY).rows
        invited = frame[rows["invited"]]
        slots = [coach for coach, places in room.astype({"capacity": int}).itertuples(index=False) for _ in range(places)]
        teaches = frame.groupby("coach_id")["programme"].agg(set)
        assert moves(rows) == _cheapest(invited, slots, teaches)


def _cheapest(invited: pd.DataFrame, slots: list[str], teaches: pd.Series) -> int:
    """Try every way to fill the slots."""
    from itertools import permutations

    best = 99
    for chosen in combinations(range(len(slots)), len(invited)):
        for order in permutations(chosen):
            cost = 0
            for row, slot in zip(invited.itertuples(), order, strict=True):
                coach = slots[slot]
                cost += 0 if coach == row.coach_id else 1 if row.programme in teaches[coach] else 3
            best = min(best, cost)
    return best


def test_hysteresis_keeps_a_student_of_the_last_list_unless_somebody_is_clearly_ahead() -> None:
    frame = pd.DataFrame(
        {
            "enrolment_id": [f"e{place}" for place in range(10)],
            "programme": "P",
            "academy": "A",
            "coach_id": "c",
            "probability": np.linspace(0.9, 0.1, 10),
            "listed_before": [False] * 5 + [True] + [False] * 4,
        }
    )
    loose = route(frame, COACHES, Policy(talks_per_coach=5, by_chance_share=0), MONDAY).rows
    kept = route(frame, COACHES, Policy(talks_per_coach=5, by_chance_share=0, hysteresis=0.2), MONDAY).rows
    far = route(
        frame.assign(listed_before=[False] * 9 + [True]), COACHES, Policy(talks_per_coach=5, by_chance_share=0, hysteresis=0.2), MONDAY
    )
    assert not loose.loc[5, "invited"]
    assert kept.loc[5, "invited"]
    assert kept["invited"].sum() == 5
    assert not far.rows.loc[9, "invited"]


def test_without_a_model_the_first_test_rule_the_coach_and_the_student_fill_the_desk() -> None:
    frame = crowd().drop(columns="probability")
    frame["first_test_failed_or_missed"] = [True, False, False, False, True, False, False]
    frame["asked_for_talk"] = [False, True, False, False, False, False, False]
    frame["put_on_list"] = [False, False, False, False, False, True, False]
    rows = route(frame, ROOM, Policy(talks_per_coach=2, by_chance_share=0, always_invite=RULE), MONDAY).rows
    assert list(rows["way"]) == ["rule", "request", "", "", "rule", "coach", ""]
    assert rows["rank"].isna().all()


def test_a_programme_may_have_rules_of_its_own_and_a_group_session() -> None:
    policy = Policy.model_validate({"talks_per_coach": 1, "by_chance_share": 0, "programme": {"P2": {"places_per_programme": 2}}})
    rows = route(crowd(), COACHES, policy, MONDAY).rows
    assert rows.groupby(crowd()["programme"])["invited"].sum().to_dict() == {"P1": 2, "P2": 2}


def test_a_policy_that_cannot_be_met_names_the_numbers() -> None:
    frame = crowd().assign(first_test_failed_or_missed=True)
    done = route(frame, ROOM, Policy(talks_per_coach=2, always_invite=RULE), MONDAY)
    assert [(clash.pool, clash.due, clash.places, clash.by) for clash in done.clashes] == [
        ("P1 / a", 4, 2, {"rule": 4}),
        ("P2 / z", 2, 1, {"rule": 2}),
    ]
    with pytest.raises(ConfigurationFault, match="talks_per_coach = 0, and 0 coaches"):
        route(frame, COACHES, Policy(talks_per_coach=0), MONDAY)
    with pytest.raises(ConfigurationFault, match="holds from 2026-12-01 to further notice, and the list is of 2026-11-02"):
        route(frame, ROOM, Policy(talks_per_coach=2, valid_from=dt.date(2026, 12, 1)), MONDAY)
    with pytest.raises(ValueError, match="talks_per_coach = 2 and places_per_programme = 3 are two ways"):
        Policy(talks_per_coach=2, places_per_programme=3)
    with pytest.raises(ValueError, match="programme 'P1': by_chance_share: Input should be less than or equal to"):
        Policy.model_validate({"programme": {"P1": {"by_chance_share": 2}}})


@pytest.mark.parametrize("rules", [{}, {"talks_per_coach": 2, "overflow": "academy"}, {"places_per_programme": 2}])
def test_nobody_to_choose_from_gives_an_empty_list(rules: dict[str, object]) -> None:
    done = route(crowd().head(0), COACHES, Policy.model_validate(rules), MONDAY)
    assert done.rows.empty
    assert done.load.empty
    assert not done.clashes
