"""Exact interventional Shapley values in log-odds, against one background.

With a background of training students, the value of a set of columns is the mean decision when these columns are the student's own and the others a
background student's (Lundberg et al., 2020, 'From local explanations to global understanding', Nature Machine Intelligence 2). For a linear
model that is a difference of means. For a tree of few leaves it depends only on which way each split goes, for the student and for the
background: so a table per tree is made once, and explaining is looking up.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np

from riskmodel.families.boosted import Trees, pattern_bits

_CHUNK = 8192


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
        return table / table.sum(axis=1, keepdims=True)


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

    def decision(self, X: np.ndarray) -> np.ndarray:
        """Give log-odds, shape (n,)."""
        return self._values[self._place, self.trees.patterns(X)].sum(axis=1)

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Give contributions of columns, shape (n, columns); with the baseline they add up to `decision`."""
        n, p = X.shape
        if n == 1:
            found = self.table[self._place, self.trees.patterns(X)[0]]
            return np.bincount(self.columns.ravel(), weights=found.ravel(), minlength=p)[None, :]
        out = np.zeros((n, p))
        for start in range(0, n, _CHUNK):
            rows = slice(start, start + _CHUNK)
            patterns = self.trees.patterns(X[rows])
            part = np.zeros((p, patterns.shape[0]))
            for tree in range(patterns.shape[1]):
                found = self.table[tree][patterns[:, tree]]
                for place, column in enumerate(self.columns[tree]):
                    part[column] += found[:, place]
            out[rows] = part.T
        return out


def _tables(trees: Trees, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give contributions per tree, pattern and place, and the column that each place stands for."""
    bits = pattern_bits(trees.splits)
    table = np.zeros((len(trees.column), 1 << trees.splits, trees.splits))
    columns = np.zeros((len(trees.column), trees.splits), dtype=np.intp)
    shares = _shares(trees.splits)
    for tree in range(len(trees.column)):
        used = [split for split in range(trees.splits) if (trees.wants[tree, :, split] >= 0).any()]
        own = sorted({int(trees.column[tree, split]) for split in used})
        if not own:
            continue
        columns[tree, : len(own)] = own
        leaves = [leaf for leaf in range(trees.value.shape[1]) if trees.value[tree, leaf] != 0.0 and (trees.wants[tree, leaf] >= 0).any()]
        fits = np.ones((len(bits), len(leaves), len(own)), dtype=bool)
        asked = np.zeros((len(leaves), len(own)), dtype=bool)
        for place, leaf in enumerate(leaves):
            for split in used:
                want = trees.wants[tree, leaf, split]
                if want >= 0:
                    column = own.index(int(trees.column[tree, split]))
                    asked[place, column] = True
                    fits[:, place, column] &= bits[:, split] == want
        present = np.flatnonzero(weights[tree])
        student, others = fits[:, None], fits[None, present]
        only_student = student & ~others
        only_others = ~student & others
        reachable = ((student | others) | ~asked).all(axis=3)
        ups, downs = only_student.sum(axis=3), only_others.sum(axis=3)
        scale = reachable * trees.value[tree, leaves] * weights[tree, present][None, :, None]
        table[tree, :, : len(own)] = np.einsum("pbl,pblj->pj", scale * shares[ups, downs], only_student) - np.einsum(
            "pbl,pblj->pj", scale * shares[downs, ups], only_others
        )
    return table, columns


def _shares(most: int) -> np.ndarray:
    """Give the weight of one of `a` columns that open a leaf while `b` close it: (a - 1)! b! / (a + b)!."""
    table = np.zeros((most + 1, most + 1))
    for a in range(1, most + 1):
        for b in range(most + 1):
            table[a, b] = factorial(a - 1) * factorial(b) / factorial(a + b)
    return table
