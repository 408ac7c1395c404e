"""Machines with access tokens of a real provider on this machine: authlib's client credentials grant beside the provider that people log in with."""

from __future__ import annotations

import base64
import hmac
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flask
import httpx
import oidc_provider_mock
import pytest
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientCredentialsGrant, ClientMixin
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import RSAKey
from oidc_provider_mock._server import _threaded_server
from sqlalchemy import select

from riskmodel.errors import ConfigurationFault
from serving.access.configuration import read_access
from serving.access.provider_tokens import _AT_MOST_EVERY
from serving.app import create_app
from serving.store.audit import Event
from serving.store.tables import AuditEvent
from tests.serving.conftest import Place
from tests.serving.reliability.conftest import READY

AUDIENCE = "https://riskmodel.example.nl"
FILE = f"""
[oidc]
issuer = "{{issuer}}"
client_id = "riskmodel"

[machines]
audience = "{AUDIENCE}"
clients = ["student-system"]

[machines.scopes]
"riskmodel.score" = ["scores:compute"]
"riskmodel.follow" = ["invitations:read", "scores:read"]
"""


class Client(ClientMixin):
    def __init__(self, name: str) -> None:
        self.name = name

    def get_client_id(self) -> str:
        return self.name

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == "secret"

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"


@dataclass
class Provider:
    """A provider that runs, and what tests change of it."""

    address: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "first", "use": "sig"}))
    audience: str = AUDIENCE
    keys_at: str = ""
    asked: list[str] = field(default_factory=list)

    def token(self, scope: str = "riskmodel.score", client: str = "student-system", **more: str) -> str:
        """Ask for a token as a machine does."""
        form = {"grant_type": "client_credentials", "scope": scope, **more}
        answer = httpx.post(f"{self.address}/machines/token", data=form, auth=(client, "secret"))
        return str(answer.raise_for_status().json()["access_token"])

    def signed(self, key: Any = None, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """Give a token with other claims or another header, signed with the provider's key or another; a claim of None is left out."""
        now = int(time.time())
        claims = {"iss": self.address, "aud": AUDIENCE, "exp": now + 300, "iat": now, "client_id": "student-system"}
        claims |= {"sub": "student-system", "scope": "riskmodel.score"}
        told = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(
            {"alg": "RS256", "typ": "at+jwt", "kid": "first", **(header or {})}, told, key or self.key, algorithms=["RS256", "HS256"]
        )


@contextmanager
def running() -> Iterator[Provider]:
    app, provider = oidc_provider_mock.app(), Provider()
    server = AuthorizationServer(app, query_client=Client, save_token=lambda token, request: None)

    class Tokens(JWTBearerTokenGenerator):
        def get_jwks(self) -> dict[str, Any]:
            return {"keys": [provider.key.as_dict(private=True)]}

        def get_audiences(self, client: Any, user: Any, scope: Any) -> str:
            return provider.audience

    class Machines(ClientCredentialsGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]  # noqa: RUF012 - authlib's own form

    server.register_grant(Machines)

    @app.post("/machines/token")
    def token() -> Any:
        server.register_token_generator(
            "client_credentials", Tokens(provider.address, alg="RS256", expires_generator=lambda client, grant: 300)
        )
        return server.create_token_response()

    @app.before_request
    def own_keys() -> Any:
        provider.asked.append(flask.request.path)
        if flask.request.path == "/.well-known/openid-configuration":
            place = provider.keys_at or f"{provider.address}/jwks"
            return {"issuer": provider.address, "jwks_uri": place, "authorization_endpoint": f"{provider.address}/oauth2/authorize"}
        if flask.request.path == "/jwks":
            return {"keys": [provider.key.as_dict(private=False), {"kty": "RSA", "use": "enc", "kid": "other", "alg": "RSA-OAEP"}]}
        return None

    with _threaded_server(app=app) as started:
        provider.address = f"http://localhost:{started.server_port}"
        yield provider


@pytest.fixture(scope="module")
def started() -> Iterator[Provider]:
    with running() as provider:
        yield provider


@pytest.fixture
def provider(started: Provider) -> Iterator[Provider]:
    before = started.key
    yield started
    started.key, started.audience, started.keys_at = before, AUDIENCE, ""


@pytest.fixture
def service(place: Place, provider: Provider, tmp_path: Path) -> Iterator[TestClient]:
    path = tmp_path / "access.toml"
    path.write_text(FILE.format(issuer=provider.address), encoding="utf-8")
    with TestClient(create_app(place.settings(access_file=path, demo=False)), follow_redirects=False) as client:
        yield client


def score(client: TestClient, token: str) -> httpx.Response:
    return client.post("/v1/scores", json=READY, headers={"Authorization": f"Bearer {token}"})


def test_a_machine_does_with_the_providers_token_what_its_scopes_give_and_no_more(service: TestClient, provider: Provider) -> None:
    token = provider.token()
    assert score(service, token).json()["results"][0]["scores"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert service.get("/v1/invitations", headers=bearer).status_code == 403
    assert service.get("/", headers=bearer).status_code == 303
    follow = {"Authorization": f"Bearer {provider.token('riskmodel.follow openid')}"}
    assert service.get("/v1/invitations", params={"limit": 1}, headers=follow).status_code == 200
    assert service.post("/v1/scores", json=READY, headers=follow).status_code == 403
    assert score(service, provider.token("rights:handle scores:compute")).status_code == 403
    store = service.app.state.store  # type: ignore[attr-defined]
    with store.session() as session:
        actors = set(session.scalars(select(AuditEvent.actor).where(AuditEvent.event == str(Event.API_INVITATIONS_READ))))
    assert store.keys.digest("actor", "client:student-system") in actors


def test_keys_are_asked_for_once_and_a_new_one_is_found_without_a_restart(
    service: TestClient, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.asked.clear()
    for _ in range(3):
        assert score(service, provider.signed(jti=str(time.monotonic_ns()))).status_code == 200
    assert provider.asked.count("/jwks") == 1
    provider.key = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
    # Whatever callers send, the provider is asked no more often than every few seconds.
    for _ in range(3):
        assert score(service, provider.signed(header={"kid": "second"}, jti=str(time.monotonic_ns()))).status_code == 401
    assert provider.asked.count("/jwks") == 1
    moment = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: moment + _AT_MOST_EVERY + 1)
    assert score(service, provider.signed(header={"kid": "second"})).status_code == 200
    assert provider.asked.count("/jwks") == 2


def spoiled(provider: Provider, how: str) -> str:
    """Give a token in which one thing is not as it should be."""
    now, other = int(time.time()), RSAKey.generate_key(2048, {"kid": "first"})
    whole = provider.signed()
    head, body, mark = whole.split(".")
    confused = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": "first"}).encode()).decode().rstrip("=")
    by_public_key = hmac.new(provider.key.as_pem(private=False), f"{confused}.{body}".encode(), "sha256").digest()
    bare = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "at+jwt"}).encode()).decode().rstrip("=")
    made: dict[str, Callable[[], str]] = {
        "another's key": lambda: provider.signed(other),
        "the public key as a secret": lambda: f"{confused}.{body}.{base64.urlsafe_b64encode(by_public_key).decode().rstrip('=')}",
        "no signature": lambda: f"{bare}.{body}.",
        "another signature": lambda: f"{head}.{body}.{mark[:-8]}AAAAAAAA",
        "another body": lambda: f"{head}.{body[:-4]}AAAA.{mark}",
        "an unknown key": lambda: provider.signed(header={"kid": "made-up"}),
        "another audience": lambda: provider.signed(aud="riskmodel"),
        "no audience": lambda: provider.signed(aud=None),
        "another issuer": lambda: provider.signed(iss="https://elsewhere.example"),
        "ended": lambda: provider.signed(exp=now - 60),
        "no end": lambda: provider.signed(exp=None),
        "an end far away": lambda: provider.signed(exp=now + 7 * 24 * 3600),
        "not yet": lambda: provider.signed(nbf=now + 600),
        "another client": lambda: provider.signed(client_id="somebody-else"),
        "a client that is none": lambda: provider.signed(client_id=["student-system"]),
        "no client": lambda: provider.signed(client_id=None),
        "an ID token": lambda: provider.signed(typ="ID"),
        "a person's": lambda: provider.signed(auth_time=now, sid="s"),
        "a nonce": lambda: provider.signed(nonce="n"),
        "another kind": lambda: provider.signed(header={"typ": "logout+jwt"}),
        "too long": lambda: provider.signed(padding="x" * 9000),
        "nothing": lambda: "..",
        "no text": lambda: "a.b.\N{SNOWMAN}".encode().decode("latin-1"),
    }
    return made[how]()


