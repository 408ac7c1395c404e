"""The demo as DUO would deliver it: what goes in comes back, the margins hold, and nothing but results and attendance has to be added."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tomlkit
from pydantic import ValidationError

from riskmodel.contract.dataset import load_dataset
from riskmodel.features import build_features
from riskmodel.onecijferho import Imported, link
from riskmodel.onecijferho.history import Choices
from riskmodel.onecijferho.pseudonyms import pseudonyms, read_key
from riskmodel.synth import SynthSettings, generate
from riskmodel.synth.onecijferho import INSTITUTION, LIST_OF_NUMBERS, STUDENT_SYSTEM
from riskmodel.synth.settings import DROPOUT, INTAKE, SWITCH
from riskmodel.window import cut
from tests.riskmodel.onecijferho.deliveries import everything_in, imported

CHANCE = 4.0  # standard errors; one cell in 16,000 lies further off by chance alone


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "1cho"
    generate(folder, SynthSettings(students=400, cohorts=3, seed=4, until_day=60, format="1cho"))
    return folder


@pytest.fixture(scope="module")
def made(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Imported, pd.DataFrame, Path, Path]:
    place = tmp_path_factory.mktemp("made")
    done, built = imported(demo, place / "out")
    return done, built, place / "out", place / "keys" / "pseudonyms.key"


def fates(demo: Path) -> pd.DataFrame:
    return pd.read_parquet(demo / "truth" / "fates.parquet")


def test_the_outcomes_that_come_back_are_those_that_went_in(demo: Path, made: tuple[Imported, pd.DataFrame, Path, Path]) -> None:
    done, built, _, key = made
    assert done.institution == INSTITUTION
    truth = fates(demo)
    truth["student"] = pseudonyms(read_key(key), truth["person"])
    # Who dies in the September after the last year dies later than the file tells.
    runs_on = (truth["fate"] == "died") & (truth["year"] == 2026)
    truth["enrolment_id"] = truth["student"] + "-" + truth["year"].astype(str) + "-" + truth["programme"]
    came = truth[truth["student_id"].notna()]
    assert set(came["enrolment_id"]) <= set(built["enrolment_id"]) <= set(came["enrolment_id"]) | set(truth[runs_on]["enrolment_id"])
    pair = came.merge(built, on="enrolment_id", suffixes=("", "_back"), validate="one_to_one")
    assert len(pair) == len(came) == 1200
    assert pair["outcome"].fillna("-").tolist() == pair["outcome_back"].fillna("-").tolist()
    assert set(pair["outcome"].dropna()) == {"continued", "switched", "dropped_out"}
    assert pair["gap_years"].tolist() == pair["gap_years_back"].tolist()
    kinds = pair["prior_education_back"].map({"havo": "havo", "mbo 4": "mbo", "vwo": "vwo", "other or foreign": "other"})
    assert pair["prior_education"].tolist() == kinds.tolist()
    left = [pd.to_datetime(pair[column]).dt.strftime("%Y-%m-%d").fillna("-").tolist() for column in ("left_in_file", "left_on")]
    assert left[0] == left[1]


def test_each_destination_and_each_cause_for_being_left_out_comes_back_with_its_count(
    demo: Path, made: tuple[Imported, pd.DataFrame, Path, Path]
) -> None:
    done = made[0]
    truth = fates(demo)
    closed = truth[truth["year"] < 2026]
    expected = closed[closed["student_id"].notna()].groupby(["year", "fate"]).size()
    got = {
        (int(cohort["label"][:4]), place): cohort[place]
        for cohort in done.cohorts
        if cohort["closed"]
        for place in cohort
        if place not in ("label", "closed", "students") and cohort[place]
    }
    assert got == expected.to_dict()
    assert {place for _, place in got} == {
        "continued", "switched_inside", "switched_outside", "same_programme_elsewhere", "university", "designated_institution", "no_enrolment",
    }  # fmt: skip
    assert (
        done.left_out["first-years: died"] == (closed["fate"] == "died").sum() + (truth[truth["year"] == 2026]["fate"] == "died").sum() // 2
    )
    assert done.left_out["first-years: left with the diploma"] == (truth["fate"] == "diploma").sum()
    assert done.left_out["enrolments that ended before 1 October"] >= (truth["fate"] == "left_before").sum()
    assert done.left_out["rows of exchange students"] >= (truth["fate"] == "exchange").sum()
    assert done.left_out["second enrolments"] > (truth["fate"] == "second_only").sum()


def test_who_switches_inside_is_a_first_year_of_the_programme_and_not_of_the_institution(demo: Path, tmp_path: Path) -> None:
    of_programme, _ = imported(demo, tmp_path / "programme")
    of_institution, _ = imported(demo, tmp_path / "institution", choices=Choices(first_years="institution"))
    of_ho, _ = imported(demo, tmp_path / "ho", choices=Choices(first_years="ho"))
    for before, programme, institution, ho in zip(
        of_programme.cohorts, of_programme.cohorts[1:], of_institution.cohorts[1:], of_ho.cohorts[1:], strict=False
    ):
        assert programme["students"] - institution["students"] == before["switched_inside"]
        assert ho["students"] == institution["students"]


def test_no_number_of_a_person_comes_along(demo: Path, made: tuple[Imported, pd.DataFrame, Path, Path]) -> None:
    held = everything_in(made[2])
    assert not [person for person in fates(demo)["person"].unique() if person in held]


def test_linked_and_with_what_the_student_system_adds_it_is_a_whole_data_set(
    demo: Path, made: tuple[Imported, pd.DataFrame, Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(made[2], folder)
    done = link(folder, demo / LIST_OF_NUMBERS, made[3])
    listed = len(pd.read_csv(demo / LIST_OF_NUMBERS, sep=";"))
    assert done.matched == listed
    assert done.unused == done.contradicted == 0
    for name in ("attendance", "results"):
        added = pd.read_parquet(demo / STUDENT_SYSTEM / f"{name}.parquet")
        known = set(pd.read_parquet(folder / "enrolments.parquet")["enrolment_id"])
        added[added["enrolment_id"].astype(str).isin(known)].to_parquet(folder / f"{name}.parquet")
    document = tomlkit.parse((folder / "dataset.toml").read_text(encoding="utf-8"))
    for name in ("attendance", "results"):
        document["tables"][name] = {"file": f"{name}.parquet"}
    (folder / "dataset.toml").write_text(tomlkit.dumps(document), encoding="utf-8")
    dataset = load_dataset(folder)
    assert not dataset.report.warnings
    frame = build_features(cut(dataset.tables, 56), dataset.definition)
    with_lessons = frame["attendance_share"].notna()
    assert with_lessons.mean() > 0.97
    outcome = frame["enrolment_id"].map(dataset.outcomes().set_index("enrolment_id")["outcome"])
    share = frame.groupby(outcome)["attendance_share"].mean()
    assert share["dropped_out"] < share["continued"]


def test_the_same_settings_give_the_same_delivery_and_none_of_its_numbers_is_anybodys(demo: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", SynthSettings(students=400, cohorts=3, seed=4, until_day=60, format="1cho"))
    for path in sorted(demo.rglob("*.*")):
        other = tmp_path / "again" / path.relative_to(demo)
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest(), path.name
    for person in fates(demo)["person"].unique():
        digits = [int(digit) for digit in person]
        assert sum(weight * digit for weight, digit in zip((9, 8, 7, 6, 5, 4, 3, 2, -1), digits, strict=True)) % 11


def test_the_transparent_scenario_can_not_be_delivered() -> None:
    with pytest.raises(ValidationError, match="outcomes per landmark"):
        SynthSettings(scenario="transparent", format="1cho")


@pytest.mark.slow
def test_dropout_and_switch_by_prior_education_are_the_published_ones_within_chance(tmp_path: Path) -> None:
    generate(tmp_path / "1cho", SynthSettings(students=8000, cohorts=3, seed=11, format="1cho"))
    _, built = imported(tmp_path / "1cho", tmp_path / "out")
    closed = built[built["outcome"].notna()]
    kinds = closed["prior_education"].map({"havo": "havo", "mbo 4": "mbo", "vwo": "vwo", "other or foreign": "other"})
    assert len(closed) == 16000
    for margins, outcome in ((DROPOUT, "dropped_out"), (SWITCH, "switched")):
        overall = sum(INTAKE[kind] * share for kind, share in margins.items())
        for part, margin in [(closed["outcome"], overall), *((closed["outcome"][kinds == kind], share) for kind, share in margins.items())]:
            error = np.sqrt(margin * (1 - margin) / len(part))
            assert (part == outcome).mean() == pytest.approx(margin, abs=CHANCE * error)
    assert (kinds.value_counts(normalize=True) - pd.Series(INTAKE)).abs().max() < 0.001
