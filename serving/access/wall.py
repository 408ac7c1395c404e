"""The wall to the binding study advice: of which programmes somebody sees no student, because they decide on that advice there.

It is drawn around what is read from the store, beneath the routes, so that a page or a route which forgets it shows nothing either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from sqlalchemy import ColumnElement, event, false, or_, select
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from serving.store.desk_tables import DataReport, Draft, FollowUp, InvitationMark, Note, OwnStudent, Step, TalkRequest
from serving.store.letter_tables import Letter, Word
from serving.store.tables import RunStudent, Score, Student, Withdrawn

# Tables that say of which programme somebody is, and tables of what is held of an enrolment. An appointment is read by way of its letter; by itself it
# tells no more than when a coach is taken, which must be known to whoever offers moments.
_BY_PROGRAMME = (Student, OwnStudent, RunStudent)
_BY_ENROLMENT = (Score, FollowUp, Step, Note, Draft, InvitationMark, DataReport, TalkRequest, Letter, Word)


@dataclass(frozen=True)
class Wall:
    """What somebody is kept from.

    Attributes
    ----------
    decides : frozenset of str or None
        Programmes on whose study advice they decide; None for every programme.
    recorded : frozenset of str
        Programmes for which the institution recorded why they see students as well.
    """

    decides: frozenset[str] | None = field(default_factory=frozenset)
    recorded: frozenset[str] = frozenset()

    @property
    def stands(self) -> bool:
        """Whether it keeps them from anything."""
        return self.decides is None or bool(self.decides - self.recorded)

    @property
    def total(self) -> bool:
        """Whether it keeps them from everything."""
        return self.decides is None and not self.recorded

    def hides(self, programme: str) -> bool:
        """Tell whether students of a programme are behind it."""
        return programme not in self.recorded and (self.decides is None or programme in self.decides)

    def lets_through(self, column: Any) -> ColumnElement[bool]:
        """Give the condition under which a row with a programme in this column is on their side."""
        if self.decides is None:
            found: ColumnElement[bool] = column.in_(self.recorded)
        else:
            found = column.not_in(self.decides - self.recorded)
        return found


def stand_around(session: Session, request: Request) -> None:
    """Keep from a request's session whatever is behind the wall of whoever asks; the guard says who that is before anything of anybody is read.

    Parameters
    ----------
    session : Session
        What a route reads students with.
    request : Request
        Holds the wall as `state.wall` once the guard has let somebody through.
    """

    def narrowed(state: ORMExecuteState) -> None:
        wall: Wall | None = getattr(request.state, "wall", None)
        if wall is None or not wall.stands or not state.is_select:
            return
        told = [select(table.enrolment).where(wall.lets_through(table.programme)) for table in _BY_PROGRAMME]
        state.statement = state.statement.options(
            *(with_loader_criteria(table, wall.lets_through(table.programme)) for table in _BY_PROGRAMME),
            *(with_loader_criteria(table, or_(*(table.enrolment.in_(each) for each in told))) for table in _BY_ENROLMENT),
            with_loader_criteria(Withdrawn, false()),  # of which programme it was is not known any more
        )

    event.listen(session, "do_orm_execute", narrowed)


NONE = Wall()
"""Keeps nobody from anything: of whoever decides on no advice."""
