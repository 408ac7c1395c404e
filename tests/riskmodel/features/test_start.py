"""How a student came in, their prior education, and what an institution declared on enrolments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import BACKENDS, START, declared_column, definition_of, enrolment, tables_of

from riskmodel.features import build_features, catalogue
from riskmodel.window import cut

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


def features(
    backend: str, *enrolments: dict[str, Any], at: int = 14, definition: Any = None, extras: dict[str, str] | None = None
) -> pd.DataFrame:
    tables = tables_of(backend, enrolments=enrolments, enrolment_extras=extras)
    return build_features(cut(tables, at), definition or definition_of()).set_index("enrolment_id")


def test_lead_days_run_from_enrolling_to_the_start(backend):
    told = features(backend, enrolment("early"), enrolment("late", enrolled_on=START + 5), enrolment("unknown", enrolled_on=None))
    assert told["enrolment_lead_days"].fillna(-99).to_dict() == {"early": 100, "late": -5, "unknown": -99}


def test_enrolling_years_before_counts_as_one_year(backend):
    assert features(backend, enrolment("e1", enrolled_on=START - 3000)).loc["e1", "enrolment_lead_days"] == 365


def test_starting_after_the_cohort_is_told_in_days(backend):
    told = features(backend, enrolment("on_time"), enrolment("late", start=21), enrolment("early", start=-3))
    assert told["started_late_days"].to_dict() == {"early": 0, "late": 21, "on_time": 0}


@pytest.mark.parametrize(
    ("told", "done", "doubt"),
    [
        ("ja", 1, 0), (" Positief ", 1, 0), ("done", 1, 0), ("twijfel", 1, 1), ("Negatief", 1, 1), ("nee", 0, np.nan), ("no", 0, np.nan),
        (None, np.nan, np.nan),
    ],
)  # fmt: skip
def test_the_intake_check_is_done_doubted_not_done_or_unknown(backend, told, done, doubt):
    row = features(backend, enrolment("e1", intake_check=told)).loc["e1"]
    np.testing.assert_array_equal(row[["intake_check_done", "intake_check_doubt"]].astype(float), [done, doubt])


def test_prior_education_comes_as_its_kind_and_stays_unknown_where_it_is(backend):
    told = features(backend, enrolment("a", prior_education="mbo", prior_education_related=0.0), enrolment("b", prior_education=None))
    assert told.loc["a", ["prior_education", "prior_education_related"]].tolist() == ["mbo", 0.0]
    assert told.loc["b", ["prior_education", "prior_education_related"]].isna().all()


def test_prior_education_can_be_switched_off(backend):
    definition = definition_of(prior_education={"use": False})
    told = features(backend, enrolment("a", prior_education="mbo"), definition=definition)
    assert "prior_education" not in told
    assert not [feature for feature in catalogue(definition).values() if feature.group == "prior_education"]


def test_a_declared_column_is_unknown_until_the_day_from_which_it_is_known(backend):
    definition = definition_of(declared_column("load", source="enrolment", known_from_day=20))
    extras = {"extra_load": "number"}
    before = features(backend, enrolment("a", extra_load=5.0), at=19, definition=definition, extras=extras)
    after = features(backend, enrolment("a", extra_load=5.0), at=20, definition=definition, extras=extras)
    assert np.isnan(before.loc["a", "extra_load"])
    assert after.loc["a", "extra_load"] == 5


def test_a_declared_category_comes_as_text(backend):
    definition = definition_of(declared_column("form", source="enrolment", kind="category", categories=["full", "part"]))
    told = features(backend, enrolment("a", extra_form="part"), enrolment("b"), definition=definition, extras={"extra_form": "text"})
    assert told.loc["a", "extra_form"] == "part"
    assert pd.isna(told.loc["b", "extra_form"])
    assert catalogue(definition)["extra_form"].categories == ("full", "part")


def test_a_column_that_was_declared_and_not_delivered_is_unknown(backend):
    definition = definition_of(declared_column("load", source="enrolment"), declared_column("visits"))
    told = features(backend, enrolment("a"), definition=definition)
    assert told[["extra_load", "extra_visits_sum"]].isna().all(axis=None)
