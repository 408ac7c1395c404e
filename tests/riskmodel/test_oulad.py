"""The importer of the Open University's tables: what it takes, what it drops and says so, and that it writes nothing half."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from riskmodel.contract.dataset import load_dataset
from riskmodel.contract.definition import read_definition
from riskmodel.contract.groups import read_groups
from riskmodel.errors import DataFault
from riskmodel.features import build_features, catalogue
from riskmodel.oulad import import_oulad
from riskmodel.window import cut

INFO = "code_module,code_presentation,id_student,gender,region,highest_education,imd_band,age_band,num_of_prev_attempts,studied_credits,disability,final_result\n"
REGISTRATION = "code_module,code_presentation,id_student,date_registration,date_unregistration\n"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Four students of one presentation: one passes, one fails, one withdraws on day 40, one left before the start."""
    folder = tmp_path / "oulad"
    folder.mkdir()
    rows = [(1, "Pass"), (2, "Fail"), (3, "Withdrawn"), (4, "Withdrawn")]
    students = "".join(f"AAA,2014J,{number},M,Wales,A Level or Equivalent,20-30%,0-35,0,60,N,{result}\n" for number, result in rows)
    texts = {
        "studentInfo": INFO + students,
        "studentRegistration": REGISTRATION + "AAA,2014J,1,-50,\nAAA,2014J,2,-10,\nAAA,2014J,3,-5,40\nAAA,2014J,4,-90,-20\n",
        "assessments": "code_module,code_presentation,id_assessment,assessment_type,date,weight\nAAA,2014J,7,TMA,19,30\nAAA,2014J,8,TMA,54,70\n",
        "studentAssessment": "id_assessment,id_student,date_submitted,is_banked,score\n7,1,18,0,80\n7,2,20,0,35\n7,3,19,0,\n8,1,-1,1,90\n8,3,45,0,60\n",
        "studentVle": "code_module,code_presentation,id_student,id_site,date,sum_click\nAAA,2014J,1,9,-3,4\nAAA,2014J,1,9,10,5\nAAA,2014J,1,9,10,2\nAAA,2014J,3,9,5,1\nAAA,2014J,3,9,50,1\n",
    }
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def test_outcomes_leaving_and_demographics_go_where_they_belong(tables: Path, tmp_path: Path) -> None:
    done = import_oulad(tables, tmp_path / "out")
    dataset = load_dataset(tmp_path / "out")
    outcomes = dataset.outcomes().set_index("enrolment_id")["outcome"]
    assert outcomes.to_dict() == {"AAA-2014J-1": "continued", "AAA-2014J-2": "not_continued", "AAA-2014J-3": "dropped_out"}
    enrolments = dataset.tables.enrolments.collect(backend="pandas").to_native().set_index("enrolment_id")
    assert enrolments.loc["AAA-2014J-3", "left_on"] - enrolments.loc["AAA-2014J-3", "start_date"] == 40
    assert pd.isna(enrolments.loc["AAA-2014J-2", "left_on"])
    assert not {"gender", "age_band", "disability", "imd_band"} & set(enrolments.columns)
    assert {"gender", "age_band", "disability", "imd_band"} <= set(read_groups(tmp_path / "out", dataset.definition).columns)
    assert done.dropped == {
        "enrolments that ended before the start": 1,
        "days of activity after unregistering": 1,
        "results carried over from an earlier presentation": 1,
        "results without a score": 1,
        "results handed in after unregistering": 1,
    }
    assert not dataset.report.warnings


def test_the_choices_and_what_was_dropped_are_written_in_the_definition(tables: Path, tmp_path: Path) -> None:
    import_oulad(tables, tmp_path / "out")
    definition = read_definition(tmp_path / "out")
    assert definition.imported["dropped"]["enrolments that ended before the start"] == 1
    assert "Fail as not_continued" in definition.outcome.note
    text = (tmp_path / "out" / "dataset.toml").read_text(encoding="utf-8")
    assert "# Withdrawn is dropped_out" in text


def test_a_day_without_clicks_is_zero_and_not_unknown(tables: Path, tmp_path: Path) -> None:
    import_oulad(tables, tmp_path / "out")
    dataset = load_dataset(tmp_path / "out")
    frame = build_features(cut(dataset.tables, 14), dataset.definition).set_index("enrolment_id")
    assert frame.loc["AAA-2014J-1", "fact_attended"] == 2
    assert frame.loc["AAA-2014J-2", "fact_attended"] == 0
    assert frame.loc["AAA-2014J-2", "attendance_share"] == 0


