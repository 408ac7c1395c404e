"""A synthetic institution of national size: seconds, rows and peak memory of `riskmodel data synth`, in a process of its own."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import features_speed

GOAL_SECONDS, GOAL_MB = 600.0, 2048.0


def measure(folder: Path, students: int) -> dict[str, float]:
    """Make one closed cohort in this process, which was started for it."""
    import pyarrow.parquet

    from riskmodel.synth import SynthSettings, generate

    began = time.perf_counter()
    generate(folder, SynthSettings(students=students, cohorts=1, closed=True))
    seconds = time.perf_counter() - began
    rows = pyarrow.parquet.ParquetFile(folder / "attendance.parquet").metadata.num_rows
    return {"seconds": seconds, "peak_mb": features_speed.peak_mb(), "rows": rows}


def run(students: int = features_speed.STUDENTS) -> list[str]:
    """Give the section's lines."""
    with tempfile.TemporaryDirectory(prefix="riskmodel-") as scratch:
        call = [sys.executable, __file__, "--students", str(students), "--measure", str(Path(scratch) / "country")]
        done = subprocess.run(call, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    met = "met" if told["seconds"] <= GOAL_SECONDS and told["peak_mb"] <= GOAL_MB else "missed"
    return [
        f"a synthetic cohort of {students:,} students, {told['rows'] / 1e6:.1f} million attendance rows",
        f"  {told['seconds']:.1f} s, peak memory {told['peak_mb']:.0f} MB",
        f"  goal minutes ({GOAL_SECONDS:.0f} s) and {GOAL_MB:.0f} MB: {met}",
    ]


def main() -> None:
    """Print the section, or make the cohort for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=features_speed.STUDENTS)
    parser.add_argument("--measure", type=Path)
    told = parser.parse_args()
    if told.measure:
        print(json.dumps(measure(told.measure, told.students)))
        return
    print("\n".join(run(told.students)))


if __name__ == "__main__":
    main()
