"""A fitted model: honest probabilities, a folder of text that gives back the same model, and folders that it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from riskmodel.catalogue import Catalogue, Feature
from riskmodel.errors import DataFault, ModelFault, RiskModelError
from riskmodel.families.recipe import Recipe
from riskmodel.features.context import ProgrammeContext
from riskmodel.model import ModelFacts, RiskModel, fit_model, load_model, with_measured

FAMILIES, LAYOUTS = ("logistic", "lightgbm", "blend"), ("per_landmark", "pooled")
Frames = dict[int, pd.DataFrame]
RecipeOf = Callable[..., Recipe]


@pytest.fixture(scope="module")
def models(made_up_catalogue: Catalogue, made_up_frames: Frames, recipe_of: RecipeOf) -> dict[tuple[str, str], RiskModel]:
    return {
        (family, layout): fit_model(made_up_frames, "leave", made_up_catalogue, recipe_of(family, layout))
        for family in FAMILIES
        for layout in LAYOUTS
    }


@pytest.fixture
def saved(models: dict[tuple[str, str], RiskModel], tmp_path: Path) -> Path:
    folder = tmp_path / "leave-1"
    models["blend", "per_landmark"].save(folder)
    return folder


def change(folder: Path, name: str, edit: Callable[[bytes], bytes]) -> None:
    """Change a file and its checksum alike, as somebody would who makes a folder by hand."""
    content = edit((folder / name).read_bytes())
    (folder / name).write_bytes(content)
    sums = json.loads((folder / "checksums.json").read_text(encoding="utf-8"))
    sums[name] = hashlib.sha256(content).hexdigest()
    (folder / "checksums.json").write_text(json.dumps(sums), encoding="utf-8")


def change_json(folder: Path, edit: Callable[[dict], object]) -> None:
    def edited(content: bytes) -> bytes:
        told = json.loads(content)
        edit(told)
        return json.dumps(told).encode()

    change(folder, "model.json", edited)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_probabilities_are_as_high_as_the_outcomes_were_and_rank_the_leavers_first(models, made_up, family: str, layout: str) -> None:
    model, fresh = models[family, layout], made_up(4000, 77)
    for landmark in model.landmarks:
        probability = model.probability(fresh, landmark)
        assert probability.mean() == pytest.approx(fresh["leave"].mean(), abs=0.06)
        assert probability[fresh["leave"] == 1].mean() > probability[fresh["leave"] == 0].mean() + 0.1
        np.testing.assert_allclose(probability, expit(model.decision(fresh, landmark)))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_risk_never_goes_against_a_direction_of_the_catalogue(models, made_up, made_up_catalogue, family: str, layout: str) -> None:
    model, rows = models[family, layout], made_up(200, 5)
    for feature in made_up_catalogue.values():
        if feature.direction == "none":
            continue
        steps = np.linspace(0, 1 if feature.kind == "flag" else 4, 5)
        decisions = [model.decision(rows.assign(**{feature.name: step}), 28) for step in steps]
        turned = 1 if feature.direction == "up" else -1
        assert (turned * np.diff(decisions, axis=0) >= -1e-12).all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_that_was_written_and_read_says_exactly_the_same(models, made_up, tmp_path: Path, family: str, layout: str) -> None:
    model, rows = models[family, layout], made_up(100, 6)
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    for landmark in model.landmarks:
        assert (again.decision(rows, landmark) == model.decision(rows, landmark)).all()
        assert (again.explain(rows, landmark).contributions == model.explain(rows, landmark).contributions).all()
    again.save(tmp_path / "again")
    assert (tmp_path / "again" / "checksums.json").read_bytes() == (tmp_path / "model" / "checksums.json").read_bytes()


def test_all_that_a_model_knows_of_itself_survives_being_written(models, tmp_path: Path, made_up_catalogue: Catalogue) -> None:
    facts = ModelFacts({"outcome": {"measured_on": "1 oktober"}}, "abc", {"2020": {"students": 3}}, ("2020",), "2021", {"numpy": "2"})
    usual = pd.DataFrame(
        {"attendance_share": [0.75, np.nan]}, index=pd.MultiIndex.from_tuples([("2021", "a"), ("2021", "*")], names=["cohort", "programme"])
    )
    context = ProgrammeContext.from_dict({"usual": [], "tests": []})
    plain = models["logistic", "per_landmark"]
    model = RiskModel(
        "leave", made_up_catalogue, plain.design, plain.members, plain.recipe, facts, contexts={28: ProgrammeContext(usual, context.tests)}
    )
    model = with_measured(model, {"28": {"precision_at_capacity": 0.36, "baselines": None}}, "7")
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert (again.facts, again.measured, again.version, again.recipe) == (model.facts, model.measured, "7", model.recipe)
    assert dict(again.catalogue) == dict(made_up_catalogue)
    assert again.contexts[28].usual.loc[("2021", "a"), "attendance_share"] == 0.75


def test_a_model_folder_is_text_that_holds_no_students_row(models, saved: Path, made_up_frames: Frames) -> None:
    frame = made_up_frames[28]
    shares = {text for value in frame["attendance_share"].dropna() if len(text := repr(value)) > 8}
    assert {path.name for path in saved.iterdir()} == {"model.json", "checksums.json"} | {
        f"{part}-{day}.{kind}" for part, kind in (("trees", "txt"), ("certainty", "json")) for day in (28, 56)
    }
    for path in saved.iterdir():
        text = path.read_bytes().decode("utf-8")
        assert "\x00" not in text
        assert not any(f'"{student}"' in text for student in frame["student_id"])
        if path.suffix == ".json":
            assert not any(share in text for share in shares)


def test_loading_unpickles_nothing(saved: Path, made_up, monkeypatch: pytest.MonkeyPatch) -> None:
    import cloudpickle

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was unpickled")

    for module in (pickle, cloudpickle):
        for name in ("load", "loads", "Unpickler"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr(joblib, "load", refuse)
    monkeypatch.setattr("numpy.load", refuse)
    monkeypatch.setattr(pd, "read_pickle", refuse)
    assert np.isfinite(load_model(saved).decision(made_up(5), 28)).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_data_recipe_and_seed_give_the_same_bytes(
    layout: str, made_up_catalogue: Catalogue, made_up_frames: Frames, recipe_of: RecipeOf, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        frames = {landmark: frame.copy() for landmark, frame in reversed(made_up_frames.items())}
        fit_model(frames, "leave", made_up_catalogue, recipe_of("blend", layout)).save(tmp_path / name)
    assert (tmp_path / "first" / "checksums.json").read_bytes() == (tmp_path / "second" / "checksums.json").read_bytes()


ELSEWHERE = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import conftest
from riskmodel.model import fit_model
frames = {{landmark: conftest.made_up_frame(400, landmark) for landmark in conftest.LANDMARKS}}
fit_model(frames, "leave", conftest.MADE_UP_CATALOGUE, conftest.quick_recipe("blend", "per_landmark")).save(Path({target!r}))
"""


