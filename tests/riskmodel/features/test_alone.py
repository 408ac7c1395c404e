"""One student's features straight from rows are those that a frame of all students gives, whatever happened to them."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest
from handmade import START_DATE, population, population_definition, population_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from riskmodel.contract.definition import DatasetDefinition
from riskmodel.contract.rows import Rows
from riskmodel.dates import to_epoch_day
from riskmodel.design import few_rows
from riskmodel.features import KEYS, build_features, programme_context
from riskmodel.features.alone import Usual, features_of
from riskmodel.features.context import ProgrammeContext
from riskmodel.window import cut


def rows_of(told: dict[str, Any], name: str) -> Rows:
    own = {table: [row for row in told[table] if row["enrolment_id"] == name] for table in ("enrolments", "attendance", "results")}
    blank = {"prior_education": None, "prior_education_related": None, "intake_check": None, "gap_years": None, "enrolled_on": None,
             "left_known_on": None}  # fmt: skip
    extra = {table: [row for row in rows if row["enrolment_id"] == name] for table, rows in told["extra"].items()}
    return Rows([blank | own["enrolments"][0]], own["attendance"], own["results"], extra)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    nothing = [value is None or math.isnan(value) for value in (one, other)]
    return all(nothing) if any(nothing) else math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


def differences(told: dict[str, Any], definition: DatasetDefinition, context: ProgrammeContext, on: dt.date) -> list[Any]:
    frame = build_features(cut(population_tables(told), on), definition, context)
    usual, found = Usual(context), []
    by_name = {row["enrolment_id"]: row for row in few_rows(frame)}
    for enrolment in told["enrolments"]:
        name = enrolment["enrolment_id"]
        own = features_of(rows_of(told, name), definition, usual, to_epoch_day(on))
        row = by_name.get(name)
        if row is None or own is None:
            found += [] if row is None and own is None else [(name, row is None, own is None)]
            continue
        assert set(own) | set(KEYS) >= set(row)
        found += [(name, column, own[column], row[column]) for column in row if column in own and not same(own[column], row[column])]
    return found


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), day=st.sampled_from([0, 9, 14, 28, 41, 56, 75]), landmark=st.sampled_from([14, 28, 56]))
def test_a_student_alone_has_the_features_that_a_frame_gives(seed: int, day: int, landmark: int) -> None:
    definition = population_definition()
    context = programme_context(cut(population_tables(population(seed + 1, 40)), landmark), definition)
    assert differences(population(seed), definition, context, START_DATE + dt.timedelta(days=day)) == []


def test_without_anything_usual_or_any_rows_what_is_compared_is_unknown() -> None:
    definition = population_definition()
    told = population(3, 8)
    context = programme_context(cut(population_tables(population(4, 1)), 0), definition)
    for bare in (told, {**told, "attendance": [], "results": []}):
        assert differences(bare, definition, context, START_DATE + dt.timedelta(days=30)) == []


@pytest.mark.parametrize(("label", "stands_in"), [("2024", "2024"), ("2030", "2024")])
def test_a_cohort_that_nobody_knows_is_compared_with_the_last_one(label: str, stands_in: str) -> None:
    definition = population_definition()
    context = programme_context(cut(population_tables(population(5, 40)), 28), definition)
    assert Usual(context).cohort(label) == stands_in
    assert Usual(ProgrammeContext(context.usual.iloc[:0], context.tests.iloc[:0])).cohort(label) == label
