"""What models on paper would have done, as a page with pictures; tells counts, and never who."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from riskmodel.contract.findings import Language
from riskmodel.contract.pictures import COLOURS, as_svg, drawing
from riskmodel.metrics import Interval
from riskmodel.pages import number, percent
from riskmodel.shadow import WouldHave
from training.page import Section, page_words, render

_RULES = ("model", "first_test", "lot")


@dataclass(frozen=True)
class OnPaper:
    """One model's lists.

    Attributes
    ----------
    model, target : str
    by_day : tuple of (str, WouldHave)
        Per day of a list, as YYYY-MM-DD.
    over_all : WouldHave or None
        For being invited at least once; None for a model with one list.
    learnt_from : tuple of str
        Cohorts on these lists that the model has learnt from.
    late : tuple of str
        Days of lists that were made more than a week after.
    """

    model: str
    target: str
    by_day: tuple[tuple[str, WouldHave], ...]
    over_all: WouldHave | None
    learnt_from: tuple[str, ...]
    late: tuple[str, ...]


def shadow_page(told: Sequence[OnPaper], institution: str, waiting: int, language: Language = "nl") -> str:
    """Give the page.

    Parameters
    ----------
    told : sequence of OnPaper
        At least one.
    institution : str
    waiting : int
        Lists without a known outcome yet.
    language : {'nl', 'en'}
    """
    words = page_words("shadow", language)
    paragraphs = [words["what"].format(institution=institution), words["lot"]]
    if waiting:
        paragraphs.append(words["waiting"].format(count=waiting))
    sections = [_section(each, words, language) for each in told]
    return render(language, words["title"], _answer(told, words, language), paragraphs, sections, words["as_table"])


def _answer(told: Sequence[OnPaper], words: dict[str, Any], language: Language) -> str:
    sentences = []
    for each in told:
        figures = each.over_all or each.by_day[-1][1]
        own = figures.figures["model"]
        assert own is not None  # a model always invites; the first-test rule alone may have nothing to go by
        sentences.append(
            words["answer"].format(
                model=each.model,
                invited=figures.invited,
                students=figures.students,
                left=number(own["left"].value, language),
                leavers=figures.leavers,
                more=_signed(figures.more_than_lot, words, language),
            )
        )
    return " ".join(sentences)


def _section(each: OnPaper, words: dict[str, Any], language: Language) -> Section:
    columns = [*((_day(day, language), figures) for day, figures in each.by_day)]
    if each.over_all is not None:
        columns.append((words["over_all"], each.over_all))
    text = [words["text"].format(target=words["targets"][each.target])]
    if each.learnt_from:
        text.append(words["learnt_from"].format(cohorts=", ".join(each.learnt_from)))
    if each.late:
        text.append(words["late"].format(days=", ".join(_day(day, language) for day in each.late)))
    rows = []
    for name, figures in columns:
        for rule in _RULES:
            own = figures.figures[rule]
            if own is None:
                rows.append((name, words["rules"][rule], words["no_test"], "-", "-", "-"))
                continue
            more = {"model": None, "first_test": figures.more_than_first_test, "lot": figures.more_than_lot}[rule]
            rows.append(
                (
                    name,
                    words["rules"][rule],
                    _interval(own["left"], words, language),
                    _share(own["precision"], words, language),
                    _share(own["recall"], words, language),
                    "-" if more is None else _signed(more, words, language),
                )
            )
    return Section(each.model, tuple(text), _picture(columns, words), tuple(words["header"].split("|")), tuple(rows))


def _picture(columns: Sequence[tuple[str, WouldHave]], words: dict[str, Any]) -> str:
    """Draw the share of all leavers who would have been invited, for each day by each rule, with its interval."""
    figure, axes = drawing(1.4 + 0.55 * len(columns))
    for place, rule in enumerate(_RULES):
        for row, (_, figures) in enumerate(columns):
            own = figures.figures[rule]
            if own is None or own["recall"].value != own["recall"].value:
                continue
            value, low, high = (100 * part for part in (own["recall"].value, own["recall"].low, own["recall"].high))
            axes.errorbar(
                [value],
                [row + (place - 1) * 0.22],
                xerr=[[max(0.0, value - low)], [max(0.0, high - value)]],
                fmt="os^"[place],
                color=COLOURS[place],
                capsize=3,
                label=words["rules"][rule] if row == 0 else None,
            )
    axes.set_yticks(range(len(columns)), [name for name, _ in columns])
    axes.set_ylim(len(columns) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel(words["reached"])
    axes.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return as_svg(figure, words["reached"])


def _day(day: str, language: Language) -> str:
    return "-".join(reversed(day.split("-"))) if language == "nl" else day


def _interval(told: Interval, words: dict[str, Any], language: Language) -> str:
    return str(words["interval"]).format(
        value=number(told.value, language), low=number(told.low, language), high=number(told.high, language)
    )


def _signed(told: Interval, words: dict[str, Any], language: Language) -> str:
    value, low, high = (f"{'+' if round(part) > 0 else ''}{number(part, language)}" for part in (told.value, told.low, told.high))
    return str(words["interval"]).format(value=value, low=low, high=high)


def _share(told: Interval, words: dict[str, Any], language: Language) -> str:
    if told.value != told.value:
        return "-"
    return str(words["interval"]).format(
        value=percent(told.value, language), low=number(100 * told.low, language), high=number(100 * told.high, language)
    )
