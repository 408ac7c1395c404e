"""Pages of a long answer: a cursor is opaque to callers and signed, so that nobody can make one up or use one for another question."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from itsdangerous import BadData, URLSafeSerializer

from serving.problems import Problem
from serving.store.keys import Keys

MOST, USUAL = 500, 100
Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at most.")]
Cursor = Annotated[str | None, Query(max_length=500, description="Where to go on, as `next_cursor` of the page before told it.")]


def _serializer(keys: Keys, question: str) -> URLSafeSerializer:
    return URLSafeSerializer(keys.digest("cursor", "paging"), salt=question)


def make_cursor(keys: Keys, question: str, place: Any) -> str:
    """Give a cursor.

    Parameters
    ----------
    keys : Keys
    question : str
        What is asked, with all that narrows it down; a cursor goes on with the same question alone.
    place : JSON value
        Where the page ended.
    """
    told = _serializer(keys, question).dumps(place)
    return told if isinstance(told, str) else told.decode()


def read_cursor(keys: Keys, question: str, cursor: str) -> Any:
    """Give the place that a cursor stands for.

    Raises
    ------
    Problem
        The service did not make it, or made it for another question (422).
    """
    try:
        return _serializer(keys, question).loads(cursor)
    except BadData:
        raise bad_cursor("This cursor does not belong to this question.") from None


def bad_cursor(detail: str) -> Problem:
    """Give the problem of a cursor that can't be followed."""
    return Problem(422, "bad-cursor", detail, [{"pointer": "/query/cursor", "detail": "Begin anew without a cursor."}])
