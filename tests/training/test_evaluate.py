"""What registered models are worth on a labelled set, as other programs read it."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from institution import LANDMARKS, Shop

from riskmodel.cli.main import run
from riskmodel.errors import DataFault, ModelFault
from riskmodel.families.recipe import Recipe
from riskmodel.workspace import Workspace
from training.evaluate import evaluate
from training.train import train

KEYS = {
    "target", "landmark", "students", "base_rate", "roc_auc", "roc_auc_low", "roc_auc_high", "average_precision", "precision_at_10_percent",
    "brier", "baselines",
}  # fmt: skip


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, institution: Callable[..., Path]) -> Path:
    """Give one closed cohort that no model saw, of programmes that no model saw."""
    return institution(tmp_path_factory.mktemp("elsewhere") / "data", closed=1, seed=9, first_year=2023, programmes=("music", "law"))


def test_the_json_is_what_other_programs_rely_on(
    promoted: Shop, elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "new" / "figures.json"
    with pytest.raises(SystemExit) as ending:
        run(["--workspace", str(promoted.workspace.folder), "evaluate", str(elsewhere), "--json", str(target)])
    assert ending.value.code == 0
    told = json.loads(target.read_text(encoding="utf-8"), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert set(told) == {"results"}
    assert [(each["target"], each["landmark"]) for each in told["results"]] == [(t, day) for t in ("dropout", "leave") for day in LANDMARKS]
    for each in told["results"]:
        assert set(each) == KEYS
        assert set(each["baselines"]) == {"lot", "prior_education", "first_test"}
        assert each["students"] == 300
        assert each["roc_auc_low"] < each["roc_auc"] < each["roc_auc_high"]
    out = capsys.readouterr().out
    assert "leave: champion version 2" in out
    assert "by what schools do by hand" in out


def test_a_cohort_never_seen_of_programmes_never_seen_is_scored_without_reserve(promoted: Shop, elsewhere: Path) -> None:
    found = evaluate(elsewhere, promoted.workspace)
    assert found.cohort == "2023"
    assert found.notes == []
    assert min(each["roc_auc"] for each in found.measured) > 0.6


def test_before_any_test_the_first_test_rule_is_null(promoted: Shop, elsewhere: Path) -> None:
    told = {(each["target"], each["landmark"]): each["baselines"] for each in evaluate(elsewhere, promoted.workspace).to_json()["results"]}
    assert told["leave", 28]["first_test"] is None
    assert told["leave", 56]["first_test"]["roc_auc"] > 0.5


def test_figures_of_students_that_the_model_learnt_from_are_told_as_such(promoted: Shop) -> None:
    found = evaluate(promoted.folder, promoted.workspace)
    assert found.cohort == "2021"
    assert found.notes == [
        f"the champion for '{target}' has learnt from 2021, and these figures are not held out." for target in ("dropout", "leave")
    ]


def test_a_cohort_of_the_same_name_elsewhere_is_asked_about(promoted: Shop, institution: Callable[..., Path], tmp_path: Path) -> None:
    found = evaluate(institution(tmp_path / "data", closed=1, students=100), promoted.workspace)
    assert all("if these are the same students" in note for note in found.notes)
    assert len(found.notes) == 2


def test_another_closed_cohort_can_be_asked_for_and_one_that_is_not_there_is_told(promoted: Shop) -> None:
    assert evaluate(promoted.folder, promoted.workspace, cohort="2019").cohort == "2019"
    with pytest.raises(DataFault, match="Closed are: 2019, 2020, 2021"):
        evaluate(promoted.folder, promoted.workspace, cohort="1999")


def test_without_champion_the_challenger_is_scored(
    institution: Callable[..., Path], workspace_at: Callable[[Path], Workspace], elsewhere: Path, tmp_path: Path, quick: Recipe
) -> None:
    workspace = workspace_at(tmp_path / "workspace")
    train(institution(tmp_path / "data", students=120), workspace, quick, targets=("leave",))
    found = evaluate(elsewhere, workspace)
    assert {target: alias for target, (alias, _) in found.models.items()} == {"leave": "challenger"}


def test_a_cohort_of_whom_nobody_left_has_no_auc(promoted: Shop, elsewhere: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(elsewhere, folder)
    outcomes = pd.read_csv(folder / "outcomes.csv").assign(outcome="continued")
    outcomes.to_csv(folder / "outcomes.csv", index=False)
    for each in evaluate(folder, promoted.workspace).to_json()["results"]:
        assert each["base_rate"] == 0.0
        assert each["roc_auc"] is None
        assert each["average_precision"] is None
        assert not math.isnan(each["brier"])


def test_without_outcomes_or_models_it_says_what_to_do(
    promoted: Shop, institution: Callable[..., Path], elsewhere: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataFault, match="no cohort is closed"):
        evaluate(institution(tmp_path / "running", closed=0, running=1), promoted.workspace)
    with pytest.raises(ModelFault, match="Run 'riskmodel train FOLDER' first"):
        evaluate(elsewhere, Workspace(tmp_path / "workspace"))
    assert not (tmp_path / "workspace").exists()


def test_a_registered_model_whose_files_were_changed_is_refused(
    institution: Callable[..., Path], workspace_at: Callable[[Path], Workspace], elsewhere: Path, tmp_path: Path, quick: Recipe
) -> None:
    workspace = workspace_at(tmp_path / "workspace")
    train(institution(tmp_path / "data", students=120, closed=1), workspace, quick, targets=("leave",))
    damaged = next(workspace.artefacts.rglob("model.json"))
    damaged.write_bytes(damaged.read_bytes().replace(b"0", b"1", 1))
    with pytest.raises(ModelFault, match="was changed after the model was written"):
        evaluate(elsewhere, workspace)
    shutil.rmtree(workspace.artefacts)
    with pytest.raises(ModelFault, match="are gone"):
        evaluate(elsewhere, workspace)
