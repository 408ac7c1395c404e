"""Synthetic institutions: margins, mechanism, scenarios, and the truth behind them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from riskmodel.contract.dataset import check_dataset, load_dataset
from riskmodel.contract.definition import DEFAULT_LANDMARKS, is_sensitive_name
from riskmodel.errors import RiskModelError
from riskmodel.features import build_features
from riskmodel.metrics import roc_auc
from riskmodel.synth import SCENARIOS, SynthSettings, generate, mechanism
from riskmodel.synth.settings import DROPOUT, INTAKE, SWITCH
from riskmodel.synth.transparent import read_outcomes, true_log_odds
from riskmodel.window import cut


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")


def make(folder: Path, **settings: object) -> Path:
    generate(folder / "data", SynthSettings.model_validate(settings))
    return folder / "data"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("small"), students=400, cohorts=2, seed=5)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = make(tmp_path_factory.mktemp("large"), students=20_000, cohorts=1, closed=True)
    students = (
        read(folder, "enrolments")
        .merge(read(folder, "outcomes"), on="enrolment_id")
        .merge(read(folder / "truth", "truth"), on="enrolment_id")
    )
    results = read(folder, "results")
    start = pd.to_datetime(results["enrolment_id"].str[:4] + "-09-01")
    first = results[((pd.to_datetime(results["date"]) - start).dt.days < 100) & (results["attempt"] == 1)]
    grades = pd.to_numeric(first["grade"], errors="coerce").fillna(1.0).groupby(first["enrolment_id"]).mean()
    return students.assign(left=(students["outcome"] == "dropped_out").astype(float), grade=students["enrolment_id"].map(grades))


@pytest.mark.parametrize(("column", "margins"), [("dropout", DROPOUT), ("switch", SWITCH)])
def test_the_mean_true_probability_of_each_cell_is_its_margin_in_every_cohort_though_it_is_small(
    small: Path, column: str, margins: dict[str, float]
) -> None:
    truth = read(small, "enrolments")[["enrolment_id", "prior_education"]].merge(read(small / "truth", "truth"), on="enrolment_id")
    told = truth.groupby(["cohort", "prior_education"])[column].mean()
    assert len(told) == 2 * len(margins)
    for (_, kind), mean in told.items():
        assert mean == pytest.approx(margins[kind], abs=1e-6)


@pytest.mark.parametrize(("margins", "published"), [(DROPOUT, 0.152), (SWITCH, 0.186)])
def test_the_cells_give_back_the_published_totals(margins: dict[str, float], published: float) -> None:
    assert sum(INTAKE[kind] * margin for kind, margin in margins.items()) == pytest.approx(published, abs=0.001)


@pytest.mark.slow
def test_a_large_intake_has_the_published_shares(large: pd.DataFrame) -> None:
    assert large["prior_education"].value_counts(normalize=True).to_dict() == pytest.approx(INTAKE, abs=1e-3)


@pytest.mark.slow
def test_prior_education_and_first_results_separate_leavers_as_published(large: pd.DataFrame) -> None:
    rates = large["prior_education"].map(large.groupby("prior_education")["left"].mean()).to_numpy()
    assert roc_auc(large["left"].to_numpy(), rates) == pytest.approx(0.59, abs=0.015)
    tested = large[large["grade"].notna()]
    assert 0.76 <= roc_auc(tested["left"].to_numpy(), -tested["grade"].to_numpy()) <= 0.80
    assert -0.40 <= np.corrcoef(tested["left"], tested["grade"])[0, 1] <= -0.34


def test_the_truth_at_a_landmark_is_what_continuing_the_simulation_many_times_gives() -> None:
    probabilities = np.array([[0.3, 0.2]])
    generator = np.random.default_rng(1)
    outcomes = mechanism.draw_outcomes(np.repeat(probabilities, 200_000, axis=0), generator)
    leaving = mechanism.draw_leaving(outcomes, generator)
    for day in (14, 56, 100, 300, 340):
        here = ~(leaving <= day)
        brute = [(outcomes[here] == "dropped_out").mean(), (outcomes[here] == "switched").mean()]
        assert mechanism.probabilities_at(probabilities, day)[0] == pytest.approx(brute, abs=0.004)


def test_the_tables_pass_the_contracts_check_without_a_single_warning(small: Path) -> None:
    report = check_dataset(small)
    assert not report.faults
    assert not report.warnings


def test_the_same_settings_give_the_same_tables(small: Path, tmp_path: Path) -> None:
    again = make(tmp_path, students=400, cohorts=2, seed=5)
    for path in sorted(small.glob("**/*.*")):
        other = again / path.relative_to(small)
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest(), path.name


def test_the_running_cohort_has_no_outcomes_and_nothing_known_after_its_day(small: Path) -> None:
    enrolments = read(small, "enrolments").set_index("enrolment_id")
    running = enrolments[enrolments["cohort"] == "2026-2027"]
    last = pd.Timestamp("2026-09-01") + pd.Timedelta(days=60)
    assert not set(read(small, "outcomes")["enrolment_id"]) & set(running.index)
    for name, column in (("attendance", "date"), ("results", "known_on")):
        rows = read(small, name)
        rows = rows[rows["enrolment_id"].astype(str).isin(running.index)]
        assert len(rows)
        assert pd.to_datetime(rows[column]).max() <= last
    assert not (pd.to_datetime(running["left_known_on"]) > last).any()


def test_every_row_is_possible(small: Path) -> None:
    enrolments = read(small, "enrolments").set_index("enrolment_id")
    assert enrolments.index.is_unique
    attendance = read(small, "attendance")
    assert (attendance["attended"] <= attendance["scheduled"]).all()
    left = pd.to_datetime(attendance["enrolment_id"].astype(str).map(enrolments["left_on"]))
    assert not (pd.to_datetime(attendance["date"]) >= left).any()
    results = read(small, "results")
    assert (results["known_on"] > results["date"]).all()
    known = enrolments.dropna(subset=["left_on"])
    assert (known["left_known_on"] >= known["left_on"]).all()
    assert set(read(small, "contacts")["student_id"]) == set(enrolments["student_id"])
    assert set(enrolments["coach_id"]) <= set(read(small, "coaches")["coach_id"])


def test_sensitive_attributes_stand_in_groups_alone(small: Path) -> None:
    for path in small.glob("*.parquet"):
        sensitive = [column for column in pd.read_parquet(path).columns if is_sensitive_name(column)]
        assert bool(sensitive) == (path.stem == "groups")


def test_csv_says_the_same_as_parquet(small: Path, tmp_path: Path) -> None:
    folder = make(tmp_path, students=400, cohorts=2, seed=5, format="csv")
    one, other = load_dataset(small), load_dataset(folder)
    first, second = (build_features(cut(dataset.tables, 42), dataset.definition) for dataset in (one, other))
    pd.testing.assert_frame_equal(first, second)


def test_nothing_is_overwritten_and_a_failure_leaves_nothing_half_made(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RiskModelError, match="something stands there already"):
        generate(small, SynthSettings(students=50))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "half", SynthSettings(students=50), stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_in_the_drift_scenario_dropout_rises_from_one_cohort_to_the_next(tmp_path: Path) -> None:
    truth = read(make(tmp_path, students=3000, cohorts=2, scenario="drift", closed=True) / "truth", "truth")
    assert list(truth.groupby("cohort")["dropout"].mean()) == pytest.approx([0.113, 0.146], abs=0.004)


def test_in_the_feed_failure_scenario_two_weeks_of_attendance_are_absent(tmp_path: Path) -> None:
    folder = make(tmp_path, students=100, cohorts=2, scenario="feed_failure")
    attendance = read(folder, "attendance")
    days = (pd.to_datetime(attendance["date"]) - pd.to_datetime(attendance["enrolment_id"].astype(str).str[:4] + "-09-01")).dt.days
    running = attendance["enrolment_id"].astype(str).str.startswith("2026")
    assert not days[running].between(28, 41).any()
    assert days[~running].between(28, 41).any()


def test_in_the_late_tests_scenario_one_programme_has_no_test_when_the_others_have(tmp_path: Path) -> None:
    dataset = load_dataset(make(tmp_path, students=400, cohorts=1, scenario="late_tests", closed=True))
    frame = build_features(cut(dataset.tables, 56), dataset.definition)
    tested = frame.groupby("programme")["first_test_missed"].apply(lambda column: column.notna().any())
    assert (~tested).sum() == 1
    assert (
        frame.loc[~frame["programme"].map(tested), ["first_test_passed", "tests_missed_share", "grade_mean_vs_programme"]]
        .isna()
        .all()
        .all()
    )


def test_in_the_new_programme_scenario_the_last_cohort_has_one_more(tmp_path: Path) -> None:
    enrolments = read(make(tmp_path, students=500, cohorts=3, scenario="new_programme"), "enrolments")
    programmes = enrolments.groupby("cohort")["programme"].nunique()
    assert list(programmes.diff().dropna()) == [0, 1]


@pytest.mark.slow
def test_in_the_noise_scenario_nothing_tells_who_leaves(tmp_path: Path) -> None:
    folder = make(tmp_path, students=4000, cohorts=1, scenario="noise", closed=True)
    dataset = load_dataset(folder)
    frame = build_features(cut(dataset.tables, 100), dataset.definition)
    outcomes = read(folder, "outcomes").set_index("enrolment_id")["outcome"]
    left = (frame["enrolment_id"].map(outcomes) == "dropped_out").astype(float).to_numpy()
    assert len(frame) == 4000
    for name in ("attendance_share", "grade_mean_vs_programme", "tests_passed_share", "enrolment_lead_days"):
        known = frame[name].notna().to_numpy()
        assert roc_auc(left[known], frame.loc[known, name].to_numpy()) == pytest.approx(0.5, abs=0.035)


@pytest.mark.parametrize("days", [(28, 84), pytest.param(DEFAULT_LANDMARKS, marks=pytest.mark.slow)])
def test_in_the_transparent_scenario_the_probability_is_a_known_function_of_that_days_features(
    tmp_path: Path, days: tuple[int, ...]
) -> None:
    folder = make(tmp_path, students=300, cohorts=1, scenario="transparent", closed=True)
    dataset = load_dataset(folder)
    for day in days:
        frame = build_features(cut(dataset.tables, day), dataset.definition)
        truth = read_outcomes(folder, day).set_index("enrolment_id").loc[frame["enrolment_id"]]
        assert truth["probability"].to_numpy() == pytest.approx(1 / (1 + np.exp(-true_log_odds(frame))), abs=1e-12)
        assert truth["dropout"].mean() == pytest.approx(truth["probability"].mean(), abs=0.07)


@pytest.mark.slow
def test_every_scenario_makes_a_folder_that_passes_the_check(tmp_path: Path) -> None:
    for scenario in SCENARIOS:
        generate(tmp_path / scenario, SynthSettings(students=60, cohorts=2, scenario=scenario))
        assert not check_dataset(tmp_path / scenario).faults


@pytest.mark.slow
def test_the_small_set_in_the_repository_is_what_its_settings_make(tmp_path: Path) -> None:
    import tomllib

    kept = Path(__file__).resolve().parents[3] / "data" / "synthetic"
    generate(tmp_path / "again", SynthSettings.model_validate(tomllib.loads((kept / "settings.toml").read_text(encoding="utf-8"))))
    for name in ("enrolments", "attendance", "results", "outcomes", "groups", "contacts", "coaches"):
        pd.testing.assert_frame_equal(read(kept, name), read(tmp_path / "again", name))
