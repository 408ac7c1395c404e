"""The same bytes once more, or in words what differs."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from institution import Shop
from mlflow.utils.file_utils import local_file_uri_to_path

from riskmodel.cli import context
from riskmodel.cli.main import run
from riskmodel.errors import DataFault, ModelFault
from riskmodel.objections import Objections, Source, in_force, write_list
from training.environment import MADE_FROM, differences, environment
from training.registry import list_models
from training.reproduce import reproduce
from training.tracking import open_tracking

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(promoted: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Give the command line: exit code, output and complaints."""
    monkeypatch.setattr(context, "options", context.Options())

    def calling(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ending:
            run(["--workspace", str(promoted.workspace.folder), *arguments])
        told = capsys.readouterr()
        return int(ending.value.code or 0), told.out, told.err

    return calling


@pytest.fixture
def record(promoted: Shop) -> Iterator[Path]:
    """Give what the challenger's run for 'leave' kept of its making, and put it back afterwards."""
    info = open_tracking(promoted.workspace).get_run(promoted.trained["leave"].run_id).info
    path = Path(local_file_uri_to_path(info.artifact_uri)) / MADE_FROM
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    told = json.loads(path.read_text(encoding="utf-8"))
    change(told)
    path.write_text(json.dumps(told), encoding="utf-8")


def test_a_champion_comes_out_with_the_same_bytes_and_nothing_is_registered(promoted: Shop, call: Call) -> None:
    before = list_models(promoted.workspace)
    code, out, _ = call("reproduce", "leave@champion")
    assert (code, out.splitlines()[-1]) == (0, "same bytes")
    assert [line for line in out.splitlines() if "differ" in line] == [line for line in out.splitlines() if "the recipe is another" in line]
    assert "lightgbm.trees 15, not 120" in out
    assert list_models(promoted.workspace) == before


def test_a_challenger_comes_out_with_the_same_bytes_and_the_same_figures_by_its_run(promoted: Shop) -> None:
    done = reproduce(promoted.workspace, promoted.trained["leave"].run_id)
    assert (done.same, done.data, done.parts, len(done.notes)) == (True, (), (), 1)
    assert done.name == "leave@1"


def test_one_changed_row_is_told_with_its_table_and_nothing_is_trained(promoted: Shop, call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(promoted.folder, folder)
    table = folder / "attendance.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    lines[7] = lines[7].rsplit(",", 1)[0] + (",1" if lines[7].endswith(",0") else ",0")
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, out, err = call("reproduce", "leave@challenger", str(folder))
    assert code == 1
    assert [line for line in out.splitlines() if "data differ" in line] == ["  the data differ: attendance changed"]
    assert out.splitlines()[-1] == "Nothing was trained: other data give another model."
    assert "fitting" not in err


def test_another_library_processor_or_policy_in_the_record_is_told_and_equal_bytes_are_still_equal(record: Path, call: Call) -> None:
    def change(told: dict[str, Any]) -> None:
        told["environment"]["libraries"]["lightgbm"] = "4.5.0"
        told["environment"]["processor"] = "another one"
        told["policy"]["by_chance_share"] = 0.1

    now = environment()
    rewrite(record, change)
    code, out, _ = call("reproduce", "leave@challenger")
    assert code == 0
    assert f"differs from then: lightgbm: 4.5.0 then, {now['libraries']['lightgbm']} now" in out
    assert f"differs from then: processor: another one then, {now['processor']} now" in out
    assert "differs from then: policy.toml says something else now" in out
    assert out.splitlines()[-1] == "same bytes"


def test_a_library_that_changed_since_is_no_longer_the_same_bytes_and_named(
    promoted: Shop, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.metadata.version

    def newer(name: str) -> str:
        return "99.0" if name == "lightgbm" else real(name)

    monkeypatch.setattr("training.train.version", newer)
    monkeypatch.setattr("training.environment.version", newer)
    code, out, _ = call("reproduce", "leave@challenger")
    assert code == 1
    assert f"lightgbm: {real('lightgbm')} then, 99.0 now" in out
    assert [line for line in out.splitlines() if "model differs" in line] == ["  the model differs: what it keeps of its making: versions"]


@pytest.mark.slow
def test_students_who_objected_or_were_erased_since_are_counted_as_why_and_nothing_is_trained(
    promoted: Shop, call: Call, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(promoted.folder, folder)
    key = Objections(b"k" * 32)
    objected, *erased = (key.digest(student) for student in ("s2019-0", "s2019-1", "s2019-2", "somebody else"))
    since = Objections(key.key, frozenset([objected]), frozenset(erased))
    with in_force(Source(lambda: (since,), lambda _: None)):
        done = reproduce(promoted.workspace, "leave@challenger", folder)
    assert (done.same, done.data) == (False, ("not the same students",))
    assert done.rights == (
        "3 of the run's 900 students may no longer be read: they objected or were erased since (now 1 objected, 2 erased, 0 then)"
    )
    # The next export comes without one of the erased, which is told beside the tables that changed.
    for name in ("enrolments", "attendance", "results", "outcomes"):
        table = folder / f"{name}.csv"
        rows = [line for line in table.read_text(encoding="utf-8").splitlines(keepends=True) if not line.startswith("2019-2,")]
        table.write_text("".join(rows), encoding="utf-8")
    write_list(since, folder / "rights.json", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    told = (folder / "dataset.toml").read_text(encoding="utf-8").replace("[outcome]", '[rights]\nlist = "rights.json"\n\n[outcome]')
    (folder / "dataset.toml").write_text(told, encoding="utf-8")
    code, out, err = call("reproduce", "leave@challenger", str(folder))
    assert code == 1
    assert "the data differ: enrolments changed" in out
    assert (
        "  because of rights: 2 students of its cohorts are left out (now 1 objected, 1 erased, 0 then); "
        "2 who were erased are in these files no longer, or never; 900 students of its cohorts were read then, 897 are now"
    ) in out.splitlines()
    assert out.splitlines()[-1] == "Nothing was trained: other data give another model."
    assert "fitting" not in err


@pytest.mark.slow
def test_as_many_left_out_as_then_is_the_same_bytes_and_a_run_that_kept_no_counts_says_so(
    promoted: Shop, record: Path, tmp_path: Path
) -> None:
    rewrite(record, lambda told: told.pop("students"))
    assert reproduce(promoted.workspace, "leave@challenger").same
    list_of = Objections(b"k" * 32)
    one = Objections(list_of.key, objected=frozenset([list_of.digest("s2019-1")]))
    with in_force(Source(lambda: (one,), lambda _: None)):
        done = reproduce(promoted.workspace, "leave@challenger")
    assert not done.same
    assert done.parts
    assert done.rights.startswith("1 student of its cohorts is left out")
    assert done.rights.endswith("this run did not keep")


def test_a_run_from_before_its_making_was_kept_is_compared_by_its_fingerprint(promoted: Shop, record: Path, tmp_path: Path) -> None:
    record.unlink()
    folder = tmp_path / "data"
    shutil.copytree(promoted.folder, folder)
    with (folder / "results.csv").open("a", encoding="utf-8") as handle:
        handle.write("2019-0,year,T2,2019-11-20,2019-11-25,1,7.0,3\n")
    done = reproduce(promoted.workspace, "leave@challenger", folder)
    assert not done.same
    assert "it can't be told in which" in done.data[0]
    assert "libraries' versions alone" in done.notes[0]


def test_a_run_that_is_not_there_and_a_folder_that_is_gone_are_told(promoted: Shop, tmp_path: Path) -> None:
    for wrong, told in (("0" * 32, "registered a model here"), ("leave@77", "there is no model"), ("newest", "names no run")):
        with pytest.raises(ModelFault, match=told):
            reproduce(promoted.workspace, wrong)
    with pytest.raises(DataFault, match="riskmodel reproduce RUN FOLDER"):
        reproduce(promoted.workspace, "leave@champion", tmp_path / "gone")


def test_equal_environments_differ_in_nothing() -> None:
    assert differences(environment(), environment()) == []
