"""Pictures of what a model is worth: calibration, gain at capacity, and reasons overall. Nothing else draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from riskmodel.baselines import baseline_scores
from riskmodel.explain.reasons import Teller
from riskmodel.explain.words import load_words
from riskmodel.metrics import gain_curve
from riskmodel.model import RiskModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by colour-blind people as well; and each line has a stroke of its own.
COLOURS = {"model": "#0072B2", "first_test": "#D55E00", "prior_education": "#009E73", "lot": "#666666"}
STROKES: dict[str, Any] = {"model": "-", "first_test": "--", "prior_education": "-.", "lot": ":"}
NAMES = {"model": "model", "first_test": "first test failed or missed", "prior_education": "prior education alone", "lot": "lot"}
_GROUPS = 10
_Z95 = 1.96


def _axes(count: int, title: str) -> tuple[Figure, np.ndarray]:
    from matplotlib import pyplot as plt

    plt.switch_backend("Agg")
    columns = min(count, 4)
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.4 * columns, 3.3 * rows), squeeze=False, layout="constrained")
    figure.suptitle(title)
    for unused in axes.ravel()[count:]:
        unused.set_axis_off()
    return figure, axes.ravel()


def _wilson(share: np.ndarray, students: np.ndarray) -> np.ndarray:
    """Give the lower and upper end of a share's 95 % interval (Wilson, 1927), shape (2, n)."""
    squared = _Z95**2 / students
    middle = (share + squared / 2) / (1 + squared)
    half = _Z95 * np.sqrt(share * (1 - share) / students + squared / (4 * students)) / (1 + squared)
    return np.stack([middle - half, middle + half])


def calibration(model: RiskModel, frames: Mapping[int, pd.DataFrame]) -> Figure:
    """Draw what was predicted against what happened, in tenths of predicted risk with 95 % intervals, for each landmark."""
    figure, axes = _axes(len(frames), f"{model.target}: predicted and observed share of leavers in the test cohort, with 95 % intervals")
    for axis, (landmark, frame) in zip(axes, frames.items(), strict=False):
        known = frame[frame[model.target].notna()]
        probability, y = model.probability(known, landmark), known[model.target].to_numpy(dtype=float)
        group = np.minimum((pd.Series(probability).rank(method="first").to_numpy() - 1) * _GROUPS // max(len(y), 1), _GROUPS - 1)
        table = (
            pd.DataFrame({"group": group, "p": probability, "y": y}).groupby("group").agg(p=("p", "mean"), y=("y", "mean"), n=("y", "size"))
        )
        ends = _wilson(table["y"].to_numpy(), table["n"].to_numpy())
        top = max(0.05, float(table["p"].max()), float(ends.max(initial=0.0))) * 1.05
        axis.plot([0, top], [0, top], color="#999999", linewidth=1)
        spread = np.abs(ends - table["y"].to_numpy())
        axis.errorbar(table["p"], table["y"], yerr=spread, fmt="o", color=COLOURS["model"], markersize=4, linewidth=1)
        axis.set(title=f"day {landmark}", xlabel="predicted", ylabel="observed", xlim=(0, top), ylim=(0, top))
    return figure


def gain(model: RiskModel, frames: Mapping[int, pd.DataFrame], capacity: float) -> Figure:
    """Draw which share of all leavers is reached as the list grows, beside what schools do by hand, for each landmark."""
    figure, axes = _axes(
        len(frames), f"{model.target}: leavers reached in the test cohort; dotted, talks for {100 * capacity:g} % of the students"
    )
    lines: dict[str, Any] = {}
    for axis, (landmark, frame) in zip(axes, frames.items(), strict=False):
        known = frame[frame[model.target].notna()]
        y = known[model.target].to_numpy(dtype=float)
        rates = model.facts.prior_education_rates.get(str(landmark), {})
        scores: dict[str, Any] = {"model": model.decision(known, landmark)}
        scores |= {name: baseline_scores(known, name, rates) for name in ("first_test", "prior_education", "lot")}
        for name, score in scores.items():
            if score is not None:
                invited, reached = gain_curve(y, score)
                width = 2.0 if name == "model" else 1.3
                (lines[name],) = axis.plot(100 * invited, 100 * reached, STROKES[name], color=COLOURS[name], linewidth=width)
        axis.axvline(100 * capacity, color="#999999", linewidth=1, linestyle=":")
        axis.set(title=f"day {landmark}", xlabel="% of students invited", ylabel="% of leavers reached", xlim=(0, 100), ylim=(0, 100))
    shown = [name for name in NAMES if name in lines]
    figure.legend([lines[name] for name in shown], [NAMES[name] for name in shown], loc="outside lower center", ncols=4, frameon=False)
    return figure


def reasons_overall(model: RiskModel, frames: Mapping[int, pd.DataFrame]) -> Figure:
    """Draw how much each reason moves scores on average, in log-odds, at each landmark, the largest first."""
    words = load_words("en")
    teller = Teller(model.catalogue, model.design.features, words)
    sizes = pd.DataFrame(
        {f"day {day}": np.abs(teller.contributions(model.explain(frame, day))).mean(axis=0) for day, frame in frames.items()},
        index=list(teller.keys),
    )
    sizes = sizes.loc[sizes.mean(axis=1).sort_values(ascending=False).index]
    figure, axes = _axes(1, f"{model.target}: how much each reason moves a score on average (log-odds)")
    figure.set_size_inches(4.5 + 0.9 * len(frames), 1.5 + 0.36 * len(sizes))
    axis, top = axes[0], float(sizes.to_numpy().max(initial=1e-9))
    axis.imshow(sizes, cmap="Blues", vmin=0.0, vmax=top, aspect="auto")
    axis.set_xticks(range(len(sizes.columns)), sizes.columns)
    labels = {feature.reason: feature.label_en for feature in model.catalogue.values()}
    axis.set_yticks(range(len(sizes)), [labels[key] if key.startswith("extra.") else words.label(key) for key in sizes.index])
    for (row, column), size in np.ndenumerate(sizes.to_numpy()):
        axis.text(column, row, f"{size:.2f}", ha="center", va="center", color="white" if size > 0.7 * top else "black")
    return figure


def close(figure: Figure) -> None:
    """Free a picture's memory."""
    from matplotlib import pyplot as plt

    plt.close(figure)
