"""Run the endurance tests and keep their dated result in docs/endurance.md."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "endurance.md"
HEAD = "# Endurance\n\nWhat takes long runs in small numbers with every change, and in full by `make endurance`, which writes this page.\n"


def main() -> int:
    """Run pytest on the endurance tests, one on each core, and add what they measured to the page."""
    environment = os.environ | {"HYPOTHESIS_PROFILE": "long", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    call = [sys.executable, "-m", "pytest", "-m", "endurance", "-n", "2", "-rA", "--no-header", "--durations=0", "-q"]
    with subprocess.Popen(call, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8") as running:
        assert running.stdout is not None
        lines = []
        for line in running.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip())
    told = [line for line in lines if line.startswith(("PASSED", "FAILED", "ERROR", "SKIPPED", "endurance:")) or "s call " in line]
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} cores"
    entry = f"\n## {dt.date.today().isoformat()}\n\n{machine}\n\n```\n" + "\n".join(told) + "\n```\n"
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else HEAD
    PAGE.write_text(before.rstrip("\n") + "\n" + entry, encoding="utf-8")
    return running.returncode


if __name__ == "__main__":
    sys.exit(main())
