"""See to it that the browser tests have a Chromium: one that is there, one that Playwright brings, or one from the system's packages.

Where none can be had it says which tests are left out and how to get them. With RISKMODEL_REQUIRE_BROWSER=1 that is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
PATIENCE = 180


def find() -> Path | None:
    """Give the path of a Chromium on this machine, or None."""
    named = os.environ.get("RISKMODEL_CHROMIUM")
    if named:
        return Path(named) if Path(named).exists() else None
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return Path(found)
    for place in PLACES:
        if Path(place).exists():
            return Path(place)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return own if own.exists() else None


def _try(what: str, *command: str) -> bool:
    print(f"riskmodel: no browser yet; trying {what} ...", flush=True)
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def main() -> int:
    """Find or fetch a browser; 0 unless one is required and none can be had."""
    found = find()
    if found is None and "RISKMODEL_CHROMIUM" not in os.environ:
        _try("'playwright install chromium'", sys.executable, "-m", "playwright", "install", "chromium")
        found = find()
        if found is None and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
            _try("the system's packages", "apt-get", "update", "-qq")
            _try("the system's packages", "apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium")
            found = find()
    if found is not None:
        return 0
    print("riskmodel: no Chromium can be had, so the tests in tests/browser are left out. To have them: install Chromium or Chrome,")
    print("           or name one in RISKMODEL_CHROMIUM.")
    return 1 if os.environ.get("RISKMODEL_REQUIRE_BROWSER") == "1" else 0


if __name__ == "__main__":
    sys.exit(main())
