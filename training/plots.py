"""Pictures of what a model is worth: calibration, gain at capacity, and reasons overall. Nothing else draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from riskmodel.baselines import baseline_scores
from riskmodel.metrics import recall_at_capacity
from riskmodel.model import RiskModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by colour-blind people as well.
COLOURS = {"model": "#0072B2", "first_test": "#D55E00", "prior_education": "#009E73", "lot": "#777777"}
NAMES = {"model": "model", "first_test": "first test failed or missed", "prior_education": "prior education alone", "lot": "lot"}
_GROUPS = 10


def _axes(count: int, title: str) -> tuple[Figure, np.ndarray]:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    columns = min(count, 4)
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.4 * columns, 3.3 * rows), squeeze=False, layout="constrained")
    figure.suptitle(title)
    for unused in axes.ravel()[count:]:
        unused.set_axis_off()
    return figure, axes.ravel()


def calibration(model: RiskModel, frames: Mapping[int, pd.DataFrame]) -> Figure:
    """Draw what was predicted against what happened, in tenths of predicted risk with 95 % intervals, for each landmark."""
    figure, axes = _axes(len(frames), f"{model.target}: predicted and observed, test cohort")
    for axis, (landmark, frame) in zip(axes, frames.items(), strict=False):
        known = frame[frame[model.target].notna()]
        probability, y = model.probability(known, landmark), known[model.target].to_numpy(dtype=float)
        group = np.minimum((pd.Series(probability).rank(method="first").to_numpy() - 1) * _GROUPS // len(y), _GROUPS - 1)
        table = (
            pd.DataFrame({"group": group, "p": probability, "y": y}).groupby("group").agg(p=("p", "mean"), y=("y", "mean"), n=("y", "size"))
        )
        spread = 1.96 * np.sqrt(table["y"] * (1 - table["y"]) / table["n"])
        top = max(0.05, float((table[["p", "y"]].max()).max()) * 1.15)
        axis.plot([0, top], [0, top], color="#999999", linewidth=1)
        axis.errorbar(table["p"], table["y"], yerr=spread, fmt="o", color=COLOURS["model"], markersize=4, linewidth=1)
        axis.set(title=f"day {landmark}", xlabel="predicted", ylabel="observed", xlim=(0, top), ylim=(0, None))
    return figure


def gain(model: RiskModel, frames: Mapping[int, pd.DataFrame], capacity: float) -> Figure:
    """Draw which share of all leavers is reached as the list grows, beside what schools do by hand, for each landmark."""
    figure, axes = _axes(len(frames), f"{model.target}: leavers reached, test cohort")
    shares = np.linspace(0.0, 1.0, 51)[1:]
    for axis, (landmark, frame) in zip(axes, frames.items(), strict=False):
        known = frame[frame[model.target].notna()]
        y = known[model.target].to_numpy(dtype=float)
        rates = model.facts.prior_education_rates.get(str(landmark), {})
        scores: dict[str, Any] = {"model": model.decision(known, landmark)}
        scores |= {name: baseline_scores(known, name, rates) for name in ("first_test", "prior_education", "lot")}
        for name, score in scores.items():
            if score is not None:
                reached = [recall_at_capacity(y, score, share) for share in shares]
                axis.plot(
                    100 * shares, 100 * np.array(reached), color=COLOURS[name], label=NAMES[name], linewidth=2 if name == "model" else 1.2
                )
        axis.axvline(100 * capacity, color="#bbbbbb", linewidth=1, linestyle=":")
        axis.set(title=f"day {landmark}", xlabel="% of students invited", ylabel="% of leavers reached", xlim=(0, 100), ylim=(0, 100))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def reasons_overall(model: RiskModel, frames: Mapping[int, pd.DataFrame]) -> Figure:
    """Draw how much each feature moves scores on average, in log-odds, for each landmark."""
    figure, axes = _axes(len(frames), f"{model.target}: mean size of each feature's contribution (log-odds)")
    for axis, (landmark, frame) in zip(axes, frames.items(), strict=False):
        explanation = model.explain(frame, landmark)
        size = pd.Series(np.abs(explanation.contributions).mean(axis=0), index=list(explanation.features)).nlargest(8)[::-1]
        names = [model.catalogue[name].label_en if name in model.catalogue else name for name in size.index]
        axis.barh([name if len(name) < 34 else name[:32] + "..." for name in names], size, color=COLOURS["model"])
        axis.set_title(f"day {landmark}")
        axis.tick_params(axis="y", labelsize=7)
    return figure


def close(figure: Figure) -> None:
    """Free a picture's memory."""
    from matplotlib import pyplot as plt

    plt.close(figure)
