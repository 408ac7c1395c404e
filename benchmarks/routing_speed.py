"""A list for a whole country's first-years, with coaches: seconds for each way to handle a coach who is full.

python benchmarks/routing_speed.py [--json FILE]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd

from riskmodel.policy import Policy
from riskmodel.routing import route

STUDENTS, PER_COACH, COACHES_PER_PROGRAMME, PROGRAMMES_PER_ACADEMY = 113_422, 25, 8, 6
GOAL_SECONDS = 30.0


def country(seed: int = 20) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make the students of a national cohort and their coaches, with risks and first tests drawn at random."""
    random = np.random.default_rng(seed)
    coach = np.arange(STUDENTS) // PER_COACH
    programme = coach // COACHES_PER_PROGRAMME
    students = pd.DataFrame(
        {
            "enrolment_id": [f"e{place}" for place in range(STUDENTS)],
            "programme": [f"programme {each}" for each in programme],
            "academy": [f"academy {each}" for each in programme // PROGRAMMES_PER_ACADEMY],
            "coach_id": [f"c{each}" for each in coach],
            "probability": random.beta(2, 5, STUDENTS),
            "first_test_failed_or_missed": random.random(STUDENTS) < 0.15,
        }
    )
    return students, pd.DataFrame({"coach_id": students["coach_id"].unique(), "capacity": None})


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    students, coaches = country()
    rows = []
    print("| a full coach's student | seconds (goal 30) | invited | to a colleague | waits |\n| --- | --- | --- | --- | --- |")
    for overflow in ("wait", "programme", "academy"):
        policy = Policy(
            talks_per_coach=4, overflow=overflow, always_invite=("first_test_failed_or_missed",), lottery_band=0.1, hysteresis=0.1
        )
        began = time.perf_counter()
        done = route(students, coaches, policy, dt.date(2026, 11, 2))
        seconds = time.perf_counter() - began
        invited, moved = int(done.rows["invited"].sum()), int(done.rows["how"].isin(["programme", "academy"]).sum())
        waits = int((done.rows["waits_for"] != "").sum())
        print(f"| {overflow} | {seconds:.1f} | {invited} | {moved} | {waits} |", flush=True)
        rows.append({"overflow": overflow, "seconds": seconds, "invited": invited, "moved": moved, "waits": waits})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nPeak memory {peak:.0f} MB.")
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "peak_mb": peak}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
