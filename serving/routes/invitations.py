"""`GET /v1/invitations`: who was invited, to whom they were routed and why, such that a system follows without missing one."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, Field

from serving.access.guard import Allow
from serving.access.principal import Principal
from serving.access.scopes import Scope
from serving.conditional import ConditionalRoute
from serving.dependencies import SessionDep, StoreDep
from serving.paging import USUAL, Cursor, Limit, bad_cursor, make_cursor, read_cursor
from serving.problems import NOT_LET_IN, faults_problem, told_as_problem
from serving.routes.history import ReasonKept
from serving.store.audit import Event
from serving.store.invitations import Change, changes_since, read_changes, where_changes_stand
from serving.store.keys import Keys
from serving.store.sealing import shown_of

router = APIRouter(prefix="/v1", tags=["invitations"], route_class=ConditionalRoute)
_QUESTION = "invitations"


class CoachOut(BaseModel):
    """To whom a student was routed."""

    id: str
    name: str


class RoutingOut(BaseModel):
    """Why a student was invited."""

    way: Literal["request", "coach", "rule", "model", "lottery", "chance"] = Field(
        description="The student asked, their coach did, a rule that always invites, the model's rank, a lot near the cut-off, or chance."
    )
    how: Literal["own", "programme", "academy", ""] = Field(
        description="To their own coach, or as that one was full to a colleague of the programme or the academy."
    )
    chance: float | None = Field(description="Probability of being invited, as it stood before lots were drawn.")
    rank: int
    margin: float | None = Field(description="How far above the cut-off.")
    cut_off: float | None
    capacity: int = Field(description="How many could be invited that day among those who share places.")
    target: str
    probability: float | None = Field(description="None for a student who objected to being scored and whom a rule invites.")
    day: int
    landmark: int
    model: str
    reasons: list[ReasonKept]


class InvitationOut(BaseModel):
    """An invitation as it stands after a change."""

    id: str = Field(description="The same for all changes to one invitation.")
    state: Literal["invited", "withdrawn"] = Field(
        description="Withdrawn where a list of the same day took its place, or the student was erased."
    )
    on: dt.date = Field(description="The day of the list.")
    changed_at: dt.datetime = Field(description="UTC.")
    student_id: str | None = Field(description="None for a student who was erased: forget whom you know by this id.")
    enrolment_id: str | None
    programme: str | None = None
    coach: CoachOut | None = Field(default=None, description="None for a student without one.")
    routing: RoutingOut | None = Field(default=None, description="None where the invitation was withdrawn.")


class InvitationsOut(BaseModel):
    """One page of changes, oldest first."""

    invitations: list[InvitationOut]
    more: bool = Field(description="Whether there are more already.")
    next_cursor: str = Field(description="Where to go on, now or at any later time; keep it once this page is stored.")


@router.get(
    "/invitations",
    summary="Follow who was invited, and why",
    responses={**NOT_LET_IN, 422: told_as_problem("The cursor, the moment or the limit can't be used.")},
)
def invitations(
    session: SessionDep,
    store: StoreDep,
    caller: Annotated[Principal, Depends(Allow(Scope.INVITATIONS_READ, Scope.STUDENTS_ALL))],
    limit: Limit = USUAL,
    cursor: Cursor = None,
    changed_since: Annotated[
        AwareDatetime | None, Query(description="Where to begin without a cursor, with a time zone; all there is without either.")
    ] = None,
) -> InvitationsOut:
    """Give invitations in the order in which they changed; one that changed again comes once, where it changed last.

    Begin with `changed_since` or nothing, then go on with `next_cursor`, which misses no change whatever was being written meanwhile. After a restore a
    cursor is refused once: begin anew. That invitations were read is recorded for each student.
    """
    if cursor is not None and changed_since is not None:
        raise faults_problem([{"pointer": "/query/changed_since", "detail": "Give a cursor or a moment to begin with, not both."}])
    here = where_changes_stand(session)
    if cursor is not None:
        epoch, after = read_cursor(store.keys, _QUESTION, cursor)
        if epoch != here.epoch:
            raise bad_cursor("The store was restored since this cursor was given, so what follows it is not known.")
    elif changed_since is not None:
        after = changes_since(session, changed_since.astimezone(dt.UTC).replace(tzinfo=None), here)
    else:
        after = 0
    found = read_changes(session, store.keys, after=after, through=here.last, most=limit + 1)
    page = found[:limit]
    store.record(
        Event.API_INVITATIONS_READ, actor=caller.login, subjects=list(dict.fromkeys(c.person.student for c in page)), why="invitation"
    )
    last = page[-1].number if page else after
    return InvitationsOut(
        invitations=[_told(change, store.keys) for change in page],
        more=len(found) > limit,
        next_cursor=make_cursor(store.keys, _QUESTION, [here.epoch, last]),
    )


def _told(change: Change, keys: Keys) -> InvitationOut:
    told = InvitationOut(
        id=change.id,
        state="withdrawn" if change.invited is None or change.details is None else "invited",
        on=change.on,
        changed_at=change.at.replace(tzinfo=dt.UTC),
        student_id=None if change.details is None else change.details.student_id,
        enrolment_id=change.enrolment_id,
    )
    row = change.invited
    if row is None or change.details is None:
        return told
    told.programme = row.programme
    told.coach = None if change.coach is None else CoachOut(id=row.coach_id, name=change.coach)
    told.routing = RoutingOut(
        way=row.way,  # type: ignore[arg-type]
        rank=row.rank,
        margin=row.margin,
        how=row.how,  # type: ignore[arg-type]
        chance=row.chance,
        cut_off=row.cut_off,
        capacity=row.week.capacity if row.capacity is None else row.capacity,
        target=row.week.target,
        probability=row.probability,
        day=row.day,
        landmark=row.landmark,
        model=row.week.models.get(row.week.target, ""),
        reasons=[ReasonKept(**reason) for reason in shown_of(row, keys)["reasons"]],
    )
    return told
