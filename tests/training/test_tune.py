"""The search: what it looks at, what it keeps when it is killed, what it chooses and what it writes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from riskmodel.contract.findings import Language
from riskmodel.errors import DataFault, ModelFault, RiskModelError
from riskmodel.families.recipe import Recipe, read_recipe
from riskmodel.validation import Validated
from riskmodel.workspace import Workspace
from training.page import page_words
from training.tracking import open_tracking
from training.tune import Budget, Tried, Tuned, frontier, simplest, tune
from training.tuning_report import recipe_text, tuning_page

SPACE = Recipe.model_validate(
    {"family": "logistic", "search": {"programme": [True, False], "logistic": {"l2": [1.0, 3.0, 10.0, 30.0, 100.0, 300.0]}}}
)
TREES = Recipe.model_validate(
    {
        "family": "lightgbm",
        "lightgbm": {"trees": 5, "leaves": 3, "learning_rate": 0.2},
        "search": {"lightgbm": {"trees": [5, 10], "leaves": [2, 3, 4]}},
    }
)
LEAVE = ("leave",)


def values(tuned: Tuned) -> list[tuple[dict[str, object], float]]:
    return [(each.values, each.validated.loss) for each in tuned.tried]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, institution: Callable[..., Path]) -> Path:
    return institution(tmp_path_factory.mktemp("tune") / "data", students=120)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, workspace_at: Callable[[Path], Workspace]) -> Workspace:
    return workspace_at(tmp_path_factory.mktemp("tune") / "workspace")


@pytest.fixture(scope="module")
def tuned(place: Path, home: Workspace) -> Tuned:
    return tune(place, home, [SPACE, TREES], Budget(trials=14), targets=LEAVE)


def test_each_family_is_tried_as_it_stands_first_and_nothing_twice(tuned: Tuned) -> None:
    assert [each.recipe.family for each in tuned.tried[:2]] == ["logistic", "lightgbm"]
    assert all(each.asked for each in tuned.tried[:2])
    assert tuned.tried[0].recipe == SPACE
    told = [(each.recipe.family, tuple(each.values.items())) for each in tuned.tried]
    assert len(set(told)) == len(told) == 14


@pytest.mark.parametrize("poison", ["flipped", pytest.param("removed", marks=pytest.mark.slow)])
def test_the_test_cohort_is_never_looked_at(
    poison: str, tuned: Tuned, institution: Callable[..., Path], workspace_at: Callable[[Path], Workspace], tmp_path: Path
) -> None:
    folder = institution(tmp_path / "data", students=120)
    outcomes = pd.read_csv(folder / "outcomes.csv")
    latest = outcomes["enrolment_id"].str.startswith("2021")
    if poison == "flipped":
        outcomes.loc[latest, "outcome"] = np.where(outcomes.loc[latest, "outcome"] == "continued", "dropped_out", "continued")
        outcomes.to_csv(folder / "outcomes.csv", index=False)
    else:
        for name in ("outcomes", "attendance", "results"):
            table = pd.read_csv(folder / f"{name}.csv")
            kept = table[~table["enrolment_id"].str.startswith("2021") | (table["enrolment_id"] == "2021-0")]
            kept.to_csv(folder / f"{name}.csv", index=False)
    again = tune(folder, workspace_at(tmp_path / "workspace"), [SPACE, TREES], Budget(trials=3), targets=LEAVE)
    assert again.untouched == "2021"
    assert again.fingerprint != tuned.fingerprint
    assert values(again) == values(tuned)[:3]


def test_another_seed_tries_other_things_and_the_same_goes_on_where_it_was(tuned: Tuned, place: Path, home: Workspace) -> None:
    other = tune(place, home, [SPACE, TREES], Budget(trials=4), targets=LEAVE, seed=3)
    assert other.resumed == 0
    assert values(other) != values(tuned)[:4]
    same = tune(place, home, [SPACE, TREES], Budget(trials=14), targets=LEAVE)
    assert (same.resumed, same.ended) == (14, "trials")
    assert values(same) == values(tuned)
    assert recipe_text(same) == recipe_text(tuned)


def test_a_small_space_is_tried_whole_and_then_the_search_ends(place: Path, home: Workspace) -> None:
    small = Recipe.model_validate({"family": "logistic", "search": {"logistic": {"l2": [10.0, 30.0, 100.0]}}})
    found = tune(place, home, [small], Budget(trials=50), targets=LEAVE)
    assert found.ended == "space"
    assert sorted(each.values["logistic.l2"] for each in found.tried) == [10.0, 30.0, 100.0]


def test_each_trial_is_a_child_run_with_its_parameters_and_figures(tuned: Tuned, home: Workspace) -> None:
    client = open_tracking(home).MlflowClient()
    experiment = client.get_experiment_by_name("riskmodel").experiment_id
    (parent,) = client.search_runs([experiment], f"tags.search = '{tuned.name}'")
    assert parent.data.metrics["trials"] == 14
    assert parent.data.tags["untouched"] == "2021"
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert len(children) == 14
    assert {run.info.status for run in children} == {"FINISHED"}
    losses = {round(run.data.metrics["log_loss"], 12) for run in children}
    assert losses == {round(each.validated.loss, 12) for each in tuned.tried}
    assert {run.data.params["family"] for run in children} == {"logistic", "lightgbm"}


def test_with_two_closed_cohorts_the_earlier_one_is_parted_by_students_and_by_programmes(
    institution: Callable[..., Path], home: Workspace, tmp_path: Path
) -> None:
    folder = institution(tmp_path / "data", students=200, closed=2)
    found = tune(folder, home, [SPACE], Budget(trials=1), targets=LEAVE)
    assert found.learnt_from == ("2019",)
    assert found.untouched == "2020"
    assert found.folds == ("students 1", "students 2", "students 3", "programmes 1", "programmes 2")


def test_with_one_closed_cohort_there_is_none_to_search_on(institution: Callable[..., Path], tmp_path: Path) -> None:
    folder = institution(tmp_path / "data", students=60, closed=1)
    with pytest.raises(DataFault, match="only 2019 is closed"):
        tune(folder, Workspace(tmp_path / "workspace"), [SPACE], Budget(trials=1))
    assert not (tmp_path / "workspace").exists()


def test_too_few_leavers_to_search_with_are_told(institution: Callable[..., Path], tmp_path: Path) -> None:
    folder = institution(tmp_path / "data", students=60, leavers=0.0001)
    with pytest.raises(DataFault, match="too few students left to search with"):
        tune(folder, Workspace(tmp_path / "workspace"), [SPACE], Budget(trials=1))


def test_a_second_search_in_a_workspace_waits_its_turn(place: Path, home: Workspace) -> None:
    lock = sqlite3.connect(home.folder / "tuning.lock")
    lock.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(RiskModelError, match="another search is under way"):
            tune(place, home, [SPACE], Budget(trials=1), targets=LEAVE)
    finally:
        lock.close()


def test_a_damaged_store_is_told_with_what_to_do(place: Path, workspace_at: Callable[[Path], Workspace], tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path / "workspace")
    workspace.tuning.write_bytes(b"this is no database, whatever its name says" * 50)
    with pytest.raises(ModelFault, match="no store of trials") as told:
        tune(place, workspace, [SPACE], Budget(trials=1), targets=LEAVE)
    assert told.value.place == str(workspace.tuning)


def trial(number: int, family: str, blocks: list[float], **change: object) -> Tried:
    recipe = Recipe.model_validate({"family": family, **change})
    return Tried(number, recipe, {}, Validated(sum(blocks), 0.7, np.array(blocks), {"2020": sum(blocks)}), 1.0, False)


def test_the_simplest_within_one_standard_error_is_chosen_and_not_one_beyond() -> None:
    best = trial(1, "blend", [0.100, 0.100, 0.100, 0.100])
    # 0.004 worse in all; differences of -0.001, 0.001, 0.001 and 0.003 have a standard error of 0.0033.
    beyond = trial(2, "logistic", [0.099, 0.101, 0.101, 0.103])
    # 0.002 worse in all; differences of -0.002, 0, 0.001 and 0.003 have a standard error of 0.0042.
    within = trial(3, "lightgbm", [0.098, 0.100, 0.101, 0.103])
    assert simplest([best, beyond, within], 7) is within
    assert simplest([best, beyond], 7) is best
    assert [each.number for each in frontier([best, beyond, within], 7)] == [2, 3, 1]


def test_other_recent_weeks_win_only_when_they_are_better_by_more_than_one_standard_error() -> None:
    own = trial(1, "logistic", [0.100, 0.101, 0.101, 0.102])
    others = replace(own, recipe=own.recipe.model_copy(update={"recent_days": 21}))
    luckier = replace(others, number=2, validated=trial(2, "logistic", [0.101, 0.100, 0.100, 0.101]).validated)
    better = replace(others, number=3, validated=trial(3, "logistic", [0.098, 0.099, 0.099, 0.100]).validated)
    assert simplest([own, luckier], 7) is own
    assert simplest([own, luckier], 7, 21) is luckier
    assert simplest([own, better], 7) is better


def test_the_winner_is_a_file_that_train_reads(tuned: Tuned, tmp_path: Path) -> None:
    file = tmp_path / "tuned.toml"
    file.write_text(recipe_text(tuned), encoding="utf-8")
    assert read_recipe(file) == tuned.winner.recipe
    assert "2021 was not looked at" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("language", ["en", "nl"])
def test_the_page_shows_history_importance_and_price_and_loads_nothing(tuned: Tuned, language: Language) -> None:
    html = tuning_page(tuned, language)
    words = page_words("tuning", language)
    for title in ("history_title", "importance_title", "price_title", "winner_title", "all_title"):
        assert words[title] in html
    assert html.count("<svg") == 3
    outside = re.findall(r'(?:src|href)="(?!#)[^"]*"', html)
    assert not outside
    assert "<script" not in html


def test_what_an_institution_is_called_is_escaped_on_the_page(tuned: Tuned) -> None:
    from dataclasses import replace

    html = tuning_page(replace(tuned, institution="<b>School & Co</b>"))
    assert "<b>School" not in html
    assert "&lt;b&gt;School &amp; Co" in html


def test_both_languages_have_the_same_words() -> None:
    def keys(words: dict[str, object]) -> set[str]:
        return {f"{name}.{each}" for name, value in words.items() for each in (value if isinstance(value, dict) else [""])}

    assert keys(page_words("tuning", "en")) == keys(page_words("tuning", "nl"))


def command(folder: Path, workspace: Workspace, recipe: Path, output: Path, trials: int) -> list[str]:
    words = [
        "--workspace",
        str(workspace.folder),
        "tune",
        str(folder),
        "--trials",
        str(trials),
        "--family",
        str(recipe),
        "--target",
        "leave",
    ]
    return [sys.executable, "-m", "riskmodel", *words, "--output", str(output)]


@pytest.mark.slow
def test_a_search_that_is_killed_loses_the_trial_under_way_and_goes_on_as_if_undisturbed(
    institution: Callable[..., Path], workspace_at: Callable[[Path], Workspace], tmp_path: Path
) -> None:
    folder = institution(tmp_path / "data", students=400)
    recipe = tmp_path / "own.toml"
    recipe.write_text(
        'family = "lightgbm"\n[lightgbm]\ntrees = 200\n[search.lightgbm]\ntrees = [150, 200, 250]\nleaves = [4, 6, 8]\nl2 = [5.0, 20.0]\n',
        encoding="utf-8",
    )
    disturbed, calm = workspace_at(tmp_path / "disturbed"), workspace_at(tmp_path / "calm")
    process = subprocess.Popen(
        command(folder, disturbed, recipe, tmp_path / "a.toml", 6), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    done = 0
    for _ in range(1200):
        time.sleep(0.25)
        done = finished(disturbed)
        if done >= 2 or process.poll() is not None:
            break
    os.kill(process.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    process.wait()
    kept = finished(disturbed)
    assert 2 <= done <= kept < 6
    assert not (tmp_path / "a.toml").exists()
    for workspace, output in ((disturbed, tmp_path / "a.toml"), (calm, tmp_path / "b.toml")):
        subprocess.run(command(folder, workspace, recipe, output, 6), check=True, capture_output=True)
    ways = [tune(folder, workspace, [read_recipe(recipe)], Budget(trials=6), targets=LEAVE) for workspace in (disturbed, calm)]
    assert values(ways[0]) == values(ways[1])
    assert (tmp_path / "a.toml").read_text() == (tmp_path / "b.toml").read_text()
    client = open_tracking(disturbed).MlflowClient()
    runs = client.search_runs([client.get_experiment_by_name("riskmodel").experiment_id])
    assert "RUNNING" not in {run.info.status for run in runs}


def finished(workspace: Workspace) -> int:
    try:
        with sqlite3.connect(f"file:{workspace.tuning}?mode=ro", uri=True) as store:
            return int(store.execute("SELECT count(*) FROM trials WHERE state = 'COMPLETE'").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "say when to stop"),
        (["--trials", "0"], "trials"),
        (["--trials", "1", "--family", "forest"], "no such model family"),
        (["--trials", "1", "--family", "blend", "--family", "blend"], "give each family once"),
        (["--trials", "1", "--target", "success"], "is no target"),
        (["--trials", "1", "--output", "tuned.txt"], "ends in .toml"),
        (["--trials", "1", "--output", "own.toml"], "that no search wrote"),
    ],
)
def test_a_call_that_cannot_be_meant_is_refused_before_any_work(
    words: list[str], told: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from riskmodel.cli.main import run

    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.toml").write_text('family = "logistic"\n', encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        run(["--workspace", str(tmp_path / "workspace"), "tune", str(place), *words])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "workspace").exists()
    assert (tmp_path / "own.toml").read_text(encoding="utf-8") == 'family = "logistic"\n'


WINDOWS = Recipe.model_validate({"family": "logistic", "search": {"recent_days": [7, 14, 21]}})


@pytest.mark.slow
def test_what_counts_as_recent_is_searched_resumed_and_goes_into_training(
    place: Path, tmp_path: Path, workspace_at: Callable[[Path], Workspace]
) -> None:
    whole = tune(place, workspace_at(tmp_path / "whole"), [WINDOWS], Budget(trials=9), targets=LEAVE)
    assert whole.ended == "space"
    assert whole.tried[0].values == {"recent_days": 14}
    assert {each.values["recent_days"] for each in whole.tried} == {7, 14, 21}
    assert len({each.validated.loss for each in whole.tried}) == 3
    home = workspace_at(tmp_path / "resumed")
    tune(place, home, [WINDOWS], Budget(trials=2), targets=LEAVE)
    resumed = tune(place, home, [WINDOWS], Budget(trials=3), targets=LEAVE)
    assert resumed.resumed == 2
    assert values(resumed) == values(whole)
    recipe = tmp_path / "tuned.toml"
    recipe.write_text(recipe_text(whole), encoding="utf-8")
    assert read_recipe(recipe).recent_days == whole.winner.values["recent_days"]


@pytest.mark.slow
def test_a_window_of_the_recipe_is_worth_what_the_same_window_of_the_data_is(
    place: Path, tmp_path: Path, workspace_at: Callable[[Path], Workspace]
) -> None:
    searched = tune(place, workspace_at(tmp_path / "one"), [WINDOWS], Budget(trials=3), targets=LEAVE)
    declared = tmp_path / "data"
    shutil.copytree(place, declared)
    told = (declared / "dataset.toml").read_text(encoding="utf-8")
    (declared / "dataset.toml").write_text("recent_days = 21\n" + told, encoding="utf-8")
    fixed = Recipe.model_validate({"family": "logistic", "search": {"programme": [True, False]}})
    first = tune(declared, workspace_at(tmp_path / "other"), [fixed], Budget(trials=1), targets=LEAVE).tried[0]
    assert first.validated.loss == next(each.validated.loss for each in searched.tried if each.values["recent_days"] == 21)
