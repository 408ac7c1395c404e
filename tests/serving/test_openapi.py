"""The contract: what is committed is what runs, it is sound OpenAPI that a reader understands, and its examples work."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from riskmodel.workspace import Workspace
from serving.access.guard import Allow, guards
from serving.access.scopes import MACHINES, Role, Scope
from serving.problems import KINDS
from serving.routes import runs
from serving.working import Worker
from tests.serving.api.test_kept_scores import bearer, keeping
from tests.serving.conftest import MONDAY, Place, entered, let_in

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
CONTRACT: dict[str, Any] = json.loads(COMMITTED.read_text(encoding="utf-8"))


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in CONTRACT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


OPERATIONS = list(operations())
EACH = pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=[f"{method} {path}" for method, path, _ in OPERATIONS])


def test_what_is_committed_is_what_runs(client: TestClient) -> None:
    running = client.get("/openapi.json").json()
    assert running == CONTRACT, "the contract changed: run 'make contract' and look at what changed"


def test_it_is_sound_openapi() -> None:
    assert CONTRACT["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(CONTRACT).iter_errors()) == []


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z_]*", name) for name in names)


@EACH
def test_a_reader_is_told_what_an_operation_does_and_with_what(method: str, path: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert len(operation["description"]) > 40
    assert operation["tags"][0] in {tag["name"] for tag in CONTRACT["tags"]}
    for parameter in operation.get("parameters", []):
        assert parameter.get("description") or parameter["schema"].get("examples"), parameter["name"]
        if parameter["required"]:
            assert parameter["schema"]["examples"], parameter["name"]
    if "requestBody" in operation:
        assert body_examples(operation)
    ok = operation["responses"]["200"]["content"]
    assert all(content["schema"] != {} for kind, content in ok.items() if kind == "application/json")


@EACH
def test_every_refusal_is_a_problem(method: str, path: str, operation: dict[str, Any]) -> None:
    for status, response in operation["responses"].items():
        if status in ("200", "202", "204", "304") or path == "/readyz":
            continue
        assert list(response["content"]) == ["application/problem+json"], status
        assert int(status) in {each for told in KINDS.values() for each in told.status}


@EACH
def test_who_may_call_it_is_told_as_the_guard_holds_it(client: TestClient, method: str, path: str, operation: dict[str, Any]) -> None:
    from tests.serving.access.test_guard import routes

    route = next(each for each in routes(client) if each.path == path and method in each.methods)
    allowed = [guard for guard in guards(route) if isinstance(guard, Allow)]
    assert operation.get("x-scopes", []) == [str(scope) for guard in allowed[:1] for scope in guard.scopes]
    assert operation["security"] == ([{"token": []}] if allowed else [])


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "components": CONTRACT["components"]}


def body_examples(operation: dict[str, Any]) -> list[Any]:
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    named = CONTRACT["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
    found: list[Any] = named.get("examples", [])
    return found


def begun(client: TestClient, place: Place, *, done: bool) -> str:
    """Begin the run of the examples, and have it done where asked."""
    app: Any = client.app
    app.state.settings = app.state.settings.model_copy(update={"run_folders": {"first-years": place.data}})
    for run in client.get(runs.PATH).json()["runs"]:  # of other examples: they would be done first
        client.post(f"{runs.PATH}/{run['id']}/cancel")
    answer = client.post(runs.PATH, json={"folder": "first-years", "on": MONDAY.isoformat()})
    assert answer.status_code == 202
    if done:
        assert Worker(app.state.settings, app.state.store).do_one()
    return str(answer.json()["id"])


@pytest.fixture
def own(place: Place, tmp_path: Path) -> Iterator[TestClient]:
    """Give a service with a workspace of its own: an example may erase somebody."""
    workspace = Workspace(tmp_path / "workspace")
    shutil.copytree(place.workspace.folder, workspace.folder)
    with entered(place.settings(store_url=workspace.store_url, keys_file=workspace.keys, audit_heads=workspace.audit_heads)) as client:
        yield client


@EACH
def test_the_examples_work_and_are_answered_as_the_contract_says(
    own: TestClient,
    method: str,
    path: str,
    operation: dict[str, Any],
    place: Place,
) -> None:
    client = own
    machine = bearer(client, "example", *map(str, MACHINES - {Scope.METRICS_READ}))
    client.cookies.clear()
    if path.startswith("/v1/me/"):
        let_in(client, "a-student", frozenset({Role.STUDENT}))
    else:
        client.headers.update(machine)
    client.post("/v1/scores", json=keeping(student_id="s26000123"))  # the student of the examples
    parameters = {each["name"]: each["schema"]["examples"][0] for each in operation.get("parameters", []) if each["required"]}
    if path.startswith(runs.PATH):
        parameters |= {"run_id": begun(client, place, done=path.endswith("/file"))}
    for body in body_examples(operation) if "requestBody" in operation else [None]:
        answer = client.request(method, path.format(**parameters), json=body, headers={"Accept": "*/*"})
        if path == "/metrics":  # this machine's token is not for a monitor
            assert answer.status_code == 403
            continue
        assert answer.status_code == (202 if operation["operationId"] == "begin_score_run" else 200)
        if path.endswith("/file"):
            assert answer.headers["content-type"] in operation["responses"]["200"]["content"]
            continue
        schema = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
        assert list(Draft202012Validator(resolved(schema)).iter_errors(answer.json())) == []
        for result in answer.json().get("results", []):
            assert result["problem"] is None


def test_a_problem_looks_as_the_contract_says(client: TestClient, place: Place) -> None:
    schema = resolved({"$ref": "#/components/schemas/ProblemOut"})
    for answer in (client.post("/v1/scores", json={}), client.get("/v1/nowhere"), client.get("/v1/students/x/scores?limit=0")):
        told = answer.json()
        assert list(Draft202012Validator(schema).iter_errors(told)) == []
        assert told.keys() <= CONTRACT["components"]["schemas"]["ProblemOut"]["properties"].keys()
