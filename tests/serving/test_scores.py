"""`POST /v1/scores`: what a student-services' system sends and gets, and what it is told when it sends something wrong."""

from __future__ import annotations

import copy
import json
import logging
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.champion import read_champions
from riskmodel.contract.dataset import load_dataset
from riskmodel.features import build_features
from riskmodel.window import cut
from serving.app import create_app
from tests.serving.conftest import Place, entered, let_in

RAW: dict[str, Any] = {
    "enrolment": {
        "enrolment_id": "e1",
        "student_id": "s1",
        "cohort": "2026-2027",
        "programme": "Verpleegkunde",
        "start_date": "2026-09-01",
        "enrolled_on": "2026-06-14",
        "prior_education": "havo",
    },
    "attendance": [{"date": "2026-10-26", "scheduled": 1, "attended": 1}, {"date": "2026-10-28", "scheduled": 1, "attended": 0}],
    "results": [{"date": "2026-10-05", "known_on": "2026-10-15", "course": "vak 1", "test": "tussentoets", "grade": 4.8, "credits": 2}],
}


def request(**changes: Any) -> dict[str, Any]:
    student = copy.deepcopy(RAW)
    student["enrolment"] |= changes
    return {"on": "2026-11-02", "students": [student]}


def pointers(answer: Any) -> set[str]:
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    return {error["pointer"] for error in answer.json()["errors"]}


def own_pointers(answer: Any) -> set[str]:
    """Where students themselves are at fault, in a request that as a whole is not."""
    assert answer.status_code == 200
    found = set()
    for result in answer.json()["results"]:
        if result["problem"] is not None:
            assert (result["problem"]["type"], result["problem"]["status"], result["scores"]) == ("/problems/invalid-student", 422, {})
            found |= {error["pointer"] for error in result["problem"]["errors"]}
    return found


def test_raw_rows_get_a_probability_and_reasons_for_each_target(client: TestClient) -> None:
    answer = client.post("/v1/scores", json=request())
    assert answer.status_code == 200
    [result] = answer.json()["results"]
    assert (result["enrolment_id"], result["day"], result["landmark"], result["not_scored"]) == ("e1", 62, 56, None)
    assert set(result["scores"]) == {"dropout", "leave"}
    for target, scores in result["scores"].items():
        assert 0 < scores["probability"] < 1
        assert scores["model"] == f"{target}-1"
        assert "van de 100" in scores["natural_frequency"]
        assert scores["reasons"]
    assert answer.headers["content-language"] == "nl"


def test_a_probability_is_the_baseline_and_all_contributions(client: TestClient, place: Place) -> None:
    dataset = load_dataset(place.data)
    frame = build_features(cut(dataset.tables, place.on), dataset.definition)
    frame = frame[frame["cut_day"] >= 56].head(3)
    models = read_champions(place.workspace.champion)
    names = list(next(iter(models.values())).catalogue)
    students = []
    for row in frame.to_dict(orient="records"):
        features = {
            name: None if row[name] is None or (isinstance(row[name], float) and np.isnan(row[name])) else row[name] for name in names
        }
        students.append({"enrolment_id": row["enrolment_id"], "landmark": 56, "features": features})
    answer = client.post("/v1/scores", json={"students": students})
    for target, model in models.items():
        told = [result["scores"][target]["probability"] for result in answer.json()["results"]]
        assert told == pytest.approx(list(model.probability(frame, 56)), abs=1e-9)


@pytest.mark.parametrize(
    ("header", "language"),
    [("nl", "nl"), ("en-GB,en;q=0.9", "en"), ("de, en;q=0.5, nl;q=0.4", "en"), ("de", "nl"), ("en;q=0", "nl"), ("en;q=x", "nl")],
)
def test_reasons_come_in_the_language_asked_for(client: TestClient, header: str, language: str) -> None:
    answer = client.post("/v1/scores", json=request(), headers={"Accept-Language": header})
    assert answer.headers["content-language"] == language
    frequency = answer.json()["results"][0]["scores"]["leave"]["natural_frequency"]
    assert frequency.startswith("In eerdere jaren" if language == "nl" else "In earlier years")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"start_date": "2026-10-28"}, "before_first_landmark"),
        ({"start_date": "2026-11-09"}, "not_started"),
        ({"start_date": "2026-02-01"}, "after_last_day"),
        ({"left_on": "2026-10-01", "left_known_on": "2026-10-10"}, "left"),
    ],
)
def test_a_student_who_cannot_be_scored_gets_the_reason(client: TestClient, changes: dict[str, str], reason: str) -> None:
    body = request(**changes)
    body["students"][0]["attendance"] = []
    body["students"][0]["results"] = []
    [result] = client.post("/v1/scores", json=body).json()["results"]
    assert result["not_scored"] == reason
    assert result["detail"]
    assert result["scores"] == {}


