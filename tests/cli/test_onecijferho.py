"""`riskmodel data import-1cho`, `link` and `synth --format 1cho` as a person calls them: what they tell, what they refuse, and what comes after."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from riskmodel.synth import SynthSettings, generate

    folder = tmp_path_factory.mktemp("made") / "delivery"
    generate(folder, SynthSettings(students=200, cohorts=3, seed=3, format="1cho"))
    return folder


@pytest.fixture
def delivery(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "delivery"))


def people(delivery: Path) -> list[str]:
    return [str(person) for person in pd.read_parquet(delivery / "truth" / "fates.parquet")["person"]]


def test_a_delivery_becomes_a_data_set_that_can_be_checked_described_and_linked(call: Call, delivery: Path, tmp_path: Path) -> None:
    target = tmp_path / "history"
    code, out, err = call("data", "import-1cho", delivery, target)
    assert code == 0
    assert "2024-2025: 200 students" in out
    assert "2026-2027" in out
    assert "still running" in out
    assert "published: 15.2 % had left hbo" in out
    assert "first-years: died" in out
    assert "pseudonyms.key. Without it students can never be linked" in out
    key = (tmp_path / "workspace" / "pseudonyms.key").read_text(encoding="ascii").strip()
    assert key not in out + err
    assert not [person for person in people(delivery) if person in out + err]
    code, out, _ = call("data", "check", target, "--json")
    told = json.loads(out)
    assert code == 0
    assert [finding["rule"] for finding in told["findings"] if finding["severity"] != "note"] == []
    assert told["summary"]["imported"]["institution"] == "99XX"
    code, out, _ = call("data", "describe", target)
    assert code == 0
    assert (tmp_path / "workspace" / "description" / "description.html").exists()
    code, out, err = call("data", "link", target, delivery / "student_numbers.csv")
    assert code == 0
    assert "students have their number now" in out
    numbers = [*people(delivery), *pd.read_csv(delivery / "student_numbers.csv", sep=";", dtype=str)["Studentnummer"]]
    assert not [number for number in numbers if number in out + err]
    assert call("data", "check", target)[0] == 0


def test_choices_can_be_made_and_are_told_by_the_check(call: Call, delivery: Path, tmp_path: Path) -> None:
    options = (
        "--first-years",
        "institution",
        "--university",
        "dropped_out",
        "--since",
        2025,
        "--groups",
        "Geslacht",
        "--also",
        "years_in_ho",
    )
    code, out, _ = call(
        "data", "import-1cho", delivery, tmp_path / "history", "--institution", "99XX", "--key", tmp_path / "own.key", *options
    )
    assert code == 0
    assert "2024-2025" not in out.split("Counted and left out")[0]
    assert "in groups: Geslacht" in out
    assert not (tmp_path / "workspace" / "pseudonyms.key").exists()
    code, out, _ = call("data", "check", tmp_path / "history")
    assert code == 0
    assert "first-years of this institution" in out
    assert "Leaving for university counts as dropped out (left hbo)" in out


def test_where_several_institutions_could_be_meant_they_are_told(call: Call, delivery: Path, tmp_path: Path) -> None:
    file = next(delivery.glob("EV*.asc"))
    lines = file.read_bytes().split(b"\r\n")
    stranger = lines[0].replace(b"99XX", b"98AA").replace(lines[0][:12], b"999999999   ")
    file.write_bytes(b"\r\n".join([*lines[:-1], *[stranger[:10] + b"%02d" % place + stranger[12:] for place in range(60)], b""]))
    code, _, err = call("data", "import-1cho", file, tmp_path / "history")
    assert code == 2
    assert "several institutions could be meant: 99XX" in err
    assert "Say which with --institution." in err
    assert not (tmp_path / "history").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere.asc",), "there is no such file"),
        ((".",), "there is no enrolment file"),
        (("{file}", "--layout", "nowhere.txt"), "this layout can't be read"),
        (("{file}", "--groups", "Burgerservicenummer"), "no field for groups"),
        (("{file}", "--key", "history/inside.key"), "may not lie in the data folder"),
        (("{file}", "--since", "2030"), "no first-year of 99XX is left"),
        (("{file}", "--institution", "00AA"), "00AA has no first-years"),
        (("{file}", "--first-years", "nobody"), "nobody"),
    ],
)
def test_what_can_not_be_done_is_one_message_with_a_remedy_and_leaves_nothing(
    arguments: tuple[str, ...], told: str, call: Call, delivery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = str(next(delivery.glob("EV*.asc")))
    first, *options = (argument.format(file=file) for argument in arguments)
    code, out, err = call("data", "import-1cho", first, "history", *options)
    assert code == 2
    assert told in err
    assert "Traceback" not in out + err
    assert err.strip().splitlines()[-1].startswith("riskmodel: ")
    assert {path.name for path in tmp_path.iterdir()} == {"delivery"}


def test_a_key_that_others_may_read_is_told(call: Call, delivery: Path, tmp_path: Path) -> None:
    call("data", "import-1cho", delivery, tmp_path / "history")
    (tmp_path / "workspace" / "pseudonyms.key").chmod(0o644)
    _, out, _ = call("data", "link", tmp_path / "history", delivery / "student_numbers.csv")
    assert "Others on this machine may read" in out


def test_the_demo_can_be_made_in_that_layout_and_the_transparent_scenario_can_not(call: Call, tmp_path: Path) -> None:
    code, _, _ = call("data", "synth", tmp_path / "demo", "--format", "1cho", "--students", 60, "--cohorts", 2)
    assert code == 0
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {
        "EV99XX26.asc", "Bestandsbeschrijving_1cyferho_2026_v1.0.txt", "student_numbers.csv", "student-system", "truth", "settings.toml",
    }  # fmt: skip
    code, _, err = call("data", "synth", tmp_path / "no", "--format", "1cho", "--scenario", "transparent")
    assert code == 2
    assert "1cijferHO can't hold" in err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a disk of 16 kB."""
    place, mount = tmp_path / "small", shutil.which("mount")
    place.mkdir()
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=16k", "tmpfs", place], capture_output=True, check=False).returncode
    ):
        pytest.skip("this machine lets nobody mount a small disk here")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_told_with_its_place_and_leaves_neither_folder_nor_key(
    call: Call, delivery: Path, small_disk: Path, tmp_path: Path
) -> None:
    code, out, err = call("data", "import-1cho", delivery, small_disk / "history")
    assert code == 2
    assert f"{small_disk}" in err
    assert "the disk is full" in err
    assert "Traceback" not in out + err
    assert not any(small_disk.iterdir())
    assert not (tmp_path / "workspace").exists()


@pytest.mark.slow
def test_history_alone_can_be_learnt_from_and_says_that_there_is_no_first_test_to_compare_with(call: Call, tmp_path: Path) -> None:
    call("data", "synth", tmp_path / "demo", "--format", "1cho", "--students", 500, "--cohorts", 4)
    assert call("data", "import-1cho", tmp_path / "demo", tmp_path / "history")[0] == 0
    code, out, err = call("train", tmp_path / "history", "--family", "logistic")
    assert code == 0, err
    assert "dropout" in out
