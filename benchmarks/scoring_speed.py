"""Features, scores and reasons of a whole country's first-years in one command: seconds and peak memory.

The students are those of `features_speed`; the champion is trained on a synthetic institution. The command runs in a process of its own, from
start-up to the written file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import features_speed

GOAL_SECONDS, GOAL_MB = 30.0, 1536.0
DATE = "2024-12-11"  # day 100 of the country's cohort


def make_workspace(folder: Path) -> Path:
    """Train both targets on a synthetic institution and let them serve."""
    from riskmodel.champion import publish_champion
    from riskmodel.contract.dataset import load_dataset
    from riskmodel.families.recipe import read_recipe
    from riskmodel.landmarks import landmark_frames
    from riskmodel.synth import SynthSettings, generate
    from riskmodel.workspace import Workspace
    from training.train import fit_targets

    workspace = Workspace(folder / "workspace")
    if not workspace.champion.exists():
        generate(folder / "institution", SynthSettings(students=1200, cohorts=2, closed=True))
        dataset = load_dataset(folder / "institution")
        models = fit_targets(dataset, landmark_frames(dataset), read_recipe("blend"), dataset.definition.closed_cohorts, "")
        publish_champion(workspace.champion, {target: replace(model, version="1") for target, model in models.items()})
    return workspace.folder


def measure(folder: Path, workspace: Path, output: Path) -> dict[str, float]:
    """Run `riskmodel score` in this process, which was started for it."""
    from riskmodel.cli.main import run as command

    began = time.perf_counter()
    with contextlib.suppress(SystemExit):
        command(["--workspace", str(workspace), "score", str(folder), "--date", DATE, "--output", str(output)])
    return {"seconds": time.perf_counter() - began, "peak_mb": features_speed.peak_mb(), "written": float(output.exists())}


def run(cache: Path, students: int = features_speed.STUDENTS) -> list[str]:
    """Give the section's lines."""
    folder = cache / f"lessons-{students}"
    features_speed.make(folder, students)
    workspace = make_workspace(cache / "scoring")
    with tempfile.TemporaryDirectory(prefix="riskmodel-") as scratch:
        output = Path(scratch) / "scores.parquet"
        call = [sys.executable, __file__, "--measure", str(folder), "--into", str(workspace), "--output", str(output)]
        began = time.perf_counter()
        done = subprocess.run(call, check=True, capture_output=True, text=True)
        whole = time.perf_counter() - began
        told = json.loads(done.stdout.splitlines()[-1])
        if not told["written"]:
            raise RuntimeError(done.stderr)
    met = "met" if whole <= GOAL_SECONDS and told["peak_mb"] <= GOAL_MB else "missed"
    return [
        f"features, scores of both targets and reasons of {students:,} students, {students * features_speed.SESSIONS / 1e6:.0f} million attendance rows, one command",
        f"  {whole:.1f} s from start to written file, peak memory {told['peak_mb']:.0f} MB",
        f"  goal {GOAL_SECONDS:.0f} s and {GOAL_MB:.0f} MB: {met}",
    ]


def main() -> None:
    """Print the section, or measure one call for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "riskmodel-benchmark")
    parser.add_argument("--students", type=int, default=features_speed.STUDENTS)
    parser.add_argument("--measure", type=Path)
    parser.add_argument("--into", type=Path)
    parser.add_argument("--output", type=Path)
    told = parser.parse_args()
    if told.measure is not None:
        print(json.dumps(measure(told.measure, told.into, told.output)))
    else:
        print("\n".join(run(told.cache, told.students)))


if __name__ == "__main__":
    main()
