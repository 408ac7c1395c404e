"""docs/integrating.md as a new integrator follows it: every block is run, in the order of the page, against the real service."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

import riskmodel_client
from tests.client.conftest import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "integrating.md").read_text(encoding="utf-8")
CLIENT = Path(riskmodel_client.__file__).parents[1]
BLOCKS = re.findall(r"^```(sh|python|console)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def blocks(*languages: str) -> Iterator[tuple[str, str]]:
    return ((language, block) for language, block in BLOCKS if language in languages)


def run(language: str, block: str, folder: Path, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", block] if language == "python" else ["bash", "-euc", block]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def follow_the_page(folder: Path, address: str, token: str) -> list[str]:
    """Run all that the page shows for curl and Python, and give what it printed."""
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(CLIENT), "PYTHONUTF8": "1", "RISKMODEL_ADDRESS": address, "RISKMODEL_TOKEN": token,
    }  # fmt: skip
    return [run(language, block, folder, environment) for language, block in blocks("sh", "python")]


def judge(printed: list[str]) -> None:
    state, score, invitation, first, followed = printed
    assert '"ready":true' in state
    [result] = json.loads(score)["results"]
    assert result["problem"] is None
    assert result["scores"]["leave"]["natural_frequency"].startswith("In earlier years")
    [invited] = json.loads(invitation)["invitations"]
    assert invited["state"] == "invited"
    assert invited["routing"]["reasons"]
    assert "leave In earlier years" in first
    assert re.search(r"kept before: \[\(datetime", first)
    count, _, why = followed.partition(" invited\n")
    assert int(count) > 0
    assert why.startswith("('")


@pytest.mark.slow
def test_the_page_leads_to_a_first_score_and_a_first_invitation(service: tuple[str, FastAPI], token: str, tmp_path: Path) -> None:
    judge(follow_the_page(tmp_path, service[0], token))
    # A second round goes on from the cursor and loses nothing.
    again = follow_the_page(tmp_path, service[0], token)[-1]
    assert int(again.split()[0]) > 0


@pytest.mark.slow
def test_a_new_integrator_gets_there_with_the_demo_in_a_process_of_its_own(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONUTF8": "1"}
    tool = [sys.executable, "-m", "riskmodel"]
    subprocess.run([*tool, "demo", "--no-serve"], cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=600)
    [(_, block)] = blocks("console")
    [command] = [line.removeprefix("$ riskmodel ") for line in block.splitlines()]
    made = subprocess.run([*tool, *shlex.split(command)], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    token = made.stdout.split()[0]
    port = free_port()
    service = subprocess.Popen(
        [*tool, "demo", "--port", str(port)], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while True:
            try:
                if httpx.get(f"{address}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                assert time.monotonic() < deadline, "the service did not start"
            time.sleep(0.2)
        judge(follow_the_page(tmp_path, address, token))
    finally:
        service.terminate()
        service.wait(timeout=20)
