"""What training fits, measures, logs and registers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from institution import LANDMARKS, Shop, write_policy

from riskmodel.contract.dataset import load_dataset
from riskmodel.errors import ConfigurationFault, DataFault, ModelFault
from riskmodel.families.recipe import Recipe
from riskmodel.landmarks import landmark_frames
from riskmodel.model import Explanation
from riskmodel.workspace import Workspace
from training.promote import promote
from training.tracking import CHALLENGER, load_registered, open_tracking, registered_name, registered_version, typical_input
from training.train import explanation_error, fit_targets, train


def logged_files(shop: Shop, target: str) -> Path:
    """Give the folder of the logged model."""
    tracking = open_tracking(shop.workspace)
    return Path(tracking.artifacts.download_artifacts(f"models:/{registered_name(target)}@{CHALLENGER}"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_each_target_gets_a_challenger_that_learnt_from_all_closed_cohorts_but_the_latest(trained: Shop) -> None:
    tracking = open_tracking(trained.workspace)
    for target in ("dropout", "leave"):
        model = load_registered(tracking, target, CHALLENGER)
        assert model is not None
        assert model.target == target
        assert model.facts.trained_on == ("2019", "2020")
        assert model.facts.tested_on == "2021"
        assert model.version == trained.trained[target].version == "1"


def test_figures_are_of_the_latest_closed_cohort_alone(trained: Shop) -> None:
    measured = trained.trained["leave"].model.measured
    assert set(measured) == {str(day) for day in LANDMARKS}
    assert {figures["students"] for figures in measured.values()} == {300}


@pytest.mark.slow
def test_the_test_cohort_teaches_the_model_nothing(institution: Callable[..., Path], tmp_path: Path, quick: Recipe) -> None:
    folder = institution(tmp_path / "data", students=120)
    before = _fitted_content(folder, quick)
    outcomes = pd.read_csv(folder / "outcomes.csv")
    poisoned = outcomes["enrolment_id"].str.startswith("2021")
    outcomes.loc[poisoned, "outcome"] = np.where(outcomes.loc[poisoned, "outcome"] == "continued", "dropped_out", "continued")
    outcomes.to_csv(folder / "outcomes.csv", index=False)
    assert _fitted_content(folder, quick) == before


def _fitted_content(folder: Path, recipe: Recipe) -> list[list[float]]:
    dataset = load_dataset(folder)
    model = fit_targets(dataset, landmark_frames(dataset), recipe, ("2019", "2020"), "2021", targets=("leave",))["leave"]
    frames = landmark_frames(dataset, cohorts=("2019",)).frames
    return [model.decision(frame, day).tolist() for day, frame in frames.items()]


def test_the_run_keeps_parameters_data_definition_figures_and_pictures(trained: Shop) -> None:
    tracking = open_tracking(trained.workspace)
    run = tracking.get_run(trained.trained["leave"].run_id)
    assert run.data.params["family"] == "blend"
    assert run.data.params["lightgbm.trees"] == "15"
    assert run.data.params["policy.capacity_share"] == "0.2"
    assert run.data.tags["data_fingerprint"] == load_dataset(trained.folder).fingerprint
    assert "1 October of the next year" in run.data.tags["outcome_definition"]
    assert run.data.metrics["explanation_error"] <= 1e-9
    client = tracking.MlflowClient()
    for figure in ("roc_auc", "average_precision", "brier", "calibration_slope", "calibration_intercept"):
        assert {f"{figure}", f"{figure}_low", f"{figure}_high"} <= set(run.data.metrics)
    for figure in ("precision_at_capacity", "recall_at_capacity", "lift_at_capacity"):
        for place in ("", "lot.", "prior_education.", "first_test."):
            assert {f"{place}{figure}", f"{place}{figure}_low", f"{place}{figure}_high"} <= set(run.data.metrics)
    assert {point.step for point in client.get_metric_history(run.info.run_id, "roc_auc")} == set(LANDMARKS)
    kept = {each.path for each in client.list_artifacts(run.info.run_id)} | {
        each.path for each in client.list_artifacts(run.info.run_id, "plots")
    }
    assert {"facts.json", "measured.json", "plots/calibration.png", "plots/gain.png", "plots/reasons.png"} <= kept


def test_a_logged_model_holds_no_pickle_and_the_fitted_model_is_text(trained: Shop) -> None:
    files = contents(logged_files(trained, "leave"))
    assert not [name for name in files if Path(name).suffix in (".pkl", ".pickle", ".joblib", ".pyc")]
    fitted = {name: content for name, content in files.items() if name.startswith("artifacts/")}
    assert {"artifacts/riskmodel/model.json", "artifacts/riskmodel/checksums.json"} <= set(fitted)
    for content in fitted.values():
        content.decode("utf-8")


def test_a_logged_model_brings_the_code_that_it_needs_and_no_other_room(trained: Shop) -> None:
    code = {Path(name).parts[1] for name in contents(logged_files(trained, "leave")) if name.startswith("code/")}
    assert code == {"riskmodel"}


def test_the_same_data_recipe_and_seed_give_the_same_bytes(
    trained: Shop, workspace_at: Callable[[Path], Workspace], tmp_path: Path, quick: Recipe
) -> None:
    workspace = workspace_at(tmp_path)
    again = Shop(trained.folder, workspace, train(trained.folder, workspace, quick, targets=("leave",)))
    first, second = (contents(logged_files(shop, "leave") / "artifacts") for shop in (trained, again))
    assert first == second


def test_the_input_example_is_nobody(trained: Shop) -> None:
    model = trained.trained["leave"].model
    frames = landmark_frames(load_dataset(trained.folder), landmarks=[LANDMARKS[-1]]).frames[LANDMARKS[-1]]
    example = typical_input(model, frames)
    columns = list(model.catalogue)
    assert set(example) == {"landmark", *columns}
    students = frames[columns].round(2)
    assert not (students == example[columns].iloc[0]).all(axis=1).any()


def test_with_one_closed_cohort_models_are_fitted_and_nothing_is_measured(
    institution: Callable[..., Path], tmp_path: Path, quick: Recipe
) -> None:
    folder = institution(tmp_path / "data", closed=1, students=200)
    model = train(folder, Workspace(tmp_path / "workspace"), quick, targets=("leave",))["leave"].model
    assert model.facts.trained_on == ("2019",)
    assert model.facts.tested_on == ""
    assert model.measured == {}


@pytest.mark.slow
def test_a_test_cohort_of_whom_nobody_left_is_logged_and_shows_no_signal(
    institution: Callable[..., Path], workspace_at: Callable[[Path], Workspace], tmp_path: Path, quick: Recipe
) -> None:
    folder, workspace = institution(tmp_path / "data", students=150), workspace_at(tmp_path / "workspace")
    write_policy(folder)
    outcomes = pd.read_csv(folder / "outcomes.csv")
    outcomes.loc[outcomes["enrolment_id"].str.startswith("2021"), "outcome"] = "continued"
    outcomes.to_csv(folder / "outcomes.csv", index=False)
    model = train(folder, workspace, quick, targets=("leave",))["leave"].model
    assert model.measured["56"]["roc_auc"] is None
    assert "no usable signal" in promote(workspace, targets=("leave",)).verdicts["leave"].reason


class _Lying:
    """A model whose contributions do not add up to what it decides."""

    target = "leave"

    def decision(self, frame: pd.DataFrame, landmark: int) -> np.ndarray:
        return np.full(len(frame), 1e-8)

    def explain(self, frame: pd.DataFrame, landmark: int) -> Explanation:
        return Explanation(0.0, np.zeros((len(frame), 1)), ("attendance_share",))


def test_a_model_whose_reasons_do_not_add_up_is_not_registered() -> None:
    with pytest.raises(ModelFault, match="explanations of 'leave' miss its scores by 1e-08"):
        explanation_error(_Lying(), {28: pd.DataFrame({"attendance_share": [0.5]})})  # type: ignore[arg-type]


def test_without_a_closed_cohort_it_says_so_and_registers_nothing(institution: Callable[..., Path], tmp_path: Path, quick: Recipe) -> None:
    folder, workspace = institution(tmp_path / "data", closed=0, running=1), Workspace(tmp_path / "workspace")
    with pytest.raises((DataFault, ConfigurationFault), match="closed"):
        train(folder, workspace, quick)
    assert not workspace.folder.exists()


def test_too_few_leavers_are_counted_and_not_given_a_name(institution: Callable[..., Path], tmp_path: Path, quick: Recipe) -> None:
    folder, workspace = institution(tmp_path / "data", students=60, leavers=0.0001), Workspace(tmp_path / "workspace")
    with pytest.raises(DataFault, match=r"\d+ of 120 students have the outcome 'dropout'"):
        train(folder, workspace, quick)
    assert not workspace.folder.exists()


def test_training_again_moves_the_alias_and_keeps_the_older_version(
    institution: Callable[..., Path], tmp_path: Path, quick: Recipe
) -> None:
    folder, workspace = institution(tmp_path / "data", students=100, closed=1), Workspace(tmp_path / "workspace")
    for expected in ("1", "2"):
        train(folder, workspace, quick, targets=("leave",))
        version = registered_version(open_tracking(workspace), "leave", CHALLENGER)
        assert version is not None
        assert str(version.version) == expected
    assert mlflow.MlflowClient().get_model_version(registered_name("leave"), "1").status == "READY"


GUARDED = """
import socket, sys

def guard(event, arguments):
    if event == "socket.getaddrinfo" and arguments[0] not in (None, "", "localhost", "127.0.0.1", "::1"):
        raise SystemExit(f"asked for the address of {arguments[0]}")
    if event in ("socket.connect", "socket.sendto") and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        if arguments[1][0] not in ("127.0.0.1", "::1"):
            raise SystemExit(f"connected to {arguments[1]}")

sys.addaudithook(guard)
from pathlib import Path
from riskmodel.families.recipe import Recipe
from riskmodel.workspace import Workspace
from training.train import train

if __name__ == "__main__":
    train(Path(sys.argv[1]), Workspace(Path(sys.argv[2])), Recipe(family="logistic"), targets=("leave",))
    print("trained")
"""


@pytest.mark.slow
def test_training_asks_nothing_of_the_network_and_prints_nothing_of_mlflow_s(trained: Shop, tmp_path: Path) -> None:
    script = tmp_path / "guarded.py"
    script.write_text(GUARDED, encoding="utf-8")
    arguments = [sys.executable, str(script), str(trained.folder), str(tmp_path / "workspace")]
    done = subprocess.run(arguments, capture_output=True, text=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (0, "trained", "")
