"""Exports once handed out: each carries its purpose and a mark by which the file is found again in a list. It knows no student."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from riskmodel.errors import RiskModelError

PURPOSES: Mapping[str, str] = {
    "invitation": "for inviting students to a talk; not for the binding study advice",
    "evaluation": "for measuring whether inviting helps; not for the binding study advice",
    "check": "for checking the model; not for the binding study advice",
}
"""What scores may be handed out for, as a closed list. Deciding on the binding study advice is none of it."""

MARKS = ("purpose", "made_at", "made_by", "mark")
"""The columns of the water mark."""
FILE_NAME = "handed-out.jsonl"


@dataclass(frozen=True)
class HandedOut:
    """One export.

    Attributes
    ----------
    mark : str
        What stands in every row of the file.
    at : str
        When, UTC, ISO 8601.
    by : str
        Who had it made; at the service, whose token it was.
    purpose : str
        A key of `PURPOSES`.
    files : tuple of str
        Their names.
    rows : int
        How many students are in it.
    """

    mark: str
    at: str
    by: str
    purpose: str
    files: tuple[str, ...]
    rows: int


def new_mark() -> str:
    """Draw a mark: 12 hexadecimal digits after 'rm'."""
    return f"rm{secrets.token_hex(6)}"


def water_mark(export: HandedOut) -> dict[str, str]:
    """Give what stands in every row: for what the file may be used and for what not, when and by whom it was made, and the mark."""
    return {"purpose": PURPOSES[export.purpose], "made_at": export.at, "made_by": export.by, "mark": export.mark}


def marked(tables: Mapping[str, pd.DataFrame], export: HandedOut) -> dict[str, pd.DataFrame]:
    """Give the tables with the water mark in every row, so that a part of a file still tells it."""
    return {name: table.assign(**water_mark(export)) for name, table in tables.items()}


def note(listing: Path, export: HandedOut) -> None:
    """Append an export to the list; before the file itself is written, so that none is out that the list does not know."""
    listing.parent.mkdir(parents=True, exist_ok=True)
    with listing.open("ab") as file:  # one write, so that two processes do not mix their lines
        file.write(json.dumps(asdict(export), ensure_ascii=False).encode() + b"\n")


def read_listing(listing: Path) -> list[HandedOut]:
    """Give every export that was handed out, oldest first.

    Raises
    ------
    RiskModelError
        A line is not what `note` writes, other than one cut short at the end.
    """
    if not listing.exists():
        return []
    found = []
    lines = listing.read_text(encoding="utf-8").splitlines()
    for place, line in enumerate(lines, start=1):
        try:
            told = json.loads(line)
            found.append(HandedOut(**{**told, "files": tuple(told["files"])}))
        except (ValueError, KeyError, TypeError):
            if place == len(lines):
                break
            raise RiskModelError(
                f"line {place} is no note of an export.", place=str(listing), remedy="Put the file back from its backup."
            ) from None
    return found


def at_text(at: dt.datetime) -> str:
    """Give a moment as it stands in the list."""
    return at.isoformat(timespec="seconds")
