"""The catalogue: every feature stands in it once, with a justification; nothing sensitive can."""

from __future__ import annotations

import pytest
from handmade import declared_column, definition_of, population, population_definition, population_tables
from pydantic import ValidationError

from riskmodel.contract.definition import SENSITIVE_WORDS, is_sensitive_name
from riskmodel.errors import ConfigurationFault
from riskmodel.features import FACTS, KEYS, build_features, catalogue
from riskmodel.window import cut

DEFINITION = population_definition()


def test_every_feature_says_what_it_is_and_why_it_may_be_used():
    for feature in catalogue(DEFINITION, ("law", "nursing")).values():
        assert feature.label_nl
        assert feature.label_en
        assert feature.reason
        assert feature.direction in ("up", "down", "none")
        assert len(feature.justification) >= 20
        assert (feature.kind == "category") == bool(feature.categories)


def test_the_frame_holds_the_catalogue_the_keys_and_the_facts_and_nothing_else():
    frame = build_features(cut(population_tables(population(0)), 28), DEFINITION)
    told = set(frame)
    assert set(KEYS) | set(catalogue(DEFINITION, ("law", "nursing"))) <= told
    facts = {name for name in told if name.startswith("fact_")}
    assert set(FACTS) <= facts
    assert all(name in FACTS or name.startswith("fact_programme_extra_") for name in facts)
    assert told == set(KEYS) | set(catalogue(DEFINITION)) | facts


def test_numbers_are_floats_and_categories_text():
    frame = build_features(cut(population_tables(population(0)), 28), DEFINITION)
    for feature in catalogue(DEFINITION).values():
        assert frame[feature.name].dtype == ("float64" if feature.kind != "category" else "str"), feature.name


def test_the_catalogue_knows_no_leaving_and_no_outcome():
    names = " ".join(catalogue(DEFINITION, ("law", "nursing")))
    assert not any(word in names for word in ("left", "outcome", "leave", "dropout"))


def test_no_feature_is_a_sensitive_attribute():
    assert not [name for name in catalogue(DEFINITION, ("law", "nursing")) if is_sensitive_name(name)]


@pytest.mark.parametrize("word", sorted(SENSITIVE_WORDS))
@pytest.mark.parametrize("source", ["enrolment", "dated"])
def test_a_sensitive_attribute_cant_be_declared(word, source):
    for names in ({"name": word, "column": "x"}, {"name": "harmless", "column": f"student_{word.upper()}"}):
        with pytest.raises(ValidationError, match="sensitive"):
            definition_of({**declared_column("x", source=source), **names})


@pytest.mark.parametrize("justification", ["", "   ", "because"])
def test_a_column_without_justification_is_refused(justification):
    with pytest.raises(ValidationError, match="justification"):
        definition_of(declared_column(justification=justification))


def test_prior_education_is_context_and_nothing_to_act_on():
    told = catalogue(DEFINITION)
    assert not told["prior_education"].actionable
    assert told["attendance_share"].actionable


def test_an_institution_leaves_out_features_and_groups():
    told = catalogue(definition_of(left_out_features=["gap_years", "attendance"]))
    assert "gap_years" not in told
    assert not [feature for feature in told.values() if feature.group == "attendance"]
    assert "first_test_passed" in told


def test_leaving_out_what_does_not_exist_is_a_fault_and_not_a_silent_nothing():
    with pytest.raises(ConfigurationFault, match="gap_yeers"):
        catalogue(definition_of(left_out_features=["gap_yeers"]))


def test_prior_education_may_be_left_out_by_name_where_it_is_switched_off_as_well():
    definition = definition_of(left_out_features=["prior_education"], prior_education={"use": False})
    assert "prior_education" not in catalogue(definition)


def test_the_programme_is_a_feature_only_where_there_are_several():
    assert "programme" not in catalogue(DEFINITION)
    assert "programme" not in catalogue(DEFINITION, ("law",))
    assert catalogue(DEFINITION, ("law", "nursing"))["programme"].categories == ("law", "nursing")


def test_figures_of_one_declared_column_are_told_as_one_reason():
    told = catalogue(DEFINITION)
    assert {feature.reason for feature in told.values() if feature.name.startswith("extra_visits")} == {"extra.visits"}
