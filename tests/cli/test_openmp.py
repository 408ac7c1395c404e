"""A Linux machine without OpenMP, made by hiding the library from one process."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def openmp() -> Path:
    """Give where this machine keeps OpenMP, if one process can be made not to see it."""
    if not sys.platform.startswith("linux") or not (shutil.which("unshare") and shutil.which("ldconfig")):
        pytest.skip("only on Linux, with unshare and ldconfig")
    told = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"libgomp\.so\.1 .*=> (\S+)", told)
    if found is None or subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody hide a library from a process")
    return Path(found.group(1)).resolve()


@pytest.mark.parametrize("command", [["-m", "riskmodel", "data", "synth", "made"], [str(REPOSITORY / "scripts" / "install.py")]])
def test_a_lacking_openmp_is_told_with_the_package_that_brings_it_before_anything_else(
    openmp: Path, tmp_path: Path, command: list[str]
) -> None:
    hidden = f'mount --bind /dev/null "{openmp}" && exec "$0" "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hidden, sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    told = done.stdout + done.stderr
    assert done.returncode == 2
    assert "LightGBM needs the OpenMP library libgomp.so.1, which is missing" in told
    assert "Install the package libgomp1 (Debian, Ubuntu)" in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []
