"""Tokens for machines: made once, shown once, kept as a digest, with scopes and an end, and revocable at any moment."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from riskmodel.errors import RiskModelError
from serving.access.principal import Principal
from serving.access.scopes import MACHINES
from serving.store.tables import Token

PREFIX = "rmt"
_SHAPE = re.compile(r"^rmt_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$")
_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{1,40}$")
LONGEST_DAYS = 400
REMEMBERED_SECONDS = 1.0
MOST_REMEMBERED = 1000


@dataclass(frozen=True)
class Made:
    """A new token: its text, which is never to be had again, and its end."""

    text: str
    ends_at: dt.datetime


def make_token(session: Session, name: str, scopes: Sequence[str], days: int, *, at: dt.datetime, by: str) -> Made:
    """Make a token.

    Parameters
    ----------
    session : Session
    name : str
        Which machine it is for; small letters, digits and hyphens.
    scopes : sequence of str
        What it may; only what `MACHINES` holds.
    days : int
        After how many it ends, at most `LONGEST_DAYS`.
    at : datetime.datetime
        Now, UTC.
    by : str
        Who makes it.

    Raises
    ------
    RiskModelError
        The name is taken or unfit, a scope can't be given to a machine, or it would live too long.
    """
    if not _NAME.match(name):
        raise RiskModelError(f"'{name}' can't be a token's name.", remedy="Use small letters, digits and hyphens, as in student-system.")
    unknown = [scope for scope in scopes if scope not in {str(each) for each in MACHINES}]
    if unknown or not scopes:
        told = ", ".join(unknown) or "nothing"
        raise RiskModelError(f"a machine can't be given {told}.", remedy=f"There are {', '.join(sorted(MACHINES))}.")
    if not 1 <= days <= LONGEST_DAYS:
        raise RiskModelError(f"a token can't live {days} days.", remedy=f"Choose 1 to {LONGEST_DAYS}.")
    if session.scalars(select(Token).where(Token.name == name, Token.revoked_at.is_(None))).first() is not None:
        raise RiskModelError(f"there is a token '{name}' already.", remedy="Revoke it first, or choose another name.")
    number, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    ends = at + dt.timedelta(days=days)
    session.add(
        Token(
            id=number, name=name, digest=_digest(secret), scopes=sorted(set(scopes)), made_at=at, made_by=by, ends_at=ends, revoked_at=None
        )
    )
    return Made(f"{PREFIX}_{number}_{secret}", ends)


def _digest(secret: str) -> str:
    """A secret of 256 random bits needs no slow hash: there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


def machine(session: Session, text: str, at: dt.datetime) -> Principal | None:
    """Give the machine that a token stands for, or None for one that is unknown, ended or revoked; compared in constant time."""
    told = _SHAPE.match(text)
    token = session.get(Token, told[1]) if told else None
    expected = token.digest if token is not None else _digest("")
    fits = hmac.compare_digest(_digest(told[2] if told else ""), expected)
    if token is None or not fits or token.revoked_at is not None or token.ends_at <= at:
        return None
    known = {str(scope): scope for scope in MACHINES}
    return Principal("machine", f"token:{token.name}", token.name, frozenset(known[scope] for scope in token.scopes if scope in known))


class Remembered:
    """Tokens that were found good a moment ago, so that a machine that calls a thousand times a second is looked up once.

    Parameters
    ----------
    seconds : float
        How long one is taken to be good: the longest that a token still opens anything after it was revoked or has ended.
    """

    def __init__(self, seconds: float = REMEMBERED_SECONDS) -> None:
        self.seconds = seconds
        self._found: dict[str, tuple[float, Principal]] = {}

    def get(self, text: str) -> Principal | None:
        """Give whom a token stands for, or None where it is to be looked up; found by its digest, which tells nothing about near misses."""
        found = self._found.get(_digest(text))
        return found[1] if found is not None and time.monotonic() - found[0] < self.seconds else None

    def keep(self, text: str, principal: Principal) -> None:
        """Remember a token that was just found good."""
        if len(self._found) >= MOST_REMEMBERED:
            self._found.clear()
        self._found[_digest(text)] = (time.monotonic(), principal)


def revoke_token(session: Session, name: str, at: dt.datetime) -> None:
    """End a token now.

    Raises
    ------
    RiskModelError
        There is none of that name that still lives.
    """
    token = session.scalars(select(Token).where(Token.name == name, Token.revoked_at.is_(None))).first()
    if token is None:
        raise RiskModelError(f"there is no living token '{name}'.", remedy="See 'riskmodel token list'.")
    token.revoked_at = at


def list_tokens(session: Session) -> Sequence[Token]:
    """Give every token, newest first; none of their secrets is known."""
    return session.scalars(select(Token).order_by(Token.made_at.desc())).all()
