"""`riskmodel compare` as a person calls it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from institution import Shop

from riskmodel.cli import context
from riskmodel.cli.main import run
from riskmodel.contract.dataset import load_dataset
from riskmodel.families.recipe import Recipe
from riskmodel.landmarks import landmark_frames
from riskmodel.metrics import recall_at_capacity
from riskmodel.policy import read_policy
from training.train import fit_targets

Call = Callable[..., tuple[int, str, str]]
DAY = "2021-11-01"


@pytest.fixture
def call(promoted: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setattr(context, "options", context.Options())

    def calling(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ending:
            run(["--workspace", str(promoted.workspace.folder), "compare", *map(str, arguments)])
        told = capsys.readouterr()
        return int(ending.value.code or 0), told.out, told.err

    return calling


def test_lists_of_a_day_and_worth_on_a_closed_cohort_stand_on_one_page_that_names_nobody(
    promoted: Shop, call: Call, tmp_path: Path
) -> None:
    page, ids = tmp_path / "compare.html", tmp_path / "apart.csv"
    code, out, _ = call(
        *("leave@1", "leave@champion", promoted.folder, "--date", DAY, "--cohort", "2021"),
        *("--output", page, "--ids", ids, "--language", "en"),
    )
    assert code == 0
    told = re.search(r"Invited by both: (\d+); by leave@1 alone: (\d+); by leave@champion alone: (\d+)", out)
    assert told is not None
    both, first, second = map(int, told.groups())
    assert both + first == both + second == 60
    assert "leave@1 from a week earlier to this day: turnover" in out
    assert "Note: leave@champion has learnt from 2021" in out
    apart = pd.read_csv(ids, sep=";", encoding="utf-8-sig")
    assert apart["invited_by"].value_counts().to_dict() == {"leave@1": first, "leave@champion": second}
    html = page.read_text(encoding="utf-8")
    assert f"Of these leave@champion invites {both} too" in html
    assert html.count(">By programme</h2>") == 1
    assert "So these figures do not say which model is better" in html
    assert not re.search(r"20(19|20|21)-\d{1,3}\b(?!-)", html), "an enrolment id stands on the page"
    assert "http://" not in html.replace("http://www.w3.org", "").replace("http://purl.org", "").replace("http://creativecommons.org", "")


def test_without_a_day_the_latest_closed_cohort_is_measured_and_the_page_lies_in_the_workspace(promoted: Shop, call: Call) -> None:
    folder = promoted.workspace.champion / "leave-2"
    code, out, _ = call("leave@1", folder, promoted.folder)
    assert code == 0
    assert "Day 28, 2021: leavers reached" in out
    html = (promoted.workspace.folder / "compare.html").read_text(encoding="utf-8")
    assert 'lang="nl"' in html
    assert "Twee modellen naast elkaar: leave@1 en leave-2" in html


@pytest.mark.slow
def test_a_model_of_other_recent_weeks_is_compared_with_each_looking_at_its_own(promoted: Shop, call: Call, tmp_path: Path) -> None:
    dataset = load_dataset(promoted.folder).with_recent(28)
    recipe = Recipe(family="logistic", recent_days=28)
    longer = fit_targets(dataset, landmark_frames(dataset), recipe, ("2019", "2020"), "2021", targets=("leave",))["leave"]
    longer.save(tmp_path / "longer")
    code, out, err = call(
        "leave@1", tmp_path / "longer", promoted.folder, "--date", DAY, "--cohort", "2021", "--output", tmp_path / "a.html"
    )
    assert code == 0, err
    both = re.search(r"Invited by both: (\d+); by leave@1 alone: (\d+)", out)
    assert both is not None
    assert sum(map(int, both.groups())) == 60
    told = re.search(r"Day 56, 2021: leavers reached ([\d.]+) % and ([\d.]+) %", out)
    assert told is not None
    # What the page says of the second is what it finds with four weeks, on the same students.
    frame = landmark_frames(dataset, (56,), ("2021",)).frames[56]
    recall = recall_at_capacity(frame["leave"].to_numpy(), longer.decision(frame, 56), read_policy(promoted.folder).capacity_share)
    assert float(told[2]) == pytest.approx(100 * recall, abs=0.06)


def test_a_model_beside_itself_has_no_turnover(promoted: Shop, call: Call, tmp_path: Path) -> None:
    _, out, _ = call("leave@1", "leave@1", promoted.folder, "--date", DAY, "--output", tmp_path / "same.html")
    assert "Turnover 0.0 % (by lot 80.0 %), rank correlation 1.000" in out


def test_models_of_different_questions_and_unknown_ones_are_refused_in_words(promoted: Shop, call: Call) -> None:
    for arguments, told in (
        (("leave@1", "dropout@1"), "Compare two models of the same target"),
        (("leave@1", "leave@99"), "there is no version or alias '99'"),
        (("leave@1", "nothing"), "names no model"),
        (("leave@1", "leave@2", "--cohort", "1999"), "there is no closed cohort '1999'. Closed are: 2019, 2020, 2021"),
        (("leave@1", "leave@2", "--ids", "x.csv"), "--ids goes with --date"),
        (("leave@1", "leave@2", "--date", "1999-01-01"), "nobody is enrolled around 1999-01-01"),
    ):
        models, options = arguments[:2], arguments[2:]
        code, _, err = call(*models, promoted.folder, *options)
        assert code == 2
        assert told in err
        assert "Traceback" not in err
