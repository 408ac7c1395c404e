"""Shadow mode: lists that a model would have made, kept on paper until outcomes tell what it would have done. Shows nothing to anybody.

The service can't import this module, and its store never hears of it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from riskmodel.baselines import FIRST_TEST_COLUMN
from riskmodel.errors import DataFault, ModelFault, RiskModelError
from riskmodel.files import atomic_file
from riskmodel.metrics import Interval, interval, resamples

SEED = 20
_FACTS = b"riskmodel"
_COLUMNS = (
    "enrolment_id",
    "day",
    "landmark",
    "probability",
    FIRST_TEST_COLUMN,
    "rank",
    "capacity",
    "cut_off",
    "margin",
    "invited",
    "way",
)


@dataclass(frozen=True)
class ShadowFacts:
    """What a shadow list was made with.

    Attributes
    ----------
    on : str
        The day of the list (ISO).
    target, model : str
        What was asked, and of which model, e.g. 'leave-3'.
    trained_on : tuple of str
        Cohorts that the model has learnt from.
    policy : dict
        As it was.
    not_scored : int
    by, at : str
        Who made it, and when in UTC.
    """

    on: str
    target: str
    model: str
    trained_on: tuple[str, ...]
    policy: dict[str, Any]
    not_scored: int
    by: str
    at: str


@dataclass(frozen=True)
class ShadowList:
    """One list on paper: its facts, and one row per student scored (no name, no reason: what the later report needs and no more)."""

    facts: ShadowFacts
    rows: pd.DataFrame


def keep(folder: Path, told: ShadowList) -> Path:
    """Write a list into the shadow record; one that stands there is never written over.

    Parameters
    ----------
    folder : Path
        The shadow record of a workspace.
    told : ShadowList
        Rows as `riskmodel.listing.lists_on` gives.

    Returns
    -------
    Path
        Where it lies: one Parquet file per model and day.

    Raises
    ------
    RiskModelError
        Another list of this model stands there for this day, or the place can't be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / told.facts.model / f"{told.facts.on}.parquet"
    rows = told.rows[list(_COLUMNS)].reset_index(drop=True)
    if path.exists():
        if _read(path).rows.equals(rows):
            return path
        raise RiskModelError(
            f"another shadow list of {told.facts.model} stands there for {told.facts.on}.",
            place=str(path),
            remedy="A list on paper is kept as it was; move the file away if it was a mistake.",
        )
    table = pa.Table.from_pandas(rows, preserve_index=False)
    facts = json.dumps(asdict(told.facts), ensure_ascii=False).encode()
    with atomic_file(path) as temporary:
        pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), _FACTS: facts}), temporary)
    return path


def _read(path: Path) -> ShadowList:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        facts = json.loads((table.schema.metadata or {})[_FACTS])
        told = ShadowFacts(**(facts | {"trained_on": tuple(facts["trained_on"])}))
        return ShadowList(told, table.to_pandas()[list(_COLUMNS)])
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise ModelFault(
            f"this shadow list can't be read ({type(error).__name__}).",
            place=str(path),
            remedy="Put it back from a backup, or move it away.",
        ) from None


def read_shadow(folder: Path, model: str | None = None) -> list[ShadowList]:
    """Read the lists of the shadow record, by model and day.

    Parameters
    ----------
    folder : Path
    model : str, optional
        One model's alone, e.g. 'leave-3'.

    Raises
    ------
    ModelFault
        There is none, or one can't be read.
    """
    found = [_read(path) for path in sorted(folder.glob(f"{model or '*'}/*.parquet"))]
    if not found:
        raise ModelFault(
            f"there is no shadow list{f' of {model}' if model else ''}.",
            place=str(folder),
            remedy="Make one first: riskmodel shadow score FOLDER --date DAY.",
        )
    return found


@dataclass(frozen=True)
class WouldHave:
    """What a list would have done, beside the first-test rule and a lot with as many talks.

    Attributes
    ----------
    students, leavers, invited : int
        Those whose outcome is known.
    unknown : int
        Students on the list whose outcome is not known.
    figures : dict of name to dict
        Per 'model', 'first_test' and 'lot': `left` (leavers among the invited, in expectation where a lot decides), `precision` and
        `recall` with 95 % intervals; None where no test was due for anybody.
    more_than_first_test, more_than_lot : Interval or None
        How many more leavers the model's list holds, with a 95 % interval from the same resamples of students.
    """

    students: int
    leavers: int
    invited: int
    unknown: int
    figures: dict[str, dict[str, Interval] | None]
    more_than_first_test: Interval | None
    more_than_lot: Interval

    def to_json(self) -> dict[str, Any]:
        """Give plain values; a figure that does not exist is None."""
        from riskmodel.measuring import plain

        told: dict[str, Any] = plain(asdict(self))
        return told


