"""`train`, `evaluate`, `promote`, `score` and `publish` as a person calls them on bad input: one clear message, and nothing lost or half-written."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from institution import Shop

from riskmodel.cli import context
from riskmodel.cli.main import run

Call = Callable[..., tuple[int, str]]
DATE = "2021-10-20"
COMMANDS = {
    "train": ["train", "FOLDER", "--family", "logistic"],
    "evaluate": ["evaluate", "FOLDER", "--json", "OUT/figures.json"],
    "promote": ["promote", "FOLDER"],
    "score": ["score", "FOLDER", "--date", DATE, "--output", "OUT/scores.csv"],
    "publish": ["publish", "FOLDER", "--date", DATE],
}


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Give the command line: exit code and complaints, without the steps told on the way."""
    monkeypatch.setattr(context, "options", context.Options())

    def calling(command: str, workspace: Path, folder: Path, out: Path) -> tuple[int, str]:
        arguments = [part.replace("FOLDER", str(folder)).replace("OUT", str(out)) for part in COMMANDS[command]]
        capsys.readouterr()
        with pytest.raises(SystemExit) as ending:
            run(["--workspace", str(workspace), *arguments])
        told = capsys.readouterr().err
        return int(ending.value.code or 0), "\n".join(line for line in told.splitlines() if not line.endswith(" ..."))

    return calling


@pytest.fixture
def shop(promoted: Shop, tmp_path: Path) -> tuple[Path, Path]:
    """Give a copy of an institution and of its workspace with champions, to be spoilt."""
    shutil.copytree(promoted.folder, tmp_path / "data")
    shutil.copytree(promoted.workspace.folder, tmp_path / "workspace")
    return tmp_path / "data", tmp_path / "workspace"


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def no_folder(folder: Path) -> str:
    shutil.rmtree(folder)
    return "is not there|does not exist"


def empty_folder(folder: Path) -> str:
    shutil.rmtree(folder)
    folder.mkdir()
    return "there is no dataset.toml in this folder"


def missing_table(folder: Path) -> str:
    (folder / "results.csv").unlink()
    return "results: the file 'results.csv' is not there"


def truncated_parquet(folder: Path) -> str:
    import pandas as pd

    path = folder / "attendance.parquet"
    pd.read_csv(folder / "attendance.csv").to_parquet(path)
    path.write_bytes(path.read_bytes()[:-40])
    toml = folder / "dataset.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace("attendance.csv", "attendance.parquet"), encoding="utf-8")
    return "attendance: the file 'attendance.parquet' breaks off"


def stray_quote(folder: Path) -> str:
    path = folder / "results.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[7] = lines[7].replace("T1", 'T"1')
    path.write_text("\n".join(lines), encoding="utf-8")
    return "results.*line 8"


def toml_error(folder: Path) -> str:
    (folder / "dataset.toml").write_text('name = "x\n[tables', encoding="utf-8")
    return "dataset.toml: this is not valid TOML"


def policy_error(folder: Path) -> str:
    (folder / "policy.toml").write_text("capacity_share = 2", encoding="utf-8")
    return "policy.toml: capacity_share"


SPOILERS = [no_folder, empty_folder, missing_table, truncated_parquet, stray_quote, toml_error, policy_error]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_bad_tables_give_one_clear_message_and_change_nothing(call: Call, shop: tuple[Path, Path], tmp_path: Path, spoil: Callable) -> None:
    folder, workspace = shop
    place = spoil(folder)
    before = content(workspace)
    registry = before.pop("mlflow.db")
    for command in COMMANDS:
        code, told = call(command, workspace, folder, tmp_path / "out")
        assert code == 2, (command, told)
        assert "Traceback" not in told
        assert re.search(place, told), (command, told)
    after = content(workspace)
    # `promote` keeps what the gates said of a challenger, also where the data then turn out to be spoilt.
    assert after.pop("mlflow.db")[:16] == registry[:16]
    assert after == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["evaluate", "promote", "score"])
