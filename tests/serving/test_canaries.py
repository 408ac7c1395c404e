"""Names, numbers, grades and scores that would be known again anywhere, sent through every kind of request, are in no log line and no metric."""

from __future__ import annotations

import io
import json
import logging
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from riskmodel.workspace import Workspace
from serving.observing import configure_logging
from serving.pages.forms import token_for
from serving.store.weeks import Store, now, publish_week
from serving.week import TestShown
from tests.serving.api.test_kept_scores import bearer, keeping
from tests.serving.conftest import MONDAY, Place, entered
from tests.serving.store.lists import student, week

GRADE = 3.1415926
NAME = "Kwikstaart van Kanariewijk"
SCOPES = ("scores:compute", "scores:keep", "scores:read", "invitations:read", "rights:handle", "models:read", "metrics:read")


def of(number: int, **changes: Any) -> dict[str, Any]:
    """Give a student as rows, with a grade that no one else has."""
    [told] = keeping(student_id=f"s-canary-{number}")["students"]
    told["enrolment"] |= {"enrolment_id": f"e-canary-{number}", **changes}
    for result in told["results"]:
        result["grade"] = GRADE + number / 1e6
    return told


def test_nothing_of_anybody_is_in_a_log_line_or_a_metric(place: Place, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    shutil.copytree(place.workspace.folder, workspace.folder)
    output = io.StringIO()
    with redirect_stderr(output), redirect_stdout(output):
        configure_logging()
        logging.getLogger().setLevel(logging.DEBUG)
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        try:
            settings = place.settings(store_url=workspace.store_url, keys_file=workspace.keys, audit_heads=workspace.audit_heads)
            with entered(settings) as client:
                canaries = walked(client)
                metrics = client.get("/metrics").text
        finally:
            logging.getLogger().setLevel(logging.WARNING)
    lines = output.getvalue()
    assert lines.count('"route"') > 40
    assert all(json.loads(line)["event"] for line in lines.splitlines() if line.startswith("{"))
    for canary in canaries:
        assert canary not in lines, canary
        assert canary not in metrics, canary


def walked(client: Any) -> set[str]:
    """Send students through every door, in right and in wrong requests, and give all that must be told nowhere."""
    store: Store = client.app.state.store
    test = TestShown(date=MONDAY, known_on=MONDAY, course="vak 1", test="toets", attempt=1, grade=GRADE, status="failed")
    listed = [
        student(number, f"{NAME} {number}").model_copy(update={"tests": (test,), "probability": 0.271828182 + number / 1000})
        for number in range(3)
    ]
    outcome = {"measured_on": "1 October", "switch_inside_counts": True, "note": ""}
    shown = week(*listed, on=MONDAY.replace(day=30)).model_copy(update={"outcome": outcome, "models": {"leave": "leave-1"}})
    publish_week(store, shown, actor="test")
    tokens = bearer(client, "canaries", *SCOPES)
    page = {"Accept": "text/html"}
    canaries = {
        NAME,
        NAME.split()[0],
        f"{GRADE}",
        "3.1415",
        "3.1416",
        "s-canary",
        "e-canary",
        "0.2718",
        "27,1",
        tokens["Authorization"].split()[1],
    }
    for number in range(10, 16):
        body = {"on": "2026-11-02", "students": [of(number), of(number + 100), of(number + 200)], "keep": True}
        answer = client.post("/v1/scores", json=body, headers=tokens).json()
        for result in answer["results"]:
            canaries |= {f"{score['probability']:.8f}"[:9] for score in result["scores"].values()}
        broken = {
            **body,
            "students": [of(number, start_date=NAME), {"enrolment_id": f"e-canary-{number}", "features": {NAME: GRADE}}, NAME],
        }
        assert client.post("/v1/scores", json=broken, headers=tokens).status_code < 500
        assert client.post("/v1/scores", content=f'{{"students": "{NAME} {GRADE}', headers=tokens).status_code == 422
        for path in ("scores", "data", "seen"):
            assert client.get(f"/v1/students/s-canary-{number}/{path}", headers=tokens).status_code == 200
    for number in range(3):
        assert client.get(f"/students/e-canary-{number}", headers=page).status_code == 200
        assert client.get(f"/students/e-canary-{number}/talk", headers=page).status_code == 200
        written(client, f"/students/e-canary-{number}")
    client.get("/", headers=page)
    client.get(f"/students/{NAME}", headers=page)
    client.get(f"/v1/students/{NAME}/scores?cursor={NAME}", headers=tokens)
    client.get("/v1/invitations", headers=tokens)
    client.get(f"/v1/models/{NAME}", headers=tokens)
    client.get(f"/nowhere/{NAME}?grade={GRADE}")
    client.post(f"/v1/students/s-canary-10/objection?name={NAME}", headers=tokens)
    client.delete("/v1/students/s-canary-10/objection", headers=tokens)
    client.delete("/v1/students/s-canary-11", headers=tokens)
    return canaries


def written(client: Any, page: str) -> None:
    """Write a name and a grade into every form of a student's page, in right and in wrong ways."""
    sent = {"token": token_for(client.app.state.store.keys, "somebody", now().date())}
    text = f"{NAME} {GRADE}"
    for act, fields in (
        ("follow-up", {"stage": "agreed", "next_step": text, "note": text, "reason_note": text, "version": "0"}),
        ("follow-up", {"stage": "talked", "next_step": text, "version": "0"}),
        ("follow-up", {"stage": text, "contact_on": text, "version": text, "note": text}),
        ("draft", {"note": text}),
        ("reports", {"register": "results", "text": text}),
        ("reports", {"outcome": "mended", "report": text}),
        ("list", {"way": "coach", "text": text}),
        ("mark", {"not_now": text}),
    ):
        answer = client.post(f"{page}/{act}", data={**sent, **fields}, headers={"Accept": "text/html"}, follow_redirects=False)
        assert answer.status_code in (204, 303, 409, 422), act
    assert client.post(f"{page}/follow-up", data={"token": text, "note": text}, follow_redirects=False).status_code == 403
