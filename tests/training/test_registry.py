"""The list of models, the way back, and a service that runs all the while."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from institution import Shop
from sqlalchemy.orm import Session

from riskmodel.champion import POINTER, current
from riskmodel.cli import context
from riskmodel.cli.main import run
from riskmodel.cli.store import open_store
from riskmodel.errors import ModelFault, RiskModelError, RollbackRefused
from riskmodel.families.recipe import Recipe
from riskmodel.workspace import Workspace
from serving.access.tokens import make_token
from serving.store.weeks import now
from training.promote import promote
from training.registry import find_model, rollback
from training.tracking import CHAMPION, keep_verdict, open_tracking, registered_version
from training.train import train

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def promoted_twice(
    tmp_path_factory: pytest.TempPathFactory, institution: Callable[..., Path], workspace_at: Callable[[Path], Workspace]
) -> Shop:
    """Give a workspace where leave-2 served, and leave-4 serves now."""
    place = tmp_path_factory.mktemp("twice")
    folder, workspace = institution(place / "data", students=150, closed=2, running=1), workspace_at(place / "workspace")
    (folder / "policy.toml").write_text("capacity_share = 0.2\npromote_at = [56]\n", encoding="utf-8")
    for by, seed in (("ada", 1), ("grace", 2)):
        trained = train(folder, workspace, Recipe(family="logistic", seed=seed), targets=("leave",), by=by)
        assert promote(workspace, targets=("leave",), by=by).serving
    return Shop(folder, workspace, trained)


@pytest.fixture
def shop(promoted_twice: Shop, tmp_path: Path) -> Iterator[Shop]:
    """Give it to one test, and put back afterwards what served."""
    champion = promoted_twice.workspace.champion
    shutil.copytree(champion, tmp_path / "aside")
    yield promoted_twice
    shutil.rmtree(champion)
    shutil.copytree(tmp_path / "aside", champion)
    open_tracking(promoted_twice.workspace).MlflowClient().set_registered_model_alias("riskmodel-leave", CHAMPION, "4")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Give the command line in a workspace: exit code, output and complaints."""
    monkeypatch.setattr(context, "options", context.Options())

    def calling(workspace: Workspace, *arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ending:
            run(["--workspace", str(workspace.folder), *arguments])
        told = capsys.readouterr()
        return int(ending.value.code or 0), told.out, told.err

    return calling


def alias(workspace: Workspace) -> str:
    version = registered_version(open_tracking(workspace), "leave", CHAMPION)
    assert version is not None
    return str(version.version)


def test_a_rollback_returns_to_the_previous_champion_in_the_folder_and_in_the_registry(shop: Shop, call: Call) -> None:
    code, out, _ = call(shop.workspace, "--by", "linus", "rollback")
    assert code == 0
    assert out == "leave is served by leave-2 again, instead of leave-4\n"
    assert current(shop.workspace.champion) == {"leave": "leave-2"}
    assert alias(shop.workspace) == "2"
    _, out, _ = call(shop.workspace, "models")
    assert out.splitlines()[-3].startswith("leave-2 was promoted by ada on ")
    assert out.splitlines()[-1].startswith("leave-2 served again after a rollback by linus on ")


def test_a_second_rollback_is_refused_where_nothing_served_before(shop: Shop, call: Call) -> None:
    rollback(shop.workspace)
    code, _, err = call(shop.workspace, "rollback", "--target", "leave")
    assert code == 3
    assert "leave-2 serves 'leave', and no earlier champion is known to go back to" in err
    assert current(shop.workspace.champion) == {"leave": "leave-2"}
    assert alias(shop.workspace) == "2"


def test_a_target_that_nothing_serves_is_refused_and_the_other_stays(shop: Shop) -> None:
    with pytest.raises(RollbackRefused, match="no model serves 'dropout'"):
        rollback(shop.workspace, ("leave", "dropout"))
    assert current(shop.workspace.champion) == {"leave": "leave-4"}


def test_a_rollback_that_stopped_before_the_pointer_changed_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def fails_at_the_pointer(source: str | Path, target: str | Path) -> None:
        if Path(target).name == POINTER:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails_at_the_pointer)
    with pytest.raises(RiskModelError, match="disk is full"):
        rollback(shop.workspace)
    monkeypatch.undo()
    assert current(shop.workspace.champion) == {"leave": "leave-4"}
    assert alias(shop.workspace) == "4"
    assert rollback(shop.workspace).serving == {"leave": "leave-2"}


