"""From scored students and coaches to a list: pools, places, who is invited, who talks with whom, and why each is not."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from riskmodel.errors import ConfigurationFault
from riskmodel.policy import Policy, Rules
from riskmodel.routing.assignment import Room, assign
from riskmodel.routing.lots import lots, rank
from riskmodel.routing.selection import ALWAYS, People, select

FIRST_TEST: Literal["first_test_failed_or_missed"] = "first_test_failed_or_missed"
_BOOLS = ("asked_for_talk", "put_on_list", FIRST_TEST, "in_talk", "objected", "listed_before")
_EVERYBODY = "everybody"


@dataclass(frozen=True)
class Clash:
    """Numbers of a policy that can't all be met.

    Attributes
    ----------
    pool : str
        Coach, programme or academy that shares the places.
    due, places : int
        Students who should be invited whatever the score, and the places there are.
    by : dict of str to int
        How many of them by which way.
    """

    pool: str
    due: int
    places: int
    by: dict[str, int]


@dataclass(frozen=True)
class Routed:
    """A list, whole.

    Attributes
    ----------
    rows : pandas.DataFrame
        Same index as the students: rank (over all; NaN without score), pool, capacity (places of the pool), cut_off (probability of the last
        one by rank; NaN where none was), margin, chance_of_invitation, invited, way ('request', 'coach', 'rule', 'model', 'lottery', 'chance'
        or ''), waits_for (the way that found no place, or ''), left_alone ('in_talk', 'invited_lately', 'objected' or ''), talks_with, how
        ('own', 'programme', 'academy' or '') and policy.
    load : pandas.DataFrame
        coach_id, places, own (invited of their own students), from_others and free.
    clashes : tuple of Clash
    """

    rows: pd.DataFrame
    load: pd.DataFrame
    clashes: tuple[Clash, ...]


def invite(scored: pd.DataFrame, policy: Policy, on: dt.date) -> pd.DataFrame:
    """Choose who is invited by a share of all students, coaches left out of it.

    Parameters
    ----------
    scored : pandas.DataFrame
        enrolment_id, probability (of the policy's target) and, where a rule asks for it, first_test_failed_or_missed; one row per student.
    policy : Policy
        Its `capacity_share` counts the places.
    on : datetime.date
        The day of the list; it seeds the lot.

    Returns
    -------
    pandas.DataFrame
        Same index: rank (0 without a probability), capacity, cut_off, margin, invited and way, as `Routed` tells them.
    """
    pool, rules = _prepared(scored, policy, on)
    places = _places(len(pool), policy, policy, None)
    rows = _told(pool, {_EVERYBODY: np.arange(len(pool))}, {_EVERYBODY: places}, {_EVERYBODY: policy}, rules, on)
    return rows[["rank", "capacity", "cut_off", "margin", "invited", "way"]].fillna({"rank": 0}).astype({"rank": "int64"})


def route(students: pd.DataFrame, coaches: pd.DataFrame, policy: Policy, on: dt.date) -> Routed:
    """Make a list.

    Places are counted per coach (`talks_per_coach`), per programme (a group session) or, with neither, as a share of all. Who shares
    places is a pool: a coach's own students where an overflow waits; a programme or an academy where a colleague takes it over. A
    programme with rules of its own is a pool apart. A coach with students in several pools gives each a share of the places, by their
    number of students (largest remainder).

    Parameters
    ----------
    students : pandas.DataFrame
        enrolment_id, programme, academy and coach_id ('' or missing where there is none); probability (NaN where there is no model);
        and where they are known, as bool, asked_for_talk, put_on_list, first_test_failed_or_missed, in_talk, objected and listed_before,
        and as dates, invited_on (last invitation) and waiting_since.
    coaches : pandas.DataFrame
        coach_id and capacity (talks a week; missing where the policy's number holds); may be empty.
    policy : Policy
    on : datetime.date

    Raises
    ------
    ConfigurationFault
        The policy does not hold on that day, or leaves no place at all; the numbers are named.
    """
    _require_in_force(policy, on)
    people, rules = _prepared(students, policy, on)
    people["coach_id"] = people["coach_id"].fillna("").astype("str") if "coach_id" in people else ""
    people["pool"], per_coach = _pools(people, rules, policy)
    shares = _shares(people[per_coach], coaches, rules)
    members = {str(name): np.asarray(rows) for name, rows in people.groupby("pool", sort=True).indices.items()}
    of_pool = {name: policy if name == _EVERYBODY else rules[people["programme"].iloc[rows[0]]] for name, rows in members.items()}
    rooms = {name: shares.get(name, {}) if of_pool[name].talks_per_coach is not None else None for name in members}
    places = {name: _places(len(rows), of_pool[name], policy, rooms[name]) for name, rows in members.items()}
    rows = _told(people, members, places, of_pool, rules, on)
    rows[["talks_with", "how"]] = _given(people, rows, rooms)
    if per_coach.any() and not sum(sum(room.values()) for room in shares.values()):
        raise ConfigurationFault(
            f"no coach has a place: talks_per_coach = {policy.talks_per_coach}, and {len(coaches)} coaches are known.",
            place="policy",
            remedy="Raise talks_per_coach, or the capacity in the table of coaches.",
        )
    rows["policy"] = policy.version
    return Routed(rows, _load(rows, people, shares), _clashes(rows))


def _require_in_force(policy: Policy, on: dt.date) -> None:
    if (policy.valid_from and on < policy.valid_from) or (policy.valid_until and on > policy.valid_until):
        period = f"{policy.valid_from or 'the beginning'} to {policy.valid_until or 'further notice'}"
        raise ConfigurationFault(
            f"this policy holds from {period}, and the list is of {on}.",
            place="policy",
            remedy="Give the policy of this period, or mend its dates.",
        )


def _prepared(students: pd.DataFrame, policy: Policy, on: dt.date) -> tuple[pd.DataFrame, dict[str, Rules]]:
    """Give the students with every column, and the rules of each programme."""
    people = students.copy()
    for name in _BOOLS:
        people[name] = people[name].fillna(False).astype(bool) if name in people else False
    for name in ("invited_on", "waiting_since"):
        people[name] = pd.to_datetime(people[name]) if name in people else pd.NaT
    people["programme"] = people.get("programme", "")
    people["rank"] = math.nan
    people["probability"] = people.get("probability", math.nan)
    scored = people["probability"].notna()
    people.loc[scored, "rank"] = rank(people.loc[scored, "probability"], lots(people.loc[scored, "enrolment_id"], on)).astype(float)
    rules = {name: policy.rules_for(name) for name in people["programme"].unique()}
    weeks = people["programme"].map({name: each.leave_alone_weeks for name, each in rules.items()}).astype(float)
    people["left_alone"] = (people["invited_on"].notna() & ((pd.Timestamp(on) - people["invited_on"]).dt.days < 7 * weeks)).astype(bool)
    return people, rules


def _pools(people: pd.DataFrame, rules: dict[str, Rules], policy: Policy) -> tuple[pd.Series, pd.Series]:
    """Give each student's pool and whether its places are counted per coach."""
    per_coach = people["programme"].map({name: each.talks_per_coach is not None for name, each in rules.items()}).astype(bool)
    grouped = people["programme"].map({name: each.places_per_programme is not None for name, each in rules.items()}).astype(bool)
    own = people["programme"].isin(list(policy.programme))
    pool = pd.Series(_EVERYBODY, index=people.index, dtype="str")
    pool[grouped | own] = people["programme"]
    wide = per_coach & ~own & (policy.overflow == "academy")
    pool[wide] = people["academy"] if "academy" in people else people["programme"]
    narrow = per_coach & ((policy.overflow == "programme") | (own & (policy.overflow != "wait")))
    pool[narrow] = people["programme"]
    waits = per_coach & (policy.overflow == "wait")
    pool[waits] = people["programme"] + " / " + people["coach_id"]
    return pool, per_coach


def _shares(people: pd.DataFrame, coaches: pd.DataFrame, rules: dict[str, Rules]) -> dict[str, dict[str, int]]:
    """Share each coach's places out over the pools in which they have students."""
    stated = {} if coaches.empty else pd.to_numeric(coaches.set_index("coach_id")["capacity"], errors="coerce").dropna().to_dict()
    shares: dict[str, dict[str, int]] = {}
    counted = (
        people[people["coach_id"] != ""]
        .groupby(["coach_id", "pool"], sort=True)
        .agg(n=("enrolment_id", "size"), programme=("programme", "first"))
    )
    for coach, pools in counted.groupby(level="coach_id"):
        usual = max(rules[name].talks_per_coach or 0 for name in pools["programme"])
        places = int(stated.get(coach, usual))
        exact = places * pools["n"].to_numpy() / pools["n"].sum()
        whole = np.floor(exact).astype(int)
        whole[np.argsort(-(exact - whole), kind="stable")[: places - whole.sum()]] += 1
        for (_, pool), given in zip(pools.index, whole, strict=True):
            shares.setdefault(str(pool), {})[str(coach)] = int(given)
    return shares


def _places(students: int, rules: Rules, policy: Policy, room: dict[str, int] | None) -> int:
    if room is not None:
        return min(students, sum(room.values()))
    if rules.places_per_programme is not None:
        return min(students, rules.places_per_programme)
    return min(students, math.ceil(policy.capacity_share * students))


def _told(
    people: pd.DataFrame,
    members: dict[str, np.ndarray],
    places: dict[str, int],
    of_pool: Mapping[str, Rules],
    rules: dict[str, Rules],
    on: dt.date,
) -> pd.DataFrame:
    """Fill every pool, and tell of each student where they stand."""
    size = len(people)
    way, waits_for = np.full(size, "", dtype="U7"), np.full(size, "", dtype="U7")
    chance, cut_off, capacity = np.zeros(size), np.full(size, math.nan), np.zeros(size, dtype=np.int64)
    pool = np.full(size, "", dtype=object)
    programmes, probability = people["programme"].to_numpy(), people["probability"].to_numpy(dtype=float)
    columns = _columns(people, [FIRST_TEST in rules[name].always_invite for name in programmes], on)
    for name, rows in members.items() if size else ():
        selected = select(columns[rows], places[name], of_pool[name])
        way[rows] = np.where(selected.waits, "", selected.way)
        waits_for[rows] = np.where(selected.waits, selected.way, "")
        chance[rows], capacity[rows], pool[rows] = selected.chance, places[name], name
        by_rank = rows[selected.way == "model"]
        cut_off[rows] = probability[by_rank].min() if len(by_rank) else math.nan
    alone = np.select([columns.in_talk, columns.left_alone, columns.objected], ["in_talk", "invited_lately", "objected"], "")
    told = {
        "rank": people["rank"].to_numpy(),
        "pool": pool,
        "capacity": capacity,
        "cut_off": cut_off,
        "margin": probability - cut_off,
        "chance_of_invitation": chance,
        "invited": way != "",
        "way": pd.array(way, dtype="str"),
        "waits_for": pd.array(waits_for, dtype="str"),
        "left_alone": pd.array(np.where(way != "", "", alone), dtype="str"),
    }
    return pd.DataFrame(told, index=people.index)


def _columns(people: pd.DataFrame, rule_holds: list[bool], on: dt.date) -> People:
    since = (people["waiting_since"] - pd.Timestamp(on)).dt.days.to_numpy(dtype=float, na_value=math.inf)
    flags = {name: people[name].to_numpy(dtype=bool) for name in _BOOLS}
    return People(
        rank=people["rank"].to_numpy(dtype=float),
        lot=lots(people["enrolment_id"], on),
        request=flags["asked_for_talk"],
        coach=flags["put_on_list"],
        rule=flags[FIRST_TEST] & np.array(rule_holds, dtype=bool),
        in_talk=flags["in_talk"],
        left_alone=people["left_alone"].to_numpy(dtype=bool),
        objected=flags["objected"],
        listed_before=flags["listed_before"],
        waiting_since=since,
    )


def _given(people: pd.DataFrame, rows: pd.DataFrame, rooms: dict[str, dict[str, int] | None]) -> pd.DataFrame:
    """Say who talks with whom, pool by pool where one coach is fuller than they have places."""
    given = pd.DataFrame({"talks_with": people["coach_id"].where(rows["invited"], ""), "how": np.where(rows["invited"], "own", "")})
    order = rows["way"].map({way: place for place, way in enumerate(ALWAYS)}).fillna(len(ALWAYS))
    chosen = people.assign(_order=order)[rows["invited"]].sort_values(["_order", "rank", "enrolment_id"])
    asked = chosen.groupby(["pool", "coach_id"]).size().reset_index(name="students")
    full = set()
    for pool, coach, count in asked.itertuples(index=False):
        room = rooms[pool]
        if room is not None and count > room.get(coach, 0):
            full.add(pool)
    teaches = people[people["pool"].isin(full)].groupby(["pool", "coach_id"])["programme"].agg(frozenset)
    for name, students in chosen[chosen["pool"].isin(full)].groupby("pool", sort=True):
        own = {str(coach): programmes for coach, programmes in teaches[name].items()}
        given.loc[students.index, ["talks_with", "how"]] = assign(students, Room(rooms[str(name)] or {}, own))
    return given


def _clashes(rows: pd.DataFrame) -> tuple[Clash, ...]:
    waiting = rows[rows["pool"].isin(rows.loc[rows["waits_for"] != "", "pool"])]
    due = waiting["way"].where(waiting["way"].isin(ALWAYS), waiting["waits_for"])
    counts = due[due != ""].groupby(waiting["pool"]).value_counts()
    places = waiting.groupby("pool")["capacity"].first()
    return tuple(
        Clash(str(name), int(by.sum()), int(places[name]), {str(way): int(count) for way, count in by.droplevel(0).items()})
        for name, by in counts.groupby(level=0, sort=True)
    )


def _load(rows: pd.DataFrame, people: pd.DataFrame, shares: dict[str, dict[str, int]]) -> pd.DataFrame:
    places: dict[str, int] = {}
    for room in shares.values():
        for coach, given in room.items():
            places[coach] = places.get(coach, 0) + given
    invited = rows[rows["invited"]]
    own = invited.loc[invited["how"] == "own", "talks_with"].value_counts()
    others = invited.loc[invited["how"] != "own", "talks_with"].value_counts()
    coaches = sorted({*places, *(coach for coach in people["coach_id"] if coach)})
    load = pd.DataFrame({"coach_id": coaches})
    load["places"] = pd.array([places.get(coach) for coach in coaches], dtype="Int64")
    load["own"] = load["coach_id"].map(own).fillna(0).astype(int)
    load["from_others"] = load["coach_id"].map(others).fillna(0).astype(int)
    load["free"] = load["places"] - load["own"] - load["from_others"]
    return load
