"""How sure a score is, in words."""

from __future__ import annotations

import pytest

from riskmodel.catalogue import Catalogue
from riskmodel.explain.certainty import tell_unusual, told_interval
from riskmodel.explain.words import load_words
from riskmodel.unusual import Unusual


@pytest.mark.parametrize(
    ("low", "high", "dutch", "english"),
    [
        (0.213, 0.388, "tussen ongeveer 20 en 40 van de 100", "between about 20 and 40 in 100"),
        (0.031, 0.072, "tussen ongeveer 3 en 8 van de 100", "between about 3 and 8 in 100"),
        (0.05, 0.10, "tussen ongeveer 5 en 10 van de 100", "between about 5 and 10 in 100"),
        (0.004, 0.021, "tot ongeveer 3 van de 100", "up to about 3 in 100"),
        (0.90, 0.99, "ongeveer 90 van de 100 zijn, of meer", "about 90 in 100, or more"),
    ],
)
def test_an_interval_is_told_as_how_many_of_a_hundred_rounded_outwards(low: float, high: float, dutch: str, english: str) -> None:
    assert dutch in told_interval(low, high, load_words("nl"))
    assert english in told_interval(low, high, load_words("en"))


def test_what_is_unusual_is_told_once_per_reason_and_without_anybodys_figure(made_up_catalogue: Catalogue) -> None:
    found = [Unusual("above", "gap_years"), Unusual("above", "gap_years"), Unusual("new_category", "prior_education")]
    found.append(Unusual("many_unknown", count=12, most=7))
    told = tell_unusual(found, made_up_catalogue, load_words("nl"))
    assert told == [
        "Jaren sinds de vorige opleiding: hoger dan bij alle studenten van eerdere jaren.",
        "Vooropleiding: hiervan zijn er geen eerdere gegevens.",
        "Over veel is niets bekend: 12 gegevens ontbreken, meer dan bij wie ook in eerdere jaren.",
    ]
    assert len(tell_unusual(found, made_up_catalogue, load_words("en"))) == 3
    assert tell_unusual((), made_up_catalogue, load_words("en")) == []


def test_every_kind_has_a_phrase_in_both_languages(made_up_catalogue: Catalogue) -> None:
    from typing import get_args

    from riskmodel.unusual import Kind

    for language in ("nl", "en"):
        assert all(tell_unusual([Unusual(kind, "gap_years")], made_up_catalogue, load_words(language)) for kind in get_args(Kind))