@pytest.mark.slow
def test_another_process_with_another_hash_seed_and_more_threads_about_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    code = ELSEWHERE.format(tests=str(Path(__file__).parent), target=str(tmp_path / "elsewhere"))
    environment = os.environ | {"PYTHONHASHSEED": "4711", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)
    assert (tmp_path / "elsewhere" / "checksums.json").read_bytes() == (saved / "checksums.json").read_bytes()


def test_students_without_a_known_outcome_are_left_out_of_training(made_up_catalogue, made_up_frames: Frames, recipe_of: RecipeOf) -> None:
    frames = {landmark: frame.copy() for landmark, frame in made_up_frames.items()}
    for frame in frames.values():
        frame.loc[::3, "leave"] = np.nan
    fewer = {landmark: frame[frame["leave"].notna()] for landmark, frame in frames.items()}
    rows = made_up_frames[28]
    one = fit_model(frames, "leave", made_up_catalogue, recipe_of("blend"))
    other = fit_model(fewer, "leave", made_up_catalogue, recipe_of("blend"))
    assert (one.decision(rows, 28) == other.decision(rows, 28)).all()


@pytest.mark.parametrize("cohorts", [("2020", "2021"), ("2021", "2021")])
def test_a_student_who_comes_back_is_never_on_both_sides_of_the_calibration(recipe_of: RecipeOf, cohorts: tuple[str, str]) -> None:
    # Half of the students are there twice, with the same number and the same outcome, which is pure chance. Trees may learn the numbers by
    # heart; predicted from other students alone they say nothing, so that calibration leaves everybody near the base rate.
    random = np.random.default_rng(0)
    number = pd.DataFrame({"number": random.normal(size=450), "leave": (random.random(450) < 0.5).astype(float)})
    number["student_id"] = [f"s{place}" for place in range(450)]
    frame = pd.concat([number[:300].assign(cohort=cohorts[0]), number[150:].assign(cohort=cohorts[1])], ignore_index=True)
    catalogue = Catalogue([Feature("number", "declared", "number", "extra.number", "n", "n", "", "none", False, "made up for a test")])
    by_heart = {"trees": 60, "learning_rate": 0.5, "leaves": 8, "least_students_in_leaf": 2, "l2": 0.0, "feature_fraction": 1.0}
    recipe = recipe_of("lightgbm", lightgbm=by_heart)
    honest = fit_model({28: frame}, "leave", catalogue, recipe).members[28].platt.slope
    strangers = frame.assign(student_id=[f"s{place}" for place in range(len(frame))])
    fooled = fit_model({28: strangers}, "leave", catalogue, recipe).members[28].platt.slope
    assert honest < 0.15
    assert fooled > 2 * honest