def test_a_leaving_that_is_not_known_yet_does_not_stop_a_score(client: TestClient) -> None:
    [result] = client.post("/v1/scores", json=request(left_on="2026-10-01", left_known_on="2026-12-01")).json()["results"]
    assert result["not_scored"] is None


def test_each_fault_is_named_with_its_place(client: TestClient) -> None:
    body = request(start_date="31 september", birth_date="2000-01-01")
    del body["students"][0]["enrolment"]["programme"]
    body["students"][0]["attendance"][1]["attended"] = -1
    assert own_pointers(client.post("/v1/scores", json=body)) == {
        "/students/0/enrolment/start_date",
        "/students/0/enrolment/birth_date",
        "/students/0/enrolment/programme",
        "/students/0/attendance/1/attended",
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda student: student["results"][0].update(grade=11), "/students/0/results/0/grade"),
        (lambda student: student["results"][0].update(grade="ZG"), "/students/0/results/0/grade"),
        (lambda student: student["attendance"][0].update(attended=3), "/students/0/attendance/0/attended"),
        (lambda student: student["enrolment"].update(prior_education="lagere school"), "/students/0/enrolment/prior_education"),
        (lambda student: student.update(extra={"clicks": [{"date": "2026-10-01", "value": 3}]}), "/students/0/extra/clicks"),
    ],
)
def test_what_the_contract_refuses_is_refused_with_its_place(client: TestClient, change: Any, told: str) -> None:
    body = request()
    change(body["students"][0])
    found = own_pointers(client.post("/v1/scores", json=body))
    assert told in found


def test_faults_of_all_students_are_told_at_once(client: TestClient) -> None:
    body = request()
    for place in (1, 2):
        [other] = request(enrolment_id=f"e{place + 1}", prior_education="lagere school")["students"]
        body["students"].append(other)
    body["students"].append(request()["students"][0])
    assert own_pointers(client.post("/v1/scores", json=body)) == {
        "/students/1/enrolment/prior_education",
        "/students/2/enrolment/prior_education",
        "/students/3",
    }


def test_a_fault_in_one_student_costs_no_other_theirs(client: TestClient) -> None:
    body = request()
    students = body["students"]
    students += request(enrolment_id="e2", prior_education="lagere school")["students"]
    students += [
        {"enrolment_id": "e3", "landmark": 56, "features": {}},
        {"enrolment_id": "e4", "landmark": 57, "features": {}},
        "nobody",
        None,
    ]
    students += request(enrolment_id="e5", start_date="2026-10-28")["students"] + request(enrolment_id="e6")["students"]
    students[-2] |= {"attendance": [], "results": []}
    results = client.post("/v1/scores", json=body).json()["results"]
    assert [result["enrolment_id"] for result in results] == ["e1", "e2", "e3", "e4", None, None, "e5", "e6"]
    assert [bool(result["scores"]) for result in results] == [True, False, True, False, False, False, False, True]
    assert [result["problem"] is not None for result in results] == [False, True, False, True, True, True, False, False]
    assert results[6]["not_scored"] == "before_first_landmark"


def test_students_together_get_what_each_gets_alone(client: TestClient, place: Place) -> None:
    dataset = load_dataset(place.data)
    students = []
    enrolments = dataset.tables.enrolments.collect(backend="pandas").to_native()
    for number, row in enumerate(enrolments[enrolments["cohort"] == "2026-2027"].head(12).to_dict(orient="records")):
        [student] = request(enrolment_id=row["enrolment_id"], programme=row["programme"], prior_education=row["prior_education"])[
            "students"
        ]
        student["enrolment"]["start_date"] = f"2026-09-{1 + number % 3:02}"
        student["enrolment"]["cohort"] = "2026-2027" if number % 4 else "2031-2032"
        student["attendance"] = [*student["attendance"][: number % 3], {"date": "2026-10-12", "scheduled": 6, "attended": number % 7}]
        students.append(student)
    together = client.post("/v1/scores", json={"on": "2026-11-02", "students": students}).json()["results"]
    for student, result in zip(students, together, strict=True):
        [alone] = client.post("/v1/scores", json={"on": "2026-11-02", "students": [student]}).json()["results"]
        for target, score in alone["scores"].items():
            other = result["scores"].pop(target)
            for figure in ("probability", "baseline"):
                assert other.pop(figure) == pytest.approx(score.pop(figure), abs=1e-9)
            assert [other["interval"].pop(end) for end in ("low", "high")] == pytest.approx(
                [score["interval"].pop(end) for end in ("low", "high")]
            )
            contributions = [[reason.pop("contribution") for reason in each["reasons"]] for each in (other, score)]
            assert contributions[0] == pytest.approx(contributions[1], abs=1e-9)
            assert other == score


