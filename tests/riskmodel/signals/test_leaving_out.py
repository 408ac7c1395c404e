"""Leaving out in dataset.toml: the one key changes, and all else stays to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.contract.definition import read_definition
from riskmodel.errors import RiskModelError
from riskmodel.signals.leaving_out import leave_out

TOML = """\
# Ours.  Don't touch.
name = "school"   # a comment behind
landmarks = [
    28, # four weeks
    56,
]
{left_out}
[outcome] # when
measured_on = "1 October"
switch_inside_counts = true
early_leavers_count = false

[[cohorts]]
label = "2020"
start = 2020-09-01
[tables.enrolments]
file = "enrolments.csv"
"""


def write(folder: Path, left_out: str) -> Path:
    (folder / "dataset.toml").write_text(TOML.format(left_out=left_out), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "left_out", ["", 'left_out_features = ["gap_years"] # agreed', "left_out_features = [\n    'gap_years', # agreed\n]"]
)
def test_names_are_added_once_and_comments_and_order_stay(tmp_path: Path, left_out: str) -> None:
    folder = write(tmp_path, left_out)
    before = (folder / "dataset.toml").read_text(encoding="utf-8").splitlines()
    assert leave_out(folder, ["programme", "gap_years", "programme"]) == (("programme",) if left_out else ("programme", "gap_years"))
    after = (folder / "dataset.toml").read_text(encoding="utf-8")
    assert set(read_definition(folder).left_out_features) == {"gap_years", "programme"}
    for line in before:
        if "gap_years" not in line:
            assert line in after.splitlines()
    assert ("# agreed" in after) == bool(left_out)


def test_where_all_is_left_out_already_the_file_is_not_written(tmp_path: Path) -> None:
    path = write(tmp_path, 'left_out_features = ["gap_years"]') / "dataset.toml"
    before = path.stat()
    assert leave_out(tmp_path, ["gap_years"]) == ()
    assert leave_out(tmp_path, []) == ()
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_file_that_is_no_definition_is_told_and_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "dataset.toml").write_text("name = ", encoding="utf-8")
    with pytest.raises(RiskModelError, match="not valid TOML"):
        leave_out(tmp_path, ["programme"])
    assert (tmp_path / "dataset.toml").read_text(encoding="utf-8") == "name = "


@given(names=st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=12), max_size=5))
def test_whatever_a_feature_is_called_it_is_read_back(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = write(tmp_path_factory.mktemp("toml"), "")
    assert leave_out(folder, names) == tuple(dict.fromkeys(names))
    assert read_definition(folder).left_out_features == tuple(dict.fromkeys(names))
