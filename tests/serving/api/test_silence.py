"""A running service tells nobody's name, grade or score to whoever reads its log or its counts, whatever is asked of it and whatever goes wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from serving.access.scopes import MACHINES
from serving.access.tokens import make_token
from serving.pages.login import DEMO_COORDINATOR
from serving.store.schema import connect
from serving.store.weeks import invited_students, latest_week, now
from tests.client.conftest import free_port
from tests.serving.api.conftest import client, postgres, url
from tests.serving.conftest import Place
from tests.serving.test_scores import request

pytestmark = pytest.mark.slow

__all__ = ["client", "postgres", "url"]
GRADE, NUMBER, NAME = 3.14159, "canary-number", "Canary van der Canarie"
WHO = {"Accept": "text/html", "User-Agent": f"{NAME}/1.0"}


@dataclass
class Watched:
    """A running service, and all that it has said."""

    http: httpx.Client
    token: str
    log: Path

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")


@contextmanager
def running(place: Place, url: str, log: Path) -> Iterator[Watched]:
    """Give `riskmodel serve` in a process of its own, with its output in a file."""
    engine, port = connect(url), free_port()
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM tokens"))
    with Session(engine) as session, session.begin():
        token = make_token(session, "silence", sorted(map(str, MACHINES)), 1, at=now(), by="test").text
    engine.dispose()
    command = [sys.executable, "-m", "riskmodel", "--workspace", str(place.workspace.folder), "serve", "--demo", "--port", str(port)]
    with log.open("w", encoding="utf-8") as output:
        heads = str(place.settings(store_url=url).audit_heads)
        told = {"RISKMODEL_SERVICE_STORE_URL": url, "RISKMODEL_SERVICE_AUDIT_HEADS": heads}
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **told})
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=WHO, timeout=30) as http:
                deadline = time.monotonic() + 60
                while True:
                    assert process.poll() is None, log.read_text(encoding="utf-8")
                    assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
                    try:
                        if http.get("/healthz").status_code == 200:
                            break
                    except httpx.TransportError:
                        time.sleep(0.1)
                yield Watched(http, token, log)
        finally:
            process.terminate()
            process.wait(20)


def break_scores(url: str) -> None:
    """Let the database refuse every kept score, as a fault does that nobody foresaw; PostgreSQL tells the refused row in its complaint."""
    engine = connect(url)
    with engine.begin() as connection:
        if make_url(url).get_backend_name() == "sqlite":
            connection.execute(
                text("CREATE TRIGGER refused BEFORE INSERT ON scores BEGIN SELECT RAISE(ABORT, 'CHECK constraint failed: refused'); END")
            )
        else:
            connection.execute(text("ALTER TABLE scores ADD CONSTRAINT refused CHECK (landmark < 0) NOT VALID"))
    engine.dispose()


def probabilities(answer: httpx.Response) -> set[str]:
    """Every probability of an answer, as far as a log or a count could tell it."""
    scores = [score for result in answer.json()["results"] for score in result["scores"].values()]
    return {repr(score["probability"])[:8] for score in scores}


def test_neither_log_nor_counts_tell_a_name_a_grade_or_a_score(place: Place, url: str, tmp_path: Path) -> None:
    store = place.store()
    with store.session() as session:
        week = latest_week(session)
        assert week is not None
        listed = invited_students(session, store.keys, week, None)
    store.engine.dispose()
    body: dict[str, Any] = request(enrolment_id=NUMBER, student_id=NUMBER)
    body["students"][0]["results"][0]["grade"] = GRADE
    secret = {NUMBER, "anary", str(GRADE)}
    with running(place, url, tmp_path / "log.txt") as service:
        http, bearer = service.http, {"Authorization": f"Bearer {service.token}"}
        scored = http.post("/v1/scores", json=body, headers=bearer)
        assert scored.status_code == 200
        secret |= probabilities(scored) | {service.token}
        counts = http.get("/metrics", headers=bearer).text
        assert "riskmodel_score_count" in counts
        assert [each for each in secret if each in counts] == []
        # What is wrong, unknown or not for whoever asks.
        for wrong in ({"grade": NAME}, {NAME: NUMBER}, {"date": NAME}):
            broken = json.loads(json.dumps(body))
            broken["students"][0]["results"][0] |= wrong
            http.post("/v1/scores", json=broken, headers=bearer)
        http.post("/v1/scores", content=f'{{"{NAME}": {GRADE}', headers=bearer)
        http.post("/v1/scores", json=body, headers={"Authorization": f"Bearer {NAME}"})
        http.request(NUMBER.upper(), f"/{NUMBER}")
        for path in (f"/students/{NUMBER}", f"/v1/students/{NUMBER}/scores", f"/v1/models/{NUMBER}", f"/?coach={NUMBER}", f"/{NUMBER}"):
            http.get(path, headers=bearer)
        # The pages, by somebody who is logged in.
        assert http.post("/login/demo", data={"who": DEMO_COORDINATOR}).status_code == 303
        assert http.get("/").status_code == 200
        for student in listed[:20]:
            assert http.get(f"/students/{student.enrolment_id}").status_code == 200
            secret |= {student.enrolment_id, student.student_id, student.name, repr(student.row.probability)[:8]}
        http.post("/login/demo", data={"who": NAME})
        invitations = http.get("/v1/invitations", headers=bearer)
        assert invitations.status_code == 200
        kept = http.post("/v1/scores", json={**body, "keep": True}, headers=bearer)
        assert kept.json()["results"][0]["kept"]
        assert http.get(f"/v1/students/{NUMBER}/scores", headers=bearer).json()["scores"]
        # What nobody foresaw.
        break_scores(url)
        failed = http.post("/v1/scores", json={**body, "keep": True}, headers=bearer)
        assert failed.status_code == 500
        assert [each for each in secret if each in failed.text] == []
        counts = http.get("/metrics", headers=bearer).text
        secret.discard("")
        assert [each for each in secret if each in counts] == []
    said = service.said()
    assert [(each, said[max(0, said.index(each) - 200) : said.index(each) + 50]) for each in secret if each in said] == []
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert sum("route" in line for line in lines) >= 35
    # Whoever mends it is told what broke and where, under the request's id.
    [fault] = [line for line in lines if line.get("event") == "failed"]
    assert fault["request_id"] == failed.headers["X-Request-ID"]
    assert fault["route"] == "/v1/scores"
    assert "IntegrityError" in fault["faults"][0]["type"]
    assert any(re.search(r"serving.routes.scores\.py:\d+ in _keep", place) for place in fault["faults"][0]["places"])
    assert [line for line in said.splitlines() if not line.startswith(("{", "Coach's page", "API's doc", "Stop with"))] == []
