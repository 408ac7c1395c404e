"""Run docs/production.md on a bare Debian, as root, from the first command to the last: `python3 scripts/try_production.py --on-this-machine`.

It changes the machine: packages, a user, a database, files in /etc. Use one that can be thrown away, such as a container. Where systemd is booted the
units run under it; elsewhere they are checked with `systemd-analyze verify` where that is there, and each `ExecStart` is run as the unit's user with
the unit's environment. Needs nothing but Python 3.11 and the network that pip and apt-get use.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "production.md"
UNITS = ROOT / "docs" / "production" / "systemd"
BOOTED = Path("/run/systemd/system").exists()
HOST = "riskmodel.example.nl"
CERTIFICATE = "/etc/ssl/riskmodel/fullchain.pem"
SERVING = ("riskmodel.service", "riskmodel-worker.service")
_BLOCK = re.compile(r"^```sh(?: (\w+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_started: dict[str, subprocess.Popen[bytes]] = {}


def blocks() -> list[tuple[str, str]]:
    """Give the guide's blocks in their order: what they need ('', 'systemd' or 'serving'), and their commands."""
    return [(kind, text) for kind, text in _BLOCK.findall(PAGE.read_text(encoding="utf-8"))]


def shell(text: str) -> str:
    """Run commands in the folder of the version, and give what they printed; stop at the first that fails."""
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version is not None
    environment = os.environ | {
        "VERSION": version[1],
        "DEBIAN_FRONTEND": "noninteractive",
        "PATH": f"/usr/local/sbin:{os.environ['PATH']}:/usr/sbin:/sbin",
    }
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", text], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"this failed with code {done.returncode}:\n{text}\n{done.stdout}")
    return done.stdout


def told(unit: str, name: str) -> list[str]:
    """Give the values of one setting of a unit."""
    return re.findall(rf"^{name}=(.*)$", (UNITS / unit).read_text(encoding="utf-8"), re.MULTILINE)


def command(unit: str, line: str) -> list[str]:
    """Give how a unit's command is run without systemd: as its user, in its folder, with its environment and nothing of ours."""
    files = " ".join(told(unit, "EnvironmentFile"))
    inside = f"for file in {files}; do . $file; done; exec runuser -u {told(unit, 'User')[0]} -- {line}"
    here = [f"{name}={os.environ[name]}" for name in ("LANG",) if name in os.environ]
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return ["env", "-i", path, *here, *told(unit, "Environment"), "sh", "-ac", f"cd {told(unit, 'WorkingDirectory')[0]}; {inside}"]


def begin(unit: str) -> None:
    """Start a unit that goes on."""
    if BOOTED:
        shell(f"systemctl start {unit}")
    elif unit not in _started:
        _started[unit] = subprocess.Popen(command(unit, told(unit, "ExecStart")[0]), start_new_session=True)


def end(unit: str) -> None:
    """Stop a unit as systemd does, with SIGTERM to all of it."""
    if BOOTED:
        shell(f"systemctl stop {unit}")
    elif unit in _started:
        process = _started.pop(unit)
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def once(unit: str) -> None:
    """Do what a timer's unit does, and see that it ends well."""
    if BOOTED:
        shell(f"systemctl start --wait {unit}")
        return
    stops = [name for line in told(unit, "ExecStartPre") if "systemctl stop" in line for name in SERVING if name in line]
    for name in stops:
        end(name)
    for line in told(unit, "ExecStart"):
        if subprocess.run(command(unit, line), check=False).returncode != 0:
            raise SystemExit(f"{unit} failed at: {line}")
    for name in stops:
        begin(name)


def systemd(text: str) -> None:
    """Do what a block says to systemd."""
    if BOOTED:
        shell(text)
        if "timer" in text:
            for timer in UNITS.glob("*.timer"):
                once(timer.stem + ".service")
        return
    for line in text.splitlines():
        words = shlex.split(line)
        units = [word for word in words if word.endswith(".service")]
        if {"start", "enable"} & set(words):
            for unit in units:
                begin(unit)
            for timer in (word for word in words if word.endswith(".timer")):
                ready()
                once(timer.removesuffix(".timer") + ".service")
                print(f"    {timer.removesuffix('.timer')}.service ended well", flush=True)
        elif "stop" in words:
            for unit in units:
                end(unit)
        elif words[:3] == ["systemctl", "reload", "nginx"]:
            shell("nginx -s reload 2> /dev/null || nginx")


