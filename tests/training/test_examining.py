"""What a challenger is held against besides the rules that schools use by hand, and the one gate that may be overridden."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from institution import LANDMARKS, Shop, write_institution

from riskmodel.champion import current
from riskmodel.cli.main import run
from riskmodel.contract.dataset import load_dataset
from riskmodel.families.recipe import Recipe
from riskmodel.landmarks import LandmarkFrames, landmark_frames
from riskmodel.measuring import measure
from riskmodel.model import RiskModel, with_measured
from riskmodel.policy import GateBounds
from riskmodel.workspace import Workspace
from training.examining import examine
from training.gates import Gate
from training.tracking import CHAMPION, open_tracking
from training.train import fit_targets

TESTED = "2021"


@dataclass(frozen=True)
class Case:
    """A challenger that was tested on the newest cohort, an older model, one that learnt nothing, and the test cohort."""

    challenger: RiskModel
    older: RiskModel
    newest: RiskModel
    ignorant: RiskModel
    frames: dict[int, pd.DataFrame]

    def gates(self, challenger: RiskModel | None = None, champion: RiskModel | None = None, **told: Any) -> dict[str, Gate]:
        told = {"bounds": GateBounds(), "explanation_error": 1e-12, "warnings": 0, "audit": None, **told}
        model = challenger or self.challenger
        measured = {str(day): figures for day, frame in self.frames.items() if (figures := measure(model, frame, day, 0.2))}
        found = examine(with_measured(model, measured), champion, self.frames, LANDMARKS[-1:], 0.2, **told)
        return {gate.rule: gate for gate in found}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    dataset = load_dataset(write_institution(tmp_path_factory.mktemp("examined") / "data"))
    labelled = landmark_frames(dataset, landmarks=LANDMARKS)
    recipe = Recipe(family="logistic")

    def fitted(frames: LandmarkFrames, *learnt: str, tested: str = TESTED) -> RiskModel:
        return fit_targets(dataset, frames, recipe, learnt, tested, targets=("leave",))["leave"]

    random = np.random.default_rng(20)
    shuffled = {day: frame.assign(leave=random.permutation(frame["leave"])) for day, frame in labelled.frames.items()}
    return Case(
        fitted(labelled, "2019", "2020"),
        fitted(labelled, "2019", tested="2020"),
        fitted(labelled, "2019", "2020", TESTED),
        fitted(replace(labelled, frames=shuffled), "2019", "2020"),
        {day: frame[frame["cohort"] == TESTED] for day, frame in labelled.frames.items()},
    )


def test_a_sound_challenger_is_refused_by_nothing_and_what_does_not_exist_is_told(case: Case) -> None:
    gates = case.gates()
    assert [gate.rule for gate in gates.values() if gate.passed is False] == []
    assert "there is no champion yet" in gates["champion"].words
    assert gates["groups"].words.startswith("not audited")
    assert "the data passed the check" in gates["data"].words


def test_calibration_beyond_its_bounds_refuses_with_the_figures(case: Case) -> None:
    slope = case.gates(bounds=GateBounds(calibration_slope=(3.0, 4.0)))["calibration"]
    assert slope.passed is False
    assert "bounds 3 to 4" in slope.words
    moved = {day: frame.assign(leave=1.0 - (1.0 - frame["leave"]) * (np.arange(len(frame)) % 3 == 0)) for day, frame in case.frames.items()}
    off = replace(case, frames=moved).gates()
    assert off["calibration"].passed is False
    assert off["programmes"].passed is not True


def test_a_programme_that_is_off_is_named_though_all_together_are_not(case: Case) -> None:
    frames = {}
    for day, frame in case.frames.items():
        first, *_ = sorted(frame["programme"].unique())
        own = frame["programme"] == first
        frames[day] = frame.assign(leave=frame["leave"].where(~own, 1.0 - frame["leave"] * (np.arange(len(frame)) % 4 == 0)))
    gate = replace(case, frames=frames).gates(bounds=GateBounds(programme_students=20))["programmes"]
    assert gate.passed is False
    assert f"is off in {first} (" in gate.words


def test_a_challenger_that_may_find_fewer_leavers_than_the_champion_is_refused(case: Case) -> None:
    as_good = case.gates(champion=case.older, bounds=GateBounds(worse_than_champion=0.3))["champion"]
    worse = case.gates(challenger=case.ignorant, champion=case.challenger)["champion"]
    same = case.gates(champion=case.challenger, bounds=GateBounds(worse_than_champion=0.0))["champion"]
    assert (as_good.passed, worse.passed, same.passed) == (True, False, True)
    assert "points beside the champion" in worse.words


def test_a_champion_that_has_learnt_from_the_test_cohort_is_not_compared(case: Case) -> None:
    gate = case.gates(champion=case.newest)["champion"]
    assert gate.passed is None
    assert f"has learnt from {TESTED}" in gate.words


@pytest.mark.parametrize(("difference", "beyond", "passed"), [(0.4, True, False), (0.1, True, True), (0.4, False, True)])
def test_a_difference_between_groups_refuses_where_it_is_large_and_chance_does_not_give_it(
    case: Case, difference: float, beyond: bool, passed: bool
) -> None:
    row = {"attribute": "gender", "measure": "recall", "difference": difference, "beyond": beyond}
    gate = case.gates(audit={"differences": [row, {**row, "measure": "precision", "difference": 0.9}]})["groups"]
    assert gate.passed is passed


def bounded(shop: Shop, place: Path, text: str) -> tuple[Path, Path]:
    """Give copies of a trained workspace and its data whose policy has bounds."""
    folder, workspace = place / "data", place / "workspace"
    shutil.copytree(shop.folder, folder)
    shutil.copytree(shop.workspace.folder, workspace)
    policy = folder / "policy.toml"
    policy.write_text(policy.read_text(encoding="utf-8") + f"\n[gates]\n{text}\n", encoding="utf-8")
    return folder, workspace


def promoting(workspace: Path, folder: Path, *more: str) -> int:
    with pytest.raises(SystemExit) as ending:
        run(["--workspace", str(workspace), "--by", "Ada", "promote", str(folder), "--target", "leave", *more])
    return int(ending.value.code or 0)


@pytest.mark.slow
def test_one_gate_can_be_overridden_with_a_reason_that_is_kept(trained: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, workspace = bounded(trained, tmp_path, "programme_students = 20\ncalibration_slope = [3.0, 4.0]")
    policy = folder / "policy.toml"
    policy.write_text(policy.read_text(encoding="utf-8").replace("promote_at", "promote_at = [56]\n# "), encoding="utf-8")
    before = current(workspace / "champion")
    assert promoting(workspace, folder) == 3
    assert "bounds 3 to 4" in capsys.readouterr().out
    assert current(workspace / "champion") == before
    assert promoting(workspace, folder, "--because", "the cohort was small") == 0
    assert "because: the cohort was small" in capsys.readouterr().out
    client = open_tracking(Workspace(workspace)).MlflowClient()
    version = client.get_model_version_by_alias("riskmodel-leave", CHAMPION)
    assert version.tags["gates_because"] == "the cohort was small"
    assert version.tags["gates_by"] == "Ada"


def test_two_gates_can_not_be_overridden(trained: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, workspace = bounded(trained, tmp_path, "calibration_slope = [3.0, 4.0]")
    assert promoting(workspace, folder, "--because", "I would like to") == 3
    assert "--because overrides one gate, and 2 refuse" in capsys.readouterr().out


def test_a_champion_of_other_recent_weeks_is_compared_on_what_it_looks_at_itself(case: Case) -> None:
    own = list(case.challenger.catalogue)
    # Other features of the same students, which tell nothing: the champion can only be as bad as they make it.
    other = {day: frame.assign(**frame[own].sample(frac=1, random_state=1).set_axis(frame.index)) for day, frame in case.frames.items()}
    itself = case.gates(champion=case.challenger, of_champion=dict(case.frames))["champion"]
    beside_nothing = case.gates(champion=case.challenger, of_champion=other)["champion"]
    assert "+0.0 points beside the champion (+0.0 to +0.0)" in itself.words
    told = re.search(r"([+-][\d.]+) points beside the champion", beside_nothing.words)
    assert told is not None
    assert float(told[1]) > 5
