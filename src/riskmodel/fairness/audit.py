"""How a list treats groups: who is invited, whom it misses and whether its probabilities hold, per group and per crossing of two.

Takes students with scores, outcomes and sensitive attributes; gives aggregates that tell of ten students or more, and never a row of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, count, mean_prediction, selection_rate, true_positive_rate
from scipy.stats import false_discovery_control
from sklearn.metrics import precision_score

from riskmodel.errors import DataFault
from riskmodel.measuring import SEED
from riskmodel.metrics import resamples
from riskmodel.suppression import FEWEST, protect

UNKNOWN = ""
MOST_VALUES = 12
SHUFFLES = 2000
MEASURES = ("selection_rate", "recall", "precision", "calibration_gap")
# What a reader must be told of a group before a measure of it may be.
_ASKS = {
    "selection_rate": ("students", "invited"),
    "recall": ("leavers", "found"),
    "precision": ("invited", "found"),
    "calibration_gap": ("students", "leavers"),
}
# The cells of one group: invited or not, left or not; and the counts that are told or follow from them.
_CELLS = ("found", "invited_stayed", "missed", "not_invited_stayed")
_TOLD = ("students", "invited", "leavers", "found")
_COUNTS = {
    "students": (1, 1, 1, 1), "invited": (1, 1, 0, 0), "leavers": (1, 0, 1, 0), "found": (1, 0, 0, 0),
    "missed": (0, 0, 1, 0), "invited_stayed": (0, 1, 0, 0), "not_invited": (0, 0, 1, 1), "stayed": (0, 1, 0, 1), "not_invited_stayed": (0, 0, 0, 1),
}  # fmt: skip


@dataclass(frozen=True)
class List:
    """One way to make the invitation list.

    Attributes
    ----------
    name : str
        What is different, e.g. 'without attendance'; a key of the words, or a feature's name.
    kind : {'capacity', 'group', 'feature'}
        Capacity per programme, a group of features removed, or one feature.
    probability : numpy.ndarray, shape (n,)
    invited : numpy.ndarray of bool, shape (n,)
    """

    name: str
    kind: str
    probability: np.ndarray
    invited: np.ndarray


@dataclass(frozen=True)
class Audit:
    """What may be told of a list.

    Attributes
    ----------
    overall : dict
        Of all students: students, invited, leavers, found, and the measures of `figures`.
    figures : pandas.DataFrame
        One row per group and per crossing of two groups: attribute, group, attribute_2, group_2 (empty for a single group); students,
        invited, leavers, found (nullable counts); selection_rate, recall, precision, expected, observed, calibration_gap (observed less
        expected), each rate with `_low` and `_high`, the ends of its 95 % interval. What may not be told is missing.
    differences : pandas.DataFrame
        One row per attribute and measure: highest and lowest (groups), difference, chance (what nineteen of twenty shuffles stay under),
        p, p_adjusted, beyond (bool); missing where fewer than two groups may be told.
    alternatives : pandas.DataFrame
        One row per list that could be made instead: name, kind, found, more_found with `_low` and `_high`, same (share of the list that
        stays), and per attribute `selection_rate:ATTRIBUTE` and `recall:ATTRIBUTE`, the largest difference between groups.
    left_out : dict of attribute to int
        Attributes with more than `MOST_VALUES` values, and how many they have.
    """

    overall: dict[str, Any]
    figures: pd.DataFrame
    differences: pd.DataFrame
    alternatives: pd.DataFrame
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Attributes that were looked at, in the order of the table."""
        singles = self.figures[self.figures["attribute_2"] == ""]
        return tuple(dict.fromkeys(singles["attribute"]))


