"""A description tells of groups and never of one student; the page stands on its own."""

from __future__ import annotations

import re
import tomllib
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from folders import institution, write_folder
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.contract.dataset import Dataset, load_dataset
from riskmodel.contract.describing import (
    FEWEST,
    Description,
    attendance_by_week,
    describe,
    grade_counts,
    outcomes_by_prior_education,
    suppressed,
)
from riskmodel.features import catalogue
from riskmodel.resources import words_file

EXTRA = {
    "name": "uren", "source": "enrolment", "column": "uren", "label": {"nl": "Uren <b>werk</b>", "en": "Hours of work"},
    "phrase": {"nl": "x", "en": "x"}, "justification": "Work beside the study is a load.",
}  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    tables = institution(400)
    for place, row in enumerate(tables["enrolments"]):
        row["uren"] = place % 20
    for place, row in enumerate(tables["outcomes"]):
        row["outcome"] = "dropped_out" if place % 7 == 0 else "switched" if place % 11 == 0 else "continued"
    folder = write_folder(tmp_path_factory.mktemp("institution"), tables, extra=[EXTRA], name="Hogeschool <script>alert(1)</script>")
    return load_dataset(folder)


@pytest.fixture(scope="module", params=["nl", "en"])
def description(request: pytest.FixtureRequest, dataset: Dataset) -> Description:
    return describe(dataset, catalogue(dataset.definition), request.param)


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.tags.append(tag)
        if "id" in told:
            self.ids.append(told["id"])
        if tag in ("script", "link", "iframe", "img") or "src" in told or (tag == "a" and "href" in told):
            self.loads.append(tag)


def test_the_page_stands_on_its_own_and_names_nothing_twice(description):
    page = Page()
    page.feed(description.html)
    assert page.loads == []
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.count("svg") == 5
    assert page.tags.count("h1") == 1
    assert "url(http" not in description.html


def test_what_an_institution_wrote_is_told_as_text_and_never_as_markup(description):
    assert "<script>alert" not in description.html
    assert "&lt;script&gt;" in description.html
    assert "<b>werk</b>" not in description.html


def test_the_page_tells_the_definition_of_the_outcome(description):
    assert "1 October of the next year" in description.html


def test_no_student_is_on_the_page_or_in_the_dictionary(description):
    told = description.html + description.dictionary.to_csv() + description.features.to_csv()
    assert not re.search(r"\b[es]\d{1,3}\b", re.sub(r"<svg.*?</svg>", "", told, flags=re.DOTALL))


def test_the_dictionary_holds_every_column_with_its_meaning(description, dataset):
    columns = set(zip(description.dictionary["table"], description.dictionary["column"], strict=True))
    assert {("enrolments", "enrolment_id"), ("attendance", "attended"), ("results", "grade"), ("outcomes", "outcome")} <= columns
    assert ("enrolments", "extra_uren") in columns
    assert ("enrolments", "gap_years") not in columns
    assert (description.dictionary["meaning"].str.len() > 5).all()


def test_the_catalogue_is_told_whole_with_its_justifications(description, dataset):
    assert list(description.features["feature"]) == list(catalogue(dataset.definition))
    assert (description.features["justification"].str.len() > 10).all()
    for text in description.features["feature"]:
        assert text in description.html


def test_attendance_by_week_is_what_counting_gives(dataset):
    weeks = attendance_by_week(dataset)
    assert list(weeks["week"].unique()) == [1, 2, 3, 4]
    first = weeks[(weeks["cohort"] == "2023") & (weeks["week"] == 1)].iloc[0]
    assert first["students"] == 200
    expected = np.mean([(number % 3) / 2 for number in range(0, 400, 2)])
    assert first["share"] == pytest.approx(expected)


def test_groups_of_students_that_are_too_small_are_not_told(tmp_path):
    few = load_dataset(write_folder(tmp_path, institution(12)))
    assert len(attendance_by_week(few)) == 0
    assert outcomes_by_prior_education(few)["students"].isna().all()
    grades = grade_counts(few)
    assert (grades["results"].dropna() >= FEWEST).all()
    html = describe(few, catalogue(few.definition), "en").html
    assert "&lt; 10" in html


def test_outcomes_by_prior_education_leave_out_what_is_not_used(dataset):
    table = outcomes_by_prior_education(dataset)
    assert list(table.columns) == ["continued", "switched", "dropped_out", "students"]
    assert table["students"].sum() == 200


tables = st.integers(1, 6).flatmap(
    lambda columns: st.lists(st.lists(st.integers(0, 60), min_size=columns, max_size=columns), min_size=1, max_size=6)
)


@given(tables)
def test_no_suppressed_cell_can_be_worked_out_from_its_row_or_column(rows):
    table = pd.DataFrame(rows, dtype=float)
    shown = suppressed(table)
    hidden = shown.isna().to_numpy()
    assert not (table.to_numpy()[~hidden] < FEWEST).any()
    pd.testing.assert_frame_equal(shown.where(~hidden, 0.0), table.where(~hidden, 0.0))
    for axis, size in ((1, table.shape[1]), (0, table.shape[0])):
        if size > 1:
            assert (hidden.sum(axis=axis) != 1).all()


def test_a_table_without_small_cells_is_told_whole():
    table = pd.DataFrame([[10.0, 20.0], [30.0, 40.0]])
    pd.testing.assert_frame_equal(suppressed(table), table)


def test_both_languages_have_the_same_words():
    def keys(tree, path=()):
        return {path} if not isinstance(tree, dict) else {found for name, part in tree.items() for found in keys(part, (*path, name))}

    dutch, english = (tomllib.loads(words_file(f"describing.{language}.toml").read_text(encoding="utf-8")) for language in ("nl", "en"))
    assert keys(dutch) == keys(english)
    for name, text in english["page"].items():
        assert text.count("|") == dutch["page"][name].count("|"), name
    dutch, english = (tomllib.loads(words_file(f"proposing.{language}.toml").read_text(encoding="utf-8")) for language in ("nl", "en"))
    assert keys(dutch) == keys(english)


def test_the_same_data_give_the_same_page(dataset):
    first, second = (describe(dataset, catalogue(dataset.definition), "nl").html for _ in range(2))
    assert first == second
