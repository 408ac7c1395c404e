"""What is usual in a programme: the same for one student alone as among all, and through JSON and back."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from handmade import BACKENDS, definition_of, enrolment, lesson, population, population_definition, population_tables, result, tables_of

from riskmodel.features import build_features, build_with_context, programme_context
from riskmodel.features.context import EVERYONE, LEAST_STUDENTS, ProgrammeContext
from riskmodel.window import cut

DEFINITION = population_definition()


def alone(rows: dict, name: str) -> dict:
    def own(table: list[dict]) -> list[dict]:
        return [row for row in table if row["enrolment_id"] == name]

    return {key: {k: own(v) for k, v in table.items()} if key == "extra" else own(table) for key, table in rows.items()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_student_alone_gets_the_figures_they_get_among_all(backend):
    rows = population(7)
    frame, context = build_with_context(cut(population_tables(rows), 42), DEFINITION)
    for name in frame["enrolment_id"].iloc[:4]:
        own = build_features(cut(population_tables(alone(rows, name), backend), 42), DEFINITION, context)
        expected = frame[frame["enrolment_id"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, expected, rtol=1e-9, check_dtype=False)


def test_a_context_survives_json():
    context = programme_context(cut(population_tables(population(2)), 42), DEFINITION)
    back = ProgrammeContext.from_dict(json.loads(json.dumps(context.to_dict(), allow_nan=False)))
    pd.testing.assert_frame_equal(back.usual, context.usual)
    pd.testing.assert_frame_equal(back.tests, context.tests)


def test_an_empty_context_survives_json():
    context = programme_context(cut(tables_of(enrolments=[enrolment()]), 14), definition_of())
    back = ProgrammeContext.from_dict(json.loads(json.dumps(context.to_dict(), allow_nan=False)))
    frame = build_features(cut(tables_of(enrolments=[enrolment()], attendance=[lesson("e1", 1)]), 14), definition_of(), back)
    assert np.isnan(frame["attendance_vs_programme"].iloc[0])


def test_nobody_scored_gives_an_empty_frame_with_all_columns():
    full = build_features(cut(population_tables(population(0)), 28), DEFINITION)
    empty = build_features(cut(population_tables(population(0)), -1), DEFINITION)
    assert empty.empty
    assert list(empty) == list(full)


def test_small_programmes_are_held_under_the_whole_cohort_alone():
    rows = [enrolment(f"a{n}", programme="a") for n in range(LEAST_STUDENTS)] + [
        enrolment(f"b{n}", programme="b") for n in range(LEAST_STUDENTS - 1)
    ]
    context = programme_context(cut(tables_of(enrolments=rows, attendance=[lesson("a0", 1)]), 14), definition_of())
    assert context.usual.index.tolist() == [("2024", EVERYONE), ("2024", "a")]


def test_new_students_are_compared_with_the_cohort_that_is_named():
    rows = [enrolment(f"e{n}", cohort=label) for label in ("2023", "2024") for n in range(5)]
    rows = [{**row, "enrolment_id": f"{row['cohort']}-{row['enrolment_id']}", "start_date": row["start_date"]} for row in rows]
    lessons = [lesson(row["enrolment_id"], 1, float(row["cohort"] == "2023")) for row in rows]
    context = programme_context(cut(tables_of(enrolments=rows, attendance=lessons), 14), definition_of())
    place = pd.DataFrame({"cohort": ["2025"], "programme": ["nursing"]})
    assert context.for_cohort("2025").medians(place, ["attendance_share"]).iloc[0, 0] == 0
    assert context.for_cohort("2025", like="2023").medians(place, ["attendance_share"]).iloc[0, 0] == 1
    assert context.for_cohort("2024") is context


def test_what_was_due_in_a_kept_context_is_due_for_one_student_alone():
    names = [f"e{n}" for n in range(5)]
    tables = tables_of(enrolments=[enrolment(name) for name in names], results=[result(name, 10) for name in names])
    context = programme_context(cut(tables, 28), definition_of())
    lone = tables_of(enrolments=[enrolment("new")], results=[])
    assert build_features(cut(lone, 28), definition_of(), context)["first_test_missed"].tolist() == [1.0]
