"""The service, and whoever publishes lists, killed at any moment while they write: what was acknowledged stands, once and whole; nothing stands by halves."""

from __future__ import annotations

import datetime as dt
import itertools
import multiprocessing
import random
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from serving.settings import Settings
from serving.store.audit import Event, verify
from serving.store.keys import make_keys, write_keys
from serving.store.people import STUDENT
from serving.store.schema import connect, migrate
from serving.store.tables import AuditEvent, ChangeHead, Person, Score, Student, Week, Withdrawn
from serving.store.weeks import Store, now, publish_week
from tests.serving.conftest import Place
from tests.serving.store.conftest import postgres, store_url
from tests.serving.store.lists import MONDAY, student, week

__all__ = ["postgres", "store_url"]

CALLERS, TARGETS, LISTED = 6, 2, 8
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([__name__, "serving.app"])


def _serve(settings: Settings, told: Connection) -> None:
    import uvicorn

    from serving.app import create_app

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()  # from now on callers wait, whether or not anybody answers yet
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="error", access_log=False, log_config=None))
    told.send(listening.getsockname()[1])
    server.run(sockets=[listening])


def _publish(settings: Settings, first: int, told: Connection) -> None:
    from serving.settings import keys_in

    store = Store(connect(settings.store_url.get_secret_value()), keys_in(settings), settings.audit_heads)
    for number in itertools.count(first):
        told.send(("begun", number))
        students = (student(each) for each in range(number, number + LISTED))
        publish_week(store, week(*students, on=MONDAY + dt.timedelta(days=number)), actor="test")
        told.send(("stands", number))


@pytest.fixture
def settings(place: Place, tmp_path: Path, store_url: str) -> Settings:
    write_keys(make_keys(), tmp_path / "keys.json")
    own = place.settings(store_url=store_url, keys_file=tmp_path / "keys.json", audit_heads=tmp_path / "heads.jsonl")
    engine = connect(store_url)
    migrate(engine, store_of(own).keys)
    engine.dispose()
    return own


def store_of(settings: Settings) -> Store:
    from serving.settings import keys_in

    return Store(connect(settings.store_url.get_secret_value()), keys_in(settings), settings.audit_heads)


def token_for(settings: Settings) -> dict[str, str]:
    from serving.access.tokens import make_token

    store = store_of(settings)
    with Session(store.engine) as session, session.begin():
        made = make_token(session, "keeps", ["scores:compute", "scores:keep"], 1, at=now(), by="test")
    store.engine.dispose()
    return {"Authorization": f"Bearer {made.text}"}


def kill_while(
    settings: Settings,
    target: Callable[..., None],
    *told: object,
    use: Callable[[Connection, threading.Event], None],
    after: float,
) -> None:
    """Run something in a process, use it from here in a thread, kill it a while after it began to work, and wait for both."""
    began = threading.Event()
    here, there = _SERVER.Pipe(duplex=False)
    process = _SERVER.Process(target=target, args=(settings, *told, there))
    process.start()
    there.close()
    user = threading.Thread(target=use, args=(here, began))
    user.start()
    try:
        assert began.wait(300)
        time.sleep(after)
    finally:
        process.kill()
        process.join()
        user.join(60)
    assert not user.is_alive()


def kept_while_killed(settings: Settings, kills: int, seed: int) -> tuple[set[str], set[str]]:
    """Have scores kept by several callers at once while the service is killed so often; give the students asked for and those acknowledged."""
    chance, headers = random.Random(seed), token_for(settings)
    asked: set[str] = set()
    stands: set[str] = set()
    numbers = itertools.count()

    def call(address: str, over: threading.Event, began: threading.Event) -> None:
        with httpx.Client(timeout=30, headers=headers) as client:
            while not over.is_set():
                name = f"s-{next(numbers)}"
                asked.add(name)
                body = {"keep": True, "students": [{"enrolment_id": f"e{name}", "student_id": name, "landmark": 56, "features": {}}]}
                answer = client.post(f"{address}/v1/scores", json=body)
                began.set()
                if answer.status_code == 200 and answer.json()["results"][0]["kept"]:
                    stands.add(name)

    def use(told: Connection, began: threading.Event) -> None:
        with suppress(EOFError, OSError):
            port = told.recv()
            over = threading.Event()
            with ThreadPoolExecutor(CALLERS) as pool:
                callers = [pool.submit(call, f"http://127.0.0.1:{port}", over, began) for _ in range(CALLERS)]
                for each in callers:
                    with suppress(httpx.HTTPError):  # killed meanwhile
                        each.result()

    for _ in range(kills):
        kill_while(settings, _serve, use=use, after=chance.uniform(0.0, 0.5))
    return asked, stands


