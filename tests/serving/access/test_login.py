"""Logging in with a real OpenID Connect provider on this machine: roles by claims, the wall, and what goes wrong on the way."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import oidc_provider_mock
import pytest
from fastapi.testclient import TestClient

from riskmodel.errors import ConfigurationFault
from serving.access.configuration import read_access
from serving.access.scopes import Role
from serving.app import create_app
from tests.serving.conftest import Place

FILE = """
[oidc]
issuer = "{issuer}"
client_id = "riskmodel"

[claims]
login = "sub"
name = "name"
roles = "groups"
student = "student_number"

[roles]
student = ["student"]
coach = ["slb"]
coordinator = ["slb-coordinatie"]
study_advice = ["examencommissie", "examencommissie-sw"]

[study_advice]
examencommissie-sw = ["Social Work"]

[[both_roles]]
login = "small-programme"
programmes = ["Social Work"]
why = "Kleine opleiding met een enkele begeleider; vastgelegd door het college."
by = "College van bestuur"
until = {until}
"""
PEOPLE = {
    "coordinator": {"name": "Cato", "groups": ["slb-coordinatie", "anders"]},
    "nobody": {"name": "Niek", "groups": ["medewerkers"]},
    "adviser": {"name": "Adil", "groups": ["slb", "examencommissie"]},
    "adviser-elsewhere": {"name": "Aya", "groups": ["slb-coordinatie", "examencommissie-sw"]},
    "learner": {"name": "Lotte", "groups": ["student"], "student_number": "s-of-lotte"},
    "numberless": {"name": "Nour", "groups": ["student"]},
    "numbered-coach": {"name": "Noah", "groups": ["slb"], "student_number": "s-of-lotte"},
    "small-programme": {"name": "Sem", "groups": ["slb-coordinatie", "examencommissie"]},
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with oidc_provider_mock.run_server_in_thread() as server:
        address = f"http://localhost:{server.server_port}"
        for login, claims in PEOPLE.items():
            httpx.put(f"{address}/users/{login}", json=claims).raise_for_status()
        yield address


@pytest.fixture
def service(place: Place, issuer: str, tmp_path: Path) -> Iterator[TestClient]:
    path = tmp_path / "access.toml"
    path.write_text(FILE.format(issuer=issuer, until=dt.date.today() + dt.timedelta(days=30)), encoding="utf-8")
    settings = place.settings(access_file=path, oidc_secret="secret", demo=False, public_url="http://testserver")
    with TestClient(create_app(settings), follow_redirects=False) as client:
        yield client


def log_in(client: TestClient, login: str, to: str = "/") -> httpx.Response:
    """Walk to the provider and back as a browser does."""
    sent = client.get("/login", params={"to": to})
    assert sent.status_code == 302
    address = sent.headers["location"]
    asked = parse_qs(urlsplit(address).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"state", "nonce"} <= asked.keys()
    back = httpx.post(address, data={"sub": login}, follow_redirects=False)
    assert back.status_code in (302, 303), back.text
    return client.get(back.headers["location"].removeprefix("http://testserver"))


def test_who_comes_back_from_the_provider_goes_on_to_the_page_that_they_asked_for(service: TestClient) -> None:
    assert service.get("/?coach=c1").headers["location"] == "/login?to=%2F%3Fcoach%3Dc1"
    answer = log_in(service, "coordinator", to="/?coach=c1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?coach=c1")
    page = service.get("/").text
    assert "Cato" in page
    assert "<h1>Studenten</h1>" in page


def test_who_has_no_role_here_is_told_so_and_gets_no_session(service: TestClient) -> None:
    answer = log_in(service, "nobody")
    assert answer.status_code == 403
    assert "geen rol" in answer.text
    assert service.get("/").status_code == 303


def test_a_student_reads_what_is_held_of_them_and_who_saw_it_and_nothing_else(service: TestClient) -> None:
    assert service.get("/v1/me/seen").status_code == 401
    log_in(service, "learner")
    held = service.get("/v1/me/data", headers={"Accept-Language": "en"}).json()
    assert held["student_id"] == "s-of-lotte"
    events = service.get("/v1/me/seen", headers={"Accept-Language": "en"}).json()["events"]
    assert [event["what"] for event in events] == ["read all that is held of you, for you", "looked up who saw you"]
    for path in ("/v1/students/s-of-lotte/data", "/v1/students/s-other/seen", "/v1/students/s-of-lotte/scores", "/v1/invitations"):
        assert service.get(path).status_code == 403, path
    assert service.get("/").headers["location"] == "/me"
    assert service.delete("/v1/students/s-of-lotte").status_code == 403


def test_without_a_number_in_the_login_or_without_being_a_student_nothing_is_told(service: TestClient) -> None:
    log_in(service, "numberless")
    assert service.get("/v1/me/data").status_code == 404
    service.cookies.clear()
    log_in(service, "numbered-coach")
    assert service.get("/v1/me/data").status_code == 403


def test_who_decides_on_the_advice_gets_in_only_where_it_was_recorded_why(service: TestClient) -> None:
    answer = log_in(service, "adviser")
    assert answer.status_code == 403
    assert "bindend studieadvies" in answer.text
    assert log_in(service, "small-programme").status_code == 303
    assert programmes_of(service) == {"Social Work"}


def test_who_decides_on_the_advice_of_one_programme_sees_students_of_the_others_alone(service: TestClient) -> None:
    log_in(service, "coordinator")
    everywhere = programmes_of(service)
    service.cookies.clear()
    log_in(service, "adviser-elsewhere")
    assert "Social Work" in everywhere
    assert programmes_of(service) == everywhere - {"Social Work"} != set()


def programmes_of(service: TestClient) -> set[str]:
    """Give of which programmes somebody sees students, on the page and through the API alike."""
    told = service.get("/v1/invitations", params={"limit": 500}).json()["invitations"]
    page = service.get("/").text
    newest = max(each["on"] for each in told)
    for each in told:
        if each["on"] == newest and each["state"] == "invited":
            assert f"/students/{each['enrolment_id']}" in page
    assert page.count('class="name"') == sum(each["on"] == newest and each["state"] == "invited" for each in told)
    return {each["programme"] for each in told}


def test_an_answer_that_is_not_for_this_login_is_refused(service: TestClient) -> None:
    service.get("/login")
    for query in ("code=x&state=made-up", "error=access_denied", ""):
        answer = service.get(f"/login/callback?{query}")
        assert answer.status_code == 400
        assert "Inloggen is niet gelukt" in answer.text
    assert service.get("/").status_code == 303


def test_a_provider_that_is_away_is_told_and_nothing_hangs(place: Place, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = tmp_path / "access.toml"
    path.write_text(FILE.format(issuer=f"http://127.0.0.1:{port}", until="2026-12-31"), encoding="utf-8")
    with TestClient(create_app(place.settings(access_file=path, demo=False)), follow_redirects=False) as client:
        answer = client.get("/login")
    assert answer.status_code == 503
    assert "inlogdienst" in answer.text


def test_claims_give_the_roles_that_the_file_names_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "access.toml"
    path.write_text(FILE.format(issuer="https://idp.example", until="2026-12-31"), encoding="utf-8")
    access = read_access(path)
    assert access.roles_in({"groups": ["slb", "coordinator", "administrator"]}) == {Role.COACH}
    assert access.roles_in({"groups": "slb-coordinatie"}) == {Role.COORDINATOR}
    assert access.roles_in({}) == access.roles_in({"groups": None}) == frozenset()
    assert access.recorded_for("small-programme", dt.date(2026, 12, 31)) == {"Social Work"}
    assert (
        access.recorded_for("small-programme", dt.date(2027, 1, 1)) == access.recorded_for("adviser", dt.date(2026, 12, 1)) == frozenset()
    )
    assert access.decides_in({"groups": ["slb", "examencommissie-sw"]}) == {"Social Work"}
    assert access.decides_in({"groups": ["examencommissie", "examencommissie-sw"]}) is None
    assert access.decides_in({"groups": ["slb"]}) == frozenset()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "oidc"),
        ("[oidc]\nissuer = 'no address'\nclient_id = 'x'", "oidc.issuer"),
        ("[roles]\nboss = ['x']", "roles.boss"),
        ("[oidc]\nissuer = 'https://i.example'\nclient_id = 'x'\n[study_advice]\nboard = ['Social Work']", "board"),
        ("= 1", "not valid TOML"),
    ],
)
def test_a_file_that_says_what_cannot_be_is_told_by_its_place(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "access.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationFault, match=told):
        read_access(path)
    with pytest.raises(ConfigurationFault, match=r"docs/access\.md"):
        read_access(tmp_path / "none.toml")
