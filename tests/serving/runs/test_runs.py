"""Runs through the API: the numbers of `riskmodel score`, each student once, pages and files, keys, cancelling, and who may what."""

from __future__ import annotations

import datetime as dt
import io
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from riskmodel.champion import read_champions
from riskmodel.contract.dataset import load_dataset
from riskmodel.handed_out import MARKS, PURPOSES, read_listing
from riskmodel.output import write_output
from riskmodel.policy import read_policy
from riskmodel.scoring import as_tables, score_dataset
from serving.store import runs
from serving.store.audit import Event, events_about, verify
from serving.store.people import STUDENT, erase, find_person
from serving.store.tables import AuditEvent, Run, Score
from serving.store.weeks import now
from serving.working import Worker
from tests.serving.conftest import MONDAY, Place
from tests.serving.runs.conftest import HEAVY, Service


def by_command(place: Place, output: Path) -> dict[str, pd.DataFrame]:
    """Score as `riskmodel score` does, and give its tables."""
    models = read_champions(place.workspace.champion)
    dataset = load_dataset(place.data)
    target = read_policy(place.data).target
    tables = as_tables(
        score_dataset(dataset, models, MONDAY, ranked_by=target), models, dataset.definition, "en", explained=target
    )  # fmt: skip
    write_output(tables, output)
    return tables


@HEAVY
def test_a_run_gives_each_student_once_with_the_numbers_and_reasons_of_the_command(service: Service, tmp_path: Path) -> None:
    run = service.begin()
    assert service.told(run)["state"] == "waiting"
    service.work()
    told = service.told(run)
    assert told["state"] == "done", told
    tables = by_command(service.place, tmp_path / "by-command.csv")
    results = service.results(run, limit=37, **{"Accept-Language": "en"})
    assert len(results) == len({each["enrolment_id"] for each in results}) == told["students"]["done"] == told["students"]["total"]
    scored = {each["enrolment_id"]: each for each in results if each["scores"]}
    assert set(scored) == set(tables["scores"]["enrolment_id"])
    for row in tables["scores"].to_dict(orient="records"):
        own = scored[row["enrolment_id"]]
        assert (own["student_id"], own["day"], own["landmark"], own["rank"]) == (
            row["student_id"],
            row["day"],
            row["landmark"],
            row["rank"],
        )
        for target, score in own["scores"].items():
            assert score["probability"] == pytest.approx(row[f"probability_{target}"], abs=1e-12)
            assert score["interval"]["low"] == pytest.approx(row[f"probability_{target}_low"], abs=1e-12)
            assert score["model"] == row[f"model_{target}"]
        assert [reason["text"]["en"] for reason in own["scores"]["leave"]["reasons"]] == row["reasons"]
        assert all(reason["text"].keys() == {"nl", "en"} for reason in own["scores"]["dropout"]["reasons"])
    others = {each["enrolment_id"]: each["detail"] for each in results if not each["scores"]}
    assert others == dict(zip(tables["not_scored"]["enrolment_id"], tables["not_scored"]["reason"], strict=True))
    # As a file: the very table, with a water mark in every row that the list of what was handed out knows.
    file = service.client.get(f"/v1/score-runs/{run}/file", params={"purpose": "check"}, headers={"Accept-Language": "en"})
    given, made = (pd.read_csv(each, sep=";", dtype=str) for each in (io.BytesIO(file.content), tmp_path / "by-command.csv"))
    pd.testing.assert_frame_equal(given.drop(columns=list(MARKS)), made)
    [(purpose, at, by, mark)] = set(given[list(MARKS)].itertuples(index=False, name=None))
    [listed] = [each for each in read_listing(service.store.heads.with_name("handed-out.jsonl")) if each.mark == mark]
    assert (purpose, at, by, listed.rows) == (PURPOSES["check"], listed.at, listed.by, len(made))
    assert by.startswith("token:")
    parquet = service.client.get(f"/v1/score-runs/{run}/file", params={"format": "parquet"}, headers={"Accept-Language": "en"})
    found = pd.read_parquet(io.BytesIO(parquet.content))
    assert list(found.columns) == [*tables["scores"].columns, *MARKS]
    pd.testing.assert_frame_equal(found[["enrolment_id", "rank"]], tables["scores"][["enrolment_id", "rank"]], check_dtype=False)
    # What has ended can't be stopped, and nothing can be written twice.
    answer = service.client.post(f"/v1/score-runs/{run}/cancel")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/run-ended")
    with Session(service.store.engine) as session:
        score = session.scalars(select(Score).limit(1)).one()
        columns = {column.name: getattr(score, key) for key, column in Score.__mapper__.columns.items() if key != "id"}
        with pytest.raises(IntegrityError), session.begin_nested():
            session.execute(Score.__table__.insert().values(**columns))  # type: ignore[attr-defined]
    # In the student's history, and in the audit trail.
    someone = next(iter(scored.values()))
    history = service.client.get(f"/v1/students/{someone['student_id']}/scores").json()["scores"]
    assert {(each["target"], each["source"]) for each in history} == {("leave", "run"), ("dropout", "run")}
    with service.store.session() as session:
        events = {event.event for event in events_about(session, service.store.keys.digest(STUDENT, someone["student_id"]))}
    assert {Event.RUN_SCORES_KEPT, Event.API_SCORES_READ, Event.API_RUN_FILE_READ} <= events
    assert verify(service.store.engine, service.store.keys, service.store.heads).faults == ()
    lines = service.client.get("/metrics").text
    assert 'riskmodel_score_runs{state="done"} 1.0' in lines
    assert 'riskmodel_score_runs{state="waiting"} 0.0' in lines


