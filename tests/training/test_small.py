"""What training says where there are few students, too few, or none yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from riskmodel.cli.main import run
from riskmodel.errors import DataFault
from riskmodel.families.recipe import Recipe
from riskmodel.workspace import Workspace
from training.train import train


def test_year_zero_is_said_plainly_with_what_can_be_done_then(institution: Callable[..., Path], tmp_path: Path) -> None:
    folder = institution(tmp_path / "data", students=40, closed=0, running=1)
    with pytest.raises(DataFault, match="year zero: no cohort is closed") as told:
        train(folder, Workspace(tmp_path / "workspace"), Recipe(family="logistic"))
    for door in ("--rule first-test", "asks for a talk", "keep collecting"):
        assert door in str(told.value)
    assert not (tmp_path / "workspace").exists()


@pytest.mark.slow
def test_a_target_with_too_few_leavers_is_told_while_the_other_is_trained_with_its_curve(
    institution: Callable[..., Path], workspace_at: Callable[[Path], Workspace], tmp_path: Path
) -> None:
    folder = institution(tmp_path / "data", students=200, closed=2)
    outcomes = pd.read_csv(folder / "outcomes.csv")
    left = outcomes.index[outcomes["outcome"] == "dropped_out"]
    outcomes.loc[left[12:], "outcome"] = "switched"
    outcomes.to_csv(folder / "outcomes.csv", index=False)
    notes: list[str] = []
    trained = train(folder, workspace_at(tmp_path / "workspace"), Recipe(family="logistic"), note=notes.append)
    assert set(trained) == {"leave"}
    (note,) = notes
    assert note.startswith("dropout: too few: at day 28")
    curve = trained["leave"].curve
    assert curve is not None
    assert curve.students[-1] == 200
    assert curve.answer in ("helps", "little", "unclear")


def test_the_learning_curve_is_a_page_and_needs_two_closed_cohorts(
    institution: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, page = institution(tmp_path / "data", students=150, closed=2), tmp_path / "curve.html"
    with pytest.raises(SystemExit) as ended:
        run(["learning-curve", str(folder), "--output", str(page), "--language", "nl"])
    assert not ended.value.code
    html = page.read_text(encoding="utf-8")
    assert "Zou nog een cohort helpen?" in html
    assert html.count("<svg") == 2
    one = institution(tmp_path / "one", students=60, closed=1)
    with pytest.raises(SystemExit) as ended:
        run(["learning-curve", str(one), "--output", str(tmp_path / "none.html")])
    assert ended.value.code == 2
    assert "only 2019 is closed" in capsys.readouterr().err
    assert not (tmp_path / "none.html").exists()


def test_without_a_champion_scoring_names_the_first_test_rule_and_the_rule_works(
    institution: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = institution(tmp_path / "data", students=40, closed=0, running=1), tmp_path / "list.csv"
    call = ["--workspace", str(tmp_path / "workspace"), "score", str(folder), "--date", "2019-10-20", "--output", str(output)]
    with pytest.raises(SystemExit) as ended:
        run(call)
    assert ended.value.code == 2
    assert "--rule first-test" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        run([*call, "--rule", "first-test"])
    assert not ended.value.code
    listed = pd.read_csv(output, sep=";", encoding="utf-8-sig")
    assert set(listed["first_test"]) <= {"niet gehaald", "gemist"}
    assert len(listed)
