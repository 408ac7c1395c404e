"""How much two lists differ. Counts and shares alone; who it is stays with whoever asks for the names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from scipy.stats import spearmanr

from riskmodel.explain.reasons import Reason


@dataclass(frozen=True)
class Overlap:
    """Two lists over the same students.

    Attributes
    ----------
    students : int
        Students who could stand on either list.
    both, only_first, only_second : int
        Who stands on both, or on one alone.
    rank_correlation : float
        Spearman's, of the two probabilities; NaN where one is constant.
    by_chance : int
        Of those on one list alone, how many chance picked.
    gone : int
        Students of the first list who could not stand on the second one, as they left or are past the last day.
    """

    students: int
    both: int
    only_first: int
    only_second: int
    rank_correlation: float
    by_chance: int = 0
    gone: int = 0

    @property
    def turnover(self) -> float:
        """Give the share of the first list that does not stand on the second one; NaN where the first is empty."""
        listed = self.both + self.only_first
        return self.only_first / listed if listed else float("nan")

    @property
    def turnover_by_lot(self) -> float:
        """Give the turnover that two lists by lot would have: one minus the second list's share of the students."""
        return 1 - (self.both + self.only_second) / self.students if self.students else float("nan")


def overlap(first: pd.DataFrame, second: pd.DataFrame) -> Overlap:
    """Compare two lists.

    Parameters
    ----------
    first, second : pandas.DataFrame
        enrolment_id, probability, invited (bool) and way; students who are on one alone are left out, and counted as gone
        where they were invited on the first.

    Returns
    -------
    Overlap
    """
    columns = ["enrolment_id", "probability", "invited", "way"]
    both = first[columns].merge(second[columns], on="enrolment_id", suffixes=("_first", "_second"))
    one, other = both["invited_first"].astype(bool), both["invited_second"].astype(bool)
    apart = one ^ other
    chance = (one & (both["way_first"] == "chance")) | (other & (both["way_second"] == "chance"))
    varied = both["probability_first"].nunique() > 1 and both["probability_second"].nunique() > 1
    return Overlap(
        students=len(both),
        both=int((one & other).sum()),
        only_first=int((one & ~other).sum()),
        only_second=int((~one & other).sum()),
        rank_correlation=float(spearmanr(both["probability_first"], both["probability_second"])[0]) if varied else float("nan"),
        by_chance=int((apart & chance).sum()),
        gone=int(first["invited"].sum() - one.sum()),
    )


def by_programme(first: pd.DataFrame, second: pd.DataFrame, fewest: int) -> dict[str, Overlap]:
    """Compare two lists within each programme that has so many students or more, in the order of the programmes' names.

    Parameters
    ----------
    first, second : pandas.DataFrame
        What `overlap` takes, with `programme`.
    fewest : int
        Programmes with fewer students on both lists are left out.
    """
    found = {}
    for programme in sorted(set(first["programme"]) | set(second["programme"])):
        told = overlap(first[first["programme"] == programme], second[second["programme"] == programme])
        if told.students >= fewest:
            found[str(programme)] = told
    return found


def differing(first: pd.DataFrame, second: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    """Give enrolment_id and `invited_by` (one of the two names) of the students who stand on one list alone.

    Parameters
    ----------
    first, second : pandas.DataFrame
        enrolment_id and invited.
    names : tuple of str
        What the two lists are called.
    """
    both = first[["enrolment_id", "invited"]].merge(second[["enrolment_id", "invited"]], on="enrolment_id", suffixes=("_first", "_second"))
    apart = both[both["invited_first"] != both["invited_second"]]
    by = apart["invited_first"].map({True: names[0], False: names[1]})
    return pd.DataFrame({"enrolment_id": apart["enrolment_id"], "invited_by": by}).sort_values("enrolment_id", ignore_index=True)


@dataclass(frozen=True)
class ReasonsCompared:
    """What is told of the students invited, by either model.

    Attributes
    ----------
    told : mapping of reason to (int, int)
        Of how many students invited by each a reason is told that raises the risk.
    invited : tuple of int
        How many students each invites.
    both : int
        Students invited by both.
    same_first : int
        Of those, how many read the same reason first.
    """

    told: Mapping[str, tuple[int, int]]
    invited: tuple[int, int]
    both: int
    same_first: int


def compare_reasons(
    first: Sequence[Sequence[Reason]], second: Sequence[Sequence[Reason]], invited: tuple[pd.Series, pd.Series]
) -> ReasonsCompared:
    """Count what is told.

    Parameters
    ----------
    first, second : sequence of sequence of Reason
        The reasons of every student, in the same order.
    invited : tuple of pandas.Series of bool
        Whom either model invites.
    """
    counts: dict[str, list[int]] = {}
    for side, (told, chosen) in enumerate(((first, invited[0]), (second, invited[1]))):
        for reasons, is_invited in zip(told, chosen, strict=True):
            for reason in reasons if is_invited else ():
                if reason.direction == "raises":
                    counts.setdefault(reason.key, [0, 0])[side] += 1
    together = [place for place, (one, other) in enumerate(zip(*invited, strict=True)) if one and other]
    same = sum(_first_of(first[place]) == _first_of(second[place]) for place in together)
    ordered = sorted(counts.items(), key=lambda each: (-sum(each[1]), each[0]))
    return ReasonsCompared(
        {key: (one, other) for key, (one, other) in ordered}, (int(invited[0].sum()), int(invited[1].sum())), len(together), same
    )


def _first_of(reasons: Sequence[Reason]) -> tuple[str, str] | None:
    return (reasons[0].key, reasons[0].direction) if reasons else None
