"""What all tests share: a real browser and the real data, where this machine has them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts"))

settings.register_profile("quick", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """Give the browser that tests drive; without one they are skipped, or fail where a browser is required."""
    import find_browser

    found = find_browser.find()
    if found is None:
        if os.environ.get("RISKMODEL_REQUIRE_BROWSER") == "1":
            pytest.fail("no Chromium found, and RISKMODEL_REQUIRE_BROWSER=1 asks for one")
        pytest.skip("no Chromium found: install one or name it in RISKMODEL_CHROMIUM")
    return found


@pytest.fixture(scope="session")
def browser(chromium_path: Path) -> Iterator[Browser]:
    """Start one headless Chromium for all browser tests of a worker."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(chromium_path), args=flags)
        yield started
        started.close()


def _real_data(variable: str, default: str) -> Path:
    folder = Path(os.environ.get(variable, REPOSITORY.parent / "shared" / "data" / default))
    if not (folder / "studentInfo.csv").exists():
        pytest.skip(f"the OULAD tables are not here: name their folder in {variable}")
    return folder


@pytest.fixture(scope="session")
def oulad_folder() -> Path:
    """Give the folder with presentations 2013B, 2013J and 2014B, and two-week activity."""
    return _real_data("RISKMODEL_OULAD", "oulad")


@pytest.fixture(scope="session")
def oulad_daily_folder() -> Path:
    """Give the folder with daily activity of three module presentations."""
    return _real_data("RISKMODEL_OULAD_DAILY", "oulad-daily")
