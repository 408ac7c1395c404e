"""Each type of problem has a page that says what it means and what to do, and a caller who asks too often is told how long to wait."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import serving
from serving.problems import KINDS, Problem
from serving.rates import Rates
from tests.serving.api.test_kept_scores import bearer
from tests.serving.conftest import Place, entered

ROOM = Path(serving.__file__).parent
# Which argument of these says the kind.
_SAYS_KIND = {"Problem": 1, "problem_response": 1}


def kinds_raised() -> set[str]:
    """Read from the code which kinds it raises: constants where a problem is made, the table of HTTP statuses, and that of failed runs."""
    found = set()
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SAYS_KIND:
                told = node.args[_SAYS_KIND[node.func.id]]
                found |= {each.value for each in ast.walk(told) if isinstance(each, ast.Constant) and isinstance(each.value, str)}
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "kinds":
                found |= {each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant) and isinstance(each.value, str)}
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "FAILED" and isinstance(node.value, ast.Dict):
                found |= {str(ast.literal_eval(each)) for each in node.value.keys if each is not None}
            if isinstance(node, ast.BinOp) and getattr(node.left, "id", "") == "TYPES" and isinstance(node.right, ast.Constant):
                found.add(str(node.right.value))
    return found


def test_every_kind_that_the_code_raises_is_told_and_no_other() -> None:
    raised = kinds_raised()
    assert {"invalid-request", "invalid-student", "not-found", "unexpected", "too-many-requests"} <= raised
    assert raised == set(KINDS)


def test_every_kind_has_a_page_and_the_list_leads_to_it(client: TestClient) -> None:
    client.cookies.clear()
    index = client.get("/problems").text
    for kind, told in KINDS.items():
        page = client.get(f"/problems/{kind}", headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert f'href="/problems/{kind}"' in index
        assert f"<h1>{told.title}".replace("'", "&#39;") in page.text
        assert f"HTTP status {', '.join(map(str, told.status))}" in page.text
        assert told.meaning
        assert told.remedy
        assert f"{told.meaning}" in page.text.replace("&#39;", "'").replace("&lt;", "<")


def test_an_unknown_kind_has_none(client: TestClient) -> None:
    assert client.get("/problems/nothing").status_code == 404


@pytest.mark.parametrize("path", ["/v1/nowhere", "/v1/models/nobody", "/v1/students/nobody/scores"])
def test_the_type_of_a_problem_leads_to_its_page(client: TestClient, path: str) -> None:
    told = client.get(path).json()
    assert told["title"] == KINDS["not-found"].title
    assert client.get(told["type"]).status_code == 200


def test_who_asks_too_often_waits_and_others_do_not(place: Place) -> None:
    with entered(place.settings(requests_a_minute=5)) as client:
        client.cookies.clear()
        client.app.state.rates = Rates(5, clock=lambda: 1000.0)  # type: ignore[attr-defined]
        one, other = (bearer(client, f"often-{number}", "models:read") for number in (1, 2))
        answers = [client.get("/v1/models", headers=one) for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert answers[-1].json()["type"] == "/problems/too-many-requests"
        assert int(answers[-1].headers["retry-after"]) == 20
        assert client.get("/v1/models", headers=other).status_code == 200
        assert client.get("/healthz").status_code == 200


def test_after_waiting_as_long_as_was_said_the_next_request_is_answered() -> None:
    at = [1000.0]
    rates = Rates(3, clock=lambda: at[0])
    for _ in range(3):
        rates.count("a")
    rates.count("b")
    with pytest.raises(Problem) as refused:
        rates.count("a")
    at[0] += int(refused.value.headers["Retry-After"])
    rates.count("a")


def test_the_limit_holds_over_processes_that_serve_together(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from serving.rates import Rates; from serving.problems import Problem\n"
        "rates = Rates(10, Path(sys.argv[1]), clock=lambda: 1000.0)\n"
        "for _ in range(4): rates.count('a')\n"
    )
    own = Rates(10, tmp_path, clock=lambda: 1000.0)
    own.count("a")
    for _ in range(2):
        subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    own.count("a")
    with pytest.raises(Problem):
        own.count("a")
    own.count("b")
