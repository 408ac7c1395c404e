"""What an operator sees from outside: one structured line and one count per request, never a path, a name, a grade or a score of somebody.

A path may hold an enrolment's number, so lines and counts carry the route's template. The message of an error may hold whatever broke, so lines tell
its type and the places in the code. A sum of scores tells the only score in it, so scores are counted by tenths.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
import os
import re
import secrets
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = "X-Request-ID"
_FITTING = re.compile(r"^[A-Za-z0-9._-]{8,64}$")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_TOGETHER = "PROMETHEUS_MULTIPROC_DIR"
_TENTHS = tuple(step / 10 for step in range(1, 11))


class Metrics:
    """The service's counts, in a registry of its own; where several processes serve together they are added up when they are read.

    Attributes
    ----------
    registry : CollectorRegistry
    requests, seconds, scores : prometheus_client metrics
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("riskmodel_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry)
        self.seconds = Histogram("riskmodel_request_seconds", "Time to answer.", ("route",), buckets=_SECONDS, registry=self.registry)
        self.scores = Histogram(
            "riskmodel_score",
            "Probabilities given, by target, each as the middle of its tenth.",
            ("target",),
            buckets=_TENTHS,
            registry=self.registry,
        )

        self._of_target: dict[str, Histogram] = {}

    def count_score(self, target: str, probability: float) -> None:
        """Count a score in its tenth, as the middle of it: so neither the sum nor what it grows by tells anybody's own.

        Parameters
        ----------
        target : str
        probability : float
            Between 0 and 1.
        """
        child = self._of_target.get(target)
        if child is None:
            child = self._of_target[target] = self.scores.labels(target)
        tenth = max(0, min(len(_TENTHS) - 1, math.ceil(10 * probability) - 1))
        child.observe((tenth + 0.5) / 10)

    def text(self, versions: dict[str, str], newest_list: dt.date | None, runs: Mapping[str, int], today: dt.date) -> bytes:
        """Give the counts, and what is true at the moment that they are read, in Prometheus' text format.

        Parameters
        ----------
        versions : dict of target to str
            The models that serve.
        newest_list : datetime.date or None
        runs : mapping of str to int
            How many runs over cohorts stand how.
        today : datetime.date
        """
        counts = self.registry
        if _TOGETHER in os.environ:
            counts = CollectorRegistry()
            MultiProcessCollector(counts)  # type: ignore[no-untyped-call]
        champion = GaugeMetricFamily("riskmodel_champion", "1 for the model that serves.", labels=("target", "version"))
        for target, version in versions.items():
            champion.add_metric((target, version), 1.0)
        age = math.nan if newest_list is None else float((today - newest_list).days)
        states = CollectorRegistry()
        list_age = GaugeMetricFamily("riskmodel_list_age_days", "Days since the newest list's date.", value=age)
        stand = GaugeMetricFamily("riskmodel_score_runs", "Runs over cohorts, by how they stand.", labels=("state",))
        for state, count in runs.items():
            stand.add_metric((state,), float(count))
        states.register(_States((champion, list_age, stand)))
        return generate_latest(counts) + generate_latest(states)


class _States(Collector):
    """States of one moment; they are true of all processes alike, so nothing is added up."""

    def __init__(self, states: tuple[Metric, ...]) -> None:
        self.states = states

    def collect(self) -> tuple[Metric, ...]:
        """Give them."""
        return self.states


def faults_without_values(error: BaseException) -> list[dict[str, object]]:
    """Give an error and what it came from, newest first, without any message: a message may quote what somebody sent or what the store holds.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    list of dict
        Each with `type`, and `places` as `file:line in function`, outermost first.
    """
    told: list[dict[str, object]] = []
    seen: set[int] = set()
    here: BaseException | None = error
    while here is not None and id(here) not in seen:
        seen.add(id(here))
        frames = traceback.extract_tb(here.__traceback__)
        places = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        told.append({"type": f"{type(here).__module__}.{type(here).__qualname__}", "places": places})
        here = here.__cause__ or (None if here.__suppress_context__ else here.__context__)
    return told


class _Lines(logging.Formatter):
    """What libraries log, as lines of JSON like the service's own, and with an error's type and places in place of its message."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        told: dict[str, object] = {
            "event": record.getMessage(),
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat().replace("+00:00", "Z"),
        }
        if record.exc_info and record.exc_info[1] is not None:
            told["faults"] = faults_without_values(record.exc_info[1])
        return json.dumps(told, ensure_ascii=False)


class _ToStderr(logging.StreamHandler[Any]):
    """Writes to what standard error is when the service is configured; there is one of it."""


def configure_logging() -> None:
    """Write each event as a line of JSON to standard error, also those of libraries; the server then brings no formats of its own."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _ToStderr)]:
        root.removeHandler(handler)
    handler = _ToStderr(sys.stderr)
    handler.setFormatter(_Lines())
    root.addHandler(handler)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.PrintLogger(_stderr()),
        cache_logger_on_first_use=False,
    )


def _stderr() -> Any:
    return sys.stderr


class Observed:
    """Gives every request an id, counts it, and writes one line when it is answered.

    Parameters
    ----------
    app : ASGIApp
    metrics : Metrics
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics
        self.log = structlog.get_logger("riskmodel.service")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, watching."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(REQUEST_ID.lower().encode(), b"").decode("latin-1")
        request_id = given if _FITTING.match(given) else secrets.token_hex(8)
        status, began = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, noted)
            finally:
                took = time.perf_counter() - began
                route = template(scope)
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self.metrics.requests.labels(method, route, str(status)).inc()
                self.metrics.seconds.labels(route).observe(took)
                if route not in _QUIET or status >= 500:
                    self.log.info("answered", method=method, route=route, status=status, milliseconds=round(1000 * took, 1))


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics", "/static"})


def template(scope: Scope) -> str:
    """Give the template of the route that answered, which holds nobody's number; 'none' where there was none."""
    if str(scope.get("path", "")).startswith("/static/"):
        return "/static"
    route = scope.get("route")
    return str(getattr(route, "path", "none"))
