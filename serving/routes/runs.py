"""`/v1/score-runs`: a whole cohort scored by a worker, from a folder that the configuration allows or from an upload."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi import Path as ApiPath
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.orm import Session
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from riskmodel.handed_out import FILE_NAME as HANDED_OUT
from riskmodel.handed_out import HandedOut, at_text, new_mark, note
from riskmodel.scoring import NOT_SCORED
from serving.access.guard import Allow
from serving.access.principal import Principal
from serving.access.scopes import Scope
from serving.conditional import StrictRoute
from serving.dependencies import ChampionsDep, SessionDep, SettingsDep, StoreDep
from serving.languages import accepted_language
from serving.paging import USUAL, Cursor, Limit, make_cursor, read_cursor
from serving.problems import NOT_LET_IN, TYPES, Problem, ProblemOut, faults_problem, told_as_problem, told_fault
from serving.routes.history import Range, ReasonKept
from serving.run_tables import MEDIA_TYPES, Form, count_rows, write_table
from serving.settings import FOLDER_NAME, Settings
from serving.store.audit import Event
from serving.store.keys import Keys
from serving.store.people import details_of
from serving.store.runs import (
    GOING,
    AnotherBody,
    NewRun,
    State,
    TooManyRuns,
    begin_run,
    cancel_run,
    find_run,
    new_id,
    read_run_scores,
    read_runs,
    read_students,
)
from serving.store.sealing import reasons_of
from serving.store.tables import Run, RunStudent, Score
from serving.store.weeks import Store, now
from serving.uploads import received, refused, upload_place

PATH = "/v1/score-runs"
router = APIRouter(prefix=PATH, tags=["score runs"], route_class=StrictRoute)
_MOST_JSON = 64 * 1024
_KEY = re.compile(r"^[\x21-\x7e]{1,200}$")
_QUESTION = "score runs"
_IN_MEMORY, _PIECE = 8 * 2**20, 64 * 1024  # bytes of a file that is sent
_RETRY_AFTER = 60  # seconds
RunId = Annotated[
    str, ApiPath(max_length=100, description="As the run was given when it was begun.", examples=["0b9f6c2d4e8a1735c6d0e9f2"])
]
NOT_FOUND = told_as_problem("There is no such run.")
FAILED = {
    "data-faults": "The data can't be used as they are.",
    "data-changed": "The data changed while they were being scored.",
    "not-ready": "There is no model that could score.",
    "run-failed": "The run could not be ended.",
    "unexpected": "Something went wrong here.",
}


class RunIn(BaseModel):
    """A cohort to score that lies in a folder which the service may read."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"folder": "first-years", "on": "2026-11-02"}]})

    folder: str = Field(pattern=FOLDER_NAME, description="The name of a data folder, as the configuration has it; never a path.")
    on: Annotated[dt.date, Field(ge=dt.date(1990, 1, 1), le=dt.date(2100, 12, 31))] = Field(
        description="The day as of which students are looked at; nothing known later is."
    )


class StudentsCounted(BaseModel):
    """How far a run is."""

    total: int | None = Field(description="How many students there are; None until they are read.")
    done: int = Field(description="How many were looked at and kept.")
    left_out: int = Field(description="How many of those were erased here, so that nothing is kept of them.")


class RunOut(BaseModel):
    """How a run stands."""

    id: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    step: Literal["", "reading", "measuring", "scoring"] = Field(description="What is being done, while running.")
    folder: str | None = Field(description="None for an upload.")
    on: dt.date
    students: StudentsCounted
    models: dict[str, str] | None = Field(description="The model of each target; None until the run has begun.")
    made_at: dt.datetime = Field(description="UTC, as all times.")
    begun_at: dt.datetime | None
    ended_at: dt.datetime | None
    problem: ProblemOut | None = Field(default=None, description="Why the run failed.")


class RunsOut(BaseModel):
    """One page of runs, newest first."""

    runs: list[RunOut]
    next_cursor: str | None = Field(description="Where older ones go on; None at the end.")


class RunScore(BaseModel):
    """What one target's model said."""

    probability: float
    interval: Range | None
    unusual: bool
    reasons: list[ReasonKept]
    model: str


class RunResult(BaseModel):
    """A student of a run: scores, or the reason why there are none."""

    enrolment_id: str
    student_id: str
    programme: str
    day: int | None
    landmark: int | None
    rank: int | None = Field(description="By the target that ranks; 1 is highest.")
    scores: dict[str, RunScore]
    not_scored: str | None = Field(description="left, not_started, before_first_landmark or after_last_day.")
    detail: str | None


