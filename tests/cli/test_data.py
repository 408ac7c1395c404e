"""`riskmodel data init`, `check` and `describe` as a person calls them: whatever is wrong, one clear message and no half-written file."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from riskmodel.cli import context
from riskmodel.cli.main import run
from tests.cli.spoiled import SPOILERS, empty_folder, no_folder, stray_quote, toml_error
from tests.riskmodel.contract.folders import changed, institution, write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data", institution(12))


def test_a_clean_folder_is_told_and_ends_well(call, folder):
    code, out, _ = call("data", "check", folder)
    assert code == 0
    assert "This data set can be used." in out
    assert "2023: 6 students" in out


def test_faults_end_with_code_2_in_dutch_and_english(call, tmp_path):
    folder = write_folder(tmp_path / "data", changed(institution(), attendance=lambda rows: [row.pop("date") for row in rows]))
    code, out, _ = call("data", "check", folder)
    assert code == 2
    assert "attendance.date: the column 'date' is not there" in out
    code, out, _ = call("data", "check", folder, "--language", "nl")
    assert code == 2
    assert "attendance.date: de kolom 'date' is er niet" in out


def test_warnings_end_well(call, tmp_path):
    folder = write_folder(tmp_path / "data", changed(institution(), results=lambda rows: rows[0].update(grade="wow")))
    code, out, _ = call("data", "check", folder)
    assert code == 0
    assert "results.grade (rows 2; in all 1)" in out


def test_json_is_all_that_is_printed(call, folder):
    code, out, _ = call("data", "check", folder, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["ok"] is True
    assert [table["table"] for table in told["summary"]["tables"]] == ["enrolments", "attendance", "results", "outcomes"]


def test_a_fault_in_the_invitation_rule_is_told_by_the_check_as_well(call, folder):
    (folder / "policy.toml").write_text("capacity_share = 2", encoding="utf-8")
    code, _, err = call("data", "check", folder)
    assert code == 2
    assert "policy.toml: capacity_share" in err


def test_a_proposal_is_written_and_never_over_another(call, folder):
    code, _, err = call("data", "init", folder)
    assert code == 2
    assert "there already" in err
    before = (folder / "dataset.toml").read_bytes()
    (folder / "dataset.toml").unlink()
    code, out, _ = call("data", "init", folder)
    assert code == 0
    assert "attendance: attendance.csv" in out
    code, _, _ = call("data", "init", folder, "--replace", "--language", "nl")
    assert code == 0
    assert b"Voorgesteld" in (folder / "dataset.toml").read_bytes() != before


def test_a_description_is_written_into_the_workspace_and_not_among_the_tables(call, folder, tmp_path):
    before = sorted(path.name for path in folder.iterdir())
    code, _, _ = call("data", "describe", folder)
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "workspace" / "description").iterdir()) == ["data-dictionary.xlsx", "description.html"]
    assert sorted(path.name for path in folder.iterdir()) == before
    code, _, _ = call("data", "describe", folder, "--output", tmp_path / "elsewhere", "--language", "nl")
    assert code == 0
    assert 'lang="nl"' in (tmp_path / "elsewhere" / "description.html").read_text(encoding="utf-8")


# --- bad input, tried ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spoil", SPOILERS)
@pytest.mark.parametrize("command", [("check",), ("describe",)])
def test_bad_input_gives_one_clear_message_and_no_file(call, folder, tmp_path, spoil, command):
    place = spoil(folder)
    code, out, err = call("data", *command, folder)
    assert code == 2
    assert place in out + err
    assert "Traceback" not in out + err
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize("spoil", [no_folder, empty_folder])
def test_nothing_to_propose_from_is_one_clear_message(call, folder, spoil):
    spoil(folder)
    code, out, err = call("data", "init", folder)
    assert code == 2
    assert "Traceback" not in out + err
    assert not (folder / "dataset.toml").exists()


def test_a_proposal_is_made_though_a_file_is_broken(call, folder):
    stray_quote(folder)
    code, out, _ = call("data", "init", folder, "--replace")
    assert code == 0
    assert "results.csv" in out


def test_the_traceback_is_shown_where_it_is_asked_for(folder, monkeypatch):
    monkeypatch.setattr(context, "options", context.Options())
    toml_error(folder)
    with pytest.raises(Exception, match="not valid TOML"):
        run(["data", "check", str(folder), "--debug"])


def test_a_full_disk_is_told_and_leaves_nothing_behind(call, small_disk, tmp_path):
    folder = write_folder(tmp_path / "data", institution(400))
    code, out, err = call("data", "describe", folder, "--output", small_disk / "out")
    assert code == 2
    assert "the disk is full" in err
    assert "Traceback" not in out + err
    assert not any((small_disk / "out").iterdir())


def test_a_full_disk_for_scratch_files_is_told_with_its_place(call, small_disk, tmp_path, monkeypatch):
    import tempfile

    folder = write_folder(tmp_path / "data", institution(4000))
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    code, out, err = call("data", "check", folder)
    assert code == 2
    assert "the disk is full" in err
    assert str(small_disk) in err
    assert "Traceback" not in out + err
    assert not any(small_disk.iterdir())


def test_a_read_only_target_is_told_and_nothing_is_lost(call, read_only, folder):
    code, out, err = call("data", "describe", folder, "--output", read_only / "out")
    assert code == 2
    assert "read-only" in err
    assert "Traceback" not in out + err


@pytest.fixture(scope="module")
def many_lessons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder whose lessons take a moment to check."""
    tables = institution(2000)
    day = dt.date(2024, 9, 10)
    shared = {"date": day, "known_on": day, "course": "vak", "scheduled": 1, "attended": 1}
    tables["attendance"] = [{"enrolment_id": f"e{place % 2000}", **shared, "session_id": place} for place in range(400_000)]
    return write_folder(tmp_path_factory.mktemp("many") / "data", tables)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal for another process")
@pytest.mark.parametrize("seconds", [0.0, 0.15])
def test_an_interruption_in_the_middle_of_a_check_ends_with_130_and_leaves_nothing(many_lessons, tmp_path, seconds):
    scratch, told = tmp_path / "scratch", tmp_path / "told.txt"
    scratch.mkdir()
    with told.open("w", encoding="utf-8") as complaints:
        process = subprocess.Popen(
            [sys.executable, "-m", "riskmodel", "data", "check", str(many_lessons)],
            stderr=complaints,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(scratch)},
        )
    deadline = time.monotonic() + 60
    while "checking attendance" not in told.read_text(encoding="utf-8") and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    err = told.read_text(encoding="utf-8")
    assert err.rstrip().endswith("Interrupted; nothing was left half-written.")
    assert "Traceback" not in err
    assert not any(scratch.iterdir())
