"""`access.toml`: which provider people log in with, which of its claims say what, and which exceptions the institution recorded."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError

from riskmodel.errors import ConfigurationFault
from serving.access.scopes import Role

FILE_NAME = "access.toml"
_Text = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Provider(_Part):
    """An OpenID Connect provider, such as SURFconext or Keycloak. The client's secret is a setting, and never in this file."""

    issuer: HttpUrl
    client_id: _Text
    scopes: tuple[str, ...] = ("openid", "profile", "email")


class Claims(_Part):
    """Which claim tells what."""

    login: _Text = "sub"
    name: _Text = "name"
    roles: _Text = "groups"
    student: _Text | None = Field(default=None, description="A student's own number, so that students can see who saw them.")


class BothRoles(_Part):
    """Why somebody both sees students here and decides on the binding study advice."""

    login: _Text
    why: Annotated[str, Field(min_length=20)]
    by: _Text
    until: dt.date


class Access(_Part):
    """The whole file."""

    oidc: Provider
    claims: Claims = Claims()
    roles: dict[Role, tuple[str, ...]] = Field(default_factory=dict, description="Per role, the values of the roles' claim that give it.")
    both_roles: tuple[BothRoles, ...] = ()

    def roles_in(self, claims: Mapping[str, Any]) -> frozenset[Role]:
        """Give the roles that a person's claims tell; values that the file does not name give none."""
        told = claims.get(self.claims.roles, ())
        values = {told} if isinstance(told, str) else {str(value) for value in told or ()}
        return frozenset(role for role, names in self.roles.items() if values & set(names))

    def both_recorded(self, login: str, today: dt.date) -> bool:
        """Tell whether it was recorded why this person has both roles, and that still holds."""
        return any(each.login == login and today <= each.until for each in self.both_roles)


def read_access(path: Path) -> Access:
    """Read `access.toml`.

    Raises
    ------
    ConfigurationFault
        It is not there, no TOML, or says something that cannot be.
    """
    try:
        return Access.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except FileNotFoundError:
        raise ConfigurationFault("this file is not there.", place=str(path), remedy="See docs/access.md for one to begin with.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationFault(f"this is not valid TOML: {error}.", place=str(path), remedy="Mend the line that is named.") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ConfigurationFault(f"{faults}.", place=str(path), remedy="Mend what is named and try again.") from None
