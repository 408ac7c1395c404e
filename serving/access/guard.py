"""The guard at every route: who asks, whether they may, and the check that no route is without one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount

from serving.access.configuration import Access
from serving.access.principal import Principal
from serving.access.provider_tokens import ProviderTokens
from serving.access.scopes import Role, Scope, scopes_of
from serving.access.sessions import Limits, Person, resume
from serving.access.tokens import Remembered, machine
from serving.access.wall import NONE, Wall
from serving.problems import Problem
from serving.settings import Settings
from serving.store.weeks import Store, now

FILES = "/static"


class LoginNeeded(Exception):
    """A page was asked for by nobody in particular; they are sent to log in, and come back."""


class NotAllowed(Exception):
    """A page was asked for by somebody who may not see it."""


class Allow:
    """Lets those through who have one of some scopes.

    Parameters
    ----------
    *scopes : Scope
        One of them suffices; none at all means that whoever is logged in may.
    to : {'both', 'people'}
        Pages are for people alone: a token opens none.
    """

    def __init__(self, *scopes: Scope, to: Literal["both", "people"] = "both") -> None:
        self.scopes = scopes
        self.to = to

    async def __call__(self, request: Request) -> Principal:
        """Give who asks.

        Raises
        ------
        Problem, LoginNeeded, NotAllowed
            Nobody is known (401, or the way to log in), they may not (403), or ask too often (429).
        """
        found = None if self.to == "people" else await machine_of(request)
        if found is None and request.cookies:
            found = await run_in_threadpool(self._person, request)
        if found is None:
            if self.to == "people":
                raise LoginNeeded
            raise Problem(401, "not-logged-in", "Who asks is not known. Send a token as 'Authorization: Bearer ...'.")
        if self.scopes and not found.may(*self.scopes):
            if self.to == "people":
                raise NotAllowed
            needed = " or ".join(self.scopes)
            raise Problem(403, "not-allowed", f"This needs {needed}, which is not among what you may.")
        request.state.wall = found.wall
        if self.to == "both":
            request.app.state.rates.count(found.login)
        return found

    @staticmethod
    def _person(request: Request) -> Principal | None:
        person = person_of(request)
        return None if person is None else as_principal(request, person)


async def open_to_all() -> None:
    """Stand at a route that anybody may call, and say so."""


def cookie_name(settings: Settings) -> str:
    """Give the session cookie's name; the prefix makes browsers hold it to this host and to TLS."""
    return "__Host-session" if settings.secure_cookies else "session"


def limits_of(settings: Settings) -> Limits:
    """Give how long sessions live."""
    return Limits(dt.timedelta(minutes=settings.idle_minutes), dt.timedelta(hours=settings.absolute_hours))


async def machine_of(request: Request) -> Principal | None:
    """Give the machine that a request's token stands for, or None without one.

    A token that was found good is looked up again after `REMEMBERED_SECONDS`: one that is revoked opens nothing after that.

    Raises
    ------
    Problem
        A token was sent that is unknown, ended or revoked (401), or that the provider signed and it is away (503).
    """
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    if not kind:
        return None
    found = None
    if kind.lower() == "bearer":
        remembered: Remembered = request.app.state.tokens
        found = remembered.get(text.strip())
        if found is None:
            others: ProviderTokens | None = request.app.state.provider_tokens
            if others is not None and text.count(".") == 2:
                found = await others.machine(text.strip())
            else:
                found = await run_in_threadpool(_looked_up, request.app.state.store, text.strip())
            if found is not None:
                remembered.keep(text.strip(), found)
    if found is None:
        raise Problem(401, "not-logged-in", "This token is unknown, ended or revoked.")
    return found


def _looked_up(store: Store, text: str) -> Principal | None:
    with Session(store.engine) as session:
        return machine(session, text, now())


def person_of(request: Request) -> Person | None:
    """Give the person whose session a request's cookie holds, or None."""
    settings: Settings = request.app.state.settings
    store: Store = request.app.state.store
    secret = request.cookies.get(cookie_name(settings))
    if not secret:
        return None
    with Session(store.engine) as session, session.begin():
        person = resume(session, store.keys, secret, limits_of(settings), now())
    # Who chose themselves who to be is nobody where that is not offered.
    return None if person is None or (person.demo and not settings.demo) else person


def as_principal(request: Request, person: Person) -> Principal:
    """Give what a person may, by their roles and by what the institution recorded."""
    access = request.app.state.access
    wall = wall_of(access, person)
    scopes = scopes_of(person.roles, walled_off=wall.total)
    return Principal("person", person.login, person.name, scopes, person.roles, person.demo, person.student, wall, person.teaches)


def wall_of(access: Access | None, person: Person) -> Wall:
    """Give what a person is kept from because they decide on the binding study advice, and who does not is kept from nothing."""
    if Role.STUDY_ADVICE not in person.roles:
        return NONE
    return Wall(person.decides) if access is None else access.wall_of(person.login, person.decides, now().date())


def unguarded(app: FastAPI) -> list[str]:
    """Give the routes at which no guard stands; a service with one does not start."""
    routes = (route for route in iter_route_contexts(app.routes) if not (isinstance(route.original_route, Mount) and route.path == FILES))
    return [str(route.path) for route in routes if not guards(route)]


def guards(route: RouteContext) -> list[Any]:
    """Give the guards at a route; one without dependencies, such as a mounted application, has none."""
    dependant: Dependant | None = getattr(route, "dependant", None)
    return [] if dependant is None else [each.call for each in _all(dependant) if _is_guard(each.call)]


def _is_guard(call: Any) -> bool:
    return isinstance(call, Allow) or call is open_to_all


def _all(dependant: Dependant) -> Iterator[Dependant]:
    for each in dependant.dependencies:
        yield each
        yield from _all(each)
