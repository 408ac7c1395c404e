"""Every feature stands here once: its name, group, labels, unit, direction, use to a coach, and why it may be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Group = Literal["attendance", "tests", "prior_education", "start", "declared"]
Direction = Literal["up", "down", "none"]
Kind = Literal["number", "flag", "category"]


@dataclass(frozen=True)
class Feature:
    """One named thing that a model may look at.

    Attributes
    ----------
    name : str
        Column name, the same everywhere.
    group : Group
        The module that computes it.
    kind : Kind
        A number, a flag (1 or 0) or a category (text out of `categories`). Any may be missing: 'not yet known'.
    reason : str
        The thing a coach would say; features with the same reason are told as one. A key of the words files.
    label_nl, label_en : str
        What it is called.
    unit : str
        The unit of its value, empty where it has none.
    direction : Direction
        'up' where a higher value may only raise the risk, 'down' where it may only lower it.
    actionable : bool
        Whether a coach and a student can do something about it.
    justification : str
        Why it may be used.
    categories : tuple of str
        For a category: its values.
    phrase_nl, phrase_en : str
        For a declared column: how a coach would say it, with {value} where the figure stands and {programme} where the programme's does.
    transform : {'none', 'log1p'}
        What was done to the figure, and is undone where it is told.
    """

    name: str
    group: Group
    kind: Kind
    reason: str
    label_nl: str
    label_en: str
    unit: str
    direction: Direction
    actionable: bool
    justification: str
    categories: tuple[str, ...] = ()
    phrase_nl: str = ""
    phrase_en: str = ""
    transform: Literal["none", "log1p"] = "none"


class Catalogue(Mapping[str, Feature]):
    """The features of one model, by name, in a fixed order."""

    def __init__(self, features: Iterable[Feature]) -> None:
        self._features = {feature.name: feature for feature in features}

    def __getitem__(self, name: str) -> Feature:
        return self._features[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._features)

    def __len__(self) -> int:
        return len(self._features)

    def without(self, names: Iterable[str]) -> Catalogue:
        """Give the catalogue without some features or whole groups."""
        gone = set(names)
        return Catalogue(f for f in self._features.values() if f.name not in gone and f.group not in gone)
