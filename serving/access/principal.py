"""Who asks: a person who logged in, or a machine with a token, and what they may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from serving.access.scopes import Role, Scope
from serving.access.wall import NONE, Wall


@dataclass(frozen=True)
class Principal:
    """Who asks.

    Attributes
    ----------
    kind : {'person', 'machine'}
    login : str
        A person's login subject, or a token's name; what the audit trail keeps as a digest.
    name : str
        How pages call them.
    scopes : frozenset of Scope
    roles : frozenset of Role
    demo : bool
        Whether they chose themselves who to be.
    student : str
        A student's own number; empty for everybody else.
    wall : Wall
        What they are kept from because they decide on the binding study advice.
    teaches : frozenset of str
        Programmes that they teach in.
    """

    kind: Literal["person", "machine"]
    login: str
    name: str
    scopes: frozenset[Scope]
    roles: frozenset[Role] = frozenset()
    demo: bool = False
    student: str = ""
    wall: Wall = NONE
    teaches: frozenset[str] = frozenset()

    def may(self, *scopes: Scope) -> bool:
        """Tell whether one of these is allowed."""
        return bool(self.scopes & set(scopes))
