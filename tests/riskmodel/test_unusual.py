"""Students unlike those learnt from: each way of being so by hand, and never a student whose every figure lies within what was seen."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskmodel.catalogue import Catalogue
from riskmodel.unusual import Seen, Unusual, _outwards


@pytest.fixture(scope="module")
def learnt(made_up) -> pd.DataFrame:
    frame = made_up(400, 1)
    return frame.assign(prior_education=frame["prior_education"].fillna("havo"), first_test_passed=frame["first_test_passed"].fillna(1.0))


@pytest.fixture(scope="module")
def seen(learnt: pd.DataFrame, made_up_catalogue: Catalogue) -> Seen:
    return Seen.of(learnt, made_up_catalogue)


def usual(learnt: pd.DataFrame) -> pd.DataFrame:
    return learnt.dropna().head(1).reset_index(drop=True)


@pytest.mark.parametrize(
    ("feature", "value", "kind"),
    [
        ("attendance_share", 1.7, "above"),
        ("attendance_share", -0.5, "below"),
        ("gap_years", 60.0, "above"),
        ("prior_education", "abroad", "new_category"),
        ("prior_education", None, "unknown"),
        ("first_test_passed", np.nan, "unknown"),
    ],
)
def test_each_way_of_being_unlike_is_named(learnt: pd.DataFrame, seen: Seen, feature: str, value: object, kind: str) -> None:
    assert seen.look(usual(learnt)) == [()]
    changed = usual(learnt).astype({feature: object}).assign(**{feature: [value]})
    assert seen.look(changed) == [(Unusual(kind, feature),)]  # type: ignore[arg-type]


def test_a_feature_that_was_never_known_and_now_is_is_named(learnt: pd.DataFrame, made_up_catalogue: Catalogue) -> None:
    seen = Seen.of(learnt.assign(gap_years=np.nan), made_up_catalogue)
    assert seen.look(usual(learnt)) == [(Unusual("known", "gap_years"),)]


def test_more_unknowns_than_anybody_had_are_counted(learnt: pd.DataFrame, seen: Seen) -> None:
    blank = usual(learnt).assign(attendance_share=np.nan, attendance_miss_run=np.nan, gap_years=np.nan)
    fewer = replace(seen, most_unknown=1)
    assert seen.look(blank) == ([()] if seen.most_unknown >= 3 else [(Unusual("many_unknown", count=3, most=seen.most_unknown),)])
    assert fewer.look(blank) == [(Unusual("many_unknown", count=3, most=1),)]


def test_nobody_learnt_from_is_marked(learnt: pd.DataFrame, seen: Seen) -> None:
    assert seen.look(learnt) == [()] * len(learnt)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_student_put_together_from_what_was_seen_is_never_marked(learnt: pd.DataFrame, seen: Seen, seed: int) -> None:
    random = np.random.default_rng(seed)
    known = learnt.dropna()
    mixed = pd.DataFrame({name: known[name].sample(30, random_state=int(random.integers(1 << 31))).to_numpy() for name in seen.ranges})
    for name in ("attendance_share", "attendance_miss_run", "gap_years"):
        between = random.random(30)
        mixed[name] = known[name].min() * between + known[name].max() * (1 - between)
    assert seen.look(mixed) == [()] * 30
    assert [seen.look(mixed.iloc[[place]])[0] for place in range(3)] == [()] * 3


@settings(max_examples=60, deadline=None)
@given(
    share=st.one_of(st.none(), st.floats(-3, 3)),
    run=st.one_of(st.none(), st.floats(-50, 50)),
    kind=st.sampled_from(["havo", "mbo", "abroad", None]),
    passed=st.sampled_from([0.0, 1.0, 2.0, None]),
)
def test_one_student_alone_is_told_the_same_as_among_many(
    learnt: pd.DataFrame, seen: Seen, share: float | None, run: float | None, kind: str | None, passed: float | None
) -> None:
    own = usual(learnt).assign(
        attendance_share=np.nan if share is None else share,
        attendance_miss_run=np.nan if run is None else run,
        first_test_passed=np.nan if passed is None else passed,
        prior_education=pd.Series([kind], dtype=object),
    )
    many = pd.concat([learnt.astype({"prior_education": object}).head(20), own], ignore_index=True)
    assert seen.look(many)[-1] == seen.look(own)[0]


def test_what_is_usual_at_the_next_landmark_is_no_ground_for_a_mark(learnt: pd.DataFrame, seen: Seen, made_up_catalogue) -> None:
    later = Seen.of(learnt.assign(attendance_miss_run=learnt["attendance_miss_run"] * 2), made_up_catalogue)
    longer = usual(learnt).assign(attendance_miss_run=1.5 * learnt["attendance_miss_run"].max())
    assert seen.look(longer) == [(Unusual("above", "attendance_miss_run"),)]
    assert seen.look(longer, later) == [()]


@given(value=st.floats(-1e9, 1e9).filter(lambda value: value == 0 or abs(value) > 1e-9), sign=st.sampled_from([-1, 1]))
def test_ends_are_rounded_to_three_figures_and_never_inwards(value: float, sign: int) -> None:
    end = _outwards(value, sign)
    assert sign * (end - value) >= 0
    assert abs(end - value) <= 0.0101 * abs(value)
    assert len(f"{abs(end):.12e}".split("e")[0].replace(".", "").rstrip("0")) <= 4


def test_what_was_seen_survives_being_written(seen: Seen, made_up_catalogue: Catalogue) -> None:
    assert Seen.from_dict(json.loads(json.dumps(seen.to_dict())), made_up_catalogue) == seen
