"""What is usual in a programme at a cut: medians of its students' figures, and which tests were held.

Computed from all students of a programme and cohort together; kept with a model, so that one student alone can be compared as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

LEAST_STUDENTS = 5
DUE_SHARE = 0.5
HELD_SHARE = 0.05
EVERYONE = "*"
QUANTILES = tuple(range(0, 101, 5))
DIGITS = 9  # of percentiles and of what is looked up among them, so that equal figures are equal

TEST_COLUMNS = ("course", "test", "due", "first_day", "median_day", "grade_mean", "grade_sd", "points", "credits")


@dataclass(frozen=True)
class ProgrammeContext:
    """What is usual, per cohort and programme.

    Attributes
    ----------
    usual : pandas.DataFrame
        Index (cohort, programme); one column per compared figure with its median, and for ranked figures columns FIGURE@Q with the Q-th percentile for each of
        `QUANTILES`. The programme `EVERYONE` holds the cohort's own, which stands in for programmes with fewer than `LEAST_STUDENTS` students.
    tests : pandas.DataFrame
        One row per test with results by then: cohort, programme, course, test, due (1 where `DUE_SHARE` of the students asked have a known result,
        else 0), first_day, median_day (days since the start), grade_mean, grade_sd (of first attempts), points (mean share of the grade scale
        over all students asked, nothing for those without a result), credits.
    """

    usual: pd.DataFrame
    tests: pd.DataFrame

    def medians(self, place: pd.DataFrame, figures: Sequence[str], *, stand_in: bool = True) -> pd.DataFrame:
        """Give the programme's medians for each student; the cohort's where the programme is too small or unknown.

        Parameters
        ----------
        place : pandas.DataFrame
            cohort and programme per student.
        figures : sequence of str
            Columns of `usual`.
        stand_in : bool
            Whether the cohort's median may stand in; null otherwise, for words that name the programme.
        """
        table = self.usual.reindex(columns=list(figures)).to_numpy(dtype=float)
        table = np.vstack([table, np.full(len(figures), np.nan)])
        row = {key: position for position, key in enumerate(self.usual.index)}
        pairs = zip(place["cohort"], place["programme"], strict=True)
        values = table[[row.get(pair, -1) for pair in pairs]]
        if stand_in:
            everyone = table[[row.get((cohort, EVERYONE), -1) for cohort in place["cohort"]]]
            values = np.where(np.isnan(values), everyone, values)
        return pd.DataFrame(values, index=place.index, columns=list(figures))

    def ranks(self, place: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
        """Give where each student's figures stand among the programme's: 0 the lowest, 1 the highest, equal ones in the middle of their like.

        Parameters
        ----------
        place : pandas.DataFrame
            cohort and programme per student.
        own : pandas.DataFrame
            The students' own figures, same index; columns are figures of `usual`.

        Returns
        -------
        pandas.DataFrame
            Same columns; null where the figure or the programme's is not known.
        """
        found = {}
        for figure in own.columns:
            points = self.medians(place, [f"{figure}@{quantile}" for quantile in QUANTILES]).to_numpy()
            found[figure] = rank_among(own[figure].to_numpy(dtype=float).round(DIGITS), points)
        return pd.DataFrame(found, index=place.index)

    def for_cohort(self, cohort: str, like: str | None = None) -> ProgrammeContext:
        """Give the context of one cohort under the name of another, so that new students are compared with the last ones known.

        Parameters
        ----------
        cohort : str
            The name under which every row is to be found; a cohort that is held itself stays as it is.
        like : str, optional
            The cohort that stands in; by default the last one by name.
        """
        held = self.usual.index.get_level_values(0)
        if self.usual.empty or cohort in held:
            return self
        last = like if like in held else held[-1]
        usual = self.usual.xs(last, level=0, drop_level=False)
        usual = usual.set_index(
            pd.MultiIndex.from_arrays([[cohort] * len(usual), usual.index.get_level_values(1)], names=usual.index.names)
        )
        tests = self.tests[self.tests["cohort"] == last].assign(cohort=cohort)
        return ProgrammeContext(usual, tests)

    def to_dict(self) -> dict[str, Any]:
        """Give the context as plain lists and numbers, for JSON; NaN becomes None."""
        usual = self.usual.reset_index()
        return {"usual": _records(usual), "tests": _records(self.tests)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ProgrammeContext:
        """Take back what `to_dict` gave."""
        usual = pd.DataFrame(content["usual"])
        if usual.empty:
            usual = pd.DataFrame({"cohort": pd.Series(dtype="str"), "programme": pd.Series(dtype="str")})
        usual = usual.set_index(["cohort", "programme"]).astype(float)
        tests = pd.DataFrame(content["tests"], columns=["cohort", "programme", *TEST_COLUMNS])
        numbers = [column for column in TEST_COLUMNS if column not in ("course", "test")]
        tests = tests.astype(dict.fromkeys(numbers, float) | {"cohort": "str", "programme": "str", "course": "str", "test": "str"})
        return cls(usual, tests)


def rank_among(values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Give the place of each value, shape (n,), among the sorted points of its row, shape (n, m), as a share from 0 to 1."""
    most = points.shape[1] - 1
    below, up_to = (points < values[:, None]).sum(axis=1), (points <= values[:, None]).sum(axis=1)
    rows = np.arange(len(values))
    left, right = np.clip(below - 1, 0, most), np.clip(below, 0, most)
    low, gap = points[rows, left], points[rows, right] - points[rows, left]
    between = left + np.divide(values - low, gap, out=np.zeros(len(values)), where=gap > 0)
    place = np.where(up_to > below, (below + up_to - 1) / 2, np.clip(between, 0, most)) / most
    return np.asarray(np.where(np.isnan(values) | np.isnan(points).any(axis=1), np.nan, place.round(9)))


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict(orient="records")]


