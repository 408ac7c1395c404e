"""The comparison of two models as one page with pictures, that needs no other file; tells counts, never who."""

from __future__ import annotations

import datetime as dt
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined

from riskmodel.comparison.lists import Overlap, ReasonsCompared
from riskmodel.comparison.worth import WorthCompared
from riskmodel.contract import pictures
from riskmodel.explain.words import Language, Words, load_words
from riskmodel.metrics import Interval
from riskmodel.model import RiskModel
from riskmodel.resources import words_file

FEWEST = 10
_TEMPLATE = Path(__file__).with_name("page.html.jinja")


@dataclass(frozen=True)
class Compared:
    """All that a comparison found.

    Attributes
    ----------
    names : tuple of str
        What the two models are called, e.g. 'leave@2'.
    models : tuple of RiskModel
    institution : str
    capacity : float
        Share of the students invited.
    on : datetime.date or None
        The day of the lists.
    lists : Overlap or None
        The two models' lists on that day.
    programmes : mapping of programme to Overlap
        The same lists by programme, of those with ten students or more.
    weeks : tuple of Overlap
        Per model its own list a week earlier and that day's.
    reasons : ReasonsCompared or None
        Of those lists.
    cohort : str
        The closed cohort, or nothing.
    worth : mapping of landmark to WorthCompared
    at_landmarks : mapping of landmark to Overlap
        The lists that the cohort would have had.
    learnt_from : tuple of bool
        Whether either model has learnt from that cohort.
    """

    names: tuple[str, str]
    models: tuple[RiskModel, RiskModel]
    institution: str
    capacity: float
    on: dt.date | None
    lists: Overlap | None
    programmes: Mapping[str, Overlap]
    weeks: tuple[Overlap, ...]
    reasons: ReasonsCompared | None
    cohort: str
    worth: Mapping[int, WorthCompared]
    at_landmarks: Mapping[int, Overlap]
    learnt_from: tuple[bool, bool]


def comparison_words(language: Language) -> dict[str, str]:
    """Give the texts of the page."""
    told: dict[str, str] = tomllib.loads(words_file(f"comparing.{language}.toml").read_text(encoding="utf-8"))["page"]
    return told


def render(compared: Compared, language: Language = "nl") -> str:
    """Write the page.

    Parameters
    ----------
    compared : Compared
    language : {'nl', 'en'}

    Returns
    -------
    str
        HTML that loads nothing.
    """
    page, phrases = comparison_words(language), load_words(language)
    sections = []
    if compared.lists is not None and compared.on is not None:
        sections.append(_lists(compared, compared.lists, page, phrases))
        if len(compared.programmes) > 1:
            sections.append(_programmes(compared, page, phrases))
        if compared.weeks:
            sections.append(_weeks(compared, page, phrases))
        if compared.reasons is not None:
            sections.append(_reasons(compared, compared.reasons, page, phrases))
    if compared.worth:
        sections += _worth(compared, page, phrases)
    if compared.at_landmarks:
        sections.append(_at_landmarks(compared, page, phrases))
    about = [
        [
            name,
            model.recipe.family,
            ", ".join(model.facts.trained_on),
            model.facts.tested_on or page["nothing"],
            model.facts.fingerprint[:8],
        ]
        for name, model in zip(compared.names, compared.models, strict=True)
    ]
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        _TEMPLATE.read_text(encoding="utf-8")
    )
    target = page[f"target_{compared.models[0].target}"]
    return pictures.in_language(
        template.render(
            language=language,
            words=page,
            title=page["title"].format(first=compared.names[0], second=compared.names[1]),
            intro=page["intro"].format(institution=compared.institution, target=target, share=phrases.number(100 * compared.capacity)),
            about_header=page["about_header"].split("|"),
            about=about,
            sections=sections,
        ),
        language,
    )


