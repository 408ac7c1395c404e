"""Pin every dependency with hashes for Python 3.11 to 3.13 on Linux, macOS and Windows, without recording from where it came.

Run from the repository's root with the development environment: `python scripts/lock.py`.
"""

from __future__ import annotations

import subprocess
import sys

LOCKS = {"runtime": [], "dev": ["--extra", "dev"], "spark": ["--extra", "dev", "--extra", "spark"]}


def main() -> int:
    """Write requirements/*.txt anew from pyproject.toml."""
    for name, extras in LOCKS.items():
        command = [sys.executable, "-m", "uv", "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes"]
        command += ["--no-emit-index-url", "--no-annotate", "--no-header", "--quiet", "pyproject.toml", *extras]
        subprocess.run([*command, "-o", f"requirements/{name}.txt"], check=True)
        print(f"requirements/{name}.txt is pinned anew")
    return 0


if __name__ == "__main__":
    sys.exit(main())
