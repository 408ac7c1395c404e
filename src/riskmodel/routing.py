"""The invitation rule in its first form: a ranked list cut at the coaches' capacity, some always, a few by chance.

Knows ranks and capacity; knows nothing of how a score is made. In the manner of the *uitnodigingsregel*: think in talks, not in thresholds.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math

import numpy as np
import pandas as pd

from riskmodel.policy import Policy


def lots(enrolments: pd.Series, on: dt.date) -> np.ndarray:
    """Draw one number in [0, 1) per enrolment for a day.

    The same enrolment on the same day always draws the same, whoever else is on the list, so that a list made again is the same list.

    Parameters
    ----------
    enrolments : pandas.Series of str, shape (n,)
        Enrolment ids.
    on : datetime.date
        The day of the list.

    Returns
    -------
    numpy.ndarray, shape (n,)
    """
    digests = [hashlib.sha256(f"{on.isoformat()}|{enrolment}".encode()).digest() for enrolment in enrolments]
    return np.array([int.from_bytes(digest[:8], "big") / 2**64 for digest in digests], dtype=float)


def rank(probability: pd.Series, lot: np.ndarray) -> pd.Series:
    """Rank from 1 (highest probability) on; equal probabilities are put in order by lot."""
    order = np.lexsort((lot, -probability.to_numpy()))
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    return pd.Series(ranks, index=probability.index, name="rank")


def invite(scored: pd.DataFrame, policy: Policy, on: dt.date) -> pd.DataFrame:
    """Choose who is invited, by which way, and keep what is needed to learn later whether it helped.

    Capacity is filled in this order: those whom a rule always invites, a few whom chance picks among the others, then by rank.
    Rules never exceed capacity: what does not fit goes by rank.

    Parameters
    ----------
    scored : pandas.DataFrame
        enrolment_id, probability (of the policy's target) and first_test_failed_or_missed (bool); one row per student.
    policy : Policy
        Capacity, rules and share by chance.
    on : datetime.date
        The day of the list; it seeds the lot.

    Returns
    -------
    pandas.DataFrame
        Same index: rank, capacity, cut_off (probability of the last one invited by rank; NaN where none was), margin (probability
        minus cut-off), invited (bool), way ('rule', 'chance', 'model' or '').
    """
    capacity = min(len(scored), math.ceil(policy.capacity_share * len(scored)))
    lot = lots(scored["enrolment_id"], on)
    ranks = rank(scored["probability"], lot)
    way = pd.Series("", index=scored.index, dtype="str")
    free = capacity

    def take(candidates: pd.DataFrame, by: list[str], places: int, name: str) -> int:
        chosen = candidates.sort_values(by).index[:places]
        way.loc[chosen] = name
        return len(chosen)

    people = pd.DataFrame({"rank": ranks, "lot": lot}, index=scored.index)
    if "first_test_failed_or_missed" in policy.always_invite:
        free -= take(people[scored["first_test_failed_or_missed"].to_numpy(dtype=bool)], ["rank"], free, "rule")
    by_chance = min(free, round(policy.by_chance_share * capacity))
    free -= take(people[way == ""], ["lot"], by_chance, "chance")
    by_rank = people[way == ""].sort_values("rank").index[:free]
    way.loc[by_rank] = "model"
    cut_off = float(scored.loc[by_rank, "probability"].min()) if len(by_rank) else math.nan
    return pd.DataFrame(
        {
            "rank": ranks,
            "capacity": capacity,
            "cut_off": cut_off,
            "margin": scored["probability"] - cut_off,
            "invited": way != "",
            "way": way,
        }
    )
