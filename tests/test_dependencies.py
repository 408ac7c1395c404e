"""The audit of dependencies says plainly where it could not be done, and fails for that only where it is asked to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "audit.py"


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code"), [((), 0), (("--tell",), 0), (("--required",), 1)], ids=lambda each: str(each))
def test_without_a_network_no_audit_is_claimed_and_nothing_fails_but_what_requires_one(
    how: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    environment = os.environ | {"UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, str(SCRIPT), *how], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == code
    assert "NOT audited" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
