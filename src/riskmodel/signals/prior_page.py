"""Prior education as a page of its own: the model with it and without it. Knows what was measured, and not whether its use is justified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from riskmodel.contract.definition import DatasetDefinition
from riskmodel.contract.describing import FEWEST
from riskmodel.contract.pictures import spans
from riskmodel.pages import Language, number, percent, picture, render
from riskmodel.signals.page import signal_words
from riskmodel.signals.worth import PRIOR_EDUCATION, Worth

_DIGITS = {"auc": 3, "found": 0}


def prior_page(worth: Worth, definition: DatasetDefinition, language: Language = "nl") -> str:
    """Give the page: quality with and without at every landmark, who is invited in either, and how kinds of prior education differ.

    Parameters
    ----------
    worth : Worth
    definition : DatasetDefinition
        For the names of the institution and of kinds of prior education.
    language : {'nl', 'en'}
    """
    words = signal_words(language)
    page, own = words["page"], words["prior"]
    verdict = page[f"prior_{worth.verdicts[PRIOR_EDUCATION]}"] if PRIOR_EDUCATION in worth.verdicts else page["prior_none"]
    capacity = percent(worth.capacity, language)
    return render(
        "prior_education.html.jinja",
        language=language,
        title=f"{own['title']}: {definition.name}",
        words=own,
        cohorts=own["cohorts"].format(learnt=", ".join(worth.learnt), tested=worth.tested, capacity=capacity),
        why=page["prior_why"],
        verdict=verdict,
        small=page["small"].format(fewest=FEWEST),
        targets=[
            _target(worth, name, words, definition, language) for name in worth.losses["target"].unique() if name in worth.same_invited
        ],
    )


def _target(worth: Worth, target: str, words: Mapping[str, Any], definition: DatasetDefinition, language: Language) -> dict[str, Any]:
    page, own = words["page"], words["prior"]
    losses = worth.losses[(worth.losses["target"] == target) & (worth.losses["signal"] == PRIOR_EDUCATION)]
    whole: dict[Any, Any] = worth.days[worth.days["target"] == target].set_index("landmark").to_dict("index")
    quality, panels = [], {}
    for row in losses.to_dict("records"):
        cells = [str(row["landmark"])]
        for name, digits in _DIGITS.items():
            has, less = float(whole[row["landmark"]][name]), float(row[name])
            lost, low, high = (number(row[f"{name}{end}"], language, max(1, digits)) for end in ("", "_low", "_high"))
            cells += [number(has, language, digits), number(has - less, language, digits), f"{lost} ({low}{page['to']}{high})"]
        quality.append(cells)
    for name in _DIGITS:
        columns = {"landmark": "at", name: "value", f"{name}_low": "low", f"{name}_high": "high"}
        panels[name] = losses.rename(columns=columns)[["at", "value", "low", "high"]]
    table = worth.prior_education[worth.prior_education["target"] == target]
    kinds = {kind: names[language] for kind, names in definition.prior_education.kinds.items()}
    named = [kinds.get(str(kind), page["unknown"]) for kind in table["kind"]]
    invited, same = worth.same_invited[target]
    return {
        "title": words["targets"][target],
        "pictures": [
            {"title": page[f"{name}_title"], "text": page[f"{name}_text"],
             "svg": picture(spans({"": part}, page["day"], page[f"{name}_axis"]))}
            for name, part in panels.items()
        ],
        "quality": quality,
        "invited_text": f"{page['prior_intro'].format(day=worth.prior_day)} {page['prior_same'].format(invited=invited, same=same, other=invited - same)}",
        "kinds": [
            [name, number(row["students"], language), number(row["leavers"], language),
             *(_of(row[f"{what}_{which}"], row[whom], language) for what, whom in (("invited", "students"), ("found", "leavers")) for which in ("with", "without"))]
            for name, row in zip(named, table.to_dict("records"), strict=True)
        ],
        "differences": [own[f"difference_{which}"].format(**found) if (found := _widest(table, named, which, language)) else own[f"no_difference_{which}"]
                        for which in ("with", "without")],
    }  # fmt: skip


def _of(count: float, whole: float, language: Language) -> str:
    """Give a count with its share of the whole; the count alone where the whole is withheld, a dash where it is itself."""
    share = count / whole if whole and whole == whole else float("nan")
    return number(count, language) if count != count or share != share else f"{number(count, language)} ({percent(share, language)})"


def _widest(table: pd.DataFrame, named: list[str], which: str, language: Language) -> dict[str, str] | None:
    """Give which kinds are invited most and least, of those that are told of both lists; nothing where fewer than two are."""
    told = table[["invited_with", "invited_without", "students"]].notna().all(axis=1).to_numpy()
    shares = pd.Series((table[f"invited_{which}"] / table["students"]).to_numpy(dtype=float), index=named)[told]
    if len(shares) < 2:
        return None
    return {
        "most": str(shares.idxmax()), "most_share": percent(shares.max(), language),
        "least": str(shares.idxmin()), "least_share": percent(shares.min(), language),
        "points": number(100 * (shares.max() - shares.min()), language, 1),
    }  # fmt: skip
