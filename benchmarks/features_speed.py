"""Features of 34 million attendance rows: seconds and peak memory with DuckDB on two cores, and pandas on a tenth of them beside it.

The rows are made once, straight in DuckDB, in a cache folder (`--cache`, by default below the system's temporary folder). Each measurement runs
in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STUDENTS = 113_422
SESSIONS = 300
LAST_DAY = 100
GOAL_SECONDS, GOAL_MB = 10.0, 1024.0
_DEFINITION = """name = "national size"
last_day = 130
cohorts = [{ label = "2024-2025", start = 2024-09-02, closed = true }]
delays = { attendance = 0, results = 7, leaving = 14, extra = 1 }

[outcome]
measured_on = "1 October of the next year"
switch_inside_counts = true
early_leavers_count = false

[tables]
enrolments = { file = "enrolments.parquet" }
attendance = { file = "attendance.parquet" }
results = { file = "results.parquet" }
outcomes = { file = "outcomes.parquet" }
"""


def make(folder: Path, students: int) -> None:
    """Write a contract folder with so many students and `SESSIONS` lessons each within the first hundred days."""
    import duckdb

    if (folder / "dataset.toml").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"memory_limit": "1500MB", "temp_directory": str(folder / "spill")}) as connection:
        connection.execute("SELECT setseed(0.42)")
        connection.execute(
            "CREATE TABLE students AS SELECT i, 'E' || lpad(i::VARCHAR, 7, '0') AS enrolment_id, "
            "'P' || lpad((i % 600)::VARCHAR, 3, '0') AS programme, "
            f"0.55 + 0.4 * (hash(i) % 1000) / 1000 AS zeal FROM range({students}) t(i)"
        )

        def write(name: str, query: str) -> None:
            connection.execute(f"COPY ({query}) TO '{(folder / name).as_posix()}.parquet' (FORMAT parquet)")

        write(
            "enrolments",
            "SELECT enrolment_id, 'S' || i AS student_id, '2024-2025' AS cohort, programme, DATE '2024-09-02' AS start_date, "
            "DATE '2024-09-02' - CAST(hash(i + 7) % 200 AS INTEGER) AS enrolled_on, "
            "['havo', 'mbo', 'vwo', 'other'][1 + i % 4] AS prior_education FROM students",
        )
        # Lessons on weekdays, with a week free of them; in order of date and otherwise mixed, as a registration system delivers them.
        connection.execute(
            "CREATE TABLE days AS SELECT row_number() OVER (ORDER BY day) - 1 AS nth, day "
            f"FROM range({LAST_DAY}) t(day) WHERE day % 7 < 5 AND day // 7 <> 6"
        )
        connection.execute(
            "CREATE TABLE lessons AS SELECT k, day, 'C' || k % 6 AS course, 'L' || lpad(k::VARCHAR, 3, '0') AS session_id "
            f"FROM range({SESSIONS}) t(k) JOIN days ON nth = k * (SELECT count(*) FROM days) // {SESSIONS}"
        )
        write(
            "attendance",
            "SELECT enrolment_id, DATE '2024-09-02' + CAST(day AS INTEGER) AS date, course, programme || session_id AS session_id, "
            "1 AS scheduled, CAST(hash(i * 1000 + k) % 1000 < 1000 * zeal AS INTEGER) AS attended "
            "FROM lessons, students ORDER BY day, hash(i * 1000 + k + 1)",
        )
        write(
            "results",
            "SELECT enrolment_id, DATE '2024-09-02' + CAST(30 + 12 * k AS INTEGER) AS date, 'C' || k AS course, 'test 1' AS test, "
            "1 AS attempt, "
            "round(least(10, greatest(1, 4 + 4 * zeal + (hash(i * 10 + k) % 400) / 100 - 2)), 1) AS grade, 5 AS credits "
            "FROM range(5) tests(k), students WHERE hash(i * 77 + k) % 100 < 92",
        )
        write("outcomes", "SELECT enrolment_id, CASE WHEN zeal < 0.62 THEN 'dropped_out' ELSE 'continued' END AS outcome FROM students")
    (folder / "dataset.toml").write_text(_DEFINITION, encoding="utf-8")


def measure(folder: Path, backend: str, threads: int) -> dict[str, float]:
    """Read, check, cut and measure one folder in this process."""
    from riskmodel.contract.dataset import load_dataset
    from riskmodel.features import build_features
    from riskmodel.window import cut

    began = time.perf_counter()
    dataset = load_dataset(folder, backend="pandas" if backend == "pandas" else "duckdb", memory_limit="900MB", threads=threads)
    checked = time.perf_counter()
    frame = build_features(cut(dataset.tables, LAST_DAY), dataset.definition)
    done = time.perf_counter()
    return {"students": len(frame), "read_and_checked": checked - began, "features": done - checked, "peak_mb": peak_mb()}


def peak_mb() -> float:
    """Give this process's peak memory in MB; NaN where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():  # `getrusage` would count the parent's memory too, from which this process was forked
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / (1 << 10)
    try:
        import resource
    except ImportError:
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def in_child(folder: Path, backend: str, threads: int) -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--measure", str(folder), "--backend", backend, "--threads", str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def run(cache: Path, students: int = STUDENTS, threads: int = 2) -> list[str]:
    """Give the section's lines."""
    whole, tenth = cache / f"lessons-{students}", cache / f"lessons-{students // 10}"
    make(whole, students)
    make(tenth, students // 10)
    duck = in_child(whole, "duckdb", threads)
    small, pandas = in_child(tenth, "duckdb", threads), in_child(tenth, "pandas", threads)
    rows = students * SESSIONS / 1e6
    seconds, memory = duck["features"], duck["peak_mb"]
    times = pandas["features"] / small["features"]
    met = "met" if seconds <= GOAL_SECONDS and memory <= GOAL_MB else "missed"
    return [
        f"features of {rows:.1f} million attendance rows, {duck['students']:,} students, DuckDB, {threads} threads",
        f"  features {seconds:.1f} s, peak memory {memory:.0f} MB (reading and checking, {duck['read_and_checked']:.1f} s, included in the memory)",
        f"  goal {GOAL_SECONDS:.0f} s and {GOAL_MB:.0f} MB: {met}",
        f"the same on a tenth: DuckDB {small['features']:.1f} s and {small['peak_mb']:.0f} MB, "
        f"pandas {pandas['features']:.1f} s and {pandas['peak_mb']:.0f} MB ({times:.1f} times as long)",
    ]


def main() -> None:
    """Print the section, or measure one folder for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "riskmodel-benchmark")
    parser.add_argument("--students", type=int, default=STUDENTS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", type=Path)
    parser.add_argument("--backend", default="duckdb")
    told = parser.parse_args()
    if told.measure is not None:
        print(json.dumps(measure(told.measure, told.backend, told.threads)))
    else:
        print("\n".join(run(told.cache, told.students, told.threads)))


if __name__ == "__main__":
    main()
