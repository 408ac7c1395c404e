"""How often one caller may ask: counted per process and minute, so that no system can starve the others."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from serving.problems import Problem


class Rates:
    """Counts requests by caller.

    Parameters
    ----------
    most : int
        Requests a minute that one caller may make of this process.
    """

    def __init__(self, most: int) -> None:
        self._item = RateLimitItemPerMinute(most)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def count(self, caller: str) -> None:
        """Count one request.

        Raises
        ------
        Problem
            It is one too many (429), with the seconds after which the next one may come.
        """
        if self._limiter.hit(self._item, caller):
            return
        # Rounded up: who comes back to the dot finds a new minute.
        wait = max(1, math.floor(self._limiter.get_window_stats(self._item, caller).reset_time - time.time()) + 1)
        detail = f"More than {self._item.amount} requests a minute. Wait {wait} seconds."
        raise Problem(429, "too-many-requests", detail, headers={"Retry-After": str(wait)})
