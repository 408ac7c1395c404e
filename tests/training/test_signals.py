"""`riskmodel signals` on a made-up institution: a page, figures, and a configuration that training then keeps to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from institution import write_institution, write_policy

from riskmodel.cli.main import run
from riskmodel.contract.definition import read_definition
from riskmodel.errors import DataFault
from riskmodel.families.recipe import read_recipe
from riskmodel.features import catalogue
from training.signals import signals


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        run(arguments)
    return int(ended.value.code or 0)


@pytest.mark.slow
def test_the_command_writes_a_page_and_leaves_out_what_it_advises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_institution(tmp_path / "data", students=800, closed=2)
    write_policy(folder)
    before = (folder / "dataset.toml").read_text(encoding="utf-8")
    call = ["--workspace", str(tmp_path / "work"), "signals", str(folder), "--family", "logistic", "--target", "leave", "--margin", "0.03"]
    assert command(*call) == 0
    assert (folder / "dataset.toml").read_text(encoding="utf-8") == before
    told = json.loads((tmp_path / "work" / "signals" / "signals.json").read_text(encoding="utf-8"))
    assert told["verdicts"]["attendance"] == "needed"
    assert "start" in told["advised"]
    assert "Wat elk gegeven waard is" in (tmp_path / "work" / "signals" / "signals.html").read_text(encoding="utf-8")
    printed = capsys.readouterr()
    assert "without attendance" in printed.err
    assert command(*call, "--write", "--language", "en") == 0
    assert set(read_definition(folder).left_out_features) == set(told["left_out_features"])
    assert "Added to left_out_features" in capsys.readouterr().out
    assert not {"gap_years", "enrolment_lead_days"} & set(catalogue(read_definition(folder)))


def test_with_one_closed_cohort_nobody_can_say_and_it_says_so(tmp_path: Path) -> None:
    folder = write_institution(tmp_path / "data", students=120, closed=1)
    with pytest.raises(DataFault, match="fewer than two cohorts are closed"):
        signals(folder, read_recipe("logistic"))
