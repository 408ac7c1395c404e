"""The worth of signals as one page with pictures, in Dutch or English; it needs no other file and loads nothing."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined

from riskmodel.contract import pictures
from riskmodel.contract.definition import DatasetDefinition
from riskmodel.contract.pictures import spans
from riskmodel.explain.words import Language
from riskmodel.resources import words_file
from riskmodel.signals.worth import PRIOR_EDUCATION, Signal, Worth

_TEMPLATE = Path(__file__).with_name("page.html.jinja")


def signal_words(language: Language) -> dict[str, Any]:
    """Give the phrases of the page, which the command line uses as well."""
    told: dict[str, Any] = tomllib.loads(words_file(f"signals.{language}.toml").read_text(encoding="utf-8"))
    return told


def name_of(signal: Signal, words: Mapping[str, Any]) -> str:
    """Give what a signal is called."""
    own = signal.label_nl if words["language"] == "nl" else signal.label_en
    return own or str(words["signals"].get(signal.name, signal.name))


def signals_page(worth: Worth, definition: DatasetDefinition, language: Language = "nl", prior_link: str = "") -> str:
    """Give the page.

    Parameters
    ----------
    worth : Worth
    definition : DatasetDefinition
        For the institution's name.
    language : {'nl', 'en'}
    prior_link : str
        Where the page on prior education lies beside it; nothing where there is none.
    """
    words = signal_words(language)
    page = words["page"]

    def figure(value: float, decimals: int, *, signed: bool = True) -> str:
        if value != value:
            return str(page["hidden"])
        text = f"{value:+.{decimals}f}" if signed and round(value, decimals) else f"{abs(value) if signed else value:.{decimals}f}"
        return (text.replace(".", ",") if language == "nl" else text).replace("-", "\N{MINUS SIGN}")

    def with_ends(row: Mapping[str, Any], name: str, decimals: int, *, signed: bool = True) -> str:
        ends = (figure(float(row[f"{name}_{end}"]), decimals, signed=signed) for end in ("low", "high"))
        return f"{figure(float(row[name]), decimals, signed=signed)} ({page['to'].join(ends)})"

    names = {signal.name: name_of(signal, words) for signal in worth.signals}
    targets = []
    for target in worth.losses["target"].unique():
        losses = worth.losses[worth.losses["target"] == target]
        days = worth.days[worth.days["target"] == target]
        panels = {names[name]: part for name, part in losses.groupby("signal", sort=False)}
        targets.append(
            {
                "name": target,
                "title": words["targets"][target],
                "pictures": [
                    {"title": page[f"{kind}_title"], "text": page[f"{kind}_text"], "svg": spans(_points(panels, kind), page["day"], page[f"{kind}_axis"])}
                    for kind in ("auc", "found")
                ],
                "rows": [
                    [names[row["signal"]], str(row["landmark"]), with_ends(row, "auc", 3), with_ends(row, "found", 1)] for row in _records(losses)
                ],
                "days_svg": spans(
                    {page["days_found"]: _points({"": days}, "found")[""], page["days_enrolled"]: _enrolled(days)}, page["day"], page["days_axis"], zero=True
                ),
                "days": [
                    [str(row["landmark"]), str(row["students"]), str(row["leavers"]), figure(row["invited"], 0, signed=False),
                     with_ends(row, "found", 0, signed=False), with_ends(row, "auc", 3, signed=False)]
                    for row in _records(days)
                ],
            }
        )  # fmt: skip
    text = _TEMPLATE.read_text(encoding="utf-8")
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(text)
    by_verdict = [
        {"title": page[told], "text": page[f"{told}_text"].format(margin=figure(worth.margin, 3, signed=False)),
         "names": [names[name] for name, found in worth.verdicts.items() if found == told]}
        for told in ("needed", "can_go", "unsure")
    ]  # fmt: skip
    return pictures.in_language(
        template.render(
            language=language,
            words=page,
            name=definition.name,
            cohorts=page["cohorts"].format(
                learnt=", ".join(worth.learnt), tested=worth.tested, capacity=figure(100 * worth.capacity, 0, signed=False)
            ),
            verdicts=by_verdict,
            advice=page["advice"].format(names=", ".join(names[name] for name in worth.advised)) if worth.advised else page["no_advice"],
            left_out=", ".join(worth.left_out),
            many=page["many"].format(comparisons=worth.comparisons, by_chance=figure(0.025 * worth.comparisons, 0, signed=False)),
            prior_verdict=page[f"prior_{worth.verdicts[PRIOR_EDUCATION]}"] if PRIOR_EDUCATION in worth.verdicts else page["prior_none"],
            prior_text=words["prior"]["link"],
            prior_link=prior_link if PRIOR_EDUCATION in worth.verdicts else "",
            targets=targets,
        ),
        language,
    )


def _records(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.to_dict("records")


def _points(panels: Mapping[str, pd.DataFrame], kind: str) -> dict[str, pd.DataFrame]:
    columns = {"landmark": "at", kind: "value", f"{kind}_low": "low", f"{kind}_high": "high"}
    return {name: part.rename(columns=columns)[["at", "value", "low", "high"]] for name, part in panels.items()}


def _enrolled(days: pd.DataFrame) -> pd.DataFrame:
    leavers = days["leavers"].astype(float)
    return pd.DataFrame({"at": days["landmark"], "value": leavers, "low": leavers, "high": leavers})