def test_a_small_intake_beside_a_large_one_does_not_spoil_the_calibration(made_up, made_up_catalogue, recipe_of: RecipeOf) -> None:
    frame = made_up(1200, 8)
    frame["cohort"] = np.where(np.arange(1200) < 30, "2020-february", "2020-september")
    model = fit_model({28: frame}, "leave", made_up_catalogue, recipe_of("lightgbm"))
    assert model.members[28].platt.slope > 0.5


def test_cohorts_of_the_same_students_are_learnt_from_by_folds_of_students(made_up, made_up_catalogue, recipe_of: RecipeOf) -> None:
    frame = made_up(200, 9, cohorts=("2020",))
    both = pd.concat([frame, frame.assign(cohort="2021")], ignore_index=True)
    assert fit_model({28: both}, "leave", made_up_catalogue, recipe_of("blend")).landmarks == (28,)


@pytest.mark.parametrize(("shape", "least", "most"), [("straight", 0.5, 1.0), ("crossed", 0.0, 0.3)])
def test_the_blend_leans_to_the_family_that_fits_the_truth(recipe_of: RecipeOf, shape: str, least: float, most: float) -> None:
    random = np.random.default_rng(1)
    X = random.normal(size=(1500, 2))
    truth = 2 * X[:, 0] if shape == "straight" else 4 * np.sign(X[:, 0] * X[:, 1])
    frame = pd.DataFrame(X, columns=["a", "b"]).assign(
        student_id=[f"s{place}" for place in range(1500)],
        cohort=random.choice(["2020", "2021"], 1500),
        leave=(random.random(1500) < expit(truth)).astype(float),
    )
    catalogue = Catalogue(
        [Feature(name, "declared", "number", "extra.x", "x", "x", "", "none", False, "made up for a test") for name in "ab"]
    )
    model = fit_model({28: frame}, "leave", catalogue, recipe_of("blend"))
    assert least <= model.members[28].weight <= most


def test_the_blends_weight_can_be_given(made_up_catalogue, made_up_frames: Frames, recipe_of: RecipeOf) -> None:
    model = fit_model(made_up_frames, "leave", made_up_catalogue, recipe_of("blend", blend_weight=0.25))
    assert {member.weight for member in model.members.values()} == {0.25}


def test_too_few_leavers_are_told_with_day_and_numbers(made_up_catalogue, made_up_frames: Frames, recipe_of: RecipeOf) -> None:
    frame = made_up_frames[28].assign(leave=0.0)
    frame.loc[:4, "leave"] = 1.0
    with pytest.raises(DataFault, match=r"at day 28 5 of 400 students"):
        fit_model({28: frame}, "leave", made_up_catalogue, recipe_of("logistic"))


def test_the_last_landmark_passed_is_the_one_that_scores(models) -> None:
    model = models["logistic", "per_landmark"]
    assert [model.landmark_for(day) for day in (0, 27, 28, 55, 56, 300)] == [None, None, 28, 28, 56, 56]
    with pytest.raises(ModelFault, match=r"no landmark 14.*28, 56"):
        model.decision(pd.DataFrame(), 14)


