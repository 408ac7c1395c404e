"""What a challenger is examined on besides the rules that schools use by hand: calibration, the champion, explanations, groups and the data.

Everything is measured on the cohort that the challenger was not trained on; what does not exist is told, and refuses nobody.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from riskmodel.comparison.worth import compare_worth
from riskmodel.metrics import Interval, calibrated, calibration_line, resamples
from riskmodel.model import RiskModel
from riskmodel.policy import GateBounds
from training.gates import Gate

SEED = 20


def examine(
    challenger: RiskModel,
    champion: RiskModel | None,
    frames: Mapping[int, pd.DataFrame],
    days: Sequence[int],
    capacity: float,
    bounds: GateBounds,
    *,
    explanation_error: float,
    warnings: int,
    audit: Mapping[str, Any] | None,
    of_champion: Mapping[int, pd.DataFrame] | None = None,
) -> list[Gate]:
    """Examine a challenger.

    Parameters
    ----------
    challenger : RiskModel
        As it was tested: fitted without the test cohort, with what was measured on it at each of the days.
    champion : RiskModel or None
    frames : mapping of int to pandas.DataFrame
        Per landmark the features and labels of the test cohort.
    days : sequence of int
        Landmarks that the policy names.
    capacity : float
        Share of the students invited.
    bounds : GateBounds
    explanation_error : float
        Largest difference between a decision value and its baseline plus contributions.
    warnings : int
        Warnings of the data check; a folder with faults is refused before.
    audit : mapping or None
        Aggregates that `riskmodel fairness` wrote for this version.
    of_champion : mapping of int to pandas.DataFrame, optional
        `frames` with the features that the champion looks at, where its recent weeks are of another length.

    Returns
    -------
    list of Gate
    """
    gates = []
    for day in days:
        known = frames[day][frames[day][challenger.target].notna()]
        gates.append(_calibration(challenger.measured[str(day)], day, bounds))
        gates += _programmes(challenger, known, day, bounds)
        gates.append(_beside_champion(challenger, champion, known, (of_champion or frames)[day], day, capacity, bounds))
    exact = f"explanations add up to the decision value within {explanation_error:.1e}."
    checked = "the data passed the check" + (f", with {warnings} kinds of warnings." if warnings else ".")
    return [*gates, Gate(days[0], "explanations", True, exact), Gate(days[0], "data", True, checked), _groups(audit, days[0], bounds)]


def _calibration(figures: Mapping[str, Any], day: int, bounds: GateBounds) -> Gate:
    least, most = bounds.calibration_slope
    slope, intercept = (_told(figures, f"calibration_{name}") for name in ("slope", "intercept"))
    if slope is None or intercept is None:
        return Gate(day, "calibration", None, f"day {day}: calibration does not exist where all left or nobody did.")
    passed = _reaches(slope.low, slope.high, least, most) and _reaches(
        intercept.low, intercept.high, -bounds.calibration_intercept, bounds.calibration_intercept
    )
    words = (
        f"day {day}: calibration slope {slope.value:.2f} ({slope.low:.2f} to {slope.high:.2f}), bounds {least:g} to {most:g}; "
        f"intercept {intercept.value:+.2f} ({intercept.low:+.2f} to {intercept.high:+.2f}), at most {bounds.calibration_intercept:g} either way."
    )
    return Gate(day, "calibration", passed, words)


def _told(figures: Mapping[str, Any], name: str) -> Interval | None:
    """Give a measured figure with its ends, or None where it does not exist."""
    found = [figures[f"{name}{end}"] for end in ("", "_low", "_high")]
    return None if None in found else Interval(*found)


def _programmes(model: RiskModel, known: pd.DataFrame, day: int, bounds: GateBounds) -> Iterator[Gate]:
    """Look at whether the risk is right in the mean of each programme that is large enough; the interval is widened for their number."""
    sizes = known["programme"].value_counts()
    large = sorted(sizes.index[sizes >= bounds.programme_students])
    off = []
    for name in large:
        own = known[known["programme"] == name]
        y, decision = own[model.target].to_numpy(dtype=float), model.decision(own, day)
        if len(np.unique(y)) < 2:
            continue
        drawn = calibrated(y, decision, resamples(own["student_id"].to_numpy(dtype=str), SEED)).intercept
        tail = 0.025 / len(large)
        low, high = np.nanquantile(drawn, [tail, 1 - tail])
        if not _reaches(float(low), float(high), -bounds.programme_intercept, bounds.programme_intercept):
            off.append(f"{name} ({calibration_line(y, decision)[1]:+.2f})")
    if not large:
        yield Gate(
            day, "programmes", None, f"day {day}: no programme has {bounds.programme_students} students, so none is looked at by itself."
        )
        return
    told = f"is off in {', '.join(off)}" if off else "holds in each"
    words = (
        f"day {day}: the mean risk {told}, of {len(large)} programmes with at least {bounds.programme_students} students; "
        f"at most {bounds.programme_intercept:g} either way."
    )
    yield Gate(day, "programmes", not off, words)


def _reaches(low: float, high: float, least: float, most: float) -> bool:
    """Tell whether an interval and the bounds have anything in common."""
    return not (math.isfinite(low) and math.isfinite(high)) or (high >= least and low <= most)


def _beside_champion(
    challenger: RiskModel,
    champion: RiskModel | None,
    known: pd.DataFrame,
    of_champion: pd.DataFrame,
    day: int,
    capacity: float,
    bounds: GateBounds,
) -> Gate:
    def none(why: str) -> Gate:
        return Gate(day, "champion", None, f"day {day}: {why}")

    if champion is None:
        return none("there is no champion yet.")
    tested = challenger.facts.tested_on
    if tested in champion.facts.trained_on:
        return none(f"the champion has learnt from {tested}, so the two can't be compared on it.")
    if day not in champion.landmarks:
        return none("the champion has no such landmark.")
    of_champion = of_champion[of_champion[challenger.target].notna()]
    if missing := set(champion.catalogue) - set(of_champion.columns):
        return none(f"the data lack what the champion looks at ({', '.join(sorted(missing)[:3])}).")
    worth = compare_worth(champion, challenger, of_champion, day, capacity, of_second=known)
    if worth is None:
        return none("nobody left or everybody did.")
    own, difference = worth.figures["recall"][1], worth.figures["recall"][2]
    margin = bounds.worse_than_champion
    words = (
        f"day {day}: it reaches {100 * own.value:.1f} % of the leavers, {100 * difference.value:+.1f} points beside the champion "
        f"({100 * difference.low:+.1f} to {100 * difference.high:+.1f}); at least {-100 * margin:g} is asked."
    )
    return Gate(day, "champion", difference.low >= -margin, words)


def _groups(audit: Mapping[str, Any] | None, day: int, bounds: GateBounds) -> Gate:
    if audit is None:
        return Gate(
            day, "groups", None, "not audited: 'riskmodel fairness' was not run for this version, or the institution has no groups."
        )
    found = [row for row in audit["differences"] if row["measure"] == "recall" and row["beyond"] and row["difference"] is not None]
    worst = max(found, key=lambda row: float(row["difference"]), default=None)
    if worst is None:
        return Gate(day, "groups", True, "no difference between groups in the share of leavers reached is larger than chance gives.")
    size = float(worst["difference"])
    words = (
        f"by {worst['attribute']}, the share of leavers reached differs by {100 * size:.1f} points, more than chance gives; "
        f"at most {100 * bounds.group_difference:g} is allowed."
    )
    return Gate(day, "groups", size <= bounds.group_difference, words)
