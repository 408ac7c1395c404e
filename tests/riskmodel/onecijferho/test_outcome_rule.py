"""The sector's outcome after a year: a table worked out by hand, and any rows at all against the definition told slowly in plain Python."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.onecijferho import Imported
from riskmodel.onecijferho.history import DESTINATIONS, Choices
from riskmodel.onecijferho.pseudonyms import pseudonyms, read_key
from tests.riskmodel.onecijferho.deliveries import DESIGNATED, ELSEWHERE, HERE, LAW, NURSING, UNIVERSITY, deliver, imported, later, row

# Each story begins in 2021, is told by its rows, and ends with the outcome and the count that it belongs to; None: left out.
STORIES: dict[str, tuple[list[dict[str, Any]], str | None, str]] = {
    "stays": ([row(1, 2021), later(1, 2022)], "continued", "continued"),
    "stays, beside a second programme": (
        [row(1, 2021), later(1, 2022), later(1, 2022, programme=LAW, kind="2")], "continued", "continued"),
    "stays while the programme gets a new code": (
        [row(1, 2021, isat="30001"), later(1, 2022, isat="30002")], "continued", "continued"),
    "goes over to another programme": (
        [row(1, 2021), row(1, 2022, programme=LAW, first_institution="2")], "switched", "switched_inside"),
    "makes the other programme the main one and keeps this beside it": (
        [row(1, 2021), row(1, 2022, programme=LAW), later(1, 2022, kind="2")], "switched", "switched_inside"),
    "goes to another institution and programme": (
        [row(1, 2021), row(1, 2022, institution=ELSEWHERE, programme=LAW)], "switched", "switched_outside"),
    "goes on with the same programme elsewhere": (
        [row(1, 2021), row(1, 2022, institution=ELSEWHERE)], "switched", "same_programme_elsewhere"),
    "goes to university": (
        [row(1, 2021), row(1, 2022, institution=UNIVERSITY, domain="wo", programme="50001")], "switched", "university"),
    "leaves": ([row(1, 2021)], "dropped_out", "no_enrolment"),
    "leaves for a year and comes back": ([row(1, 2021), later(1, 2023)], "dropped_out", "no_enrolment"),
    "has ended before 1 October": (
        [row(1, 2021), later(1, 2022, kind="3", active="2", end="20220920")], "dropped_out", "no_enrolment"),
    "comes back in February": ([row(1, 2021), later(1, 2022, kind="3", active="3", begin="20230201")], "dropped_out", "no_enrolment"),
    "is an exchange student the year after": ([row(1, 2021), later(1, 2022, kind="6")], "dropped_out", "no_enrolment"),
    "is in a programme that does not count": ([row(1, 2021), later(1, 2022, kind="5")], "dropped_out", "no_enrolment"),
    "has only a second enrolment left": ([row(1, 2021), later(1, 2022, kind="2")], "dropped_out", "no_enrolment"),
    "goes to a designated institution": (
        [row(1, 2021), row(1, 2022, institution=DESIGNATED, kind="A")], "dropped_out", "designated_institution"),
    "left by binding study advice": ([row(1, 2021, end_code="4")], "dropped_out", "no_enrolment"),
    "died in the year": ([row(1, 2021, end_code="8", end="20220110")], None, "died"),
    "died in September after it": (
        [row(1, 2021), later(1, 2022, kind="3", active="2", end_code="8", end="20220915")], None, "died"),
    "died after 1 October of the next year": ([row(1, 2021), later(1, 2022, end_code="8", end="20230110")], "continued", "continued"),
    "died elsewhere in the year": ([row(1, 2021), row(1, 2021, institution=ELSEWHERE, kind="2", end_code="8")], None, "died"),
    "left with the diploma": ([row(1, 2021, end_code="1"), row(1, 2022, programme=LAW)], None, "left with the diploma"),
    "left another programme with its diploma": (
        [row(1, 2021), row(1, 2021, institution=UNIVERSITY, domain="wo", programme="50001", kind="2", end_code="1"), later(1, 2022)],
        "continued", "continued"),
}  # fmt: skip
OTHERS = [row(9, 2021), later(9, 2022), later(9, 2023), row(8, 2022), later(8, 2023), row(7, 2023)]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Imported, dict[str, list[str]]]:
    """Give all stories in one file, each of a person of their own: what the import told, and the outcomes of 2021 by person."""
    place = tmp_path_factory.mktemp("stories")
    rows = [{**each, "person": person_of(story)} for story, (own, _, _) in STORIES.items() for each in own]
    done, built = imported(deliver(place / "in", [*rows, *OTHERS]), place / "out", institution=HERE)
    people = [person_of(story) for story in STORIES]
    names = dict(zip(pseudonyms(read_key(place / "keys" / "pseudonyms.key"), people), people, strict=True))
    first = built[built["cohort"] == "2021-2022"]
    outcomes: dict[str, list[str]] = {person: [] for person in people}
    for student, outcome in zip(first["student_id"], first["outcome"], strict=True):
        if student in names:
            outcomes[names[student]].append(outcome)
    return done, outcomes


def person_of(story: str) -> str:
    return str(800_000_001 + list(STORIES).index(story))


@pytest.mark.parametrize("story", STORIES)
def test_what_became_of_a_first_year_worked_out_by_hand(story: str, told: tuple[Imported, dict[str, list[str]]]) -> None:
    _, outcome, _ = STORIES[story]
    assert told[1][person_of(story)] == ([] if outcome is None else [outcome])


def test_each_destination_and_each_cause_is_counted(told: tuple[Imported, dict[str, list[str]]]) -> None:
    done, _ = told
    expected = Counter(counted for _, outcome, counted in STORIES.values() if outcome is not None) + Counter({"continued": 1})
    first = done.cohorts[0]
    assert {place: first[place] for place in DESTINATIONS} == {place: expected[place] for place in DESTINATIONS}
    assert first["students"] == sum(expected.values())
    apart = Counter(f"first-years: {counted}" for _, outcome, counted in STORIES.values() if outcome is None)
    assert {cause: done.left_out[cause] for cause in apart} == apart


@pytest.mark.parametrize(("choice", "outcome"), [("switched", "switched"), ("dropped_out", "dropped_out"), ("left_out", None)])
def test_what_university_counts_as_is_a_choice_and_told_apart(choice: Any, outcome: str | None, tmp_path: Path) -> None:
    rows = [*STORIES["goes to university"][0], *OTHERS]
    done, built = imported(deliver(tmp_path / "in", rows), tmp_path / "out", institution=HERE, choices=Choices(university=choice))
    told = built[built["cohort"] == "2021-2022"]["outcome"].tolist()
    assert sorted(told) == sorted(["continued", *([outcome] if outcome else [])])
    if outcome is None:
        assert done.left_out["first-years: went to university"] == 1
    else:
        assert done.cohorts[0]["university"] == 1


NOT_FIRST_YEARS = {
    "a second enrolment": {"kind": "2", "first_programme": "3"},
    "a second one in the same programme": {"kind": "4", "first_programme": "5"},
    "gone before 1 October": {"kind": "3", "active": "2", "first_programme": "5"},
    "begun after 1 October": {"kind": "3", "active": "3", "first_programme": "5"},
    "a programme that does not count": {"kind": "5", "first_programme": "5"},
    "an exchange student": {"kind": "6"},
    "a designated institution": {"kind": "A"},
    "a master": {"type": "ma"},
    "a university": {"domain": "wo"},
    "a later year": {"first_programme": "2"},
    "another institution": {"institution": ELSEWHERE},
}


def test_who_is_no_first_year_with_a_main_enrolment_in_hbo_is_in_no_cohort(tmp_path: Path) -> None:
    rows = [row(10 + place, 2021, **changes) for place, changes in enumerate(NOT_FIRST_YEARS.values())]
    done, built = imported(deliver(tmp_path / "in", [*rows, *OTHERS]), tmp_path / "out", institution=HERE)
    student = pseudonyms(read_key(tmp_path / "keys" / "pseudonyms.key"), [OTHERS[0]["person"]])
    assert built[built["cohort"] == "2021-2022"]["student_id"].tolist() == student
    alone, _ = imported(deliver(tmp_path / "alone", OTHERS), tmp_path / "alone-out", institution=HERE)
    more = Counter(done.left_out)
    more.subtract(alone.left_out)
    assert sum(more.values()) == len(NOT_FIRST_YEARS) - 1  # what happens at another institution is not counted
    assert more["second enrolments"] == 2


def test_first_years_may_be_those_of_the_programme_the_institution_or_higher_education(tmp_path: Path) -> None:
    rows = [
        *OTHERS,
        row(1, 2021, first_institution="2", first_ho=2019),
        row(2, 2021, first_ho=2020),
        later(1, 2022),
        later(2, 2022),
    ]
    file = deliver(tmp_path / "in", rows)
    students = {}
    for first_years in ("programme", "institution", "ho"):
        done, _ = imported(file, tmp_path / first_years, institution=HERE, choices=Choices(first_years=first_years))
        students[first_years] = done.cohorts[0]["students"]
    assert students == {"programme": 3, "institution": 2, "ho": 1}


def test_the_last_year_in_the_files_runs_and_has_no_outcome(tmp_path: Path) -> None:
    done, built = imported(deliver(tmp_path / "in", OTHERS), tmp_path / "out", institution=HERE)
    assert [cohort["closed"] for cohort in done.cohorts] == [True, True, False]
    assert built[built["cohort"] == "2023-2024"]["outcome"].isna().all()


def test_a_year_that_the_files_lack_leaves_the_one_before_without_outcome(tmp_path: Path) -> None:
    rows = [row(1, 2018), row(2, 2018), *OTHERS]
    done, built = imported(deliver(tmp_path / "in", rows), tmp_path / "out", institution=HERE)
    assert set(built["cohort"]) == {"2021-2022", "2022-2023", "2023-2024"}
    assert done.left_out["first-years: the files hold nothing of the year after"] == 2


# --- any rows at all ---------------------------------------------------------------------------------------------------------------------

ANY_ROW = st.builds(
    row,
    person=st.integers(1, 3),
    year=st.integers(2020, 2022),
    institution=st.sampled_from([HERE, HERE, ELSEWHERE, UNIVERSITY]),
    programme=st.sampled_from([NURSING, LAW, "00321"]),
    domain=st.sampled_from(["hbo", "hbo", "hbo", "wo"]),
    type=st.sampled_from(["ba", "ba", "ad", "ma"]),
    kind=st.sampled_from(["1", "1", "1", "2", "3", "4", "5", "6", "9", "A", "C"]),
    first_programme=st.sampled_from(["1", "1", "1", "2", "3", "5"]),
    end_code=st.sampled_from(["", "", "", "0", "1", "3", "4", "8"]),
)


def told_slowly(rows: list[dict[str, Any]]) -> dict[tuple[str, int, str], str | None]:
    """Give each first-year at our institution with their outcome, by the definition, one sentence at a time."""
    years = {each["year"] for each in rows}
    found: dict[tuple[str, int, str], str | None] = {}
    for one in rows:
        # A first-year with a main enrolment in hbo on 1 October of year t.
        main_in_hbo = one["domain"] == "hbo" and one["kind"] == "1" and one["type"] in ("ad", "ba")
        if one["institution"] != HERE or not main_in_hbo or one["first_programme"] != "1":
            continue
        person = [each for each in rows if each["person"] == one["person"]]
        this = [each for each in person if each["year"] == one["year"]]
        following = [each for each in person if each["year"] == one["year"] + 1]
        main = [each for each in following if each["kind"] == "1"]
        # Death and diploma are neither.
        if any(each["end_code"] == "8" for each in this) or (not main and any(each["end_code"] == "8" for each in following)):
            continue
        here = [each for each in this if each["institution"] == HERE and each["programme"] == one["programme"]]
        if any(each["end_code"] == "1" for each in here):
            continue
        identity = (one["person"], one["year"], one["programme"])
        if one["year"] == max(years):
            found[identity] = None
        elif one["year"] + 1 not in years:
            continue
        elif not main:
            # No main enrolment in higher education.
            found[identity] = "dropped_out"
        elif any(each["institution"] == HERE and each["programme"] == one["programme"] for each in main):
            # The same programme.
            found[identity] = "continued"
        else:
            # A main enrolment in another programme, or elsewhere.
            found[identity] = "switched"
    return found


@given(st.lists(ANY_ROW, max_size=14))
def test_any_rows_give_the_outcomes_of_the_definition_told_slowly(rows: list[dict[str, Any]]) -> None:
    rows = [*rows, row(5, 2022)]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _, built = imported(deliver(folder / "in", rows), folder / "out", institution=HERE)
        key = read_key(folder / "keys" / "pseudonyms.key")
    expected = told_slowly(rows)
    names = dict(zip(pseudonyms(key, [person for person, _, _ in expected]), [person for person, _, _ in expected], strict=True))
    got = {
        (names[told["student_id"]], int(told["cohort"][:4]), told["programme"]): None if pd.isna(told["outcome"]) else told["outcome"]
        for told in built.to_dict("records")
    }
    assert got == expected