def test_more_students_than_the_service_takes_are_refused_as_a_whole(client: TestClient) -> None:
    student = {"enrolment_id": "e", "landmark": 56, "features": {}}
    assert pointers(client.post("/v1/scores", json={"students": [student] * 1001})) == {"/students"}
    results = client.post("/v1/scores", json={"students": [{**student, "enrolment_id": f"e{n}"} for n in range(1000)]}).json()["results"]
    assert len(results) == 1000
    assert all(result["scores"] for result in results)


@pytest.mark.parametrize(
    ("body", "kind", "detail"),
    [
        ('{"students": [', "application/json", "This is no JSON: Expecting value, at character 14."),
        ('{"students": []}', "text/plain", "The body should be a JSON object, sent with Content-Type: application/json."),
        ("", "application/json", "The body should be a JSON object, sent with Content-Type: application/json."),
    ],
)
def test_a_body_that_is_no_json_object_is_told_as_a_whole(client: TestClient, body: str, kind: str, detail: str) -> None:
    answer = client.post("/v1/scores", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "", "detail": detail}]


def test_raw_rows_without_a_day_are_at_fault_and_ready_features_beside_them_are_not(client: TestClient) -> None:
    body = request()
    del body["on"]
    body["students"].append({"enrolment_id": "e2", "landmark": 56, "features": {}})
    answer = client.post("/v1/scores", json=body)
    assert own_pointers(answer) == {"/on"}
    assert answer.json()["results"][1]["scores"]


def test_ready_features_must_be_in_the_catalogue(client: TestClient) -> None:
    features = {"shoe/size": 43, "prior_education": "gymnasium", "attendance_share": "often"}
    answer = client.post("/v1/scores", json={"students": [{"enrolment_id": "x", "landmark": 57, "features": features}]})
    at = "/students/0"
    names = ("shoe~1size", "prior_education", "attendance_share")
    assert own_pointers(answer) == {f"{at}/landmark", *(f"{at}/features/{name}" for name in names)}


def test_the_same_enrolment_twice_is_refused(client: TestClient) -> None:
    body = request()
    body["students"] *= 2
    assert own_pointers(client.post("/v1/scores", json=body)) == {"/students/1"}


@pytest.mark.parametrize(
    "text", ['{"students": NaN}', '{"students"', "", "[" * 100_000, '{"on": "2026-11-02", "students": []}', '"x"', "null"]
)
def test_hostile_bodies_are_refused_and_never_break_the_service(client: TestClient, text: str) -> None:
    answer = client.post("/v1/scores", content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(client: TestClient, number: str) -> None:
    text = json.dumps(request()).replace("4.8", number)
    answer = client.post("/v1/scores", content=text, headers={"Content-Type": "application/json"})
    assert own_pointers(answer) == {"/students/0/results/0/grade"}


def test_a_body_over_the_limit_is_refused_even_without_a_length(place: Place) -> None:
    with entered(place.settings(most_bytes=2000)) as client:
        assert client.post("/v1/scores", json={"students": ["x" * 3000]}).status_code == 413
        chunks = (b"x" * 500 for _ in range(10))
        answer = client.post("/v1/scores", content=chunks, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
        assert client.post("/v1/scores", json=request()).status_code == 200


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=10,
    )
)
def test_no_body_whatever_gets_a_server_error(place: Place, body: Any) -> None:
    client = _shared(place)
    answer = client.post("/v1/scores", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)


_clients: dict[str, TestClient] = {}


def _shared(place: Place) -> TestClient:
    key = str(place.data)
    if key not in _clients:
        _clients[key] = TestClient(create_app(place.settings()))
        let_in(_clients[key])
    return _clients[key]


def test_no_name_grade_or_score_is_ever_logged(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with entered(place.settings()) as client:
        body = request(student_id="canary-student", programme="canary-programme")
        body["students"][0]["results"][0]["grade"] = 3.7
        probability = client.post("/v1/scores", json=body).json()["results"][0]["scores"]["leave"]["probability"]
        body["students"][0]["results"][0]["grade"] = "canary-grade"
        client.post("/v1/scores", json=body)
        client.get("/students/canary-page")
    own = [record.getMessage() for record in caplog.records if not record.name.startswith("httpx")]
    assert not [line for line in own if "canary" in line or "3.7" in line or str(probability) in line]
