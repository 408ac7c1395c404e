"""A disk that is full or read-only, a clock that is set back, a champion folder that breaks under the service: nothing is lost and it says what is wrong."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from riskmodel.champion import POINTER
from riskmodel.errors import RiskModelError
from serving.access.scopes import Role
from serving.access.sessions import Limits, Person, begin, resume
from serving.access.tokens import machine, make_token
from serving.app import create_app
from serving.settings import Settings, keys_in
from serving.store.audit import Event, record, verify
from serving.store.keys import make_keys
from serving.store.schema import connect, migrate
from serving.store.tables import AuditEvent, LoginSession
from serving.store.weeks import Store, now
from tests.serving.conftest import Place
from tests.serving.reliability.conftest import serving_at, timed, token_of, until_answered
from tests.serving.store.conftest import postgres, store, store_url  # noqa: F401

pytestmark = pytest.mark.slow

NOON = dt.datetime(2026, 11, 2, 12, 0)
HOUR = dt.timedelta(hours=1)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Give a disk of so many megabytes, in memory; only root can."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], capture_output=True)
    if done.returncode != 0:
        pytest.skip("only root can make a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(file: Path) -> None:
    """Write until there is no room."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as filler:
        while True:
            filler.write(b"\0" * 4096)


def logged_in(settings: Settings, seen: dt.datetime) -> dict[str, str]:
    """Begin a session that was last seen then, and give its cookie; the next request with it is written down."""
    engine = connect(settings.store_url.get_secret_value())
    with Session(engine) as session, session.begin():
        secret = begin(session, keys_in(settings), Person("somebody", "Iemand", frozenset({Role.COORDINATOR})), seen)
    engine.dispose()
    return {"Cookie": f"session={secret}", "Accept": "text/html"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can make a small disk")
def test_on_a_full_disk_scores_go_on_and_what_must_be_written_is_refused_until_there_is_room(place: Place, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        settings = place.settings(store_url=f"sqlite:///{(disk / 'store.db').as_posix()}", store_seconds=0.5)
        headers = token_of(settings)
        page = logged_in(settings, now() - dt.timedelta(minutes=5))
        with serving_at(settings) as address:
            until_answered(address, headers)
            filler = disk / "filler"
            fill(filler)
            status, took, answer = timed(address, page, None, "/")
            assert (status, answer.headers["content-type"].split(";")[0], took < 4) == (503, "text/html", True)
            assert timed(address, headers)[0] == 200
            filler.unlink()
            assert timed(address, page, None, "/")[0] == 200


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can make a disk read-only")
def test_on_a_read_only_disk_the_service_does_not_start_and_says_why(place: Place, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        settings = place.settings(store_url=f"sqlite:///{(disk / 'store.db').as_posix()}")
        token_of(settings)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(RiskModelError, match=r"read-only|can't be (opened|written)"):
            create_app(settings)
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        create_app(settings).state.store.engine.dispose()


def test_a_sqlite_store_in_which_another_writes_for_long_refuses_to_write_in_time(lite: Settings) -> None:
    headers = token_of(lite)
    page = logged_in(lite, now() - dt.timedelta(minutes=5))
    with serving_at(lite) as address:
        until_answered(address, headers)
        engine = connect(lite.store_url.get_secret_value())
        with engine.connect() as other:
            other.exec_driver_sql("UPDATE audit_head SET seq = seq")
            status, took, answer = timed(address, page, None, "/")
            assert (status, took < 4) == (503, True)
            assert int(answer.headers["retry-after"]) > 0
            assert timed(address, headers)[0] == 200
            other.rollback()
        assert timed(address, page, None, "/")[0] == 200
        engine.dispose()


def test_a_clock_set_back_an_hour_lets_nobody_in_who_was_out_and_nobody_out_who_was_in(store: Store) -> None:  # noqa: F811
    limits, person = Limits(dt.timedelta(minutes=30), dt.timedelta(hours=10)), Person("c1", "Ans", frozenset({Role.COACH}))
    with Session(store.engine) as session, session.begin():
        made = make_token(session, "clock", ["scores:compute"], 1, at=NOON, by="test")
        secret = begin(session, store.keys, person, NOON)
        assert machine(session, made.text, NOON - HOUR) is not None
        assert machine(session, made.text, NOON + dt.timedelta(days=1)) is None
        assert resume(session, store.keys, secret, limits, NOON - HOUR) == person
        # What was noted as the last moment does not go back with the clock, so idling ends when it should have.
        assert session.scalars(select(LoginSession.seen_at)).one() == NOON
        assert resume(session, store.keys, secret, limits, NOON + dt.timedelta(minutes=31)) is None


def test_the_audit_trail_keeps_its_order_when_the_clock_goes_back(store: Store) -> None:  # noqa: F811
    with Session(store.engine) as session, session.begin():
        for at in (NOON, NOON - HOUR, NOON - HOUR + dt.timedelta(minutes=1)):
            record(session, store.keys, Event.OPERATOR_TOKEN_MADE, actor="a", at=at, heads=store.heads)
    told = verify(store.engine, store.keys, store.heads)
    assert list(told.faults) == []
    with Session(store.engine) as session:
        assert list(session.execute(select(AuditEvent.seq, AuditEvent.at).order_by(AuditEvent.seq))) == [
            (1, NOON), (2, NOON - HOUR), (3, NOON - HOUR + dt.timedelta(minutes=1)),
        ]  # fmt: skip


def test_a_broken_new_champion_leaves_the_old_one_serving_while_requests_go_on(place: Place, tmp_path: Path) -> None:
    champion = tmp_path / "champion"
    shutil.copytree(place.workspace.champion, champion)
    settings = place.settings(champion_folder=champion, store_url=f"sqlite:///{(tmp_path / 'store.db').as_posix()}")
    headers = token_of(settings)
    with serving_at(settings) as address:
        until_answered(address, headers)
        before = timed(address, headers)[2].json()
        model = next(champion.glob("leave-*/model.json"))
        whole, pointer = model.read_bytes(), (champion / POINTER).read_bytes()
        for broken in (
            lambda: model.write_bytes(whole[:-50]),
            lambda: shutil.rmtree(model.parent),
            lambda: (champion / POINTER).write_bytes(b"\xff{"),
        ):
            broken()
            (champion / POINTER).touch()
            time.sleep(1.1)
            assert timed(address, headers)[2].json() == before
            ready = httpx.get(f"{address}/readyz")
            assert (ready.status_code, ready.json()["ready"]) == (200, True)
            assert "the one before serves" in ready.json()["problems"][0]
        shutil.rmtree(champion)
        shutil.copytree(place.workspace.champion, champion)
        (champion / POINTER).write_bytes(pointer)
        time.sleep(1.1)
        assert httpx.get(f"{address}/readyz").json()["problems"] == []


def test_keys_of_another_store_open_nothing_and_break_nothing(place: Place, tmp_path: Path) -> None:
    settings = place.settings(store_url=f"sqlite:///{(tmp_path / 'store.db').as_posix()}")
    token_of(settings)
    engine = connect(settings.store_url.get_secret_value())
    migrate(engine, make_keys())
    other = Store(engine, make_keys(), tmp_path / "heads")
    with Session(engine) as session, session.begin():
        record(session, other.keys, Event.OPERATOR_TOKEN_MADE, actor="a", at=NOON)
    assert verify(engine, keys_in(settings)).faults
    engine.dispose()
