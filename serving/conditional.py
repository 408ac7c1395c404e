"""Routes that other systems read: answers carry an `ETag`, whoever has the same answer already gets 304, and an unknown parameter is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from serving.problems import faults_problem, pointer

# Headers that a 304 repeats (RFC 9110, section 15.4.5).
_REPEATED = ("etag", "vary", "cache-control", "content-language")


class StrictRoute(APIRoute):
    """A route that knows its parameters.

    A misspelt one is refused: a system that follows would begin anew each time without noticing that nobody reads its 'cursur'.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give the handler, with what looks at the parameters before it."""
        answer = super().get_route_handler()
        known = {parameter.alias for parameter in self.dependant.query_params}

        async def strict(request: Request) -> Response:
            if unknown := [name for name in request.query_params if name not in known]:
                told = f"There is no such parameter; there are {', '.join(sorted(known))}." if known else "There are no parameters here."
                raise faults_problem([{"pointer": pointer(["query", name]), "detail": told} for name in unknown])
            return await answer(request)

        return strict


class ConditionalRoute(StrictRoute):
    """A route of which each GET that succeeds is tagged by its content as well."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give the handler, with what looks at the tags around it."""
        answer = super().get_route_handler()

        async def tagged(request: Request) -> Response:
            response = await answer(request)
            if request.method != "GET" or response.status_code != 200:
                return response
            tag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
            response.headers["ETag"] = tag
            if not _holds(request.headers.get("if-none-match", ""), tag):
                return response
            return Response(status_code=304, headers={name: response.headers[name] for name in _REPEATED if name in response.headers})

        return tagged


def _holds(told: str, tag: str) -> bool:
    """Compare weakly, as If-None-Match asks for."""
    return told.strip() == "*" or tag in {each.strip().removeprefix("W/") for each in told.split(",")}
