"""The doctor finds each thing that would keep a service from running or from being safe, and says what to do."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from riskmodel.cli.store import open_store
from riskmodel.workspace import Workspace
from serving.doctor import examine
from serving.settings import PREFIX
from serving.store.keys import make_keys, write_keys
from serving.store.schema import connect, migrate
from serving.store.weeks import now
from tests.serving.conftest import Place
from tests.serving.store.conftest import postgres  # noqa: F401

ACCESS = """
[oidc]
issuer = "https://idp.example"
client_id = "riskmodel"

[roles]
study_advice = ["board", "board-sw"]

[study_advice]
board-sw = ["Social Work"]
"""
RECORD = """
[[both_roles]]
login = "{login}"
programmes = ["Social Work"]
why = "One coach for the whole programme; recorded by the board."
by = "College van bestuur"
until = {until}
"""


def told(place: Workspace, at: dt.datetime | None = None) -> dict[str, tuple[bool, str]]:
    return {each.name: (each.well, each.told) for each in examine(place, at or now())}


@pytest.fixture
def access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a file of who may log in, for a service that is otherwise well."""
    path = tmp_path / "access.toml"
    path.write_text(ACCESS, encoding="utf-8")
    path.chmod(0o600)
    for name, value in (("ACCESS_FILE", path), ("OIDC_SECRET", "secret"), ("PUBLIC_URL", "https://localhost")):
        monkeypatch.setenv(f"{PREFIX}{name}", str(value))
    return path


def test_what_is_well_is_told_as_that(place: Place, access: Path) -> None:
    found = told(place.workspace)
    assert {name for name, (well, _) in found.items() if not well} == set()
    assert found["keys"][1].endswith("they open this store")
    assert found["log-ins"][1] == "by https://idp.example/"


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"OIDC_SECRET": None}, "log-ins", "RISKMODEL_SERVICE_OIDC_SECRET"),
        ({"PUBLIC_URL": None}, "log-ins", "https://riskmodel.example.nl"),
        ({"PUBLIC_URL": "https://elsewhere.example"}, "configuration", "allowed_hosts"),
        ({"PUBLIC_URL": "http://localhost"}, "configuration", "https://"),
        ({"WORDS_FILE": "none.toml"}, "configuration", "none.toml"),
        ({"RUN_FOLDERS": '{"first-years": "/nowhere"}'}, "data", "does not exist"),
        ({"STORE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "database", "127.0.0.1:1"),
        ({"STORE_URL": "postgresql://u@h/db?password=canary"}, "database", "PASSWORD@HOST"),
        ({"ACCESS_FILE": "none.toml"}, "log-ins", "docs/access.md"),
    ],
    ids=lambda each: str(each)[:40],
)
def test_a_setting_that_can_not_work_is_found(
    place: Place, access: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], name: str, said: str
) -> None:
    for setting, value in changes.items():
        if value is None:
            monkeypatch.delenv(f"{PREFIX}{setting}")
        else:
            monkeypatch.setenv(f"{PREFIX}{setting}", value)
    well, words = told(place.workspace)[name]
    assert not well
    assert said in words
    assert "canary" not in words


def test_a_wall_around_a_name_that_no_list_knows_and_a_record_that_has_ended_are_found(place: Place, access: Path) -> None:
    access.write_text(ACCESS.replace("Social Work", "Social Wrok"), encoding="utf-8")
    well, words = told(place.workspace)["log-ins"]
    assert not well
    assert "Social Wrok is no programme" in words
    assert "Social Work" in words
    access.write_text(ACCESS + RECORD.format(login="s.devries", until="2026-01-31"), encoding="utf-8")
    well, words = told(place.workspace)["log-ins"]
    assert not well
    assert "has ended for s.devries" in words
    soon = (now() + dt.timedelta(days=3)).date()
    access.write_text(ACCESS + RECORD.format(login="s.devries", until=soon), encoding="utf-8")
    assert told(place.workspace)["log-ins"] == (True, f"by https://idp.example/; a record of both roles ends on {soon}")


def test_keys_of_another_store_and_a_table_that_is_gone_are_found(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_keys(make_keys(), tmp_path / "keys.json")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "dataset.toml").write_bytes((place.data / "dataset.toml").read_bytes())
    monkeypatch.setenv(f"{PREFIX}KEYS_FILE", str(tmp_path / "keys.json"))
    monkeypatch.setenv(f"{PREFIX}RUN_FOLDERS", f'{{"first-years": "{folder.as_posix()}"}}')
    found = told(place.workspace)
    assert found["keys"][0] is found["data"][0] is False
    assert "belong to this store" in found["keys"][1]
    assert "enrolments.parquet" in found["data"][1]


@pytest.mark.skipif(os.name != "posix", reason="the rights of a file are another matter there")
def test_files_that_others_may_change_are_found(place: Place, access: Path) -> None:
    access.chmod(0o666)
    well, words = told(place.workspace)["permissions"]
    assert not well
    assert "chmod go-w" in words


def test_on_postgresql_its_clock_is_compared_and_an_encoding_that_loses_names_is_refused(
    postgres: str,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = make_url(postgres).set(drivername="postgresql+psycopg")
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    place = Workspace(tmp_path / "workspace")
    write_keys(make_keys(), place.keys)
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE doctor ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"))
    try:
        url = server.set(database="doctor").render_as_string(hide_password=False)
        engine = connect(url)
        migrate(engine, make_keys())
        engine.dispose()
        monkeypatch.setenv(f"{PREFIX}STORE_URL", url)
        with open_store(place):
            pass
        assert "UTF8" in told(place)["database"][1]
        assert told(place)["clock"][0]
        well, words = told(place, now() + dt.timedelta(minutes=3))["clock"]
        assert not well
        assert "and the database's" in words
    finally:
        with admin.connect() as connection:
            connection.execute(text("DROP DATABASE doctor WITH (FORCE)"))
        admin.dispose()