def test_a_model_is_never_written_over_something_else(saved: Path, models) -> None:
    with pytest.raises(RiskModelError, match="stands there already"):
        models["logistic", "per_landmark"].save(saved)


@pytest.mark.parametrize("name", ["model.json", "checksums.json", "trees-56.txt"])
def test_a_folder_with_a_missing_file_is_refused_by_its_name(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(ModelFault, match=name) as told:
        load_model(saved)
    assert told.value.place == str(saved)
    assert told.value.remedy


def test_a_folder_that_is_not_there_or_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for name in ("nowhere", "file"):
        with pytest.raises(ModelFault, match=name):
            load_model(tmp_path / name)


@pytest.mark.parametrize("name", ["model.json", "trees-28.txt"])
def test_a_single_changed_byte_is_noticed(saved: Path, name: str) -> None:
    content = bytearray((saved / name).read_bytes())
    content[len(content) // 2] ^= 1
    (saved / name).write_bytes(bytes(content))
    with pytest.raises(ModelFault, match=f"{name} was changed"):
        load_model(saved)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda told: told.update(format="other"), "not a model of this product"),
        (lambda told: told.update(format_version=99), "newer version"),
        (lambda told: told.update(format_version=1), "older version"),
        (lambda told: told.pop("members"), "damaged"),
        (lambda told: told["members"]["28"].update(weight=float("nan")), "NaN"),
        (lambda told: told["members"]["28"].update(weight=float("inf")), "Infinity"),
        (lambda told: told["members"]["28"].update(trees="elsewhere.txt"), "damaged"),
        (lambda told: told["members"]["28"]["logistic"]["weight"].pop(), "differ in number"),
        (lambda told: told["members"]["28"]["patterns"].update(pattern=[9999]), "damaged"),
        (lambda told: told["design"].pop(), "damaged"),
        (lambda told: told["recipe"].update(family="forest"), "damaged"),
    ],
)
def test_a_foreign_or_damaged_content_is_refused_with_the_reason_though_its_checksums_fit(saved: Path, edit, reason: str) -> None:
    change_json(saved, edit)
    with pytest.raises(ModelFault, match=reason):
        load_model(saved)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"model.json": 3}', b'{"../x": "y"}', b"null"])
def test_checksums_that_are_none_are_refused(saved: Path, content: bytes) -> None:
    (saved / "checksums.json").write_bytes(content)
    with pytest.raises(ModelFault):
        load_model(saved)


def test_trees_that_are_no_text_of_lightgbm_are_refused(saved: Path) -> None:
    change(saved, "trees-28.txt", lambda _: b"\x80\x04pickle")
    with pytest.raises(ModelFault, match="damaged"):
        load_model(saved)
    change(saved, "trees-28.txt", lambda _: b"a forest")
    with pytest.raises(ModelFault, match="no LightGBM text"):
        load_model(saved)


def bent(students: int, seed: int, cohorts: tuple[str, ...]) -> pd.DataFrame:
    """Give students whose risk is a step in attendance, which a straight line misses and a tree does not."""
    random = np.random.default_rng(seed)
    share = random.random(students)
    risk = np.where(np.abs(share - 0.5) < 0.25, 0.7, 0.1)
    frame = pd.DataFrame({"share": share, "leave": (random.random(students) < risk).astype(float)})
    frame["student_id"] = [f"s{seed}-{place}" for place in range(students)]
    return frame.assign(cohort=random.choice(list(cohorts), students))


@pytest.mark.parametrize(
    ("students", "cohorts", "moves", "kept"),
    [
        (4000, ("2020", "2021"), True, False),
        (4000, ("2020", "2021"), False, True),
        (4000, ("2020",), True, True),
        (60, ("2020", "2021"), True, True),
    ],
)
def test_the_share_of_a_blend_moves_only_where_each_of_several_cohorts_says_so_beyond_doubt(
    students: int, cohorts: tuple[str, ...], moves: bool, kept: bool, recipe_of: RecipeOf
) -> None:
    catalogue = Catalogue([Feature("share", "declared", "number", "extra.share", "s", "s", "", "none", False, "made up for a test")])
    recipe = recipe_of("blend", blend_weight=0.85, share_moves=moves)
    weight = fit_model({28: bent(students, 3, cohorts)}, "leave", catalogue, recipe).members[28].weight
    assert (weight == 0.85) == kept
    assert kept or weight < 0.5
