"""The command line as a person calls it."""

from __future__ import annotations

from collections.abc import Callable
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
