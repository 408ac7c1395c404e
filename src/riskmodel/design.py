"""The design matrix: features as numbers. A category becomes a column per value; what is not yet known stays NaN."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from riskmodel.catalogue import Catalogue
from riskmodel.errors import DataFault

# So many rows are read row by row: pandas takes about ten microseconds for each column, however short.
FEW_ROWS = 8
_BITS = 20
SIGNS = {"up": 1, "down": -1, "none": 0}
DAY = "day"


@dataclass(frozen=True)
class Column:
    """One column of the design matrix.

    Attributes
    ----------
    feature : str
        The feature that it belongs to.
    category : str or None
        For a category: the value that it stands for.
    sign : int
        1 where the risk may only rise with it, -1 where it may only fall, 0 where either may be.
    """

    feature: str
    category: str | None
    sign: int


def rounded(X: np.ndarray) -> np.ndarray:
    """Round figures to about a millionth, absolute and relative, by powers of two.

    Two figures that are equal but were added up in another order differ in their last digits, and a tree could send them different ways. After
    this they are the same number, on every backend; and no threshold between two figures depends on single or double precision, which shap's
    interventional explainer mixes.
    """
    step = np.maximum(np.frexp(X)[1], 0) - _BITS
    return np.asarray(np.ldexp(np.rint(np.ldexp(X, -step)), step))


def few_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Give the rows of a short frame as records, quicker than pandas does."""
    names = frame.columns.tolist()
    return [dict(zip(names, values, strict=True)) for values in frame.to_numpy(dtype=object).tolist()]


def _getter(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    """Give what takes these figures out of a row; `itemgetter` gives a bare value for one name, and takes no none."""
    return itemgetter(*names) if len(names) > 1 else lambda row: [row[name] for name in names]


class Design:
    """Turns a frame of features into a matrix, always with the same columns in the same order.

    Parameters
    ----------
    columns : sequence of Column
        The matrix's columns.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self.features = tuple(dict.fromkeys(column.feature for column in self.columns))
        place = {feature: position for position, feature in enumerate(self.features)}
        self.feature_of_column = np.array([place[column.feature] for column in self.columns], dtype=np.intp)
        self._membership = np.zeros((len(self.columns), len(self.features)))
        self._membership[np.arange(len(self.columns)), self.feature_of_column] = 1.0
        numbers = [position for position, column in enumerate(self.columns) if column.category is None and column.feature != DAY]
        self._numbers = np.array(numbers, dtype=np.intp)
        self._number_of = _getter([self.columns[position].feature for position in numbers])
        self._days = np.array([position for position, column in enumerate(self.columns) if column.feature == DAY], dtype=np.intp)
        self._categories: dict[str, dict[str, int]] = {}
        for position, column in enumerate(self.columns):
            if column.category is not None:
                self._categories.setdefault(column.feature, {})[column.category] = position

    @classmethod
    def of(cls, catalogue: Catalogue, *, with_day: bool = False) -> Design:
        """Lay out the columns for a catalogue; `with_day` adds the day itself, for a model of all landmarks at once."""
        columns: list[Column] = []
        for feature in catalogue.values():
            if feature.kind == "category":
                columns += [Column(feature.name, category, 0) for category in feature.categories]
            else:
                columns.append(Column(feature.name, None, SIGNS[feature.direction]))
        if with_day:
            columns.append(Column(DAY, None, 0))
        return cls(columns)

    def matrix(self, frame: pd.DataFrame, day: int | None = None) -> np.ndarray:
        """Give the matrix of a frame.

        Parameters
        ----------
        frame : pandas.DataFrame, shape (n, any)
            Holds every feature; other columns are ignored.
        day : int, optional
            The landmark, where the design has the day as a column.

        Returns
        -------
        numpy.ndarray of float64, shape (n, columns)
            NaN where a value is not known. An unknown or unseen category is zero in each of its columns. Figures are `rounded`.

        Raises
        ------
        DataFault
            A feature is missing from the frame.
        """
        absent = [feature for feature in self.features if feature not in frame and feature != DAY]
        if absent:
            raise DataFault(
                f"these features are missing: {', '.join(absent)}.",
                remedy="Give every feature of the catalogue; one that is not yet known is null.",
            )
        X = np.empty((len(frame), len(self.columns)))
        if len(frame) <= FEW_ROWS:
            for place, row in enumerate(few_rows(frame)):
                X[place] = [self._number(column, row, day) for column in self.columns]
            return rounded(X)
        places: dict[str, dict[str, int]] = {}
        for position, column in enumerate(self.columns):
            if column.category is not None:
                places.setdefault(column.feature, {})[column.category] = position
            elif column.feature == DAY and column.feature not in frame:
                X[:, position] = np.nan if day is None else day
            else:
                X[:, position] = rounded(frame[column.feature].to_numpy(dtype=float, na_value=np.nan))
        # A category may have hundreds of values, so each row is looked up once, not compared with every value.
        for feature, of_value in places.items():
            X[:, list(of_value.values())] = 0.0
            found = frame[feature].map(pd.Series(of_value)).to_numpy(dtype=float, na_value=np.nan)
            rows = np.flatnonzero(~np.isnan(found))
            X[rows, found[rows].astype(np.intp)] = 1.0
        return X

    def matrix_of_rows(self, rows: Sequence[Mapping[str, Any]], day: int | None = None) -> np.ndarray:
        """Give the matrix of rows that never were a frame; the same that `matrix` gives of them, at a hundredth of the time for one row.

        Parameters
        ----------
        rows : sequence of mapping of feature to value, length n
            Each holds every feature: a number, a category's text, or None or NaN where it is not known.
        day : int, optional
            The landmark, where the design has the day as a column.

        Returns
        -------
        numpy.ndarray of float64, shape (n, columns)

        Raises
        ------
        KeyError
            A feature is missing from a row.
        """
        X = np.zeros((len(rows), len(self.columns)))
        if len(self._numbers) and len(rows):
            X[:, self._numbers] = rounded(np.array([self._number_of(row) for row in rows], dtype=float))
        X[:, self._days] = np.nan if day is None else day
        for feature, of_value in self._categories.items():
            for place, row in enumerate(rows):
                position = of_value.get(row[feature])
                if position is not None:
                    X[place, position] = 1.0
        return X

    @staticmethod
    def _number(column: Column, row: Mapping[str, Any], day: int | None) -> float:
        value = row.get(column.feature, day) if column.feature == DAY else row[column.feature]
        if column.category is not None:
            return float(isinstance(value, str) and value == column.category)
        return np.nan if value is None or value is pd.NA else float(value)

    def by_feature(self, contributions: np.ndarray) -> np.ndarray:
        """Sum contributions of columns, shape (n, columns), to contributions of features, shape (n, features)."""
        return contributions @ self._membership

    @property
    def signs(self) -> np.ndarray:
        """Directions per column: 1, -1 or 0."""
        return np.array([column.sign for column in self.columns], dtype=np.int64)

    def to_list(self) -> list[dict[str, Any]]:
        """Give the columns as plain records."""
        return [{"feature": column.feature, "category": column.category, "sign": column.sign} for column in self.columns]

    @classmethod
    def from_list(cls, records: Sequence[dict[str, Any]]) -> Design:
        """Take back what `to_list` gave."""
        return cls([Column(record["feature"], record["category"], int(record["sign"])) for record in records])
