"""Rights of students: all that is held of them, objection, erasure, and who saw them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from serving.access.guard import Allow
from serving.access.principal import Principal
from serving.access.scopes import Scope
from serving.conditional import StrictRoute
from serving.dependencies import StoreDep
from serving.languages import accepted_language
from serving.problems import NOT_LET_IN, Problem, told_as_problem
from serving.store.audit import Event
from serving.store.people import STUDENT
from serving.store.rights import erase_student, object_to_scores, withdraw_objection
from serving.store.traces import tidy
from serving.store.weeks import now
from serving.telling import TEXTS, Section, all_held, who_saw

router = APIRouter(prefix="/v1", tags=["rights"], route_class=StrictRoute)
StudentId = Annotated[str, Path(min_length=1, max_length=200, examples=["s26000123"])]
Handler = Annotated[Principal, Depends(Allow(Scope.RIGHTS_HANDLE))]
AcceptLanguage = Annotated[str | None, Header(description="nl or en, for what the student is told.", examples=["nl"])]
_WHY = "asked by the student"


class HeldOut(BaseModel):
    """All that is held of a student, to be read by that student."""

    student_id: str
    language: str
    at: dt.datetime = Field(description="When this was looked up, UTC.")
    held: list[Section]


class ObjectionOut(BaseModel):
    """How an objection stands."""

    student_id: str
    objected: bool
    since: dt.datetime | None = Field(description="UTC; None where no objection holds.")
    known: bool = Field(description="Whether anything was held of this student before; where not, check the number.")
    withdrawn_invitations: int = Field(default=0, description="Invitations by model or lot on the newest list that are no more.")
    told: str = Field(description="What this means, in words for the student.")
    stays: list[str] = Field(default=[], description="What an objection leaves as it is.")


class KeptOut(BaseModel):
    """Something that is not erased, and why the law keeps it."""

    what: str
    why: str


class ErasedOut(BaseModel):
    """What was erased, and what was not."""

    student_id: str
    erased_at: dt.datetime = Field(description="UTC; of the first time.")
    told: str
    scores: int = Field(description="Scores that were destroyed now.")
    lists: int = Field(description="Places on lists that were destroyed now.")
    name_and_enrolments: bool = Field(description="Whether the key to name and enrolments was destroyed now.")
    kept: list[KeptOut]


class SeenOut(BaseModel):
    """Who saw or did what about a student."""

    student_id: str
    language: str
    events: list[dict[str, str]] = Field(description="Oldest first, each in words; people of the institution are codes.")


def _language(response: Response, header: str | None) -> str:
    language = accepted_language(header)
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language"
    response.headers["Cache-Control"] = "no-store"
    return language


@router.get("/students/{student_id}/data", summary="All that is held of a student", responses=NOT_LET_IN)
def data(student_id: StudentId, response: Response, store: StoreDep, caller: Handler, accept_language: AcceptLanguage = None) -> HeldOut:
    """Give all that is held, in words, for an answer to the student (GDPR, article 15); of somebody unknown, nothing. That it was read is recorded."""
    language = _language(response, accept_language)
    store.record(Event.RIGHTS_DATA_READ, actor=caller.login, subjects=[store.keys.digest(STUDENT, student_id)], why=_WHY)
    with store.session() as session:
        held = all_held(session, store.keys, student_id, language)
    return HeldOut(student_id=student_id, language=language, at=now().replace(tzinfo=dt.UTC), held=held)


@router.get("/students/{student_id}/seen", summary="Who saw a student", responses=NOT_LET_IN)
def seen(student_id: StudentId, response: Response, store: StoreDep, caller: Handler, accept_language: AcceptLanguage = None) -> SeenOut:
    """Give who saw or did what about a student and when, for an answer to that student. Looking it up is recorded too."""
    language = _language(response, accept_language)
    store.record(Event.OPERATOR_STUDENT_ASKED, actor=caller.login, subjects=[store.keys.digest(STUDENT, student_id)], why=_WHY)
    with store.session() as session:
        return SeenOut(student_id=student_id, language=language, events=who_saw(session, store.keys, student_id, language))


@router.post("/students/{student_id}/objection", summary="Object to being scored", responses=NOT_LET_IN)
def object_to(
    student_id: StudentId, response: Response, store: StoreDep, caller: Handler, accept_language: AcceptLanguage = None
) -> ObjectionOut:
    """Let an objection hold from now on: no score, no model that reads this student, no invitation by model or lot. Doing it again changes nothing."""
    texts = TEXTS[_language(response, accept_language)]
    with Session(store.engine) as session, session.begin():
        done = object_to_scores(session, store.keys, student_id, actor=caller.login, at=now(), why=_WHY, heads=store.heads)
    return ObjectionOut(
        student_id=student_id,
        objected=done.since is not None,
        since=None if done.since is None else done.since.replace(tzinfo=dt.UTC),
        known=done.known,
        withdrawn_invitations=done.withdrawn,
        told=texts["objected"] if done.since is not None else texts["was_erased"],
        stays=list(texts["stays"].values()),
    )


@router.delete("/students/{student_id}/objection", summary="Withdraw an objection", responses=NOT_LET_IN)
def withdraw_it(
    student_id: StudentId, response: Response, store: StoreDep, caller: Handler, accept_language: AcceptLanguage = None
) -> ObjectionOut:
    """End an objection; the next list may hold the student again."""
    texts = TEXTS[_language(response, accept_language)]
    with Session(store.engine) as session, session.begin():
        held = withdraw_objection(session, store.keys, student_id, actor=caller.login, at=now(), heads=store.heads)
    return ObjectionOut(student_id=student_id, objected=False, since=None, known=held, told=texts["withdrawn" if held else "not_objected"])


@router.delete("/students/{student_id}", summary="Erase a student", responses=NOT_LET_IN)
def erase(student_id: StudentId, response: Response, store: StoreDep, caller: Handler, accept_language: AcceptLanguage = None) -> ErasedOut:
    """Destroy what is written about a student (GDPR, article 17), and say what stays and why. Doing it again changes nothing."""
    texts = TEXTS[_language(response, accept_language)]
    with Session(store.engine) as session, session.begin():
        done = erase_student(session, store.keys, student_id, actor=caller.login, at=now(), why=_WHY, heads=store.heads)
    tidy(store.engine)
    return ErasedOut(
        student_id=student_id,
        erased_at=done.at.replace(tzinfo=dt.UTC),
        told=texts["erased"],
        scores=done.scores,
        lists=done.lists,
        name_and_enrolments=done.details,
        kept=[KeptOut(**told) for told in texts["kept"].values()],
    )


Student = Annotated[Principal, Depends(Allow(Scope.OWN_READ))]
_NOT_TOLD: dict[int | str, dict[str, Any]] = {404: told_as_problem("The login does not tell a student number.")}


def _own_number(caller: Principal) -> str:
    if not caller.student:
        raise Problem(404, "not-found", "Your login does not tell your student number, so it is not known what is yours.")
    return caller.student


@router.get("/me/data", summary="All that is held of oneself", responses={**NOT_LET_IN, **_NOT_TOLD})
def own_data(response: Response, store: StoreDep, caller: Student, accept_language: AcceptLanguage = None) -> HeldOut:
    """Give a student who is logged in all that is held of them. That it was read is recorded."""
    return data(_own_number(caller), response, store, caller, accept_language)


@router.get("/me/seen", summary="Who saw oneself", responses={**NOT_LET_IN, **_NOT_TOLD})
def own_seen(response: Response, store: StoreDep, caller: Student, accept_language: AcceptLanguage = None) -> SeenOut:
    """Give a student who is logged in who saw or did what about them, and when. Looking it up is recorded too."""
    return seen(_own_number(caller), response, store, caller, accept_language)