def _lists(compared: Compared, told: Overlap, page: Mapping[str, str], phrases: Words) -> dict[str, Any]:
    assert compared.on is not None
    first, second = compared.names
    text = page["lists_text"].format(
        on=compared.on.strftime("%d-%m-%Y") if phrases.language == "nl" else compared.on.isoformat(),
        students=told.students, listed=told.both + told.only_first, first=first, second=second, both=told.both,
        only_first=told.only_first, only_second=told.only_second, turnover=_percent(told.turnover, phrases),
        by_lot=_percent(told.turnover_by_lot, phrases), correlation=_number(told.rank_correlation, phrases, 3),
    )  # fmt: skip
    if told.by_chance:
        text += " " + page["lists_by_chance"].format(count=told.by_chance)
    labels = [page["both"], page["only"].format(name=first), page["only"].format(name=second)]
    counts = [told.both, told.only_first, told.only_second]
    picture = pictures.bars(labels, pd.Series(counts, dtype=float), page["students_invited"])
    return _section("lists", page, text, picture, page["lists_header"], [[label, str(n)] for label, n in zip(labels, counts, strict=True)])


def _programmes(compared: Compared, page: Mapping[str, str], phrases: Words) -> dict[str, Any]:
    first, second = compared.names
    told = compared.programmes
    rows = [
        [
            name, str(each.students), str(each.both), str(each.only_first), str(each.only_second), _percent(each.turnover, phrases),
        ]
        for name, each in told.items()
    ]  # fmt: skip
    sides = {
        first: [100 * (each.both + each.only_first) / each.students for each in told.values()],
        second: [100 * (each.both + each.only_second) / each.students for each in told.values()],
    }
    picture = pictures.pairs(list(told), sides, page["percent_of_students"])
    header = page["programmes_header"].format(first=first, second=second)
    return _section("programmes", page, page["programmes_text"].format(first=first, second=second), picture, header, rows)


def _weeks(compared: Compared, page: Mapping[str, str], phrases: Words) -> dict[str, Any]:
    rows = [
        [
            name, str(week.both + week.only_first + week.gone), str(week.both), str(week.only_first), str(week.gone), str(week.by_chance),
            _percent(week.turnover, phrases),
        ]
        for name, week in zip(compared.names, compared.weeks, strict=True)
    ]  # fmt: skip
    turnovers = pd.Series([100 * week.turnover for week in compared.weeks])
    by_lot = _percent(compared.weeks[0].turnover_by_lot, phrases)
    picture = pictures.bars(list(compared.names), turnovers, page["percent_replaced"])
    return _section("weeks", page, page["weeks_text"].format(by_lot=by_lot), picture, page["weeks_header"], rows)


def _reasons(compared: Compared, told: ReasonsCompared, page: Mapping[str, str], phrases: Words) -> dict[str, Any]:
    first, second = compared.names
    text = page["reasons_text"].format(first=first, second=second)
    if told.both >= FEWEST:
        text += " " + page["reasons_same"].format(both=told.both, share=_percent(told.same_first / told.both, phrases))
    kept = {key: counts for key, counts in told.told.items() if max(counts) >= FEWEST}
    names = [_reason_label(key, compared, phrases) for key in kept]

    def share(side: int) -> list[float]:
        return [100 * counts[side] / told.invited[side] if counts[side] >= FEWEST else math.nan for counts in kept.values()]

    rows = [[name, *(_few(count, page) for count in counts)] for name, counts in zip(names, kept.values(), strict=True)]
    picture = pictures.pairs(names, {first: share(0), second: share(1)}, page["percent_of_invited"])
    return _section("reasons", page, text, picture, f"{page['reason']}|{first}|{second}", rows)


def _reason_label(key: str, compared: Compared, phrases: Words) -> str:
    label = phrases.label(key)
    if label != key:
        return label
    for model in compared.models:
        for feature in model.catalogue.values():
            if feature.reason == key:
                return feature.label_nl if phrases.language == "nl" else feature.label_en
    return key


