"""Runs in the store: begun once per key, claimed by one worker at a time, kept chunk by chunk. It knows neither data folders nor models.

A claim is held by a heartbeat: a number that its worker counts up. Who finds it unchanged for as long as a lease, by a clock of its own that only goes
forward, takes the run over. No two machines' clocks are compared, so one that is set back costs nothing. Every write of a worker is fenced: it changes
something only while the run is still that worker's, stands where the worker thinks it does, and was not cancelled.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session, joinedload

from serving.store.audit import Event, hold, record
from serving.store.keys import Keys
from serving.store.people import ENROLMENT, keep_people
from serving.store.scores import NewScore, Source, keep_scores
from serving.store.tables import Run, RunStudent, Score


class State(StrEnum):
    """How a run stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


GOING = (State.WAITING, State.RUNNING)


class RunLost(Exception):
    """The run is another worker's by now, or was cancelled: nothing was written."""


class TooManyRuns(Exception):
    """So many runs wait that no other is taken."""


class AnotherBody(Exception):
    """The key was used for another request."""


@dataclass(frozen=True)
class NewRun:
    """A run to begin.

    Attributes
    ----------
    id : str
        Unguessable; the name by which it is known outside.
    actor : str
        Who asks.
    key : str or None
        The caller's own name for this request; asked for again, the same run is given.
    body : str
        Digest of what is asked.
    folder : str or None
        The name of a data folder; None for an upload.
    on : datetime.date
        The day as of which students are looked at.
    """

    id: str
    actor: str
    key: str | None
    body: str
    folder: str | None
    on: dt.date


@dataclass(frozen=True)
class NewStudent:
    """A student of a run, as they are kept.

    Attributes
    ----------
    student_id, enrolment_id : str
        Kept as digests, and readable under the student's own key alone.
    cohort, programme : str
    day, landmark, rank : int or None
        None for a student who is not scored.
    not_scored : str or None
        Why not.
    unusual : dict of str to list of str
        In what the student is unlike those that the model learnt from, by language.
    """

    student_id: str
    enrolment_id: str
    cohort: str
    programme: str
    day: int | None = None
    landmark: int | None = None
    rank: int | None = None
    not_scored: str | None = None
    unusual: Mapping[str, list[str]] | None = None


def new_id() -> str:
    """Draw the id of a run."""
    return secrets.token_hex(12)


def begin_run(
    session: Session, keys: Keys, run: NewRun, *, at: dt.datetime, most_waiting: int, heads: Path | None = None
) -> tuple[Run, bool]:
    """Put a run in line, or give the one that the same caller began with the same key.

    Call it before anything else in its transaction, as `audit.record`: that also puts callers with the same key in line.

    Returns
    -------
    tuple of Run and bool
        The run, and whether it is new.

    Raises
    ------
    AnotherBody
        The key was used before, and something else was asked then.
    TooManyRuns
        `most_waiting` runs wait already.
    """
    hold(session)
    caller = keys.digest("actor", run.actor)
    key = None if run.key is None else keys.digest("run-key", run.key)
    if key is not None:
        found = session.scalars(select(Run).where(Run.caller == caller, Run.key == key)).first()
        if found is not None:
            if found.body != run.body:
                raise AnotherBody
            return found, False
    waiting = session.scalar(select(func.count()).select_from(Run).where(Run.state == State.WAITING)) or 0
    if waiting >= most_waiting:
        raise TooManyRuns
    record(session, keys, Event.API_RUN_BEGUN, actor=run.actor, at=at, why="signal", heads=heads)
    new = Run(
        id=run.id, caller=caller, sealed_actor=keys.seal(run.actor), key=key, body=run.body, folder=run.folder, on=run.on,
        state=State.WAITING, step="", done=0, left_out=0, beat=0, attempts=0, made_at=at,
    )  # fmt: skip
    session.add(new)
    session.flush()
    return new, True


def find_run(session: Session, run_id: str) -> Run | None:
    """Give a run by its id, or None."""
    return session.scalars(select(Run).where(Run.id == run_id)).first()


def read_runs(session: Session, *, most: int, before: int | None = None) -> Sequence[Run]:
    """Give runs, newest first.

    Parameters
    ----------
    session : Session
    most : int
        How many at most.
    before : int, optional
        The `seq` of the last one that was given before.
    """
    query = select(Run) if before is None else select(Run).where(Run.seq < before)
    return session.scalars(query.order_by(Run.seq.desc()).limit(most)).all()


