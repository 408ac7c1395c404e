"""Lists on paper: kept as they were, and held against outcomes by hand, against the product's own measure and by rules that always hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.errors import DataFault, ModelFault, RiskModelError
from riskmodel.metrics import found_at_capacity
from riskmodel.shadow import ShadowFacts, ShadowList, at_least_once, by_first_test, keep, late_lists, read_shadow, would_have

FACTS = ShadowFacts(
    "2026-11-02", "leave", "leave-3", ("2024-2025",), {"capacity_share": 0.2}, not_scored=1, by="ada", at="2026-11-02T09:00:00+00:00"
)


def paper(invited: list[bool], failed: list[float]) -> pd.DataFrame:
    count = len(invited)
    return pd.DataFrame(
        {
            "enrolment_id": [f"e{place}" for place in range(count)],
            "day": 62,
            "landmark": 56,
            "probability": np.linspace(0.9, 0.1, count),
            "first_test_failed_or_missed": failed,
            "rank": range(1, count + 1),
            "capacity": sum(invited),
            "cut_off": 0.5,
            "margin": 0.0,
            "invited": invited,
            "way": ["model" if each else "" for each in invited],
        }
    )


def people(count: int) -> pd.Series:
    return pd.Series([f"s{place}" for place in range(count)])


TEN = paper([True] * 4 + [False] * 6, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
LEFT = pd.Series([1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])


def test_what_a_list_would_have_done_is_counted_beside_the_first_test_rule_and_a_lot() -> None:
    told = would_have(TEN, LEFT, people(10))
    assert (told.students, told.leavers, told.invited, told.unknown) == (10, 4, 4, 0)
    model, rule, lot = (told.figures[name] for name in ("model", "first_test", "lot"))
    assert model is not None
    assert rule is not None
    assert lot is not None
    assert (model["left"].value, model["precision"].value, model["recall"].value) == (3.0, 0.75, 0.75)
    # Two failed the first test and both left; two more talks fall by lot among eight, of whom two left.
    assert rule["left"].value == pytest.approx(2 + 2 * 2 / 8)
    assert lot["left"].value == pytest.approx(4 * 0.4)
    assert told.more_than_first_test is not None
    assert told.more_than_first_test.value == pytest.approx(0.5)
    assert told.more_than_first_test.low <= 0.5 <= told.more_than_first_test.high
    assert told.more_than_lot.value == pytest.approx(1.4)


def test_students_whose_outcome_is_not_known_are_counted_apart() -> None:
    told = would_have(TEN, LEFT.where(LEFT.index != 0), people(10))
    assert (told.students, told.leavers, told.invited, told.unknown) == (9, 3, 3, 1)
    with pytest.raises(DataFault, match="the outcome known"):
        would_have(TEN, LEFT * float("nan"), people(10))


def test_before_any_test_was_due_there_is_no_first_test_rule() -> None:
    told = would_have(TEN.assign(first_test_failed_or_missed=float("nan")), LEFT, people(10))
    assert told.figures["first_test"] is None
    assert told.more_than_first_test is None
    assert told.to_json()["figures"]["first_test"] is None


ROWS = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 1.0])), min_size=1, max_size=40)


@given(ROWS, st.integers(1, 40))
def test_the_first_test_rule_gives_all_its_talks_and_finds_what_the_product_s_measure_says(
    rows: list[tuple[bool, float]], talks: int
) -> None:
    failed, talks = np.array([row[1] for row in rows]), min(talks, len(rows))
    y = np.array([float(row[0]) for row in rows])
    chance = by_first_test(failed, talks)
    assert chance is not None
    assert chance.sum() == pytest.approx(talks)
    assert ((chance >= 0) & (chance <= 1)).all()
    assert chance @ y == pytest.approx(found_at_capacity(y, failed, talks / len(rows)))


def test_a_list_is_read_as_it_was_kept_and_never_written_over(tmp_path: Path) -> None:
    path = keep(tmp_path, ShadowList(FACTS, TEN))
    assert path == tmp_path / "leave-3" / "2026-11-02.parquet"
    (read,) = read_shadow(tmp_path, "leave-3")
    assert read.facts == FACTS
    pd.testing.assert_frame_equal(read.rows, TEN)
    assert keep(tmp_path, ShadowList(replace(FACTS, by="grace"), TEN)) == path
    before = path.read_bytes()
    with pytest.raises(RiskModelError, match="kept as it was"):
        keep(tmp_path, ShadowList(FACTS, TEN.assign(probability=0.5)))
    assert path.read_bytes() == before


def test_a_record_that_is_empty_or_damaged_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelFault, match="riskmodel shadow score"):
        read_shadow(tmp_path)
    path = keep(tmp_path, ShadowList(FACTS, TEN))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ModelFault, match="can't be read") as told:
        read_shadow(tmp_path)
    assert told.value.place == str(path)


def test_over_several_days_a_student_counts_once(tmp_path: Path) -> None:
    later = TEN.assign(invited=[False] * 9 + [True], first_test_failed_or_missed=[0.0] * 9 + [1.0])
    told = at_least_once([ShadowList(replace(FACTS, on="2026-11-09"), later), ShadowList(FACTS, TEN)])
    assert told["invited"].tolist() == [True] * 4 + [False] * 5 + [True]
    assert told["first_test_failed_or_missed"].tolist() == [0.0] * 9 + [1.0]


def test_a_list_that_was_made_long_after_its_day_is_named() -> None:
    assert late_lists([ShadowList(FACTS, TEN), ShadowList(replace(FACTS, on="2026-10-05"), TEN)]) == ["2026-10-05"]
