"""The cut: what was known on a day, on every backend, whatever came to be known later."""

from __future__ import annotations

import copy
import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from handmade import (
    BACKENDS,
    START,
    START_DATE,
    Population,
    enrolment,
    event,
    lesson,
    population,
    population_definition,
    population_tables,
    result,
    tables_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from riskmodel.contract.dataset import load_dataset
from riskmodel.features import build_features
from riskmodel.frames import to_pandas
from riskmodel.window import cut

DEFINITION_OF_A_FOLDER = """name = "by hand"
cohorts = [{ label = "2024", start = 2024-09-02 }]
outcome = { measured_on = "1 October of the next year", switch_inside_counts = true, early_leavers_count = false }

[tables]
enrolments = { file = "enrolments.csv" }
attendance = { file = "attendance.csv" }
results = { file = "results.csv" }
"""

DEFINITION_OF_A_POPULATION = """name = "by lot"
cohorts = [{ label = "2024", start = 2024-09-02, closed = true }]
outcome = { measured_on = "1 October of the next year", switch_inside_counts = true, early_leavers_count = false }
limits = { least_rows = 100_000 }
tables.enrolments.file = "enrolments.csv"
tables.attendance.file = "attendance.csv"
tables.results.file = "results.csv"
tables.outcomes.file = "outcomes.csv"

[[extra]]
name = "visits"
source = "dated"
column = "value"
table.file = "visits.csv"
aggregate = ["sum", "last", "count"]
label = { nl = "bezoeken", en = "visits" }
phrase = { nl = "Het aantal bezoeken valt op.", en = "The number of visits stands out." }
justification = "Declared for a test of declared columns."
"""


def scored(tables: Any, at: int | dt.date) -> list[str]:
    return sorted(to_pandas(cut(tables, at).enrolments)["enrolment_id"])


@pytest.mark.parametrize("backend", BACKENDS)
class TestWhoIsScored:
    def test_whoever_is_known_to_have_left_is_not_scored(self, backend):
        rows = [enrolment("stays"), enrolment("left", left_on=START + 10, left_known_on=START + 20)]
        assert scored(tables_of(backend, enrolments=rows), 19) == ["left", "stays"]
        assert scored(tables_of(backend, enrolments=rows), 20) == ["stays"]

    def test_a_leaving_that_is_registered_late_is_not_known_yet(self, backend):
        rows = [enrolment("backdated", left_on=START + 3, left_known_on=START + 90)]
        assert scored(tables_of(backend, enrolments=rows), 56) == ["backdated"]

    def test_whoever_enrols_after_the_day_does_not_exist_yet(self, backend):
        rows = [enrolment("late", enrolled_on=START + 15), enrolment("undated", enrolled_on=None)]
        assert scored(tables_of(backend, enrolments=rows), 14) == ["undated"]
        assert scored(tables_of(backend, enrolments=rows), 15) == ["late", "undated"]

    def test_a_late_starter_has_a_day_count_of_their_own(self, backend):
        tables = tables_of(
            backend, enrolments=[enrolment("first"), enrolment("late", start=30)], attendance=[lesson("late", 40), lesson("late", 50)]
        )
        known = cut(tables, 14)
        assert scored(tables, 14) == ["first", "late"]
        assert to_pandas(known.attendance)["day"].tolist() == [10]

    def test_on_a_calendar_date_nobody_is_scored_before_their_start(self, backend):
        tables = tables_of(backend, enrolments=[enrolment("first"), enrolment("late", start=30)])
        assert scored(tables, START_DATE + dt.timedelta(days=29)) == ["first"]
        days = to_pandas(cut(tables, START_DATE + dt.timedelta(days=44)).enrolments).set_index("enrolment_id")["cut_day"]
        assert days.to_dict() == {"first": 44, "late": 14}


@pytest.mark.parametrize("backend", BACKENDS)
class TestWhatIsKnown:
    def test_a_row_counts_from_the_day_on_which_it_could_be_known(self, backend):
        tables = tables_of(
            backend,
            enrolments=[enrolment("e1")],
            attendance=[lesson("e1", 3, known=14), lesson("e1", 4, known=15)],
            results=[result("e1", 2, "early", known=14), result("e1", 2, "late", known=15)],
            extra={"visits": [event("e1", 1, 5, known=14), event("e1", 1, 9, known=15)]},
        )
        known = cut(tables, 14)
        assert to_pandas(known.attendance)["day"].tolist() == [3]
        assert to_pandas(known.results)["test"].tolist() == ["early"]
        assert to_pandas(known.extra["visits"])["value"].tolist() == [5]

    def test_rows_of_students_who_are_not_scored_are_gone(self, backend):
        rows = [enrolment("left", left_on=START, left_known_on=START + 5)]
        known = cut(tables_of(backend, enrolments=rows, attendance=[lesson("left", 1), lesson("nobody", 1)]), 14)
        assert to_pandas(known.attendance).empty

    def test_nothing_that_is_handed_on_tells_of_leaving_or_of_calendar_dates(self, backend):
        known = cut(population_tables(population(1), backend), 28)
        told = set(to_pandas(known.enrolments)) | set(to_pandas(known.attendance)) | set(to_pandas(known.results))
        assert not told & {"left_on", "left_known_on", "outcome", "date", "known_on"}

    def test_an_institution_without_attendance_or_results_has_none(self, backend):
        known = cut(tables_of(backend, enrolments=[enrolment()]), 14)
        assert known.attendance is None
        assert known.results is None
        assert known.extra == {}

    def test_weeks_run_from_monday(self, backend):
        days = [0, 6, 7, -1]
        known = cut(tables_of(backend, enrolments=[enrolment()], attendance=[lesson("e1", day) for day in days]), 14)
        week = to_pandas(known.attendance).set_index("day")["week"]
        assert week[0] == week[6] == week[7] - 1 == week[-1] + 1


# --- nothing that comes to be known after the day matters -------------------------------------------------------------------------------


def own_cut(row: dict[str, Any], at: int | dt.date) -> int:
    return row["start_date"] + at if isinstance(at, int) else START + (at - START_DATE).days


def tampered(data: st.DataObject, rows: Population, at: int | dt.date) -> Population:
    """Change, add and remove what is known after the day, in every table; move leaving and its registration; invent outcomes and later enrolments."""
    rows = copy.deepcopy(rows)
    cuts = {row["enrolment_id"]: own_cut(row, at) for row in rows["enrolments"]}
    names = sorted(cuts)
    later = st.integers(1, 200)

    def dated(old: list[dict[str, Any]], change: Any, new: Any) -> list[dict[str, Any]]:
        kept = []
        for row in old:
            if row["known_on"] > cuts[row["enrolment_id"]]:
                what = data.draw(st.sampled_from(["keep", "remove", "change"]))
                if what == "remove":
                    continue
                if what == "change":
                    row = {**row, **change(), "known_on": cuts[row["enrolment_id"]] + data.draw(later)}
            kept.append(row)
        for name in data.draw(st.lists(st.sampled_from(names), max_size=6)):
            known = cuts[name] + data.draw(later)
            kept.append({**new(name), "enrolment_id": name, "date": known - data.draw(st.integers(0, 100)), "known_on": known})
        return data.draw(st.permutations(kept)) if len(kept) < 60 else kept

    attended = st.sampled_from([0.0, 1.0, None])
    grades = st.one_of(st.none(), st.floats(1, 10))
    statuses = st.sampled_from(["passed", "failed", "exempt", "absent"])
    tests = st.sampled_from(["test 1", "test 2", "test 0", "never seen"])
    rows["attendance"] = dated(
        rows["attendance"],
        lambda: {"attended": data.draw(attended), "scheduled": data.draw(st.floats(0, 30))},
        lambda name: lesson(name, 0, data.draw(attended)),
    )
    rows["results"] = dated(
        rows["results"],
        lambda: {"grade": data.draw(grades), "status": data.draw(statuses), "attempt": data.draw(st.sampled_from([0.0, 1.0, 2.0]))},
        lambda name: result(name, 0, data.draw(tests), data.draw(grades), status=data.draw(statuses), credits=data.draw(grades)),
    )
    for extra, old in rows["extra"].items():
        rows["extra"][extra] = dated(old, lambda: {"value": data.draw(st.floats(-1e6, 1e6))}, lambda name: event(name, 0, 77.0))
    outcomes = st.sampled_from([None, "continued", "switched", "dropped_out", "not_continued"])
    rows["outcomes"] = [{"enrolment_id": name, "outcome": data.draw(outcomes)} for name in names if data.draw(st.booleans())]
    for row in rows["enrolments"]:
        known = row.get("left_known_on")
        if known is not None and known <= cuts[row["enrolment_id"]]:
            continue
        moved = data.draw(st.sampled_from(["keep", "move", "never"]))
        if moved == "never":
            row["left_on"] = row["left_known_on"] = None
        elif moved == "move":
            row["left_known_on"] = cuts[row["enrolment_id"]] + data.draw(later)
            row["left_on"] = row["left_known_on"] - data.draw(st.integers(0, 150))
    for number in range(data.draw(st.integers(0, 3))):
        name = f"new{number}"
        new = enrolment(name, start=0, programme=data.draw(st.sampled_from(["nursing", "law", "another"])))
        new["enrolled_on"] = own_cut(new, at) + data.draw(later)
        rows["enrolments"].append(new)
        rows["attendance"].append(lesson(name, 3, 0.0))
    return rows


def unmoved(data: st.DataObject, backend: str, on: str) -> None:
    day = data.draw(st.sampled_from([14, 28, 56]))
    at = day if on == "landmark" else START_DATE + dt.timedelta(days=day)
    rows = population(data.draw(st.integers(0, 5)), 14)
    definition = population_definition()
    before = build_features(cut(population_tables(rows, backend), at), definition)
    after = build_features(cut(population_tables(tampered(data, rows, at), backend), at), definition)
    pd.testing.assert_frame_equal(before, after, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("on", ["landmark", "date"])
@settings(max_examples=4)
@given(data=st.data())
def test_nothing_known_after_the_day_moves_a_feature_or_who_is_scored(on, data):
    unmoved(data, "pandas", on)


@pytest.mark.parametrize("backend", ["polars", "duckdb"])
@settings(max_examples=3)
@given(data=st.data())
def test_nothing_known_after_the_day_moves_anything_on_other_backends_either(backend, data):
    unmoved(data, backend, data.draw(st.sampled_from(["landmark", "date"])))


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=60)
@given(data=st.data())
def test_nothing_known_after_the_day_moves_anything_in_many_tries(backend, data):
    unmoved(data, backend, data.draw(st.sampled_from(["landmark", "date"])))


def folder_of(rows: Population, folder: Path) -> Path:
    """Write a population as an institution would deliver it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.toml").write_text(DEFINITION_OF_A_POPULATION, encoding="utf-8")
    words = {"passed": "V", "failed": "O", "exempt": "VR", "absent": "NVD"}
    results = [{**row, "grade": words[row["status"]] if row["grade"] is None else row["grade"]} for row in rows["results"]]
    # Every enrolment has a line among the outcomes, perhaps a blank one, and somebody a visit on the first day: an empty table is a fault.
    told = {row["enrolment_id"]: row["outcome"] for row in rows["outcomes"]}
    outcomes = [{"enrolment_id": row["enrolment_id"], "outcome": told.get(row["enrolment_id"])} for row in rows["enrolments"]]
    visits = [*rows["extra"]["visits"], event(rows["enrolments"][0]["enrolment_id"], 0, known=0)]
    tables = {**rows, "results": results, "outcomes": outcomes, "visits": visits}
    for name in ("enrolments", "attendance", "results", "outcomes", "visits"):
        frame = pd.DataFrame(tables[name])
        for column in frame.columns.intersection(["date", "known_on", "start_date", "enrolled_on", "left_on", "left_known_on"]):
            frame[column] = pd.to_datetime(pd.to_numeric(frame[column]), unit="D").dt.strftime("%Y-%m-%d")
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


def numbered(rows: Population, sessions: dict[str, list[str]], data: st.DataObject) -> Population:
    """Give every lesson that has no session a session, one that the student has already where one is drawn."""
    for place, row in enumerate(rows["attendance"]):
        if "session_id" not in row:
            known = sessions.get(row["enrolment_id"], [])
            row["session_id"] = data.draw(st.sampled_from(known)) if known else f"new-{place}"
    return rows


def unmoved_in_a_folder(data: st.DataObject, on: str, place: Path) -> None:
    at = 28 if on == "landmark" else START_DATE + dt.timedelta(days=28)
    rows = population(data.draw(st.integers(0, 5)), 10)
    rows["extra"].pop("clicks")
    for number, row in enumerate(rows["attendance"]):
        row["session_id"] = f"s{number}"
    sessions: dict[str, list[str]] = {}
    for row in rows["attendance"]:
        sessions.setdefault(row["enrolment_id"], []).append(row["session_id"])
    features = []
    for name, told in (("before", rows), ("after", numbered(tampered(data, rows, at), sessions, data))):
        dataset = load_dataset(folder_of(told, place / name))
        frame = build_features(cut(dataset.tables, at), dataset.definition)
        features.append(frame.sort_values("enrolment_id", ignore_index=True))
    pd.testing.assert_frame_equal(*features, rtol=1e-12, atol=1e-12)


@settings(max_examples=3)
@given(data=st.data())
def test_nothing_known_after_the_day_moves_anything_that_is_read_from_a_folder(tmp_path_factory, data):
    """The check sets rows apart before anything is cut, repeated sessions and attempts among them: it must not let the future in either."""
    unmoved_in_a_folder(data, data.draw(st.sampled_from(["landmark", "date"])), tmp_path_factory.mktemp("folders"))


@pytest.mark.slow
@settings(max_examples=25)
@given(data=st.data())
def test_nothing_known_after_the_day_moves_anything_that_is_read_from_many_folders(tmp_path_factory, data):
    unmoved_in_a_folder(data, data.draw(st.sampled_from(["landmark", "date"])), tmp_path_factory.mktemp("folders"))


def test_a_row_set_apart_as_a_repetition_is_the_one_that_was_known_later(tmp_path):
    """Reading sets repetitions apart before anything is cut: it must not keep a row known late for one that was known in time."""
    (tmp_path / "dataset.toml").write_text(DEFINITION_OF_A_FOLDER, encoding="utf-8")
    (tmp_path / "enrolments.csv").write_text(
        "enrolment_id,student_id,cohort,programme,start_date\ne1,s1,2024,law,2024-09-02\n", encoding="utf-8"
    )
    lessons = ["e1,2024-09-03,2024-12-01,1,0,a", "e1,2024-09-03,2024-09-03,1,1,a"]
    results = ["e1,2024-09-05,2024-12-01,t,1,3.0", "e1,2024-09-05,2024-09-06,t,1,8.0"]
    (tmp_path / "attendance.csv").write_text(
        "\n".join(["enrolment_id,date,known_on,scheduled,attended,session_id", *lessons]), encoding="utf-8"
    )
    (tmp_path / "results.csv").write_text("\n".join(["enrolment_id,date,known_on,test,attempt,grade", *results]), encoding="utf-8")
    dataset = load_dataset(tmp_path)
    told = build_features(cut(dataset.tables, 28), dataset.definition).iloc[0]
    assert told["attendance_share"] == 1
    assert told["fact_first_test_grade"] == 8


def test_the_tampering_matters_once_it_is_known():
    """The property above would hold of a cut that knew nothing; here the same rows do move features a few days later."""
    rows = population(3)
    definition = population_definition()
    early = build_features(cut(population_tables(rows), 28), definition).set_index("enrolment_id")
    late = build_features(cut(population_tables(rows), 35), definition).set_index("enrolment_id")
    both = early.index.intersection(late.index)
    assert (early.loc[both, "attendance_share"] != late.loc[both, "attendance_share"]).mean() > 0.5


def test_what_a_late_starter_does_later_changes_nothing_for_those_who_began_in_time():
    """At the same day of their own count a late starter is further in the calendar."""
    rows = population(4, 30)
    late = {row["enrolment_id"] for row in rows["enrolments"] if row["start_date"] > START}
    assert late
    definition = population_definition()
    before = build_features(cut(population_tables(rows), 28), definition)
    for table in (rows["attendance"], rows["results"], *rows["extra"].values()):
        table[:] = [row for row in table if row["enrolment_id"] not in late or row["known_on"] <= START + 28]
    after = build_features(cut(population_tables(rows), 28), definition)
    in_time = ~before["enrolment_id"].isin(late)
    pd.testing.assert_frame_equal(before[in_time], after[in_time])
