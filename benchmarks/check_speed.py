"""The check of 34 million attendance rows: seconds and peak memory, once for a clean year and once for a year with all that goes wrong.

Uses the rows that `features_speed.py` makes; the second year is the first with broken rows among them. Each check runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from features_speed import SESSIONS, STUDENTS, make, peak_mb

GOAL_MB = 2048.0
_ACCEPT = """
[[accept]]
rule = "{rule}"
table = "attendance"
by = "benchmark"
on = 2024-11-01
because = "so that the check goes on"
"""


def spoil(clean: Path, folder: Path) -> None:
    """Write the same year with repeated sessions, unknown enrolments, impossible dates and more attended than scheduled."""
    import duckdb

    if (folder / "dataset.toml").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("enrolments", "results", "outcomes"):
        shutil.copy2(clean / f"{name}.parquet", folder)
    wrong = (
        "CASE WHEN n % 1000 = 1 THEN 'nobody' ELSE enrolment_id END AS enrolment_id, "
        "CASE WHEN n % 1000 = 2 THEN DATE '1899-12-30' ELSE date END AS date, "
        "CASE WHEN n % 1000 = 3 THEN 9 ELSE attended END AS attended"
    )
    with duckdb.connect(config={"memory_limit": "1500MB", "temp_directory": str(folder / "spill")}) as connection:
        rows = f"(SELECT * EXCLUDE (file_row_number), file_row_number AS n FROM read_parquet('{(clean / 'attendance.parquet').as_posix()}', file_row_number = true))"
        connection.execute(
            f"COPY (SELECT * EXCLUDE (n) REPLACE ({wrong}) FROM {rows} UNION ALL "
            f"SELECT * EXCLUDE (n) FROM {rows} WHERE n % 1000 = 4) TO '{(folder / 'attendance.parquet').as_posix()}' (FORMAT parquet)"
        )
    accepted = "".join(_ACCEPT.format(rule=rule) for rule in ("session_twice",))
    (folder / "dataset.toml").write_text((clean / "dataset.toml").read_text(encoding="utf-8") + accepted, encoding="utf-8")


def measure(folder: Path) -> dict[str, float]:
    """Check one folder in this process."""
    from riskmodel.contract.dataset import check_dataset

    began = time.perf_counter()
    report = check_dataset(folder)
    warned = sum(finding.count for finding in report.warnings if finding.table == "attendance")
    return {"seconds": time.perf_counter() - began, "peak_mb": peak_mb(), "faults": len(report.faults), "warned": warned}


def in_child(folder: Path) -> dict[str, float]:
    """Check one folder in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--measure", str(folder)], check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def run(cache: Path, students: int = STUDENTS) -> list[str]:
    """Give the section's lines."""
    clean, spoilt = cache / f"lessons-{students}", cache / f"spoilt-{students}"
    make(clean, students)
    spoil(clean, spoilt)
    lines = [f"check of {students * SESSIONS / 1e6:.1f} million attendance rows"]
    for name, folder in (("a clean year", clean), ("with broken rows", spoilt)):
        told = in_child(folder)
        met = "met" if told["peak_mb"] <= GOAL_MB else "missed"
        lines.append(
            f"  {name}: {told['seconds']:.1f} s, peak memory {told['peak_mb']:.0f} MB (goal {GOAL_MB:.0f} MB: {met}), "
            f"{told['warned']:,.0f} rows named, {told['faults']:.0f} faults"
        )
    return lines


def main() -> None:
    """Print the section, or check one folder for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "riskmodel-benchmark")
    parser.add_argument("--students", type=int, default=STUDENTS)
    parser.add_argument("--measure", type=Path)
    told = parser.parse_args()
    if told.measure:
        print(json.dumps(measure(told.measure)))
        return
    print("\n".join(run(told.cache, told.students)))


if __name__ == "__main__":
    main()
