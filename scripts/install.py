"""Make `.venv` with the pinned dependencies and the `riskmodel` command; does nothing where that is done already.

Needs nothing but Python 3.11 to 3.13: `python scripts/install.py` works on Linux, macOS and Windows alike.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / ".installed"
OLDEST, NEWEST = (3, 11), (3, 13)


def _fitting_python() -> str | None:
    """Give a Python that the product runs on: this one, or another on the path."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.run([found, "-c", ""], check=False, capture_output=True).returncode == 0:
            return found
    return None


def _state(*files: str) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for name in files:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def _openmp_is_missing() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return True
    return False


def main(arguments: list[str]) -> int:
    """Install, and give 0 when the command is ready."""
    if _openmp_is_missing():
        print("riskmodel: LightGBM needs the OpenMP library libgomp.so.1, which is missing. Install the package libgomp1 (Debian, Ubuntu),")
        print("libgomp (Fedora, RHEL, Alpine) or gcc-libs (Arch) and try again.")
        return 2
    python = _fitting_python()
    if python is None:
        print(f"riskmodel: this is Python {sys.version.split()[0]}; it needs 3.11, 3.12 or 3.13, and none was found on the path.")
        return 2
    if Path(python) != Path(sys.executable):
        return subprocess.run([python, __file__, *arguments], check=False).returncode
    lock = "requirements/spark.txt" if "--spark" in arguments else "requirements/dev.txt"
    if "--spark" in arguments and shutil.which("java") is None:
        print("riskmodel: Java is missing, so the tests on PySpark are left out.")
        return 0
    state = _state(lock, "pyproject.toml")
    stamp = STAMP if "--spark" not in arguments else VENV / ".installed-spark"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == state:
        os.utime(stamp)
        return 0
    inside = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not inside.exists():
        print("riskmodel: making .venv ...", flush=True)
        venv.create(VENV, with_pip=True)
    print("riskmodel: installing pinned packages (about a minute after they are down) ...", flush=True)
    pip = [str(inside), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / lock)], check=True)
        subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], check=True)
    except subprocess.CalledProcessError as error:
        print("riskmodel: installing failed; what pip says stands above. Nothing else was changed; try again when it is mended.")
        return error.returncode
    stamp.write_text(state, encoding="utf-8")
    print("riskmodel: ready.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
