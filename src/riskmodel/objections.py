"""Who objected and who was erased: keyed digests in, the same tables without them out. It knows digests, and not one student's number.

A list holds HMAC-SHA-256 of student numbers under a key of its own. Whoever has the list and a data folder can leave out who is on it; the list
alone names nobody. Student numbers are few enough to try them all, though, so a list is as personal as the data folder beside which it lies.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import narwhals as nw
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from riskmodel.errors import ConfigurationFault
from riskmodel.files import atomic_file
from riskmodel.frames import to_pandas
from riskmodel.tables import Frame, Tables

FORMAT: Literal["riskmodel-rights-1"] = "riskmodel-rights-1"
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _ListFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["riskmodel-rights-1"]
    made_at: dt.datetime
    key: _Digest
    objected: tuple[_Digest, ...]
    erased: tuple[_Digest, ...]


@dataclass(frozen=True, repr=False)
class Objections:
    """A list that is in force.

    Attributes
    ----------
    key : bytes
        Secret of the digests.
    objected, erased : frozenset of str
        Digests of students whom no model may read, and of those who are not to come back at all.
    """

    key: bytes
    objected: frozenset[str] = frozenset()
    erased: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"Objections({len(self.objected)} objected, {len(self.erased)} erased)"

    def digest(self, student_id: str) -> str:
        """Give the digest under which a student stands on this list."""
        return digest_of(self.key, student_id)


@dataclass(frozen=True)
class Held:
    """Which students of a data folder are on a list.

    Attributes
    ----------
    objected, erased : frozenset of str
        Student numbers; who is both is erased.
    """

    objected: frozenset[str] = frozenset()
    erased: frozenset[str] = frozenset()

    @property
    def everyone(self) -> frozenset[str]:
        """All of them."""
        return self.objected | self.erased

    def told(self) -> str:
        """Give in a sentence how many are left out, or nothing where nobody is."""
        counts = {"objected": len(self.objected), "erased": len(self.erased)}
        told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        total = len(self.everyone)
        return f"{total} {'student is' if total == 1 else 'students are'} left out: {told}." if total else ""


def digest_of(key: bytes, student_id: str) -> str:
    """Give HMAC-SHA-256 of a student's number, 64 hexadecimal digits."""
    return hmac.new(key, f"student\0{student_id.strip()}".encode(), hashlib.sha256).hexdigest()


def held(students: Iterable[str], lists: Sequence[Objections]) -> Held:
    """Find who of some students is on one of the lists.

    Parameters
    ----------
    students : iterable of str
        Student numbers.
    lists : sequence of Objections
    """
    told = set(students)
    objected, erased = set(), set()
    for each in lists:
        if not each.objected and not each.erased:
            continue
        for student in told:
            digest = each.digest(student)
            if digest in each.erased:
                erased.add(student)
            elif digest in each.objected:
                objected.add(student)
    return Held(frozenset(objected - erased), frozenset(erased))


def held_in(tables: Tables, lists: Sequence[Objections]) -> Held:
    """Find who of the students of an institution's tables is on one of the lists."""
    if not any(each.objected or each.erased for each in lists):
        return Held()
    return held(to_pandas(tables.enrolments.select("student_id").unique())["student_id"], lists)


def erased_nowhere(who: Held, lists: Sequence[Objections]) -> int:
    """Give how many were erased who stand in none of the tables in which `who` was found; where lists overlap, the longest counts."""
    return max((len(each.erased - {each.digest(student) for student in who.erased}) for each in lists), default=0)


def by_cohort(tables: Tables, who: Held) -> dict[str, Held]:
    """Give who of some students is left out of which cohort; a cohort of which nobody is left out is missing."""
    rows = to_pandas(only(tables, who.everyone).enrolments.select("cohort", "student_id").unique())
    parts = {str(cohort): frozenset(part["student_id"]) for cohort, part in rows.groupby("cohort")}
    return {cohort: Held(who.objected & part, who.erased & part) for cohort, part in parts.items()}


def together(parts: Sequence[Held]) -> Held:
    """Give everybody of several parts, each student once."""
    return Held(frozenset().union(*(part.objected for part in parts)), frozenset().union(*(part.erased for part in parts)))


def without(tables: Tables, students: frozenset[str]) -> Tables:
    """Give the tables without every row of some students."""
    return _split(tables, students, keep=False)


def only(tables: Tables, students: frozenset[str]) -> Tables:
    """Give the rows of some students and of nobody else."""
    return _split(tables, students, keep=True)


def _split(tables: Tables, students: frozenset[str], *, keep: bool) -> Tables:
    theirs = nw.col("student_id").is_in(sorted(students))
    identities = sorted(to_pandas(tables.enrolments.filter(theirs).select("enrolment_id"))["enrolment_id"])
    rows = nw.col("enrolment_id").is_in(identities)

    def part(name: str, frame: Frame) -> Frame:
        return frame.filter(rows if keep else ~rows)

    return tables.map(part)


def read_list(path: Path) -> Objections:
    """Read a list that `riskmodel rights export` wrote.

    Raises
    ------
    ConfigurationFault
        It is not there, or is no such list. Nothing goes on without a list that was declared.
    """
    remedy = "Export it anew with 'riskmodel rights export FILE' where the service's store is, and put it here."
    try:
        told = _ListFile.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationFault("the list of objections and erasures is not there.", place=str(path), remedy=remedy) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationFault(
            f"the list of objections and erasures can't be read ({type(error).__name__}).", place=str(path), remedy=remedy
        ) from None
    except ValidationError:
        raise ConfigurationFault("this is no list of objections and erasures, or it is damaged.", place=str(path), remedy=remedy) from None
    return Objections(bytes.fromhex(told.key), frozenset(told.objected), frozenset(told.erased))


def write_list(objections: Objections, path: Path, made_at: dt.datetime) -> None:
    """Write a list to a file, whole or not at all; in order, so that two lists can be compared."""
    told = {
        "format": FORMAT,
        "made_at": made_at.isoformat(timespec="seconds"),
        "key": objections.key.hex(),
        "objected": sorted(objections.objected),
        "erased": sorted(objections.erased),
    }
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Source:
    """Where lists come from besides the one that a data folder declares, and who is told how many are left out.

    Attributes
    ----------
    lists : callable
        Gives the lists in force; asked each time that a data folder is opened.
    told : callable
        Called with who is left out of a data folder.
    """

    lists: Callable[[], Sequence[Objections]]
    told: Callable[[Held], None]


def _nobody(_: Held) -> None:
    """Tell nobody."""


_NONE = Source(tuple, _nobody)
_SOURCE: ContextVar[Source] = ContextVar("objections", default=_NONE)


@contextmanager
def in_force(source: Source) -> Iterator[None]:
    """Let lists hold for every data folder that is opened within the block, however deep.

    It holds by context and not by a parameter, so that no step between the command and the one door of the data can forget to hand it on.
    """
    token = _SOURCE.set(source)
    try:
        yield
    finally:
        _SOURCE.reset(token)


def current() -> Source:
    """Give where lists come from now."""
    return _SOURCE.get()
