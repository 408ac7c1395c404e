"""Contributions summed to reasons, a handful of things that a coach would say, with the student's own figures beside the programme's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import expit

from riskmodel.catalogue import Catalogue, Feature
from riskmodel.design import FEW_ROWS, few_rows
from riskmodel.explain.words import DECLARED, Words, figures_in
from riskmodel.model import Explanation

# In log-odds: a reason that moves the odds by less than about a tenth is too small to be told.
LEAST_CONTRIBUTION = 0.1
MOST_RAISING = 4
CONTEXT = ("prior_education", "programme", "gap_years")
MOST_CONTEXT = 2

Direction = Literal["raises", "lowers"]
Facts = Mapping[str, Any]


@dataclass
class Reason:
    """One reason, ready to be shown. Not frozen: thousands are made in a call, and making a frozen one takes three times as long.

    Attributes
    ----------
    key : str
        Which reason it is.
    direction : {'raises', 'lowers'}
        Whether it raises or lowers the risk.
    actionable : bool
        Whether coach and student can do something about it.
    contribution : float
        What it adds to the calibrated log-odds.
    label, text : str
        What it is called, and the sentence.
    """

    key: str
    direction: Direction
    actionable: bool
    contribution: float
    label: str
    text: str


class _Row(Mapping[str, Any]):
    """One row of a frame's columns, without being taken apart."""

    def __init__(self, columns: Mapping[str, list[Any]], place: int) -> None:
        self._columns = columns
        self._place = place

    def __getitem__(self, name: str) -> Any:
        return self._columns[name][self._place]

    def get(self, name: str, default: Any = None) -> Any:
        """Give a figure; asked a dozen times per student, so without the detour of an exception."""
        column = self._columns.get(name)
        return default if column is None else column[self._place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


class Teller:
    """Turns contributions into reasons for one model and language; prepared once.

    Parameters
    ----------
    catalogue : Catalogue
        The model's features.
    features : sequence of str
        Names, in the order of the explanation's columns.
    words : Words
        Phrases.
    prior_education : mapping of kind to name, optional
        What kinds of prior education are called in this language.
    """

    def __init__(
        self, catalogue: Catalogue, features: Sequence[str], words: Words, prior_education: Mapping[str, str] | None = None
    ) -> None:
        self.words = words
        self.prior_education = dict(prior_education or {})
        reason_of = [catalogue[name].reason if name in catalogue else "" for name in features]
        self.keys = tuple(dict.fromkeys(reason for reason in reason_of if reason))
        self._membership = np.zeros((len(features), len(self.keys)))
        for place, reason in enumerate(reason_of):
            if reason:
                self._membership[place, self.keys.index(reason)] = 1.0
        self._features = {key: tuple(f for f in catalogue.values() if f.reason == key) for key in self.keys}
        self._columns = {
            key: [(feature.name, feature.categories if feature.kind == "category" else None) for feature in features]
            for key, features in self._features.items()
        }
        self._labels = {key: words.label(key) for key in self.keys}
        self._is_declared = {key: features[0].group == "declared" for key, features in self._features.items()}
        self._actionable = {key: any(feature.actionable for feature in features) for key, features in self._features.items()}

    def contributions(self, explanation: Explanation) -> np.ndarray:
        """Sum contributions of features to reasons, shape (n, reasons)."""
        return explanation.contributions @ self._membership

    def tell_all(self, explanation: Explanation, frame: pd.DataFrame) -> list[list[Reason]]:
        """Give the reasons of every row.

        Parameters
        ----------
        explanation : Explanation
            Of the same rows as `frame`.
        frame : pandas.DataFrame, shape (n, any)
            Features, and the `fact_*` figures where there are any.
        """
        sums = self.contributions(explanation)
        if len(frame) <= FEW_ROWS:
            return self.tell_rows(sums, few_rows(frame))
        needed = [name for name in frame.columns if name.startswith("fact_")]
        needed += [feature.name for features in self._features.values() for feature in features if feature.name in frame]
        columns = {name: frame[name].tolist() for name in dict.fromkeys(needed)}
        return self.tell_rows(sums, [_Row(columns, place) for place in range(len(sums))])

    def tell(self, sums: np.ndarray, facts: Facts) -> list[Reason]:
        """Give one student's reasons.

        What one can act on comes first, in either direction what raises the risk before what lowers it, the larger before the smaller;
        then what one can't; context last and never alone.

        Parameters
        ----------
        sums : numpy.ndarray, shape (reasons,)
            What `contributions` gives for this student.
        facts : mapping
            The student's features and `fact_*` figures; one that is absent is not known.

        Returns
        -------
        list of Reason
            Never empty: a student with nothing unusual gets a sentence that says so.
        """
        return self._tell(sums.tolist(), facts)

    def tell_rows(self, sums: np.ndarray, rows: Sequence[Facts]) -> list[list[Reason]]:
        """Give the reasons of several students, as `tell` gives one's.

        Parameters
        ----------
        sums : numpy.ndarray, shape (n, reasons)
        rows : sequence of mapping, length n
        """
        return [self._tell(own, facts) for own, facts in zip(sums.tolist(), rows, strict=True)]

    def _tell(self, sums: list[float], facts: Facts) -> list[Reason]:
        large = [place for place, size in enumerate(sums) if size >= LEAST_CONTRIBUTION or -size >= LEAST_CONTRIBUTION]
        large.sort(key=lambda place: -abs(sums[place]))
        # Which are told follows from their sizes alone; only those are put into words.
        raising: list[int] = []
        lowering: list[int] = []
        context: list[int] = []
        for place in large:
            (context if self.keys[place] in CONTEXT else raising if sums[place] > 0 else lowering).append(place)
        others = raising[:MOST_RAISING] + lowering[: 1 if raising else 2]
        told = [self._reason(self.keys[place], sums[place], facts) for place in others]
        told.sort(key=lambda reason: not reason.actionable)
        if not told:
            label, text = self.words.label("nothing_unusual"), self.words.general("nothing_unusual")
            told = [Reason("nothing_unusual", "lowers", False, 0.0, label, text)]
        return told + [self._reason(self.keys[place], sums[place], facts) for place in context[:MOST_CONTEXT]]

    def _reason(self, key: str, contribution: float, facts: Facts) -> Reason:
        direction: Direction = "raises" if contribution > 0 else "lowers"
        figures_of = _FIGURES.get(key)
        found = None if figures_of is None else figures_of(facts, self)
        features = self._features[key]
        known = found is not None or self._is_known(key, facts)
        if self._is_declared[key]:
            label, text = self._declared(features, direction, known, facts)
        else:
            variant, figures = found or ("plain" if known else "unknown", {})
            label, text = self._labels[key], str(self.words.phrases["reasons"][key][direction][variant])
            text = text.format_map(figures) if "{" in text else text
        return Reason(key, direction, known and self._actionable[key], contribution, label, text)

    def _is_known(self, key: str, facts: Facts) -> bool:
        for name, categories in self._columns[key]:
            value = _value(facts, name)
            if value is not None and (categories is None or value in categories):
                return True
        return False

    def _declared(self, features: Sequence[Feature], direction: Direction, known: bool, facts: Facts) -> tuple[str, str]:
        first = features[0]
        dutch = self.words.language == "nl"
        label, phrase = (first.label_nl, first.phrase_nl) if dutch else (first.label_en, first.phrase_en)
        figures = {"label": label}
        if known:
            for name, column in (("value", first.name), ("programme", f"fact_programme_{first.name}")):
                if (value := _value(facts, column)) is not None:
                    figures[name] = self._written(value, first)
            if phrase and figures_in(phrase) <= figures.keys():
                return label, phrase.format_map(figures)
        return label, str(self.words.phrases["reasons"][DECLARED][direction]["plain" if known else "unknown"]).format_map(figures)

    def _written(self, value: Any, feature: Feature) -> str:
        if isinstance(value, str):
            return value
        return self.words.number(math.expm1(value) if feature.transform == "log1p" else float(value))


def _value(facts: Facts, name: str) -> Any:
    """Give a figure, or None where it is not known."""
    value = facts.get(name)
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return value


# Per reason: which phrase fits, and the figures for it; None where they are not known.
_Found = tuple[str, dict[str, str]] | None


def _attendance(own: str, scheduled: str, usual: str, names: tuple[str, str, str]) -> Callable[[Facts, Teller], _Found]:
    def figures(facts: Facts, teller: Teller) -> _Found:
        attended, lessons, share = _value(facts, own), _value(facts, scheduled), _value(facts, usual)
        if attended is None or lessons is None or round(lessons) < 1:
            return None
        if round(lessons) == 1:
            return "one", {"times": teller.words.count("time", attended)}
        told = {names[0]: teller.words.number(attended, 0), names[1]: teller.words.number(lessons, 0)}
        if share is None:
            return "own", told
        return "figures", told | {names[2]: teller.words.number(share * lessons, 0)}

    return figures


def _first_test(facts: Facts, teller: Teller) -> _Found:
    status, grade = _value(facts, "fact_first_test_status"), _value(facts, "fact_first_test_grade")
    usual, name = _value(facts, "fact_first_test_programme_grade"), _value(facts, "fact_first_test")
    if status is None:
        return None
    test = {"test": teller.words.general("test_named").format(name=name) if name else ""}
    if status < 0:
        return "missed", test
    variant = "passed" if status > 0 else "failed"
    if grade is None or usual is None:
        return f"{variant}_plain", test
    return variant, test | {"grade": teller.words.number(grade), "programme_grade": teller.words.number(usual)}


def _tests_progress(facts: Facts, teller: Teller) -> _Found:
    due, passed, missed = (_value(facts, f"fact_tests_{name}") for name in ("due", "passed", "missed"))
    if due is None or passed is None or missed is None or due < 1:
        return None
    if due == 1:
        return "one_passed" if passed > 0 else "one_missed" if missed > 0 else "one_failed", {}
    return "figures", {name: teller.words.number(value, 0) for name, value in (("due", due), ("passed", passed), ("missed", missed))}


def _grades(facts: Facts, teller: Teller) -> _Found:
    own, usual = _value(facts, "fact_grade_mean"), _value(facts, "fact_programme_grade_mean")
    if own is None:
        return None
    told = {"grade_mean": teller.words.number(own)}
    return ("own", told) if usual is None else ("figures", told | {"programme_grade_mean": teller.words.number(usual)})


def _credits(facts: Facts, teller: Teller) -> _Found:
    own, due = _value(facts, "fact_credits"), _value(facts, "fact_credits_due")
    return (
        None if own is None or due is None else ("figures", {"credits": teller.words.number(own), "credits_due": teller.words.number(due)})
    )


def _start_late(facts: Facts, teller: Teller) -> _Found:
    before, late = _value(facts, "fact_enrolled_days_before"), _value(facts, "started_late_days")
    if late is not None and late >= 1:
        return "late", {"late": teller.words.count("day", late)}
    if before is None:
        return None
    return ("figures", {"before_start": teller.words.count("day", before)}) if before >= 1 else ("after_start", {})


def _intake_check(facts: Facts, _: Teller) -> _Found:
    done, doubt = _value(facts, "intake_check_done"), _value(facts, "intake_check_doubt")
    if done is None and doubt is None:
        return None
    if doubt:
        return "doubt", {}
    return ("absent", {}) if done == 0 else ("done", {})


def _gap_years(facts: Facts, teller: Teller) -> _Found:
    years = _value(facts, "gap_years")
    if years is None:
        return None
    return ("none", {}) if round(years) < 1 else ("figures", {"years": teller.words.count("year", years)})


def _prior_education(facts: Facts, teller: Teller) -> _Found:
    kind, related = _value(facts, "prior_education"), _value(facts, "prior_education_related")
    if kind is None or str(kind) in ("", "nan", "None"):
        return None
    told = {"prior_education": teller.prior_education.get(str(kind), str(kind))}
    return ("figures" if related is None else "related" if related else "unrelated"), told


_FIGURES: Mapping[str, Callable[[Facts, Teller], _Found]] = {
    "attendance_recent": _attendance(
        "fact_attended_recent",
        "fact_scheduled_recent",
        "fact_programme_share_recent",
        ("attended_recent", "scheduled_recent", "programme_recent"),
    ),
    "attendance_overall": _attendance(
        "fact_attended", "fact_scheduled", "fact_programme_share", ("attended", "scheduled", "programme_attended")
    ),
    "first_test": _first_test,
    "tests_progress": _tests_progress,
    "grades": _grades,
    "credits": _credits,
    "start_late": _start_late,
    "intake_check": _intake_check,
    "gap_years": _gap_years,
    "prior_education": _prior_education,
}


def natural_frequency(decision: float, target: str, words: Words) -> str:
    """Tell a probability as how many of a hundred students with similar data.

    Parameters
    ----------
    decision : float
        Calibrated log-odds.
    target : {'dropout', 'leave'}
    words : Words
    """
    return told_frequency(round(100 * float(expit(decision))), target, words)


def told_frequency(of_hundred: int, target: str, words: Words) -> str:
    """Tell how many of a hundred students with similar data, 0 to 100."""
    end = {0: "_few", 1: "_one", 100: "_most"}.get(of_hundred, "")
    return str(words.phrases["frequency"][target + end]).format_map({"of_hundred": str(of_hundred), "others": str(100 - of_hundred)})


def invitation_meaning(measured: Mapping[str, Any], target: str, landmark: int, capacity: float, words: Words) -> str | None:
    """Tell what an invitation meant in the past, of a hundred invited; None where it was not measured at this landmark and capacity.

    Parameters
    ----------
    measured : mapping
        `RiskModel.measured`: per landmark (as text) a mapping with `precision_at_capacity` and the `capacity_share` that it holds for.
    target : {'dropout', 'leave'}
    landmark : int
    capacity : float
        Share of the students that is invited now.
    words : Words
    """
    figures = measured.get(str(landmark)) or {}
    precision = figures.get("precision_at_capacity")
    if precision is None or not math.isclose(figures["capacity_share"], capacity, rel_tol=1e-9):
        return None
    left = round(100 * float(precision))
    told = {"day": landmark, "capacity": words.number(100 * capacity), "left": left, "stayed": 100 - left}
    return str(words.phrases["invitation"][target]).format_map(told)
