"""Who of one pool is invited when its places are fewer than its students. Knows nothing of coaches."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from riskmodel.policy import Rules

ALWAYS = ("request", "coach", "rule")
"""Ways that fill places first, in this order: the student asks, their coach does, a rule of the institution does."""


@dataclass(frozen=True)
class People:
    """Students who share places, as columns of the same length.

    Attributes
    ----------
    rank : numpy.ndarray of float
        1 is the highest risk; NaN where there is no score.
    lot : numpy.ndarray of float
        What each drew.
    request, coach, rule : numpy.ndarray of bool
        Who asked for a talk, whom a coach put on the list, to whom a rule that always invites applies.
    in_talk : numpy.ndarray of bool
        Not invited by any way.
    left_alone : numpy.ndarray of bool
        Not invited by rule, rank or lot.
    objected : numpy.ndarray of bool
        Not invited by rank or lot.
    listed_before : numpy.ndarray of bool
        Stood on the last list.
    waiting_since : numpy.ndarray of float
        Day on which the waiting began, on any scale; infinity where nobody waits.
    """

    rank: np.ndarray
    lot: np.ndarray
    request: np.ndarray
    coach: np.ndarray
    rule: np.ndarray
    in_talk: np.ndarray
    left_alone: np.ndarray
    objected: np.ndarray
    listed_before: np.ndarray
    waiting_since: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> People:
        """Give some of them."""
        return People(*(getattr(self, each.name)[rows] for each in fields(self)))


@dataclass(frozen=True)
class Selected:
    """Who is invited.

    Attributes
    ----------
    way : numpy.ndarray of str
        'request', 'coach', 'rule', 'model', 'lottery', 'chance' or ''.
    chance : numpy.ndarray of float
        Probability of being invited, as known before lots were drawn.
    waits : numpy.ndarray of bool
        Found no place, though their way goes first.
    """

    way: np.ndarray
    chance: np.ndarray
    waits: np.ndarray


def select(people: People, places: int, rules: Rules) -> Selected:
    """Fill the places of one pool.

    In this order: who asked for a talk, whom a coach put on the list, whom a rule always invites; then by rank; then a few by lot among
    all others. What of the first three does not fit waits, and comes first next time. Where a lottery band is set, places beside the
    cut-off are drawn among the students on both sides of it, so that the effect of being invited can be measured later.

    Parameters
    ----------
    people : People
    places : int
        How many can be invited.
    rules : Rules
        Shares by chance, of the band and of the hysteresis.

    Returns
    -------
    Selected
    """
    size = len(people.rank)
    way = np.full(size, "", dtype="U7")
    chance, waits = np.zeros(size), np.zeros(size, dtype=bool)
    order = np.where(np.isnan(people.rank), np.inf, people.rank)
    # An objection must not cost a student the place that a rule gives, so who is without a rank for that alone is not put behind the ranked.
    due_order = np.where(np.isnan(people.rank) & people.objected & ~np.isnan(people.rank).all(), -np.inf, order)
    free = places
    for name in ALWAYS:
        due = getattr(people, name) & ~people.in_talk & (way == "")
        if name == "rule":
            due &= ~people.left_alone
        candidates = np.flatnonzero(due)
        candidates = candidates[np.lexsort((people.lot[candidates], due_order[candidates], people.waiting_since[candidates]))]
        way[candidates] = name
        chance[candidates[:free]] = 1.0
        waits[candidates[free:]] = True
        free -= min(free, len(candidates))

    rest = (way == "") & ~people.in_talk & ~people.left_alone & ~people.objected
    by_chance = min(free, round(rules.by_chance_share * places))
    by_rank = free - by_chance
    ranked = np.flatnonzero(rest & ~np.isnan(people.rank))
    ranked = ranked[np.lexsort((people.lot[ranked], order[ranked]))]
    # A student who stood on the last list gives way only to somebody who is clearly ahead; where both have the same right, they stay.
    lead = rules.hysteresis * places + 0.5 if rules.hysteresis else 0.0
    position = np.arange(len(ranked)) - lead * people.listed_before[ranked]
    ranked = ranked[np.argsort(position, kind="stable")]
    half = min(round(rules.lottery_band * by_rank), by_rank, max(len(ranked) - by_rank, 0))
    certain, band = ranked[: by_rank - half], ranked[by_rank - half : by_rank + half]
    way[certain] = "model"
    chance[certain] = 1.0
    if half:
        way[_drawn(band, half, people.lot)] = "lottery"
        chance[band] = half / len(band)
    rest[certain] = rest[band] = False
    others = np.flatnonzero(rest)
    drawn = _drawn(others, by_chance, people.lot)
    way[drawn] = "chance"
    chance[others] = len(drawn) / max(len(others), 1)
    return Selected(way, chance, waits)


def _drawn(candidates: np.ndarray, places: int, lot: np.ndarray) -> np.ndarray:
    picked: np.ndarray = candidates[np.argsort(lot[candidates], kind="stable")[:places]]
    return picked
