"""What all tests share: a real browser and the real data, where this machine has them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts"))

# The same examples at each run, so that what fails is the change's own doing; `make endurance` looks further, with others each time.
for _profile, _examples, _same in (("quick", 10, True), ("usual", 25, True), ("long", 300, False)):
    settings.register_profile(
        _profile, max_examples=_examples, derandomize=_same, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
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


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Give the maker of small disks from the options of a tmpfs; one that is there already is changed where its place is named.

    Tests skip where the machine lets nobody mount.
    """
    made: list[Path] = []
    command = shutil.which("mount")

    def mounting(options: str, again: Path | None = None) -> Path:
        place = again or tmp_path / f"disk-{len(made)}"
        place.mkdir(exist_ok=True)
        asked = f"remount,{options}" if again else options
        if (
            command is None
            or subprocess.run([command, "-t", "tmpfs", "-o", asked, "tmpfs", place], capture_output=True, check=False).returncode
        ):
            pytest.skip("this machine lets nobody mount a small disk here")
        if again is None:
            made.append(place)
        return place

    yield mounting
    for place in made:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def small_disk(mount: Callable[[str], Path]) -> Path:
    """Give a folder on a disk of 64 kB."""
    return mount("size=64k")


@pytest.fixture
def read_only(mount: Callable[[str], Path]) -> Path:
    """Give a folder that nobody may write to, not even the system's keeper."""
    return mount("size=64k,ro")


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
