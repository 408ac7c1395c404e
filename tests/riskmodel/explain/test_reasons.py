"""Reasons: in which order they are told, with which figures, and what is never said."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.catalogue import Catalogue, Feature
from riskmodel.contract.definition import DatasetDefinition
from riskmodel.explain.reasons import CONTEXT, LEAST_CONTRIBUTION, Reason, Teller, invitation_meaning, natural_frequency
from riskmodel.explain.words import Words, load_words
from riskmodel.features import FACTS, attendance, prior_education, start, tests
from riskmodel.features.start import programme_feature
from riskmodel.model import Explanation

DUTCH, ENGLISH = load_words("nl"), load_words("en")
DEFINITION = DatasetDefinition.model_validate(
    {
        "name": "made up",
        "cohorts": [{"label": "2020", "start": "2020-09-01"}],
        "outcome": {"measured_on": "1 October", "switch_inside_counts": True, "early_leavers_count": True},
        "tables": {"enrolments": {"file": "e.csv"}},
    }
)
KINDS = {"havo": "havo", "mbo": "mbo"}


def declared(name: str, **more: Any) -> Feature:
    told = {
        "name": f"extra_{name}",
        "group": "declared",
        "kind": "number",
        "reason": f"extra.{name}",
        "label_nl": "Boekenlijst",
        "label_en": "Book list",
        "unit": "",
        "direction": "none",
        "actionable": True,
        "justification": "made up for a test",
        "phrase_nl": "Er zijn {value} boeken besteld.",
        "phrase_en": "{value} books were ordered.",
    }
    return Feature(**(told | more))


CATALOGUE = Catalogue(
    [
        *attendance.FEATURES,
        *tests.FEATURES,
        *prior_education.features(DEFINITION),
        *start.FEATURES,
        programme_feature(("a", "b")),
        declared("books"),
    ]
)
FEATURES = tuple(CATALOGUE)
TELLER = Teller(CATALOGUE, FEATURES, DUTCH, KINDS)
ALL_KNOWN: dict[str, Any] = {feature.name: 1.0 for feature in CATALOGUE.values()} | {"prior_education": "mbo", "programme": "a"}
NOTHING_KNOWN: dict[str, Any] = dict.fromkeys((*FEATURES, *FACTS), math.nan)


def told(facts: dict[str, Any], words: Words = DUTCH, **contributions: float) -> list[Reason]:
    teller = Teller(CATALOGUE, FEATURES, words, KINDS)
    return teller.tell(np.array([contributions.get(key.replace("extra.", ""), 0.0) for key in teller.keys]), facts)


def text_of(key: str, facts: dict[str, Any], contribution: float = 1.0, words: Words = DUTCH) -> str:
    return next(reason.text for reason in told(facts, words, **{key: contribution}) if reason.key.endswith(key))


def test_recent_attendance_is_told_as_counts_beside_the_programmes() -> None:
    facts = ALL_KNOWN | {"fact_attended_recent": 5.0, "fact_scheduled_recent": 12.0, "fact_programme_share_recent": 0.84}
    assert text_of("attendance_recent", facts) == "Volgens de registratie bij 5 van de laatste 12 lessen; in de opleiding meestal 10."
    assert text_of("attendance_recent", facts, words=ENGLISH) == "Registered at 5 of the last 12 lessons; in the programme usually 10."
    assert (
        text_of("attendance_recent", facts | {"fact_programme_share_recent": math.nan})
        == "Volgens de registratie bij 5 van de laatste 12 lessen."
    )
    one = facts | {"fact_attended_recent": 0.0, "fact_scheduled_recent": 1.0}
    assert text_of("attendance_recent", one) == "In de laatste weken was er één les; volgens de registratie 0 keer aanwezig."
    assert text_of("attendance_recent", NOTHING_KNOWN) == "Over de aanwezigheid in de laatste weken is niets geregistreerd."


@pytest.mark.parametrize(
    ("facts", "contribution", "text"),
    [
        (
            {"fact_first_test_status": -1.0, "fact_first_test": "Anatomie"},
            1,
            "Voor de eerste toets (Anatomie) is nog geen resultaat geregistreerd.",
        ),
        ({"fact_first_test_status": -1.0, "fact_first_test": None}, 1, "Voor de eerste toets is nog geen resultaat geregistreerd."),
        ({"fact_first_test_status": 0.0, "fact_first_test": "A"}, 1, "De eerste toets (A) is bij de eerste poging niet gehaald."),
        ({"fact_first_test_status": 1.0, "fact_first_test": ""}, -1, "De eerste toets is gehaald."),
        (
            {"fact_first_test_status": 0.0, "fact_first_test": "A", "fact_first_test_grade": 4.2, "fact_first_test_programme_grade": 6.13},
            1,
            "De eerste toets (A) is bij de eerste poging niet gehaald: een 4,2; gemiddeld in de opleiding 6,1.",
        ),
        (
            {"fact_first_test_status": 1.0, "fact_first_test": "A", "fact_first_test_grade": 8.0, "fact_first_test_programme_grade": 6.5},
            -1,
            "De eerste toets (A) is gehaald: een 8; gemiddeld in de opleiding 6,5.",
        ),
        ({}, 1, "Over een eerste toets is nog niets bekend."),
    ],
)
def test_the_first_test_is_told_as_it_went(facts: dict[str, Any], contribution: float, text: str) -> None:
    assert text_of("first_test", NOTHING_KNOWN | facts | ({"first_test_missed": 0.0} if facts else {}), contribution) == text


@pytest.mark.parametrize(
    ("key", "facts", "text"),
    [
        (
            "tests_progress",
            {"fact_tests_due": 5.0, "fact_tests_passed": 3.0, "fact_tests_missed": 1.0},
            "Van de 5 toetsen tot nu toe: 3 gehaald, 1 niet gemaakt.",
        ),
        (
            "tests_progress",
            {"fact_tests_due": 1.0, "fact_tests_passed": 0.0, "fact_tests_missed": 1.0},
            "De enige toets tot nu toe is nog niet gemaakt.",
        ),
        (
            "grades",
            {"fact_grade_mean": 5.25, "fact_programme_grade_mean": 6.5},
            "Gemiddeld een 5,2; in de opleiding voor dezelfde toetsen 6,5.",
        ),
        ("credits", {"fact_credits": 2.5, "fact_credits_due": 10.0}, "Tot nu toe 2,5 van de 10 studiepunten behaald."),
        ("start_late", {"fact_enrolled_days_before": 1.0, "started_late_days": 0.0}, "Ingeschreven 1 dag voor de start."),
        ("start_late", {"fact_enrolled_days_before": -3.0, "started_late_days": 0.0}, "Ingeschreven op of na de eerste dag."),
        ("start_late", {"fact_enrolled_days_before": 9.0, "started_late_days": 14.0}, "Begonnen 14 dagen na de start van het cohort."),
        ("intake_check", {"intake_check_done": 0.0, "intake_check_doubt": math.nan}, "Er is geen studiekeuzecheck geregistreerd."),
        (
            "intake_check",
            {"intake_check_done": 1.0, "intake_check_doubt": 1.0},
            "Bij de studiekeuzecheck is twijfel genoteerd; een goed punt om op terug te komen.",
        ),
        ("gap_years", {"gap_years": 3.0}, "Ter achtergrond: de vorige opleiding is ongeveer 3 jaar geleden afgerond."),
        ("prior_education", {"prior_education_related": math.nan}, "Ter achtergrond: de vooropleiding is mbo."),
        ("prior_education", {"prior_education_related": 0.0}, "Ter achtergrond: de vooropleiding is mbo, niet verwant aan de opleiding."),
        ("books", {"extra_books": 3.0}, "Er zijn 3 boeken besteld."),
        ("books", {"extra_books": math.nan}, "Boekenlijst: hierover is niets geregistreerd."),
        ("programme", {"programme": "c"}, "Ter achtergrond: van deze opleiding zijn er nog geen eerdere gegevens."),
    ],
)
def test_each_reason_is_told_with_the_students_own_figures(key: str, facts: dict[str, Any], text: str) -> None:
    assert text_of(key, ALL_KNOWN | facts) == text


def test_a_declared_figure_is_told_as_it_was_before_it_was_transformed_and_beside_the_programmes() -> None:
    feature = declared("clicks", transform="log1p", phrase_nl="{label}: {value}; in de opleiding meestal {programme}.")
    teller = Teller(Catalogue([feature]), [feature.name], DUTCH)
    facts = {feature.name: math.log1p(42), f"fact_programme_{feature.name}": math.log1p(60)}
    assert teller.tell(np.array([1.0]), facts)[0].text == "Boekenlijst: 42; in de opleiding meestal 60."
    assert teller.tell(np.array([1.0]), {feature.name: math.log1p(42)})[0].text == "Boekenlijst: dit gegeven valt op."


def test_without_facts_a_reason_is_told_without_figures_and_what_is_not_known_is_said_to_be_so() -> None:
    for key in TELLER.keys:
        for contribution in (1.0, -1.0):
            plain = TELLER.tell(np.array([contribution if each == key else 0.0 for each in TELLER.keys]), ALL_KNOWN)
            unknown = TELLER.tell(np.array([contribution if each == key else 0.0 for each in TELLER.keys]), {})
            assert plain[-1].key == unknown[-1].key == key
            assert not any(brace in plain[-1].text + unknown[-1].text for brace in "{}")
            assert not unknown[-1].actionable


contributions = st.lists(st.floats(-3, 3), min_size=len(TELLER.keys), max_size=len(TELLER.keys)).map(np.array)


@given(contributions)
def test_what_one_can_act_on_comes_first_and_context_last_and_never_alone(sums: np.ndarray) -> None:
    reasons = TELLER.tell(sums, ALL_KNOWN)
    assert reasons
    assert reasons[0].key not in CONTEXT
    ranks = [2 if reason.key in CONTEXT else 0 if reason.actionable else 1 for reason in reasons]
    assert ranks == sorted(ranks)
    assert len({reason.key for reason in reasons}) == len(reasons) <= 7


@given(contributions)
def test_a_reason_too_small_to_matter_is_left_out_and_the_largest_is_always_told(sums: np.ndarray) -> None:
    reasons = TELLER.tell(sums, ALL_KNOWN)
    assert all(abs(reason.contribution) >= LEAST_CONTRIBUTION for reason in reasons if reason.key != "nothing_unusual")
    told_keys = {reason.key for reason in reasons}
    for sign, direction in ((1, "raises"), (-1, "lowers")):
        sizes = {key: sign * value for key, value in zip(TELLER.keys, sums, strict=True) if key not in CONTEXT}
        largest = max(sizes, key=sizes.__getitem__)
        if sizes[largest] >= LEAST_CONTRIBUTION:
            assert largest in told_keys
            assert any(reason.direction == direction for reason in reasons)


def test_a_student_with_nothing_unusual_gets_a_sentence_that_says_so_also_before_prior_education() -> None:
    assert [reason.text for reason in told(ALL_KNOWN)] == ["Er valt in de gegevens niets bijzonders op."]
    assert [reason.key for reason in told(ALL_KNOWN, prior_education=2.0)] == ["nothing_unusual", "prior_education"]


def test_prior_education_is_never_first_however_much_it_weighs() -> None:
    reasons = told(ALL_KNOWN, prior_education=9.0, programme=8.0, attendance_recent=0.2, start_late=0.3, grades=-0.4)
    assert [reason.key for reason in reasons] == ["attendance_recent", "grades", "start_late", "prior_education", "programme"]
    assert [reason.direction for reason in reasons] == ["raises", "lowers", "raises", "raises", "raises"]


def test_contributions_of_features_are_summed_to_reasons_without_loss() -> None:
    random = np.random.default_rng(0)
    explanation = Explanation(-1.0, random.normal(size=(20, len(FEATURES))), FEATURES)
    np.testing.assert_allclose(TELLER.contributions(explanation).sum(axis=1), explanation.contributions.sum(axis=1))


def test_many_students_are_told_as_each_alone() -> None:
    random = np.random.default_rng(0)
    explanation = Explanation(-1.0, random.normal(size=(4, len(FEATURES))), FEATURES)
    facts = [ALL_KNOWN, NOTHING_KNOWN | {"prior_education": None, "programme": None}, ALL_KNOWN | {"fact_grade_mean": 6.0}, ALL_KNOWN]
    frame = pd.DataFrame([NOTHING_KNOWN | each for each in facts])
    for place, reasons in enumerate(TELLER.tell_all(explanation, frame)):
        assert reasons == TELLER.tell(TELLER.contributions(explanation)[place], facts[place])


@pytest.mark.parametrize(
    ("probability", "target", "text"),
    [
        (
            0.304,
            "dropout",
            "In eerdere jaren stopten ongeveer 30 van de 100 studenten met vergelijkbare gegevens met hun studie; ongeveer 70 niet.",
        ),
        (
            0.304,
            "leave",
            "In eerdere jaren verlieten ongeveer 30 van de 100 studenten met vergelijkbare gegevens hun opleiding; ongeveer 70 niet.",
        ),
        (
            0.01,
            "dropout",
            "In eerdere jaren stopte ongeveer 1 van de 100 studenten met vergelijkbare gegevens met de studie; ongeveer 99 niet.",
        ),
        (0.001, "leave", "In eerdere jaren verliet minder dan 1 van de 100 studenten met vergelijkbare gegevens de opleiding."),
        (0.999, "dropout", "In eerdere jaren stopten bijna alle studenten met vergelijkbare gegevens met hun studie."),
    ],
)
def test_a_probability_is_told_as_how_many_of_a_hundred(probability: float, target: str, text: str) -> None:
    assert natural_frequency(math.log(probability / (1 - probability)), target, DUTCH) == text


def test_what_an_invitation_means_is_told_where_it_was_measured_for_that_day_and_capacity_and_nowhere_else() -> None:
    measured = {"28": {"precision_at_capacity": 0.361, "capacity_share": 0.2}, "56": {"precision_at_capacity": None}, "70": None}
    said = invitation_meaning(measured, "dropout", 28, 0.2, DUTCH)
    assert said is not None
    assert "op dag 28 van elke 100 studenten er 20 hebben uitgenodigd" in said
    assert "ongeveer 36 met hun studie" in said
    assert "ongeveer 64 bleven" in said
    assert "about 36 left their programme" in (invitation_meaning(measured, "leave", 28, 0.2, ENGLISH) or "")
    assert [invitation_meaning(measured, "dropout", day, 0.2, DUTCH) for day in (14, 56, 70)] == [None, None, None]
    assert [invitation_meaning(measured, "dropout", 28, capacity, DUTCH) for capacity in (0.1, 0.25)] == [None, None]
