"""How often one caller may ask: counted per minute over all processes that serve together, so that no system can starve the others.

Each process counts in a file of its own, which the others read: a table of a few thousand cells, in which a caller has a cell in each of two rows and
the smaller of the two counts (a count-min sketch; Cormode and Muthukrishnan, 2005, Journal of Algorithms 55). So nobody waits for a lock, no caller's
name is kept, and a caller who shares a cell with a busy one is not taken for them unless both cells are shared. A number is written whole, and only by
the process that owns the file.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from serving.problems import Problem

MINUTE = 60.0
_CELLS, _ROWS = 4096, 2
_BYTES = 8 * _CELLS * _ROWS
_COUNT = (1 << 32) - 1
_NAME = "rates-*.cells"


class Rates:
    """Counts requests by caller.

    Parameters
    ----------
    most : int
        Requests a minute that one caller may make of all processes together.
    folder : Path, optional
        Where the processes that serve together count; without it this one serves alone.
    clock : callable
        Gives seconds that never go back, whatever is done to the time of day, and are the same in every process of this machine.
    """

    def __init__(self, most: int, folder: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self._folder = folder
        self._own = memoryview(bytearray(_BYTES)).cast("Q") if folder is None else _opened(folder / _own_name())
        self._others: list[memoryview] = []
        self._seen = -1
        self._places: dict[str, tuple[int, int]] = {}

    def count(self, caller: str) -> None:
        """Count one request.

        Raises
        ------
        Problem
            It is one too many (429), with the seconds after which the next one may come.
        """
        at = self._clock()
        minute = int(at // MINUTE)
        places = self._places_of(caller)
        for place in places:
            self._own[place] = (minute << 32) | min(_COUNT, _counted(self._own[place], minute) + 1)
        tables = [self._own, *self._together()]
        if min(sum(_counted(table[place], minute) for table in tables) for place in places) <= self.most:
            return
        wait = max(1, math.ceil((minute + 1) * MINUTE - at))
        detail = f"More than {self.most} requests a minute. Wait {wait} seconds."
        raise Problem(429, "too-many-requests", detail, headers={"Retry-After": str(wait)})

    def _places_of(self, caller: str) -> tuple[int, int]:
        found = self._places.get(caller)
        if found is None:
            if len(self._places) > _CELLS:
                self._places.clear()
            digest = hashlib.blake2b(caller.encode(), digest_size=8).digest()
            found = int.from_bytes(digest[:4], "big") % _CELLS, _CELLS + int.from_bytes(digest[4:], "big") % _CELLS
            self._places[caller] = found
        return found

    def _together(self) -> Iterable[memoryview]:
        """Give the tables of the other processes; a new one shows by the folder's time."""
        if self._folder is None:
            return ()
        changed = self._folder.stat().st_mtime_ns
        if changed != self._seen:
            self._seen, self._others = changed, []
            for path in sorted(self._folder.glob(_NAME)):
                if path.name != _own_name():
                    with suppress(OSError, ValueError):  # just being made: the folder's time will tell again
                        self._others.append(_opened(path, make=False))
        return self._others


def _own_name() -> str:
    return _NAME.replace("*", str(os.getpid()))


def _counted(cell: int, minute: int) -> int:
    return cell & _COUNT if cell >> 32 == minute else 0


def _opened(path: Path, *, make: bool = True) -> memoryview:
    """Give a table that lies in a file; a new one comes under its name only once it has its whole length."""
    if make:
        fresh = path.with_suffix(".new")
        fresh.write_bytes(bytes(_BYTES))
        fresh.replace(path)
    with path.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), _BYTES)).cast("Q")
