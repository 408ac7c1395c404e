"""Every route of the contract, tried with whatever the contract allows and with what it does not: schemathesis draws, the contract judges."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from sqlalchemy.orm import Session

from riskmodel.workspace import Workspace
from serving.access.scopes import MACHINES
from serving.access.tokens import make_token
from serving.app import create_app
from serving.store.weeks import now
from tests.serving.conftest import Place
from tests.serving.test_openapi import OPERATIONS

pytestmark = pytest.mark.slow
# What is wrong with one student is told in that student's result, while the call is answered: not what this check expects of a wrong body.
NOT_CHECKED = {"/v1/scores": ("negative_data_rejection",)}
# What a schema can't say: the range of a date, which texts are cursors, which folders are allowed; and the service of this test takes no uploads.
BEYOND_SCHEMA = {"/on", "/query/cursor", "/query/changed_since", "/folder", "/header/Idempotency-Key", "/"}
TRIED = [
    pytest.param(method, path, mode, id=f"{method} {path} {mode.value}")
    for method, path, operation in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or operation.get("parameters") or "requestBody" in operation
]


@pytest.fixture(scope="module")
def contract(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[schemathesis.BaseSchema, dict[str, str]]]:
    """The contract of a running service of its own, as students object and are erased there, and a token that may all that a machine may."""
    workspace = Workspace(tmp_path_factory.mktemp("contract") / "workspace")
    shutil.copytree(place.workspace.folder, workspace.folder)
    own = {"store_url": workspace.store_url, "keys_file": workspace.keys, "audit_heads": workspace.audit_heads}
    with TestClient(create_app(place.settings(requests_a_minute=1_000_000, **own))) as client:
        store = client.app.state.store  # type: ignore[attr-defined]
        with Session(store.engine) as session, session.begin():
            token = make_token(session, "schemathesis", sorted(map(str, MACHINES)), 1, at=now(), by="test").text
        yield schemathesis.openapi.from_asgi("/openapi.json", client.app), {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(("method", "path", "mode"), TRIED)
def test_every_answer_is_one_that_the_contract_foresees(
    contract: tuple[schemathesis.BaseSchema, dict[str, str]], method: str, path: str, mode: GenerationMode
) -> None:
    schema, headers = contract
    operation = schema[path][method]
    excluded = [CHECKS.get_one(name) for name in (*NOT_CHECKED.get(path, ()), "positive_data_acceptance")]

    @given(st.data())
    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def tried(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        answer = case.call_and_validate(headers=headers, excluded_checks=excluded)
        if path.startswith("/v1/me/"):
            assert answer.status_code in (401, 403)  # for a student's own login, and no machine's
        elif mode is GenerationMode.POSITIVE and answer.status_code not in (200, 304, 404):
            assert {error["pointer"] for error in answer.json()["errors"]} <= BEYOND_SCHEMA

    tried()
