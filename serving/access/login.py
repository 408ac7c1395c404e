"""Logging people in with an OpenID Connect provider, by Authlib: code flow with PKCE, state and nonce."""

from __future__ import annotations

from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from fastapi import Request
from fastapi.responses import RedirectResponse

from serving.access.configuration import Access
from serving.access.scopes import Role
from serving.access.sessions import Person
from serving.settings import Settings


class LoginFailed(Exception):
    """The provider did not say who this is."""


class Login:
    """The way to the provider and back.

    Parameters
    ----------
    access : Access
    settings : Settings
        Holds the client's secret.
    """

    def __init__(self, access: Access, settings: Settings) -> None:
        self.access = access
        oauth = OAuth()
        secret = settings.oidc_secret
        self._client: Any = oauth.register(
            "provider",
            client_id=access.oidc.client_id,
            client_secret=None if secret is None else secret.get_secret_value(),
            server_metadata_url=f"{str(access.oidc.issuer).rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={"scope": " ".join(access.oidc.scopes), "code_challenge_method": "S256"},
        )

    async def send_to_provider(self, request: Request, back: str) -> RedirectResponse:
        """Send a person to the provider.

        Parameters
        ----------
        request : Request
        back : str
            The address that the provider sends them back to.

        Raises
        ------
        LoginFailed
            The provider can't be reached.
        """
        try:
            answer: RedirectResponse = await self._client.authorize_redirect(request, back)
            return answer
        except Exception as error:
            raise LoginFailed(type(error).__name__) from error

    async def receive(self, request: Request) -> Person:
        """Give who came back.

        Raises
        ------
        LoginFailed
            What they brought along is not from the provider, or not for this login.
        """
        try:
            token = await self._client.authorize_access_token(request)
            claims = dict(token.get("userinfo") or {})
            wanted = (self.access.claims.roles, self.access.claims.name, self.access.claims.student)
            if any(claim is not None and claim not in claims for claim in wanted):
                told = dict(await self._client.userinfo(token=token))
                if told.get("sub") == claims.get("sub"):
                    claims = {**told, **claims}
        except OAuthError as error:
            raise LoginFailed(error.error) from error
        except Exception as error:
            raise LoginFailed(type(error).__name__) from error
        login = str(claims.get(self.access.claims.login) or "")
        if not login:
            raise LoginFailed("no login among the claims")
        roles = self.access.roles_in(claims)
        claim = self.access.claims.student
        # A number tells who somebody is only where the institution says that they are a student.
        student = str(claims.get(claim) or "") if claim is not None and Role.STUDENT in roles else ""
        name = str(claims.get(self.access.claims.name) or login)
        return Person(login, name, roles, student=student, decides=self.access.decides_in(claims), teaches=self.access.teaches_in(claims))
