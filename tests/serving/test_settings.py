"""Settings come from the call, the environment, a file and the workspace, and a slip of the pen stops the start with the right name."""

from __future__ import annotations

from pathlib import Path

import pytest

from riskmodel.errors import ConfigurationFault
from riskmodel.workspace import Workspace
from serving.settings import FILE_NAME, FILE_VARIABLE, PREFIX, read_settings, told_settings


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_without_anything_said_the_workspace_is_served(place: Workspace) -> None:
    settings = read_settings(place)
    assert settings.champion_folder == place.champion
    assert settings.store_url.get_secret_value() == place.store_url
    assert settings.most_students == 1000


def test_the_call_goes_before_the_environment_and_that_before_the_file(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.folder / FILE_NAME).write_text('most_students = 5\nmost_bytes = 6\nwords_file = "own.toml"\n', encoding="utf-8")
    assert read_settings(place).most_students == 5
    monkeypatch.setenv(f"{PREFIX}MOST_STUDENTS", "7")
    settings = read_settings(place, words_file=Path("other.toml"))
    assert (settings.most_students, settings.most_bytes, settings.words_file) == (7, 6, Path("other.toml"))
    sources = {told.name: told.source for told in told_settings(settings, place)}
    assert sources["most_students"] == "environment"
    assert sources["most_bytes"].endswith(FILE_NAME)
    assert (sources["champion_folder"], sources["allowed_hosts"]) == ("workspace", "default")


def test_an_unknown_key_stops_the_start_with_the_nearest_right_name(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.folder / FILE_NAME).write_text("most_studnets = 5\n", encoding="utf-8")
    with pytest.raises(ConfigurationFault, match="Did you mean 'most_students'"):
        read_settings(place)
    (place.folder / FILE_NAME).unlink()
    monkeypatch.setenv(f"{PREFIX}STORE_ULR", "sqlite://")
    with pytest.raises(ConfigurationFault, match=f"Did you mean {PREFIX}STORE_URL"):
        read_settings(place)


@pytest.mark.parametrize(
    ("text", "told"), [("most_students = 'many'", "most_students"), ("most_bytes = 0", "most_bytes"), ("= 3", "not valid TOML")]
)
def test_a_wrong_value_is_told_with_its_key(place: Workspace, text: str, told: str) -> None:
    (place.folder / FILE_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationFault, match=told):
        read_settings(place)


def test_a_file_that_is_named_and_not_there_is_told(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(place.folder / "none.toml"))
    with pytest.raises(ConfigurationFault, match="not there"):
        read_settings(place)


def test_no_secret_is_shown(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}STORE_URL", "postgresql://service:very-secret@db/riskmodel")
    monkeypatch.setenv(f"{PREFIX}KEYS", '{"also": "very-secret"}')
    settings = read_settings(place)
    told = {each.name: each.value for each in told_settings(settings, place)}
    assert told["store_url"] == "postgresql://service:***@db/riskmodel"
    assert told["keys"] == "***"
    assert "very-secret" not in repr(settings)


@pytest.mark.parametrize("by", ["file", "environment"])
def test_an_unknown_name_within_a_setting_is_told_with_the_nearest_right_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    if by == "file":
        (tmp_path / "service.toml").write_text("[retention]\nscoers = 3\n", encoding="utf-8")
    else:
        monkeypatch.setenv("RISKMODEL_SERVICE_RETENTION__SCOERS", "3")
    with pytest.raises(ConfigurationFault, match=r"retention\.scoers'; did you mean 'retention\.scores'"):
        read_settings(Workspace(tmp_path))


def test_a_password_is_masked_wherever_the_address_holds_it(tmp_path: Path) -> None:
    for url in ("postgresql://u:canary@h/db", "postgresql://u@h/db?password=canary"):
        settings = read_settings(Workspace(tmp_path), store_url=url)
        shown = {told.name: told.value for told in told_settings(settings, Workspace(tmp_path))}["store_url"]
        assert "canary" not in shown
        assert "@h/db" in shown
