"""Uploads: a cohort scored from tables that the caller brings, and hostile ones that lead nowhere."""

from __future__ import annotations

import io
import os
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

import httpx2
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from serving.store.tables import Run
from serving.working import Worker
from tests.serving.conftest import MONDAY
from tests.serving.runs.conftest import Service

NEEDED = ("dataset.toml", "enrolments.parquet", "attendance.parquet", "results.parquet", "outcomes.parquet")
SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


def trimmed(text: str) -> str:
    """Give a data set's description without the tables of people and of sensitive attributes."""
    parts = text.split("\n[")
    return "\n[".join(part for part in parts if not part.startswith(("tables.groups", "tables.contacts", "tables.coaches")))


def parts_of(service: Service) -> dict[str, bytes]:
    found = {name: (service.place.data / name).read_bytes() for name in NEEDED}
    found["dataset.toml"] = trimmed(found["dataset.toml"].decode()).encode()
    return found


def send(service: Service, files: dict[str, bytes], on: str = MONDAY.isoformat(), **headers: str) -> Any:
    told = [("files", (name, io.BytesIO(content), "application/octet-stream")) for name, content in files.items()]
    return service.client.post("/v1/score-runs", data={"on": on}, files=told, headers=headers)


def lying(service: Service) -> list[str]:
    folder = service.settings.uploads_folder
    assert folder is not None
    return sorted(place.name for place in folder.iterdir()) if folder.exists() else []


def count(service: Service) -> int:
    with Session(service.store.engine) as session:
        return session.scalar(select(func.count()).select_from(Run)) or 0


@pytest.mark.slow
def test_an_upload_gives_what_the_folder_gives_and_is_gone_when_the_run_has_ended(service: Service) -> None:
    answer = send(service, parts_of(service), **{"Idempotency-Key": "upload-1"})
    assert answer.status_code == 202, answer.text
    uploaded, named = answer.json()["id"], service.begin()
    again = send(service, parts_of(service), **{"Idempotency-Key": "upload-1"})
    assert (again.status_code, again.json()["id"]) == (200, uploaded)
    other = send(service, parts_of(service), "2026-11-09", **{"Idempotency-Key": "upload-1"})
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert lying(service) == [uploaded]
    service.work()
    told = service.told(uploaded)
    assert (told["state"], told["folder"]) == ("done", None)

    def numbers(run: str) -> list[tuple[Any, ...]]:
        return [(each["enrolment_id"], *(score["probability"] for score in each["scores"].values())) for each in service.results(run)]

    assert [each[0] for each in numbers(uploaded)] == [each[0] for each in numbers(named)]
    for one, two in zip(numbers(uploaded), numbers(named), strict=True):
        assert one[1:] == pytest.approx(two[1:], abs=1e-12)
    assert lying(service) == []


@pytest.mark.slow
@SQLITE
def test_without_a_description_the_champions_own_holds_also_for_a_cohort_that_it_never_heard_of(service: Service) -> None:
    files = parts_of(service)
    del files["dataset.toml"], files["outcomes.parquet"]
    enrolments = pd.read_parquet(io.BytesIO(files.pop("enrolments.parquet")))
    enrolments["cohort"] = enrolments["cohort"].replace("2026-2027", "voltijd 26")
    files["enrolments.csv"] = enrolments.to_csv(index=False).encode()
    answer = send(service, files)
    assert answer.status_code == 202, answer.text
    named = service.begin()
    service.work()
    told = service.told(answer.json()["id"])
    assert told["state"] == "done", told

    def numbers(run: str) -> dict[str, float]:
        return {each["enrolment_id"]: each["scores"]["leave"]["probability"] for each in service.results(run) if each["scores"]}

    by_folder = numbers(named)
    assert numbers(answer.json()["id"]) == pytest.approx(by_folder, abs=1e-12)
    assert len(by_folder) > 100


@pytest.mark.slow
@SQLITE
def test_tables_as_csv_are_taken_too(service: Service) -> None:
    files = parts_of(service)
    for name in NEEDED[1:]:
        files[name.replace("parquet", "csv")] = pd.read_parquet(io.BytesIO(files.pop(name))).to_csv(index=False).encode()
    files["dataset.toml"] = files["dataset.toml"].replace(b".parquet", b".csv")
    answer = send(service, files)
    assert answer.status_code == 202, answer.text
    service.work()
    told = service.told(answer.json()["id"])
    assert told["state"] == "done", told