def test_posts_with_one_key_give_one_run_however_many_come_at_once(service: Service) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: service.post(key="week-45"), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert answers[0].headers["location"] == f"/v1/score-runs/{answers[0].json()['id']}"
    other = service.post(key="week-45", on="2026-11-09")
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    # Another caller's keys are their own, and without a key each request is a run.
    theirs = service.client.post(
        "/v1/score-runs",
        json={"folder": "first-years", "on": "2026-11-09"},
        headers={**service.token("another", "runs:make"), "Idempotency-Key": "week-45"},
    )
    assert theirs.status_code == 202
    assert service.begin() != service.begin()
    with Session(service.store.engine) as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 4
        assert session.scalar(select(func.count()).select_from(AuditEvent).where(AuditEvent.event == Event.API_RUN_BEGUN)) == 4
        twice = session.scalars(select(Run).where(Run.key.is_not(None))).first()
        assert twice is not None
        with pytest.raises(IntegrityError), session.begin_nested():
            session.execute(update(Run).where(Run.seq != twice.seq).values(caller=twice.caller, key=twice.key))


@HEAVY
def test_a_run_that_waits_or_goes_on_can_be_stopped(service: Service) -> None:
    waits, goes = service.begin(), service.begin()
    assert service.client.post(f"/v1/score-runs/{waits}/cancel").json()["state"] == "cancelled"
    assert service.client.post(f"/v1/score-runs/{waits}/cancel").status_code == 200
    with service.thread(run_chunk=1):
        service.until(goes, lambda told: told["students"]["done"] > 3)
        assert service.client.post(f"/v1/score-runs/{goes}/cancel").json()["state"] == "cancelled"
        stopped = service.told(goes)["students"]["done"]
        time.sleep(0.3)
    told = service.told(goes)
    assert (told["state"], told["students"]["done"]) == ("cancelled", stopped)
    assert len(service.results(goes)) == stopped < told["students"]["total"]
    assert service.client.post("/v1/score-runs/none/cancel").status_code == 404
    assert service.client.get(f"/v1/score-runs/{goes}/file").json()["type"] == "/problems/run-not-done"


def test_a_worker_that_was_taken_for_dead_writes_nothing_more(service: Service) -> None:
    run = service.begin()
    store = service.store
    with Session(store.engine) as session, session.begin():
        [seq] = runs.waiting_runs(session)
    with Session(store.engine) as session, session.begin():
        assert runs.claim(session, seq, "first", now())
    with Session(store.engine) as session, session.begin():
        held = runs.heartbeats(session)[seq]
    with Session(store.engine) as session, session.begin():
        assert runs.claim(session, seq, "second", now(), held)
    with Session(store.engine) as session, session.begin():
        assert not runs.claim(session, seq, "third", now(), held)
    student = runs.NewStudent("s-late", "e-late", "2026-2027", "Social Work")
    with Session(store.engine, expire_on_commit=False) as session:
        row = session.get_one(Run, seq)
    for write in (
        lambda session: runs.beat(session, seq, "first", "scoring"),
        lambda session: runs.end_run(session, seq, "first", now()),
        lambda session: runs.release(session, seq, "first"),
        lambda session: runs.keep_chunk(session, store.keys, row, "first", [student], [], first=0, actor="test", at=now()),
        # Nor does the right worker from a place at which the run does not stand.
        lambda session: runs.keep_chunk(session, store.keys, row, "second", [student], [], first=5, actor="test", at=now()),
    ):
        with pytest.raises(runs.RunLost), Session(store.engine) as session, session.begin():
            write(session)
    assert service.told(run)["students"]["done"] == 0
    with store.session() as session:
        assert find_person(session, store.keys, "s-late") is None