@pytest.mark.parametrize("packing", ["gz", "zip"])
def test_packed_activity_is_read_as_well(tables: Path, tmp_path: Path, packing: str) -> None:
    import_oulad(tables, tmp_path / "plain")
    raw = (tables / "studentVle.csv").read_bytes()
    (tables / "studentVle.csv").unlink()
    if packing == "gz":
        (tables / "studentVle.csv.gz").write_bytes(gzip.compress(raw))
    else:
        with zipfile.ZipFile(tables / "studentVle.csv.zip", "w") as archive:
            archive.writestr("studentVle.csv", raw)
    import_oulad(tables, tmp_path / "packed")
    for name in ("attendance", "clicks"):
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / "plain" / f"{name}.parquet"), pd.read_parquet(tmp_path / "packed" / f"{name}.parquet")
        )


def test_with_two_week_totals_only_students_who_have_rows_are_taken(tables: Path, tmp_path: Path) -> None:
    (tables / "studentVle.csv").unlink()
    head = "code_module,code_presentation,id_student,period_start_day,period_end_day,active_days,total_clicks\n"
    (tables / "activity.csv").write_text(
        head + "AAA,2014J,1,-25,14,6,301\nAAA,2014J,3,-25,14,0,0\nAAA,2014J,3,29,42,0,0\n", encoding="utf-8"
    )
    done = import_oulad(tables, tmp_path / "out")
    assert done.rows["enrolments"] == 2
    assert done.dropped["students without rows in activity.csv, whose activity is unknown"] == 1
    assert done.dropped["periods of activity that end after unregistering"] == 1
    assert not load_dataset(tmp_path / "out").report.warnings


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda folder: (folder / "assessments.csv").unlink(), "assessments.csv is not there"),
        (lambda folder: (folder / "studentVle.csv").unlink(), "activity.csv is not there"),
        (lambda folder: (folder / "studentInfo.csv").write_text("a,b\n1,2\n", encoding="utf-8"), "are missing"),
        (lambda folder: (folder / "studentVle.csv").rename(folder / "studentVle.csv.gz"), "can't be read"),
        (
            lambda folder: (folder / "studentInfo.csv").write_text(INFO + "AAA,later,1,M,W,x,,,0,60,N,Pass\n", encoding="utf-8"),
            "year with B or J",
        ),
    ],
)
def test_broken_tables_are_named_and_nothing_half_is_left(tables: Path, tmp_path: Path, break_it: object, told: str) -> None:
    break_it(tables)  # type: ignore[operator]
    with pytest.raises(DataFault, match=told):
        import_oulad(tables, tmp_path / "target")
    assert {path.name for path in tmp_path.iterdir()} == {"oulad"}


@pytest.mark.oulad
def test_the_real_tables_pass_the_check_and_carry_every_feature(oulad_folder: Path, tmp_path: Path) -> None:
    done = import_oulad(oulad_folder, tmp_path / "out")
    assert done.activity == "activity"
    assert done.dropped["students without rows in activity.csv, whose activity is unknown"] > 4000
    dataset = load_dataset(tmp_path / "out")
    assert not dataset.report.faults
    assert not dataset.report.warnings
    frame = build_features(cut(dataset.tables, 56), dataset.definition)
    assert set(catalogue(dataset.definition)) <= set(frame.columns)


# Missed by the default recipe, as docs/quality.md tells: how far below the yardstick each may lie at most.
MISSED = {("leave", 28): 0.012, ("leave", 56): 0.010, ("leave", 100): 0.007, ("dropout", 28): 0.005, ("dropout", 56): 0.010}
# Trees grow otherwise on another type of processor, the random forest's too; a standard error of these figures is three to five times this.
PROCESSOR = 0.002


@pytest.mark.slow
@pytest.mark.oulad
@pytest.mark.parametrize("name", ["FORTNIGHTS", "DAILY"])
def test_the_default_recipe_on_real_data_is_as_good_as_the_readme_says(name: str, request: pytest.FixtureRequest) -> None:
    import sys

    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
    import quality

    from riskmodel.families.recipe import read_recipe

    folder = request.getfixturevalue("oulad_folder" if name == "FORTNIGHTS" else "oulad_daily_folder")
    lines = quality.measure_setting(getattr(quality, name), folder, read_recipe("blend"))
    allowed = MISSED if name == "FORTNIGHTS" else {}
    short = [line for line in lines if round(line.roc_auc, 3) < line.yardstick - allowed.get((line.target, line.day), PROCESSOR)]
    assert [f"{line.target} at day {line.day}: {line.roc_auc:.3f}, yardstick {line.yardstick}" for line in short] == []
    for line in lines:
        assert line.roc_auc > max(value for other, value in line.others.items() if value is not None) - PROCESSOR
    assert sum(line.roc_auc for line in lines) > max(sum(line.others[name] or 0.0 for line in lines) for name in lines[-1].others)
