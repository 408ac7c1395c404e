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

TEST_COLUMNS = ("course", "test", "due", "first_day", "median_day", "grade_mean", "grade_sd", "points", "credits")


@dataclass(frozen=True)
class ProgrammeContext:
    """What is usual, per cohort and programme.

    Attributes
    ----------
    usual : pandas.DataFrame
        Index (cohort, programme); one column per compared figure with its median. The programme `EVERYONE` holds the cohort's own
        median, which stands in for programmes with fewer than `LEAST_STUDENTS` students.
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


def usual_figures(own: pd.DataFrame, place: pd.DataFrame) -> pd.DataFrame:
    """Give the median of every column per cohort and programme, and per cohort as a whole.

    Parameters
    ----------
    own : pandas.DataFrame
        One row per enrolment, numeric.
    place : pandas.DataFrame
        cohort and programme, same index.

    Returns
    -------
    pandas.DataFrame
        Index (cohort, programme), with the programme `EVERYONE` per cohort; programmes under `LEAST_STUDENTS` students are absent.
    """
    joined = pd.concat([place[["cohort", "programme"]], own], axis=1)
    per_programme = joined.groupby(["cohort", "programme"], sort=True)
    medians = per_programme.median()[per_programme.size() >= LEAST_STUDENTS]
    everyone = joined.drop(columns="programme").groupby("cohort", sort=True).median()
    everyone.index = pd.MultiIndex.from_arrays([everyone.index, [EVERYONE] * len(everyone)], names=["cohort", "programme"])
    return pd.concat([medians, everyone]).sort_index()
