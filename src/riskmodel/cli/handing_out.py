"""Files of students that leave this machine's hands: marked with purpose, maker and time, and listed before they are written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from riskmodel.cli.context import person, workspace

if TYPE_CHECKING:
    import pandas as pd


class Purpose(StrEnum):
    """What a file of students may be handed out for."""

    INVITATION = "invitation"
    EVALUATION = "evaluation"
    CHECK = "check"


def hand_out(tables: Mapping[str, pd.DataFrame], output: Path, purpose: Purpose, *, students: int) -> list[Path]:
    """Write tables to a file, with purpose and mark in each row, and list that they were handed out.

    Parameters
    ----------
    tables : mapping of name to pandas.DataFrame
        The main table first.
    output : Path
        In one of the formats of `riskmodel.output`.
    purpose : Purpose
    students : int
        How many are in it.

    Returns
    -------
    list of Path
        What was written.
    """
    from riskmodel.handed_out import HandedOut, at_text, marked, new_mark, note
    from riskmodel.output import write_output

    export = HandedOut(new_mark(), at_text(dt.datetime.now(dt.UTC)), person(), purpose.value, (output.name,), students)
    note(workspace().handed_out, export)
    return write_output(marked(tables, export), output)
