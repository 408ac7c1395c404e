"""Who becomes champion, from what it has learnt then, and what the service finds."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from institution import LANDMARKS, Shop

from riskmodel.champion import current, read_champions
from riskmodel.cli.main import run
from riskmodel.errors import ConfigurationFault, DataFault, ModelFault
from riskmodel.families.recipe import Recipe
from riskmodel.landmarks import landmark_frames
from riskmodel.scoring import score_dataset
from riskmodel.workspace import Workspace
from training.promote import promote
from training.tracking import CHALLENGER, CHAMPION, load_registered, open_tracking
from training.train import load_dataset, train

MakeFolder = Callable[..., Path]
MakeWorkspace = Callable[[Path], Workspace]


def test_a_challenger_that_beats_what_schools_do_by_hand_serves(promoted: Shop) -> None:
    assert promoted.promotion is not None
    assert {target: verdict.passed for target, verdict in promoted.promotion.verdicts.items()} == {"dropout": True, "leave": True}
    assert promoted.promotion.serving == current(promoted.workspace.champion) == {"dropout": "dropout-2", "leave": "leave-2"}


def test_the_champion_has_learnt_from_the_test_cohort_too_and_keeps_the_held_out_figures(promoted: Shop) -> None:
    for target, champion in read_champions(promoted.workspace.champion).items():
        challenger = promoted.trained[target].model
        assert champion.facts.trained_on == ("2019", "2020", "2021")
        assert champion.facts.tested_on == "2021"
        assert champion.measured == challenger.measured
        assert champion.recipe == challenger.recipe
        frame = landmark_frames(load_dataset(promoted.folder), landmarks=LANDMARKS[:1]).frames[LANDMARKS[0]]
        assert (champion.decision(frame, LANDMARKS[0]) != challenger.decision(frame, LANDMARKS[0])).any()


def test_the_registry_s_champion_is_the_one_that_serves(promoted: Shop) -> None:
    tracking = open_tracking(promoted.workspace)
    serving = read_champions(promoted.workspace.champion)
    for target, model in serving.items():
        registered = load_registered(tracking, target, CHAMPION)
        assert registered is not None
        assert registered.version == model.version
        frame = landmark_frames(load_dataset(promoted.folder), landmarks=LANDMARKS[:1]).frames[LANDMARKS[0]]
        assert (registered.decision(frame, LANDMARKS[0]) == model.decision(frame, LANDMARKS[0])).all()
        challenger = load_registered(tracking, target, CHALLENGER)
        assert challenger is not None
        assert challenger.version == "1"


def test_the_comparison_stays_with_the_champion_s_run(promoted: Shop) -> None:
    tracking = open_tracking(promoted.workspace)
    version = tracking.MlflowClient().get_model_version_by_alias("riskmodel-leave", CHAMPION)
    told = tracking.artifacts.load_text(f"{tracking.get_run(version.run_id).info.artifact_uri}/gates.txt")
    assert "leavers by the model" in told
    assert tracking.get_run(version.run_id).data.tags["challenger_run"] == promoted.trained["leave"].run_id


def test_noise_is_refused_with_exit_3_and_no_champion(
    institution: MakeFolder,
    workspace_at: MakeWorkspace,
    policy: Callable[..., None],
    tmp_path: Path,
    quick: Recipe,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, workspace = institution(tmp_path / "data", signal=0.0, seed=1, students=150), workspace_at(tmp_path / "workspace")
    policy(folder)
    train(folder, workspace, quick, targets=("leave",))
    with pytest.raises(SystemExit) as ending:
        run(["--workspace", str(workspace.folder), "promote", "--target", "leave"])
    told = capsys.readouterr()
    assert ending.value.code == 3
    assert "no usable signal" in told.out
    assert "riskmodel: the challenger for leave was refused" in told.err
    assert current(workspace.champion) == {}
    assert load_registered(open_tracking(workspace), "leave", CHAMPION) is None


@pytest.mark.slow
def test_one_target_may_pass_while_the_other_is_refused(
    institution: MakeFolder,
    workspace_at: MakeWorkspace,
    policy: Callable[..., None],
    tmp_path: Path,
    quick: Recipe,
    capsys: pytest.CaptureFixture[str],
) -> None:
    workspace = workspace_at(tmp_path / "workspace")
    for name, target, signal in (("noise", "dropout", 0.0), ("signal", "leave", 1.0)):
        folder = institution(tmp_path / name, signal=signal)
        policy(folder)
        train(folder, workspace, quick, targets=(target,))
    with pytest.raises(SystemExit) as ending:
        run(["--workspace", str(workspace.folder), "promote"])
    assert ending.value.code == 3
    assert "leave is served by leave-2" in capsys.readouterr().out
    assert set(read_champions(workspace.champion)) == {"leave"}


def test_with_one_closed_cohort_nothing_can_be_promoted(
    institution: MakeFolder, workspace_at: MakeWorkspace, tmp_path: Path, quick: Recipe
) -> None:
    folder, workspace = institution(tmp_path / "data", closed=1, students=120), workspace_at(tmp_path / "workspace")
    train(folder, workspace, quick, targets=("leave",))
    done = promote(workspace, targets=("leave",))
    assert "no cohort was held out" in done.verdicts["leave"].reason
    assert done.serving == {}
    shutil.rmtree(folder)
    with pytest.raises(DataFault, match="Name it: riskmodel promote FOLDER"):
        promote(workspace, targets=("leave",))


def test_data_that_changed_since_training_are_not_learnt_from(promoted: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(promoted.folder, folder)
    with (folder / "results.csv").open("a", encoding="utf-8") as handle:
        handle.write("2019-0,year,T2,2019-11-20,2019-11-25,1,7.0,3\n")
    with pytest.raises(DataFault, match="changed since the challenger was trained"):
        promote(promoted.workspace, folder, targets=("leave",))


def test_a_data_folder_that_is_not_there_is_told(promoted: Shop, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFault, match="does not exist"):
        promote(promoted.workspace, tmp_path / "gone", targets=("leave",))


def test_promoting_where_nothing_was_trained_says_what_to_do_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ModelFault, match="Run 'riskmodel train FOLDER' first"):
        promote(Workspace(tmp_path / "workspace"))
    assert not (tmp_path / "workspace").exists()


def test_a_target_without_challenger_is_named(institution: MakeFolder, workspace_at: MakeWorkspace, tmp_path: Path, quick: Recipe) -> None:
    folder, workspace = institution(tmp_path / "data", closed=1, students=120), workspace_at(tmp_path / "workspace")
    train(folder, workspace, quick, targets=("leave",))
    with pytest.raises(ModelFault, match="no challenger for 'dropout'"):
        promote(workspace)


@pytest.mark.slow
def test_a_champion_folder_from_an_earlier_registry_is_not_taken_for_the_new_model(
    institution: MakeFolder, workspace_at: MakeWorkspace, policy: Callable[..., None], tmp_path: Path, quick: Recipe
) -> None:
    for seed in (0, 1):
        folder, workspace = institution(tmp_path / f"data-{seed}", seed=seed), workspace_at(tmp_path / "workspace")
        policy(folder)
        train(folder, workspace, quick, targets=("leave",))
        if seed == 0:
            promote(workspace, targets=("leave",))
    with pytest.raises(ModelFault, match="another model stands there under the same version"):
        promote(workspace, targets=("leave",))
    assert load_registered(open_tracking(workspace), "leave", CHAMPION) is None
    promote(workspace, targets=("leave",))
    assert read_champions(workspace.champion)["leave"].facts.fingerprint == load_dataset(folder).fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_noise_is_not_promoted(
    seed: int, institution: MakeFolder, workspace_at: MakeWorkspace, policy: Callable[..., None], tmp_path: Path, quick: Recipe
) -> None:
    assert not _promoted_on_noise(seed, institution, workspace_at, policy, tmp_path, quick)


@pytest.mark.endurance
@pytest.mark.timeout(7200)
def test_of_a_hundred_noise_seeds_at_most_one_is_promoted(
    institution: MakeFolder, workspace_at: MakeWorkspace, policy: Callable[..., None], tmp_path: Path, quick: Recipe
) -> None:
    passed = [seed for seed in range(100) if _promoted_on_noise(seed, institution, workspace_at, policy, tmp_path / str(seed), quick)]
    print(f"endurance: of 100 noise seeds {len(passed)} promoted")
    assert len(passed) <= 1, passed


def _promoted_on_noise(
    seed: int, institution: MakeFolder, workspace_at: MakeWorkspace, policy: Callable[..., None], place: Path, recipe: Recipe
) -> bool:
    folder, workspace = institution(place / "data", signal=0.0, seed=1000 + seed, students=400), workspace_at(place / "workspace")
    policy(folder)
    train(folder, workspace, recipe)
    return bool(promote(workspace).serving)


def test_a_model_with_recent_weeks_of_its_own_is_scored_with_them(promoted: Shop) -> None:
    models = read_champions(promoted.workspace.champion)
    longer = {target: replace(model, recipe=model.recipe.model_copy(update={"recent_days": 28})) for target, model in models.items()}
    dataset = load_dataset(promoted.folder)
    on = dataset.definition.cohort("2021").start + dt.timedelta(days=LANDMARKS[-1])
    usual, told = (score_dataset(dataset, asked, on).features["fact_scheduled_recent"] for asked in (models, longer))
    assert (told >= usual).all()
    assert (told > usual).any()
