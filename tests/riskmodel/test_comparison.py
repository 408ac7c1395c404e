"""Two lists and two models beside each other, by hand, by rules that hold for all lists, and against what measuring says of either alone."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from string import Formatter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.catalogue import Catalogue
from riskmodel.comparison.lists import by_programme, compare_reasons, differing, overlap
from riskmodel.comparison.worth import compare_worth
from riskmodel.contract.pictures import in_language
from riskmodel.explain.reasons import Reason
from riskmodel.measuring import measure
from riskmodel.model import fit_model
from riskmodel.resources import words_file


def listed(**students: tuple[float, str]) -> pd.DataFrame:
    rows = [(name, probability, way != "", way) for name, (probability, way) in students.items()]
    return pd.DataFrame(rows, columns=["enrolment_id", "probability", "invited", "way"])


FIRST = listed(ann=(0.9, "model"), bob=(0.8, "model"), cas=(0.3, "chance"), dee=(0.2, ""), eve=(0.1, ""))
SECOND = listed(ann=(0.7, "model"), bob=(0.3, ""), cas=(0.2, "chance"), dee=(0.6, "model"), fay=(0.1, ""))


def test_two_lists_are_compared_over_the_students_who_could_stand_on_both() -> None:
    told = overlap(FIRST, SECOND)
    assert (told.students, told.both, told.only_first, told.only_second) == (4, 2, 1, 1)
    assert told.turnover == pytest.approx(1 / 3)
    assert told.turnover_by_lot == pytest.approx(1 - 3 / 4)
    # Ranks 4, 3, 2, 1 and 4, 2, 1, 3: one minus six times six over four times fifteen.
    assert told.rank_correlation == pytest.approx(1 - 6 * (0 + 1 + 1 + 4) / (4 * 15))
    assert (told.by_chance, told.gone) == (0, 0)


def test_who_was_invited_and_can_no_longer_be_scored_is_gone_and_not_replaced() -> None:
    told = overlap(FIRST, SECOND[SECOND["enrolment_id"] != "ann"])
    assert (told.gone, told.both, told.only_first) == (1, 1, 1)


def test_changes_that_chance_made_are_counted_apart() -> None:
    second = SECOND.assign(invited=[True, False, False, True, False], way=["model", "", "", "model", ""])
    assert overlap(FIRST, second).by_chance == 1


def test_who_stands_on_one_list_alone_is_told_with_the_model_that_invites_them() -> None:
    told = differing(FIRST, SECOND, ("leave@1", "leave@2"))
    assert told.to_dict("records") == [
        {"enrolment_id": "bob", "invited_by": "leave@1"},
        {"enrolment_id": "dee", "invited_by": "leave@2"},
    ]


LISTS = st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.floats(0, 1), st.booleans()), min_size=1, max_size=30)


@given(LISTS)
def test_counts_add_up_and_the_same_list_has_no_turnover(rows: list[tuple[float, bool, float, bool]]) -> None:
    one = listed(**{f"s{n}": (row[0], "model" if row[1] else "") for n, row in enumerate(rows)})
    other = listed(**{f"s{n}": (row[2], "model" if row[3] else "") for n, row in enumerate(rows)})
    told, back, same = overlap(one, other), overlap(other, one), overlap(one, one)
    assert told.both + told.only_first == one["invited"].sum()
    assert told.both + told.only_second == other["invited"].sum()
    assert (told.only_first, told.only_second) == (back.only_second, back.only_first)
    assert len(differing(one, other, ("a", "b"))) == told.only_first + told.only_second
    assert same.only_first == same.only_second == 0
    assert math.isnan(same.turnover) or same.turnover == 0


def reason(key: str, direction: str = "raises") -> Reason:
    return Reason(key, direction, True, 0.5, key, key)  # type: ignore[arg-type]


def test_reasons_are_counted_among_the_invited_alone() -> None:
    first = [[reason("grades"), reason("credits")], [reason("credits")], [reason("grades")]]
    second = [[reason("grades"), reason("first_test", "lowers")], [reason("grades")], []]
    told = compare_reasons(first, second, (pd.Series([True, True, False]), pd.Series([True, True, True])))
    assert dict(told.told) == {"grades": (1, 2), "credits": (2, 0)}
    assert (told.invited, told.both, told.same_first) == ((2, 3), 2, 1)


@pytest.fixture(scope="module")
def worth(made_up_catalogue: Catalogue, made_up_frames: dict[int, pd.DataFrame], recipe_of):
    logistic = fit_model(made_up_frames, "leave", made_up_catalogue, recipe_of("logistic"))
    trees = fit_model(made_up_frames, "leave", made_up_catalogue, recipe_of("lightgbm"))
    day, frame = next(iter(made_up_frames.items()))
    return logistic, trees, frame.assign(fact_prior_education=None, fact_first_test_status=float("nan")), day


def test_each_model_s_own_figures_are_those_that_training_measures(worth) -> None:
    logistic, trees, frame, day = worth
    told = compare_worth(logistic, trees, frame, day, 0.2)
    assert told is not None
    for place, model in enumerate((logistic, trees)):
        alone = measure(model, frame, day, 0.2)
        assert alone is not None
        for figure, name in (("roc_auc", "roc_auc"), ("recall", "recall_at_capacity"), ("precision", "precision_at_capacity")):
            own = told.figures[figure][place]
            assert (own.value, own.low, own.high) == pytest.approx((alone[name], alone[f"{name}_low"], alone[f"{name}_high"]))


def test_the_difference_is_paired_so_that_a_model_differs_from_itself_by_exactly_nothing(worth) -> None:
    logistic, trees, frame, day = worth
    same = compare_worth(logistic, logistic, frame, day, 0.2)
    assert same is not None
    for _, _, difference in same.figures.values():
        assert (difference.value, difference.low, difference.high) == (0.0, 0.0, 0.0)
    other = compare_worth(logistic, trees, frame, day, 0.2)
    assert other is not None
    one, two, apart = other.figures["roc_auc"]
    assert apart.value == pytest.approx(two.value - one.value)
    assert apart.high - apart.low < (one.high - one.low) + (two.high - two.low)


def test_where_nobody_left_nothing_is_measured(worth) -> None:
    logistic, trees, frame, day = worth
    assert compare_worth(logistic, trees, frame.assign(leave=0.0), day, 0.2) is None
    assert compare_worth(logistic, trees, frame.assign(leave=float("nan")), day, 0.2) is None


def _words(language: str) -> Mapping[str, str]:
    told: Mapping[str, str] = tomllib.loads(words_file(f"comparing.{language}.toml").read_text(encoding="utf-8"))["page"]
    return told


def test_both_languages_say_the_same_things_with_the_same_figures() -> None:
    dutch, english = _words("nl"), _words("en")
    assert set(dutch) == set(english)
    for key in dutch:
        figures = [{name for _, name, _, _ in Formatter().parse(words[key]) if name} for words in (dutch, english)]
        assert figures[0] == figures[1], key
        assert dutch[key].count("|") == english[key].count("|"), key


def test_programmes_are_told_apart_and_small_ones_left_out() -> None:
    programmes = pd.Series(["nursing"] * 10 + ["pabo"] * 3)
    invited = [True, True] + [False] * 11
    first = pd.DataFrame(
        {
            "enrolment_id": [f"e{n}" for n in range(13)],
            "programme": programmes,
            "probability": np.linspace(0.9, 0.1, 13),
            "invited": invited,
            "way": "rank",
        }
    )
    second = first.assign(invited=[True, False, True, *[False] * 10])
    told = by_programme(first, second, 10)
    assert list(told) == ["nursing"]
    assert (told["nursing"].students, told["nursing"].both, told["nursing"].only_first, told["nursing"].only_second) == (10, 1, 1, 1)


def test_pictures_have_a_decimal_comma_in_dutch_and_nothing_else_changes() -> None:
    page = '<p>0.5 <svg><text x="1.5">0.25</text><text>\u22121.0</text><text>v1.2</text><text>3</text></svg></p>'
    assert in_language(page, "en") == page
    assert in_language(page, "nl") == '<p>0.5 <svg><text x="1.5">0,25</text><text>\u22121,0</text><text>v1.2</text><text>3</text></svg></p>'
