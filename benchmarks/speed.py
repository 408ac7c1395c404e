"""Every claim on speed, section after section; each is a module beside this one that can be run alone."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import check_speed
import explain_speed
import features_speed
import history_speed
import scoring_speed
import synth_speed


def main() -> None:
    """Run the sections and print their lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "riskmodel-benchmark", help="where made-up data are kept"
    )
    parser.add_argument("--threads", type=int, default=2)
    told = parser.parse_args()
    for lines in (
        check_speed.run(told.cache),
        features_speed.run(told.cache, threads=told.threads),
        scoring_speed.run(told.cache),
        explain_speed.run(),
        synth_speed.run(),
        history_speed.run(told.cache),
    ):
        print("\n".join(lines), end="\n\n")


if __name__ == "__main__":
    main()
