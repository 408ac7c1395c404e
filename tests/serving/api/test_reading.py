"""What other systems read: a student's history, invitations to follow, models and their cards, and the catalogue; page by page, and only when changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from riskmodel.champion import read_champions
from serving.access.scopes import Role
from serving.store.audit import Event, events_about, verify
from serving.store.changes import begin_epoch
from serving.store.people import STUDENT, erase, find_person
from serving.store.weeks import Store, coaches_with_invited, invited_students, latest_week, logins_of, now
from tests.serving.api.test_kept_scores import bearer, keeping
from tests.serving.conftest import Place, let_in


@pytest.fixture
def machine(client: TestClient, request: pytest.FixtureRequest) -> TestClient:
    """A client that is a machine which may read."""
    number = abs(hash(request.node.name)) % 10**9
    headers = bearer(client, f"reads-{number}", "scores:compute", "scores:keep", "scores:read", "invitations:read", "models:read")
    client.cookies.clear()
    client.headers.update(headers)
    return client


def store_of(client: TestClient) -> Store:
    store: Store = client.app.state.store  # type: ignore[attr-defined]
    return store


def follow(client: TestClient, **parameters: Any) -> Iterator[dict[str, Any]]:
    page = client.get("/v1/invitations", params=parameters).json()
    yield from page["invitations"]
    while page["more"]:
        page = client.get("/v1/invitations", params={**parameters, "cursor": page["next_cursor"]}).json()
        yield from page["invitations"]


def test_a_students_history_has_what_lists_and_requests_gave_page_by_page(machine: TestClient) -> None:
    someone = next(follow(machine))
    number = someone["student_id"]
    machine.post("/v1/scores", json=keeping(student_id=number, enrolment_id=someone["enrolment_id"]))
    whole = machine.get(f"/v1/students/{number}/scores").json()
    assert (whole["student_id"], whole["next_cursor"]) == (number, None)
    assert [score["source"] for score in whole["scores"]][:2] == ["request", "request"]
    listed = [score for score in whole["scores"] if score["source"] == "publish"]
    assert {score["enrolment_id"] for score in whole["scores"]} == {someone["enrolment_id"]}
    assert listed[-1]["probability"] == someone["routing"]["probability"]
    assert listed[-1]["interval"]["low"] <= listed[-1]["probability"] <= listed[-1]["interval"]["high"]
    assert listed[-1]["reasons"][0]["text"].keys() == {"nl", "en"}
    seen, cursor = [], None
    while True:
        page = machine.get(f"/v1/students/{number}/scores", params={"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
        assert len(page["scores"]) == 1
        seen += page["scores"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == whole["scores"]


def test_a_cursor_of_one_student_is_none_of_another(machine: TestClient) -> None:
    one, other = list({each["student_id"]: None for each in follow(machine)})[:2]
    machine.post("/v1/scores", json=keeping(student_id=one))
    cursor = machine.get(f"/v1/students/{one}/scores", params={"limit": 1}).json()["next_cursor"]
    for path in (f"/v1/students/{other}/scores", "/v1/invitations"):
        answer = machine.get(path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/bad-cursor")
    payload, signature = cursor.rsplit(".", 1)  # the last sign of a signature may stand for the same bytes as another
    changed = f"{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    for wrong in (changed, "", "1", "x" * 600):
        assert machine.get(f"/v1/students/{one}/scores", params={"cursor": wrong}).status_code == 422


def test_an_unknown_and_an_erased_student_are_told_alike(machine: TestClient) -> None:
    machine.post("/v1/scores", json=keeping(student_id="s-erased-history"))
    store = store_of(machine)
    assert machine.get("/v1/students/s-erased-history/scores").status_code == 200
    with Session(store.engine) as session, session.begin():
        person = find_person(session, store.keys, "s-erased-history")
        assert person is not None
        erase(person, now())
    erased, unknown = (machine.get(f"/v1/students/{each}/scores") for each in ("s-erased-history", "s-nobody"))
    assert (erased.status_code, erased.json()) == (unknown.status_code, unknown.json())
    assert unknown.json()["type"] == "/problems/not-found"


def test_a_coach_reads_the_history_of_own_students_alone(place: Place, client: TestClient) -> None:
    store = store_of(client)
    with store.session() as session:
        week = latest_week(session)
        assert week is not None
        logins = {login: coach for login, coach in logins_of(week, store.keys).items() if coaches_with_invited(session, week).get(coach)}
        login, coach = next(iter(logins.items()))
        mine = invited_students(session, store.keys, week, {coach})
        theirs = invited_students(session, store.keys, week, set(logins.values()) - {coach})
    client.cookies.clear()
    let_in(client, login, frozenset({Role.COACH}))
    assert client.get(f"/v1/students/{mine[0].student_id}/scores").status_code == 200
    unseen, unknown = (client.get(f"/v1/students/{each}/scores") for each in (theirs[0].student_id, "s-nobody"))
    assert (unseen.status_code, unseen.json()) == (unknown.status_code, unknown.json())
    assert unseen.status_code == 404
    assert client.get("/v1/invitations").status_code == 403


def test_reading_is_on_the_audit_trail(machine: TestClient) -> None:
    someone = next(follow(machine, limit=1))
    machine.get(f"/v1/students/{someone['student_id']}/scores")
    store = store_of(machine)
    with store.session() as session:
        events = [event.event for event in events_about(session, store.keys.digest(STUDENT, someone["student_id"]))]
    assert events[-1] == Event.API_SCORES_READ
    assert Event.API_INVITATIONS_READ in events
    assert verify(store.engine, store.keys).faults == ()


def test_invitations_tell_who_was_routed_to_whom_and_why(machine: TestClient, place: Place) -> None:
    told = list(follow(machine, limit=7))
    assert len({each["id"] for each in told}) == len(told)
    assert {each["on"] for each in told} == {str(place.on - dt.timedelta(days=7)), str(place.on)}
    store = store_of(machine)
    with store.session() as session:
        week = latest_week(session)
        assert week is not None
        listed = {each.enrolment_id: each for each in invited_students(session, store.keys, week, None)}
    newest = {each["enrolment_id"]: each for each in told if each["on"] == str(place.on)}
    assert newest.keys() == listed.keys()
    for identity, each in newest.items():
        row = listed[identity].row
        assert (each["state"], each["student_id"]) == ("invited", listed[identity].student_id)
        assert (each["routing"]["rank"], each["routing"]["way"], each["coach"]["id"]) == (row.rank, row.way, row.coach_id)
        assert each["routing"]["model"] == "leave-1"
        assert each["routing"]["reasons"]


def test_a_follower_goes_on_from_its_cursor_and_a_restored_store_says_to_begin_anew(machine: TestClient) -> None:
    end = machine.get("/v1/invitations", params={"limit": 500}).json()
    assert not end["more"]
    again = machine.get("/v1/invitations", params={"cursor": end["next_cursor"]}).json()
    assert (again["invitations"], again["more"]) == ([], False)
    with store_of(machine).engine.begin() as connection:
        begin_epoch(connection)
    answer = machine.get("/v1/invitations", params={"cursor": end["next_cursor"]})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/bad-cursor")
    assert "restored" in answer.json()["detail"]


def test_a_follower_may_begin_at_a_moment(machine: TestClient) -> None:
    everything = list(follow(machine))
    second = next(each for each in everything if each["on"] != everything[0]["on"])
    assert [each["id"] for each in follow(machine, changed_since=second["changed_at"])] == [
        each["id"] for each in everything if each["changed_at"] >= second["changed_at"]
    ]
    assert list(follow(machine, changed_since="2999-01-01T00:00:00Z")) == []
    without_zone = machine.get("/v1/invitations", params={"changed_since": "2026-11-02T00:00:00"})
    assert (without_zone.status_code, without_zone.json()["errors"][0]["pointer"]) == (422, "/query/changed_since")


def test_models_have_the_facts_of_their_cards(machine: TestClient, place: Place) -> None:
    models = machine.get("/v1/models").json()["models"]
    assert [each["name"] for each in models] == ["dropout", "leave"]
    champions = read_champions(place.workspace.champion)
    for each in models:
        card = machine.get(f"/v1/models/{each['name']}").json()
        facts = champions[each["name"]].facts
        assert card.items() >= each.items()
        assert (card["trained_on"], card["students"], card["fingerprint"]) == (list(facts.trained_on), facts.students, facts.fingerprint)
        assert card["measured"]["56"]["roc_auc"] > 0.6
        assert card["features"] == list(champions[each["name"]].catalogue)
    assert machine.get("/v1/models/nobody").json()["type"] == "/problems/not-found"


def test_every_feature_has_its_justification_and_its_models(machine: TestClient) -> None:
    told = {each["name"]: each for each in machine.get("/v1/features").json()["features"]}
    assert all(each["justification"] and each["label"].keys() == {"nl", "en"} for each in told.values())
    assert {name for name, each in told.items() if "leave" in each["models"]} == set(machine.get("/v1/models/leave").json()["features"])


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/leave", "/v1/features", "/v1/invitations"])
def test_who_has_the_answer_already_is_told_so_without_it(machine: TestClient, path: str) -> None:
    first = machine.get(path)
    tag = first.headers["etag"]
    for held in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = machine.get(path, headers={"If-None-Match": held})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert machine.get(path, headers={"If-None-Match": '"other"'}).content == first.content
    assert first.headers["cache-control"] == ("no-store" if "invitations" in path else "private, no-cache")


def test_a_parameter_that_is_not_known_is_refused_by_its_name(machine: TestClient) -> None:
    answer = machine.get("/v1/invitations", params={"cursur": "x", "limit": 1})
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, ["/query/cursur"])
    assert machine.get("/v1/models", params={"limit": 1}).status_code == 422


def test_what_is_nothing_is_not_tagged(machine: TestClient) -> None:
    assert "etag" not in machine.get("/v1/models/nobody").headers
    assert "etag" not in machine.post("/v1/scores", json=keeping()).headers
