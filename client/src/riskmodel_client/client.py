"""The client: one method for each thing that can be asked."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from riskmodel_client.errors import NoAnswer, ProblemError
from riskmodel_client.requests import Student
from riskmodel_client.responses import Feature, InvitationPage, KeptScore, Model, ModelCard, Problem, StudentResult
from riskmodel_client.retrying import Retries

MOST_STUDENTS = 1000


class Client:
    """Asks one service, with one token.

    Parameters
    ----------
    address : str
        Where the service is, as in 'https://riskmodel.example.org'.
    token : str
        What `riskmodel token create` showed.
    language : {'nl', 'en'}
        Of reasons and phrases.
    timeout : float
        Seconds to wait for an answer.
    retries : Retries
    transport : httpx.BaseTransport, optional
        For proxies and certificates of one's own.
    sleep : callable
        How to wait.
    """

    def __init__(
        self,
        address: str,
        token: str,
        *,
        language: Literal["nl", "en"] = "nl",
        timeout: float = 60.0,
        retries: Retries = Retries(),  # noqa: B008
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}", "Accept-Language": language, "User-Agent": "riskmodel-client/0.1.0"}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=timeout, transport=transport)
        self._retries = retries
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def score(self, students: Sequence[Student], *, on: dt.date | None = None, keep: bool = False) -> list[StudentResult]:
        """Score students.

        Parameters
        ----------
        students : sequence of RawStudent or ReadyStudent
            Any number, in calls of at most 1,000; at most 1,000 where they are to be kept, so that it is plain what a failure left.
        on : datetime.date, optional
            The day as of which raw rows are looked at; they need it.
        keep : bool
            Whether the scores go into the students' histories. A call that may have kept some is never sent again.

        Returns
        -------
        list of StudentResult
            In the order of the students. Look at `problem` of each: a fault in one costs no other theirs.

        Raises
        ------
        ProblemError
            The call as a whole was refused.
        NoAnswer
            The service did not answer.
        ValueError
            There are more than 1,000 students whose scores are to be kept.
        """
        if keep and len(students) > MOST_STUDENTS:
            raise ValueError(f"scores of at most {MOST_STUDENTS} students are kept in one call")
        results: list[StudentResult] = []
        for first in range(0, len(students), MOST_STUDENTS):
            part = students[first : first + MOST_STUDENTS]
            body: dict[str, Any] = {"students": [student.model_dump(mode="json", exclude_none=True) for student in part], "keep": keep}
            if on is not None:
                body["on"] = on.isoformat()
            told = self._ask("POST", "/v1/scores", json=body, repeatable=not keep)
            results += TypeAdapter(list[StudentResult]).validate_python(told["results"])
        return results

    def history(self, student_id: str) -> Iterator[KeptScore]:
        """Give the scores that a student has had, newest first, page by page as they are taken.

        Raises
        ------
        ProblemError
            There is no such student ('not-found'), among others.
        NoAnswer
        """
        parameters: dict[str, str] = {}
        path = f"/v1/students/{quote(student_id, safe='')}/scores"
        while True:
            told = self._ask("GET", path, parameters=parameters)
            yield from TypeAdapter(list[KeptScore]).validate_python(told["scores"])
            if told["next_cursor"] is None:
                return
            parameters = {"cursor": told["next_cursor"]}

    def follow_invitations(self, cursor: str | None = None, *, since: dt.datetime | None = None) -> Iterator[InvitationPage]:
        """Give the changes to invitations there are, page by page; go on another day with the last page's `next_cursor`.

        Parameters
        ----------
        cursor : str, optional
            Where to go on. Keep a page's `next_cursor` in the same transaction as the page itself, and none is missed or lost.
        since : datetime.datetime, optional
            Where to begin without a cursor; with a time zone.

        Yields
        ------
        InvitationPage
            At least one, which may be empty.

        Raises
        ------
        ProblemError
            The cursor can't be followed any more ('bad-cursor'): begin anew. Among others.
        NoAnswer
        """
        parameters = {"cursor": cursor} if cursor is not None else {"changed_since": since.isoformat()} if since is not None else {}
        while True:
            page = InvitationPage.model_validate(self._ask("GET", "/v1/invitations", parameters=parameters))
            yield page
            if not page.more:
                return
            parameters = {"cursor": page.next_cursor}

    def models(self) -> list[Model]:
        """Give the models that serve."""
        return TypeAdapter(list[Model]).validate_python(self._ask("GET", "/v1/models")["models"])

    def model(self, name: str) -> ModelCard:
        """Give one model with the facts of its card."""
        return ModelCard.model_validate(self._ask("GET", f"/v1/models/{quote(name, safe='')}"))

    def features(self) -> list[Feature]:
        """Give the catalogue of features."""
        return TypeAdapter(list[Feature]).validate_python(self._ask("GET", "/v1/features")["features"])

    def _ask(
        self, method: str, path: str, *, json: Any = None, parameters: Mapping[str, str] | None = None, repeatable: bool = True
    ) -> dict[str, Any]:
        tried = 0
        while True:
            tried += 1
            outcome = self._send(method, path, json, parameters)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                told: dict[str, Any] = outcome.json()
                return told
            wait = self._retries.wait_after(tried, outcome, repeatable=repeatable)
            if wait is None:
                raise _as_error(outcome, repeatable)
            self._sleep(wait)

    def _send(self, method: str, path: str, json: Any, parameters: Mapping[str, str] | None) -> httpx.Response | httpx.TransportError:
        try:
            return self._http.request(method, path, json=json, params=parameters)
        except httpx.TransportError as error:
            return error


def _as_error(outcome: httpx.Response | httpx.TransportError, repeatable: bool) -> ProblemError | NoAnswer:
    if isinstance(outcome, httpx.TransportError):
        sent = not isinstance(outcome, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        return NoAnswer(f"{type(outcome).__name__}: {outcome}", may_be_done=sent and not repeatable)
    try:
        problem = Problem.model_validate_json(outcome.content)
    except ValidationError:
        # Something between here and the service answered in its place.
        return NoAnswer(f"HTTP status {outcome.status_code}, and not from the service.", may_be_done=not repeatable)
    return ProblemError(problem, outcome.headers.get("x-request-id", ""))
