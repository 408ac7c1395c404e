"""Scores that a caller has kept: only at their word and under a scope of its own, with an event for each student, and not of who was erased."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from serving.access.tokens import make_token
from serving.store.audit import Event, events_about, verify
from serving.store.people import STUDENT, erase, find_person
from serving.store.scores import read_history
from serving.store.sealing import reasons_of
from serving.store.tables import Score
from serving.store.weeks import Store, now
from tests.serving.test_scores import request


def bearer(client: TestClient, name: str, *scopes: str) -> dict[str, str]:
    """Give the header of a fresh token."""
    store: Store = client.app.state.store  # type: ignore[attr-defined]
    with Session(store.engine) as session, session.begin():
        return {"Authorization": f"Bearer {make_token(session, name, scopes, 30, at=now(), by='test').text}"}


def history(client: TestClient, student: str) -> list[Score]:
    store: Store = client.app.state.store  # type: ignore[attr-defined]
    with store.session() as session:
        person = find_person(session, store.keys, student)
        return [] if person is None else list(read_history(session, person.id, most=100))


def keeping(**changes: Any) -> dict[str, Any]:
    return {**request(**changes), "keep": True}


def test_scores_are_kept_when_asked_and_not_otherwise(client: TestClient) -> None:
    headers = bearer(client, "keeps-one", "scores:compute", "scores:keep")
    [told] = client.post("/v1/scores", json=request(student_id="s-kept"), headers=headers).json()["results"]
    assert (told["kept"], history(client, "s-kept")) == (False, [])
    [told] = client.post("/v1/scores", json=keeping(student_id="s-kept"), headers={**headers, "Accept-Language": "en"}).json()["results"]
    assert told["kept"]
    kept = {score.target: score for score in history(client, "s-kept")}
    assert kept.keys() == told["scores"].keys()
    for target, score in told["scores"].items():
        own = kept[target]
        assert (own.probability, own.low, own.model) == (score["probability"], score["interval"]["low"], score["model"])
        assert (str(own.on), own.day, own.landmark) == ("2026-11-02", told["day"], told["landmark"])
        with client.app.state.store.session() as session:  # type: ignore[attr-defined]
            reasons = reasons_of(session.merge(own), client.app.state.store.keys)  # type: ignore[attr-defined]
        assert [reason["text"] for reason in reasons] == [{"en": reason["text"]} for reason in score["reasons"]]


def test_keeping_needs_a_scope_of_its_own(client: TestClient) -> None:
    answer = client.post("/v1/scores", json=keeping(student_id="s-refused"), headers=bearer(client, "keeps-not", "scores:compute"))
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/not-allowed")
    assert history(client, "s-refused") == []


def test_ready_features_are_kept_only_where_it_is_told_whose_they_are(client: TestClient) -> None:
    features = {"landmark": 56, "features": {}}
    students = [{**features, "enrolment_id": "e-1"}, {**features, "enrolment_id": "e-2", "student_id": "s-ready"}]
    headers = bearer(client, "keeps-ready", "scores:compute", "scores:keep")
    first, second = client.post("/v1/scores", json={"students": students, "keep": True}, headers=headers).json()["results"]
    assert [error["pointer"] for error in first["problem"]["errors"]] == ["/students/0/student_id"]
    assert second["kept"]
    assert {(score.on, score.day, score.landmark) for score in history(client, "s-ready")} == {(None, None, 56)}


def test_keeping_is_told_to_the_audit_trail_with_who_asked(client: TestClient) -> None:
    client.post("/v1/scores", json=keeping(student_id="s-audit"), headers=bearer(client, "keeps-audit", "scores:compute", "scores:keep"))
    store: Store = client.app.state.store  # type: ignore[attr-defined]
    with store.session() as session:
        [event] = events_about(session, store.keys.digest(STUDENT, "s-audit"))
    assert (event.event, event.actor) == (Event.API_SCORES_KEPT, store.keys.digest("actor", "token:keeps-audit"))
    assert verify(store.engine, store.keys).faults == ()


def test_of_a_student_who_was_erased_nothing_is_kept(client: TestClient) -> None:
    headers = bearer(client, "keeps-erased", "scores:compute", "scores:keep")
    client.post("/v1/scores", json=keeping(student_id="s-erased"), headers=headers)
    store: Store = client.app.state.store  # type: ignore[attr-defined]
    with Session(store.engine) as session, session.begin():
        person = find_person(session, store.keys, "s-erased")
        assert person is not None
        erase(person, now())
    before = len(history(client, "s-erased"))
    body = keeping(student_id="s-erased")
    body["students"] += request(enrolment_id="e2", student_id="s-other")["students"]
    answers = client.post("/v1/scores", json=body, headers=headers).json()["results"]
    assert [each["kept"] for each in answers] == [False, True]
    assert len(history(client, "s-erased")) == before