class RunResultsOut(BaseModel):
    """One page of a run's students."""

    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    results: list[RunResult]
    next_cursor: str | None = Field(description="Where to go on, now or once the run is further; None when all was given.")


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": RunIn.model_json_schema()},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["on", "files"],
                    "properties": {
                        "on": {"type": "string", "format": "date"},
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "dataset.toml and the tables that it names, each a .csv or .parquet; without it the champion's own definition holds.",
                        },
                    },
                }
            },
        },
    }
}


@router.post(
    "",
    summary="Have a whole cohort scored",
    status_code=202,
    response_model=RunOut,
    openapi_extra=_BODY,
    responses={
        **NOT_LET_IN,
        200: {"model": RunOut, "description": "This run was begun before with the same Idempotency-Key."},
        413: told_as_problem("The upload is too large."),
        415: told_as_problem("The body is neither JSON nor a form with files."),
        422: told_as_problem("The body is not as it should be, or the Idempotency-Key was used for another one."),
        507: told_as_problem("There is no room for the upload."),
    },
)
async def begin_score_run(
    request: Request,
    response: Response,
    settings: SettingsDep,
    store: StoreDep,
    champions: ChampionsDep,
    caller: Annotated[Principal, Depends(Allow(Scope.RUNS_MAKE))],
    idempotency_key: Annotated[
        str | None, Header(description="The caller's own name for this request; sent again, it gives the same run.")
    ] = None,
) -> RunOut:
    """Put a run in line; a worker does it. Scores go into the students' histories, and their reasons are kept in Dutch and English.

    Send `Idempotency-Key` so that a request that is sent again, because its answer was lost, begins no second run.
    """
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise faults_problem([{"pointer": "/header/Idempotency-Key", "detail": "Use 1 to 200 visible ASCII characters."}])
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        told = await _read_json(request)
        if told.folder not in settings.run_folders:
            raise faults_problem([{"pointer": "/folder", "detail": "There is no folder of this name that runs may read."}])
        digest = hashlib.sha256(json.dumps([told.folder, told.on.isoformat()]).encode()).hexdigest()
        run = NewRun(new_id(), caller.login, idempotency_key, digest, told.folder, told.on)
        found, new = await run_in_threadpool(_begin, store, settings, run)
    elif kind == "multipart/form-data":
        if not settings.accept_uploads or settings.uploads_folder is None:
            raise refused("", "This service takes no uploads. Name a folder instead.", 403)
        async with received(settings, request.headers["content-type"], request.stream(), lambda: champions.get().definition) as upload:
            run = NewRun(new_id(), caller.login, idempotency_key, upload.body, None, upload.on)
            found, new = await run_in_threadpool(_begin, store, settings, run, upload.folder)
    else:
        raise Problem(415, "unsupported-media-type", "Send JSON that names a folder, or a form with files.")
    response.status_code = 202 if new else 200
    response.headers["Location"] = f"{PATH}/{found.id}"
    return _told(found, store.keys, caller)


async def _read_json(request: Request) -> RunIn:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_JSON:
            raise Problem(413, "too-large", f"This body is larger than {_MOST_JSON} bytes.")
    try:
        return RunIn.model_validate_json(bytes(body))
    except ValidationError as error:
        raise faults_problem([told_fault(fault) for fault in error.errors(include_input=False, include_url=False)]) from None


def _begin(store: Store, settings: Settings, run: NewRun, upload: Path | None = None) -> tuple[Run, bool]:
    """Put a run in line. Its tables are in their place before it is, so that no worker finds it without."""
    place = None if upload is None else upload.rename(upload_place(settings, run.id))
    new = False
    try:
        with Session(store.engine, expire_on_commit=False) as session, session.begin():
            found, new = begin_run(session, store.keys, run, at=now(), most_waiting=settings.most_waiting_runs, heads=store.heads)
        return found, new
    except AnotherBody:
        raise Problem(422, "idempotency-key-reused", "This Idempotency-Key was used for another request. Use a new one.") from None
    except TooManyRuns:
        detail = f"{settings.most_waiting_runs} runs wait already. Try again later."
        raise Problem(429, "too-many-runs", detail, headers={"Retry-After": str(_RETRY_AFTER)}) from None
    finally:
        # A folder whose run was not put in line for sure is left to the worker, which removes what no run needs.
        if place is not None and upload is not None and not new and _is_nowhere(store, run.id):
            place.rename(upload)


def _is_nowhere(store: Store, run_id: str) -> bool:
    with Session(store.engine) as session:
        return find_run(session, run_id) is None


