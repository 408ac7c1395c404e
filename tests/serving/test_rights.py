"""Rights of students through the service: an objection is in force with the next request, an erasure says what stays, and nothing is told to others."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from riskmodel.cli.publishing import publish_week
from riskmodel.contract.dataset import load_dataset
from riskmodel.first_test import first_test_list
from riskmodel.objections import Objections, Source, digest_of, in_force
from riskmodel.workspace import Workspace
from serving.access.scopes import Role
from serving.app import create_app
from serving.languages import LANGUAGES
from serving.pages.rendering import TEXTS as TEXTS_OF_PAGES
from serving.store.audit import Event
from serving.store.rights import object_to_scores
from serving.store.tables import Student
from serving.store.weeks import Store, invited_students, latest_week, now
from serving.telling import TEXTS
from tests.serving.api.test_kept_scores import bearer, keeping
from tests.serving.conftest import MONDAY, Place, entered, let_in

KEY = b"k" * 32


def sent(student: str) -> dict[str, Any]:
    """Give a request of one student to score and keep, with an enrolment of their own."""
    body = keeping(student_id=student)
    body["students"][0]["enrolment"]["enrolment_id"] = f"e-of-{student}"
    return body


@pytest.fixture
def machine(client: TestClient) -> TestClient:
    name = f"rights-{now():%H%M%S%f}"
    client.headers.update(bearer(client, name, "scores:compute", "scores:keep", "scores:read", "rights:handle"))
    return client


def test_from_an_objection_on_there_is_no_score_until_it_is_withdrawn(machine: TestClient) -> None:
    of, body = "/v1/students/s-objector/objection", sent("s-objector")
    assert machine.post("/v1/scores", json=body).json()["results"][0]["scores"]
    answer = machine.post(of, headers={"Accept-Language": "en"}).json()
    assert (answer["objected"], answer["known"], len(answer["stays"])) == (True, True, 3)
    result = machine.post("/v1/scores", json=body, headers={"Accept-Language": "en"}).json()["results"][0]
    assert (result["scores"], result["not_scored"], result["kept"]) == ({}, "objected", False)
    assert "objected" in result["detail"]
    ready = {"students": [{"enrolment_id": "e-of-s-objector", "landmark": 56, "features": {}}]}
    assert machine.post("/v1/scores", json=ready).json()["results"][0]["not_scored"] == "objected"
    assert len(machine.get("/v1/students/s-objector/scores").json()["scores"]) > 0
    assert machine.delete(of).json()["objected"] is False
    assert machine.post("/v1/scores", json=body).json()["results"][0]["scores"]


def test_an_objection_costs_the_others_of_a_call_nothing(machine: TestClient) -> None:
    machine.post("/v1/students/s-one-of-two/objection")
    one, other = sent("s-one-of-two"), sent("s-other-of-two")
    one["students"] += other["students"]
    results = machine.post("/v1/scores", json=one).json()["results"]
    assert [bool(result["scores"]) for result in results] == [False, True]
    assert [result["kept"] for result in results] == [False, True]


def test_an_erasure_says_what_stays_and_why_and_leaves_nothing_to_read(machine: TestClient) -> None:
    body = sent("s-wisser")
    machine.post("/v1/scores", json=body)
    answer = machine.delete("/v1/students/s-wisser", headers={"Accept-Language": "nl"})
    told = answer.json()
    assert answer.headers["Content-Language"] == "nl"
    assert told["scores"] > 0
    assert told["name_and_enrolments"] is True
    assert ["AVG" in each["why"] for each in told["kept"]] == [True, True, False]
    assert machine.get("/v1/students/s-wisser/scores").status_code == 404
    assert machine.post("/v1/scores", json=body).json()["results"][0]["not_scored"] == "objected"
    held = machine.get("/v1/students/s-wisser/data").json()["held"]
    assert [section["title"] for section in held] == ["Wie wat zag of deed"]


def test_all_that_is_held_and_who_saw_it_are_told_in_both_languages(machine: TestClient) -> None:
    machine.post("/v1/scores", json=sent("s-reader"))
    machine.get("/v1/students/s-reader/scores")
    for language, figures, read in (
        ("nl", "Cijfers van een model", "las je cijfers"),
        ("en", "Figures that a model gave", "read your figures"),
    ):
        data = machine.get("/v1/students/s-reader/data", headers={"Accept-Language": language})
        assert data.headers["Cache-Control"] == "no-store"
        assert figures in [section["title"] for section in data.json()["held"]]
        seen = machine.get("/v1/students/s-reader/seen", headers={"Accept-Language": language}).json()["events"]
        assert any(read in event.values() for event in seen)


def test_the_privacy_officer_handles_rights_and_sees_no_page_of_students(place: Place) -> None:
    with TestClient(create_app(place.settings())) as client:
        let_in(client, "officer", frozenset({Role.PRIVACY_OFFICER}))
        [asked] = client.get("/v1/students/s-nobody/data").json()["held"]
        assert [row["wat"] for row in asked["rows"]] == ["las voor jou alles wat er van je is"] * len(asked["rows"])
        assert client.get("/", headers={"Accept": "text/html"}).status_code == 403


def test_both_languages_have_the_same_texts_and_every_event_about_a_student_has_words() -> None:
    def keys(told: dict[str, object], above: str = "") -> set[str]:
        return {
            name
            for key, value in told.items()
            for name in (keys(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}"})
        }

    assert len({frozenset(keys(TEXTS[language])) for language in LANGUAGES}) == 1
    about_all = {"person:", "operator:token", "operator:stand-in", "operator:keys", "operator:audit", "rights:list", "rights:notes"}
    about_all |= {"operator:retention", "operator:year", "api:run:", "page:overview:"}
    about_one = {str(event) for event in Event if not event.startswith(tuple(about_all))}
    assert about_one == set(TEXTS["nl"]["event"])


def test_who_objected_is_invited_by_the_first_test_without_a_score_and_their_page_says_so(place: Place, tmp_path: Path) -> None:
    workspace, data = Workspace(tmp_path / "workspace"), tmp_path / "data"
    shutil.copytree(place.workspace.folder, workspace.folder)
    shutil.copytree(place.data, data)
    policy = data / "policy.toml"
    told = policy.read_text(encoding="utf-8") if policy.exists() else ""
    policy.write_text('always_invite = ["first_test_failed_or_missed"]\n' + told, encoding="utf-8")
    listed = first_test_list(load_dataset(data), MONDAY, "en")
    failed, passed = listed["first_test"]["student_id"].iloc[0], listed["others"]["student_id"].iloc[0]
    on = MONDAY + dt.timedelta(days=1)
    objections = Objections(KEY, frozenset(digest_of(KEY, each) for each in (failed, passed)))
    with in_force(Source(lambda: (objections,), lambda _: None)):
        publish_week(data, workspace, on)
    with entered(place.settings(store_url=workspace.store_url, keys_file=workspace.keys, audit_heads=workspace.audit_heads)) as client:
        store: Store = client.app.state.store  # type: ignore[attr-defined]
        with store.session() as session:
            week = latest_week(session)
            assert week is not None
            found = {each.student_id: each for each in invited_students(session, store.keys, week, None)}
        row: Student = found[failed].row
        assert (row.way, row.probability, row.rank) == ("rule", None, 0)
        assert passed not in found
        page = client.get(f"/students/{found[failed].enrolment_id}", headers={"Accept": "text/html", "Accept-Language": "en"})
        assert page.status_code == 200
        assert "objected to being scored" in page.text
        assert "Nothing in the data stands out" not in page.text
        assert "No attendance is registered" not in page.text
        assert TEXTS_OF_PAGES["en"]["by_rule"] in client.get("/", headers={"Accept": "text/html", "Accept-Language": "en"}).text
        routed = [
            each for each in client.get("/v1/invitations", params={"limit": 500}).json()["invitations"] if each["student_id"] == failed
        ]
        assert routed[-1]["routing"]["probability"] is None
        with Session(store.engine) as session, session.begin():
            object_to_scores(session, store.keys, next(iter(set(found) - {failed})), actor="officer", at=now())
        assert len(client.get("/v1/invitations", params={"limit": 500}).json()["invitations"]) > 0
