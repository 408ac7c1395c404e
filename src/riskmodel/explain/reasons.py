"""Contributions summed to reasons, a handful of things that a coach would say, with the student's own figures beside the programme's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import expit

from riskmodel.catalogue import Catalogue
from riskmodel.explain.words import Words
from riskmodel.model import Explanation

# Below this share of an odds ratio (about 10 %) a reason is too small to be told.
LEAST_CONTRIBUTION = 0.1
MOST_REASONS = 5
CONTEXT = ("prior_education", "programme", "gap_years")

Direction = Literal["raises", "lowers"]
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Reason:
    """One reason, ready to be shown.

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

    def __init__(self, catalogue: Catalogue, features: Sequence[str], words: Words, prior_education: Mapping[str, str] | None = None) -> None:
        self.words = words
        self.prior_education = dict(prior_education or {})
        known = [catalogue[name].reason if name in catalogue else "" for name in features]
        self.keys = tuple(dict.fromkeys(key for key in known if key))
        self._membership = np.zeros((len(features), len(self.keys)))
        for place, key in enumerate(known):
            if key:
                self._membership[place, self.keys.index(key)] = 1.0
        first = {key: next(f for f in catalogue.values() if f.reason == key) for key in self.keys}
        self._actionable = {key: any(f.actionable for f in catalogue.values() if f.reason == key) for key in self.keys}
        self._own_phrase = {key: (f.phrase_nl if words.language == "nl" else f.phrase_en) for key, f in first.items()}
        self._own_label = {key: (f.label_nl if words.language == "nl" else f.label_en) for key, f in first.items()}

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
            Features and facts.
        """
        sums = self.contributions(explanation)
        needed = [column for column in frame.columns if column.startswith("fact_")] + [c for c in ("prior_education",) if c in frame]
        columns = {column: frame[column].tolist() for column in needed}
        return [self.tell(row, {column: values[place] for column, values in columns.items()}) for place, row in enumerate(sums)]

    def tell(self, sums: np.ndarray, facts: Facts) -> list[Reason]:
        """Give one student's reasons: what one can act on first, then what lowers the risk, context last and never alone.

        Parameters
        ----------
        sums : numpy.ndarray, shape (reasons,)
            What `contributions` gives for this student.
        facts : mapping
            The student's `fact_*` figures and prior education.

        Returns
        -------
        list of Reason
            Never empty: a student with nothing unusual gets a sentence that says so.
        """
        large = [place for place in np.argsort(-np.abs(sums), kind="stable") if abs(sums[place]) >= LEAST_CONTRIBUTION]
        reasons = [self._reason(self.keys[place], float(sums[place]), facts) for place in large]
        context = [reason for reason in reasons if reason.key in CONTEXT]
        raising = [reason for reason in reasons if reason.direction == "raises" and reason.key not in CONTEXT]
        raising.sort(key=lambda reason: not reason.actionable)
        lowering = [reason for reason in reasons if reason.direction == "lowers" and reason.key not in CONTEXT]
        told = raising[: MOST_REASONS - 1] + lowering[: 1 if raising else 2]
        if not told:
            told = [Reason("nothing_unusual", "lowers", False, 0.0, "", self.words.general("nothing_unusual"))]
        return [*told, *context[:1]]

    def _reason(self, key: str, contribution: float, facts: Facts) -> Reason:
        direction: Direction = "raises" if contribution > 0 else "lowers"
        declared = key.startswith("extra.")
        label = self._own_label[key] if declared else self.words.label(key)
        text = self._own_phrase[key] if declared else self._text(key, direction, facts)
        return Reason(key, direction, self._actionable[key], contribution, label, text)

    def _text(self, key: str, direction: Direction, facts: Facts) -> str:
        phrases = self.words.phrases["reasons"][key][direction]
        variant, figures = _figures(key, facts, self.words, self.prior_education)
        phrase = phrases.get(variant) if variant else None
        return str(phrase).format_map(figures) if phrase else str(phrases["plain"])


def _known(facts: Facts, *names: str) -> bool:
    return all((value := facts.get(name)) is not None and not (isinstance(value, float) and math.isnan(value)) for name in names)


def _figures(key: str, facts: Facts, words: Words, prior_education: Mapping[str, str]) -> tuple[str | None, dict[str, str]]:
    """Give which phrase fits and the figures for it; no phrase where the figures are not known."""

    def whole(name: str) -> str:
        return words.number(round(facts[name]), 0)

    def decimal(name: str) -> str:
        return words.number(facts[name])

    if key == "attendance_recent" and _known(facts, "fact_attended_recent", "fact_scheduled_recent", "fact_programme_share_recent"):
        usual = round(facts["fact_programme_share_recent"] * facts["fact_scheduled_recent"])
        return "figures", {
            "attended_recent": whole("fact_attended_recent"), "scheduled_recent": whole("fact_scheduled_recent"), "programme_recent": words.number(usual, 0),
        }  # fmt: skip
    if key == "attendance_overall" and _known(facts, "fact_attended", "fact_scheduled", "fact_programme_share"):
        usual = round(facts["fact_programme_share"] * facts["fact_scheduled"])
        return "figures", {"attended": whole("fact_attended"), "scheduled": whole("fact_scheduled"), "programme_attended": words.number(usual, 0)}
    if key == "first_test" and _known(facts, "fact_first_test_status"):
        test = str(facts.get("fact_first_test") or "")
        if facts["fact_first_test_status"] < 0:
            return "missed", {"test": test}
        if _known(facts, "fact_first_test_grade", "fact_first_test_programme_grade"):
            variant = "passed" if facts["fact_first_test_status"] > 0 else "failed"
            return variant, {"test": test, "grade": decimal("fact_first_test_grade"), "programme_grade": decimal("fact_first_test_programme_grade")}
    if key == "tests_progress" and _known(facts, "fact_tests_due", "fact_tests_passed", "fact_tests_missed"):
        return "figures", {"due": whole("fact_tests_due"), "passed": whole("fact_tests_passed"), "missed": whole("fact_tests_missed")}
    if key == "grades" and _known(facts, "fact_grade_mean", "fact_programme_grade_mean"):
        return "figures", {"grade_mean": decimal("fact_grade_mean"), "programme_grade_mean": decimal("fact_programme_grade_mean")}
    if key == "credits" and _known(facts, "fact_credits", "fact_credits_due"):
        return "figures", {"credits": decimal("fact_credits"), "credits_due": decimal("fact_credits_due")}
    if key == "start_late" and _known(facts, "fact_enrolled_days_before") and facts["fact_enrolled_days_before"] > 0:
        return "figures", {"days_before": whole("fact_enrolled_days_before")}
    if key == "prior_education" and _known(facts, "prior_education") and str(facts["prior_education"]) not in ("", "nan", "None"):
        kind = str(facts["prior_education"])
        return "figures", {"prior_education": prior_education.get(kind, kind)}
    return None, {}


def natural_frequency(decision: float, target: str, words: Words) -> str:
    """Tell a probability as how many of a hundred students with similar data.

    Parameters
    ----------
    decision : float
        Calibrated log-odds.
    target : {'dropout', 'leave'}
    words : Words
    """
    of_hundred = round(100 * float(expit(decision)))
    told, others = str(of_hundred), str(100 - of_hundred)
    if of_hundred == 0:
        told, others = words.phrases["frequency"]["less_than_one"], words.phrases["frequency"]["more_than_ninety_nine"]
    elif of_hundred == 100:
        told, others = words.phrases["frequency"]["more_than_ninety_nine"], words.phrases["frequency"]["less_than_one"]
    return str(words.phrases["frequency"][target]).format_map({"of_hundred": told, "others": others})


def invitation_meaning(measured: Mapping[str, Any], target: str, landmark: int, words: Words) -> str | None:
    """Tell what an invitation meant in the past, of a hundred invited at this capacity; None where it was not measured.

    Parameters
    ----------
    measured : mapping
        `RiskModel.measured`: per landmark (as text) a mapping with `precision_at_capacity`.
    target : {'dropout', 'leave'}
    landmark : int
    words : Words
    """
    precision = measured.get(str(landmark), {}).get("precision_at_capacity")
    if precision is None:
        return None
    left = round(100 * float(precision))
    return str(words.phrases["invitation"][target]).format_map({"left": left, "stayed": 100 - left})
