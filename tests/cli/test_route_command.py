"""`riskmodel route`: what a policy would do, with a model and in year zero."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from riskmodel.cli.main import run
from riskmodel.handed_out import read_listing
from riskmodel.policy import read_policy
from tests.cli.conftest import Call
from tests.training.institution import write_institution, write_policy

ON = "2022-10-31"


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("routing")
    folder, workspace = write_institution(place / "data", running=1), place / "workspace"
    write_policy(folder)
    for command in (["train", folder, "--family", "logistic", "--target", "leave"], ["promote", "--target", "leave"]):
        with pytest.raises(SystemExit) as ending:
            run(["--workspace", str(workspace), *map(str, command)])
        assert not ending.value.code
    return folder, workspace


def policy(place: Path, text: str) -> Path:
    place.write_text(text, encoding="utf-8")
    return place


def test_a_dry_run_shows_list_load_and_who_is_next_and_invites_nobody(call: Call, year: tuple[Path, Path], tmp_path: Path) -> None:
    folder, workspace = year
    before = sorted(path.name for path in workspace.iterdir())
    rules = policy(tmp_path / "week.toml", 'target = "leave"\nplaces_per_programme = 5\nby_chance_share = 0.2\n')
    output = tmp_path / "list.xlsx"
    code, told, error = call("--workspace", workspace, "route", folder, "--date", ON, "--policy", rules, "--dry-run", "--output", output)
    assert code == 0, error
    assert "ranked by leave" in told
    assert "Nobody was invited: this was a dry run." in told
    assert {path.name for path in workspace.iterdir()} == {*before, "handed-out.jsonl"}
    sheets = pd.read_excel(output, sheet_name=None)
    assert (sheets["list"].groupby("programme").size() == 5).all()
    assert set(sheets["list"]["way"]) == {"model", "chance"}
    assert sheets["list"]["chance_of_invitation"].between(0, 1).all()
    assert (sheets["just_outside"]["margin"] <= 0).all()
    assert set(sheets["list"]["policy"]) == {_version(rules)}
    [export] = read_listing(workspace / "handed-out.jsonl")
    for name, sheet in sheets.items():
        assert set(sheet["mark"]) == ({export.mark} if len(sheet) else set()), name
        assert all("not for the binding study advice" in purpose for purpose in sheet["purpose"])
        assert "probability" not in sheet.columns
    assert (export.purpose, export.files) == ("invitation", ("list.xlsx",))


def _version(path: Path) -> str:
    from riskmodel.policy import read_policy_file

    return read_policy_file(path).version


def test_turnover_is_told_once_a_list_was_published(call: Call, year: tuple[Path, Path]) -> None:
    folder, workspace = year
    assert call("--workspace", workspace, "publish", folder, "--date", "2022-10-24")[0] == 0
    code, told, _ = call("--workspace", workspace, "route", folder, "--date", ON, "--dry-run")
    assert code == 0
    assert "% of the last list does not stand on this one" in told
    assert f"policy {read_policy(folder).version}" in told


def test_year_zero_has_a_list_by_rule_and_clashing_numbers_are_named(call: Call, year: tuple[Path, Path], tmp_path: Path) -> None:
    folder, _ = year
    rules = policy(tmp_path / "zero.toml", 'places_per_programme = 1\nalways_invite = ["first_test_failed_or_missed"]\n')
    code, told, _ = call("--workspace", tmp_path / "nothing", "route", folder, "--date", ON, "--policy", rules, "--dry-run")
    assert code == 0
    assert "no model: rules and requests alone" in told
    assert "failed or missed the first test) and there are 1 places; the others wait." in told
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("talks_per_coach = 2\nplaces_per_programme = 3\n", "talks_per_coach = 2 and places_per_programme = 3"),
        ("talks_per_coach = -1\n", "talks_per_coach: Input should be greater than or equal to 0"),
        ("valid_until = 2022-10-01\n", "holds from the beginning to 2022-10-01, and the list is of 2022-10-31"),
        ("talks_per_coch = 1\n", "talks_per_coch"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_with_its_numbers(
    call: Call, year: tuple[Path, Path], tmp_path: Path, text: str, said: str
) -> None:
    folder, workspace = year
    code, _, error = call(
        "--workspace", workspace, "route", folder, "--date", ON, "--policy", policy(tmp_path / "p.toml", text), "--dry-run"
    )
    assert code == 2
    assert said in error
    assert "Traceback" not in error


def test_without_dry_run_nothing_happens_and_the_command_that_invites_is_named(call: Call, year: tuple[Path, Path]) -> None:
    folder, workspace = year
    code, _, error = call("--workspace", workspace, "route", folder, "--date", ON)
    assert code == 2
    assert "riskmodel publish" in error