def ready() -> None:
    """Wait until the service answers."""
    until = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen("http://127.0.0.1:8000/readyz", timeout=5).close()
            return
        except (OSError, urllib.error.URLError):
            if time.monotonic() > until:
                raise SystemExit("the service did not become ready") from None
            time.sleep(0.2)


def ask(path: str, *more: str) -> str:
    """Ask through the proxy, over TLS, and give status and body."""
    call = [
        "curl",
        "--silent",
        "--show-error",
        "--cacert",
        CERTIFICATE,
        "--resolve",
        f"{HOST}:443:127.0.0.1",
        "--write-out",
        "\n%{http_code}",
    ]
    return subprocess.run([*call, *more, f"https://{HOST}{path}"], capture_output=True, text=True, check=True).stdout


def deliver() -> None:
    """Make what a data team would bring: a champion folder and a data folder, of students who do not exist."""
    place = ROOT / "delivered"
    shutil.rmtree(place, ignore_errors=True)
    tool = "/srv/riskmodel/current/bin/riskmodel"
    place.mkdir()
    shell(f"cd {place} && {tool} demo --no-serve > /dev/null 2>&1")
    shutil.move(place / "demo" / "workspace" / "champion", place / "champion")
    shutil.move(place / "demo" / "data", place / "data")


def look() -> None:
    """See that the proxy lets through what it should, and that the service says no where it should."""
    token = Path("/root/student-system.token").read_text(encoding="utf-8").splitlines()[0]
    student = {
        "enrolment_id": "2026-900001",
        "student_id": "s26900001",
        "cohort": "2026-2027",
        "programme": "Social Work",
        "start_date": "2026-09-01",
    }
    body = json.dumps(
        {"on": "2026-11-02", "students": [{"enrolment": student, "attendance": [{"date": "2026-10-26", "scheduled": 2, "attended": 1}]}]}
    )
    found = {
        "ready through the proxy": ask("/readyz").endswith("\n200"),
        "a score through the proxy": '"natural_frequency"'
        in ask("/v1/scores", "--header", f"Authorization: Bearer {token}", "--json", body),
        "no score without a token": ask("/v1/scores", "--json", body).endswith("\n401"),
        "a page sends to log in": ask("/").endswith("\n303"),
        "a host that is not ours is refused": ask("/readyz", "--header", "Host: elsewhere.example").endswith("\n400"),
        "counts are not given outside": ask("/metrics").endswith("\n404"),
        "browsers keep to TLS": "max-age=31536000" in ask("/readyz", "--include"),
        "counts on this machine": "riskmodel_list_age_days" in Path("/root/metrics").read_text(encoding="utf-8"),
    }
    for what, well in found.items():
        print(f"  {'well ' if well else 'FAULT'}  {what}", flush=True)
    if not all(found.values()):
        raise SystemExit(1)


def main(arguments: list[str]) -> int:
    """Follow the guide, and give 0 when everything in it works."""
    if arguments != ["--on-this-machine"] or not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("apt-get") is None:
        print("This installs packages, a user and a database, so it wants root on a Debian that can be thrown away, and to be asked:")
        print("  python3 scripts/try_production.py --on-this-machine")
        return 2
    began, looked = time.monotonic(), False
    try:
        for kind, text in blocks():
            print(f"{time.monotonic() - began:6.0f} s  {text.splitlines()[0][:120]}", flush=True)
            if "delivered" in text:
                deliver()
            if kind == "systemd":
                systemd(text)
                continue
            if kind == "serving":
                ready()
            if not looked and "store backup" in text:
                ready()
                look()
                looked = True
            print(shell(text), end="", flush=True)
            if "/etc/systemd/system" in text and shutil.which("systemd-analyze"):
                shell("systemd-analyze verify /etc/systemd/system/riskmodel*.service /etc/systemd/system/riskmodel*.timer")
                print("    systemd-analyze verify finds nothing wrong", flush=True)
        ready()  # once more, after the way there and back
    finally:
        for unit in list(_started):
            end(unit)
        if not BOOTED:
            subprocess.run(["nginx", "-s", "stop"], capture_output=True, check=False)
    print(f"All of the guide works here{'' if BOOTED else '; systemd was not booted, so units were run without it'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
