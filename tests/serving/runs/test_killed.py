"""Workers that are killed at any moment: the next goes on, and each student is written once."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from serving.store.audit import Event, hold, verify
from serving.store.tables import AuditEvent, Run, RunStudent, Score
from tests.serving.runs.conftest import ENDED, Service, queue


def killed_until_done(service: Service, run: str, kills: int, seed: int) -> dict[str, Any]:
    """Start workers and kill each at a random moment, so often; let the last one end. What was acknowledged before each kill must stand after it."""
    chance = random.Random(seed)
    done = 0
    for _ in range(kills):
        with service.worker() as process:
            if chance.random() < 0.7:  # else at any moment, also while it starts or reads
                service.until(run, lambda told: told["students"]["done"] > done or told["state"] in ENDED)  # noqa: B023 - called at once
                time.sleep(chance.uniform(0, 0.1))
            else:
                time.sleep(chance.uniform(0, 2))
            before = service.told(run)["students"]["done"]
            process.kill()
            process.join()
        after = service.told(run)["students"]["done"]
        assert after >= before >= done
        done = after
        if service.told(run)["state"] in ENDED:
            break
    with service.worker():
        return service.until(run, lambda told: told["state"] in ENDED)


def check_written_once(service: Service, run: str) -> None:
    """Hold what is in the store against what one run that nobody disturbed writes."""
    undisturbed = queue(service)
    service.work()
    with Session(service.store.engine) as session:
        seq = {found.id: found.seq for found in session.scalars(select(Run))}

        def scores(of: str) -> list[Any]:
            columns = (Score.enrolment, Score.target, Score.probability, Score.low, Score.high, Score.model)
            return list(session.execute(select(*columns).where(Score.run_id == of).order_by(Score.enrolment, Score.target)).all())

        def students(of: str) -> list[Any]:
            columns = (RunStudent.place, RunStudent.enrolment, RunStudent.rank, RunStudent.not_scored)
            return list(session.execute(select(*columns).where(RunStudent.run_seq == seq[of]).order_by(RunStudent.place)).all())

        assert students(run) == students(undisturbed.id)
        found, expected = scores(run), scores(undisturbed.id)
        assert [row[:2] for row in found] == [row[:2] for row in expected]
        assert [row[2] for row in found] == pytest.approx([row[2] for row in expected], abs=1e-12)
        kept = session.scalar(select(func.count()).select_from(AuditEvent).where(AuditEvent.event == Event.RUN_SCORES_KEPT))
        assert kept == 2 * len({row[0] for row in expected})
    assert verify(service.store.engine, service.store.keys, service.store.heads).faults == ()


def one_database(name: str) -> Any:
    return pytest.mark.parametrize("store_url", [name], indirect=True)


@one_database("sqlite")
@pytest.mark.slow
def test_a_run_whose_workers_are_killed_three_times_ends_with_each_student_written_once(service: Service) -> None:
    run = service.begin()
    assert killed_until_done(service, run, 3, seed=1)["state"] == "done"
    check_written_once(service, run)


@pytest.mark.slow
@one_database("postgresql")
def test_a_run_whose_workers_are_killed_three_times_ends_so_on_postgresql_too(service: Service) -> None:
    run = service.begin()
    assert killed_until_done(service, run, 3, seed=2)["state"] == "done"
    check_written_once(service, run)


@pytest.mark.endurance
@pytest.mark.timeout(7200)  # a minute for ten kills, on a machine that has other things to do several
def test_two_hundred_kills_lose_and_double_nothing(service: Service) -> None:
    kills, seed = 0, 0
    while kills < 200:
        run = service.begin()
        assert killed_until_done(service, run, 10, seed=seed)["state"] == "done"
        check_written_once_of(service, run)
        kills, seed = kills + 10, seed + 1
        print(f"endurance: {kills} kills of workers while runs are written, none lost or doubled")


def check_written_once_of(service: Service, run: str) -> None:
    """Check one run by itself: every place is taken once, and every scored student has one score a target."""
    told = service.told(run)
    with Session(service.store.engine) as session:
        seq = session.scalars(select(Run.seq).where(Run.id == run)).one()
        places = session.scalars(select(RunStudent.place).where(RunStudent.run_seq == seq).order_by(RunStudent.place)).all()
        scored = session.scalar(select(func.count()).where(RunStudent.run_seq == seq, RunStudent.rank.is_not(None)))
        scores = session.scalar(select(func.count()).where(Score.run_id == run))
    assert list(places) == list(range(told["students"]["total"]))
    assert scores == 2 * (scored or 0)


@pytest.mark.slow
def test_a_worker_asked_to_stop_gives_its_run_back_and_the_next_goes_on_at_once(service: Service) -> None:
    run = service.begin()
    with service.command(run_chunk=1, run_lease_seconds=600) as process:
        service.until(run, lambda told: told["students"]["done"] > 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert service.told(run)["state"] == "waiting"
    with service.worker(run_lease_seconds=600):
        assert service.until(run, lambda told: told["state"] in ENDED)["state"] == "done"


def held(service: Service) -> bool:
    """Tell whether somebody's transaction holds the audit trail's head."""
    short, usual = ("PRAGMA busy_timeout = 300", "PRAGMA busy_timeout = 5000")
    if not service.url.startswith("sqlite"):
        short, usual = ("SET lock_timeout = '300ms'", "SET lock_timeout = 0")
    with Session(service.store.engine) as session:
        session.execute(text(short))
        session.commit()
        try:
            hold(session)
            return False
        except SQLAlchemyError:
            return True
        finally:
            session.rollback()
            session.execute(text(usual))
            session.commit()


@pytest.mark.slow
def test_two_workers_share_the_runs_and_one_that_froze_finds_its_run_taken(service: Service) -> None:
    several = [service.begin() for _ in range(3)]
    with service.worker(run_chunk=5) as frozen:
        service.until(several[0], lambda told: told["students"]["done"] > 0)
        assert frozen.pid is not None
        os.kill(frozen.pid, signal.SIGSTOP)
        while held(service):  # within a transaction; a database waits for that one
            os.kill(frozen.pid, signal.SIGCONT)
            time.sleep(0.05)
            os.kill(frozen.pid, signal.SIGSTOP)
        with service.worker() as other:
            for run in several:
                assert service.until(run, lambda told: told["state"] in ENDED)["state"] == "done"
            os.kill(frozen.pid, signal.SIGCONT)
            frozen.join(3)
            assert frozen.is_alive()
            assert other.is_alive()
    for run in several:
        check_written_once_of(service, run)


@pytest.mark.slow
@one_database("sqlite")
def test_a_run_that_workers_keep_dying_of_fails_and_says_so(service: Service) -> None:
    run = service.begin()
    with Session(service.store.engine) as session, session.begin():
        session.scalars(select(Run)).one().attempts = 3
    with service.worker(run_attempts=3):
        told = service.until(run, lambda told: told["state"] in ENDED)
    assert (told["state"], told["problem"]["type"]) == ("failed", "/problems/run-failed")
    assert "3 workers in a row" in told["problem"]["detail"]