def count_runs(session: Session) -> dict[str, int]:
    """Give how many runs stand how, every state told."""
    found = dict(session.execute(select(Run.state, func.count()).group_by(Run.state)).all())
    return {state: int(found.get(state, 0)) for state in State}


def cancel_run(session: Session, keys: Keys, run_id: str, *, actor: str, at: dt.datetime, heads: Path | None = None) -> Run | None:
    """Stop a run that waits or is under way; one that has ended stays as it ended.

    Call it before anything else in its transaction. What was kept of the students until then stays kept.

    Returns
    -------
    Run or None
        None where there is no such run.
    """
    hold(session)
    stopped = session.execute(
        update(Run).where(Run.id == run_id, Run.state.in_(GOING)).values(state=State.CANCELLED, step="", worker=None, ended_at=at)
    )
    if stopped.rowcount:  # type: ignore[attr-defined]
        record(session, keys, Event.API_RUN_CANCELLED, actor=actor, at=at, why="signal", heads=heads)
    return find_run(session, run_id)


def waiting_runs(session: Session) -> Sequence[int]:
    """Give the `seq` of the runs that wait, oldest first."""
    return session.scalars(select(Run.seq).where(Run.state == State.WAITING).order_by(Run.seq).limit(20)).all()


def heartbeats(session: Session) -> dict[int, tuple[str, int]]:
    """Give worker and heartbeat of the runs under way, by `seq`."""
    rows = session.execute(select(Run.seq, Run.worker, Run.beat).where(Run.state == State.RUNNING)).all()
    return {seq: (worker or "", beat) for seq, worker, beat in rows}


def claim(session: Session, seq: int, worker: str, at: dt.datetime, held: tuple[str, int] | None = None) -> bool:
    """Take a run; it must be the first thing in its transaction.

    Parameters
    ----------
    session : Session
    seq : int
    worker : str
        Who takes it.
    at : datetime.datetime
    held : tuple of str and int, optional
        For a run under way: the worker and the heartbeat that stood still.

    Returns
    -------
    bool
        False where somebody was faster, or the run was heard of again.
    """
    query = update(Run).where(Run.seq == seq)
    if held is None:
        query = query.where(Run.state == State.WAITING)
    else:
        query = query.where(Run.state == State.RUNNING, Run.worker == held[0], Run.beat == held[1])
    changes: dict[str, Any] = {"state": State.RUNNING, "worker": worker, "beat": Run.beat + 1, "attempts": Run.attempts + 1}
    taken = session.execute(query.values(**changes, begun_at=func.coalesce(Run.begun_at, at)))
    return bool(taken.rowcount)  # type: ignore[attr-defined]


def _fenced(session: Session, seq: int, holder: str, /, *conditions: Any, **changes: Any) -> None:
    query = update(Run).where(Run.seq == seq, Run.worker == holder, Run.state == State.RUNNING, *conditions)
    if not session.execute(query.values(beat=Run.beat + 1, **changes)).rowcount:  # type: ignore[attr-defined]
        raise RunLost


def beat(session: Session, seq: int, worker: str, step: str) -> None:
    """Let others hear that a run is under way, and at which step.

    Raises
    ------
    RunLost
    """
    _fenced(session, seq, worker, step=step)


def begin_work(session: Session, seq: int, worker: str, *, models: Mapping[str, str], explained: str, data: str, total: int) -> None:
    """Note what a run is done with, so that whoever goes on with it does so with the same.

    Parameters
    ----------
    session : Session
    seq : int
    worker : str
    models : mapping of target to folder name
    explained : str
        The target that ranks.
    data : str
        Fingerprint of the data.
    total : int
        How many students there are.

    Raises
    ------
    RunLost
    """
    _fenced(session, seq, worker, models=dict(models), explained=explained, data=data, total=total)


