"""Whether a student is unlike those that a model learnt from, and in what. Keeps the ends of columns, rounded outwards, and no student's row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from riskmodel.catalogue import Catalogue
from riskmodel.design import FEW_ROWS, few_rows

Kind = Literal["above", "below", "new_category", "unknown", "known", "many_unknown"]
_DIGITS = 3


@dataclass(frozen=True)
class Unusual:
    """One thing about a student that no student learnt from had.

    Attributes
    ----------
    kind : str
        'above' or 'below' all values seen; 'new_category'; 'unknown' where it was always known; 'known' where it never was; 'many_unknown'.
    feature : str
        Which feature; empty for 'many_unknown'.
    count, most : int
        For 'many_unknown': how many features are not known, and of how many that was so at most before.
    """

    kind: Kind
    feature: str = ""
    count: int = 0
    most: int = 0


@dataclass(frozen=True)
class Range:
    """What was seen of one feature: the ends of its values (None where it was never known), or its categories, and whether it was ever unknown."""

    low: float | None
    high: float | None
    categories: tuple[str, ...]
    gaps: bool

    def look(self, value: Any) -> Kind | None:
        """Tell in what way a value is unusual, or None where it is not."""
        if _missing(value):
            return None if self.gaps else "unknown"
        if self.categories:
            return None if value in self.categories else "new_category"
        if self.low is None or self.high is None:
            return "known"
        return "below" if float(value) < self.low else "above" if float(value) > self.high else None

    def outside(self, values: pd.Series, known: np.ndarray) -> np.ndarray:
        """Tell over a whole column which values `look` finds unusual, shape (n,); `known` tells which are there at all."""
        unknown: np.ndarray = np.zeros(len(values), dtype=bool) if self.gaps else ~known
        if self.categories:
            return np.asarray(unknown | (known & ~values.isin(list(self.categories)).to_numpy()))
        if self.low is None or self.high is None:
            return np.asarray(unknown | known)
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        return np.asarray(unknown | (numbers < self.low) | (numbers > self.high))


@dataclass(frozen=True)
class Seen:
    """What was seen of the students learnt from at one landmark.

    Attributes
    ----------
    ranges : mapping of feature to Range
    most_unknown : int
        Of how many features nothing was known, at most.
    """

    ranges: Mapping[str, Range]
    most_unknown: int

    @classmethod
    def of(cls, frame: pd.DataFrame, catalogue: Catalogue) -> Seen:
        """Look through the students learnt from.

        Parameters
        ----------
        frame : pandas.DataFrame, shape (n, any)
            Holds every feature of the catalogue.
        catalogue : Catalogue
        """
        ranges = {}
        unknown = np.zeros(len(frame), dtype=int)
        for name, feature in catalogue.items():
            if feature.kind == "category":
                known = frame[name].notna().to_numpy()
                found = tuple(sorted(str(each) for each in frame[name][known].unique()))
                ranges[name] = Range(None, None, found, bool((~known).any()))
            else:
                values = frame[name].to_numpy(dtype=float, na_value=np.nan)
                known = ~np.isnan(values)
                low, high = (_outwards(values[known].min(), -1), _outwards(values[known].max(), 1)) if known.any() else (None, None)
                ranges[name] = Range(low, high, (), bool((~known).any()))
            unknown += ~known
        return cls(ranges, int(unknown.max(initial=0)))

    def look(self, frame: pd.DataFrame, later: Seen | None = None) -> list[tuple[Unusual, ...]]:
        """Tell what is unusual about each student.

        Parameters
        ----------
        frame : pandas.DataFrame, shape (n, any)
            Holds every feature.
        later : Seen, optional
            What was seen at the next landmark. A student is scored on the days between two, so what was usual on either is usual.

        Returns
        -------
        list of tuple of Unusual, length n
            Empty tuples for students whose every feature lies within what was seen.
        """
        if len(frame) <= FEW_ROWS:
            return [self._look_at(row, later) for row in few_rows(frame)]
        found: dict[int, list[Unusual]] = {}
        unknown = np.zeros(len(frame), dtype=int)
        for name, own in self.ranges.items():
            known = frame[name].notna().to_numpy()
            rows = np.flatnonzero(own.outside(frame[name], known))
            for place, value in zip(rows.tolist(), frame[name].iloc[rows].tolist(), strict=True):
                kind = own.look(value)
                if kind is not None and (later is None or later.ranges[name].look(value) is not None):
                    found.setdefault(place, []).append(Unusual(kind, name))
            unknown += ~known
        most = self._most(later)
        for place in np.flatnonzero(unknown > most).tolist():
            found.setdefault(place, []).append(Unusual("many_unknown", count=int(unknown[place]), most=most))
        return [tuple(found.get(place, ())) for place in range(len(frame))]

    def look_rows(self, rows: Sequence[Mapping[str, Any]], later: Seen | None = None) -> list[tuple[Unusual, ...]]:
        """Tell what `look` tells, of rows that never were a frame; unknown is None or NaN there."""
        return [self._look_at(row, later) if self._suspicious(row, later) else () for row in rows]

    def _suspicious(self, row: Mapping[str, Any], later: Seen | None) -> bool:
        """Tell quickly whether a row deserves to be looked at value by value; it may say so of one that is not unusual."""
        unknown = 0
        for name, low, high, categories, gaps in self._quick:
            value = row[name]
            if value is None or value != value:  # NaN is unlike itself
                if not gaps:
                    return True
                unknown += 1
            elif categories is not None:
                if value not in categories:
                    return True
            elif not low <= value <= high:
                return True
        return unknown > self._most(later)

    @cached_property
    def _quick(self) -> list[tuple[str, float, float, frozenset[str] | None, bool]]:
        nothing = (math.inf, -math.inf)  # between these ends lies no value
        return [
            (name, *((own.low, own.high) if own.low is not None and own.high is not None else nothing),
             frozenset(own.categories) if own.categories else None, own.gaps)
            for name, own in self.ranges.items()
        ]  # fmt: skip

    def _most(self, later: Seen | None) -> int:
        return self.most_unknown if later is None else max(self.most_unknown, later.most_unknown)

    def _look_at(self, row: Mapping[str, Any], later: Seen | None) -> tuple[Unusual, ...]:
        found: list[Unusual] = []
        unknown = 0
        for name, own in self.ranges.items():
            value = row[name]
            kind = own.look(value)
            if kind is not None and (later is None or later.ranges[name].look(value) is not None):
                found.append(Unusual(kind, name))
            unknown += _missing(value)
        most = self._most(later)
        if unknown > most:
            found.append(Unusual("many_unknown", count=unknown, most=most))
        return tuple(found)

    def ends(self, columns: Mapping[str, int], width: int) -> tuple[np.ndarray, np.ndarray]:
        """Give between which values each column of a design matrix was seen, shape (width,) each; without an end where nothing was seen.

        Parameters
        ----------
        columns : mapping of feature to int
            Where features that are numbers or flags stand.
        width : int
            Columns of the matrix.
        """
        low, high = np.full(width, -np.inf), np.full(width, np.inf)
        for name, place in columns.items():
            own = self.ranges.get(name)
            if own is not None and own.low is not None and own.high is not None:
                low[place], high[place] = own.low, own.high
        return low, high

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "ranges": {
                name: {"low": own.low, "high": own.high, "categories": list(own.categories), "gaps": own.gaps}
                for name, own in self.ranges.items()
            },
            "most_unknown": self.most_unknown,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], catalogue: Catalogue) -> Seen:
        """Take back what `to_dict` gave, in the catalogue's order; raises KeyError where a feature is absent."""
        ranges = {}
        for name in catalogue:
            own = content["ranges"][name]
            low, high = (None if own[end] is None else float(own[end]) for end in ("low", "high"))
            ranges[name] = Range(low, high, tuple(str(each) for each in own["categories"]), bool(own["gaps"]))
        return cls(ranges, int(content["most_unknown"]))


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _outwards(value: float, sign: int) -> float:
    """Round an end to three figures, away from the values, so that it is nobody's own figure and everybody seen stays inside."""
    if value == 0.0 or not math.isfinite(value):
        return float(value)
    step = 10.0 ** (math.floor(math.log10(abs(value))) - (_DIGITS - 1))
    places = (math.ceil if sign > 0 else math.floor)(value / step)
    turned = float(f"{places * step:.12g}")
    return turned if sign * (turned - value) >= 0 else float(f"{(places + sign) * step:.12g}")
