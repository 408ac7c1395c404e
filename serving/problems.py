"""Errors as RFC 9457 problem details, each fault with its place in the request."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from riskmodel.errors import RiskModelError

MEDIA_TYPE = "application/problem+json"
TYPES = "/problems/"
_log = logging.getLogger("riskmodel.service")


class Problem(Exception):
    """A request that can't be answered.

    Parameters
    ----------
    status : int
        HTTP status.
    kind : str
        Stable name of the problem's type.
    detail : str
        What is wrong, without personal data.
    errors : sequence of dict
        Faults, each with `pointer` (RFC 6901) and `detail`.
    """

    def __init__(self, status: int, kind: str, detail: str, errors: Sequence[dict[str, str]] = ()) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.errors = status, kind, detail, list(errors)


def problem_response(status: int, kind: str, detail: str, errors: Sequence[dict[str, str]] = ()) -> JSONResponse:
    """Give a problem as a response."""
    content: dict[str, Any] = {"type": TYPES + kind, "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if errors:
        content["errors"] = list(errors)
    return JSONResponse(content, status, media_type=MEDIA_TYPE)


def pointer(location: Sequence[int | str]) -> str:
    """Give a place in the body as a JSON pointer."""
    parts = location[1:] if location and location[0] == "body" else location
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def add_problem_handlers(app: FastAPI, page: Any) -> None:
    """Answer every error of the API as a problem, and of the pages as a page.

    Parameters
    ----------
    app : FastAPI
    page : callable
        `page(request, status)` gives an error page, or None where the request was not for a page.
    """

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return problem_response(error.status, error.kind, error.detail, error.errors)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        shown = page(request, 404) if request.method == "GET" else None
        if shown is not None:
            return shown  # type: ignore[no-any-return]
        errors = [{"pointer": pointer(fault["loc"]), "detail": str(fault["msg"]).removeprefix("Value error, ")} for fault in error.errors()]
        return problem_response(422, "invalid-request", f"{len(errors)} thing(s) in this request are not as they should be.", errors)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        shown = page(request, error.status_code)
        if shown is not None:
            return shown  # type: ignore[no-any-return]
        kinds = {404: "not-found", 405: "method-not-allowed", 400: "unreadable-request", 413: "too-large"}
        return problem_response(error.status_code, kinds.get(error.status_code, "error"), str(error.detail))

    @app.exception_handler(RiskModelError)
    async def _told(request: Request, error: RiskModelError) -> Response:
        return problem_response(503, "not-ready", error.message)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        _log.error("unexpected %s while answering %s", type(error).__name__, request.scope.get("route") and request.scope["route"].path)
        shown = page(request, 500)
        if shown is not None:
            return shown  # type: ignore[no-any-return]
        return problem_response(500, "unexpected", "Something went wrong here. It was noted, without your data.")
