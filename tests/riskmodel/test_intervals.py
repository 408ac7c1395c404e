"""Intervals of probabilities: worked out by hand where that can be done, covering what they should, and wider for whoever is unlike the rest."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, ndtri

from riskmodel.catalogue import Catalogue
from riskmodel.design import Column, Design
from riskmodel.families.logistic import fit_logistic
from riskmodel.families.recipe import Recipe
from riskmodel.intervals import REACH, Additive, fit_additive, interval_of
from riskmodel.model import RiskModel, fit_model, load_model

NUMBERS = Design([Column("one", None, 0), Column("other", None, 0)])
Frames = dict[int, pd.DataFrame]


@pytest.fixture(scope="module")
def model(made_up_catalogue: Catalogue, made_up_frames: Frames, recipe_of: Callable[..., Recipe]) -> RiskModel:
    return fit_model(made_up_frames, "leave", made_up_catalogue, recipe_of())


def test_without_any_signal_the_variance_of_the_base_rate_is_the_textbooks() -> None:
    y = np.repeat([1.0, 0.0], [30, 170])
    fitted = fit_additive(np.full((200, 2), np.nan), y, NUMBERS)
    mean, variance = fitted.posterior(np.full((1, 2), np.nan), np.full(2, -np.inf), np.full(2, np.inf))
    assert mean[0] == pytest.approx(np.log(30 / 170), abs=1e-3)
    assert variance[0] == pytest.approx(1 / (200 * 0.15 * 0.85), rel=1e-2)


def test_an_interval_reaches_as_far_as_its_level_says_and_always_holds_the_served_probability() -> None:
    low, high = interval_of(np.zeros(2), np.full(2, 0.25), np.array([0.0, 3.0]), 0.9)
    reach = REACH * ndtri(0.95) * 0.5
    assert (low[0], high[0]) == (pytest.approx(expit(-reach)), pytest.approx(expit(reach)))
    assert (low[1], high[1]) == (pytest.approx(expit(-reach)), pytest.approx(expit(3.0)))


def bent_truth(students: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give columns, true log-odds that no straight line tells, and outcomes."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(students, 2))
    truth = -1.5 + 1.2 * np.maximum(X[:, 0], 0.0) - 0.6 * np.abs(X[:, 1])
    return X, truth, (random.random(students) < expit(truth)).astype(float)


def test_nine_in_ten_intervals_cover_a_truth_that_bends_where_a_straight_line_is_off() -> None:
    covered = []
    for seed in range(20):
        X, _, y = bent_truth(3000, seed)
        asked, truth, _ = bent_truth(1000, 1000 + seed)
        mean, variance = fit_additive(X, y, NUMBERS).posterior(asked, X.min(axis=0), X.max(axis=0))
        low, high = interval_of(mean, variance, fit_logistic(X, y, NUMBERS.signs, 30.0).decision(asked), 0.9)
        covered.append(((low <= expit(truth)) & (expit(truth) <= high)).mean())
    assert 0.85 <= np.mean(covered) <= 0.95


def test_more_students_make_intervals_narrower() -> None:
    asked, *_ = bent_truth(500, 99)
    widths = []
    for students in (500, 2000, 8000):
        X, _, y = bent_truth(students, 1)
        _, variance = fit_additive(X, y, NUMBERS).posterior(asked, X.min(axis=0), X.max(axis=0))
        widths.append(np.sqrt(variance).mean())
    assert widths[0] > 1.3 * widths[1] > 1.3**2 * widths[2]


@pytest.mark.parametrize("layout", ["per_landmark", "pooled"])
@pytest.mark.parametrize("family", ["logistic", "lightgbm", "blend"])
def test_every_family_has_intervals_that_hold_its_probabilities_and_survive_being_written(
    family: str, layout: str, made_up, made_up_catalogue: Catalogue, made_up_frames: Frames, recipe_of, tmp_path: Path
) -> None:
    model = fit_model(made_up_frames, "leave", made_up_catalogue, recipe_of(family, layout))
    model.save(tmp_path / "model")
    again, fresh = load_model(tmp_path / "model"), made_up(300, 12)
    assert again.interval_level == 0.9
    for landmark in model.landmarks:
        sure, same = model.how_sure(fresh, landmark), again.how_sure(fresh, landmark)
        assert sure is not None
        assert same is not None
        probability = model.probability(fresh, landmark)
        assert ((sure.low <= probability) & (probability <= sure.high)).all()
        assert (sure.low > 0).all()
        assert (sure.high < 1).all()
        assert (same.low == sure.low).all()
        assert (same.high == sure.high).all()
        assert same.unusual == sure.unusual


def test_a_higher_level_gives_wider_intervals(made_up, made_up_catalogue: Catalogue, made_up_frames: Frames, recipe_of) -> None:
    fresh, widths = made_up(100, 3), []
    for level in (0.5, 0.9, 0.99):
        sure = fit_model(made_up_frames, "leave", made_up_catalogue, recipe_of(interval_level=level)).how_sure(fresh, 28)
        assert sure is not None
        widths.append(sure.high - sure.low)
    assert (widths[0] <= widths[1]).all()
    assert (widths[1] < widths[2]).all()


def test_a_model_fitted_without_intervals_says_so_and_is_as_before(made_up, made_up_catalogue, made_up_frames, recipe_of, model) -> None:
    bare = fit_model(made_up_frames, "leave", made_up_catalogue, recipe_of(), intervals=False)
    assert bare.how_sure(made_up(3), 28) is None
    assert bare.interval_level is None
    assert not any(name.startswith("certainty") for name in bare.checksums())
    assert (bare.decision(made_up(50), 28) == model.decision(made_up(50), 28)).all()


def test_one_student_alone_gets_the_same_interval_as_among_many(model: RiskModel, made_up) -> None:
    many = made_up(40, 8)
    together = model.how_sure(many, 28)
    assert together is not None
    for place in range(len(many)):
        alone = model.how_sure(many.iloc[[place]], 28)
        assert alone is not None
        assert alone.low[0] == pytest.approx(together.low[place], abs=1e-12)
        assert alone.unusual[0] == together.unusual[place]


@settings(max_examples=60, deadline=None)
@given(feature=st.sampled_from(["attendance_share", "attendance_miss_run", "gap_years"]), far=st.floats(0.01, 100.0), above=st.booleans())
def test_a_value_beyond_what_was_seen_makes_the_interval_wider_the_further_the_wider(
    model: RiskModel, made_up, feature: str, far: float, above: bool
) -> None:
    certainty = model.certainty[28]
    seen = certainty.seen.ranges[feature]
    edge = seen.high if above else seen.low
    students = made_up(5, 21)

    def variance(value: float) -> np.ndarray:
        frame = students.assign(**{feature: value})
        X = model.design.matrix(frame, 28)
        assert all(bool(each) == (value != edge) for each in certainty.tell(frame, X, np.zeros(5)).unusual)
        return certainty.additive.posterior(X, *certainty._ends)[1]

    sign = 1 if above else -1
    at_edge, beyond, further = (variance(edge + sign * distance) for distance in (0.0, far, 2 * far))
    assert (at_edge < beyond).all()
    assert (beyond < further).all()


def test_a_category_that_was_never_seen_makes_the_interval_wider_than_one_that_is_not_known(model: RiskModel, made_up) -> None:
    students = made_up(20, 4)
    unknown = model.how_sure(students.assign(prior_education=None), 28)
    new = model.how_sure(students.assign(prior_education="abroad"), 28)
    assert unknown is not None
    assert new is not None
    assert (new.low <= unknown.low).all()
    assert (new.high >= unknown.high).all()
    assert ((new.high - new.low) > (unknown.high - unknown.low)).all()
    assert all(each[0].kind == "new_category" for each in new.unusual)


def test_a_damaged_part_of_an_interval_is_refused(model: RiskModel) -> None:
    told = json.loads(json.dumps(model.certainty[28].additive.to_dict()))
    columns = len(model.design.columns)
    assert Additive.from_dict(told, columns).coefficients.tolist() == told["coefficients"]
    for name in ("coefficients", "factor", "slopes"):
        with pytest.raises(ValueError, match=r".+"):
            Additive.from_dict(told | {name: told[name][:-1]}, columns)
    with pytest.raises(ValueError, match="differ in number"):
        Additive.from_dict(told, 2)
    with pytest.raises(ValueError, match="finite"):
        Additive.from_dict(told | {"slopes": [float("inf"), *told["slopes"][1:]]}, columns)


def _coverage(sets: int, students: int) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
    from intervals import averaged, measure_set, met

    found = averaged([measure_set(100 + seed, students, (14, 56)) for seed in range(sets)])
    for day, each in found.items():
        least = f"least tenth {min(each['tenths']):.3f}, least kind of prior education {min(each['kinds'].values()):.3f}"
        print(f"endurance: {sets} institutions, day {day}: a 90 % interval covers {each['all']:.3f}; {least}")
    if sets < 20:
        assert all(0.8 <= each["all"] <= 0.99 for each in found.values()), found
    else:
        assert all(met(each) for each in found.values()), found


@pytest.mark.slow
def test_on_three_generated_institutions_intervals_cover_about_as_often_as_they_say() -> None:
    _coverage(3, 1500)


@pytest.mark.endurance
@pytest.mark.timeout(7200)
def test_over_twenty_generated_institutions_intervals_cover_within_bounds_in_every_tenth_and_for_every_prior_education() -> None:
    _coverage(20, 2500)
