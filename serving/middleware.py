"""What every request passes: a limit on its body's size, headers that keep browsers safe, an answer to what nobody foresaw."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.observing import faults_without_values, template
from serving.problems import RETRY_AFTER, problem_response

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def _ready(headers: dict[str, str]) -> tuple[list[tuple[bytes, bytes]], frozenset[bytes]]:
    """Give headers as they are sent, and their names."""
    sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return sent, frozenset(name for name, _ in sent)


_STATIC = _ready(HEADERS)
_PRIVATE = _ready({**HEADERS, "Cache-Control": "no-store"})
_CACHE = b"cache-control"


class BodyLimit:
    """Refuses a body over a limit as soon as it passes it, whether or not its length was told beforehand.

    Parameters
    ----------
    app : ASGIApp
    most_bytes : int
    forms : mapping of str to int
        Paths to which forms may bring so many bytes instead.
    """

    def __init__(self, app: ASGIApp, most_bytes: int, forms: Mapping[str, int] | None = None) -> None:
        self.app = app
        self.most_bytes = most_bytes
        self.forms = forms or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        most = self.most_bytes
        if headers.get(b"content-type", b"").lower().startswith(b"multipart/form-data"):
            most = self.forms.get(scope["path"], most)
        told = headers.get(b"content-length", b"0")
        if told.isdigit() and int(told) > most:
            await self._refuse(scope, receive, send, most)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            # The rest is not read: the app gets an end, and what it makes of that is thrown away below.
            return {"type": "http.request", "body": b"", "more_body": False} if seen > most else message

        async def noted(message: Message) -> None:
            if seen <= most:
                await send(message)

        await self.app(scope, counted, noted)
        if seen > most:
            await self._refuse(scope, receive, send, most)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        detail = f"The body is larger than {most} bytes. Send fewer students in a call."
        await problem_response(413, "too-large", detail)(scope, receive, send)


class Deadline:
    """Answers 503 where nothing has begun to answer in time; what was waited for goes on, and its answer is thrown away.

    The database has limits of its own, which are shorter; this one holds where it is frozen and keeps none of them. Time counts from the
    moment that the request is there as a whole, so a slow client is not cut short.

    Parameters
    ----------
    app : ASGIApp
    seconds : float
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self.seconds = seconds
        self._answering: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with an eye on the clock."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        begun = late = False
        clock: asyncio.TimerHandle | None = None

        def give_up() -> None:
            nonlocal late
            if not begun:
                late = True
                answer = problem_response(503, "too-slow", f"Nothing answered within {self.seconds:g} seconds. Try again.")
                answer.headers["Retry-After"] = str(RETRY_AFTER)
                task = loop.create_task(answer(scope, receive, send))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)

        async def heard() -> Message:
            nonlocal clock
            message = await receive()
            if clock is None and not message.get("more_body", False):
                clock = loop.call_later(self.seconds, give_up)
            return message

        async def guarded(message: Message) -> None:
            nonlocal begun
            if not late:
                begun = True
                await send(message)

        if scope["method"] in ("GET", "HEAD", "OPTIONS", "DELETE"):
            clock = loop.call_later(self.seconds, give_up)
        try:
            await self.app(scope, heard, guarded)
        finally:
            if clock is not None:
                clock.cancel()


class SecurityHeaders:
    """Adds the security headers to every answer; nothing is cached but what a route says may be, which is nobody's data."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, adding headers to the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                told = scope["path"].startswith("/static/") or any(name == _CACHE for name, _ in given)
                own, names = _STATIC if told else _PRIVATE
                message["headers"] = [each for each in given if each[0] not in names] + own
            await send(message)

        await self.app(scope, receive, with_headers)


class Unforeseen:
    """Answers an error that nobody foresaw from within, so that this answer too gets its headers and its id, and notes it without its message.

    Parameters
    ----------
    app : ASGIApp
    answer : callable
        `answer(request, error)` gives the response.
    """

    def __init__(self, app: ASGIApp, answer: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        self.app = app
        self.answer = answer
        self.log = structlog.get_logger("riskmodel.service")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and answer where nobody else did."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = False

        async def noted(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception as error:
            self.log.error("failed", route=template(scope), faults=faults_without_values(error))
            if began:  # half an answer can't be taken back: the server breaks the connection off
                raise
            await (await self.answer(Request(scope, receive), error))(scope, receive, send)
