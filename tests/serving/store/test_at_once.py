"""Two processes that begin with one empty store at the same moment: one makes it, the other finds it made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from riskmodel.cli.store import open_store
from riskmodel.workspace import Workspace
from serving.store.audit import verify
from serving.store.keys import make_keys, write_keys
from serving.store.schema import connect, newest_revision, revision

# Each says that it is there, waits until it may go, and begins.
BEGIN = """
import os, sys
from pathlib import Path
from riskmodel.cli import context
from riskmodel.cli.store import open_store
from riskmodel.workspace import Workspace
from serving.store.audit import Event
from serving.store import schema, weeks, keys, audit, people, runs
print("ready", flush=True)
sys.stdin.readline()
with open_store(Workspace(Path(sys.argv[1]))) as store:
    store.record(Event.OPERATOR_KEYS_ROTATED, actor="someone", subjects=[""])
"""


def begin_together(workspace: Path, count: int, **more: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", BEGIN, str(workspace)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | more,
        )
        for _ in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate(timeout=300)[1] for process in processes]
    assert [(process.returncode, error) for process, error in zip(processes, told, strict=True)] == [(0, "")] * count


def events(workspace: Path) -> int:
    with open_store(Workspace(workspace)) as store:
        found = verify(store.engine, store.keys, store.heads)
    assert found.faults == ()
    return found.events


@pytest.mark.slow
def test_processes_that_make_one_workspace_at_once_all_begin_and_share_its_keys(tmp_path: Path) -> None:
    begin_together(tmp_path / "workspace", 3)
    assert events(tmp_path / "workspace") == 3
    assert [each.name for each in (tmp_path / "workspace").iterdir() if each.name.startswith(".")] == []


@pytest.mark.slow
def test_two_processes_migrate_one_empty_database_at_once(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = tmp_path / "workspace"
    write_keys(make_keys(), workspace / "keys.json")
    begin_together(workspace, 2, RISKMODEL_SERVICE_STORE_URL=store_url)
    monkeypatch.setenv("RISKMODEL_SERVICE_STORE_URL", store_url)
    assert events(workspace) == 2
    engine = connect(store_url)
    assert revision(engine) == newest_revision()
    engine.dispose()
    assert set(json.loads((workspace / "keys.json").read_text(encoding="utf-8"))) == {"encryption", "pseudonym", "audit"}