@router.get("", summary="Runs, newest first", responses={**NOT_LET_IN, 422: told_as_problem("The cursor or the limit can't be used.")})
def list_score_runs(
    session: SessionDep,
    store: StoreDep,
    caller: Annotated[Principal, Depends(Allow(Scope.RUNS_READ))],
    limit: Limit = USUAL,
    cursor: Cursor = None,
) -> RunsOut:
    """Tell which cohorts were scored, are, or wait to be; nothing of any student."""
    before = None if cursor is None else read_cursor(store.keys, _QUESTION, cursor)
    found = read_runs(session, most=limit + 1, before=before)
    page = found[:limit]
    following = make_cursor(store.keys, _QUESTION, page[-1].seq) if len(found) > limit else None
    return RunsOut(runs=[_told(run, store.keys, caller) for run in page], next_cursor=following)


@router.get("/{run_id}", summary="How a run stands", responses={**NOT_LET_IN, 404: NOT_FOUND})
def read_score_run(
    run_id: RunId, session: SessionDep, store: StoreDep, caller: Annotated[Principal, Depends(Allow(Scope.RUNS_READ))]
) -> RunOut:
    """Tell the state of a run, how many of its students are done, and why it failed where it did."""
    return _told(_found(session, run_id), store.keys, caller)


@router.post(
    "/{run_id}/cancel",
    summary="Stop a run",
    responses={**NOT_LET_IN, 404: NOT_FOUND, 409: told_as_problem("The run has ended already.")},
)
def cancel_score_run(run_id: RunId, store: StoreDep, caller: Annotated[Principal, Depends(Allow(Scope.RUNS_MAKE))]) -> RunOut:
    """Stop a run at once. What was kept of its students until now stays kept; cancelling again changes nothing."""
    with Session(store.engine, expire_on_commit=False) as session, session.begin():
        run = cancel_run(session, store.keys, run_id, actor=caller.login, at=now(), heads=store.heads)
    if run is None:
        raise Problem(404, "not-found", "There is no such run.")
    if run.state != State.CANCELLED:
        raise Problem(409, "run-ended", f"This run has ended already: it is {run.state}.")
    return _told(run, store.keys, caller)


@router.get(
    "/{run_id}/results",
    summary="A run's students with their scores, page by page",
    responses={**NOT_LET_IN, 404: NOT_FOUND, 422: told_as_problem("The cursor or the limit can't be used.")},
)
def read_run_results(
    run_id: RunId,
    response: Response,
    session: SessionDep,
    store: StoreDep,
    caller: Annotated[Principal, Depends(Allow(Scope.SCORES_READ))],
    limit: Limit = USUAL,
    cursor: Cursor = None,
    accept_language: Annotated[str | None, Header(description="Language of the reasons: nl or en.")] = None,
) -> RunResultsOut:
    """Give what is kept of a run's students, each once; while the run goes on, `next_cursor` leads to what comes next.

    That a score was read is recorded for each student. Students who were erased are not given.
    """
    language = accepted_language(accept_language)
    response.headers["Content-Language"], response.headers["Vary"] = language, "Accept-Language"
    run = _found(session, run_id)  # its state first: students of a run that has ended are all there
    question = f"results of {run.id}"
    after = -1 if cursor is None else read_cursor(store.keys, question, cursor)
    found = read_students(session, run, most=limit + 1, after=after)
    page = found[:limit]
    scores = read_run_scores(session, run, page)
    told = [(student, result) for student in page if (result := _result(store.keys, student, scores, language)) is not None]
    subjects = list(dict.fromkeys(student.person.student for student, _ in told))
    store.record(Event.API_SCORES_READ, actor=caller.login, subjects=subjects, why="signal")
    last = page[-1].place if page else after
    following = make_cursor(store.keys, question, last) if len(found) > limit or run.state in GOING else None
    return RunResultsOut(state=run.state, results=[result for _, result in told], next_cursor=following)  # type: ignore[arg-type]


