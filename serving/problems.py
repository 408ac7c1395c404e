"""Errors as RFC 9457 problem details, each fault with its place in the request."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException

from riskmodel.errors import RiskModelError

MEDIA_TYPE = "application/problem+json"
TYPES = "/problems/"


@dataclass(frozen=True)
class Told:
    """What a type of problem means to whoever builds on the API; its page tells it.

    Attributes
    ----------
    title : str
    status : tuple of int
        HTTP statuses that it comes with.
    meaning, remedy : str
    """

    title: str
    status: tuple[int, ...]
    meaning: str
    remedy: str


def _read_kinds() -> dict[str, Told]:
    words = tomllib.loads((Path(__file__).with_name("texts") / "problems.en.toml").read_text(encoding="utf-8"))
    return {kind: Told(told["title"], tuple(told["status"]), told["meaning"], told["remedy"]) for kind, told in words.items()}


KINDS = _read_kinds()
MOST_FAULTS = 100
RETRY_AFTER = 5  # seconds
_log = logging.getLogger("riskmodel.service")


class Fault(BaseModel):
    """One thing in a request that is not as it should be."""

    pointer: str = Field(
        description="Its place in the body, as a JSON pointer (RFC 6901), empty for the body as a whole; or /query/NAME, /path/NAME, /header/NAME."
    )
    detail: str


class ProblemOut(BaseModel):
    """Why a request was not answered (RFC 9457)."""

    type: str = Field(description="Stable name of the kind of problem, below /problems/.")
    title: str
    status: int
    detail: str
    errors: list[Fault] = []


_REFERENCE = "#/components/schemas/{model}"
RETRY_AFTER_TOLD = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}


def told_as_problem(description: str, headers: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Give what the API's documentation says of an answer that is a problem."""
    told: dict[str, Any] = {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="ProblemOut")}}},
    }
    return told | ({"headers": dict(headers)} if headers else {})


def problem_schemas() -> dict[str, Any]:
    """Give the schemas that `told_as_problem` refers to, by name."""
    schema = ProblemOut.model_json_schema(ref_template=_REFERENCE)
    return {**schema.pop("$defs"), "ProblemOut": schema}


NOT_LET_IN: dict[int | str, dict[str, Any]] = {
    401: told_as_problem("Who asks is not known."),
    403: told_as_problem("Who asks may not do this."),
    429: told_as_problem("Too many requests; Retry-After says how many seconds to wait.", headers=RETRY_AFTER_TOLD),
}


class Problem(Exception):
    """A request that can't be answered.

    Parameters
    ----------
    status : int
        HTTP status.
    kind : str
        Stable name of the problem's type, one of `KINDS`.
    detail : str
        What is wrong, without personal data.
    errors : sequence of dict
        Faults, each with `pointer` (RFC 6901) and `detail`.
    headers : mapping of str to str, optional
        To go with the answer.
    """

    def __init__(
        self, status: int, kind: str, detail: str, errors: Sequence[dict[str, str]] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.errors, self.headers = status, kind, detail, list(errors), dict(headers or {})


def _title(kind: str, status: int) -> str:
    return KINDS[kind].title if kind in KINDS else HTTPStatus(status).phrase


def problem_response(status: int, kind: str, detail: str, errors: Sequence[dict[str, str]] = ()) -> JSONResponse:
    """Give a problem as a response."""
    content: dict[str, Any] = {"type": TYPES + kind, "title": _title(kind, status), "status": status, "detail": detail}
    if errors:
        content["errors"] = list(errors)
    return JSONResponse(content, status, media_type=MEDIA_TYPE)


def problem_of_one(errors: Sequence[dict[str, str]]) -> ProblemOut:
    """Give all faults of one student as the problem that stands in place of their answer."""
    detail = f"{len(errors)} thing(s) about this student are not as they should be, so there is no score."
    return ProblemOut(
        type=TYPES + "invalid-student",
        title=_title("invalid-student", 422),
        status=422,
        detail=detail,
        errors=[Fault(**error) for error in errors],
    )


def faults_problem(errors: Sequence[dict[str, str]]) -> Problem:
    """Give all faults of a request as one problem."""
    return Problem(422, "invalid-request", f"{len(errors)} thing(s) in this request are not as they should be.", errors)


def pointer(location: Sequence[int | str]) -> str:
    """Give a place in the body as a JSON pointer."""
    parts = location[1:] if location and location[0] == "body" else location
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def told_fault(error: Mapping[str, Any], below: str = "") -> dict[str, str]:
    """Give a fault that validation found in a part of the body, with its place in the whole.

    Parameters
    ----------
    error : mapping
        As Pydantic tells it.
    below : str
        JSON pointer of the part.
    """
    return {"pointer": below + pointer(error["loc"]), "detail": str(error["msg"]).removeprefix("Value error, ")}


def _fault(error: dict[str, Any]) -> dict[str, str]:
    if error["type"] == "json_invalid":
        return {"pointer": "", "detail": f"This is no JSON: {error['ctx']['error']}, at character {error['loc'][-1]}."}
    if not pointer(error["loc"]):
        return {"pointer": "", "detail": "The body should be a JSON object, sent with Content-Type: application/json."}
    return told_fault(error)


def unexpected(request: Request, page: Any) -> Response:
    """Give the answer to a request at which something went wrong that nobody foresaw; `page` as in `add_problem_handlers`."""
    shown: Response | None = page(request, 500)
    return shown or problem_response(500, "unexpected", "Something went wrong here. It was noted, without your data.")


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
        answer = problem_response(error.status, error.kind, error.detail, error.errors)
        answer.headers.update(error.headers)
        if error.status == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        shown = page(request, 404) if request.method == "GET" else None
        if shown is not None:
            return shown  # type: ignore[no-any-return]
        # Whoever sends twenty thousand wrong things is told of the first: the rest would cost more than it tells.
        found = faults_problem([_fault(each) for each in error.errors()[:MOST_FAULTS]])
        return problem_response(found.status, found.kind, found.detail, found.errors)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        shown = page(request, error.status_code)
        if shown is not None:
            return shown  # type: ignore[no-any-return]
        kinds = {404: "not-found", 405: "method-not-allowed", 400: "unreadable-request", 413: "too-large"}
        answer = problem_response(error.status_code, kinds.get(error.status_code, "error"), str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(OperationalError)
    @app.exception_handler(InterfaceError)
    @app.exception_handler(InternalError)
    @app.exception_handler(NoConnection)
    async def _away(request: Request, error: Exception) -> Response:
        _log.warning("the store is away or slow (%s)", type(error).__name__)
        shown = page(request, 503)
        answer: Response = shown or problem_response(
            503, "store-away", "The store can't be reached or written at the moment, so nothing was done. Try again."
        )
        answer.headers["Retry-After"] = str(RETRY_AFTER)
        return answer

    @app.exception_handler(RiskModelError)
    async def _told(request: Request, error: RiskModelError) -> Response:
        return problem_response(503, "not-ready", error.message)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        return unexpected(request, page)
