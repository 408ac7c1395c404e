"""Several processes that serve together: each answers, what the command line said holds in all, and counts are added up."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from serving.settings import PREFIX
from tests.serving.conftest import Place
from tests.serving.reliability.conftest import READY, token_of


@pytest.mark.slow
def test_two_processes_serve_together_and_their_counts_are_added_up(place: Place, tmp_path: Path) -> None:
    settings = place.settings(store_url=f"sqlite:///{(tmp_path / 'store.db').as_posix()}")
    headers = token_of(settings)
    port = 17_000 + os.getpid() % 10_000
    own = tmp_path / "words.toml"
    own.write_text('[general]\nnothing_unusual = "canary phrase"\n', encoding="utf-8")
    told = {f"{PREFIX}STORE_URL": settings.store_url.get_secret_value(), f"{PREFIX}SECURE_COOKIES": "false"}
    told[f"{PREFIX}AUDIT_HEADS"] = str(settings.audit_heads)
    command = [sys.executable, "-m", "riskmodel", "--workspace", str(place.workspace.folder), "serve", "--port", str(port)]
    command += ["--workers", "2", "--words", str(own)]
    log = (tmp_path / "log").open("wb")
    service = subprocess.Popen(command, env={**os.environ, **told}, stdout=log, stderr=log)
    address, until = f"http://127.0.0.1:{port}", time.monotonic() + 90
    try:
        while True:
            try:
                if httpx.get(f"{address}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                assert time.monotonic() < until, (tmp_path / "log").read_text()
                time.sleep(0.2)
        before = scored(address, headers)
        for _ in range(30):  # a connection each, so that both processes get some
            assert httpx.post(f"{address}/v1/scores", json=READY, headers=headers).status_code == 200
        assert scored(address, headers) - before == 30
        phrases = {
            reason["text"]
            for _ in range(12)
            for target in httpx.post(f"{address}/v1/scores", json=plain(), headers=headers).json()["results"][0]["scores"].values()
            for reason in target["reasons"]
            if reason["key"] == "nothing_unusual"
        }
        assert phrases <= {"canary phrase"}
    finally:
        service.terminate()
        assert service.wait(30) in (0, -15)
        log.close()


def plain() -> dict[str, object]:
    return {"students": [{"enrolment_id": "e", "landmark": 56, "features": {}}]}


def scored(address: str, headers: dict[str, str]) -> float:
    text = httpx.get(f"{address}/metrics", headers=headers).text
    found = re.search(r'^riskmodel_score_count\{target="leave"\} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else 0.0
