"""Plain pictures as SVG that stands in a page: bars, lines and stacked shares. Knows nothing of what it draws."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by colour-blind people as well; lines have a stroke and stacked parts a hatch of their own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STROKES = ("-", "--", "-.", ":")
_HATCHES = ("", "//", "..", "xx")
_WIDTH = 8.0
_FIGURE = re.compile(r"(<text[^>]*>\s*[-\u2212]?\d+)\.(\d+\s*</text>)")
NARROW = 5.0  # words in a picture of this width can still be read where it shrinks to that of a phone


def drawing(height: float, width: float = _WIDTH) -> tuple[Figure, Axes]:
    """Give an empty picture, as wide as a page unless said otherwise, and its axes; both measures are in inches."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def as_svg(figure: Figure, name: str) -> str:
    """Give the picture as SVG, without names of its own that another picture in the page would carry too."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", text[text.index("<svg") :])


def in_language(page: str, language: str) -> str:
    """Give a page whose pictures write figures as the language does: in Dutch with a decimal comma. Only a picture's text that is one figure changes."""
    return _FIGURE.sub(r"\1,\2", page) if language == "nl" else page


def bars(names: Sequence[str] | pd.Series, values: pd.Series, unit: str, *, upright: bool = False, width: float = _WIDTH) -> str:
    """Draw a bar for each name; one without a value is named and left empty."""
    labels, lengths = [str(name) for name in names], [0.0 if value != value else float(value) for value in values]
    figure, axes = drawing(3.2 if upright else 0.6 + 0.28 * max(len(labels), 1), width)
    places = list(range(len(labels)))
    if upright:
        axes.bar(places, lengths, color=COLOURS[0])
        axes.set_xticks(places, labels, rotation=0 if len(labels) * max(map(len, labels), default=0) < 12 * width else 60)
        axes.set_ylabel(unit)
    else:
        axes.barh(places, lengths, color=COLOURS[0])
        axes.set_yticks(places, labels)
        axes.invert_yaxis()
        axes.set_xlabel(unit)
    return as_svg(figure, unit)


def lines(series: Mapping[str, tuple[Any, Any]], across: str, up: str, *, top: float = 100, width: float = _WIDTH) -> str:
    """Draw a line for each name, upwards to `top`."""
    figure, axes = drawing(3.4, width)
    for place, (name, (x, y)) in enumerate(series.items()):
        axes.plot(x, y, label=name, color=COLOURS[place % len(COLOURS)], linestyle=_STROKES[place % len(_STROKES)])
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_ylim(0, top)
    figure.legend(frameon=False, ncols=min(len(series), 3), loc="outside upper left")
    return as_svg(figure, up)


