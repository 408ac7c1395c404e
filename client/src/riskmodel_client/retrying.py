"""Whether and when a request is sent again: never where that could do a thing twice, and never before the service says so."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

# Nothing left this machine, so nothing was done.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_AWAY = frozenset({502, 503, 504})


@dataclass(frozen=True)
class Retries:
    """How patient a client is.

    Attributes
    ----------
    most : int
        How many times a request is sent again.
    first_wait : float
        Seconds before the first time; each further wait is twice as long, and a part of it is drawn, so that clients don't come back together.
    longest_wait : float
        No wait is longer; a service that asks for more is not waited for.
    """

    most: int = 4
    first_wait: float = 0.5
    longest_wait: float = 60.0

    def wait_after(self, tried: int, outcome: httpx.Response | httpx.TransportError, *, repeatable: bool) -> float | None:
        """Give the seconds to wait before a request is sent again, or None where it is not to be.

        Parameters
        ----------
        tried : int
            How many times it was sent.
        outcome : httpx.Response or httpx.TransportError
        repeatable : bool
            Whether doing it twice is the same as doing it once.
        """
        if tried > self.most:
            return None
        wait = min(self.first_wait * 2 ** (tried - 1), self.longest_wait)
        wait *= random.uniform(0.5, 1.0)  # noqa: S311
        if isinstance(outcome, httpx.TransportError):
            return wait if repeatable or isinstance(outcome, _NOT_SENT) else None
        # Too many requests: the service says that it did nothing.
        if outcome.status_code != 429 and not (outcome.status_code in _AWAY and repeatable):
            return None
        asked = _retry_after(outcome.headers.get("retry-after", ""))
        return None if asked > self.longest_wait else max(wait, asked)


def _retry_after(told: str) -> float:
    """Read Retry-After: seconds, or a moment (RFC 9110, section 10.2.3); 0 where it says nothing that can be read."""
    if told.strip().isdigit():
        return float(told)
    try:
        moment = parsedate_to_datetime(told)
    except ValueError:
        return 0.0
    zone = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return max(0.0, (zone - dt.datetime.now(dt.UTC)).total_seconds())
