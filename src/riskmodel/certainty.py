"""How sure a score is at one landmark: the interval of its probability, and whether the student is unlike those learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from riskmodel.catalogue import Catalogue
from riskmodel.design import Design
from riskmodel.intervals import UNUSUAL_VARIANCE, Additive, fit_additive, interval_of
from riskmodel.unusual import Seen, Unusual


@dataclass(frozen=True)
class HowSure:
    """How sure the scores of some students are.

    Attributes
    ----------
    low, high : numpy.ndarray, shape (n,)
        Ends of the interval for the probability; the probability itself always lies between them.
    unusual : list of tuple of Unusual, length n
        What is unusual about each student; empty tuples for most.
    """

    low: np.ndarray
    high: np.ndarray
    unusual: list[tuple[Unusual, ...]]


@dataclass(frozen=True)
class Certainty:
    """What one landmark's model keeps beside itself to tell how sure it is.

    Attributes
    ----------
    additive : Additive
        From which intervals follow.
    seen : Seen
        What was seen of the students learnt from.
    level : float
        How often an interval should cover, over students.
    design : Design
    """

    additive: Additive
    seen: Seen
    level: float
    design: Design

    def tell(self, frame: pd.DataFrame, X: np.ndarray, decision: np.ndarray, later: Seen | None = None) -> HowSure:
        """Tell how sure scores are.

        Parameters
        ----------
        frame : pandas.DataFrame, shape (n, any)
            The students' features.
        X : numpy.ndarray, shape (n, columns)
            The same as a design matrix.
        decision : numpy.ndarray, shape (n,)
            The served log-odds.
        later : Seen, optional
            What was seen at the next landmark.
        """
        return self._told(self.seen.look(frame, later), X, decision)

    def tell_rows(self, rows: Sequence[Mapping[str, Any]], X: np.ndarray, decision: np.ndarray, later: Seen | None = None) -> HowSure:
        """Tell how sure scores are, of rows that never were a frame; as `tell` otherwise."""
        return self._told(self.seen.look_rows(rows, later), X, decision)

    def _told(self, unusual: list[tuple[Unusual, ...]], X: np.ndarray, decision: np.ndarray) -> HowSure:
        more = np.array([sum(map(self._more, each)) for each in unusual], dtype=float)
        mean, variance = self.additive.posterior(X, *self._ends)
        return HowSure(*interval_of(mean, variance, decision, self.level, more), unusual)

    def _more(self, unusual: Unusual) -> float:
        """Give the variance that one unusual thing adds; a category never seen as much as the categories seen differ."""
        own = self.additive.new_category.get(unusual.feature, UNUSUAL_VARIANCE) if unusual.kind == "new_category" else UNUSUAL_VARIANCE
        return own * max(1, unusual.count - unusual.most)

    @cached_property
    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        places = {column.feature: place for place, column in enumerate(self.design.columns) if column.category is None}
        return self.seen.ends(places, len(self.design.columns))

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {"level": self.level, "additive": self.additive.to_dict(), "seen": self.seen.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], design: Design, catalogue: Catalogue) -> Certainty:
        """Take back what `to_dict` gave; raises ValueError or KeyError where it does not fit."""
        level = float(content["level"])
        if not 0 < level < 1:
            raise ValueError("the level of an interval lies between 0 and 1")
        additive = Additive.from_dict(content["additive"], len(design.columns))
        return cls(additive, Seen.from_dict(content["seen"], catalogue), level, design)


def fit_certainty(frame: pd.DataFrame, X: np.ndarray, y: np.ndarray, design: Design, catalogue: Catalogue, level: float) -> Certainty:
    """Learn how sure scores are, from the students that the served model learnt from.

    Parameters
    ----------
    frame : pandas.DataFrame, shape (n, any)
        Features.
    X : numpy.ndarray, shape (n, columns)
        The same as a design matrix.
    y : numpy.ndarray, shape (n,)
        1.0 or 0.0.
    design : Design
    catalogue : Catalogue
    level : float
    """
    return Certainty(fit_additive(X, y, design), Seen.of(frame, catalogue), level, design)
