"""The database away, slow, frozen, full or used up: a clear answer within a bound, nobody hangs, and all is well again without a restart."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from serving.access.tokens import REMEMBERED_SECONDS
from serving.settings import Settings
from serving.store.schema import Patience, connect
from tests.serving.reliability.conftest import serving_at, timed, token_of, until_answered

pytestmark = pytest.mark.slow

BOUND = 8.0  # the settings say half a second; a machine that has other things to do takes longer
AT_ONCE = 24


def refused_within_bounds(address: str, headers: dict[str, str], bound: float = BOUND) -> float:
    """Send many requests at once; each is told to come back, in time, while the process says that it lives. Give the longest wait."""
    time.sleep(REMEMBERED_SECONDS + 0.1)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(timed, address, headers) for _ in range(AT_ONCE)]
        alive, took, _ = timed(address, {}, None, "/healthz")
        assert (alive, took < 1.0) == (200, True)
        found = [each.result() for each in waiting]
    for status, took, answer in found:
        assert (status, answer.headers["content-type"]) == (503, "application/problem+json")
        assert int(answer.headers["retry-after"]) > 0
        assert took < bound
    return max(took for _, took, _ in found)


def test_without_a_database_scoring_is_refused_in_time_and_comes_back_by_itself(postgres_settings: Settings, own_postgres: Any) -> None:
    headers = token_of(postgres_settings)
    with serving_at(postgres_settings) as address:
        until_answered(address, headers)
        own_postgres.stop()
        refused_within_bounds(address, headers)
        status, _, ready = timed(address, {}, None, "/readyz")
        assert (status, ready.json()["ready"]) == (503, False)
        assert "the store can't be reached" in ready.json()["problems"][0]
        own_postgres.start()
        until_answered(address, headers)


def test_a_database_in_which_others_hold_a_lock_is_waited_for_only_so_long(postgres_settings: Settings) -> None:
    headers = token_of(postgres_settings)
    with serving_at(postgres_settings) as address:
        until_answered(address, headers)
        engine = create_engine(postgres_settings.store_url.get_secret_value())
        with engine.begin() as connection:
            connection.execute(text("LOCK TABLE tokens IN ACCESS EXCLUSIVE MODE"))
            # With four connections, twenty-four requests wait in turn; whoever gets none in time is refused as well.
            refused_within_bounds(address, headers)
        until_answered(address, headers)
        engine.dispose()


@pytest.mark.slow
def test_a_database_that_has_no_connection_left_refuses_and_recovers(postgres_settings: Settings) -> None:
    headers = token_of(postgres_settings)
    url = make_url(postgres_settings.store_url.get_secret_value())
    with serving_at(postgres_settings) as address:
        until_answered(address, headers)
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("ALTER DATABASE postgres CONNECTION LIMIT 0"))
            connection.execute(text("CREATE ROLE plain LOGIN"))
            connection.execute(text("GRANT ALL ON ALL TABLES IN SCHEMA public TO plain"))
        limited = postgres_settings.model_copy(update={"store_url": type(postgres_settings.store_url)(str(url.set(username="plain")))})
        with engine.connect() as connection:
            connection.execute(text("ALTER DATABASE postgres CONNECTION LIMIT -1"))
        with serving_at(limited) as other:
            until_answered(other, headers)
            with engine.connect() as connection:
                connection.execute(text("ALTER DATABASE postgres CONNECTION LIMIT 0"))
                connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'plain'"))
            refused_within_bounds(other, headers)
            with engine.connect() as connection:
                connection.execute(text("ALTER DATABASE postgres CONNECTION LIMIT -1"))
            until_answered(other, headers)
        engine.dispose()


@contextmanager
def frozen(process: int) -> Iterator[None]:
    """Stop a process and its children where they stand, and let them go on."""
    family = [psutil.Process(process), *psutil.Process(process).children(recursive=True)]
    for each in family:
        os.kill(each.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in family:
            os.kill(each.pid, signal.SIGCONT)


@pytest.mark.slow
def test_a_database_that_is_frozen_keeps_nobody_waiting_for_ever(postgres_settings: Settings, own_postgres: Any) -> None:
    headers = token_of(postgres_settings)
    with serving_at(postgres_settings) as address:
        until_answered(address, headers)
        with frozen(own_postgres.get_pid()):
            refused_within_bounds(address, headers, bound=postgres_settings.answer_seconds + BOUND)
        until_answered(address, headers)


@pytest.mark.parametrize("kind", ["lite", "postgres_settings"])
def test_the_pool_has_the_size_and_the_patience_that_the_settings_say(kind: str, request: pytest.FixtureRequest) -> None:
    settings: Settings = request.getfixturevalue(kind)
    token_of(settings)
    engine = connect(settings.store_url.get_secret_value(), Patience(2, 0.2))
    first, second = engine.connect(), engine.connect()
    began = time.monotonic()
    with pytest.raises(Exception, match="QueuePool limit of size 2"):
        engine.connect()
    assert 0.15 < time.monotonic() - began < 2.0
    first.close()
    engine.connect().close()
    second.close()
    engine.dispose()
