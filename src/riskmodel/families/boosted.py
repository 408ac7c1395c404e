"""Boosted trees by LightGBM: monotone where the catalogue gives a direction, and so shallow that each tree is a small table.

What is not known goes where the training mean goes, as in the logistic regression: that something is unknown says nothing by itself.
Otherwise trees learn it from students who missed a test, and hold it against those whose programme has not tested yet.

A fitted ensemble is LightGBM's own text. It is evaluated here from that text's splits, in the same double precision as LightGBM's, because
a row's leaf depends only on which way each split goes; LightGBM itself is needed for fitting alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from riskmodel.design import rounded
from riskmodel.errors import ModelFault
from riskmodel.families.recipe import BoostedParameters

MOST_SPLITS = 7
FEW = 32
_CHUNK = 4096
_NAN, _NAN_LEFT = 8, 2  # bits of LightGBM's decision_type: NaN is unknown, and goes left


@dataclass(frozen=True)
class Trees:
    """Trees of few leaves, as arrays over (tree, split) and (tree, leaf); short trees are padded.

    Attributes
    ----------
    column : numpy.ndarray of int, shape (trees, splits)
        Column that a split looks at; 0 where there is no split, which no leaf then asks for.
    threshold : numpy.ndarray, shape (trees, splits)
        Values up to it go left.
    unknown_left : numpy.ndarray of bool, shape (trees, splits)
        Whether an unknown value goes left.
    wants : numpy.ndarray of int, shape (trees, leaves, splits)
        What a leaf asks of each split: 1 left, 0 right, -1 does not matter.
    value : numpy.ndarray, shape (trees, leaves)
        What a leaf adds to the log-odds; 0 for padding.
    """

    column: np.ndarray
    threshold: np.ndarray
    unknown_left: np.ndarray
    wants: np.ndarray
    value: np.ndarray

    @property
    def splits(self) -> int:
        """Most splits of any tree."""
        return int(self.column.shape[1])

    def patterns(self, X: np.ndarray) -> np.ndarray:
        """Tell which way each split goes, as one number per row and tree: bit s is 1 where split s goes left.

        Parameters
        ----------
        X : numpy.ndarray, shape (n, columns)

        Returns
        -------
        numpy.ndarray of int, shape (n, trees)
        """
        if len(X) < FEW:
            values = X[:, self.column]
            left = np.where(np.isnan(values), self.unknown_left, values <= self.threshold)
            return np.asarray(left @ (1 << np.arange(self.splits)))
        # Column by column, so that memory is read in its order: six times quicker where there are many rows.
        columns = np.ascontiguousarray(X.T)
        unknown = np.isnan(columns)
        found = np.zeros((len(self.column), len(X)), dtype=np.uint8)
        for split in range(self.splits):
            looked_at = self.column[:, split]
            left = columns[looked_at] <= self.threshold[:, split, None]
            left |= unknown[looked_at] & self.unknown_left[:, split, None]
            found |= left.view(np.uint8) << np.uint8(split)
        return found.T.astype(np.intp)

    def leaf_values(self) -> np.ndarray:
        """Give what each tree adds for each pattern, shape (trees, 2 ** splits)."""
        reached = self.reached()
        return np.asarray(np.einsum("tpl,tl->tp", reached, self.value))

    def reached(self) -> np.ndarray:
        """Tell which leaf each pattern ends in: 1.0 for that leaf, shape (trees, 2 ** splits, leaves)."""
        bits = pattern_bits(self.splits)
        wants = self.wants[:, None, :, :]
        fits = (wants == -1) | (wants == bits[None, :, None, :])
        return np.asarray(fits.all(axis=3) * (self.value != 0.0)[:, None, :], dtype=float)

    def decision(self, X: np.ndarray) -> np.ndarray:
        """Give log-odds, shape (n,)."""
        return self.sum_of(self.leaf_values(), X)

    def sum_of(self, table: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Look up each row's patterns in a table of shape (trees, 2 ** splits) and add up, shape (n,)."""
        out = np.empty(len(X))
        trees = np.arange(len(self.column))
        for rows in chunks(len(X)):
            out[rows] = table[trees, self.patterns(X[rows])].sum(axis=1)
        return out


def chunks(rows: int) -> Iterator[slice]:
    """Cut many rows into pieces that fit in memory whatever their number."""
    for start in range(0, rows, _CHUNK):
        yield slice(start, min(start + _CHUNK, rows))


def pattern_bits(splits: int) -> np.ndarray:
    """Give the bits of every pattern, shape (2 ** splits, splits)."""
    return (np.arange(1 << splits)[:, None] >> np.arange(splits)) & 1


