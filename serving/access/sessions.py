"""Sessions of people who logged in: a random secret in a cookie, its digest in the store, an end by idleness and one for good."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from serving.access.scopes import Role
from serving.store.keys import Keys
from serving.store.tables import LoginSession

NOTED_EVERY = dt.timedelta(minutes=1)


@dataclass(frozen=True)
class Limits:
    """How long a session lives.

    Attributes
    ----------
    idle, absolute : datetime.timedelta
        Without a request, and in all.
    """

    idle: dt.timedelta
    absolute: dt.timedelta


@dataclass(frozen=True)
class Person:
    """Who logged in, as the provider told it.

    Attributes
    ----------
    login, name : str
    roles : frozenset of Role
    demo : bool
        Whether they chose themselves who to be.
    student : str
        A student's own number; empty for everybody else.
    decides : frozenset of str or None
        Programmes whose binding study advice they decide on; None for every programme.
    teaches : frozenset of str
        Programmes that they teach in.
    """

    login: str
    name: str
    roles: frozenset[Role]
    demo: bool = False
    student: str = ""
    decides: frozenset[str] | None = frozenset()
    teaches: frozenset[str] = frozenset()

    def to_text(self) -> str:
        """Give all as one text, to be encrypted."""
        told = {"login": self.login, "name": self.name, "roles": sorted(self.roles), "demo": self.demo, "student": self.student}
        decides = None if self.decides is None else sorted(self.decides)
        return json.dumps({**told, "decides": decides, "teaches": sorted(self.teaches)}, ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> Person:
        """Take back what `to_text` gave; a role that this version does not know gives nothing."""
        told = json.loads(text)
        known = {str(role): role for role in Role}
        decides = told.get("decides")  # of a session that an older version began it is not known where, so it is everywhere
        return cls(
            told["login"],
            told["name"],
            frozenset(known[role] for role in told["roles"] if role in known),
            told["demo"],
            told.get("student", ""),
            None if decides is None else frozenset(decides),
            frozenset(told.get("teaches", ())),
        )


def begin(session: Session, keys: Keys, person: Person, at: dt.datetime) -> str:
    """Begin a session and give its secret, which is new at every login, so that none can be planted beforehand."""
    secret = secrets.token_urlsafe(32)
    session.add(
        LoginSession(
            id=_digest(secret),
            person=keys.digest("actor", person.login),
            sealed_person=keys.seal(person.to_text()),
            begun_at=at,
            seen_at=at,
        )
    )
    return secret


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def resume(session: Session, keys: Keys, secret: str, limits: Limits, at: dt.datetime) -> Person | None:
    """Give who a session's secret stands for, or None where it is unknown or has ended; the moment is noted at most once a minute."""
    found = session.get(LoginSession, _digest(secret))
    if found is None or found.ended_at is not None or at - found.seen_at > limits.idle or at - found.begun_at > limits.absolute:
        return None
    if at - found.seen_at > NOTED_EVERY:
        found.seen_at = at
    return Person.from_text(keys.open(found.sealed_person))


def last_person(session: Session, keys: Keys, secret: str, within: dt.timedelta, at: dt.datetime) -> Person | None:
    """Give who a session's secret stood for that ended by itself and not long ago; None for one that somebody logged out of.

    It opens nothing: what such a person sent may be kept for them, and that is all.
    """
    found = session.get(LoginSession, _digest(secret))
    if found is None or found.ended_at is not None or at - found.seen_at > within:
        return None
    return Person.from_text(keys.open(found.sealed_person))


def end(session: Session, secret: str, at: dt.datetime) -> None:
    """End one session."""
    session.execute(update(LoginSession).where(LoginSession.id == _digest(secret), LoginSession.ended_at.is_(None)).values(ended_at=at))


def end_everywhere(session: Session, keys: Keys, login: str, at: dt.datetime) -> int:
    """End all of a person's sessions, and give how many."""
    theirs = (LoginSession.person == keys.digest("actor", login), LoginSession.ended_at.is_(None))
    open_ones = len(session.scalars(select(LoginSession.id).where(*theirs)).all())
    session.execute(update(LoginSession).where(*theirs).values(ended_at=at))
    return open_ones


def reseal_sessions(session: Session, keys: Keys) -> None:
    """Encrypt anew with the newest key who each session is of."""
    for each in session.scalars(select(LoginSession)):
        each.sealed_person = keys.reseal(each.sealed_person)
