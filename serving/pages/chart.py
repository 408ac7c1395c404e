"""Where bars and marks of the time line stand, in the picture's own units. Knows nothing of HTML."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

LEFT, TOP, BAR, GAP, AXIS = 34, 12, 30, 10, 150


@dataclass(frozen=True)
class Bar:
    """One week."""

    label: str
    x: int
    width: int
    scheduled_y: float
    scheduled_height: float
    attended_y: float
    attended_height: float
    usual_y: float | None
    tests: list[int] = field(default_factory=list)
    contacts: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    """One line of the grid."""

    y: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A whole time line."""

    width: int
    height: int
    left: int
    axis_y: int
    bars: list[Bar]
    lines: list[Line]


@dataclass(frozen=True)
class WeekFacts:
    """What one week's bar shows."""

    monday: dt.date
    scheduled: float
    attended: float
    usual: float | None
    tests: int
    contacts: int = 0


def draw(weeks: Sequence[WeekFacts]) -> Chart:
    """Lay out a time line: a bar per week, a mark where the programme usually is, a diamond per test and a circle per contact."""
    most = max([week.scheduled for week in weeks] + [1.0])
    step = 1 if most <= 5 else 2 if most <= 10 else 5 if most <= 30 else 20
    top = -(-most // step) * step
    scale = (AXIS - TOP) / top
    bars = []
    for place, week in enumerate(weeks):
        x = LEFT + GAP + place * (BAR + GAP)
        scheduled, attended = week.scheduled * scale, week.attended * scale
        usual = None if week.usual is None or not week.scheduled else AXIS - week.usual * scale
        label = str(week.monday.isocalendar().week)
        bars.append(
            Bar(
                label,
                x,
                BAR,
                AXIS - scheduled,
                scheduled,
                AXIS - attended,
                attended,
                usual,
                list(range(week.tests)),
                list(range(week.tests, week.tests + week.contacts)),
            )
        )
    marks = max([week.tests + week.contacts for week in weeks] + [0])
    lines = [Line(AXIS - value * scale, str(int(value))) for value in range(0, int(top) + 1, step)]
    width = max(LEFT + GAP + len(weeks) * (BAR + GAP), 400)
    return Chart(width, AXIS + 26 + 16 * max(marks, 1) if marks else AXIS + 24, LEFT, AXIS, bars, lines)
