"""docs/production.md and its files: settings, units, alerts and the proxy are what the service, systemd, Prometheus and nginx take.

`scripts/try_production.py` runs the guide's commands themselves, on a bare Debian.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import oidc_provider_mock
import pytest
import typer
import yaml

from riskmodel.cli.main import app
from riskmodel.workspace import Workspace
from serving.access.configuration import read_access
from serving.access.scopes import Role
from serving.settings import FILE_VARIABLE, read_settings
from tests.client.conftest import free_port, served
from tests.serving.conftest import Place

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = REPOSITORY / "docs" / "production"
PAGE = (REPOSITORY / "docs" / "production.md").read_text(encoding="utf-8")
UNITS = sorted((FILES / "systemd").iterdir())
HOST = "riskmodel.example.nl"


def test_the_settings_and_log_ins_that_the_guide_hands_out_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(FILES / "service.toml"))
    settings = read_settings(Workspace(tmp_path))
    assert settings.secure_cookies
    assert HOST in settings.allowed_hosts
    assert settings.public_url == f"https://{HOST}"
    for name in ("surfconext", "keycloak"):
        access = read_access(FILES / f"access.{name}.toml")
        assert {Role.COACH, Role.COORDINATOR, Role.STUDY_ADVICE, Role.PRIVACY_OFFICER} <= set(access.roles)


def test_every_file_is_told_of_and_every_command_is_whole() -> None:
    told = PAGE + "".join(unit.read_text(encoding="utf-8") for unit in UNITS)
    for file in FILES.rglob("*"):
        assert file.is_dir() or file.name in told or re.fullmatch(r"riskmodel.*\.(service|timer)", file.name), file
    blocks = re.findall(r"^```sh(?: \w+)?\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) > 15
    if shutil.which("bash"):
        for block in blocks:
            assert subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True).stderr == ""
    for line in (FILES / "riskmodel.env").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Z_]+=[\w./]+", line), "systemd and the shell must read it alike"


def test_each_unit_calls_a_command_that_there_is() -> None:
    top = typer.main.get_command(app)
    lines = [
        line for unit in UNITS for line in re.findall(r"^ExecStart=.*/bin/riskmodel (.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert len(lines) == 6
    for line in lines:
        command, words = top, shlex.split(line)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context(line, words)  # fails on an option that there is not
    timers = {unit.stem for unit in UNITS if unit.suffix == ".timer"}
    assert {f"riskmodel-{what}" for what in ("scores", "retention", "backup", "check")} == timers
    assert timers <= {unit.stem for unit in UNITS if unit.suffix == ".service"}


def test_alerts_look_at_counts_that_the_service_gives(client: httpx.Client) -> None:
    rules = yaml.safe_load((FILES / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    client.get("/healthz")
    given = client.get("/metrics").text
    for rule in rules:
        for name in re.findall(r"riskmodel_\w+", rule["expr"]):
            assert re.search(rf"^# TYPE {name}(?:_total)? ", given, re.MULTILINE) or f"\n{name}" in given, name
        assert rule["annotations"]["remedy"]


@pytest.mark.slow
def test_the_units_are_what_systemd_takes(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("there is no systemd here")
    for unit in UNITS:
        # The program, its user and its files are the reader's; that they are not here is no fault of the unit.
        text = re.sub(r"/srv/riskmodel/\S+", "/bin/true", unit.read_text(encoding="utf-8"))
        (tmp_path / unit.name).write_text(re.sub(r"(?m)^(User|Group|EnvironmentFile)=.*\n", "", text), encoding="utf-8")
    done = subprocess.run([verify, "verify", *(str(tmp_path / unit.name) for unit in UNITS)], capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if "riskmodel" in line] == []
    calendars = [line for unit in UNITS for line in re.findall(r"OnCalendar=(.*)", unit.read_text(encoding="utf-8"))]
    assert subprocess.run([verify, "calendar", *calendars], capture_output=True).returncode == 0


@contextmanager
def proxied(folder: Path, service: str, port: int) -> Iterator[httpx.Client]:
    """Start nginx as the guide configures it, on ports and with a certificate of its own, and give a client that trusts it."""
    program, openssl = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin"), shutil.which("openssl")
    if program is None or openssl is None:
        pytest.skip("nginx or openssl is not here")
    certificate = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}"]
    certificate += ["-addext", f"subjectAltName=DNS:{HOST}", "-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run(certificate, check=True, capture_output=True)
    text = (FILES / "nginx.conf").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^.*listen \[::\].*\n", "", text).replace("listen 443", f"listen 127.0.0.1:{port}")
    text = text.replace("listen 80;", f"listen 127.0.0.1:{free_port()};").replace("/etc/ssl/riskmodel", str(folder))
    text = text.replace("http://127.0.0.1:8000", service).replace("/var/log/nginx", str(folder))
    user = "user root;\n" if os.name == "posix" and os.geteuid() == 0 else ""
    own = "".join(f"{each}_temp_path {folder}/{each};\n" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    main = f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/errors;\nevents {{}}\nhttp {{\n{own}{text}}}\n"
    (folder / "nginx.conf").write_text(main, encoding="utf-8")
    command = [program, "-e", str(folder / "errors"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    tried = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert tried.returncode == 0, tried.stderr
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    context = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
    try:
        until = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < until, (folder / "errors").read_text()
            time.sleep(0.05)
        with httpx.Client(
            base_url=f"https://127.0.0.1:{port}", verify=context, headers={"Host": f"{HOST}:{port}"}, trust_env=False
        ) as client:
            yield client
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_people_log_in_through_the_proxy_over_tls_and_forwarded_headers_lead_nobody_astray(place: Place, tmp_path: Path) -> None:
    text = (FILES / "access.keycloak.toml").read_text(encoding="utf-8")
    port = free_port()
    with oidc_provider_mock.run_server_in_thread() as provider:
        issuer = f"http://localhost:{provider.server_port}"
        httpx.put(f"{issuer}/users/c", json={"preferred_username": "c", "name": "Cato", "groups": ["slb-coordinatie"]}).raise_for_status()
        (tmp_path / "access.toml").write_text(re.sub(r'issuer = "[^"]*"', f'issuer = "{issuer}"', text), encoding="utf-8")
        settings = place.settings(
            access_file=tmp_path / "access.toml",
            oidc_secret="secret",
            demo=False,
            secure_cookies=True,
            public_url=f"https://{HOST}:{port}",
            allowed_hosts=(HOST,),
        )
        with served(settings) as (service, _), proxied(tmp_path, service, port) as client:
            sni = {"sni_hostname": HOST}
            astray = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "Forwarded": "host=evil.example"}
            sent = client.get("/login", headers=astray, extensions=sni)
            assert sent.status_code == 302, sent.text
            asked = parse_qs(urlsplit(sent.headers["location"]).query)
            assert asked["redirect_uri"] == [f"https://{HOST}:{port}/login/callback"]
            back = httpx.post(sent.headers["location"], data={"sub": "c"}, follow_redirects=False)
            way = urlsplit(back.headers["location"])
            client.cookies.clear()
            login = {"Cookie": sent.headers["set-cookie"].partition(";")[0]}
            came = client.get(f"{way.path}?{way.query}", headers=login, extensions=sni)
            assert (came.status_code, came.headers["location"]) == (303, "/")
            kept = next(each for each in came.headers.get_list("set-cookie") if each.startswith("__Host-session="))
            assert "Secure" in kept
            session = {"Cookie": kept.partition(";")[0]}
            client.cookies.clear()
            page = client.get("/", headers=session, extensions=sni)
            assert (page.status_code, "Cato" in page.text) == (200, True)
            assert "max-age=31536000" in page.headers["strict-transport-security"]
            foreign = client.post("/logout", headers={**session, "Origin": "https://evil.example"}, extensions=sni)
            assert (foreign.status_code, foreign.json()["type"]) == (403, "/problems/foreign-origin")
            own = client.post("/logout", headers={**session, "Origin": f"https://{HOST}:{port}"}, extensions=sni)
            assert (own.status_code, own.headers["location"]) == (303, "/logged-out")
            assert client.get("/metrics", extensions=sni).status_code == 404
            assert client.get("/healthz", headers={"Host": "elsewhere.example"}, extensions=sni).status_code == 400
            large = client.post("/v1/scores", content=bytes(16 * 2**20 + 1), extensions=sni)
            assert (large.status_code, large.json()["type"]) == (413, "/problems/too-large")  # by the service, in its own words
    assert "student" not in (tmp_path / "riskmodel-error.log").read_text(encoding="utf-8")
