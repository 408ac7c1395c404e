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


GUIDES = (REPOSITORY / "docs" / "retraining.md", REPOSITORY / "docs" / "retraining.nl.md")
ROW = re.compile(r"^\| `([^`]+)` \| [^|]+ \| `([^`]+)`", re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_retraining_guide_works_on_real_data_with_the_names_and_days_that_its_table_says(oulad_folder: Path, tmp_path: Path) -> None:
    guide = GUIDES[0]
    others = dict(ROW.findall(guide.read_text(encoding="utf-8")))
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    told = []
    for command in commands(guide):
        words = [others.get(word, word) for word in shlex.split(command)]
        if words[1:3] == ["data", "synth"]:
            words = ["riskmodel", "data", "import-oulad", str(oulad_folder), others["demo/data"]]
        call = [sys.executable, "-m", "riskmodel", *words[1:]]
        done = subprocess.run(
            call, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=1200, check=False
        )
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
        told.append(done.stdout)
    assert "leave is served by leave-2" in "".join(told)
    assert (tmp_path / "week.xlsx").exists()
    assert (tmp_path / "workspace" / "compare.html").exists()


def test_the_retraining_guide_shows_the_same_commands_in_both_languages_and_says_what_is_the_demo_s_own() -> None:
    english, dutch = ([command.replace(" --language nl", "") for command in commands(guide)] for guide in GUIDES)
    assert english == dutch
    tables = [dict(ROW.findall(guide.read_text(encoding="utf-8"))) for guide in GUIDES]
    assert tables[0] == tables[1]
    # A folder, a cohort or a date that a command names is in the table, so that nobody has to guess which are the demo's.
    named = {word for command in english for word in shlex.split(command) if re.fullmatch(r"demo/data|20\d\d-[\d-]+|leave@\d", word)}
    assert named == set(tables[0])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_to_a_file_of_the_repository_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
