"""Exact interventional Shapley values in log-odds, against one background.

With a background of training students, the value of a set of columns is the mean decision when these columns are the student's own and
the others a background student's (Lundberg et al., 2020, 'From local explanations to global understanding', Nature Machine Intelligence 2).
For a linear model that is a difference of means. For a tree of few leaves it depends only on which way each split goes, for the student and
for the background: so a table per tree is made once, and explaining is looking up.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np

from riskmodel.families.boosted import Trees, chunks, pattern_bits

# Up to so many rows contributions are added up over all trees at once, beyond that tree by tree, which then reads memory in its order.
_AT_ONCE = 256


@dataclass(frozen=True)
class PatternCounts:
    """How often each pattern of splits occurs in the background: all that explanations need to keep of it; no student's row.

    Attributes
    ----------
    tree, pattern : numpy.ndarray of int, shape (k,)
        A tree and a pattern of its splits.
    count : numpy.ndarray of int, shape (k,)
        Background students with that pattern.
    """

    tree: np.ndarray
    pattern: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, trees: Trees, background: np.ndarray) -> PatternCounts:
        """Count the patterns of a background, shape (students, columns)."""
        patterns = trees.patterns(background)
        keys = patterns + (np.arange(patterns.shape[1]) << trees.splits)
        found, counts = np.unique(keys, return_counts=True)
        return cls(found >> trees.splits, found & ((1 << trees.splits) - 1), counts)

    def weights(self, trees: Trees) -> np.ndarray:
        """Give shares per tree and pattern, shape (trees, 2 ** splits)."""
        table = np.zeros((len(trees.column), 1 << trees.splits))
        table[self.tree, self.pattern] = self.count
        return np.asarray(table / table.sum(axis=1, keepdims=True))


class TreeExplainer:
    """Contributions of columns to what trees say, by a table per tree.

    Parameters
    ----------
    trees : Trees
    weights : numpy.ndarray, shape (trees, 2 ** splits)
        Share of the background with each pattern.
    """

    def __init__(self, trees: Trees, weights: np.ndarray) -> None:
        self.trees = trees
        values = trees.leaf_values()
        self.baseline = float((values * weights).sum())
        self._values = values
        self._place = np.arange(len(trees.column))
        # A tree that looks at one column several times is told on that column once.
        self.table, self.columns = _tables(trees, weights)
        self._by_column = np.argsort(self.columns, axis=None, kind="stable")
        self._looked_at, self._begins = np.unique(self.columns.ravel()[self._by_column], return_index=True)

    def decision(self, X: np.ndarray) -> np.ndarray:
        """Give log-odds, shape (n,)."""
        return self.trees.sum_of(self._values, X)

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Give contributions of columns, shape (n, columns); with the baseline they add up to `decision`."""
        n, p = X.shape
        out = np.zeros((n, p))
        if n <= _AT_ONCE:
            # Tree after tree would cost the same for one row as for a hundred; these are added up in one go, column after column.
            found = self.table[self._place, self.trees.patterns(X)].reshape(n, -1)
            out[:, self._looked_at] = np.add.reduceat(found[:, self._by_column], self._begins, axis=1)
            return out
        for rows in chunks(n):
            patterns = self.trees.patterns(X[rows])
            part = np.zeros((p, patterns.shape[0]))
            for tree in range(patterns.shape[1]):
                found = self.table[tree][patterns[:, tree]]
                for place, column in enumerate(self.columns[tree]):
                    part[column] += found[:, place]
            out[rows] = part.T
        return out


def _tables(trees: Trees, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give contributions per tree, pattern and place, and the column that each place stands for.

    A leaf asks something of a few columns. Whether each of these columns meets what it asks is the leaf's signature of a pattern; what
    a column contributes depends on the student's signature and the background's alone, and is the same in every leaf of as many columns.
    """
    bits = pattern_bits(trees.splits).astype(np.int8)
    table = np.zeros((len(trees.column), len(bits), trees.splits))
    columns = np.zeros((len(trees.column), trees.splits), dtype=np.intp)
    kernels = {}
    for tree in range(len(trees.column)):
        wants, looked_at = trees.wants[tree], trees.column[tree].tolist()
        places: dict[int, int] = {}
        for leaf in np.flatnonzero(trees.value[tree]):
            asked: dict[int, list[int]] = {}
            for split in np.flatnonzero(wants[leaf] >= 0).tolist():
                asked.setdefault(looked_at[split], []).append(split)
            if not asked:
                continue
            signature = np.zeros(len(bits), dtype=np.intp)
            for place, splits in enumerate(asked.values()):
                signature += (bits[:, splits] == wants[leaf, splits]).all(axis=1).astype(np.intp) << place
            if len(asked) not in kernels:
                kernels[len(asked)] = _kernel(len(asked))
            background = np.bincount(signature, weights=weights[tree], minlength=1 << len(asked))
            told = trees.value[tree, leaf] * (kernels[len(asked)] @ background)
            own = [places.setdefault(column, len(places)) for column in asked]
            table[tree][:, own] += told[signature]
        columns[tree, : len(places)] = list(places)
    return table, columns


def _kernel(asked: int) -> np.ndarray:
    """Give what each column of a leaf of value 1 contributes, by signature, shape (the student's, columns, the background's).

    A set of columns reaches the leaf when it holds all `a` that only the student meets and none of the `b` that only the background meets.
    So one of the former contributes (a - 1)! b! / (a + b)!, one of the latter minus a! (b - 1)! / (a + b)!, and a column that neither
    meets closes the leaf for good.
    """
    met = pattern_bits(asked).astype(bool)
    student, background = met[:, None, :], met[None, :, :]
    opens, closes = student & ~background, ~student & background
    reachable = (student | background).all(axis=2)
    a, b = opens.sum(axis=2), closes.sum(axis=2)
    share = np.zeros((asked + 1, asked + 1))
    for some in range(1, asked + 1):
        for others in range(asked + 1 - some):
            share[some, others] = factorial(some - 1) * factorial(others) / factorial(some + others)
    told = (share[a, b] * reachable)[:, :, None] * opens - (share[b, a] * reachable)[:, :, None] * closes
    return np.ascontiguousarray(told.transpose(0, 2, 1))
