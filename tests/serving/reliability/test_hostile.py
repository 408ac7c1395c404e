"""Hostile requests: an answer each, never a server error, nothing kept in memory, and what was stored or is shown is as given."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from serving.settings import Settings
from tests.serving.conftest import Place
from tests.serving.reliability.conftest import READY, serving_at, timed, token_of, until_answered
from tests.serving.reliability.hostile import STRINGS, hostile
from tests.serving.test_scores import request as raw_request

pytestmark = pytest.mark.slow

MORE_MB = 150
MOST_SECONDS = 10.0


def send_all(settings: Settings, many: int, seed: int) -> Counter[str]:
    """Send requests made by lot, and count their answers per kind."""
    headers = token_of(settings)
    found: Counter[str] = Counter()
    with serving_at(settings) as address, httpx.Client(base_url=address, timeout=60) as client:
        until_answered(address, headers)
        before = psutil.Process().memory_info().rss
        for each in hostile(raw_request(), many, seed):
            began = time.monotonic()
            answer = client.post(each.path, content=each.content, headers={**each.headers, **headers})
            assert answer.status_code < 500, (each.kind, each.content[:300], answer.text[:300])
            assert time.monotonic() - began < MOST_SECONDS, each.kind
            assert "Traceback" not in answer.text
            assert answer.headers["content-type"] in ("application/json", "application/problem+json")
            assert answer.headers["x-content-type-options"] == "nosniff"
            found[f"{each.kind} {answer.status_code}"] += 1
        more = (psutil.Process().memory_info().rss - before) / 2**20
        assert more < MORE_MB, f"{more:.0f} MB more"
        assert timed(address, headers)[0] == 200
    return found


def test_a_few_hostile_requests_of_every_kind_get_an_answer(lite: Settings) -> None:
    found = send_all(lite, 60, seed=1)
    assert len({each.rsplit(" ", 1)[0] for each in found}) >= 11


@pytest.mark.slow
def test_two_hundred_hostile_requests_get_an_answer(lite: Settings) -> None:
    send_all(lite, 200, seed=2)


@pytest.mark.endurance
def test_two_thousand_hostile_requests_get_an_answer(lite: Settings) -> None:
    found = send_all(lite, 2000, seed=3)
    print("\nendurance: 2,000 hostile requests:", ", ".join(f"{kind} {times}" for kind, times in sorted(found.items())))


def test_an_id_that_is_odd_comes_back_as_it_was_given(lite: Settings) -> None:
    headers = token_of(lite)
    names = [
        text
        for text in STRINGS
        if text.strip() and text == text.strip() and len(text) <= 200 and not any("\ud800" <= sign <= "\udfff" for sign in text)
    ]
    assert len(names) > 25
    with serving_at(lite) as address:
        status, _, answer = timed(address, headers, {"students": [{**READY["students"][0], "enrolment_id": name} for name in names]})
    assert status == 200
    assert [each["enrolment_id"] for each in answer.json()["results"]] == names
    assert answer.headers["content-type"] == "application/json"


def test_names_that_look_alike_are_two_students(lite: Settings) -> None:
    headers = token_of(lite)
    with serving_at(lite) as address:
        student = READY["students"][0]
        body = {"students": [{**student, "enrolment_id": name} for name in ("admin", "\u0430dmin", "admin\u200b", "Admin")]}
        status, _, answer = timed(address, headers, body)
    assert status == 200
    assert [each["enrolment_id"] for each in answer.json()["results"]] == ["admin", "\u0430dmin", "admin\u200b", "Admin"]


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/....//app.py", "/static//etc/passwd", "/static/%00", "/static/%ff",
     "/v1/%00", "/" + "a" * 9000, "/students/%00", "/students/..%2f..%2fetc"],
)  # fmt: skip
def test_no_path_leads_out_of_the_folder_or_breaks_the_service(lite: Settings, path: str) -> None:
    token_of(lite)
    with serving_at(lite) as address:
        host = urlsplit(address)
        with socket.create_connection((str(host.hostname), int(host.port or 0)), timeout=10) as line:
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: {host.netloc}\r\nConnection: close\r\n\r\n".encode())
            told = b"".join(iter(lambda: line.recv(65536), b""))
    status = int(told.split(b" ", 2)[1])
    assert 300 <= status < 500
    assert b"create_app" not in told
    assert b"root:" not in told


def test_slow_clients_keep_nobody_else_waiting(lite: Settings) -> None:
    headers = token_of(lite)
    stop = threading.Event()

    def dribble(address: str) -> None:
        host = urlsplit(address)
        lines = [socket.create_connection((str(host.hostname), int(host.port or 0)), timeout=10) for _ in range(60)]
        for line in lines:
            line.sendall(
                f"POST /v1/scores HTTP/1.1\r\nHost: {host.netloc}\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n".encode()
            )
        while not stop.wait(0.2):
            for line in lines:
                line.sendall(b" ")
        for line in lines:
            line.close()

    with serving_at(lite) as address:
        until_answered(address, headers)
        slow = threading.Thread(target=dribble, args=(address,))
        slow.start()
        time.sleep(0.5)
        took = [timed(address, headers)[1] for _ in range(50)]
        stop.set()
        slow.join(10)
    assert sorted(took)[-3] < 0.5


def test_secrets_stand_in_no_log_and_no_answer(place: Place, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from serving.observing import configure_logging

    settings = place.settings(store_url=f"sqlite:///{(tmp_path / 'store.db').as_posix()}", store_seconds=0.5)
    headers = token_of(settings)
    secret = headers["Authorization"].rsplit("_", 1)[-1]
    configure_logging()
    cookie = {"Cookie": "session=canary-cookie-secret; language=nl"}
    with serving_at(settings) as address:
        answers = [
            timed(address, {**headers, **cookie})[2],
            timed(address, {"Authorization": headers["Authorization"] + "x"})[2],
            timed(address, {**headers, "Content-Type": "text/plain"}, None, "/metrics?token=canary-query-secret")[2],
            timed(address, {**headers, **cookie, "Accept": "text/html"}, None, "/students/canary-path-secret")[2],
            timed(address, headers, {"students": [{"canary-key-secret": 1}]})[2],
        ]
    told = "".join(capfd.readouterr())
    assert '"answered"' in told
    for canary in (secret, "canary-cookie-secret", "canary-query-secret"):
        assert not [text for text in (told, *(answer.text + str(answer.headers) for answer in answers)) if canary in text]
    assert "canary-path-secret" not in told
    assert "canary-key-secret" not in told
    assert place.keys.audit.hex() not in told


def test_every_secret_is_compared_in_constant_time(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is unknown, malformed or wrong in its first or last sign takes the same way through the same comparison."""
    import hmac

    from sqlalchemy.orm import Session

    from serving.access import tokens
    from serving.store.schema import connect
    from serving.store.weeks import now

    settings = place.settings(store_url=f"sqlite:///{(tmp_path / 'store.db').as_posix()}")
    good = token_of(settings)["Authorization"].removeprefix("Bearer ")
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def watched(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(tokens.hmac, "compare_digest", watched)
    tried = [
        good,
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        good[:17] + ("A" if good[17] != "A" else "B") + good[18:],
        "rmt_" + "0" * 12 + good[16:],
        "x",
        "",
    ]
    with Session(connect(settings.store_url.get_secret_value())) as session:
        found = [tokens.machine(session, text, now()) is not None for text in tried]
    assert found == [True, False, False, False, False, False]
    assert compared == [(64, 64)] * len(tried)