@SQLITE
def test_an_upload_whose_run_was_stopped_in_line_is_removed_by_a_worker(service: Service) -> None:
    run = send(service, parts_of(service)).json()["id"]
    service.client.post(f"/v1/score-runs/{run}/cancel")
    assert lying(service) == [run]
    with service.thread():
        limit = time.monotonic() + 20
        while lying(service) and time.monotonic() < limit:
            time.sleep(0.05)
    assert lying(service) == []


@SQLITE
def test_what_an_upload_left_behind_is_removed_after_a_day_and_one_under_way_is_not(service: Service) -> None:
    folder = service.settings.uploads_folder
    assert folder is not None
    for name in (".incoming-old", ".incoming-new", "0123"):
        (folder / name).mkdir(parents=True)
    for name in (".incoming-old", "0123"):
        os.utime(folder / name, (time.time() - 90_000,) * 2)
    Worker(service.settings, service.store)._sweep()
    assert lying(service) == [".incoming-new"]


BAD_NAMES = (
    "../enrolments.csv", "..\\enrolments.csv", "/etc/cron.d/x.csv", "C:\\x.csv", "a/b.csv", ".hidden.csv", "x.csv\x00.toml", "x.csv/", "..", "",
    "x.zip", "x.xlsx", "x.csv.gz", "x.py", "policy.toml", "Dataset.toml", "é.csv", "con tent.csv", "a" * 70 + ".csv", "%2e%2e%2fx.csv", "-x.csv",
)  # fmt: skip


@SQLITE
def test_a_name_that_leads_elsewhere_is_refused_and_nothing_is_left(service: Service) -> None:
    before = sorted(service.folder.rglob("*"))
    for name in BAD_NAMES:
        boundary = b"b0undary"
        quoted_name = name.replace("\\", "\\\\").encode()
        body = b'--%b\r\nContent-Disposition: form-data; name="files"; filename="%b"\r\n\r\na;b\r\n--%b--\r\n' % (
            boundary,
            quoted_name,
            boundary,
        )
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary.decode()}"}
        answer = service.client.post("/v1/score-runs", content=body, headers=kind)
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/upload-refused"), (name, answer.text)
        assert lying(service) == []
    assert count(service) == 0
    assert [path for path in sorted(service.folder.rglob("*")) if path not in before and path.name not in ("uploads",)] == []


@SQLITE
def test_a_description_that_names_other_files_is_refused(service: Service) -> None:
    whole = parts_of(service)
    for file in (
        "../../etc/passwd",
        "/etc/passwd",
        "*.csv",
        "sub",
        ".",
        "https://example.org/x.csv",
        "s3://bucket/x.parquet",
        "x.xlsx",
        "a?.csv",
    ):
        told = whole["dataset.toml"].replace(b'"enrolments.parquet"', f'"{file}"'.encode())
        assert told != whole["dataset.toml"]
        answer = send(service, {**whole, "dataset.toml": told})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/files/dataset.toml"), file
    assert (lying(service), count(service)) == ([], 0)


