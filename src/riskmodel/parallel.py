"""Work on several things at once in threads; knows nothing of what the work is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST = 4


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Give what `work` gives for each item, in the order of the items, with as many at once as there are cores, at most four.

    Parameters
    ----------
    work : callable
        Spends its time in NumPy, LightGBM or DuckDB, which let other threads go on.
    items : iterable

    Raises
    ------
    Exception
        What `work` raised first in the order of the items; what has not begun by then is not begun.
    """
    pool = ThreadPoolExecutor(max(1, min(MOST, os.cpu_count() or 1)))
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