def audit(students: pd.DataFrame, groups: pd.DataFrame, alternatives: Sequence[List] = ()) -> Audit:
    """Look at a list by group.

    Parameters
    ----------
    students : pandas.DataFrame, shape (n, any)
        student_id, probability, invited (bool) and left (1.0 or 0.0); one row per student scored, outcome known.
    groups : pandas.DataFrame
        student_id and one column per sensitive attribute, as text; a student who is not in it counts as unknown.
    alternatives : sequence of List
        Other lists of the same students, in the same order.

    Returns
    -------
    Audit

    Raises
    ------
    DataFault
        There is no sensitive attribute, or a student stands in `groups` twice.
    """
    labels, left_out = group_labels(students["student_id"], groups)
    table = _Table.of(students)
    subsets = list(_subsets(labels))
    counts = np.array([table.cells[chosen.to_numpy()].sum(axis=0) for _, chosen in subsets])
    told = _told(labels, table, subsets)
    draws = resamples(students["student_id"].to_numpy(dtype=str), SEED)
    rates = _rates(labels, table)
    rows = []
    for place, (names, chosen) in enumerate(subsets):
        shown = {name: bool(told[place][position]) for position, name in enumerate(_COUNTS)}
        known = {name: int(counts[place] @ np.array(_COUNTS[name])) if shown[name] else None for name in _TOLD}
        drawn = _drawn(draws, table, chosen.to_numpy())
        row: dict[str, Any] = {**names, **known}
        point = rates[tuple(names.values())]
        for measure, needed in _ASKS.items():
            visible = all(shown[each] for each in needed)
            row |= _ends(measure, point[measure] if visible else np.nan, drawn[measure])
        for each in ("expected", "observed"):
            row[each] = point[each] if shown["students"] and shown["leavers"] else np.nan
        rows.append(row)
    overall, figures = rows[0], pd.DataFrame(rows[1:])
    for name in _TOLD:
        figures[name] = figures[name].astype("Int64")
    differences = _differences(labels, table, figures)
    others = pd.DataFrame([_alternative(each, labels, table, figures, draws) for each in alternatives])
    return Audit({k: v for k, v in overall.items() if not k.startswith(("attribute", "group"))}, figures, differences, others, left_out)


