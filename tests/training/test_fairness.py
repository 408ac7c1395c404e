"""The audit by its command, on a real registry; and that what it reads touches nothing that scores a student."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import grimp
import numpy as np
import pandas as pd
import pytest
from institution import LANDMARKS, Shop

from riskmodel.cli.main import run
from riskmodel.contract.dataset import load_dataset
from riskmodel.contract.definition import read_definition
from riskmodel.contract.groups import read_groups
from riskmodel.families.recipe import Recipe
from riskmodel.landmarks import landmark_frames
from training.rehearsal import rehearse
from training.train import fit_targets

# What may know of sensitive attributes: their own door, what checks the table's shape, and the command that hands them to the audit.
COMMANDS = {"riskmodel.cli.fairness", "riskmodel.cli.routing"}  # the second one counts who is invited once the list is made
DOORS = {"riskmodel.contract.groups", *COMMANDS}


def add_groups(folder: Path, seed: int = 0) -> None:
    """Give an institution a groups table, drawn by lot."""
    random = np.random.default_rng(seed)
    students = pd.read_csv(folder / "enrolments.csv")["student_id"]
    values = {
        "gender": random.choice(["man", "woman"], len(students)),
        "disability": random.choice(["yes", "no"], len(students), p=[0.2, 0.8]),
    }
    pd.DataFrame({"student_id": students, **values}).to_csv(folder / "groups.csv", index=False)
    definition = folder / "dataset.toml"
    text = definition.read_text(encoding="utf-8")
    if "groups.file" not in text:
        definition.write_text(text.replace("[tables]\n", '[tables]\ngroups.file = "groups.csv"\n'), encoding="utf-8")


@pytest.fixture
def audited(promoted: Shop, tmp_path: Path) -> Shop:
    folder = tmp_path / "data"
    shutil.copytree(promoted.folder, folder)
    add_groups(folder)
    return Shop(folder, promoted.workspace, promoted.trained)


def call(shop: Shop, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ending:
        run(["--workspace", str(shop.workspace.folder), *arguments])
    return int(ending.value.code or 0)


@pytest.mark.slow
def test_the_command_writes_a_page_and_aggregates_on_a_cohort_that_was_held_out(
    audited: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "fair.html"
    assert call(audited, "fairness", str(audited.folder), "--capacity", "0.3", "--output", str(place), "--language", "en") == 0
    told = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
    assert told["about"]["cohort"] == "2021"
    assert told["about"]["learnt_from"] == ["2019", "2020"]
    assert told["overall"]["invited"] == 90
    assert {row["attribute"] for row in told["groups"]} == {"gender", "disability"}
    assert {row["name"] for row in told["alternatives"]} >= {"per_programme", "attendance", "tests"}
    # The challenger learnt from the same earlier cohorts, so the audit's scores are its own.
    trained = audited.trained["leave"].model.measured[str(LANDMARKS[0])]
    assert told["overall"]["students"] == trained["students"]
    assert told["overall"]["leavers"] == trained["leavers"]
    html = place.read_text(encoding="utf-8")
    assert "men" in html
    assert not any(f"s2021-{number}<" in html for number in range(300))
    assert "300 students of 2021" in capsys.readouterr().out


def test_without_groups_it_says_what_to_give(promoted: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(promoted, "fairness", str(promoted.folder)) == 2
    assert "[tables.groups]" in capsys.readouterr().err


def test_the_first_cohort_can_t_be_audited_because_nothing_comes_before_it(audited: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(audited, "fairness", str(audited.folder), "--cohort", "2019") == 2
    assert "Choose a later cohort" in capsys.readouterr().err


def test_a_rehearsal_gives_the_scores_that_the_challenger_gave(promoted: Shop) -> None:
    challenger = promoted.trained["leave"].model
    dataset = load_dataset(promoted.folder)
    done = rehearse(dataset, challenger, "2021", LANDMARKS[0])
    assert (done.probability == challenger.probability(done.frame, LANDMARKS[0])).all()
    assert (done.without(["attendance"]) != done.probability).any()


def test_shuffled_sensitive_attributes_leave_models_and_scores_as_they_were(
    institution: Callable[..., Path], tmp_path: Path, quick: Recipe
) -> None:
    folder = institution(tmp_path / "data", students=120, closed=2)
    found = []
    for seed in (0, 1):
        add_groups(folder, seed)
        dataset = load_dataset(folder)
        labelled = landmark_frames(dataset, LANDMARKS[:1])
        model = fit_targets(dataset, labelled, quick, ("2019",), "2020", targets=("leave",))["leave"]
        frame = labelled.frames[LANDMARKS[0]]
        found.append((read_groups(folder, read_definition(folder)), model.checksums(), model.decision(frame, LANDMARKS[0]), frame))
    (groups, sums, scores, frame), (other_groups, other_sums, other_scores, other_frame) = found
    assert not groups.equals(other_groups)
    assert sums == other_sums
    assert (scores == other_scores).all()
    pd.testing.assert_frame_equal(frame, other_frame)


def test_no_module_that_scores_a_student_can_reach_sensitive_attributes() -> None:
    graph = grimp.build_graph("riskmodel", "training", "serving", cache_dir=None)
    assert graph.find_modules_that_directly_import("riskmodel.contract.groups") == COMMANDS
    knowing = graph.find_downstream_modules("riskmodel.contract.groups") | DOORS
    assert {module for module in knowing if not module.startswith("riskmodel.cli")} == {"riskmodel.contract.groups"} | (
        {"riskmodel.__main__"} & knowing
    )
    within = {module for module in graph.modules if module.startswith("riskmodel.fairness")}
    assert {module for each in within for module in graph.find_modules_that_directly_import(each)} - within == COMMANDS