def on_time(place: pd.DataFrame, start_date: pd.Series) -> pd.Series:
    """Tell who began no later than was usual in the programme: the median start of its students.

    They alone say what is usual at a day. A late starter reaches the same day of their own count later in the calendar, when more was known; were
    they to count, the others' features would rest on what nobody knew yet.

    Parameters
    ----------
    place : pandas.DataFrame
        cohort and programme per student.
    start_date : pandas.Series
        Epoch days, same index.

    Returns
    -------
    pandas.Series of bool
    """
    start = start_date.astype(float)
    usual = start.groupby([place["cohort"], place["programme"]]).transform("median")
    return start <= usual


def usual_figures(own: pd.DataFrame, place: pd.DataFrame, ranked: Sequence[str] = ()) -> pd.DataFrame:
    """Give the median and the percentiles of every column per cohort and programme, and per cohort as a whole.

    Parameters
    ----------
    own : pandas.DataFrame
        One row per enrolment, numeric.
    place : pandas.DataFrame
        cohort and programme, same index.
    ranked : sequence of str
        Columns whose percentiles are kept as well.

    Returns
    -------
    pandas.DataFrame
        Index (cohort, programme), with the programme `EVERYONE` per cohort; programmes under `LEAST_STUDENTS` students are absent.
    """
    joined = pd.concat([place[["cohort", "programme"]], own], axis=1)
    per_programme = joined.groupby(["cohort", "programme"], sort=True)
    programmes = _spread(per_programme, ranked)[per_programme.size() >= LEAST_STUDENTS]
    everyone = _spread(joined.drop(columns="programme").groupby("cohort", sort=True), ranked)
    everyone.index = pd.MultiIndex.from_arrays([everyone.index, [EVERYONE] * len(everyone)], names=["cohort", "programme"])
    return pd.concat([programmes, everyone]).sort_index()


def _spread(grouped: Any, ranked: Sequence[str]) -> pd.DataFrame:
    """Give the median of every column, and the percentiles of some as FIGURE@Q."""
    medians: pd.DataFrame = grouped.median()
    if not ranked:
        return medians
    points = grouped[list(ranked)].quantile([quantile / 100 for quantile in QUANTILES]).unstack().round(DIGITS)
    points.columns = [f"{figure}@{round(100 * quantile)}" for figure, quantile in points.columns]
    spread: pd.DataFrame = pd.concat([medians, points.reindex(medians.index)], axis=1)
    return spread