def test_a_rollback_that_the_registry_did_not_hear_of_is_finished_and_goes_no_further_back(shop: Shop, call: Call) -> None:
    rollback(shop.workspace)
    open_tracking(shop.workspace).MlflowClient().set_registered_model_alias("riskmodel-leave", CHAMPION, "4")
    _, out, _ = call(shop.workspace, "models")
    assert "Note: leave is served by leave-2, and the registry's champion is version 4" in out
    code, out, _ = call(shop.workspace, "rollback")
    assert code == 0
    assert "is finished now, and nothing went further back" in out
    assert alias(shop.workspace) == "2"


def test_an_earlier_champion_that_is_damaged_is_not_gone_back_to(shop: Shop) -> None:
    model = shop.workspace.champion / "leave-2" / "model.json"
    model.write_bytes(model.read_bytes() + b" ")
    with pytest.raises(ModelFault, match="was changed after the model was written"):
        rollback(shop.workspace)
    assert current(shop.workspace.champion) == {"leave": "leave-4"}


def test_models_are_listed_with_aliases_gates_who_when_and_data(shop: Shop, call: Call) -> None:
    code, out, _ = call(shop.workspace, "models", "--json")
    assert code == 0
    told = json.loads(out)
    newest, challenger, *_ = told["models"]
    assert [each["version"] for each in told["models"]] == ["4", "3", "2", "1"]
    assert (newest["aliases"], newest["serves"], newest["gates"], newest["by"]) == (["champion"], True, "passed", "grace")
    assert (challenger["aliases"], challenger["serves"], challenger["gates"]) == (["challenger"], False, "passed")
    assert newest["trained_on"] == "2019, 2020"
    assert challenger["trained_on"] == "2019"
    assert challenger["tested_on"] == "2020"
    assert newest["fingerprint"] == shop.trained["leave"].model.facts.fingerprint
    assert [(step["model"], step["what"], step["by"]) for step in told["history"]] == [
        ("leave-2", "promoted", "ada"),
        ("leave-4", "promoted", "grace"),
    ]
    code, out, _ = call(shop.workspace, "models", "--target", "leave")
    assert out.splitlines()[0].split() == [
        *("target", "version", "aliases", "serves", "family", "learnt", "from", "measured", "on", "gates", "by", "when", "(UTC)", "data")
    ]
    assert newest["fingerprint"][:8] in out


def test_a_refused_challenger_is_listed_with_the_reason(shop: Shop, call: Call) -> None:
    policy = shop.folder / "policy.toml"
    before = policy.read_text(encoding="utf-8")
    policy.write_text("capacity_share = 0.3\n", encoding="utf-8")
    try:
        code, _, _ = call(shop.workspace, "promote", "--target", "leave")
    finally:
        policy.write_text(before, encoding="utf-8")
    assert code == 3
    _, out, _ = call(shop.workspace, "models")
    assert "leave 3 was refused: the policy asks for day 84" in out
    assert current(shop.workspace.champion) == {"leave": "leave-4"}
    keep_verdict(open_tracking(shop.workspace), "leave", "3", "", "grace")
    _, out, _ = call(shop.workspace, "models")
    assert "refused" not in out


def test_the_login_is_who_did_it_where_nothing_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "options", context.Options())
    monkeypatch.setenv("LOGNAME", "margaret")
    assert context.person() == "margaret"