@router.get(
    "/{run_id}/file",
    summary="A run's scores as a file",
    response_class=StreamingResponse,
    responses={
        **NOT_LET_IN,
        200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}, "description": "The table that 'riskmodel score' writes."},
        404: NOT_FOUND,
        409: told_as_problem("The run is not done."),
    },
)
def read_run_file(
    run_id: RunId,
    settings: SettingsDep,
    store: StoreDep,
    caller: Annotated[Principal, Depends(Allow(Scope.SCORES_READ))],
    format: Annotated[Form, Query(description="CSV as Dutch Excel reads it, or Parquet.")] = "csv",
    purpose: Annotated[
        Literal["invitation", "evaluation", "check"],
        Query(description="What the file is for; it stands in every row. The binding study advice is none."),
    ] = "invitation",
    accept_language: Annotated[str | None, Header(description="Language of the reasons: nl or en.")] = None,
) -> StreamingResponse:
    """Give the students scored, by rank, in one file, to a machine alone: no person can take scores out.

    Every row carries the purpose, when and for whom the file was made, and a mark by which it is found again in the list of what was handed out. That it
    went out is recorded for each student.
    """
    with Session(store.engine, expire_on_commit=False) as session:
        run = _found(session, run_id)
        students = count_rows(session, run)
    if run.state != State.DONE:
        raise Problem(409, "run-not-done", f"This run is {run.state}; there is a file once it is done.")
    language = accepted_language(accept_language)
    name = f"scores-{run.on.isoformat()}-{run.id[:8]}.{format}"
    export = HandedOut(new_mark(), at_text(dt.datetime.now(dt.UTC)), caller.login, purpose, (name,), students)
    # In memory while it is small, else in a file that has no name: nobody else can open it, and a process that is killed leaves none behind.
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, prefix="riskmodel-run-")  # noqa: SIM115 - closed once it was sent
    try:
        try:
            note(settings.audit_heads.with_name(HANDED_OUT), export)
        except OSError:
            detail = "What is handed out can't be noted, so nothing is."
            raise Problem(503, "store-away", detail, headers={"Retry-After": str(_RETRY_AFTER)}) from None
        write_table(store, run, format, language, file, actor=caller.login, export=export)
        size = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return StreamingResponse(
        _pieces(file),
        media_type=MEDIA_TYPES[format],
        headers={
            "Content-Language": language,
            "Vary": "Accept-Language",
            "Content-Length": str(size),
            "Content-Disposition": f'attachment; filename="{name}"',
        },
        background=BackgroundTask(file.close),
    )


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    try:
        while piece := file.read(_PIECE):
            yield piece
    finally:
        file.close()


def _found(session: Session, run_id: str) -> Run:
    run = find_run(session, run_id)
    if run is None:
        raise Problem(404, "not-found", "There is no such run.")
    return run


def _told(run: Run, keys: Keys, caller: Principal) -> RunOut:
    # What is wrong with data may quote them, so it is told to those alone who may have them scored.
    detail = None
    if run.problem is not None and run.sealed_detail is not None:
        detail = keys.open(run.sealed_detail) if caller.may(Scope.RUNS_MAKE) else FAILED.get(run.problem, FAILED["unexpected"])
    return RunOut(
        id=run.id,
        state=run.state,  # type: ignore[arg-type]
        step=run.step,  # type: ignore[arg-type]
        folder=run.folder,
        on=run.on,
        students=StudentsCounted(total=run.total, done=run.done, left_out=run.left_out),
        models=run.models,
        made_at=run.made_at.replace(tzinfo=dt.UTC),
        begun_at=None if run.begun_at is None else run.begun_at.replace(tzinfo=dt.UTC),
        ended_at=None if run.ended_at is None else run.ended_at.replace(tzinfo=dt.UTC),
        problem=None if detail is None else _problem(str(run.problem), detail),
    )


def _problem(kind: str, detail: str) -> ProblemOut:
    return ProblemOut(
        type=TYPES + kind, title=FAILED.get(kind, FAILED["unexpected"]), status=422 if kind == "data-faults" else 500, detail=detail
    )


def _result(keys: Keys, student: RunStudent, scores: dict[str, dict[str, Score]], language: str) -> RunResult | None:
    details = details_of(student.person, keys)
    if details is None:  # erased since
        return None
    why = student.not_scored
    return RunResult(
        enrolment_id=details.enrolments.get(student.enrolment, ""),
        student_id=details.student_id,
        programme=student.programme,
        day=student.day,
        landmark=student.landmark,
        rank=student.rank,
        scores={target: _score(score, reasons_of(score, keys, student.person)) for target, score in scores[student.enrolment].items()},
        not_scored=why,
        detail=None if why is None else NOT_SCORED[why][language],
    )


def _score(score: Score, reasons: list[dict[str, Any]]) -> RunScore:
    return RunScore(
        probability=score.probability,
        interval=None if score.low is None or score.high is None else Range(low=score.low, high=score.high),
        unusual=score.unusual,
        reasons=[ReasonKept(**reason) for reason in reasons],
        model=score.model,
    )
