"""A watch as one page: what changed, causes first, and all that was looked at. Knows checks, not where they come from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from riskmodel.catalogue import Catalogue
from riskmodel.contract import pictures
from riskmodel.drift import Check, worst
from riskmodel.pages import Language, listed, number, percent, picture, read_words, render

_SHOWN = 15


@dataclass(frozen=True)
class WatchTold:
    """What a page says of a watch besides its checks.

    Attributes
    ----------
    institution, target, version : str
    since, until : datetime.date
        Students who reached the landmark on these days were watched.
    landmark : int
    cohorts, reference : tuple of str
        Whom it watched, and whom the model learnt from.
    students, reference_students : int
    scores : mapping of name to sequence of float
        Shares of students per tenth of probability, 'now' and 'before', NaN under ten students; empty where they could not be compared.
    notes : tuple of str
        Keys of what could not be watched.
    """

    institution: str
    target: str
    version: str
    since: dt.date
    until: dt.date
    landmark: int
    cohorts: tuple[str, ...]
    reference: tuple[str, ...]
    students: int
    reference_students: int
    scores: Mapping[str, Sequence[float]]
    notes: tuple[str, ...]


def told(check: Check, catalogue: Catalogue, language: Language) -> str:
    """Say in a sentence what a check saw."""
    words = read_words("monitoring", language)
    compared, kind = check.compared, check.kind
    feature = catalogue.get(check.name)
    name = check.name or words["checks"]["everywhere"]
    share = kind not in ("feature", "feed_changed", "slope")
    if feature is not None:
        name = feature.label_nl if language == "nl" else feature.label_en
        if kind == "feature" and feature.kind != "number":
            kind, share = f"feature_{feature.kind}", True
    if compared.p != compared.p and compared.now != compared.now:
        return str(words["checks"]["nothing"].format(name=(check.name and name) or words["kinds"][check.kind]))
    now, before = (percent(each, language, 1) if share else number(each, language, 2) for each in (compared.now, compared.before))
    detail = check.detail or {"first": 0, "last": 0}
    return str(words["checks"][kind].format(name=name, now=now, before=before, which=compared.which, **detail))


def page(checks: Sequence[Check], about: WatchTold, catalogue: Catalogue, language: Language) -> str:
    """Write the page.

    Parameters
    ----------
    checks : sequence of Check
        Judged, causes first.
    about : WatchTold
    catalogue : Catalogue
    language : {'nl', 'en'}
    """
    words = read_words("monitoring", language)
    level = worst(checks)
    alarms = [check for check in checks if check.level != "green"]

    def row(check: Check) -> list[str]:
        p = "-" if check.p_adjusted != check.p_adjusted else _chance(check.p_adjusted, language)
        return [
            told(check, catalogue, language), words["levels"][check.level], number(check.compared.distance, language, 3), p,
            f"{number(check.size_now, language)} / {number(check.size_before, language)}",
        ]  # fmt: skip

    groups: dict[str, list[list[str]]] = {}
    for check in sorted(checks, key=lambda each: list(words["kinds"]).index(each.kind)):
        if not (check.kind == "feed_stopped" and check.level == "green"):
            groups.setdefault(words["kinds"][check.kind], []).append(row(check))
    numbers = [check for check in checks if check.kind == "feature" and check.compared.distance == check.compared.distance]
    numbers = sorted(numbers, key=lambda check: -check.compared.distance)[:_SHOWN]
    return render(
        "monitoring.html.jinja",
        language=language, title=f"{words['page']['title']}: {about.institution}", words=words["page"], level=level,
        verdict=words["levels"][level], verdict_text=words["verdicts"][level], kinds=words["kinds"],
        model=words["page"]["model"].format(target=words["targets"].get(about.target, about.target), version=about.version),
        facts=words["page"]["facts"].format(
            students=number(about.students, language), cohorts=listed(about.cohorts, words["page"]["and"]), day=about.landmark,
            since=_date(about.since, language), until=_date(about.until, language),
            reference=listed(about.reference, words["page"]["and"]), before=number(about.reference_students, language), checks=len(checks),
        ),
        alarms=[{"level": check.level, "mark": words["levels"][check.level], "kind": words["kinds"][check.kind], "advice": words["advice"][check.kind],
                 "text": told(check, catalogue, language), "chance": _one_of(check.p_adjusted, language)} for check in alarms],
        notes=[words["notes"][note] for note in about.notes],
        scores=picture(pictures.lines(_lines(about.scores, words), words["page"]["probability"], words["page"]["percent"], top=50)) if about.scores else "",
        features=picture(pictures.bars([_name(check, catalogue, language) for check in numbers], _series(numbers), words["page"]["distance"])),
        groups=groups, header=words["page"]["header"].split("|"),
    )  # fmt: skip


def _chance(p: float, language: Language) -> str:
    words = read_words("monitoring", language)["page"]
    return str(words["less_than"].format(p=number(0.0001, language, 4))) if p < 0.0001 else number(p, language, 4 if p < 0.01 else 2)


def _one_of(p: float, language: Language) -> str:
    """Give 1 / p in round figures, rounded down, at most ten thousand."""
    whole = min(10_000.0, 1 / p if p > 0 else 10_000.0)
    step = 10.0 ** max(0, len(str(int(whole))) - 1)
    return number(int(whole / step) * step, language)


def _top(scores: Mapping[str, Sequence[float]]) -> float:
    """Give where the picture of scores ends: the next ten percent above its highest point."""
    highest = max((share for shares in scores.values() for share in shares if share == share), default=1.0)
    return min(100.0, 10.0 * (int(10 * highest) + 1))


def _date(day: dt.date, language: Language) -> str:
    return f"{day.day}-{day.month}-{day.year}" if language == "nl" else day.isoformat()


def _name(check: Check, catalogue: Catalogue, language: Language) -> str:
    feature = catalogue[check.name]
    return feature.label_nl if language == "nl" else feature.label_en


def _series(checks: Sequence[Check]) -> Any:
    import pandas as pd

    return pd.Series([check.compared.distance for check in checks], dtype=float)


def _lines(scores: Mapping[str, Sequence[float]], words: Mapping[str, Any]) -> dict[str, tuple[list[float], list[float]]]:
    middles = [10.0 * place + 5 for place in range(10)]
    return {words["page"][name]: (middles, [100 * share for share in scores[name]]) for name in ("now", "before")}