def check_kept(settings: Settings, asked: set[str], stands: set[str]) -> None:
    store = store_of(settings)
    digests = {store.keys.digest(STUDENT, name): name for name in asked}
    with Session(store.engine) as session:
        scored = session.execute(
            select(Person.student, func.count(Score.id)).join(Score, Score.person_id == Person.id).group_by(Person.student)
        )
        found = {digests[digest]: count for digest, count in scored.all()}
        told = session.execute(
            select(AuditEvent.subject, func.count()).where(AuditEvent.event == Event.API_SCORES_KEPT).group_by(AuditEvent.subject)
        ).all()
    assert stands <= found.keys(), "an acknowledged write is lost"
    assert set(found.values()) == {TARGETS}, "a write is doubled, or stands by halves"
    assert {digests[digest]: count for digest, count in told} == dict.fromkeys(found, 1)
    assert verify(store.engine, store.keys, store.heads).faults == ()
    store.engine.dispose()


def published_while_killed(settings: Settings, kills: int, seed: int) -> tuple[set[int], set[int]]:
    """Have lists published one after another while whoever publishes is killed so often; give those begun and those acknowledged."""
    chance = random.Random(seed)
    begun: set[int] = set()
    stands: set[int] = set()

    def use(told: Connection, began: threading.Event) -> None:
        with suppress(EOFError, OSError):
            while True:
                what, number = told.recv()
                began.set()
                (begun if what == "begun" else stands).add(number)

    for _ in range(kills):
        kill_while(settings, _publish, max(begun, default=0) + 1, use=use, after=chance.uniform(0.0, 0.3))
    return begun, stands


def check_published(settings: Settings, begun: set[int], stands: set[int]) -> None:
    store = store_of(settings)
    with Session(store.engine) as session:
        sizes = session.execute(select(Week.on, func.count(Student.id)).join(Student).group_by(Week.on)).all()
        found = {(on - MONDAY).days: count for on, count in sizes}
        changes = [*session.scalars(select(Student.change)), *session.scalars(select(Withdrawn.change))]
        last = session.scalar(select(ChangeHead.seq))
    assert stands <= found.keys() <= begun
    assert set(found.values()) == {LISTED}
    assert sorted(changes) == list(range(1, (last or 0) + 1))
    assert verify(store.engine, store.keys, store.heads).faults == ()
    store.engine.dispose()


@pytest.mark.slow
def test_scores_that_were_kept_outlive_a_service_that_is_killed_while_it_keeps_others(settings: Settings) -> None:
    check_kept(settings, *kept_while_killed(settings, 2, seed=1))


@pytest.mark.slow
def test_a_list_stands_whole_or_not_at_all_however_often_its_publisher_is_killed(settings: Settings) -> None:
    check_published(settings, *published_while_killed(settings, 3, seed=1))


@pytest.mark.endurance
@pytest.mark.timeout(7200)
def test_two_hundred_kills_of_the_service_lose_and_double_no_score(settings: Settings) -> None:
    asked, stands = kept_while_killed(settings, 200, seed=2)
    check_kept(settings, asked, stands)
    print(f"endurance: 200 kills of the service, {len(asked)} requests to keep scores, {len(stands)} acknowledged, none lost or doubled")


@pytest.mark.endurance
@pytest.mark.timeout(7200)
def test_two_hundred_kills_of_a_publisher_lose_and_double_no_invitation(settings: Settings) -> None:
    begun, stands = published_while_killed(settings, 200, seed=2)
    check_published(settings, begun, stands)
    print(f"endurance: 200 kills of a publisher, {len(begun)} lists begun, {len(stands)} acknowledged, none lost or doubled")
