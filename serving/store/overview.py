"""How inviting goes per programme, in counts that name nobody and from which no count under ten can be worked out. It knows no coach and no score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from riskmodel.suppression import FEWEST, protect
from serving.store.caseload import programmes_of
from serving.store.desk_tables import FollowUp, OwnStudent, TalkRequest
from serving.store.follow_up import REASONS
from serving.store.rights import barred_among
from serving.store.tables import Person, Student, Week
from serving.store.weeks import latest_week

FUNNEL = ("invited", "reached", "talked", "agreed", "done", "not", "waiting")
"""Everybody invited, of whom so many came at least as far as a contact, a talk, a next step and its end; no talk came about; no contact yet."""
LOAD = ("listed", "places", "wishing")
"""Invited on the newest list, places for them, and wishes for a talk that are not on it yet."""
_CELLS = ("waiting", "reached", "talked", "agreed", "done", "not")
_UP_TO: Mapping[str, tuple[str, ...]] = {
    "invited": _CELLS,
    "reached": ("reached", "talked", "agreed", "done"),
    "talked": ("talked", "agreed", "done"),
    "agreed": ("agreed", "done"),
    "done": ("done",),
    "not": ("not",),
    "waiting": ("waiting",),
}
# What a reader gets by subtracting one count from another is protected as well.
_BETWEEN: tuple[tuple[str, ...], ...] = (("reached",), ("talked",), ("agreed",))
_SUMS = np.array([[float(cell in cells) for cell in _CELLS] for cells in (*_UP_TO.values(), *_BETWEEN)])
_OFFERED = np.array([True] * len(FUNNEL) + [False] * len(_BETWEEN))
# Where one of several has to go: everybody invited last, steps towards the end before those at the beginning.
_WORTH = np.array([6.0, 5.0, 4.0, 3.0, 1.0, 1.0, 5.0, 0.0, 0.0, 0.0])
Counts = Mapping[str, int | None]


@dataclass(frozen=True)
class Programme:
    """What is told of a programme; None where a count is under ten, would let one work out such a one, or is not known.

    Attributes
    ----------
    name : str
    funnel : mapping of str to int or None
        By `FUNNEL`.
    load : mapping of str to int or None
        By `LOAD`.
    reasons : mapping of str to int or None
        Students with whom a reason for doubt or leaving was noted, by `REASONS`; one student may have several.
    """

    name: str
    funnel: Counts
    load: Counts
    reasons: Counts


@dataclass(frozen=True)
class Tally:
    """What was counted of a programme before anything is withheld.

    Attributes
    ----------
    cells : tuple of int
        Students invited by how far it is with them, each in one of `_CELLS`.
    listed, wishing : int
        As in `LOAD`.
    places : int or None
    reasons : tuple of int
        By `REASONS`, of those in any cell but the first.
    """

    cells: tuple[int, ...]
    listed: int
    places: int | None
    wishing: int
    reasons: tuple[int, ...]


def overview(session: Session) -> list[Programme]:
    """Give what may be told of each programme, by name.

    There are no sums over programmes: whoever is kept from some of them by the wall and whoever is not could subtract theirs from one another.
    """
    return [told_of(name, tally) for name, tally in sorted(_tallies(session).items())]


def told_of(name: str, tally: Tally) -> Programme:
    """Give what may be told of a programme."""
    funnel = _funnel(tally.cells)
    invited, waiting = funnel["invited"], funnel["waiting"]
    # Reasons are noted with whoever was reached or not; only where their number is known anyhow do reasons tell nothing more about it.
    dealt_with = None if invited is None or waiting is None else invited - waiting
    load = {
        "listed": _part(tally.listed, invited),
        # More are never invited by rank than there are places, so that few places tell of few students.
        "places": tally.places if tally.places is not None and tally.places >= FEWEST else None,
        "wishing": tally.wishing if tally.wishing >= FEWEST else None,
    }
    return Programme(name, funnel, load, {reason: _part(count, dealt_with) for reason, count in zip(REASONS, tally.reasons, strict=True)})


def _part(count: int, whole: int | None) -> int | None:
    """Give a part of a whole that is told, unless it or what is left is small."""
    return count if whole is not None and count >= FEWEST and whole - count >= FEWEST else None


@lru_cache(maxsize=1024)
def _funnel(cells: tuple[int, ...]) -> Counts:
    values = np.array(cells, dtype=float)
    told = protect(_SUMS, values, worth=_WORTH, offered=_OFFERED)
    return {name: int(count) if shown else None for name, count, shown in zip(FUNNEL, _SUMS @ values, told, strict=False)}


def _tallies(session: Session) -> dict[str, Tally]:
    newest = latest_week(session)
    if newest is None:
        return {}
    listed_now, before = _invited(session, newest)
    invited = before | {row.enrolment: row.programme for row in listed_now}
    dealing = session.execute(select(FollowUp.enrolment, FollowUp.stage, FollowUp.reasons).where(FollowUp.stage != "")).all()
    asked = set(session.scalars(select(TalkRequest.enrolment).where(TalkRequest.ended_at.is_(None))))
    programme = invited | _own(session, {*(row.enrolment for row in dealing), *asked} - invited.keys())
    follow_ups = {row.enrolment: row for row in dealing if row.enrolment in programme}
    now_on = {row.enrolment for row in listed_now}
    cells: dict[str, Counter[str]] = {}
    reasons: dict[str, Counter[str]] = {}
    listed: Counter[str] = Counter()
    for enrolment in invited.keys() | follow_ups.keys():
        name, follow_up = programme[enrolment], follow_ups.get(enrolment)
        cell = "waiting" if follow_up is None or follow_up.stage == "invited" else follow_up.stage
        cells.setdefault(name, Counter())[cell] += 1
        listed[name] += enrolment in now_on
        if follow_up is not None and cell != "waiting":
            reasons.setdefault(name, Counter()).update(set(follow_up.reasons))
    wishing = Counter(programme[each] for each in asked if each in programme and each not in invited and each not in follow_ups)
    room = {row.programme: row.capacity for row in listed_now}
    room = {name: places for name, places in room.items() if _counts_by_programme(newest.policy, name)}
    return {
        name: Tally(
            tuple(cells.get(name, Counter())[cell] for cell in _CELLS),
            listed[name],
            room.get(name),
            wishing[name],
            tuple(reasons.get(name, Counter())[reason] for reason in REASONS),
        )
        for name in programmes_of(session) | set(programme.values())
    }


def _invited(session: Session, newest: Week) -> tuple[Sequence[Any], dict[str, str]]:
    """Give who is invited on the newest list, and the programmes of those whom only an earlier one invited and who did not object since."""
    there = (Student.invited, Student.closed_on.is_(None))
    listed_now = session.execute(
        select(Student.enrolment, Student.programme, Student.capacity).where(*there, Student.week_id == newest.id)
    ).all()
    still = select(Student.enrolment).where(*there, Student.week_id == newest.id)
    earlier = (
        select(Student.enrolment, Student.programme, Person.student)
        .join(Person, Student.person_id == Person.id)
        .join(Week, Student.week_id == Week.id)
        .where(*there, Week.closed_on.is_(None), Student.enrolment.not_in(still))
        .distinct()
    )
    rows = session.execute(earlier).all()
    barred = barred_among(session, {row.student for row in rows})
    return listed_now, {row.enrolment: row.programme for row in rows if row.student not in barred}


def _own(session: Session, enrolments: Collection[str]) -> dict[str, str]:
    """Give the programmes of some enrolments that are delivered still."""
    query = select(OwnStudent.enrolment, OwnStudent.programme).where(OwnStudent.closed_on.is_(None), OwnStudent.enrolment.in_(enrolments))
    return {row.enrolment: row.programme for row in session.execute(query)}


def _counts_by_programme(policy: Mapping[str, Any], programme: str) -> bool:
    """Tell whether a list's places were those of a programme by itself, and not of a coach, an academy or the institution."""
    own = (policy.get("programme") or {}).get(programme)
    rules = own or {}
    if rules.get("places_per_programme") is not None:
        return True
    per_coach = (rules.get("talks_per_coach") or policy.get("talks_per_coach")) is not None
    if per_coach:
        return policy.get("overflow") == "programme" or (own is not None and policy.get("overflow") == "academy")
    return own is not None or policy.get("places_per_programme") is not None
