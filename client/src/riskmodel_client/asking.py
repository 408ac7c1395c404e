"""Asking the service: one connection, one token, and sending again where that can't do a thing twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from riskmodel_client.errors import NoAnswer, ProblemError
from riskmodel_client.responses import Problem
from riskmodel_client.retrying import Retries


class Asking:
    """Asks one service, with one token.

    Parameters
    ----------
    address : str
        Where the service is, as in 'https://riskmodel.example.org'.
    token : str
        What `riskmodel token create` showed, or the provider's access token.
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

    def _ask(
        self, method: str, path: str, *, json: Any = None, parameters: Mapping[str, str] | None = None, repeatable: bool = True
    ) -> dict[str, Any]:
        return self._patiently(lambda: self._http.request(method, path, json=json, params=parameters), repeatable)

    def _patiently(self, send: Callable[[], httpx.Response], repeatable: bool) -> dict[str, Any]:
        """Send, and send again where and when that is wise; `send` makes a fresh request each time."""
        tried = 0
        while True:
            tried += 1
            outcome = _outcome(send)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                told: dict[str, Any] = outcome.json()
                return told
            wait = self._retries.wait_after(tried, outcome, repeatable=repeatable)
            if wait is None:
                raise as_error(outcome, repeatable)
            self._sleep(wait)


def below(path: str, name: str) -> str:
    """Give the path of something by its name, whatever the name holds."""
    return f"{path}/{quote(name, safe='')}"


def _outcome(send: Callable[[], httpx.Response]) -> httpx.Response | httpx.TransportError:
    try:
        return send()
    except httpx.TransportError as error:
        return error


def as_error(outcome: httpx.Response | httpx.TransportError, repeatable: bool) -> ProblemError | NoAnswer:
    """Give what to raise where the service refused, or did not answer."""
    if isinstance(outcome, httpx.TransportError):
        sent = not isinstance(outcome, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        return NoAnswer(f"{type(outcome).__name__}: {outcome}", may_be_done=sent and not repeatable)
    try:
        problem = Problem.model_validate_json(outcome.content)
    except ValidationError:
        # Something between here and the service answered in its place.
        return NoAnswer(f"HTTP status {outcome.status_code}, and not from the service.", may_be_done=not repeatable)
    return ProblemError(problem, outcome.headers.get("x-request-id", ""))
