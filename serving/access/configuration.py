"""`access.toml`: which provider people log in with, which of its claims say what, and which exceptions the institution recorded."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError, field_validator, model_validator

from riskmodel.errors import ConfigurationFault
from serving.access.scopes import MACHINES, Role, Scope
from serving.access.wall import Wall

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
    """Why somebody both sees students of some programmes and decides on the binding study advice there."""

    login: _Text
    programmes: Annotated[frozenset[_Text], Field(min_length=1)]
    why: Annotated[str, Field(min_length=20)]
    by: _Text
    until: dt.date


class Machines(_Part):
    """Which machines the provider may vouch for, by access tokens of the client credentials grant."""

    audience: _Text = Field(
        description="What such a token names as its audience: this service, and not the client that people log in with."
    )
    clients: frozenset[_Text] = Field(description="The clients that may call.")
    claim: _Text = Field(default="scope", description="Which claim tells what the machine may: text with spaces between, or a list.")
    scopes: dict[str, frozenset[Scope]] = Field(description="Per value of that claim, the scopes that it gives.")
    longest_minutes: int = Field(default=60, gt=0, le=24 * 60, description="A token that lives longer is refused, as nobody can revoke it.")

    @field_validator("scopes")
    @classmethod
    def _for_machines(cls, told: dict[str, frozenset[Scope]]) -> dict[str, frozenset[Scope]]:
        beyond = frozenset().union(*told.values()) - MACHINES
        if beyond:
            raise ValueError(f"a machine can't be given {', '.join(sorted(beyond))}")
        return told


class Access(_Part):
    """The whole file."""

    oidc: Provider
    machines: Machines | None = None
    claims: Claims = Claims()
    roles: dict[Role, tuple[str, ...]] = Field(default_factory=dict, description="Per role, the values of the roles' claim that give it.")
    study_advice: dict[str, Annotated[frozenset[_Text], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="Per value that gives the role study_advice, the programmes whose advice it decides on; every programme for one that is not named.",
    )
    teaches: dict[str, Annotated[frozenset[_Text], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="Per value that gives the role teacher, the programmes that it teaches in; none for one that is not named.",
    )
    both_roles: tuple[BothRoles, ...] = ()

    @model_validator(mode="after")
    def _names_values_of_the_role(self) -> Access:
        unknown = set(self.study_advice) - set(self.roles.get(Role.STUDY_ADVICE, ()))
        if unknown:
            raise ValueError(f"[study_advice] names {', '.join(sorted(unknown))}, which [roles] study_advice does not")
        untaught = set(self.teaches) - set(self.roles.get(Role.TEACHER, ()))
        if untaught:
            raise ValueError(f"[teaches] names {', '.join(sorted(untaught))}, which [roles] teacher does not")
        if self.machines is not None and self.machines.audience == self.oidc.client_id:
            raise ValueError("[machines] audience is [oidc] client_id, so that what a person logs in with would pass for a machine")
        return self

    def roles_in(self, claims: Mapping[str, Any]) -> frozenset[Role]:
        """Give the roles that a person's claims tell; values that the file does not name give none."""
        values = self._values(claims)
        return frozenset(role for role, names in self.roles.items() if values & set(names))

    def decides_in(self, claims: Mapping[str, Any]) -> frozenset[str] | None:
        """Give the programmes whose binding study advice a person decides on, by their claims; None for every programme."""
        found: set[str] = set()
        for value in self._values(claims) & set(self.roles.get(Role.STUDY_ADVICE, ())):
            if value not in self.study_advice:
                return None
            found |= self.study_advice[value]
        return frozenset(found)

    def teaches_in(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """Give the programmes that a person teaches in, by their claims."""
        return frozenset().union(*(self.teaches[value] for value in self._values(claims) if value in self.teaches))

    def _values(self, claims: Mapping[str, Any]) -> set[str]:
        told = claims.get(self.claims.roles, ())
        return {told} if isinstance(told, str) else {str(value) for value in told or ()}

    def recorded_for(self, login: str, today: dt.date) -> frozenset[str]:
        """Give the programmes for which it was recorded why this person has both roles, where that still holds."""
        return frozenset().union(*(each.programmes for each in self.both_roles if each.login == login and today <= each.until))

    def wall_of(self, login: str, decides: frozenset[str] | None, today: dt.date) -> Wall:
        """Give what a person is kept from.

        Parameters
        ----------
        login : str
        decides : frozenset of str or None
            As `decides_in` gave it when they logged in.
        today : datetime.date
        """
        return Wall(decides, self.recorded_for(login, today))


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