def keep_chunk(
    session: Session,
    keys: Keys,
    run: Run,
    worker: str,
    students: Sequence[NewStudent],
    scores: Sequence[NewScore],
    *,
    first: int,
    actor: str,
    at: dt.datetime,
    heads: Path | None = None,
) -> None:
    """Keep some students of a run with their scores, and how far the run is: all of it or nothing, once.

    Call it before anything else in its transaction.

    Parameters
    ----------
    session : Session
    keys : Keys
    run : Run
    worker : str
    students : sequence of NewStudent
        From place `first` on, without a gap.
    scores : sequence of NewScore
        Theirs.
    first : int
        How many students of the run are kept already.
    actor : str
        Who asked for the run.
    at : datetime.datetime
    heads : Path, optional
        As for `audit.record`.

    Raises
    ------
    RunLost
    """
    hold(session)
    _fenced(session, run.seq, worker, Run.done == first, done=first + len(students), attempts=0, step="scoring")
    keep_scores(session, keys, scores, source=Source.RUN, actor=actor, at=at, run_id=run.id, heads=heads)
    people = keep_people(session, keys, ((student.student_id, "", student.enrolment_id) for student in students))
    rows = [
        {
            "run_seq": run.seq,
            "place": place,
            "person_id": people[student.student_id].id,
            "enrolment": keys.digest(ENROLMENT, student.enrolment_id),
            "cohort": student.cohort,
            "programme": student.programme,
            "day": student.day,
            "landmark": student.landmark,
            "rank": student.rank,
            "not_scored": student.not_scored,
            "unusual": dict(student.unusual or {}),
        }
        for place, student in enumerate(students, start=first)
        if student.student_id in people
    ]
    if rows:
        session.execute(insert(RunStudent), rows)
    if len(rows) < len(students):  # the erased
        _fenced(session, run.seq, worker, left_out=Run.left_out + len(students) - len(rows))


def end_run(session: Session, seq: int, worker: str, at: dt.datetime) -> None:
    """Note that every student of a run is kept.

    Raises
    ------
    RunLost
    """
    _fenced(session, seq, worker, Run.done == Run.total, state=State.DONE, step="", worker=None, ended_at=at)


def fail_run(session: Session, keys: Keys, seq: int, worker: str, problem: str, detail: str, at: dt.datetime) -> None:
    """Note that a run can't be ended well, and why.

    Parameters
    ----------
    session : Session
    keys : Keys
        The detail is sealed with them.
    seq : int
    worker : str
    problem : str
        Stable name of the kind of problem.
    detail : str
        What is wrong, in words.
    at : datetime.datetime

    Raises
    ------
    RunLost
    """
    changes = {"problem": problem, "sealed_detail": keys.seal(detail)}
    _fenced(session, seq, worker, state=State.FAILED, step="", worker=None, ended_at=at, **changes)


def release(session: Session, seq: int, worker: str) -> None:
    """Give a run back, so that the next worker goes on at once.

    Raises
    ------
    RunLost
    """
    _fenced(session, seq, worker, state=State.WAITING, step="", worker=None, attempts=0)


def read_students(session: Session, run: Run, *, most: int, after: int = -1) -> Sequence[RunStudent]:
    """Give students of a run by their place, with the person behind each.

    Parameters
    ----------
    session : Session
    run : Run
    most : int
    after : int
        The place of the last one that was given before.
    """
    query = select(RunStudent).where(RunStudent.run_seq == run.seq, RunStudent.place > after).order_by(RunStudent.place).limit(most)
    return session.scalars(query.options(joinedload(RunStudent.person))).all()


def read_ranked(session: Session, run: Run, *, most: int, after: int = 0) -> Sequence[RunStudent]:
    """Give the scored students of a run by their rank, with the person behind each."""
    query = select(RunStudent).where(RunStudent.run_seq == run.seq, RunStudent.rank > after).order_by(RunStudent.rank).limit(most)
    return session.scalars(query.options(joinedload(RunStudent.person))).all()


def read_run_scores(session: Session, run: Run, students: Sequence[RunStudent]) -> dict[str, dict[str, Score]]:
    """Give the scores of some students of a run, by enrolment digest and target."""
    found: dict[str, dict[str, Score]] = {student.enrolment: {} for student in students}
    for score in session.scalars(select(Score).where(Score.run_id == run.id, Score.enrolment.in_(found)).order_by(Score.id)):
        found[score.enrolment][score.target] = score
    return found


def reseal_runs(session: Session, keys: Keys) -> None:
    """Encrypt what is sealed of every run anew with the newest key."""
    for run in session.scalars(select(Run)):
        run.sealed_actor = keys.reseal(run.sealed_actor)
        if run.sealed_detail is not None:
            run.sealed_detail = keys.reseal(run.sealed_detail)
