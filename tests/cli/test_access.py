"""`riskmodel serve`, `token` and `stand-in`: who is let in where, and how machines get to call."""

from __future__ import annotations

from pathlib import Path

import pytest

from riskmodel.cli.service import require_somebody
from riskmodel.cli.store import open_store
from riskmodel.errors import RiskModelError
from riskmodel.workspace import Workspace
from serving.settings import Settings, read_settings
from serving.store.weeks import publish_week
from tests.serving.store.lists import student, week


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    place = Workspace(tmp_path / "workspace")
    with open_store(place):
        pass
    return place


def served(place: Workspace, host: str, **given: object) -> None:
    settings: Settings = read_settings(place, **given)
    with open_store(place) as store:
        require_somebody(host, settings, store)


def publish(place: Workspace, *, synthetic: bool) -> None:
    with open_store(place) as store:
        publish_week(store, week(student(1)).model_copy(update={"synthetic": synthetic}), actor="test")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "example.nl", "::"])
def test_it_refuses_to_listen_where_others_can_reach_it_and_nobody_logs_in(workspace: Workspace, host: str) -> None:
    for demo in (True, None):
        with pytest.raises(RiskModelError, match="reached by others"):
            served(workspace, host, demo=demo)


def test_the_demo_is_on_this_machine_and_for_people_who_do_not_exist(workspace: Workspace) -> None:
    served(workspace, "127.0.0.1", demo=True)
    publish(workspace, synthetic=True)
    served(workspace, "localhost", demo=True)
    publish(workspace, synthetic=False)
    with pytest.raises(RiskModelError, match="people who may exist"):
        served(workspace, "127.0.0.1", demo=True)


def test_a_service_that_nobody_could_use_does_not_start(call, workspace: Workspace) -> None:
    code, _, complaint = call("serve", "--port", 1)
    assert code == 2
    assert "--access" in complaint
    assert "--demo" in complaint
    assert call("token", "create", "student-system", "--scope", "scores:compute")[0] == 0
    served(workspace, "127.0.0.1")


def test_where_people_log_in_others_may_reach_it_over_tls_alone(workspace: Workspace, tmp_path: Path) -> None:
    served(workspace, "0.0.0.0", access_file=tmp_path / "access.toml")
    with pytest.raises(RiskModelError, match="secure_cookies"):
        served(workspace, "0.0.0.0", access_file=tmp_path / "access.toml", secure_cookies=False)


def test_a_token_is_shown_once_listed_without_its_secret_and_revoked(call, workspace: Workspace) -> None:
    code, out, _ = call("token", "create", "student-system", "--scope", "scores:compute", "--scope", "models:read", "--days", 10)
    assert code == 0
    text = out.splitlines()[0]
    assert text.startswith("rmt_")
    assert text not in workspace.store.read_bytes().decode("latin-1")
    listed = call("token", "list")[1]
    assert "student-system" in listed
    assert "models:read, scores:compute" in listed
    assert text.split("_", 2)[2] not in listed
    assert "already" in call("token", "create", "student-system", "--scope", "scores:compute")[2]
    assert call("token", "revoke", "student-system")[0] == 0
    assert "revoked" in call("token", "list")[1]
    assert call("token", "revoke", "student-system")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("x y", "--scope", "scores:compute"), "can't be a token's name"),
        (("system", "--scope", "students:all"), "can't be given students:all"),
        (("system", "--scope", "scores:compute", "--days", 4000), "4000 days"),
    ],
)
def test_a_token_that_should_not_be_is_refused(call, workspace: Workspace, arguments: tuple[object, ...], told: str) -> None:
    code, _, complaint = call("token", "create", *arguments)
    assert code == 2
    assert told in complaint


def test_standing_in_has_an_end(call, workspace: Workspace) -> None:
    assert call("stand-in", "--coach", "c1", "--login", "bo", "--since", "2026-11-02", "--until", "18-12-2026")[0] == 0
    code, _, complaint = call("stand-in", "--coach", "c1", "--login", "bo", "--since", "2026-11-02", "--until", "2027-11-02")
    assert code == 2
    assert "within 92 days" in complaint