def test_a_model_is_found_by_version_alias_and_folder(shop: Shop) -> None:
    assert find_model(shop.workspace, "leave@champion").version == "4"
    assert find_model(shop.workspace, "riskmodel-leave@3").version == "3"
    folder = shop.workspace.champion / "leave-2"
    assert find_model(shop.workspace, str(folder)).checksums() == find_model(shop.workspace, "leave@2").checksums()
    for wrong, told in (("leave@9", "There are 1, 2, 3, 4, challenger, champion"), ("leave", "names no model"), ("exam@1", "no target")):
        with pytest.raises(ModelFault, match=told):
            find_model(shop.workspace, wrong)


class Service:
    """A service in a process of its own."""

    def __init__(self, workspace: Workspace) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-m", "riskmodel", "--workspace", str(workspace.folder), "serve", "--port", str(self.port)]
        with open_store(workspace) as store, Session(store.engine) as session, session.begin():
            self.token = make_token(session, "test", ["scores:compute"], 1, at=now(), by="test").text
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def scored_by(self) -> str:
        """Give the model that one student's score came from."""
        student = {"enrolment_id": "e1", "landmark": 56, "features": {"attendance_share_recent": 0.4}}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/scores",
            data=json.dumps({"students": [student]}).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(json.load(answer)["results"][0]["scores"]["leave"]["model"])

    def wait_for(self, name: str, seconds: float) -> None:
        """Ask until a model answers."""
        deadline, told = time.monotonic() + seconds, ""
        while told != name:
            assert time.monotonic() < deadline, f"{told or 'nothing'} answered, and not {name}"
            assert self.process.poll() is None, "the service ended"
            with contextlib.suppress(urllib.error.URLError):
                told = self.scored_by()
            time.sleep(0.1)


@pytest.mark.slow
def test_a_running_service_follows_a_rollback_and_a_promotion_without_a_restart(shop: Shop) -> None:
    service = Service(shop.workspace)
    try:
        service.wait_for("leave-4", 90)
        rollback(shop.workspace)
        service.wait_for("leave-2", 20)
        # The challenger is promoted once more: another version of its own.
        number = promote(shop.workspace, targets=("leave",)).serving["leave"]
        assert number not in ("leave-2", "leave-4")
        service.wait_for(number, 20)
        assert rollback(shop.workspace).serving == {"leave": "leave-2"}
        service.wait_for("leave-2", 20)
    finally:
        service.process.terminate()
        service.process.wait(timeout=30)


HOLDS = "import sys, time; from pathlib import Path; from training.alone import only_change; from riskmodel.workspace import Workspace\n"
HOLDS += "with only_change(Workspace(Path(sys.argv[1]))): print('held', flush=True); time.sleep(600)"


def test_while_another_process_changes_champions_one_is_told_so_and_its_lock_dies_with_it(shop: Shop, call: Call) -> None:
    before = current(shop.workspace.champion)
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(shop.workspace.folder)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        for command in ("promote", "rollback"):
            code, _, complaint = call(shop.workspace, command, "--target", "leave")
            assert code == 2
            assert "another promotion or rollback is under way" in complaint
        assert current(shop.workspace.champion) == before
    finally:
        process.kill()
        process.wait(timeout=30)
    assert call(shop.workspace, "rollback", "--target", "leave")[0] == 0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs a system that can hold a process still")
def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(shop: Shop) -> None:
    lock = shop.workspace.folder / "promotion.lock"
    lock.unlink(missing_ok=True)
    command = [sys.executable, "-m", "riskmodel", "--workspace", str(shop.workspace.folder), "promote", "--target", "leave"]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        while not lock.exists():
            assert first.poll() is None
            time.sleep(0.01)
        time.sleep(0.2)
        first.send_signal(signal.SIGSTOP)
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert "another promotion or rollback is under way" in second.stderr
        assert "Traceback" not in second.stderr
    finally:
        first.send_signal(signal.SIGCONT)
        first.communicate(timeout=120)
    assert first.returncode == 0
    champion = registered_version(open_tracking(shop.workspace), "leave", CHAMPION)
    assert champion is not None
    assert current(shop.workspace.champion) == {"leave": f"leave-{champion.version}"}
