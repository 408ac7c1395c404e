"""The worker: takes runs from the store, scores them chunk by chunk, and goes on where one that was killed had to stop. It knows no web."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from riskmodel.errors import DataFault, ModelFault, RiskModelError
from riskmodel.explain.words import load_words
from riskmodel.objections import Objections, Source, in_force
from riskmodel.progress import Progress, silent
from serving.cohort import Cohort, DataChanged, score_cohort
from serving.languages import LANGUAGES
from serving.own_definition import complete
from serving.settings import Settings
from serving.store import runs
from serving.store.rights import lists_in_force
from serving.store.runs import GOING, RunLost
from serving.store.tables import Run
from serving.store.weeks import Store, now
from serving.uploads import INCOMING, upload_place

# Seconds between two looks for work; and for how long a database that is away is waited for before the run is left to another.
_POLL, _PATIENCE = 0.5, 120.0
# An upload under way may lie so long, in seconds, before it counts as left behind.
_LEFT_BEHIND = 24 * 3600.0


class Stopped(Exception):
    """The worker was asked to stop; the run goes back into line."""


class Worker:
    """Does runs, one at a time.

    Parameters
    ----------
    settings : Settings
    store : Store
    progress : Progress
        Told how many students of the run are kept.
    """

    def __init__(self, settings: Settings, store: Store, progress: Progress = silent) -> None:
        self.settings, self.store, self.progress = settings, store, progress
        self.name = secrets.token_hex(8)
        self.stopping = threading.Event()
        self.words = {language: load_words(language, settings.words_file) for language in LANGUAGES}  # type: ignore[arg-type]
        self._heard: dict[int, tuple[tuple[str, int], float]] = {}
        self._swept = -_LEFT_BEHIND
        self._log = structlog.get_logger("riskmodel.worker")

    def stop(self) -> None:
        """Let the run under way go back into line after its chunk, and end."""
        self.stopping.set()

    def work(self, ended: Callable[[], bool] = lambda: False) -> None:
        """Do runs until asked to stop, or until `ended` says that there is no more to wait for. A store that is away is waited for."""
        while not self.stopping.is_set() and not ended():
            try:
                if not self.do_one():
                    self._sweep()
                    self.stopping.wait(_POLL)
            except SQLAlchemyError as error:
                self._log.warning("store away", error=type(error).__name__)
                self.stopping.wait(4 * _POLL)

    def do_one(self) -> bool:
        """Take a run, if there is one to take, and do it; tell whether there was."""
        seq = self._take()
        if seq is None:
            return False
        with Session(self.store.engine, expire_on_commit=False) as session:
            run = session.get_one(Run, seq)
        self._log.info("run taken", run=run.id, attempt=run.attempts, done=run.done)
        pulse = _Pulse(self.store, seq, self.name, self.settings.run_lease_seconds / 4)
        try:
            with pulse:
                self._do(run, pulse)
        except RunLost:
            self._log.info("run lost", run=run.id)
        except Stopped:
            with contextlib.suppress(RunLost):
                self._write(lambda session: runs.release(session, seq, self.name))
            self._log.info("run given back", run=run.id)
        except Exception as error:
            if isinstance(error, SQLAlchemyError):
                raise
            self._fail(run, error)
        else:
            self._log.info("run done", run=run.id)
        self._remove_upload(run)
        return True

    def _take(self) -> int | None:
        """Take the oldest run that waits, or one whose worker was not heard of for a lease."""
        with Session(self.store.engine) as session:
            waiting, beats = runs.waiting_runs(session), runs.heartbeats(session)
        for seq in waiting:
            if self._claim(seq, None):
                return seq
        moment = time.monotonic()
        self._heard = {
            seq: self._heard[seq] if seq in self._heard and self._heard[seq][0] == held else (held, moment) for seq, held in beats.items()
        }
        for seq, (held, since) in self._heard.items():
            if moment - since >= self.settings.run_lease_seconds and self._claim(seq, held):
                return seq
        return None

    def _claim(self, seq: int, held: tuple[str, int] | None) -> bool:
        with Session(self.store.engine) as session, session.begin():
            return runs.claim(session, seq, self.name, now(), held)

    def _objections(self) -> Sequence[Objections]:
        with self.store.session() as session:
            return (lists_in_force(session, self.store.keys),)

    def _do(self, run: Run, pulse: _Pulse) -> None:
        if run.attempts > self.settings.run_attempts:
            raise RiskModelError(f"{self.settings.run_attempts} workers in a row ended before they got a step further with it.")
        heard = pulse.listener(self.stopping)
        heard(0, 1, "reading")
        place = self._data_of(run)
        with in_force(Source(self._objections, lambda _: None)):
            cohort = score_cohort(
                place, self.settings.champion_folder, run.on, self.words, models=run.models, data=run.data, progress=heard
            )
        if run.total is None:
            self._write(
                lambda session: runs.begin_work(
                    session, run.seq, self.name, models=cohort.models, explained=cohort.explained, data=cohort.data, total=len(cohort)
                )
            )
        self._keep(run, cohort, pulse, heard)
        self._write(lambda session: runs.end_run(session, run.seq, self.name, now()))

    def _keep(self, run: Run, cohort: Cohort, pulse: _Pulse, heard: Progress) -> None:
        pulse.step = "scoring"
        actor, first = self.store.keys.open(run.sealed_actor), run.done
        while first < len(cohort):
            heard(first, len(cohort), "scoring")
            self.progress(first, len(cohort), "scoring")
            first += self._keep_part(run, cohort, first, actor)
        self.progress(len(cohort), len(cohort), "scored")

    def _keep_part(self, run: Run, cohort: Cohort, first: int, actor: str) -> int:
        """Keep the next students in one transaction, and give how many."""
        students, scores = cohort.part(first, self.settings.run_chunk)

        def chunk(session: Session) -> None:
            store = self.store
            runs.keep_chunk(
                session, store.keys, run, self.name, students, scores, first=first, actor=actor, at=now(), heads=store.heads
            )  # fmt: skip

        self._write(chunk, lambda: self._is_kept(run.seq, first + len(students)))
        return len(students)

    def _write(self, work: Callable[[Session], None], kept: Callable[[], bool] = lambda: False) -> None:
        """Do something in a transaction; where the store is away, or its answer was lost, again, for as long as patience lasts."""
        until, again = time.monotonic() + _PATIENCE, False
        while True:
            try:
                if again and kept():
                    return
                with Session(self.store.engine) as session, session.begin():
                    work(session)
                return
            except SQLAlchemyError:
                again = True
                if time.monotonic() > until or self.stopping.wait(_POLL):
                    raise

    def _is_kept(self, seq: int, done: int) -> bool:
        with Session(self.store.engine) as session:
            found = session.execute(select(Run.done, Run.worker).where(Run.seq == seq)).one()
        return (found.done, found.worker) == (done, self.name)

    def _data_of(self, run: Run) -> Path:
        if run.folder is None:
            place = upload_place(self.settings, run.id)
            complete(place, self.settings.champion_folder)
            return place
        if run.folder not in self.settings.run_folders:
            raise RiskModelError(f"'{run.folder}' is not among the folders that runs may read.", remedy="See run_folders in the settings.")
        return self.settings.run_folders[run.folder]

    def _fail(self, run: Run, error: Exception) -> None:
        kind, detail = _told(error)
        if run.folder is not None and run.folder in self.settings.run_folders:
            detail = detail.replace(str(self.settings.run_folders[run.folder]), run.folder)
        with contextlib.suppress(RunLost):
            self._write(lambda session: runs.fail_run(session, self.store.keys, run.seq, self.name, kind, detail, now()))
        self._log.warning("run failed", run=run.id, problem=kind, error=type(error).__name__)

    def _remove_upload(self, run: Run) -> None:
        if run.folder is not None:
            return
        with Session(self.store.engine) as session:
            state = session.scalar(select(Run.state).where(Run.seq == run.seq))
        if state not in GOING:
            shutil.rmtree(upload_place(self.settings, run.id), ignore_errors=True)

    def _sweep(self) -> None:
        """Remove uploads that no run needs any more: of a run that was cancelled in line, or whose upload was cut off."""
        folder = self.settings.uploads_folder
        if folder is None or not folder.is_dir() or time.monotonic() - self._swept < self.settings.run_lease_seconds:
            return
        self._swept = time.monotonic()
        lying = {place.name: place for place in folder.iterdir() if place.is_dir()}
        with Session(self.store.engine) as session:
            rows = session.execute(select(Run.id, Run.state).where(Run.id.in_(lying))).all() if lying else []
        states = dict(rows)
        for name, place in lying.items():
            old = abs(time.time() - place.stat().st_mtime) > _LEFT_BEHIND
            ended = name in states and states[name] not in GOING
            if ended or (old and (name.startswith(INCOMING) or name not in states)):
                shutil.rmtree(place, ignore_errors=True)


class _Pulse:
    """Lets others hear of a run while its worker is busy, and hears itself when the run was lost."""

    def __init__(self, store: Store, seq: int, worker: str, every: float) -> None:
        self._store, self._seq, self._worker, self._every = store, seq, worker, every
        self.step = "reading"
        self._lost, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def __enter__(self) -> _Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every):
            try:
                with Session(self._store.engine) as session, session.begin():
                    runs.beat(session, self._seq, self._worker, self.step)
            except RunLost:
                self._lost.set()
                return
            except SQLAlchemyError:  # away: the next beat may come through
                continue

    def listener(self, stopping: threading.Event) -> Progress:
        """Give a listener to progress that ends the work where it has become useless or is to stop."""

        def heard(done: int, total: int, what: str) -> None:
            if what.startswith("measuring"):
                self.step = "measuring"
            if self._lost.is_set():
                raise RunLost
            if stopping.is_set():
                raise Stopped

        return heard


def _told(error: Exception) -> tuple[str, str]:
    """Give the kind of problem and what to say of it; of an unexpected one its type alone, as its text may hold anything."""
    if isinstance(error, DataChanged):
        kind = "data-changed"
    elif isinstance(error, ModelFault):
        kind = "not-ready"
    elif isinstance(error, DataFault):
        kind = "data-faults"
    elif isinstance(error, RiskModelError):
        kind = "run-failed"
    elif isinstance(error, MemoryError) or "Out of Memory" in str(error):
        return "run-failed", "There is not enough memory for these data."
    else:
        return "unexpected", f"Something went wrong in the worker ({type(error).__name__})."
    return kind, " ".join(filter(None, (error.message, error.remedy if kind != "data-faults" else None)))
