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
    """Run pytest on the endurance tests, print as it goes, and add what it said to the page."""
    environment = os.environ | {"HYPOTHESIS_PROFILE": "long"}
    call = [sys.executable, "-m", "pytest", "-m", "endurance", "-rA", "--no-header", "-q"]
    done = subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout + done.stderr)
    told = [line for line in done.stdout.splitlines() if line.startswith(("PASSED", "FAILED", "ERROR", "SKIPPED")) or " in " in line[-30:]]
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} cores"
    entry = f"\n## {dt.date.today().isoformat()}\n\n{machine}\n\n```\n" + "\n".join(told) + "\n```\n"
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else HEAD
    PAGE.write_text(before.rstrip("\n") + "\n" + entry, encoding="utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