def fit_boosted(X: np.ndarray, y: np.ndarray, signs: np.ndarray, parameters: BoostedParameters, *, seed: int, threads: int) -> str:
    """Grow boosted trees and give them as LightGBM's own text.

    Parameters
    ----------
    X : numpy.ndarray, shape (n, columns)
        NaN where a value is not known: it counts as the mean of those that are, here and when the trees are read.
    y : numpy.ndarray, shape (n,)
        1.0 or 0.0; never weighted by class, which would distort the probability.
    signs : numpy.ndarray, shape (columns,)
        Monotone directions: 1, -1 or 0.
    parameters : BoostedParameters
        Sizes and penalties.
    seed, threads : int
        Together with the data and the processor's type they fix the result to the byte.
    """
    import lightgbm

    settings = {
        "objective": "binary",
        "learning_rate": parameters.learning_rate,
        "num_leaves": parameters.leaves,
        "min_data_in_leaf": min(parameters.least_students_in_leaf, max(1, len(y) // 10)),
        "lambda_l2": parameters.l2,
        "feature_fraction": parameters.feature_fraction,
        "bagging_fraction": parameters.row_fraction,
        "bagging_freq": 1 if parameters.row_fraction < 1 else 0,
        "monotone_constraints": [int(sign) for sign in signs],
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "verbosity": -1,
    }
    missing = np.isnan(X)
    mean = rounded(np.where(missing, 0.0, X).sum(axis=0) / np.maximum((~missing).sum(axis=0), 1))
    data = lightgbm.Dataset(np.where(missing, mean, X), label=y, params={"verbosity": -1}, free_raw_data=True)
    return _unknown_as(mean, str(lightgbm.train(settings, data, num_boost_round=parameters.trees).model_to_string()))


def _unknown_as(usual: np.ndarray, text: str) -> str:
    """Write into LightGBM's text that at each split an unknown value goes where the column's usual value goes."""
    lines, column, threshold = [], [""], [""]
    for line in text.split("\n"):
        name, _, told = line.partition("=")
        if name == "tree_sizes":  # lengths in bytes, which no longer hold; without them LightGBM reads tree by tree
            continue
        if name == "split_feature":
            column = told.split()
        elif name == "threshold":
            threshold = told.split()
        elif name == "decision_type" and told:
            ways = (usual[int(place)] <= float(bound) for place, bound in zip(column, threshold, strict=True))
            line = "decision_type=" + " ".join(str(_NAN | _NAN_LEFT if left else _NAN) for left in ways)
        lines.append(line)
    return "\n".join(lines)


def read_trees(text: str, columns: int) -> Trees:
    """Read LightGBM's text.

    Parameters
    ----------
    text : str
        What `fit_boosted` gave.
    columns : int
        Columns of the design matrix.

    Raises
    ------
    ModelFault
        The text is no LightGBM model, or holds something that this product never fits: linear leaves, categorical splits, zero as unknown,
        more than eight leaves.
    """
    try:
        blocks = text.split("\nTree=")[1:]
        trees = [_fields(block) for block in blocks]
        if not trees:
            raise ValueError("no tree in it")
        splits = max(1, *(int(tree["num_leaves"]) - 1 for tree in trees))
        if splits > MOST_SPLITS:
            raise ValueError("a tree has more than eight leaves")
        shape = (len(trees), splits)
        column, threshold = np.zeros(shape, dtype=np.intp), np.full(shape, -np.inf)
        unknown_left = np.zeros(shape, dtype=bool)
        wants = np.full((len(trees), splits + 1, splits), -1, dtype=np.int8)
        value = np.zeros((len(trees), splits + 1))
        for place, tree in enumerate(trees):
            leaves = int(tree["num_leaves"])
            if tree.get("num_cat", "0") != "0" or tree.get("is_linear", "0") != "0":
                raise ValueError("categorical splits and linear leaves are not read")
            value[place, :leaves] = [float(number) for number in tree["leaf_value"].split()]
            if leaves == 1:
                continue
            features = [int(number) for number in tree["split_feature"].split()]
            if not all(0 <= feature < columns for feature in features):
                raise ValueError("a split looks at a column that is not there")
            bounds = [float(number) for number in tree["threshold"].split()]
            kinds = [int(number) for number in tree["decision_type"].split()]
            here = slice(0, leaves - 1)
            column[place, here], threshold[place, here] = features, bounds
            unknown_left[place, here] = [_unknown_goes_left(kind, bound) for kind, bound in zip(kinds, bounds, strict=True)]
            children = list(zip(map(int, tree["left_child"].split()), map(int, tree["right_child"].split()), strict=True))
            _walk(children, 0, {}, wants[place])
    except (KeyError, ValueError, IndexError) as error:
        raise ModelFault(f"this is no LightGBM text that can be read ({error}).", remedy="Fetch the model folder again, whole.") from None
    return Trees(column, threshold, unknown_left, wants, value)


def _fields(block: str) -> dict[str, str]:
    lines = block.split("\n\n", 1)[0].splitlines()[1:]
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _unknown_goes_left(kind: int, threshold: float) -> bool:
    """Tell where LightGBM sends NaN: bits 2 and 3 hold the missing type (0 none: NaN counts as zero; 2 NaN: by bit 1), bit 0 a category."""
    if kind & 1:
        raise ValueError("categorical splits are not read")
    missing = (kind >> 2) & 3
    if missing == 0:
        return threshold >= 0.0
    if missing == 1:
        raise ValueError("zero as unknown is not read")
    return bool(kind & 2)


def _walk(children: list[tuple[int, int]], node: int, path: dict[int, int], wants: np.ndarray) -> None:
    for goes_left, child in ((1, children[node][0]), (0, children[node][1])):
        below = {**path, node: goes_left}
        if child >= 0:
            _walk(children, child, below, wants)
        else:
            for split, way in below.items():
                wants[~child, split] = way
