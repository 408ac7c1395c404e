"""How often one caller may ask: counted per process and minute, so that no system can starve the others."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from serving.problems import Problem

MINUTE = 60.0


class Rates:
    """Counts requests by caller.

    Parameters
    ----------
    most : int
        Requests a minute that one caller may make of this process.
    clock : callable
        Gives seconds that never go back, whatever is done to the time of day.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}  # when the caller's minute began, and the requests in it

    def count(self, caller: str) -> None:
        """Count one request.

        Raises
        ------
        Problem
            It is one too many (429), with the seconds after which the next one may come.
        """
        at = self._clock()
        began, requests = self._seen.get(caller, (at, 0))
        if at - began >= MINUTE:
            began, requests = at, 0
        self._seen[caller] = (began, requests + 1)
        if requests < self.most:
            return
        # Rounded up: who comes back to the dot finds a new minute.
        wait = max(1, math.floor(began + MINUTE - at) + 1)
        detail = f"More than {self.most} requests a minute. Wait {wait} seconds."
        raise Problem(429, "too-many-requests", detail, headers={"Retry-After": str(wait)})
