"""Every command that README and docs show is run, in the order of its page, in an empty folder of its own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = sorted([REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *REPOSITORY.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```console( [^\n]*)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
# 'console' blocks are run; a block headed 'console not-run' says so itself and is covered by what its page names instead.
NOT_RUN = "not-run"


def commands(page: Path) -> list[str]:
    """Give the `$ ...` lines of a page's blocks that are to be run."""
    text = page.read_text(encoding="utf-8")
    return [
        line.removeprefix("$ ")
        for heading, block in BLOCK.findall(text)
        if NOT_RUN not in (heading or "")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", [page for page in PAGES if page.exists() and commands(page)], ids=lambda page: page.name)
def test_each_command_that_a_page_shows_works(page: Path, tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "data" / "synthetic", tmp_path / "data" / "synthetic")
    environment = os.environ | {"PYTHONIOENCODING": "utf-8", "RISKMODEL_WORKSPACE": str(tmp_path / "workspace")}
    for command in commands(page):
        words = shlex.split(command)
        assert words[0] == "riskmodel", f"{page.name} shows '{command}', which this test does not know how to run"
        call = [sys.executable, "-m", "riskmodel", *words[1:]]
        done = subprocess.run(
            call, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_to_a_file_of_the_repository_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
