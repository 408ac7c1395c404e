"""Features and labels at every landmark: each target's label by hand, running cohorts left out, and nothing counted twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from handmade import START, definition_of, enrolment, lesson, population, population_definition, population_tables, tables_of

from riskmodel.contract.dataset import Dataset
from riskmodel.contract.findings import CheckReport
from riskmodel.errors import DataFault
from riskmodel.features import build_features
from riskmodel.landmarks import labels, landmark_frames
from riskmodel.window import cut


def dataset_of(tables, definition) -> Dataset:
    return Dataset(Path("by hand"), definition, tables, CheckReport((), {}))


@pytest.fixture
def closed() -> Dataset:
    """Give a population whose only cohort is closed."""
    definition = population_definition()
    cohorts = [cohort.model_copy(update={"closed": True}) for cohort in definition.cohorts]
    return dataset_of(population_tables(population(1)), definition.model_copy(update={"cohorts": tuple(cohorts)}))


def test_labels_by_hand():
    outcomes = pd.Series(["continued", "switched", "dropped_out", "not_continued", None], dtype="str")
    np.testing.assert_array_equal(labels(outcomes, "dropout"), [0, 0, 1, 0, np.nan])
    np.testing.assert_array_equal(labels(outcomes, "leave"), [0, 1, 1, 1, np.nan])


def test_every_landmark_of_the_definition_gets_its_frame(closed):
    told = landmark_frames(closed)
    assert tuple(told.frames) == tuple(told.contexts) == closed.definition.landmarks
    for day, frame in told.frames.items():
        assert (frame["cut_day"] == day).all()
        assert {"dropout", "leave"} <= set(frame)


def test_landmarks_can_be_chosen(closed):
    assert tuple(landmark_frames(closed, [21, 35]).frames) == (21, 35)


def test_a_frame_holds_what_build_features_gives(closed):
    told = landmark_frames(closed, [28]).frames[28]
    expected = build_features(cut(closed.tables, 28), closed.definition)
    pd.testing.assert_frame_equal(told[list(expected)], expected)


def test_whoever_is_known_to_have_left_is_in_earlier_landmarks_alone():
    definition = definition_of(cohorts=[{"label": "2024", "start": "2024-09-02", "closed": True}])
    tables = tables_of(
        enrolments=[enrolment("stays"), enrolment("left", left_on=START + 20, left_known_on=START + 30)],
        attendance=[lesson("stays", 1)],
        outcomes=[{"enrolment_id": "stays", "outcome": "continued"}, {"enrolment_id": "left", "outcome": "dropped_out"}],
    )
    frames = landmark_frames(dataset_of(tables, definition), [28, 42]).frames
    assert frames[28].set_index("enrolment_id")["dropout"].to_dict() == {"left": 1, "stays": 0}
    assert frames[42]["enrolment_id"].tolist() == ["stays"]


def test_running_cohorts_are_left_out_and_can_be_asked_for():
    rows = [enrolment("before", start=-364, cohort="2023"), enrolment("now")]
    dataset = dataset_of(tables_of(enrolments=rows, outcomes=[{"enrolment_id": "before", "outcome": "continued"}]), definition_of())
    assert landmark_frames(dataset, [14]).frames[14]["enrolment_id"].tolist() == ["before"]
    running = landmark_frames(dataset, [14], cohorts=["2024"]).frames[14]
    assert running["enrolment_id"].tolist() == ["now"]
    assert running[["dropout", "leave"]].isna().all(axis=None)


def test_the_labels_do_not_touch_the_features():
    rows = population(6)
    definition = population_definition()
    definition = definition.model_copy(update={"cohorts": tuple(each.model_copy(update={"closed": True}) for each in definition.cohorts)})
    before = landmark_frames(dataset_of(population_tables(rows), definition), [28]).frames[28]
    rows["outcomes"] = [{**row, "outcome": "dropped_out"} for row in rows["outcomes"]]
    after = landmark_frames(dataset_of(population_tables(rows), definition), [28]).frames[28]
    assert (after["dropout"] == 1).all()
    targets = ["dropout", "leave"]
    pd.testing.assert_frame_equal(before.drop(columns=targets), after.drop(columns=targets))


def test_an_unknown_cohort_and_a_set_without_closed_cohorts_are_refused():
    dataset = dataset_of(tables_of(enrolments=[enrolment()]), definition_of())
    with pytest.raises(DataFault, match="no cohort 1999"):
        landmark_frames(dataset, cohorts=["1999"])
    running = definition_of(cohorts=[{"label": "2024", "start": "2024-09-02"}])
    with pytest.raises(DataFault, match="no cohort is closed"):
        landmark_frames(dataset_of(tables_of(enrolments=[enrolment()]), running))