def group_labels(student_ids: pd.Series, groups: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Give each student's group per attribute, in the students' order; unknown is the empty text.

    Returns
    -------
    tuple of pandas.DataFrame and dict
        Labels, one column per attribute; and the attributes left out with the number of their values.

    Raises
    ------
    DataFault
        There is no sensitive attribute, or a student stands in the table twice.
    """
    if groups["student_id"].duplicated().any():
        raise DataFault("a student stands in the table twice.", place="groups", remedy="Leave one row for each student.")
    known = groups.set_index("student_id").fillna(UNKNOWN).astype("str")
    known.columns = known.columns.astype("str")
    left_out = {str(name): known[name].nunique() for name in known if known[name].nunique() > MOST_VALUES}
    kept = [name for name in known if name not in left_out]
    if not kept:
        what = "no attribute has a few values only." if left_out else "there is no sensitive attribute to look at."
        raise DataFault(
            what,
            place="groups",
            remedy=f"Give columns of at most {MOST_VALUES} values under [tables.groups]; the audit reads nothing else.",
        )
    labels = known[kept].reindex(student_ids.to_numpy()).fillna(UNKNOWN)
    return labels.reset_index(drop=True), left_out


@dataclass(frozen=True)
class _Table:
    """Students as numbers: cells is one of four per student, in the order of `_CELLS`."""

    left: np.ndarray
    invited: np.ndarray
    probability: np.ndarray
    cells: np.ndarray

    @classmethod
    def of(cls, students: pd.DataFrame) -> _Table:
        left, invited = students["left"].to_numpy(dtype=float), students["invited"].to_numpy(dtype=float)
        cells = np.column_stack([invited * left, invited * (1 - left), (1 - invited) * left, (1 - invited) * (1 - left)])
        return cls(left, invited, students["probability"].to_numpy(dtype=float), cells)


Names = dict[str, str]


def _subsets(labels: pd.DataFrame) -> Iterator[tuple[Names, pd.Series]]:
    """Give all students, then each group, then each crossing of two groups that holds anybody."""
    yield _names(), pd.Series(True, index=labels.index)
    for name in labels.columns.astype("str"):
        for value in sorted(labels[name].unique()):
            yield _names(name, value), labels[name] == value
    for first, second in combinations(labels.columns, 2):
        for one in sorted(labels[first].unique()):
            for other in sorted(labels[second].unique()):
                chosen = (labels[first] == one) & (labels[second] == other)
                if chosen.any():
                    yield _names(first, one, second, other), chosen


def _names(attribute: str = "", group: str = "", attribute_2: str = "", group_2: str = "") -> Names:
    return {"attribute": attribute, "group": group, "attribute_2": attribute_2, "group_2": group_2}


def _told(labels: pd.DataFrame, table: _Table, subsets: Sequence[tuple[Names, pd.Series]]) -> np.ndarray:
    """Tell which counts of which subset may be told, shape (subsets, counts)."""
    system = _System(labels, table)
    members = np.array([system.members(names, np.array(count_)) for names, _ in subsets for count_ in _COUNTS.values()])
    # Crossings go before single groups, and these before what is told of all students.
    depth = np.array([2 - bool(names["attribute"]) - bool(names["attribute_2"]) for names, _ in subsets])
    offered = np.tile([name in _TOLD for name in _COUNTS], len(subsets))
    told = protect(members, system.cells, same=system.same, worth=np.repeat(depth, len(_COUNTS)), offered=offered)
    return told.reshape(len(subsets), len(_COUNTS))


class _System:
    """The tables of all pairs of attributes as one vector of cells, and what they have in common: tables that share an attribute share its margin."""

    def __init__(self, labels: pd.DataFrame, table: _Table) -> None:
        columns = list(labels.columns)
        self.pairs = list(combinations(columns, 2)) or [(columns[0], columns[0])]
        self.values = {name: sorted(labels[name].unique()) for name in columns}
        self.place: dict[tuple[str, str, str, str], int] = {}
        for first, second in self.pairs:
            for one in self.values[first]:
                for other in self.values[second] if first != second else [one]:
                    self.place[first, one, second, other] = len(self.place)
        self.cells = np.zeros(4 * len(self.place))
        for (first, one, second, other), at in self.place.items():
            chosen = ((labels[first] == one) & (labels[second] == other)).to_numpy()
            self.cells[4 * at : 4 * at + 4] = table.cells[chosen].sum(axis=0)
        self.same = np.array(list(self._same())).reshape(-1, len(self.cells))

    def _sum(self, pair: tuple[str, str], weights: np.ndarray, **asked: str) -> np.ndarray:
        row = np.zeros(len(self.cells))
        for (first, one, second, other), at in self.place.items():
            if (first, second) == pair and all({first: one, second: other}.get(name) == value for name, value in asked.items()):
                row[4 * at : 4 * at + 4] = weights
        return row

    def members(self, names: Names, weights: np.ndarray) -> np.ndarray:
        """Give which cells a count of a subset sums."""
        if not names["attribute"]:
            return self._sum(self.pairs[0], weights)
        if names["attribute_2"]:
            pair = (names["attribute"], names["attribute_2"])
            return self._sum(pair, weights, **{names["attribute"]: names["group"], names["attribute_2"]: names["group_2"]})
        pair = next(pair for pair in self.pairs if names["attribute"] in pair)
        return self._sum(pair, weights, **{names["attribute"]: names["group"]})

    def _same(self) -> Iterator[np.ndarray]:
        for name, values in self.values.items():
            first, *others = [pair for pair in self.pairs if name in pair]
            for pair in others:
                for value in values:
                    for weights in np.eye(4):
                        yield self._sum(first, weights, **{name: value}) - self._sum(pair, weights, **{name: value})


def _expected(y_true: np.ndarray, y_pred: np.ndarray, *, probability: np.ndarray) -> float:
    return float(mean_prediction(y_true, probability))


def _precision(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return float(precision_score(y_true, y_pred, zero_division=np.nan))


def _recall(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return float(true_positive_rate(y_true, y_pred)) if np.any(np.asarray(y_true) > 0) else float("nan")


def _observed(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return float(np.mean(y_true))


_METRICS: dict[str, Callable[..., Any]] = {
    "students": count, "selection_rate": selection_rate, "precision": _precision, "recall": _recall, "expected": _expected, "observed": _observed,
}  # fmt: skip


def _rates(labels: pd.DataFrame, table: _Table) -> dict[tuple[str, ...], dict[str, float]]:
    """Give every rate of all students, each group and each crossing of two, by fairlearn."""
    found: dict[tuple[str, ...], dict[str, float]] = {}
    columns: list[tuple[str, ...]] = [(name,) for name in labels.columns.astype("str")]
    columns += combinations(labels.columns.astype("str"), 2)
    for names in columns:
        frame = MetricFrame(
            metrics=_METRICS, y_true=table.left, y_pred=table.invited, sensitive_features=labels[list(names)],
            sample_params={"expected": {"probability": table.probability}},
        )  # fmt: skip
        found[tuple(_names().values())] = _with_gap(frame.overall)
        for key, row in frame.by_group.iterrows():
            values = key if isinstance(key, tuple) else (key,)
            parts = [part for pair in zip(names, map(str, values), strict=True) for part in pair]
            found[tuple(_names(*parts).values())] = _with_gap(row)
    return found


def _with_gap(row: pd.Series) -> dict[str, float]:
    told = {str(name): float(value) for name, value in row.items()}
    return {**told, "calibration_gap": told["observed"] - told["expected"]}


def _drawn(draws: np.ndarray, table: _Table, chosen: np.ndarray) -> dict[str, np.ndarray]:
    """Give every measure of a subset in every resample, shape (times,) each; NaN where it does not exist."""
    counts = draws[:, chosen].astype(float)
    sums = counts @ np.column_stack([table.cells[chosen], table.probability[chosen]])
    found, invited_stayed, missed, stayed, expected = sums.T
    students = found + invited_stayed + missed + stayed
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "selection_rate": (found + invited_stayed) / students,
            "recall": found / (found + missed),
            "precision": found / (found + invited_stayed),
            "calibration_gap": (found + missed - expected) / students,
        }


def _ends(name: str, value: float, drawn: np.ndarray) -> dict[str, float]:
    known = drawn[np.isfinite(drawn)]
    low, high = np.quantile(known, [0.025, 0.975]) if np.isfinite(value) and len(known) else (np.nan, np.nan)
    return {name: value, f"{name}_low": float(low), f"{name}_high": float(high)}


def _differences(labels: pd.DataFrame, table: _Table, figures: pd.DataFrame) -> pd.DataFrame:
    rows = []
    generator = np.random.default_rng(SEED)
    singles = figures[figures["attribute_2"] == ""]
    for attribute in labels:
        for measure in MEASURES:
            shown = singles[(singles["attribute"] == attribute) & singles[measure].notna()].set_index("group")[measure]
            row: dict[str, Any] = {"attribute": attribute, "measure": measure, "highest": "", "lowest": "", "difference": np.nan,
                                   "chance": np.nan, "p": np.nan}  # fmt: skip
            if len(shown) > 1:
                drawn = _by_chance(labels[attribute], list(shown.index), measure, table, generator)
                difference = float(shown.max() - shown.min())
                p = (1 + int((drawn >= difference - 1e-12).sum())) / (1 + len(drawn))
                row |= {"highest": str(shown.idxmax()), "lowest": str(shown.idxmin()), "difference": difference,
                        "chance": float(np.quantile(drawn, 0.95)), "p": p}  # fmt: skip
            rows.append(row)
    told = pd.DataFrame(rows)
    known = told["p"].notna()
    told["p_adjusted"] = np.nan
    if known.any():
        told.loc[known, "p_adjusted"] = false_discovery_control(told.loc[known, "p"].to_numpy(dtype=float))
    told["beyond"] = told["p_adjusted"] < 0.05
    return told


def _by_chance(labels: pd.Series, groups: Sequence[str], measure: str, table: _Table, generator: np.random.Generator) -> np.ndarray:
    """Give the largest difference between groups in shuffles of the label among the students whom the measure is about."""
    about, value = {
        "selection_rate": (np.ones(len(labels), dtype=bool), table.invited),
        "recall": (table.left > 0, table.invited),
        "precision": (table.invited > 0, table.left),
        "calibration_gap": (np.ones(len(labels), dtype=bool), table.left - table.probability),
    }[measure]
    chosen = about & labels.isin(groups).to_numpy()
    place = pd.Categorical(labels[chosen], categories=list(groups)).codes.astype(np.int64)
    figures = value[chosen]
    sizes = np.bincount(place, minlength=len(groups))
    found = np.empty(SHUFFLES)
    for shuffle in range(SHUFFLES):
        means = np.bincount(generator.permutation(place), weights=figures, minlength=len(groups)) / sizes
        found[shuffle] = means.max() - means.min()
    return found


def _alternative(other: List, labels: pd.DataFrame, table: _Table, figures: pd.DataFrame, draws: np.ndarray) -> dict[str, Any]:
    """Hold another list beside the one that is looked at: what it finds, whom it keeps, and how far groups stand apart."""
    invited, left = other.invited.astype(float), table.left
    gained = (invited - table.invited) * left
    more = draws.astype(float) @ gained
    low, high = np.quantile(more, [0.025, 0.975])
    row: dict[str, Any] = {
        "name": other.name, "kind": other.kind, "found": int((invited * left).sum()), "more_found": float(gained.sum()),
        "more_found_low": float(low), "more_found_high": float(high), "same": float((invited * table.invited).sum() / invited.sum()),
    }  # fmt: skip
    singles = figures[figures["attribute_2"] == ""]
    for attribute in labels:
        for measure, (about, value) in {"selection_rate": (np.ones(len(left)), invited), "recall": (left, invited)}.items():
            shown = singles[(singles["attribute"] == attribute) & singles[measure].notna()]["group"]
            sums = [
                (float((about * value * (labels[attribute] == group)).sum()), float((about * (labels[attribute] == group)).sum()))
                for group in shown
            ]
            safe = len(sums) > 1 and all(above >= FEWEST and below - above >= FEWEST for above, below in sums)
            rates = [above / below for above, below in sums] if safe else []
            row[f"{measure}:{attribute}"] = max(rates) - min(rates) if rates else np.nan
    return row


def as_json(told: Audit, about: Mapping[str, Any], proxies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Give the audit as plain values that other programs read: aggregates alone, None where nothing may be told."""

    def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
        return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]

    return {
        "about": dict(about), "overall": {name: _plain(value) for name, value in told.overall.items()}, "groups": records(told.figures),
        "differences": records(told.differences), "alternatives": records(told.alternatives), "proxies": [dict(each) for each in proxies],
        "left_out": dict(told.left_out), "fewest": FEWEST,
    }  # fmt: skip


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
