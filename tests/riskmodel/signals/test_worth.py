"""What a signal is worth: nothing where nothing hangs on it, much where all does, and two that tell the same are not both left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from riskmodel.catalogue import Catalogue, Feature
from riskmodel.contract.definition import DatasetDefinition
from riskmodel.errors import DataFault
from riskmodel.families.recipe import LogisticParameters, Recipe
from riskmodel.metrics import roc_auc
from riskmodel.pages import Language
from riskmodel.signals.page import signal_words, signals_page
from riskmodel.signals.prior_page import prior_page
from riskmodel.signals.worth import Worth, measure_worth, signals_of, verdict

RECIPE = Recipe(family="logistic", logistic=LogisticParameters(l2=3.0))
DAYS = (28, 56)


def feature(name: str, group: str, reason: str, kind: str = "number", categories: tuple[str, ...] = ()) -> Feature:
    label = f"<b>{name}</b>"
    return Feature(name, group, kind, reason, label, label, "", "none", False, "Made up for a test.", categories)  # type: ignore[arg-type]


CATALOGUE = Catalogue(
    [
        feature("attendance_share", "attendance", "attendance_overall"),
        feature("prior_education", "prior_education", "prior_education", "category", ("havo", "mbo", "vwo")),
        feature("gap_years", "start", "gap_years"),
        feature("programme", "start", "programme", "category", ("law", "nursing")),
        feature("extra_once", "declared", "extra.once"),
        feature("extra_again", "declared", "extra.again"),
        feature("extra_noise", "declared", "extra.noise"),
    ]
)


def frame(seed: int, students: int = 3000) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    strong, told = random.normal(size=students), random.normal(size=students)
    left = (random.random(students) < 1 / (1 + np.exp(1.5 - 1.2 * strong - 1.0 * told))).astype(float)
    return pd.DataFrame(
        {
            "student_id": [f"s{place}" for place in range(students)],
            "cohort": np.where(np.arange(students) < students // 2, "2020", "2021"),
            "attendance_share": -strong,
            "prior_education": random.choice(["havo", "mbo", "vwo"], students, p=[0.6, 0.38, 0.02]),
            "gap_years": random.exponential(size=students),
            "programme": random.choice(["law", "nursing"], students),
            "extra_once": told + 0.01 * random.normal(size=students),
            "extra_again": told + 0.01 * random.normal(size=students),
            "extra_noise": random.normal(size=students),
            "leave": left,
        }
    )


@pytest.fixture(scope="module")
def frames() -> dict[int, pd.DataFrame]:
    return {day: frame(day) for day in DAYS}


@pytest.fixture(scope="module")
def worth(frames: dict[int, pd.DataFrame]) -> Worth:
    return measure_worth(frames, ["leave"], CATALOGUE, RECIPE, ["2020"], "2021", 0.2, prior_day=56)


def test_groups_the_programme_and_each_declared_column_are_signals() -> None:
    found = {signal.name: signal for signal in signals_of(CATALOGUE)}
    assert list(found) == ["attendance", "prior_education", "start", "programme", "extra.once", "extra.again", "extra.noise"]
    assert found["start"].left_out == ("gap_years",)
    assert found["extra.once"].left_out == ("extra_once",)
    assert found["attendance"].left_out == ("attendance",)
    assert signals_of(CATALOGUE.without(["attendance", "start", "declared"])) == ()


def test_what_all_hangs_on_is_needed_and_noise_can_go(worth: Worth) -> None:
    assert worth.verdicts["attendance"] == "needed"
    assert all(worth.verdicts[name] == "can_go" for name in ("extra.noise", "start", "programme"))
    rows = worth.losses[worth.losses["signal"] == "attendance"]
    assert (rows["auc"] > 0.05).all()
    assert (rows["auc_least"] < rows["auc_low"]).all()
    assert worth.comparisons == 7 * len(DAYS)


def test_two_signals_that_tell_the_same_can_each_be_missed_but_are_not_both_left_out(worth: Worth) -> None:
    assert worth.verdicts["extra.once"] == worth.verdicts["extra.again"] == "can_go"
    assert len({"extra.once", "extra.again"} & set(worth.advised)) < 2
    assert (worth.together["auc_most"] <= worth.margin).all()
    assert set(worth.left_out) <= {name for signal in worth.signals for name in signal.left_out}


def test_a_loss_is_the_difference_of_two_models_on_the_cohort_that_neither_saw(frames: Mapping[int, pd.DataFrame], worth: Worth) -> None:
    from riskmodel.model import fit_model

    asked, learnt = (frames[28][frames[28]["cohort"] == cohort] for cohort in ("2021", "2020"))
    aucs = [
        roc_auc(asked["leave"].to_numpy(), fit_model({28: learnt}, "leave", catalogue, RECIPE, intervals=False).decision(asked, 28))
        for catalogue in (CATALOGUE, CATALOGUE.without(["attendance"]))
    ]
    told = worth.losses[(worth.losses["signal"] == "attendance") & (worth.losses["landmark"] == 28)].iloc[0]
    assert told["auc"] == pytest.approx(aucs[0] - aucs[1], abs=1e-12)


def test_labels_of_the_cohort_measured_on_are_not_learnt_from(frames: Mapping[int, pd.DataFrame], worth: Worth) -> None:
    poisoned = {
        day: each.assign(leave=np.where(each["cohort"] == "2021", 1 - each["leave"], each["leave"])) for day, each in frames.items()
    }
    turned = measure_worth(poisoned, ["leave"], CATALOGUE, RECIPE, ["2020"], "2021", 0.2)
    np.testing.assert_allclose(turned.days["auc"], 1 - worth.days["auc"], atol=1e-12)


def test_a_verdict_weighs_losses_against_chance_and_margin() -> None:
    def rows(least: float, most: float) -> pd.DataFrame:
        return pd.DataFrame({"auc_least": [-1.0, least], "found_least": [-1.0, -1.0], "auc_most": [0.0, most]})

    assert verdict(rows(0.001, 0.002), 0.01) == "needed"
    assert verdict(rows(-0.001, 0.009), 0.01) == "can_go"
    assert verdict(rows(-0.001, 0.011), 0.01) == "unsure"


@pytest.mark.slow
def test_of_all_signals_without_any_worth_hardly_one_is_called_needed() -> None:
    """Every figure is noise: with all comparisons counted, some signal is 'needed' in about one of twenty sets."""
    called = 0
    for seed in range(12):
        noise = frame(500 + seed, 600)
        noise["leave"] = np.random.default_rng(seed).integers(0, 2, len(noise)).astype(float)
        told = measure_worth({28: noise}, ["leave"], CATALOGUE, RECIPE, ["2020"], "2021", 0.2)
        called += "needed" in told.verdicts.values()
    assert called <= 3


def test_where_there_is_one_signal_alone_it_says_so(frames: Mapping[int, pd.DataFrame]) -> None:
    with pytest.raises(DataFault, match="one signal alone"):
        measure_worth(frames, ["leave"], CATALOGUE.without(["prior_education", "start", "declared"]), RECIPE, ["2020"], "2021", 0.2)


def test_waiting_shows_leavers_still_enrolled_and_leavers_found(worth: Worth, frames: Mapping[int, pd.DataFrame]) -> None:
    assert worth.days["leavers"].tolist() == [int(each.loc[each["cohort"] == "2021", "leave"].sum()) for each in frames.values()]
    assert (worth.days["found"] <= worth.days["invited"]).all()
    assert ((worth.days["found_low"] <= worth.days["found"]) & (worth.days["found"] <= worth.days["found_high"])).all()


def test_lists_with_and_without_prior_education_are_told_by_kind_and_no_small_cell_is(worth: Worth) -> None:
    told = worth.prior_education.set_index("kind")
    assert worth.prior_day == 56
    assert told.loc["vwo", "invited_with"] != told.loc["vwo", "invited_with"]
    figures = told.drop(columns="target").to_numpy(dtype=float)
    assert (figures[~np.isnan(figures)] >= 10).all()
    invited, same = worth.same_invited["leave"]
    assert invited == 300
    assert 0.8 * invited < same <= invited


@pytest.mark.parametrize("language", ["nl", "en"])
def test_the_page_stands_alone_escapes_names_and_claims_no_cause(worth: Worth, language: str) -> None:
    definition = DatasetDefinition.model_validate(
        {
            "name": "A <school>",
            "cohorts": [{"label": "2020", "start": "2020-09-01", "closed": True}],
            "outcome": {"measured_on": "1 October", "switch_inside_counts": True, "early_leavers_count": True},
            "tables": {"enrolments": {"file": "enrolments.csv"}},
        }
    )
    page = signals_page(worth, definition, language)  # type: ignore[arg-type]
    assert "A &lt;school&gt;" in page
    assert "<b>extra" not in page
    text = re.sub(r"<svg.*?</svg>|<style.*?</style>", "", page, flags=re.S)
    assert "http:" not in text
    assert "https:" not in text
    assert "<script" not in page
    assert page.count("<svg") == 3
    assert not re.search(r"\b(omdat|doordat|because)\b", text)
    assert ", ".join(worth.left_out) in text


@pytest.mark.parametrize("language", ["nl", "en"])
def test_prior_education_has_a_page_of_its_own_with_and_without_at_each_landmark_and_no_small_cell(
    worth: Worth, language: Language
) -> None:
    definition = DatasetDefinition.model_validate(
        {
            "name": "A <school>",
            "cohorts": [{"label": "2020", "start": "2020-09-01", "closed": True}],
            "outcome": {"measured_on": "1 October", "switch_inside_counts": True, "early_leavers_count": True},
            "tables": {"enrolments": {"file": "enrolments.csv"}},
        }
    )
    html = prior_page(worth, definition, language)
    assert "A &lt;school&gt;" in html
    assert html.count("<svg") == 2
    assert not re.search(r"<script|<link|src=|https?:", re.sub(r"<svg.*?</svg>", "", html, flags=re.S))
    cells = [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", html)]
    whole = worth.days.set_index("landmark")["auc"]
    losses = worth.losses[worth.losses["signal"] == "prior_education"].set_index("landmark")["auc"]
    for day, auc in whole.items():
        place = cells.index(str(day))
        told = [float(cell.replace(",", ".")) for cell in cells[place + 1 : place + 3]]
        assert told == pytest.approx([auc, auc - losses[day]], abs=0.0006)
    # Differences are between the kinds that are told of both lists; here a single one is, so none is told.
    both = worth.prior_education.dropna(subset=["invited_with", "invited_without"])
    assert len(both) == 1
    assert signal_words(language)["prior"]["no_difference_with"] in html
    more = replace(
        worth, prior_education=worth.prior_education.assign(invited_with=[60.0, 90.0, np.nan], invited_without=[50.0, 60.0, 40.0])
    )
    sentences = re.findall(r"<li>(.*?)</li>", prior_page(more, definition, language))[:2]
    named = {definition.prior_education.kinds[kind][language] for kind in ("havo", "mbo")}
    assert [set(re.findall(r"&#39;(.*?)&#39;", sentence)) for sentence in sentences] == [named, named]
    # What is withheld of the small kind stands nowhere, as a count or as a share.
    vwo = cells.index(definition.prior_education.kinds["vwo"][language])
    assert "-" in cells[vwo + 1 : vwo + 7]
    assert all(int(count) >= 10 for cell in cells[vwo + 1 : vwo + 7] if cell != "-" for count in re.findall(r"^\d+", cell))
