"""Hold every pinned dependency against the published advisories (OSV), by pip-audit: `python scripts/audit.py`.

Exit code 1 where one is known to be vulnerable. Where pip-audit or the advisories can't be had, as on a machine without a network, it says so plainly
and ends with 0, unless `--required` asks for an audit. `--tell` reports and never fails, for a run that is about something else.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOL = "pip-audit>=2.9,<3"
PATIENCE = 600  # seconds
# Advisories that were looked at and do not concern this product: until when, and why.
ACCEPTED: dict[str, tuple[dt.date, str]] = {}


def audit(pinned: Path) -> tuple[list[dict[str, object]] | None, str]:
    """Give the dependencies that were audited with what is known of each, or None and why there was no audit.

    Parameters
    ----------
    pinned : Path
        A requirements file in which everything is pinned with its hashes.
    """
    today = dt.date.today()
    ignored = [word for advisory, (until, _) in ACCEPTED.items() if today <= until for word in ("--ignore-vuln", advisory)]
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report.json"
        command = [sys.executable, "-m", "uv", "tool", "run", "--from", TOOL, "pip-audit", "--requirement", str(pinned), "--require-hashes"]
        command += [
            "--disable-pip",
            "--vulnerability-service",
            "osv",
            "--progress-spinner",
            "off",
            "--format",
            "json",
            "--output",
            str(report),
        ]
        try:
            done = subprocess.run([*command, *ignored], capture_output=True, text=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            return None, f"no answer within {PATIENCE} seconds"
        try:
            return list(json.loads(report.read_text(encoding="utf-8"))["dependencies"]), ""
        except (OSError, ValueError, KeyError):
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            return None, lines[-1] if lines else f"pip-audit ended with {done.returncode}"


def main(arguments: list[str]) -> int:
    """Audit, say what was found, and give the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pinned", type=Path, default=ROOT / "requirements" / "dev.txt", help="what is pinned; dev.txt holds runtime.txt")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--required", action="store_true", help="fail where no audit is possible")
    how.add_argument("--tell", action="store_true", help="never fail")
    told = parser.parse_args(arguments)
    found, why = audit(told.pinned)
    if found is None:
        print(f"riskmodel: dependencies were NOT audited: pip-audit or the advisories can't be had here ({why}).")
        return 1 if told.required else 0
    known = [(each["name"], each["version"], advisory) for each in found for advisory in each.get("vulns", ())]  # type: ignore[attr-defined]
    for name, version, advisory in known:
        mended = ", ".join(advisory.get("fix_versions", ())) or "no version yet"
        print(f"riskmodel: {name} {version} is concerned by {advisory['id']}; mended in {mended}.")
    print(f"riskmodel: {len(found)} dependencies of {told.pinned.name} audited, {len(known)} advisories concern them.")
    return 1 if known and not told.tell else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
