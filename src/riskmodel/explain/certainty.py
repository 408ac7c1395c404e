"""How sure a score is, in words: an interval as natural frequencies, and in what a student is unlike earlier ones. Figures of others are never told."""

from __future__ import annotations

from collections.abc import Sequence

from riskmodel.catalogue import Catalogue
from riskmodel.explain.words import DECLARED, Words
from riskmodel.unusual import Unusual

# Steps in which ends are told: an interval is itself an estimate, and a student's page is no table of figures.
_COARSE, _FINE, _FINE_UP_TO = 5, 1, 10


def told_interval(low: float, high: float, words: Words) -> str:
    """Tell an interval as how many of a hundred students with similar data.

    Parameters
    ----------
    low, high : float
        Ends, as probabilities. They are told rounded outwards, to one of a hundred up to ten and to five above.
    words : Words
    """
    return told_between(*ends_of_hundred(low, high), words)


def ends_of_hundred(low: float, high: float) -> tuple[int, int]:
    """Give the ends of an interval as they are told, of a hundred."""
    return _of_hundred(low, up=False), _of_hundred(high, up=True)


def told_between(least: int, most: int, words: Words) -> str:
    """Tell what `ends_of_hundred` gave."""
    key = "below" if least == 0 else "above" if most == 100 else "between"
    return str(words.phrases["interval"][key]).format_map({"low": least, "high": most})


def _of_hundred(probability: float, *, up: bool) -> int:
    of_hundred = round(100 * probability, 9)
    step = _FINE if of_hundred <= _FINE_UP_TO else _COARSE
    whole = int(of_hundred // step) * step
    return whole + step if up and whole < of_hundred else whole


def tell_unusual(found: Sequence[Unusual], catalogue: Catalogue, words: Words) -> list[str]:
    """Tell what is unusual about a student, each thing once; empty where nothing is.

    Parameters
    ----------
    found : sequence of Unusual
    catalogue : Catalogue
        Where features get their names from.
    words : Words
    """
    told = []
    for each in found:
        if each.kind == "many_unknown":
            told.append(str(words.phrases["unusual"][each.kind]).format_map({"count": each.count}))
            continue
        feature = catalogue[each.feature]
        own = feature.label_nl if words.language == "nl" else feature.label_en
        label = own if feature.group == DECLARED else words.label(feature.reason)
        told.append(str(words.phrases["unusual"][each.kind]).format_map({"label": label}))
    return list(dict.fromkeys(told))