def would_have(rows: pd.DataFrame, label: pd.Series, students: pd.Series) -> WouldHave:
    """Hold one list against outcomes. The list is what it was: resampling draws students, not lists.

    Parameters
    ----------
    rows : pandas.DataFrame, shape (n, any)
        invited and first_test_failed_or_missed (1.0, 0.0, NaN).
    label : pandas.Series of float, shape (n,)
        1.0 left, 0.0 did not, NaN where it is not known.
    students : pandas.Series of str, shape (n,)
        Who each row is about; rows of one student are drawn together.

    Raises
    ------
    DataFault
        No outcome is known.
    """
    known = label.notna().to_numpy()
    if not known.any():
        raise DataFault("of none of the students on this list is the outcome known.", remedy="Deliver the outcomes of their cohort first.")
    y = label.to_numpy(dtype=float)[known]
    invited = rows["invited"].to_numpy(dtype=bool)[known].astype(float)
    talks = int(invited.sum())
    by = {
        "model": invited,
        "first_test": by_first_test(rows[FIRST_TEST_COLUMN].to_numpy(dtype=float)[known], talks),
        "lot": np.full(len(y), talks / len(y)),
    }
    draws = resamples(students.to_numpy(dtype=str)[known], SEED)
    leavers = draws @ y
    found = {name: None if chance is None else (float(chance @ y), draws @ (chance * y), draws @ chance) for name, chance in by.items()}
    figures: dict[str, dict[str, Interval] | None] = {}
    for name, told in found.items():
        if told is None:
            figures[name] = None
            continue
        value, drawn, talks_drawn = told
        figures[name] = {
            "left": interval(value, drawn),
            "precision": interval(_share(value, float(talks)), _shares(drawn, talks_drawn)),
            "recall": interval(_share(value, float(y.sum())), _shares(drawn, leavers)),
        }

    def more(other: str) -> Interval | None:
        own, theirs = found["model"], found[other]
        return None if own is None or theirs is None else interval(own[0] - theirs[0], own[1] - theirs[1])

    than_lot = more("lot")
    assert than_lot is not None
    return WouldHave(len(y), int(y.sum()), talks, int((~known).sum()), figures, more("first_test"), than_lot)


def by_first_test(failed: np.ndarray, talks: int) -> np.ndarray | None:
    """Give each student's chance of a talk by the first-test rule: who failed or missed it first, a lot decides what is left.

    Parameters
    ----------
    failed : numpy.ndarray, shape (n,)
        1.0 failed or missed, 0.0 passed, NaN where no test was due yet.
    talks : int
        How many there are.

    Returns
    -------
    numpy.ndarray or None, shape (n,)
        None where no test was due for anybody.
    """
    if np.isnan(failed).all():
        return None
    failing = failed == 1.0
    several = int(failing.sum())
    others = len(failed) - several
    rest = max(0, talks - several)
    return np.where(failing, min(1.0, talks / several) if several else 0.0, rest / others if others else 0.0)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0))


def at_least_once(lists: Sequence[ShadowList]) -> pd.DataFrame:
    """Give one row per student who stands on any of the lists: enrolment_id, whether ever invited, and whether the first test was ever failed.

    The latter is what was known at the last list that the student stands on.
    """
    rows = pd.concat([each.rows.assign(on=each.facts.on) for each in lists]).sort_values("on", kind="stable")
    grouped = rows.groupby("enrolment_id", sort=True)
    return pd.DataFrame({"invited": grouped["invited"].any(), FIRST_TEST_COLUMN: grouped[FIRST_TEST_COLUMN].last()}).reset_index()


def late_lists(lists: Sequence[ShadowList], days: int = 7) -> list[str]:
    """Give the days of lists that were made more than so many days after; what was corrected in the data since may have helped them."""
    late = []
    for each in lists:
        made = dt.datetime.fromisoformat(each.facts.at).date()
        if (made - dt.date.fromisoformat(each.facts.on)).days > days:
            late.append(each.facts.on)
    return late
