"""The whole of `riskmodel train` on three cohorts, in a process of its own: seconds and peak memory, and how they grow with the cohorts.

python benchmarks/training_speed.py [--students 20000] [--growth]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import features_speed

STUDENTS, COHORTS = 20_000, 3
GROWTH = (5_000, 20_000, 50_000, 100_000)
GOAL_SECONDS, GOAL_MB = 120.0, 2048.0


def make(cache: Path, students: int) -> Path:
    """Make the cohorts, once."""
    from riskmodel.synth import SynthSettings, generate

    folder = cache / f"training-{students}"
    if not folder.exists():
        generate(folder, SynthSettings(students=students, cohorts=COHORTS, closed=True))
    return folder


def measure(folder: Path, workspace: Path) -> dict[str, float]:
    """Run `riskmodel train` in this process, which was started for it."""
    from riskmodel.cli.main import run as command

    began = time.perf_counter()
    code: object = 0
    try:
        with contextlib.redirect_stdout(sys.stderr):
            command(["--workspace", str(workspace), "train", str(folder)])
    except SystemExit as ending:
        code = ending.code
    if code:
        raise RuntimeError("training failed")
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time(), "peak_mb": features_speed.peak_mb()}


def once(cache: Path, students: int) -> dict[str, float]:
    """Measure one size: seconds from start-up to the end, seconds of processor, peak memory, attendance rows."""
    import pyarrow.parquet

    folder = make(cache, students)
    with tempfile.TemporaryDirectory(prefix="riskmodel-") as scratch:
        call = [sys.executable, __file__, "--measure", str(folder), "--into", str(Path(scratch) / "workspace")]
        began = time.perf_counter()
        done = subprocess.run(call, check=True, capture_output=True, text=True)
        whole = time.perf_counter() - began
    rows = pyarrow.parquet.ParquetFile(folder / "attendance.parquet").metadata.num_rows
    return {**json.loads(done.stdout.splitlines()[-1]), "seconds": whole, "rows": float(rows)}


def run(cache: Path, students: int = STUDENTS) -> list[str]:
    """Give the section's lines."""
    told = once(cache, students)
    met = "met" if told["seconds"] <= GOAL_SECONDS and told["peak_mb"] <= GOAL_MB else "missed"
    return [
        f"training on {COHORTS} cohorts of {students:,} students, {told['rows'] / 1e6:.0f} million attendance rows: both targets, seven landmarks, MLflow",
        f"  {told['seconds']:.0f} s from start to end ({told['cpu']:.0f} s of processor), peak memory {told['peak_mb']:.0f} MB",
        f"  goal {GOAL_SECONDS:.0f} s and {GOAL_MB:.0f} MB: {met}",
    ]


def growth(cache: Path) -> Iterator[str]:
    """Give a table of sizes, each row as soon as it is measured."""
    yield "| students a cohort | attendance rows | seconds | processor seconds | peak MB |"
    yield "| --- | --- | --- | --- | --- |"
    for students in GROWTH:
        told = once(cache, students)
        yield f"| {students:,} | {told['rows'] / 1e6:.1f} million | {told['seconds']:.0f} | {told['cpu']:.0f} | {told['peak_mb']:.0f} |"


def main() -> None:
    """Print the section or the table, or measure one call for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "riskmodel-benchmark")
    parser.add_argument("--students", type=int, default=STUDENTS)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--measure", type=Path)
    parser.add_argument("--into", type=Path)
    told = parser.parse_args()
    if told.measure is not None:
        print(json.dumps(measure(told.measure, told.into)))
    else:
        for line in growth(told.cache) if told.growth else run(told.cache, told.students):
            print(line, flush=True)


if __name__ == "__main__":
    main()