WRONG = (
    "another's key", "the public key as a secret", "no signature", "another signature", "another body", "an unknown key", "another audience",
    "no audience", "another issuer", "ended", "no end", "an end far away", "not yet", "another client", "a client that is none", "no client",
    "an ID token", "a person's", "a nonce", "another kind", "too long", "nothing", "no text",
)  # fmt: skip


def test_a_token_with_one_thing_wrong_opens_nothing(service: TestClient, provider: Provider) -> None:
    assert score(service, provider.signed()).status_code == 200
    for how in WRONG:
        answer = service.post("/v1/scores", json=READY, headers=[(b"authorization", b"Bearer " + spoiled(provider, how).encode("latin-1"))])
        assert (answer.status_code, answer.json()["type"]) == (401, "/problems/not-logged-in"), how


def test_what_comes_as_a_claim_of_another_kind_gives_nothing(service: TestClient, provider: Provider) -> None:
    for told in (7, {"riskmodel.score": True}, None, [["riskmodel.score"]], "RISKMODEL.SCORE"):
        assert score(service, provider.signed(scope=told)).status_code == 403
    assert score(service, provider.signed(scope=["riskmodel.score"])).status_code == 200


def test_a_provider_that_is_away_is_told_and_tokens_of_our_own_go_on(place: Place, provider: Provider, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = tmp_path / "access.toml"
    path.write_text(FILE.format(issuer=f"http://127.0.0.1:{port}"), encoding="utf-8")
    with TestClient(create_app(place.settings(access_file=path, demo=False))) as client:
        answer = score(client, provider.signed())
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/provider-away")
        assert int(answer.headers["retry-after"]) > 0
        assert score(client, "rmt_000000000000_" + "A" * 43).status_code == 401


def test_keys_that_lie_with_another_host_are_not_asked_for(service: TestClient, provider: Provider) -> None:
    provider.keys_at = "http://169.254.169.254/keys"
    assert score(service, provider.signed()).status_code == 503


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        (FILE.replace(AUDIENCE, "riskmodel"), "client_id"),
        (FILE.replace("invitations:read", "students:all"), "students:all"),
        (FILE.replace("invitations:read", "scores:raed"), "machines.scopes"),
        (FILE.replace('clients = ["student-system"]', ""), "machines.clients"),
    ],
)
def test_a_file_that_would_let_in_too_much_is_refused(tmp_path: Path, told: str, fault: str) -> None:
    path = tmp_path / "access.toml"
    path.write_text(told.format(issuer="https://idp.example"), encoding="utf-8")
    with pytest.raises(ConfigurationFault, match=fault):
        read_access(path)
