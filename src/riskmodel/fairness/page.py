"""The fairness audit as one page: pictures, figures with intervals, differences in words beside what chance gives, and what a change would cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from riskmodel.catalogue import Catalogue
from riskmodel.contract import pictures
from riskmodel.fairness.audit import MEASURES, UNKNOWN, Audit
from riskmodel.fairness.proxies import Proxy
from riskmodel.pages import Language, listed, number, percent, picture, read_words, render
from riskmodel.suppression import FEWEST


@dataclass(frozen=True)
class About:
    """What was audited.

    Attributes
    ----------
    institution, target, version, cohort : str
    landmark : int
    capacity : float
        Share of the students that the coaches have time for.
    learnt_from : tuple of str
        Cohorts that the recipe was fitted on for this audit.
    """

    institution: str
    target: str
    version: str
    cohort: str
    landmark: int
    capacity: float
    learnt_from: tuple[str, ...]


def page(told: Audit, proxies: Sequence[Proxy], about: About, catalogue: Catalogue, language: Language) -> str:
    """Write the page.

    Parameters
    ----------
    told : Audit
    proxies : sequence of Proxy
    about : About
    catalogue : Catalogue
        Names the features.
    language : {'nl', 'en'}
    """
    writer = _Writer(language, catalogue, int(told.differences["difference"].notna().sum()))
    words = writer.words
    sections = [writer.section(told, attribute) for attribute in told.attributes]
    crossings = told.figures[told.figures["attribute_2"] != ""]
    shown = crossings[crossings["students"].notna()]
    return render(
        "fairness.html.jinja",
        language=language,
        title=f"{words['page']['title']}: {about.institution}",
        words=words["page"],
        about=about,
        target=words["targets"].get(about.target, about.target),
        facts=writer.facts(told, about),
        summary=writer.summary(told, proxies),
        sections=sections,
        crossings=[writer.row(row) for row in _records(shown)],
        crossings_hidden=len(crossings) - len(shown),
        header=words["page"]["groups_header"].split("|"),
        proxies=[writer.proxy(each) for each in proxies],
        alternatives=[writer.alternative(row, told) for row in _records(told.alternatives)],
        alternatives_header=[*words["page"]["alternatives_header"].split("|"), *(writer.attribute(name) for name in told.attributes)],
        left_out=[f"{name} ({count})" for name, count in told.left_out.items()],
        fewest=FEWEST,
    )


class _Writer:
    def __init__(self, language: Language, catalogue: Catalogue, compared: int) -> None:
        self.language: Language = language
        self.words: dict[str, Any] = read_words("fairness", language)
        self.catalogue = catalogue
        self.compared = compared

    def attribute(self, name: str) -> str:
        return str(self.words["attributes"].get(name, name.replace("_", " ")))

    def group(self, value: str) -> str:
        return str(self.words["page"]["unknown"] if value == UNKNOWN else self.words["values"].get(value, value))

    def feature(self, name: str) -> str:
        if name not in self.catalogue:
            return str(self.words["features"].get(name, name))
        feature = self.catalogue[name]
        return feature.label_nl if self.language == "nl" else feature.label_en

    def facts(self, told: Audit, about: About) -> str:
        return str(
            self.words["page"]["facts"].format(
                students=number(told.overall["students"], self.language), cohort=about.cohort, day=about.landmark,
                learnt=listed(about.learnt_from, self.words["page"]["and"]), capacity=percent(about.capacity, self.language),
                invited=self._count(told.overall["invited"]), found=self._count(told.overall["found"]),
                leavers=self._count(told.overall["leavers"]), recall=percent(told.overall["recall"], self.language),
            )
        )  # fmt: skip

    def summary(self, told: Audit, proxies: Sequence[Proxy]) -> list[str]:
        words = self.words["page"]
        beyond = told.differences[told.differences["beyond"]]
        lines = [self.difference(row) for row in _records(beyond)]
        if beyond.empty:
            lines = [words["none_beyond"]]
        silent = [name for name in told.attributes if told.differences.set_index("attribute").loc[[name], "difference"].isna().all()]
        if silent:
            lines.append(
                words["not_told"].format(attributes=listed([self.attribute(name) for name in silent], words["and"]), fewest=FEWEST)
            )
        strong = [each for each in proxies if each.low > 0.5]
        if strong:
            lines.append(
                words["some_proxies"].format(
                    groups=listed([f"{self.attribute(p.attribute)}: {self.group(p.group)}" for p in strong], words["and"])
                )
            )
        elif proxies:
            lines.append(words["no_proxies"])
        return lines

    def difference(self, row: Mapping[str, Any]) -> str:
        words = self.words["differences"]
        points = number(100 * row["difference"], self.language, 0 if row["difference"] >= 0.1 else 1)
        chance = number(100 * row["chance"], self.language, 0 if row["chance"] >= 0.1 else 1)
        verdict = words["beyond"] if row["beyond"] else words["within"] if row["difference"] <= row["chance"] else words["one_of_many"]
        told = words[row["measure"]].format(
            attribute=self.attribute(row["attribute"]), highest=self.group(row["highest"]), lowest=self.group(row["lowest"]), points=points
        )
        return f"{told} {verdict.format(chance=chance, count=self.compared)}"

    def section(self, told: Audit, attribute: str) -> dict[str, Any]:
        singles = told.figures[(told.figures["attribute"] == attribute) & (told.figures["attribute_2"] == "")]
        names = [self.group(value) for value in singles["group"]]
        titles = {measure: self.words["measures"][measure] for measure in MEASURES}
        panels = {
            titles[measure]: [(100 * row[measure], 100 * row[f"{measure}_low"], 100 * row[f"{measure}_high"]) for row in _records(singles)]
            for measure in MEASURES
        }
        overall = {titles[measure]: 100 * told.overall[measure] for measure in MEASURES}
        overall[titles["calibration_gap"]] = 0.0
        rows = told.differences[(told.differences["attribute"] == attribute) & told.differences["difference"].notna()]
        return {
            "title": self.attribute(attribute),
            "picture": picture(pictures.ranges(names, panels, overall=overall)),
            "rows": [self.row(row) for row in _records(singles)],
            "differences": [self.difference(row) for row in _records(rows)],
        }

    def row(self, row: Mapping[str, Any]) -> list[str]:
        name = self.group(row["group"])
        if row["attribute_2"]:
            name = f"{self.attribute(row['attribute'])}: {name}; {self.attribute(row['attribute_2'])}: {self.group(row['group_2'])}"
        told = [name, self._count(row["students"])]
        told += [self._rate(row, measure) for measure in ("selection_rate", "recall", "precision")]
        expected = [percent(row[each], self.language) for each in ("expected", "observed")]
        hidden = row["expected"] != row["expected"]
        return [*told, self.words["page"]["hidden"] if hidden else f"{expected[0]} / {expected[1]}"]

    def _rate(self, row: Mapping[str, Any], measure: str) -> str:
        if row[measure] != row[measure]:
            return str(self.words["page"]["hidden"])
        ends = [number(100 * row[f"{measure}_{end}"], self.language) for end in ("low", "high")]
        return f"{percent(row[measure], self.language)} ({ends[0]}-{ends[1]})"

    def _count(self, value: Any) -> str:
        return (
            str(self.words["page"]["hidden"]) if value is None or value is pd.NA or value != value else number(float(value), self.language)
        )

    def proxy(self, proxy: Proxy) -> list[str]:
        auc = f"{number(proxy.roc_auc, self.language, 2)} ({number(proxy.low, self.language, 2)}-{number(proxy.high, self.language, 2)})"
        words = self.words["page"]
        told = words["by_chance"] if proxy.low <= 0.5 else words["carried"] if not proxy.carriers else ""
        carried = "; ".join(f"{self.feature(name)} ({number(loss, self.language, 2)})" for name, loss in proxy.carriers)
        return [
            f"{self.attribute(proxy.attribute)}: {self.group(proxy.group)}",
            number(proxy.students, self.language),
            auc,
            carried or told,
        ]

    def alternative(self, row: Mapping[str, Any], told: Audit) -> list[str]:
        words = self.words["alternatives"]
        name = words[row["kind"]].format(name=self.words["groups"].get(row["name"], self.feature(row["name"])))
        ends = [number(row[f"more_found_{end}"], self.language) for end in ("low", "high")]
        sign = "+" if row["more_found"] > 0 else ""
        price = f"{sign}{number(row['more_found'], self.language)} ({ends[0]} {self.words['page']['to']} {ends[1]})"
        differences = []
        for attribute in told.attributes:
            now = self._spread(told, attribute)
            points = [self._points(value) for value in (now["selection_rate"], row[f"selection_rate:{attribute}"])]
            differences.append(f"{points[0]} → {points[1]}")
        return [name, price, percent(row["same"], self.language), *differences]

    def _points(self, value: float) -> str:
        return number(100 * value, self.language, 1)

    @staticmethod
    def _spread(told: Audit, attribute: str) -> dict[str, float]:
        rows = told.differences[told.differences["attribute"] == attribute].set_index("measure")["difference"]
        return {str(name): float(value) for name, value in rows.items()}


def _records(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.to_dict("records")
