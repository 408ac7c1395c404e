"""History from 1cijferHO: seconds and peak memory of the import for files of several sizes, each in a process of its own.

The rows are those of a synthetic delivery, repeated under other person numbers until the file is large enough.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import features_speed

SIZES_GB = (0.3, 1.0)
GOAL_MB = 2048.0


def make(folder: Path, gigabytes: float) -> None:
    """Write a delivery of this size with its layout, where it is not there yet."""
    import numpy as np

    from riskmodel.synth import SynthSettings, generate

    if folder.exists():
        return
    with tempfile.TemporaryDirectory(prefix="riskmodel-") as scratch:
        small = Path(scratch) / "small"
        generate(small, SynthSettings(students=1000, cohorts=8, format="1cho"))
        source, layout = next(small.glob("EV*.asc")), next(small.glob("Bestandsbeschrijving*.txt"))
        width = source.read_bytes().index(b"\n") + 1
        lines = np.frombuffer(source.read_bytes(), dtype=np.uint8).reshape(-1, width).copy()
        persons, place = np.unique(lines[:, :12].copy().view("S12").ravel(), return_inverse=True)
        folder.mkdir(parents=True)
        with (folder / source.name).open("wb") as target:
            for turn in range(max(1, round(gigabytes * 1e9 / lines.size))):
                numbers = 100_000_000_000 + turn * len(persons) + place
                lines[:, :12] = 48 + numbers[:, None] // 10 ** np.arange(11, -1, -1) % 10
                target.write(lines.tobytes())
        (folder / layout.name).write_bytes(layout.read_bytes())


def measure(folder: Path) -> dict[str, float]:
    """Import one delivery in this process, which was started for it."""
    from riskmodel.onecijferho import import_1cho

    with tempfile.TemporaryDirectory(prefix="riskmodel-") as scratch:
        began = time.perf_counter()
        done = import_1cho([folder], Path(scratch) / "history", Path(scratch) / "pseudonyms.key")
        seconds = time.perf_counter() - began
    students = sum(cohort["students"] for cohort in done.cohorts)
    rows = sum(each["rows"] for each in done.files)
    return {"seconds": seconds, "peak_mb": features_speed.peak_mb(), "rows": rows, "students": students}


def run(cache: Path, sizes: tuple[float, ...] = SIZES_GB) -> list[str]:
    """Give the section's lines."""
    lines = ["history from 1cijferHO, fixed width"]
    for size in sizes:
        folder = cache / f"1cho-{size:g}"
        make(folder, size)
        done = subprocess.run([sys.executable, __file__, "--measure", str(folder)], check=True, capture_output=True, text=True)
        told = json.loads(done.stdout.splitlines()[-1])
        met = "met" if told["peak_mb"] <= GOAL_MB else "missed"
        bytes_there = next(folder.glob("EV*.asc")).stat().st_size
        lines.append(
            f"  {bytes_there / 1e9:.2f} GB, {told['rows']:,.0f} rows, {told['students']:,.0f} first-years: {told['seconds']:.1f} s, "
            f"peak memory {told['peak_mb']:.0f} MB (goal {GOAL_MB:.0f} MB: {met})"
        )
    return lines


def main() -> None:
    """Print the section, or import one delivery for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "riskmodel-benchmark")
    parser.add_argument("--gigabytes", type=float, nargs="*", default=list(SIZES_GB))
    parser.add_argument("--measure", type=Path)
    told = parser.parse_args()
    if told.measure:
        print(json.dumps(measure(told.measure)))
        return
    print("\n".join(run(told.cache, tuple(told.gigabytes))))


if __name__ == "__main__":
    main()
