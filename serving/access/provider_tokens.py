"""Machines by client credentials: the access tokens that the institution's own provider signs (RFC 9068). It asks that provider for its keys, and nobody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from serving.access.configuration import Access, Machines
from serving.access.principal import Principal
from serving.access.scopes import MACHINES, Scope
from serving.problems import Problem

# Signed by the provider's private key; one that both sides share, or none, signs nothing here.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
LONGEST_TEXT = 8192
# Seconds: clocks may differ by so much; keys are asked for anew after so long, are good for so long while the provider is away, and are asked for no
# more often than that, whatever callers send.
_LEEWAY, _FRESH, _GOOD, _AT_MOST_EVERY = 30, 3600.0, 24 * 3600.0, 10.0
_TIMEOUT = 5.0
_MOST_BYTES = 256 * 1024
# What a token has that was made for a person who logged in, not for a machine: OpenID Connect's own claims of a log-in, and Keycloak's.
OF_A_PERSON = frozenset({"nonce", "auth_time", "sid", "session_state", "at_hash", "c_hash"})
RETRY_AFTER = 5  # seconds


class ProviderAway(Exception):
    """The provider's keys can't be had, so nothing can be said of its tokens."""


class ProviderTokens:
    """Tells which machine a provider's token stands for.

    Parameters
    ----------
    access : Access
        With `machines`.
    transport : httpx.AsyncBaseTransport, optional
        For certificates of one's own.
    """

    def __init__(self, access: Access, transport: httpx.AsyncBaseTransport | None = None) -> None:
        if access.machines is None:
            raise ValueError("access.toml says nothing of machines")
        self._machines: Machines = access.machines
        self._issuer = str(access.oidc.issuer).rstrip("/")
        self._transport = transport
        self._told_issuer = ""
        self._keys: KeySet | None = None
        self._read_at = self._asked_at = -float("inf")
        self._lock = asyncio.Lock()

    async def machine(self, text: str) -> Principal | None:
        """Give the machine that a token stands for, or None for one that this service does not take.

        Parameters
        ----------
        text : str
            What came as 'Authorization: Bearer ...'.

        Raises
        ------
        Problem
            The provider is away and its keys are not known (503).
        """
        if len(text) > LONGEST_TEXT:
            return None
        try:
            claims = await self._verified(text)
        except ProviderAway:
            detail = "The provider that signs tokens can't be reached, so this one can't be looked at."
            raise Problem(503, "provider-away", detail, headers={"Retry-After": str(RETRY_AFTER)}) from None
        return None if claims is None else self._as_machine(claims)

    async def _verified(self, text: str) -> Mapping[str, Any] | None:
        keys = await self._known_keys()
        try:
            try:
                token = jwt.decode(text, keys, algorithms=ALGORITHMS)
            except InvalidKeyIdError:  # the provider may sign with a new key
                token = jwt.decode(text, await self._known_keys(anew=True), algorithms=ALGORITHMS)
            self._check(token.header, token.claims)
        except (
            JoseError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
            UnicodeError,
        ):  # whatever was sent, it is no token of ours
            return None
        return token.claims

    def _check(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
        kind = str(header.get("typ", "JWT")).lower().removeprefix("application/")
        if kind not in ("at+jwt", "jwt") or claims.get("typ", "Bearer") != "Bearer" or OF_A_PERSON & set(claims):
            raise ValueError("no access token of a machine")
        registry = JWTClaimsRegistry(
            leeway=_LEEWAY,
            iss={"essential": True, "value": self._told_issuer},
            aud={"essential": True, "value": self._machines.audience},
            exp={"essential": True},
        )
        registry.validate(dict(claims))
        if claims["exp"] - time.time() > 60 * self._machines.longest_minutes + _LEEWAY:
            raise ValueError("lives too long")

    def _as_machine(self, claims: Mapping[str, Any]) -> Principal | None:
        client = str(claims.get("client_id") or claims.get("azp") or "")
        if client not in self._machines.clients:
            return None
        told = claims.get(self._machines.claim, ())
        values: Sequence[object] = told.split() if isinstance(told, str) else told if isinstance(told, list) else ()
        scopes: set[Scope] = set()
        for value in values:
            scopes |= self._machines.scopes.get(str(value), frozenset())
        return Principal("machine", f"client:{client}", client, frozenset(scopes & MACHINES))

    async def _known_keys(self, *, anew: bool = False) -> KeySet:
        async with self._lock:
            moment = time.monotonic()
            wanted = anew or self._keys is None or moment - self._read_at > _FRESH
            if wanted and moment - self._asked_at > _AT_MOST_EVERY:
                self._asked_at = moment
                try:
                    self._told_issuer, self._keys = await self._ask()
                    self._read_at = moment
                except (httpx.HTTPError, JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
                    if self._keys is None:
                        raise ProviderAway from error
            if self._keys is None or moment - self._read_at > _GOOD:
                raise ProviderAway
            return self._keys

    async def _ask(self) -> tuple[str, KeySet]:
        """Ask the provider who it is and for its keys; no other address is asked, wherever it points."""
        async with httpx.AsyncClient(timeout=_TIMEOUT, transport=self._transport, follow_redirects=False) as http:
            told = await _read(http, f"{self._issuer}/.well-known/openid-configuration")
            issuer, place = str(told["issuer"]), str(told["jwks_uri"])
            if issuer.rstrip("/") != self._issuer or _origin(place) != _origin(self._issuer):
                raise ValueError("the provider calls itself something else, or its keys lie elsewhere")
            return issuer, _for_signing((await _read(http, place))["keys"])


def _for_signing(told: Sequence[dict[str, Any]]) -> KeySet:
    """Give the public keys with which tokens are signed; those for encryption, and secrets that both sides share, are passed over."""
    fitting = [key for key in told if key.get("use", "sig") == "sig" and key["kty"] in ("RSA", "EC", "OKP")]
    return KeySet.import_key_set({"keys": fitting})


async def _read(http: httpx.AsyncClient, address: str) -> dict[str, Any]:
    async with http.stream("GET", address) as answer:
        answer.raise_for_status()
        if answer.is_redirect:
            raise ValueError("the provider points elsewhere")
        body = bytearray()
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > _MOST_BYTES:
                raise ValueError("the provider's answer is too long")
    told: dict[str, Any] = httpx.Response(200, content=bytes(body)).json()
    return told


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc.lower()