def spans(panels: Mapping[str, pd.DataFrame], across: str, up: str, *, zero: bool = False) -> str:
    """Draw a panel for each name: points with the ends of their intervals, all panels on the same scale.

    Parameters
    ----------
    panels : mapping of name to pandas.DataFrame
        at, value, low, high; one row per point.
    across, up : str
        What the axes are called.
    zero : bool
        Whether the scale begins at zero; otherwise a line marks it.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    wide = 2 if len(panels) > 1 else 1
    tall = max(1, -(-len(panels) // wide))
    figure = Figure(figsize=(_WIDTH, 0.5 + 2.1 * tall), layout="constrained")
    FigureCanvasSVG(figure)
    grid = figure.subplots(tall, wide, sharex=True, sharey=True, squeeze=False)
    for place, axes in enumerate(grid.ravel()):
        axes.set_visible(place < len(panels))
    for axes, (name, points) in zip(grid.ravel(), panels.items(), strict=False):
        axes.spines[["top", "right"]].set_visible(False)
        if not zero:
            axes.axhline(0, color="#767676", linewidth=1)
        reach = [(points["value"] - points["low"]).clip(lower=0), (points["high"] - points["value"]).clip(lower=0)]
        axes.errorbar(points["at"], points["value"], yerr=reach, fmt="o", markersize=4, capsize=3, color=COLOURS[0])
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_xticks(sorted(set(points["at"])))
        axes.tick_params(labelbottom=True, labelsize=8)
    if zero:
        grid[0, 0].set_ylim(bottom=0)
    figure.supxlabel(across, fontsize=10)
    figure.supylabel(up, fontsize=10)
    return as_svg(figure, up)


def stacked(names: Sequence[str], parts: Sequence[str], shares: pd.DataFrame, unit: str, *, width: float = _WIDTH) -> str:
    """Draw for each name a bar that is parted in shares; the last part is what is not shown, in grey."""
    figure, axes = drawing(1.4 + 0.4 * max(len(names), 1), width)
    places, begun = list(range(len(names))), [0.0] * len(names)
    colours = [*COLOURS[: len(parts) - 1], "#BBBBBB"]
    for place, part in enumerate(parts):
        lengths = [0.0 if value != value else float(value) for value in shares.iloc[:, place]]
        axes.barh(places, lengths, left=begun, label=part, color=colours[place], hatch=_HATCHES[place % len(_HATCHES)], edgecolor="white")
        begun = [before + length for before, length in zip(begun, lengths, strict=True)]
    axes.set_yticks(places, list(names))
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.set_xlim(0, 100)
    figure.legend(frameon=False, ncols=2, loc="outside upper left")
    return as_svg(figure, unit)


def pairs(names: Sequence[str], sides: Mapping[str, Sequence[float]], unit: str) -> str:
    """Draw for each name one bar for each side; a value that is missing leaves its place empty."""
    figure, axes = drawing(1.2 + 0.45 * max(len(names), 1))
    height = 0.8 / max(len(sides), 1)
    for place, (side, values) in enumerate(sides.items()):
        at = [each + (place - (len(sides) - 1) / 2) * height for each in range(len(names))]
        lengths = [0.0 if value != value else float(value) for value in values]
        axes.barh(at, lengths, height=height, label=side, color=COLOURS[place], hatch=_HATCHES[place % len(_HATCHES)], edgecolor="white")
    axes.set_yticks(range(len(names)), list(names))
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    return as_svg(figure, unit)


def intervals(places: Sequence[str], sides: Mapping[str, Sequence[tuple[float, float, float]]], across: str, up: str) -> str:
    """Draw for each place one dot for each side, with the ends of its interval: (value, low, high); a line stands at nought for one side."""
    figure, axes = drawing(3.2)
    for place, (side, values) in enumerate(sides.items()):
        at = [each + (place - (len(sides) - 1) / 2) * 0.18 for each in range(len(places))]
        below = [value - low for value, low, _ in values]
        above = [high - value for value, _, high in values]
        dots = [value for value, _, _ in values]
        axes.errorbar(at, dots, yerr=[below, above], label=side, color=COLOURS[place], fmt="os^D"[place % 4], capsize=3)
    if len(sides) == 1:
        axes.axhline(0.0, color="#767676", linewidth=0.8)
    axes.set_xticks(range(len(places)), list(places))
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    return as_svg(figure, up)


def ranges(
    names: Sequence[str], panels: Mapping[str, Sequence[tuple[float, float, float]]], *, overall: Mapping[str, float] | None = None
) -> str:
    """Draw, beside each other, a point with its interval for each name; one without a value is named and left empty.

    Parameters
    ----------
    names : sequence of str
    panels : mapping of title to values
        Per panel (value, low, high) for each name; NaN where there is none.
    overall : mapping of title to float, optional
        Where a panel's dashed line stands.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, 0.9 + 0.32 * max(len(names), 1)), layout="constrained")
    FigureCanvasSVG(figure)
    places = list(range(len(names)))
    for place, (title, values) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), place + 1)
        axes.spines[["top", "right"]].set_visible(False)
        for at, (value, low, high) in enumerate(values):
            if value == value:
                axes.plot([low, high], [at, at], color=COLOURS[0], linewidth=2, solid_capstyle="butt")
                axes.plot([value], [at], "o", color=COLOURS[0], markersize=6)
        middle = (overall or {}).get(title)
        if middle is not None and middle == middle:
            axes.axvline(middle, color="#565656", linestyle="--", linewidth=1)
        axes.set_yticks(places, list(names) if place == 0 else [""] * len(names))
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_title(title, fontsize=10, loc="left")
        axes.locator_params(axis="x", nbins=5)
    return as_svg(figure, "|".join(panels))
