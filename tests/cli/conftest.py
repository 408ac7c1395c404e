"""The command line as a person calls it, and disks that are full or closed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from riskmodel.cli import context
from riskmodel.cli.main import run

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Give the command line: exit code, output and complaints. Its workspace is `tmp_path / 'workspace'`."""
    monkeypatch.setattr(context, "options", context.Options())
    workspace = str(tmp_path / "workspace")

    def calling(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ending:
            run(["--workspace", workspace, *map(str, arguments)])
        told = capsys.readouterr()
        return int(ending.value.code or 0), told.out, told.err

    return calling


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Give the maker of small disks, named, with a size in kB."""
    mounted: list[Path] = []

    def make(name: str, kilobytes: int, *options: str) -> Path:
        place = tmp_path / name
        place.mkdir()
        mount = shutil.which("mount")
        told = ",".join([f"size={kilobytes}k", *options])
        if mount is None or subprocess.run([mount, "-t", "tmpfs", "-o", told, "tmpfs", place], capture_output=True, check=False).returncode:
            pytest.skip("this machine lets nobody mount a small disk here")
        mounted.append(place)
        return place

    yield make
    for place in mounted:  # MLflow keeps its database open for as long as the process lives
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def small_disk(disk: Callable[..., Path]) -> Path:
    """Give a folder on a disk of 64 kB."""
    return disk("small", 64)


@pytest.fixture
def read_only(disk: Callable[..., Path]) -> Path:
    """Give a folder that nobody may write to, not even the system's keeper."""
    return disk("closed", 64, "ro")
