"""`GET /v1/students/{student_id}/scores`: which scores a student has had, newest first."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from serving.access.guard import Allow
from serving.access.principal import Principal
from serving.access.scopes import Scope
from serving.conditional import ConditionalRoute
from serving.dependencies import SessionDep, StoreDep
from serving.paging import USUAL, Cursor, Limit, make_cursor, read_cursor
from serving.problems import NOT_LET_IN, Problem, told_as_problem
from serving.store.audit import Event
from serving.store.invitations import coach_sees, on_a_list
from serving.store.people import details_of, find_person
from serving.store.scores import read_history
from serving.store.sealing import reasons_of
from serving.store.tables import Person, Score
from serving.store.weeks import Store

router = APIRouter(prefix="/v1", tags=["students"], route_class=ConditionalRoute)


class Range(BaseModel):
    """Between which probabilities the true one may lie."""

    low: float
    high: float


class ReasonKept(BaseModel):
    """One reason as it was told, in the languages in which it was told."""

    key: str
    direction: Literal["raises", "lowers"]
    actionable: bool
    contribution: float = Field(description="What it added to the calibrated log-odds.")
    label: dict[str, str]
    text: dict[str, str]


class ScoreKept(BaseModel):
    """One score as it was given."""

    at: dt.datetime = Field(description="When it was given, UTC.")
    enrolment_id: str
    target: str
    probability: float
    interval: Range | None
    unusual: bool
    on: dt.date | None = Field(description="The day as of which the student was looked at; None for ready features.")
    day: int | None = Field(description="The day of the student's own count.")
    landmark: int
    model: str
    reasons: list[ReasonKept]
    source: Literal["request", "run", "publish"] = Field(description="How it came about.")


class HistoryOut(BaseModel):
    """One page of a student's scores."""

    student_id: str
    scores: list[ScoreKept]
    next_cursor: str | None = Field(description="Where older ones go on; None at the end.")


@router.get(
    "/students/{student_id}/scores",
    summary="The scores that a student has had",
    responses={
        **NOT_LET_IN,
        404: told_as_problem("There is no such student here, or they are none of yours."),
        422: told_as_problem("The cursor or the limit can't be used."),
    },
)
def history(
    student_id: Annotated[str, Path(max_length=200, examples=["s26000123"])],
    session: SessionDep,
    store: StoreDep,
    caller: Annotated[Principal, Depends(Allow(Scope.SCORES_READ, Scope.STUDENTS_ALL, Scope.STUDENTS_OWN))],
    limit: Limit = USUAL,
    cursor: Cursor = None,
) -> HistoryOut:
    """Give the scores of a student with their reasons as they were, newest first. That they were read is recorded.

    A coach sees those of own students who are invited now, and of those whom they stand in for.
    """
    person = _visible(session, store, caller, student_id)
    details = None if person is None else details_of(person, store.keys)
    if person is None or details is None:
        # The same for a student who is unknown, erased or another's: that they are here is nobody else's business.
        raise Problem(404, "not-found", "There is no such student here.")
    question = f"history {person.id}"
    before = None if cursor is None else read_cursor(store.keys, question, cursor)
    found = read_history(session, person.id, most=limit + 1, before=before)
    store.record(Event.API_SCORES_READ, actor=caller.login, subjects=[person.student], why="signal")
    page = found[:limit]
    following = make_cursor(store.keys, question, page[-1].id) if len(found) > limit else None
    return HistoryOut(
        student_id=details.student_id,
        scores=[_told(score, details.enrolments.get(score.enrolment, ""), reasons_of(score, store.keys, person)) for score in page],
        next_cursor=following,
    )


def _visible(session: Session, store: Store, caller: Principal, student_id: str) -> Person | None:
    person = find_person(session, store.keys, student_id)
    if person is None or caller.may(Scope.SCORES_READ) or (caller.may(Scope.STUDENTS_ALL) and not caller.wall.stands):
        return person
    if caller.may(Scope.STUDENTS_ALL):
        return person if on_a_list(session, person) else None
    return person if coach_sees(session, store.keys, caller.login, person) else None


def _told(score: Score, enrolment_id: str, reasons: list[dict[str, Any]]) -> ScoreKept:
    interval = None if score.low is None or score.high is None else Range(low=score.low, high=score.high)
    return ScoreKept(
        at=score.at.replace(tzinfo=dt.UTC),
        enrolment_id=enrolment_id,
        target=score.target,
        probability=score.probability,
        interval=interval,
        unusual=score.unusual,
        on=score.on,
        day=score.day,
        landmark=score.landmark,
        model=score.model,
        reasons=[ReasonKept(**reason) for reason in reasons],
        source=score.source,  # type: ignore[arg-type]
    )
