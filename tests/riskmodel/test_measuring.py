"""What a model is told to be worth, on students that it never saw."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from riskmodel.catalogue import Catalogue
from riskmodel.families.recipe import Recipe
from riskmodel.measuring import measure
from riskmodel.metrics import average_precision, brier, precision_at_capacity, roc_auc
from riskmodel.model import ModelFacts, RiskModel, fit_model

LANDMARK = 56


@pytest.fixture(scope="module")
def model(made_up_frames: dict[int, pd.DataFrame], made_up_catalogue: Catalogue, recipe_of: Callable[..., Recipe]) -> RiskModel:
    facts = ModelFacts(prior_education_rates={str(LANDMARK): {"": 0.3, "havo": 0.2, "mbo": 0.4}})
    return fit_model(made_up_frames, "leave", made_up_catalogue, recipe_of("logistic"), facts=facts)


@pytest.fixture
def held_out(made_up: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    frame = made_up(500, 99, cohorts=("2022",))
    status = np.where(frame["first_test_passed"].isna(), np.nan, frame["first_test_passed"].fillna(0.0))
    return frame.assign(fact_prior_education=frame["prior_education"], fact_first_test_status=status)


def test_figures_are_those_of_the_model_s_scores_on_students_with_an_outcome(model: RiskModel, held_out: pd.DataFrame) -> None:
    held_out.loc[:49, "leave"] = np.nan
    known = held_out.iloc[50:]
    y, probability = known["leave"].to_numpy(), model.probability(known, LANDMARK)
    told = measure(model, held_out, LANDMARK, 0.2)
    assert told is not None
    assert told["students"] == 450
    assert told["base_rate"] == pytest.approx(y.mean())
    assert told["roc_auc"] == pytest.approx(roc_auc(y, probability))
    assert told["average_precision"] == pytest.approx(average_precision(y, probability))
    assert told["brier"] == pytest.approx(brier(y, probability))
    assert told["precision_at_10_percent"] == pytest.approx(precision_at_capacity(y, probability, 0.1))
    assert told["precision_at_capacity"] == pytest.approx(precision_at_capacity(y, probability, 0.2))
    assert told["roc_auc_low"] < told["roc_auc"] < told["roc_auc_high"]
    assert told["precision_at_capacity_low"] <= told["precision_at_capacity"] <= told["precision_at_capacity_high"]
    assert set(told["baselines"]) == {"lot", "prior_education", "first_test"}


def test_what_does_not_exist_is_null_and_never_nan(model: RiskModel, held_out: pd.DataFrame) -> None:
    stayed = held_out.assign(leave=0.0, fact_first_test_status=np.nan, fact_prior_education=None)
    told = measure(model, stayed, LANDMARK, 0.2)
    assert told is not None
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["roc_auc"] is None
    assert told["baselines"]["first_test"] is None
    assert told["baselines"]["prior_education"] is None
    assert told["baselines"]["lot"] is not None


def test_without_any_outcome_there_is_nothing_to_measure(model: RiskModel, held_out: pd.DataFrame) -> None:
    assert measure(model, held_out.assign(leave=np.nan), LANDMARK, 0.2) is None


def test_measuring_twice_gives_the_same_figures(model: RiskModel, held_out: pd.DataFrame) -> None:
    assert measure(model, held_out, LANDMARK, 0.2) == measure(model, held_out, LANDMARK, 0.2)


def test_a_lot_finds_its_share_of_the_leavers(model: RiskModel, held_out: pd.DataFrame) -> None:
    told = measure(model, held_out, LANDMARK, 0.2)
    assert told is not None
    lot = told["baselines"]["lot"]
    assert lot["recall_at_capacity"] == pytest.approx(0.2)
    assert lot["more_found"]["value"] == pytest.approx(told["leavers"] * (told["recall_at_capacity"] - 0.2))
