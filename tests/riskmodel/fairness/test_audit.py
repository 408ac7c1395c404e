"""A list by group: figures as counted by hand, differences beside what chance gives, and nothing told of a few."""

from __future__ import annotations

import json
import re
import tomllib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskmodel.catalogue import Catalogue
from riskmodel.errors import DataFault
from riskmodel.fairness import List, audit, find_proxies
from riskmodel.fairness.audit import MEASURES, as_json, group_labels
from riskmodel.fairness.page import About, page
from riskmodel.metrics import resamples
from riskmodel.resources import words_file
from riskmodel.suppression import FEWEST

ABOUT = About("Hogeschool <b>X</b>", "leave", "3", "2025", 56, 0.2, ("2023", "2024"))


def cohort(n: int, seed: int = 0, **effects: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give students with scores and outcomes, and two attributes; `effects` move the score of 'yes'."""
    random = np.random.default_rng(seed)
    groups = pd.DataFrame({"student_id": [f"s{at}" for at in range(n)]})
    score = random.normal(size=n)
    for name in ("one", "two"):
        chosen = random.random(n) < 0.4
        groups[name] = np.where(chosen, "yes", "no")
        score = score + effects.get(name, 0.0) * chosen
    probability = 1 / (1 + np.exp(-(score - 0.8)))
    invited = np.zeros(n, dtype=bool)
    invited[np.argsort(-probability)[: n // 5]] = True
    left = (random.random(n) < probability).astype(float)
    return pd.DataFrame({"student_id": groups["student_id"], "probability": probability, "invited": invited, "left": left}), groups


def counted(cells: list[tuple[str, int, int, int]]) -> pd.DataFrame:
    """Give students from counts of (sex, invited, left), with a probability of one half each."""
    rows = [(sex, bool(invited), float(left)) for sex, invited, left, times in cells for _ in range(times)]
    students = pd.DataFrame(rows, columns=["sex", "invited", "left"]).assign(probability=0.5)
    students["student_id"] = [f"s{at}" for at in range(len(students))]
    return students


WOMEN = [("woman", 1, 1, 10), ("woman", 1, 0, 10), ("woman", 0, 1, 20), ("woman", 0, 0, 20)]


def test_figures_are_what_counting_gives():
    students = counted([("man", 1, 1, 15), ("man", 1, 0, 10), ("man", 0, 1, 10), ("man", 0, 0, 15), *WOMEN])
    told = audit(students, students[["student_id", "sex"]])
    women = told.figures.set_index("group").loc["woman"]
    assert (women["students"], women["invited"], women["leavers"], women["found"]) == (60, 20, 30, 10)
    assert women["selection_rate"] == pytest.approx(20 / 60)
    assert women["recall"] == pytest.approx(10 / 30)
    assert women["precision"] == pytest.approx(10 / 20)
    assert (women["expected"], women["observed"], women["calibration_gap"]) == pytest.approx((0.5, 0.5, 0.0))
    assert (told.overall["students"], told.overall["found"]) == (110, 25)
    row = told.differences.set_index("measure").loc["selection_rate"]
    assert (row["highest"], row["difference"]) == ("man", pytest.approx(0.5 - 20 / 60))


def test_a_small_cell_of_one_group_withholds_what_of_the_other_would_tell_it():
    # Eight of the men were invited and stayed; of all students eighteen, so the women's ten would tell.
    students = counted([("man", 1, 1, 17), ("man", 1, 0, 8), ("man", 0, 1, 10), ("man", 0, 0, 15), *WOMEN])
    figures = audit(students, students[["student_id", "sex"]]).figures.set_index("group")
    for sex in ("man", "woman"):
        assert pd.isna(figures.loc[sex, "found"]) or pd.isna(figures.loc[sex, "invited"])
        assert pd.isna(figures.loc[sex, "precision"])


def test_intervals_come_from_resampling_students():
    students, groups = cohort(600, seed=3)
    told = audit(students, groups)
    row = told.figures[(told.figures["attribute"] == "one") & (told.figures["attribute_2"] == "")].set_index("group").loc["yes"]
    chosen = (groups["one"] == "yes").to_numpy()
    draws = resamples(students["student_id"].to_numpy(dtype=str), 20)[:, chosen].astype(float)
    by_hand = [np.average(students["invited"][chosen], weights=weights) for weights in draws]
    assert (row["selection_rate_low"], row["selection_rate_high"]) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])))


def test_a_group_that_is_invited_far_more_is_told_as_more_than_chance():
    students, groups = cohort(1500, seed=1, one=1.5)
    told = audit(students, groups).differences.set_index(["attribute", "measure"])
    row = told.loc[("one", "selection_rate")]
    assert row["beyond"]
    assert (row["highest"], row["lowest"]) == ("yes", "no")
    assert row["difference"] > row["chance"]
    assert not told.loc[("two", "selection_rate"), "beyond"]


@pytest.mark.slow
def test_where_groups_differ_by_chance_alone_hardly_any_audit_says_more():
    beyond = [audit(*cohort(500, seed=seed)).differences["beyond"].any() for seed in range(60)]
    assert np.mean(beyond) <= 0.12  # 5 % expected; three standard errors above


@given(st.integers(0, 1000), st.integers(20, 160))
@settings(max_examples=4)
def test_no_count_under_ten_is_told_anywhere(seed, n):
    students, groups = cohort(n, seed)
    told = audit(students, groups)
    for name in ("students", "invited", "leavers", "found"):
        assert (told.figures[name].dropna() >= FEWEST).all()
    figures = told.figures
    assert (figures["invited"] - figures["found"]).dropna().ge(FEWEST).all()
    assert (figures["leavers"] - figures["found"]).dropna().ge(FEWEST).all()
    assert (figures["students"] - figures["leavers"]).dropna().ge(FEWEST).all()
    assert figures.loc[figures["found"].isna(), ["recall", "precision"]].isna().all(axis=None)


def test_whoever_is_not_in_the_table_counts_as_unknown():
    students, groups = cohort(300)
    labels, _ = group_labels(students["student_id"], groups[:200])
    assert (labels["one"][200:] == "").all()


def test_an_attribute_with_many_values_is_left_out_and_said():
    students, groups = cohort(200)
    groups["postcode"] = [f"{at}" for at in range(200)]
    assert audit(students, groups).left_out == {"postcode": 200}
    with pytest.raises(DataFault, match="no attribute has a few values only"):
        audit(students, groups[["student_id", "postcode"]])


def test_no_attribute_at_all_is_an_error_that_says_what_to_give():
    students, groups = cohort(50)
    with pytest.raises(DataFault, match=r"tables\.groups"):
        audit(students, groups[["student_id"]])
    with pytest.raises(DataFault, match="twice"):
        audit(students, pd.concat([groups, groups[:1]]))


def test_another_list_is_told_with_its_price():
    students, groups = cohort(500, seed=2)
    perfect = students["left"].to_numpy() + students["probability"].to_numpy() / 10
    invited = np.zeros(500, dtype=bool)
    invited[np.argsort(-perfect)[:100]] = True
    row = audit(students, groups, [List("oracle", "group", perfect, invited)]).alternatives.iloc[0]
    assert row["found"] == 100
    assert row["more_found"] == 100 - (students["left"] * students["invited"]).sum()
    assert row["more_found_low"] < row["more_found"] < row["more_found_high"]
    assert 0 < row["same"] < 1
    same = audit(students, groups, [List("same", "group", students["probability"].to_numpy(), students["invited"].to_numpy())])
    assert same.alternatives.iloc[0]["more_found"] == 0
    assert same.alternatives.iloc[0]["same"] == 1
    now = same.differences.set_index(["attribute", "measure"]).loc[("one", "selection_rate"), "difference"]
    assert same.alternatives.iloc[0]["selection_rate:one"] == pytest.approx(now)


def test_a_feature_that_gives_an_attribute_away_is_named():
    random = np.random.default_rng(5)
    X = random.normal(size=(500, 4))
    X[random.random((500, 4)) < 0.1] = np.nan
    labels = pd.DataFrame(
        {"told": np.where(np.nan_to_num(X[:, 2]) + random.normal(size=500) > 0, "a", "b"), "lot": random.choice(["a", "b"], 500)}
    )
    students = np.array([f"s{at}" for at in range(500)])
    told, lot = find_proxies(X, ["f0", "f1", "f2", "f3"], labels, students)
    assert told.low > 0.6
    assert [name for name, _ in told.carriers] == ["f2"]
    assert lot.low <= 0.5 <= lot.high
    assert lot.carriers == ()


def test_a_group_too_small_to_fold_is_not_predicted():
    labels = pd.DataFrame({"rare": ["a"] * 20 + ["b"] * 280})
    assert find_proxies(np.zeros((300, 1)), ["f"], labels, np.arange(300).astype(str)) == []


@pytest.fixture(scope="module")
def looked_at():
    students, groups = cohort(400, seed=4, one=1.0)
    groups["one"] = groups["one"].replace({"yes": "<script>alert(1)</script>"})
    other = List("attendance", "group", students["probability"].to_numpy(), students["invited"].to_numpy())
    return audit(students, groups, [other])


@pytest.mark.parametrize("language", ["nl", "en"])
def test_the_page_stands_on_its_own_and_escapes_what_an_institution_wrote(looked_at, language):
    html = page(looked_at, [], ABOUT, Catalogue([]), language)
    assert "<script>" not in html
    assert "&lt;b&gt;X&lt;/b&gt;" in html
    assert not re.search(r"(src|href)=", html.replace('xlink:href="#', "").replace('href="#', ""))
    assert html.count("<svg") == 2
    assert not re.search(r"\b(because|omdat|doordat)\b", html)
    assert "{" not in re.sub(r"<style.*?</style>|<svg.*?</svg>", "", html, flags=re.DOTALL)


def test_what_programs_read_holds_aggregates_alone_and_no_number_that_is_none(looked_at):
    told = json.dumps(as_json(looked_at, {"target": "leave"}, []), allow_nan=False)
    assert {row["measure"] for row in json.loads(told)["differences"]} == set(MEASURES)
    assert not any(f'"s{at}"' in told for at in range(400))


def test_both_languages_have_the_same_words():
    def shape(tree):
        if isinstance(tree, dict):
            return {name: shape(part) for name, part in tree.items()}
        return len(tree) if isinstance(tree, list) else sorted(re.findall(r"\{\w+\}", tree)), str(tree).count("|")

    dutch, english = (tomllib.loads(words_file(f"fairness.{language}.toml").read_text(encoding="utf-8")) for language in ("nl", "en"))
    assert shape(dutch) == shape(english)