def bodies(whole: dict[str, bytes]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Give uploads that are wrong in what they hold."""
    bare = {name: content for name, content in whole.items() if name not in ("dataset.toml", "outcomes.parquet")}
    yield "no description and a table less", {name: content for name, content in bare.items() if name != "results.parquet"}
    yield "no description and another name", {**bare, "students.parquet": bare["enrolments.parquet"]}
    yield "no description and sensitive attributes", {**bare, "groups.csv": b"student_id,first_generation\n1,1\n"}
    yield "no TOML", {**whole, "dataset.toml": b"\x00\xff" * 50}
    yield "deep", {**whole, "dataset.toml": b"a = " + b"[" * 100_000 + b"]" * 100_000}
    yield "large description", {**whole, "dataset.toml": b"#" * 300_000}
    yield "not Parquet", {**whole, "attendance.parquet": b"PAR1" + os.urandom(500) + b"PAR1"}
    yield "cut off", {**whole, "attendance.parquet": whole["attendance.parquet"][: len(whole["attendance.parquet"]) // 2]}
    yield (
        "sensitive attributes",
        {
            **whole,
            "dataset.toml": whole["dataset.toml"] + b'\n[tables.groups]\nfile = "groups.csv"\n',
            "groups.csv": b"student_id,first_generation\n1,1\n",
        },
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("x", bytes(50_000_000))
    yield "zip called Parquet", {**whole, "attendance.parquet": archive.getvalue()}


@SQLITE
def test_an_upload_that_holds_something_else_is_refused_before_it_is_in_line(service: Service) -> None:
    for what, files in bodies(parts_of(service)):
        answer = send(service, files)
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/upload-refused"), (what, answer.text)
        assert lying(service) == []
    assert count(service) == 0


@SQLITE
def test_a_parquet_file_that_unfolds_to_far_more_than_it_is_is_refused_by_what_it_says(service: Service) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 21_000_000, pa.int8()), pa.array(["x"]))
    bomb = io.BytesIO()
    pq.write_table(pa.table({"enrolment_id": column}), bomb, row_group_size=21_000_000, compression="zstd")
    assert len(bomb.getvalue()) < 100_000
    answer = send(service, {**parts_of(service), "attendance.parquet": bomb.getvalue()})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/upload-refused")
    assert lying(service) == []


@SQLITE
def test_a_zip_called_csv_fails_the_run_with_a_clear_word_and_is_not_unpacked(service: Service) -> None:
    files = parts_of(service)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("attendance.csv", bytes(50_000_000))
    files["attendance.csv"] = archive.getvalue()
    files["dataset.toml"] = files["dataset.toml"].replace(b"attendance.parquet", b"attendance.csv")
    run = send(service, files).json()["id"]
    service.work()
    told = service.told(run)
    assert (told["state"], told["problem"]["type"]) == ("failed", "/problems/data-faults")
    assert lying(service) == []


def form(pieces: Sequence[bytes], name: bytes = b"attendance.csv") -> Iterator[bytes]:
    """Give a form with one large file, piece by piece."""
    yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="' + name + b'"\r\n\r\n'
    yield from pieces
    yield b"\r\n--b--\r\n"


KIND = {"Content-Type": "multipart/form-data; boundary=b"}


@SQLITE
def test_a_form_that_is_cut_off_broken_or_too_large_is_refused_and_leaves_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = b"".join(form([b"a;b\r\n"]))
    wrong = {
        "cut off": whole[:-8],
        "in a header": whole[:30],
        "no parts": b"--b--\r\n",
        "no form": b"x" * 1000,
        "large header": b"--b\r\nX: " + b"y" * 100_000,
        "many headers": b"--b\r\n" + b"X: y\r\n" * 5000,
        "another field": b'--b\r\nContent-Disposition: form-data; name="folder"\r\n\r\n/etc\r\n--b--\r\n',
        "large field": b'--b\r\nContent-Disposition: form-data; name="on"\r\n\r\n' + b"2" * 100_000 + b"\r\n--b--\r\n",
    }
    for what, body in wrong.items():
        answer = service.client.post("/v1/score-runs", content=body, headers=KIND)
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/upload-refused"), (what, answer.text)
    assert service.client.post("/v1/score-runs", content=whole, headers={"Content-Type": "multipart/form-data"}).status_code == 422
    assert send(service, parts_of(service), "yesterday").json()["errors"][0]["pointer"] == "/on"
    assert (lying(service), count(service)) == ([], 0)


@SQLITE
def test_uploads_have_a_limit_of_their_own_and_are_refused_where_they_are_not_accepted(service: Service) -> None:
    from fastapi.testclient import TestClient

    from serving.app import create_app

    headers = dict(service.client.headers)
    large = form([b"x" * 65536] * 40)  # 2.6 MB
    for changes, status in (
        ({"most_upload_bytes": 1_000_000}, 413),
        ({"most_bytes": 1000, "most_upload_bytes": 10_000_000}, 422),
        ({"accept_uploads": False}, 403),
    ):
        with TestClient(create_app(service.settings.model_copy(update=changes)), headers=headers) as client:
            answer = client.post("/v1/score-runs", content=large if status == 413 else b"".join(form([b"x"])), headers=KIND)
            assert answer.status_code == status, answer.text
    assert (lying(service), count(service)) == ([], 0)


@pytest.mark.slow
@SQLITE
def test_an_upload_of_hundreds_of_megabytes_is_never_whole_in_memory(service: Service) -> None:
    import uvicorn

    app = service.client.app
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        process, most, over = psutil.Process(), 0, threading.Event()
        before = process.memory_info().rss

        def watch() -> None:
            nonlocal most
            while not over.wait(0.01):
                most = max(most, process.memory_info().rss - before)

        watcher = threading.Thread(target=watch)
        watcher.start()
        piece = b"e-1;2026-09-01;1;1\r\n" * 3000
        pieces = form([piece] * (300_000_000 // len(piece)))
        headers = {**KIND, "Authorization": service.client.headers["Authorization"]}
        answer = httpx2.post(f"http://127.0.0.1:{port}/v1/score-runs", content=pieces, headers=headers, timeout=120)
        over.set()
        watcher.join()
    finally:
        server.should_exit = True
        thread.join()
    assert answer.status_code == 422  # without dataset.toml
    assert most < 60_000_000, most
    assert lying(service) == []