def _worth(compared: Compared, page: Mapping[str, str], phrases: Words) -> list[dict[str, Any]]:
    first, second = compared.names
    days = [str(day) for day in compared.worth]
    sections = []
    notes = [page["learnt_from"].format(name=n) for n, learnt in zip(compared.names, compared.learnt_from, strict=True) if learnt]
    for figure in ("roc_auc", "recall"):
        all_told = [each.figures[figure] for each in compared.worth.values()]
        sides = {name: [_ends(told[place]) for told in all_told] for place, name in enumerate(compared.names)}
        text = page[f"{figure}_text"].format(cohort=compared.cohort, share=phrases.number(100 * compared.capacity))
        text += "".join(f" {note}" for note in notes)
        text += " " + (page["not_held_out"] if notes else _verdict([told[2] for told in all_told], days, page, first, second))
        rows = [
            [day, str(each.students), str(each.leavers), *(_interval(told, page, phrases) for told in each.figures[figure])]
            for day, each in zip(days, compared.worth.values(), strict=True)
        ]
        header = f"{page['worth_header']}|{first}|{second}|{page['difference']}"
        sections.append(_section(figure, page, text, pictures.intervals(days, sides, page["day"], page[f"{figure}_unit"]), header, rows))
    apart = [each.figures["recall"][2] for each in compared.worth.values()]
    picture = pictures.intervals(days, {page["second_minus_first"].format(first=first, second=second): [_ends(told) for told in apart]}, page["day"], page["difference"])  # fmt: skip
    rows = [[day, _interval(told, page, phrases)] for day, told in zip(days, apart, strict=True)]
    sections.append(_section("difference", page, page["difference_text"], picture, f"{page['day']}|{page['difference']}", rows))
    return sections


def _verdict(differences: Sequence[Interval], days: Sequence[str], page: Mapping[str, str], first: str, second: str) -> str:
    better = {first: [d for told, d in zip(differences, days, strict=True) if told.high < 0]}
    better[second] = [d for told, d in zip(differences, days, strict=True) if told.low > 0]
    sentences = [page["better"].format(name=name, days=", ".join(those)) for name, those in better.items() if those]
    return " ".join(sentences) or page["no_difference"]


def _at_landmarks(compared: Compared, page: Mapping[str, str], phrases: Words) -> dict[str, Any]:
    told = compared.at_landmarks
    rows = [
        [
            str(day), str(each.students), str(each.both), str(each.only_first), str(each.only_second), _percent(each.turnover, phrases),
            _number(each.rank_correlation, phrases, 3),
        ]
        for day, each in told.items()
    ]  # fmt: skip
    first, second = compared.names
    header = page["landmarks_header"].format(first=first, second=second)
    values = pd.Series([100 * each.turnover for each in told.values()])
    picture = pictures.bars([str(day) for day in told], values, page["percent_replaced"], upright=True)
    return _section("landmarks", page, page["landmarks_text"].format(cohort=compared.cohort), picture, header, rows)


def _section(name: str, page: Mapping[str, str], text: str, svg: str, header: str, rows: list[list[str]]) -> dict[str, Any]:
    return {"name": name, "title": page[f"{name}_title"], "text": text, "svg": svg, "header": header.split("|"), "rows": rows}


def _ends(told: Interval) -> tuple[float, float, float]:
    return told.value, told.low, told.high


def _interval(told: Interval, page: Mapping[str, str], phrases: Words) -> str:
    value, low, high = (_number(each, phrases, 3) for each in _ends(told))
    return page["interval"].format(value=value, low=low, high=high)


def _number(value: float, phrases: Words, decimals: int) -> str:
    if not math.isfinite(value):
        return "-"
    text = f"{value:.{decimals}f}"
    return text.replace(".", ",") if phrases.language == "nl" else text


def _percent(share: float, phrases: Words) -> str:
    return "-" if not math.isfinite(share) else f"{phrases.number(100 * share)} %"


def _few(count: int, page: Mapping[str, str]) -> str:
    return str(count) if count >= FEWEST else page["under_ten"]
