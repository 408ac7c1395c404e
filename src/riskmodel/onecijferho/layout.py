"""The description that a delivery brings of its own fixed-width file: which field stands where. Knows no field by position.

A description ('Bestandsbeschrijving_1cyferho_...txt') holds a table of name, start (from 1) and length in columns of text, headed by a line with
'Startpositie' and 'Aantal posities'. Layouts change by year, so positions are read from here and from nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from riskmodel.errors import DataFault
from riskmodel.onecijferho.fields import find

_ROW = re.compile(r"^\s*(?P<name>\S.*?)\s+(?P<start>\d{1,5})\s+(?P<length>\d{1,4})\s*(?:\(?\*+\)?)?\s*$")
_HEADER = ("startpositie", "aantal posities")
_LARGEST = 4 << 20
REMEDY = "Give the description that came with the delivery (Bestandsbeschrijving_1cyferho_...txt), as it was delivered, with --layout."


@dataclass(frozen=True)
class Layout:
    """Where fields stand in a line.

    Attributes
    ----------
    path : Path
        The description.
    places : mapping of name to (start, length)
        Start counts from 1.
    """

    path: Path
    places: Mapping[str, tuple[int, int]]

    @property
    def width(self) -> int:
        """The position at which a whole line ends."""
        return max(start + length - 1 for start, length in self.places.values())

    def place(self, name: str) -> tuple[int, int] | None:
        """Give start and length of a field, however its name is written, or None where the layout lacks it."""
        told = find(name, self.places)
        return None if told is None else self.places[told]


def read_layout(path: Path) -> Layout:
    """Read a layout description.

    Parameters
    ----------
    path : Path
        A text file in UTF-8 or Windows-1252.

    Raises
    ------
    DataFault
        The file is missing, is no text, or holds no table of positions.
    """
    try:
        raw = path.read_bytes() if path.stat().st_size <= _LARGEST else b""
    except OSError as error:
        raise DataFault(f"this layout can't be read ({error.strerror}).", place=str(path), remedy=REMEDY) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    places: dict[str, tuple[int, int]] = {}
    inside = False
    for line in text.splitlines():
        if all(word in line.lower() for word in _HEADER):
            inside = not places
        elif inside and (row := _ROW.match(line)):
            start, length = int(row["start"]), int(row["length"])
            if start < 1 or length < 1:
                raise DataFault(f"'{row['name']}' stands nowhere ({start}, {length}).", place=str(path), remedy=REMEDY)
            places.setdefault(row["name"], (start, length))
        elif inside and places and not line.strip():
            break
    if not places:
        raise DataFault("there is no table with 'Startpositie' and 'Aantal posities' in this file.", place=str(path), remedy=REMEDY)
    return Layout(path, places)


def is_layout(path: Path) -> bool:
    """Tell whether a file is a layout description of enrolment files, by its name."""
    return re.fullmatch(r"bestandsbeschrijving_1cyferho.*\.txt", path.name.lower()) is not None


def layouts_beside(file: Path) -> list[Path]:
    """Give the layout descriptions that lie in the folder of a file."""
    return sorted(path for path in file.absolute().parent.iterdir() if is_layout(path))


def choose_layout(file: Path, longest: int, given: Sequence[Path], fields: Sequence[str]) -> Layout:
    """Find the layout that a file was written in: one as wide as its lines.

    Parameters
    ----------
    file : Path
        The fixed-width file.
    longest : int
        Length of its longest line, as far as was looked.
    given : sequence of Path
        Descriptions named by the user; those beside the file by default.
    fields : sequence of str
        Fields that will be read; two layouts that agree on them are as good as one.

    Raises
    ------
    DataFault
        There is none, none is as wide as the lines, or several fit and differ.
    """
    paths = list(given) or layouts_beside(file)
    if not paths:
        raise DataFault("there is no layout description beside this file.", place=str(file), remedy=REMEDY)
    layouts = [read_layout(path) for path in paths]
    fitting = [layout for layout in layouts if layout.width == longest]
    if not fitting:
        # Spaces at the end of lines are lost on some ways; a line that is longer than its layout belongs to another.
        wider = [layout for layout in layouts if layout.width > longest]
        least = min((layout.width for layout in wider), default=0)
        fitting = [layout for layout in wider if layout.width == least]
    if not fitting:
        told = ", ".join(f"{layout.path.name} describes {layout.width}" for layout in layouts)
        raise DataFault(
            f"its lines hold {longest} positions, and {told}: that is another delivery's layout.", place=str(file), remedy=REMEDY
        )
    if len({tuple(layout.place(name) for name in fields) for layout in fitting}) > 1:
        told = ", ".join(layout.path.name for layout in fitting)
        raise DataFault(f"{told} all fit this file and differ.", place=str(file), remedy="Say with --layout which one came with it.")
    return fitting[-1]
