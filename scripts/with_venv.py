"""Run `riskmodel` with the Python that has it: this one, or the one in `.venv`. MLproject's commands go through here."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IN_VENV = (ROOT / ".venv" / "bin" / "python", ROOT / ".venv" / "Scripts" / "python.exe")


def main(arguments: list[str]) -> int:
    """Run the command and give its exit code."""
    python = sys.executable if importlib.util.find_spec("riskmodel") else next((str(path) for path in IN_VENV if path.exists()), None)
    if python is None:
        print("riskmodel: it is installed nowhere here; run 'python scripts/install.py' first.", file=sys.stderr)
        return 2
    return subprocess.run([python, "-m", "riskmodel", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
