"""A watch on real folders: green where nothing changed, red with the cause first where something did, for schedulers and people alike."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from institution import Shop
from prometheus_client.parser import text_string_to_metric_families

from riskmodel.cli.main import run
from riskmodel.contract.dataset import load_dataset
from riskmodel.errors import DataFault
from riskmodel.families.recipe import Recipe
from riskmodel.landmarks import landmark_frames
from riskmodel.synth import SynthSettings, generate
from riskmodel.workspace import Workspace
from training.monitor import Watch, monitor, watch_model
from training.tracking import open_tracking
from training.train import fit_targets, train


@pytest.fixture(scope="module")
def watched(
    institution: Callable[..., Path], workspace_at: Callable[[Path], Workspace], tmp_path_factory: pytest.TempPathFactory, quick: Recipe
) -> Shop:
    """Give a model that learnt from 2019, with 2020 closed after training, and 2021 running."""
    place = tmp_path_factory.mktemp("watched")
    folder = institution(place / "data", closed=2, running=1, students=200)
    earlier = place / "earlier"
    shutil.copytree(folder, earlier)
    definition = earlier / "dataset.toml"
    text = definition.read_text(encoding="utf-8")
    definition.write_text(
        text.replace('label = "2020"\nstart = 2020-09-01\nclosed = true', 'label = "2020"\nstart = 2020-09-01\nclosed = false')
    )
    outcomes = (earlier / "outcomes.csv").read_text(encoding="utf-8").splitlines()
    (earlier / "outcomes.csv").write_text("\n".join(line for line in outcomes if not line.startswith("2020")) + "\n", encoding="utf-8")
    workspace = workspace_at(place / "workspace")
    return Shop(folder, workspace, train(earlier, workspace, quick, targets=("leave",)))


def call(shop: Shop, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ending:
        run(["--workspace", str(shop.workspace.folder), *arguments])
    return int(ending.value.code or 0)


def test_a_stable_year_is_green_and_told_to_people_mlflow_and_prometheus(
    watched: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, metrics = tmp_path / "watch.html", tmp_path / "watch.prom"
    assert call(watched, "monitor", str(watched.folder), "--since", "2021-09-01", "--output", str(page), "--prometheus", str(metrics)) == 0
    assert "green: 200 students of 2021 at day 56" in capsys.readouterr().out
    families = {family.name: family for family in text_string_to_metric_families(metrics.read_text(encoding="utf-8"))}
    assert families["riskmodel_watch_level"].samples[0].value == 0
    assert families["riskmodel_watch_students"].samples[0].value == 200
    assert {sample.labels["kind"] for sample in families["riskmodel_watch_check_level"].samples} >= {"feature", "composition"}
    assert "Groen" in page.read_text(encoding="utf-8")
    tracking = open_tracking(watched.workspace)
    logged = tracking.search_runs(search_all_experiments=True, filter_string="tags.watch = 'green'", output_format="list")
    assert logged[0].data.metrics["watch.students"] == 200
    assert "distance.feature.attendance_share" in logged[0].data.metrics


@pytest.mark.slow
def test_outcomes_of_a_cohort_that_the_model_did_not_learn_from_are_held_beside_its_promises(watched: Shop) -> None:
    told = monitor(watched.folder, watched.workspace, dt.date(2020, 9, 1), until=dt.date(2021, 1, 31))
    assert told.cohorts == ("2020",)
    assert told.outcomes_known
    assert {check.kind for check in told.checks} >= {"calibration", "slope"}


def test_attendance_that_stopped_is_the_first_cause_told(watched: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    shutil.copytree(watched.folder, folder)
    lines = (folder / "attendance.csv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("2021") or line.split(",")[1] < "2021-10-05"]
    (folder / "attendance.csv").write_text("\n".join(kept) + "\n", encoding="utf-8")
    assert call(Shop(folder, watched.workspace, watched.trained), "monitor", str(folder), "--since", "2021-09-01") == 5
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("red:")
    assert "All programmes, days 28 to 41: 0.0 % of the students have any lesson registered" in told[1]


def test_nobody_to_watch_is_said_with_what_to_do(watched: Shop) -> None:
    with pytest.raises(DataFault, match="earlier --since"):
        monitor(watched.folder, watched.workspace, dt.date(2030, 1, 1))


def test_a_reference_that_lacks_the_cohorts_learnt_from_is_asked_for(
    watched: Shop, institution: Callable[..., Path], tmp_path: Path
) -> None:
    later = institution(tmp_path / "later", closed=1, running=1, students=60, first_year=2022)
    with pytest.raises(DataFault, match="--reference"):
        monitor(later, watched.workspace, dt.date(2023, 9, 1))
    told = monitor(later, watched.workspace, dt.date(2023, 9, 1), reference=watched.folder)
    assert told.reference == ("2019",)
    assert "one_cohort" in told.notes


def watch_synthetic(folder: Path, scenario: str, seed: int, students: int = 300) -> Watch:
    """Make an institution, fit its model on the closed cohorts and watch the running one."""
    generate(folder, SynthSettings.model_validate({"students": students, "cohorts": 4, "seed": seed, "scenario": scenario}))
    dataset = load_dataset(folder)
    closed = dataset.definition.closed_cohorts
    labelled = landmark_frames(dataset, (42, 56), closed)
    model = fit_targets(dataset, labelled, Recipe(family="logistic"), closed, "", targets=("leave",))["leave"]
    return watch_model(model, dataset, dataset, dt.date(2026, 9, 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "kind", "named"),
    [("drift", "feature", "attendance"), ("feed_failure", "feed_stopped", ""), ("new_programme", "composition", "")],
)
def test_each_scenario_of_the_demo_turns_red_with_its_own_cause_first(scenario: str, kind: str, named: str, tmp_path: Path) -> None:
    told = watch_synthetic(tmp_path / "data", scenario, 20)
    assert told.level == "red"
    assert told.checks[0].kind == kind
    assert told.checks[0].name.startswith(named)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_stable_institution_stays_green(seed: int, tmp_path: Path) -> None:
    assert watch_synthetic(tmp_path / "data", "plain", seed).level == "green"


@pytest.mark.slow
def test_a_base_rate_that_moved_is_told_once_outcomes_are_known(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    generate(folder, SynthSettings(students=4000, cohorts=4, scenario="drift", closed=True, seed=3))
    dataset = load_dataset(folder)
    first, second, third, _ = dataset.definition.closed_cohorts
    labelled = landmark_frames(dataset, (28,), (first, second))
    model = fit_targets(dataset, labelled, Recipe(family="logistic"), (first, second), "", targets=("dropout",))["dropout"]
    told = watch_model(model, dataset, dataset, dt.date(int(third[:4]), 9, 1), until=dt.date(int(third[:4]), 12, 31))
    assert told.level == "red"
    assert told.checks[0].kind == "calibration"
    assert told.checks[0].compared.now < told.checks[0].compared.before


@pytest.mark.endurance
@pytest.mark.timeout(7200)
def test_of_a_hundred_stable_seeds_at_least_ninety_five_stay_green(tmp_path: Path) -> None:
    levels = [watch_synthetic(tmp_path / str(seed), "plain", 100 + seed).level for seed in range(100)]
    print(f"endurance: of 100 stable seeds {levels.count('green')} green, {levels.count('amber')} amber, {levels.count('red')} red")
    assert levels.count("green") >= 95
