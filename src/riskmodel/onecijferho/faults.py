"""DuckDB's errors as ones that a person can mend: no room on a disk, or in memory."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

import duckdb

from riskmodel.errors import RiskModelError
from riskmodel.files import writing_fault


@contextlib.contextmanager
def told(place: Path | str) -> Iterator[None]:
    """Say where there was no room.

    Parameters
    ----------
    place : Path or str
        Where this is written.

    Raises
    ------
    RiskModelError
        The disk is full, or the work does not fit in the memory that it may use.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise RiskModelError(
            "this does not fit in the memory that it may use.",
            place=str(place),
            remedy="Give it more with --memory-limit, or free the disk it spills to.",
        ) from error
    except duckdb.Error as error:
        if "no space left" in str(error).lower():
            raise writing_fault(OSError(errno.ENOSPC, ""), place) from error
        raise
