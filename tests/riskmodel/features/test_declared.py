"""Dated rows of declared columns: every aggregate by hand, against the programme, and what no rows stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import BACKENDS, declared_column, definition_of, enrolment, event, tables_of

from riskmodel.features import build_features, catalogue
from riskmodel.window import cut

pytestmark = pytest.mark.parametrize("backend", BACKENDS)
AGGREGATES = ["sum", "sum_recent", "mean", "last", "count", "days_since"]
NAMES = [f"e{number}" for number in range(5)]


def features(backend: str, rows: list[dict[str, Any]], **declared: Any) -> pd.DataFrame:
    definition = definition_of(declared_column(**{"aggregate": AGGREGATES, **declared}))
    tables = tables_of(backend, enrolments=[enrolment(name) for name in NAMES], extra={"visits": rows})
    told = build_features(cut(tables, 28), definition).set_index("enrolment_id")
    assert {name for name in catalogue(definition) if name.startswith("extra_")} <= set(told)
    return told


def values(told: pd.Series, prefix: str = "extra_visits_") -> dict[str, float]:
    return {aggregate: told[f"{prefix}{aggregate}"] for aggregate in AGGREGATES}


def test_every_aggregate_by_hand(backend):
    rows = [event("e0", 2, 4), event("e0", 10, 1), event("e0", 20, 7), event("e0", 20, 9), event("e0", 3, 100, known=29)]
    assert values(features(backend, rows).loc["e0"]) == {"sum": 21, "sum_recent": 16, "mean": 5.25, "last": 8, "count": 4, "days_since": 8}


def test_a_student_without_rows_is_unknown(backend):
    told = features(backend, [event("e0", 2, 4)]).loc["e1"]
    assert all(np.isnan(value) for value in values(told).values())


def test_no_rows_mean_zero_where_that_is_declared(backend):
    told = values(features(backend, [event("e0", 2, 4)], no_rows="zero").loc["e1"])
    assert (told["sum"], told["sum_recent"], told["count"]) == (0, 0, 0)
    assert np.isnan([told["mean"], told["last"], told["days_since"]]).all()


def test_no_recent_rows_are_zero_lately(backend):
    assert features(backend, [event("e0", 2, 4)]).loc["e0", "extra_visits_sum_recent"] == 0


def test_a_row_without_a_value_says_nothing(backend):
    told = features(backend, [event("e0", 2, None), event("e1", 2, None), event("e1", 3, 5)])
    assert all(np.isnan(value) for value in values(told.loc["e0"]).values())
    assert told.loc["e1", "extra_visits_count"] == 1


def test_a_logarithm_is_taken_of_amounts_and_not_of_counts_or_days(backend):
    told = features(backend, [event("e0", 2, 4), event("e0", 20, 3)], transform="log1p").loc["e0"]
    assert told["extra_visits_sum"] == pytest.approx(np.log(8))
    assert told["extra_visits_count"] == 2
    assert told["extra_visits_days_since"] == 8


def test_a_declared_figure_is_told_against_the_programmes_median(backend):
    rows = [event(name, 2, place) for place, name in enumerate(NAMES)]
    told = features(backend, rows, aggregate=["sum"], compare=True)
    assert told["extra_visits_sum_vs_programme"].tolist() == [-2, -1, 0, 1, 2]
    assert (told["fact_programme_extra_visits_sum"] == 2).all()


def test_days_since_turn_the_direction_round(backend):
    definition = definition_of(declared_column(aggregate=AGGREGATES, direction="down"))
    told = catalogue(definition)
    assert told["extra_visits_sum"].direction == "down"
    assert told["extra_visits_days_since"].direction == "up"
