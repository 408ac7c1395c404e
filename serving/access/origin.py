"""Requests that change something must come from our own pages: browsers say where a request comes from, and a foreign one is refused.

Every browser of today sends Sec-Fetch-Site or Origin with a form; a program that sends neither holds no cookie of a person either.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.problems import problem_response

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class SameOrigin:
    """Refuses what another site makes a browser send."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and scope["method"] not in _SAFE and _foreign(dict(scope["headers"])):
            answer = problem_response(403, "foreign-origin", "This was sent from another site, so nothing was done.")
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _foreign(headers: dict[bytes, bytes]) -> bool:
    site = headers.get(b"sec-fetch-site", b"").decode("latin-1")
    if site:
        return site not in ("same-origin", "none")
    origin = headers.get(b"origin", b"").decode("latin-1")
    return bool(origin) and urlsplit(origin).netloc != headers.get(b"host", b"").decode("latin-1")