@HEAVY
def test_a_run_goes_on_with_the_models_and_data_that_it_began_with(service: Service, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(service.place.data, data)
    settings = service.settings.model_copy(update={"run_folders": {"first-years": data}})
    run = service.begin()
    worker = Worker(settings, service.store, lambda done, total, what: worker.stop() if 0 < done < total else None)
    assert worker.do_one()
    told = service.told(run)
    assert (told["state"], told["students"]["done"]) == ("waiting", 40)  # asked to stop before the second part, which is still kept
    file = next(data.glob("attendance*"))
    pd.read_parquet(file).iloc[:-1].to_parquet(file) if file.suffix == ".parquet" else file.write_bytes(
        b"".join(file.read_bytes().splitlines(keepends=True)[:-1])
    )
    assert Worker(settings, service.store).do_one()
    told = service.told(run)
    assert (told["state"], told["problem"]["type"]) == ("failed", "/problems/data-changed")
    assert len(service.results(run)) == 40


def test_data_that_can_t_be_used_fail_the_run_and_only_who_may_begin_one_reads_why(service: Service, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(service.place.data, data)
    next(data.glob("enrolments*")).write_text("nothing\n")
    run = service.begin()
    Worker(service.settings.model_copy(update={"run_folders": {"first-years": data}}), service.store).do_one()
    told = service.told(run)
    assert (told["state"], told["problem"]["type"]) == ("failed", "/problems/data-faults")
    assert "enrolments" in told["problem"]["detail"]
    assert str(tmp_path) not in told["problem"]["detail"]
    seen = service.client.get(f"/v1/score-runs/{run}", headers=service.token("looks", "runs:read")).json()
    assert seen["problem"]["detail"] == "The data can't be used as they are."


@pytest.mark.slow
def test_of_a_student_who_was_erased_a_run_keeps_and_tells_nothing(service: Service) -> None:
    first = service.begin()
    service.work()
    gone = service.results(first)[0]["student_id"]
    with Session(service.store.engine) as session, session.begin():
        person = find_person(session, service.store.keys, gone)
        assert person is not None
        erase(person, now())
    second = service.begin()
    service.work()
    assert service.told(second)["students"]["left_out"] == 1
    for run in (first, second):
        assert gone not in {each["student_id"] for each in service.results(run)}
        assert gone not in service.client.get(f"/v1/score-runs/{run}/file").text


def test_each_thing_about_runs_needs_its_own_scope(service: Service) -> None:
    run = service.begin()
    calls: dict[tuple[str, str], str] = {
        ("POST", "/v1/score-runs"): "runs:make",
        ("POST", f"/v1/score-runs/{run}/cancel"): "runs:make",
        ("GET", "/v1/score-runs"): "runs:read",
        ("GET", f"/v1/score-runs/{run}"): "runs:read",
        ("GET", f"/v1/score-runs/{run}/results"): "scores:read",
        ("GET", f"/v1/score-runs/{run}/file"): "scores:read",
    }
    body = {"folder": "first-years", "on": MONDAY.isoformat()}
    for scope in ("runs:make", "runs:read", "scores:read", "scores:compute"):
        headers = service.token(f"only-{scope}".replace(":", "-"), scope)
        for (method, path), needed in calls.items():
            answer = service.client.request(method, path, json=body if method == "POST" else None, headers=headers)
            assert (answer.status_code == 403) == (scope != needed), (scope, method, path)


def test_runs_are_listed_newest_first_page_by_page(service: Service) -> None:
    made = [service.begin(on=(MONDAY + dt.timedelta(days=day)).isoformat()) for day in range(5)]
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = service.client.get("/v1/score-runs", params={"limit": 2, **cursor}).json()
        found += [run["id"] for run in page["runs"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == made[::-1]


@pytest.mark.slow
def test_results_can_be_followed_while_the_run_goes_on(service: Service) -> None:
    run = service.begin()
    cursor: dict[str, str] = {}
    found: list[str] = []
    with service.thread(run_chunk=7):
        while True:
            page = service.client.get(f"/v1/score-runs/{run}/results", params={"limit": 50, **cursor}).json()
            found += [each["enrolment_id"] for each in page["results"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
    assert page["state"] == "done"
    assert len(found) == len(set(found)) == service.told(run)["students"]["total"]


def test_a_body_that_is_not_as_it_should_be_is_a_problem_with_its_place(service: Service) -> None:
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({"json": {"folder": "second-years", "on": "2026-11-02"}}, 422, "/folder"),
        ({"json": {"folder": "../first-years", "on": "2026-11-02"}}, 422, "/folder"),
        ({"json": {"folder": "first-years", "on": "2026-13-02"}}, 422, "/on"),
        ({"json": {"folder": "first-years", "on": "2026-11-02", "path": "/etc"}}, 422, "/path"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, ""),
        ({"content": b"\xff" * 10, "headers": {"Content-Type": "application/json"}}, 422, ""),
        ({"content": b" " * 70_000, "headers": {"Content-Type": "application/json"}}, 413, ""),
        ({"content": b"on: today", "headers": {"Content-Type": "text/yaml"}}, 415, ""),
        (
            {"json": {"folder": "first-years", "on": "2026-11-02"}, "headers": {"Idempotency-Key": "k" * 201}},
            422,
            "/header/Idempotency-Key",
        ),
    ]
    for call, status, pointer in wrong:
        answer = service.client.post("/v1/score-runs", **call)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), call
        if pointer:
            assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    with Session(service.store.engine) as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 0


def test_while_too_many_runs_wait_no_other_is_taken(service: Service) -> None:
    for _ in range(service.settings.most_waiting_runs):
        service.begin()
    answer = service.post()
    assert (answer.status_code, answer.json()["type"]) == (429, "/problems/too-many-runs")
    assert int(answer.headers["Retry-After"]) > 0