def test_a_workspace_without_models_says_what_to_run_first_and_stays_empty(
    call: Call, promoted: Shop, tmp_path: Path, command: str
) -> None:
    code, told = call(command, tmp_path / "new", promoted.folder, tmp_path / "out")
    assert code == 2
    assert "riskmodel train" in told
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_where_the_workspace_should_be_is_named(call: Call, promoted: Shop, tmp_path: Path, command: str) -> None:
    (tmp_path / "workspace").write_text("a file", encoding="utf-8")
    code, told = call(command, tmp_path / "workspace", promoted.folder, tmp_path / "out")
    assert code == 2
    assert str(tmp_path / "workspace") in told
    assert (tmp_path / "workspace").read_text(encoding="utf-8") == "a file"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_read_only_target_is_told_and_nothing_is_lost(
    call: Call, promoted: Shop, mount: Callable[..., Path], tmp_path: Path, command: str
) -> None:
    disk = mount("size=64m")
    shutil.copytree(promoted.workspace.folder, disk / "workspace")
    before = content(disk)
    mount("ro", disk)
    code, told = call(command, disk / "workspace", promoted.folder, disk / "out")
    assert code == 2, told
    assert "read-only" in told or "readonly" in told
    assert str(disk) in told
    assert "Traceback" not in told
    assert content(disk) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_told_and_nothing_is_lost(
    call: Call, promoted: Shop, mount: Callable[..., Path], tmp_path: Path, command: str
) -> None:
    disk = mount("size=64m")
    shutil.copytree(promoted.workspace.folder, disk / "workspace")
    (disk / "out").mkdir()
    left = shutil.disk_usage(disk).free
    (disk / "fill").write_bytes(bytes(left))
    before = content(disk / "workspace")
    code, told = call(command, disk / "workspace", promoted.folder, disk / "out")
    assert code == 2, told
    assert "disk is full" in told
    assert "Traceback" not in told
    assert not any((disk / "out").iterdir())
    after = content(disk / "workspace")
    assert {name: after.get(name) for name in before if not name.startswith("mlruns/")} == {
        name: told for name, told in before.items() if not name.startswith("mlruns/")
    }


def test_a_registry_that_could_not_be_made_whole_is_taken_away_and_made_anew_later(
    call: Call, promoted: Shop, small_disk: Path, mount: Callable[..., Path], tmp_path: Path
) -> None:
    workspace = small_disk / "workspace"
    code, told = call("train", workspace, promoted.folder, tmp_path)
    assert code == 2
    assert "disk is full" in told
    assert not (workspace / "mlflow.db").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal for another process")
@pytest.mark.parametrize(
    ("command", "moment"),
    [
        ("train", "features at"), ("train", "fitting dropout"), ("train", "logging dropout"), ("train", "logging leave"),
        ("evaluate", "checked"), ("promote", "fitting leave"), ("promote", "logging leave"), ("score", "checked"), ("publish", "checked"),
    ],
)  # fmt: skip
def test_an_interruption_ends_with_130_and_the_same_command_works_afterwards(
    shop: tuple[Path, Path], tmp_path: Path, command: str, moment: str
) -> None:
    folder, workspace = shop
    out = tmp_path / "out"
    arguments = [part.replace("FOLDER", str(folder)).replace("OUT", str(out)) for part in COMMANDS[command]]
    whole = [sys.executable, "-m", "riskmodel", "--workspace", str(workspace), *arguments]
    serving = content(workspace / "champion")
    complaints = tmp_path / "told.txt"
    with complaints.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=stream, env=dict(os.environ))
    while moment not in complaints.read_text(encoding="utf-8") and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 130
    told = complaints.read_text(encoding="utf-8")
    assert told.rstrip().endswith("Interrupted; nothing was left half-written.")
    assert "Traceback" not in told
    assert not out.exists() or not any(out.iterdir())
    assert content(workspace / "champion") == serving
    done = subprocess.run(whole, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
