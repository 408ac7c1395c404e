"""A data team's year through the commands, from training to the list on the coaches' page, and what is told where it can't be done."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import load_workbook
from sqlalchemy.orm import Session

from riskmodel.champion import current
from riskmodel.cli.main import run
from riskmodel.cli.store import open_store
from riskmodel.workspace import Workspace
from serving.store.weeks import invited_students, latest_week, published_days
from tests.cli.conftest import Call
from tests.cli.spoiled import SPOILERS
from tests.riskmodel.contract.folders import institution as small_institution
from tests.riskmodel.contract.folders import write_folder
from tests.training.institution import write_institution, write_policy

ON = "2022-10-31"
SCORED = ("--date", ON, "--output")


@dataclass(frozen=True)
class Year:
    """A data folder with three closed cohorts and one that runs, and a workspace in which a model was promoted."""

    folder: Path
    workspace: Path

    def copied_to(self, place: Path) -> Path:
        shutil.copytree(self.workspace, place, dirs_exist_ok=True)
        return place


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    place = tmp_path_factory.mktemp("year")
    folder, workspace = write_institution(place / "data", running=1), place / "workspace"
    write_policy(folder)
    for command in (["train", folder, "--family", "logistic", "--target", "leave"], ["promote", "--target", "leave"]):
        with pytest.raises(SystemExit) as ending:
            run(["--workspace", str(workspace), *map(str, command)])
        assert not ending.value.code
    return Year(folder, workspace)


def test_what_was_promoted_is_measured_and_the_figures_are_written(call: Call, year: Year, tmp_path: Path) -> None:
    code, out, _ = call("--workspace", year.workspace, "evaluate", year.folder, "--json", tmp_path / "figures.json")
    assert code == 0
    assert "Leavers found when 20 % of the students are invited" in out
    assert "these figures are not held out" in out
    [first, *_] = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["results"]
    assert (first["target"], first["landmark"]) == ("leave", 28)


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet", ".json"])
def test_scores_are_written_with_reasons_and_those_without_a_score_with_why(call: Call, year: Year, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / "out" / f"week{suffix}"
    code, out, _ = call("--workspace", year.workspace, "score", year.folder, "--date", ON, "--output", target)
    assert code == 0
    assert "300 students scored on 2022-10-31" in out
    read: dict[str, Callable[[], list[dict[str, object]]]] = {
        ".csv": lambda: pd.read_csv(target, sep=";", decimal=",").to_dict("records"),
        ".xlsx": lambda: pd.read_excel(target, sheet_name="scores").to_dict("records"),
        ".parquet": lambda: pd.read_parquet(target).to_dict("records"),
        ".json": lambda: json.loads(target.read_text(encoding="utf-8"))["scores"],
    }
    rows = read[suffix]()
    assert len(rows) == 300
    assert [row["rank"] for row in rows] == list(range(1, 301))
    assert {"enrolment_id", "programme", "day", "landmark", "probability_leave", "reasons"} <= rows[0].keys()
    assert (rows[0]["day"], rows[0]["landmark"], rows[0]["model_leave"]) == (60, 56, "leave-2")
    assert "Volgens de registratie" in str(rows[0]["reasons"])
    assert "not for the binding study advice" in str(rows[0]["purpose"])
    listed = call("--workspace", year.workspace, "rights", "exports", "--mark", rows[-1]["mark"])[1]
    assert f"week{suffix}" in listed
    assert "300 students" in listed


def test_scores_before_the_first_landmark_are_not_given_and_the_reason_is(call: Call, year: Year, tmp_path: Path) -> None:
    target = tmp_path / "week.xlsx"
    code, out, _ = call("--workspace", year.workspace, "score", year.folder, "--date", "5-9-2022", "--output", target, "--language", "en")
    assert code == 0
    assert "0 students scored on 2022-09-05, 300 not" in out
    rows = list(load_workbook(target)["not_scored"].iter_rows(values_only=True))
    assert rows[0][:4] == ("enrolment_id", "student_id", "programme", "reason")
    assert {row[3] for row in rows[1:]} == {"before the first landmark"}


def test_a_published_list_is_in_the_store_and_made_again_it_is_the_same(call: Call, year: Year, tmp_path: Path) -> None:
    workspace = Workspace(year.copied_to(tmp_path / "copy"))
    lists = []
    for _ in range(2):
        code, out, _ = call("--workspace", workspace.folder, "publish", year.folder, "--date", ON)
        assert code == 0
        assert "60 of 300 students are invited" in out
        with open_store(workspace) as store, store.session() as session:
            week = latest_week(session)
            assert week is not None
            lists.append([(each.enrolment_id, each.row.way, each.row.rank) for each in invited_students(session, store.keys, week, None)])
    assert lists[0] == lists[1]
    assert len(lists[0]) == 60


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["score", "FOLDER", "--date", "31-31-2022", "--output", "x.csv"], "--date: '31-31-2022' is no date"),
        (["score", "FOLDER", *SCORED, "x.doc"], "'.doc' is no format"),
        (["score", "FOLDER", *SCORED, "x.csv", "--words", "none.toml"], "none.toml: this file can't be read"),
        (["score", "FOLDER", "--date", "2010-01-01", "--output", "x.csv"], "nobody is enrolled around 2010-01-01"),
        (["score", "FOLDER", *SCORED, "FOLDER/dataset.toml/x.csv"], "a file stands where a folder is needed"),
        (["publish", "FOLDER", "--date", "2010-01-01"], "nobody is enrolled around 2010-01-01"),
        (["train", "FOLDER", "--family", "forest"], "there is no such model family"),
        (["train", "FOLDER", "--target", "money"], "'money' is no target; there are dropout and leave"),
        (["evaluate", "FOLDER", "--cohort", "1999"], "there is no closed cohort '1999'"),
        (["promote", "FOLDER"], "there is no challenger for 'dropout'"),
        (["serve", "--host", "0.0.0.0"], "0.0.0.0 can be reached by others"),
        (["serve", "--port", "0"], "greater than or equal to 1. See 'riskmodel --help'."),
        (["demo", "--folder", "FOLDER/dataset.toml", "--no-serve"], "a file stands where a folder is needed"),
        (["advise"], "advise"),
    ],
)
def test_a_call_that_can_t_be_met_says_so_in_one_line(
    call: Call, year: Year, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = call("--workspace", year.workspace, *(word.replace("FOLDER", str(year.folder)) for word in arguments))
    complaint = [line for line in err.splitlines() if not line.endswith("...")]
    assert code == 2
    assert len(complaint) == 1
    assert complaint[0].startswith("riskmodel: ")
    assert told in complaint[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["score", "FOLDER", *SCORED, "x.csv"], ["promote"], ["evaluate", "FOLDER"]])
def test_before_anything_was_trained_each_command_says_what_to_run(
    call: Call, year: Year, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = call(*(word.replace("FOLDER", str(year.folder)) for word in command))
    assert code == 2
    assert "riskmodel train" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_before_anything_was_trained_a_list_is_published_without_a_model_and_that_is_said(
    call: Call, year: Year, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call("publish", year.folder, "--date", ON)
    assert code == 0, err
    assert "by rules, wishes and lot alone" in out
    assert "riskmodel train" in out


@pytest.mark.parametrize("spoil", SPOILERS)
@pytest.mark.parametrize(
    "command",
    [
        ["train", "FOLDER"],
        ["evaluate", "FOLDER"],
        ["promote", "FOLDER", "--target", "leave"],
        ["score", "FOLDER", *SCORED, "x.csv"],
        ["publish", "FOLDER", "--date", ON],
    ],
    ids=lambda command: command[0],
)
def test_bad_input_stops_every_command_with_one_clear_message_and_changes_nothing(
    call: Call, year: Year, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], str], command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_folder(tmp_path / "data", small_institution(12))
    write_policy(folder)
    place = spoil(folder)
    before = files_of(tmp_path)
    served = current(Workspace(year.workspace).champion)
    code, out, err = call("--workspace", year.workspace, *(word.replace("FOLDER", str(folder)) for word in command))
    assert code == 2
    assert place in out + err
    assert "Traceback" not in out + err
    assert files_of(tmp_path) == before
    assert current(Workspace(year.workspace).champion) == served


def files_of(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet", ".json"])
def test_a_full_disk_leaves_last_week_s_scores_as_they_were(call: Call, year: Year, disk: Callable[..., Path], suffix: str) -> None:
    small = disk("small", 16)
    target = small / f"week{suffix}"
    target.write_bytes(b"last week's")
    code, _, err = call("--workspace", year.workspace, "score", year.folder, "--date", ON, "--output", target)
    assert code == 2
    assert f"{target}: the disk is full" in err
    assert [path.name for path in small.iterdir()] == [target.name]
    assert target.read_bytes() == b"last week's"


@pytest.mark.parametrize("command", [["train", "FOLDER", "--family", "logistic", "--target", "leave"], ["publish", "FOLDER", "--date", ON]])
@pytest.mark.parametrize("kind", ["small", "closed"])
def test_a_workspace_on_a_full_or_closed_disk_is_told(
    call: Call, year: Year, disk: Callable[..., Path], tmp_path: Path, kind: str, command: list[str]
) -> None:
    if kind == "small":
        place = disk("disk", 256)
        shutil.copytree(Workspace(year.workspace).champion, place / "workspace" / "champion")
        (place / "ballast").write_bytes(bytes(shutil.disk_usage(place).free - 12 * 1024))
    else:
        place = disk("disk", 2048)
        shutil.copytree(Workspace(year.workspace).champion, place / "workspace" / "champion")
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    before = files_of(place / "workspace" / "champion")
    code, out, err = call("--workspace", place / "workspace", *(word.replace("FOLDER", str(year.folder)) for word in command))
    assert code == 2
    assert "the disk is full" in err or "read-only" in err
    assert "Traceback" not in out + err
    assert files_of(place / "workspace" / "champion") == before


@pytest.mark.slow
@pytest.mark.parametrize("left", [16, 100, 400])
def test_promoting_on_a_full_disk_leaves_the_champion_that_serves(call: Call, year: Year, disk: Callable[..., Path], left: int) -> None:
    place = disk("disk", 16 * 1024)
    workspace = Workspace(place / "workspace")
    command = ["train", year.folder, "--family", "logistic", "--target", "leave"]
    assert call("--workspace", workspace.folder, *command)[0] == 0
    shutil.copytree(Workspace(year.workspace).champion, workspace.champion)
    served, files = current(workspace.champion), files_of(workspace.champion)
    (place / "ballast").write_bytes(bytes(shutil.disk_usage(place).free - left * 1024))
    code, out, err = call("--workspace", workspace.folder, "promote", year.folder, "--target", "leave")
    assert code == 2
    assert "the disk is full" in err
    assert "Traceback" not in out + err
    assert current(workspace.champion) == served
    assert files_of(workspace.champion) == files


def environment_of(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONUTF8": "1", **changes}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal for another process")
def test_an_interrupted_training_registers_nothing(year: Year, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "riskmodel", "--workspace", str(tmp_path / "workspace"), "train", str(year.folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment_of())
    assert process.stderr is not None
    for line in process.stderr:
        if "fitting" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "riskmodel: Interrupted; nothing was left half-written." in err
    assert "Traceback" not in err
    assert not (tmp_path / "workspace").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal for another process")
def test_the_service_prints_its_addresses_answers_there_and_stops_at_ctrl_c(year: Year, tmp_path: Path) -> None:
    workspace = year.copied_to(tmp_path / "copy")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "riskmodel", "--workspace", str(workspace), "serve", "--demo", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment_of())
    try:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(2)]
        addresses = [match.group() for line in printed if (match := re.search(r"http://127\.0\.0\.1:\d+/\w*", line))]
        assert len(addresses) == 2
        deadline = time.monotonic() + 60
        while True:
            try:
                pages = [urllib.request.urlopen(address, timeout=10).read().decode() for address in addresses]
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        assert "Wie bent u in deze demo?" in pages[0]
        assert "swagger-ui" in pages[1]
        with pytest.raises(SystemExit) as ending:
            run(["--workspace", str(workspace), "serve", "--demo", "--port", str(port)])
        assert ending.value.code == 2
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert {json.loads(line)["event"] for line in err.splitlines()} <= {"answered"}


@pytest.mark.slow
def test_a_second_demo_repeats_nothing_and_takes_up_what_is_lacking(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    began = time.process_time()  # what it costs, however busy the machine is
    code, out, _ = call("demo", "--folder", folder, "--no-serve")
    assert code == 0
    assert [line[:3] for line in out.splitlines() if re.match(r"\d/4", line)] == ["1/4", "2/4", "3/4", "4/4"]
    assert time.process_time() - began < 180
    workspace = Workspace(folder / "workspace")
    made = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and "store.db" not in path.name}
    began = time.process_time()
    code, out, err = call("demo", "--folder", folder, "--no-serve")
    assert code == 0
    assert time.process_time() - began < 10
    assert out.count("already") + out.count("there already") >= 4
    assert err == ""
    assert {path: path.stat().st_mtime_ns for path in made} == made

    with open_store(workspace) as store, Session(store.engine) as session, session.begin():
        days = published_days(session)
        session.delete(latest_week(session))
    (workspace.champion / "CURRENT").unlink()
    code, out, _ = call("demo", "--folder", folder, "--no-serve")
    assert code == 0
    assert "2/4 Models: trained already" in out
    assert "3/4 Holding" in out
    with open_store(workspace) as store, store.session() as session:
        assert published_days(session) == days
    assert len(days) == 3
