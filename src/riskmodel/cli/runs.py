"""`riskmodel worker` and `run-scores`: what does the runs over whole cohorts, and a run by schedule."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from riskmodel.cli.context import person, progress, say, workspace
from riskmodel.cli.scoring import read_date
from riskmodel.cli.store import open_store
from riskmodel.errors import EXIT_REFUSED, RiskModelError
from riskmodel.workspace import Workspace

if TYPE_CHECKING:
    from serving.settings import Settings
    from serving.working import Worker

# Seconds between a worker's end and the start of the next in its place, and for how long one may take to end by itself.
_AGAIN_AFTER, _LAST_CHUNK = 1.0, 20.0


def worker(
    attached: Annotated[bool, typer.Option("--attached", hidden=True, help="End when standard input does.")] = False,
) -> None:
    """Do the runs that callers of the API begin, one after the other, until it is stopped."""
    from serving.observing import configure_logging
    from serving.settings import read_settings
    from serving.working import Worker

    settings = read_settings(workspace())
    configure_logging()
    with open_store(workspace()) as store:
        busy = Worker(settings, store)
        _stop_on_signals(busy)
        if attached:
            threading.Thread(target=_stop_at_the_end_of_input, args=(busy,), daemon=True).start()
        if sys.stderr.isatty():
            say("Waiting for runs. Stop with Ctrl-C.")
        busy.work()


def run_scores(
    name: Annotated[str, typer.Argument(help="A data folder by its name under run_folders in the settings.")],
    date: Annotated[str | None, typer.Option("--date", help="The day, as 2026-10-26 or 26-10-2026; today by default.")] = None,
) -> None:
    """Score a cohort into the store, as cron or a systemd timer does once a week; called again for the same day, it goes on with the same run, or begins a new one where that failed."""
    from sqlalchemy.orm import Session

    from serving.observing import configure_logging
    from serving.settings import read_settings
    from serving.store.runs import GOING, NewRun, State, TooManyRuns, begin_run, find_run, new_id
    from serving.store.weeks import now
    from serving.working import Worker

    settings = read_settings(workspace())
    on = dt.datetime.now(dt.UTC).date() if date is None else read_date(date)
    if name not in settings.run_folders:
        known = ", ".join(settings.run_folders) or "none so far"
        raise RiskModelError(f"there is no folder '{name}' that runs may read.", place="run_folders", remedy=f"Name one of: {known}.")
    configure_logging()
    body = hashlib.sha256(json.dumps([name, on.isoformat()]).encode()).hexdigest()
    with open_store(workspace()) as store, progress() as listener:
        try:
            with Session(store.engine, expire_on_commit=False) as session, session.begin():
                for key in _keys(f"run-scores {name} {on.isoformat()}"):
                    asked = NewRun(new_id(), person(), key, body, name, on)
                    run, new = begin_run(session, store.keys, asked, at=now(), most_waiting=settings.most_waiting_runs, heads=store.heads)
                    if new or run.state not in (State.FAILED, State.CANCELLED):
                        break
        except TooManyRuns:
            raise RiskModelError(f"{settings.most_waiting_runs} runs wait already.", remedy="Is 'riskmodel worker' running?") from None
        busy = Worker(settings, store, listener)
        _stop_on_signals(busy)

        def ended() -> bool:
            with store.session() as session:
                found = find_run(session, run.id)
                return found is None or found.state not in GOING

        busy.work(ended)
        with store.session() as session:
            found = find_run(session, run.id)
            assert found is not None
            state, total, done, problem = found.state, found.total, found.done, found.sealed_detail
        detail = "" if problem is None else store.keys.open(problem)
    if state in GOING:
        raise RiskModelError(f"run {run.id} was stopped after {done} students.", remedy="Call this once more to go on with it.")
    if state != State.DONE:
        told = RiskModelError(
            f"run {run.id} is {state}. {detail}".rstrip(), remedy="Mend it and call this once more: that begins a new run."
        )
        told.exit_code = EXIT_REFUSED
        raise told
    say(f"Run {run.id}: {total} students of '{name}' looked at on {on.isoformat()}{'' if new else ', begun before'}.")


def _keys(first: str) -> Iterator[str]:
    """Give the names of a day's runs: each after a failed one has the next."""
    yield first
    for number in itertools.count(2):
        yield f"{first} again {number}"


def _stop_on_signals(busy: Worker) -> None:
    def stop(*_: object) -> None:
        busy.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _stop_at_the_end_of_input(busy: Worker) -> None:
    # Past Python's buffer, whose lock a thread that is still reading would hold when the interpreter ends.
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    busy.stop()


@contextmanager
def workers_beside(place: Workspace, settings: Settings) -> Iterator[None]:
    """Keep workers running beside the service, each a process of its own that ends when this one does, however it ends.

    Parameters
    ----------
    place : Workspace
    settings : Settings
        `run_workers` says how many; none where no folder is named and no upload accepted.
    """
    count = settings.run_workers if settings.run_folders or settings.accept_uploads else 0
    over = threading.Event()
    threads = [threading.Thread(target=_keep_running, args=(place, settings, over), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _keep_running(place: Workspace, settings: Settings, over: threading.Event) -> None:
    environment = dict(os.environ)
    if settings.words_file is not None:
        environment["RISKMODEL_SERVICE_WORDS_FILE"] = str(settings.words_file)
    command = [sys.executable, "-m", "riskmodel", "--workspace", str(place.folder), "worker", "--attached"]
    while not over.is_set():
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
        while process.poll() is None and not over.wait(0.2):
            pass
        assert process.stdin is not None
        process.stdin.close()
        until = time.monotonic() + _LAST_CHUNK
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
        process.wait()
        over.wait(_AGAIN_AFTER)
