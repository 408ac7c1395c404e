"""The audit trail: who saw or did what on which student, when and why, chained so that a changed, removed, reordered or cut-off row shows.

Every event carries HMAC-SHA-256 of the event before it and of itself, under a key that is not in the database (the forward-secure logs of Schneier
and Kelsey, 1999, in their simplest form). Who can write the database alone can't forge a row; and because the last code is written to a file
outside it at intervals, cutting off the end shows as well. People are digests here: the trail itself tells no name.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from riskmodel.errors import RiskModelError
from serving.store.keys import Keys
from serving.store.tables import AuditCheckpoint, AuditEvent, AuditHead

BEGINNING = "0" * 64
HEAD_EVERY = 100
_CHUNK = 5000
# Statements are made once: putting one together takes as long as SQLite takes to run it.
_EVENTS: Table = AuditEvent.__table__  # type: ignore[assignment]
_HEAD: Table = AuditHead.__table__  # type: ignore[assignment]
_HERE = update(_HEAD).where(_HEAD.c.id == 1)
_HOLD = _HERE.values(seq=_HEAD.c.seq)
_TAKE = _HERE.values(seq=_HEAD.c.seq + bindparam("count")).returning(_HEAD.c.seq, _HEAD.c.code)
_LEAVE = _HERE.values(code=bindparam("last_code"))
_APPEND = insert(_EVENTS)
EVERYONE = ""


class Event(StrEnum):
    """All that is ever recorded, as `source:subject:action`."""

    PAGE_LIST_READ = "page:list:read"
    """Somebody opened the list of invited students; one event for each student on it."""
    PAGE_OVERVIEW_READ = "page:overview:read"
    """Somebody read the counts per programme; nobody is named in them."""
    PAGE_OVERVIEW_EXPORTED = "page:overview:exported"
    """Somebody took the counts per programme out as a workbook."""
    PAGE_STUDENT_READ = "page:student:read"
    """Somebody opened one student's page."""
    PAGE_FOLLOW_UP_SAVED = "page:follow-up:saved"
    """Somebody wrote down how far it is with a student, or what was agreed."""
    PAGE_NOTE_WRITTEN = "page:note:written"
    """Somebody wrote a note on a student."""
    PAGE_DRAFT_KEPT = "page:draft:kept"
    """What somebody filled in for a student was kept without being saved; for themselves alone."""
    PAGE_INVITATION_MARKED = "page:invitation:marked"
    """Somebody said whether an invitation was known or new to them, or does not fit now."""
    PAGE_WAY_READ = "page:way:read"
    """Somebody asked by which way a student was invited."""
    PAGE_DATUM_REPORTED = "page:datum:reported"
    """Somebody reported that a datum of a student is wrong."""
    PAGE_REPORT_ENDED = "page:report:ended"
    """A reported datum was mended or found right."""
    PAGE_TALK_ASKED = "page:talk:asked"
    """A student was put on the list by a coach, or asked for a talk."""
    PAGE_TALK_TAKEN_BACK = "page:talk:taken-back"
    """The wish for a talk was taken back."""
    PAGE_LETTER_MADE = "page:letter:made"
    """A coach wrote an invitation to a student; nothing was sent yet."""
    PAGE_LETTER_SENT = "page:letter:sent"
    """A coach had an invitation sent, or handed it over on paper."""
    PAGE_LETTER_WITHDRAWN = "page:letter:withdrawn"
    """A coach withdrew an invitation, so that its link opens nothing any more."""
    PAGE_WORD_GIVEN = "page:word:given"
    """A teacher reported a worry or a compliment about a student."""
    PAGE_WORD_TAKEN_UP = "page:word:taken-up"
    """A coach took up what a teacher reported."""
    PAGE_STUDENT_FOUND = "page:student:found"
    """A teacher looked for a student of an own programme, and saw the name."""
    LINK_LETTER_OPENED = "link:letter:opened"
    """Somebody opened the link of an invitation; no log-in is needed for that."""
    LINK_MOMENT_PICKED = "link:moment:picked"
    """A moment for a talk was picked by the link of an invitation."""
    LINK_LETTER_DECLINED = "link:letter:declined"
    """An invitation was declined by its link."""
    API_SCORES_KEPT = "api:scores:kept"
    """A student's scores were kept when somebody had them computed."""
    API_SCORES_READ = "api:scores:read"
    """Somebody read which scores a student has had."""
    API_INVITATIONS_READ = "api:invitations:read"
    """Somebody read that a student was invited, and why."""
    RUN_SCORES_KEPT = "run:scores:kept"
    """A student's scores were kept when a cohort was scored."""
    API_RUN_BEGUN = "api:run:begun"
    """Somebody had a cohort scored."""
    API_RUN_CANCELLED = "api:run:cancelled"
    """Somebody stopped a cohort from being scored further."""
    API_RUN_FILE_READ = "api:run-file:read"
    """A student's scores went out in the file of a run."""
    PERSON_SESSION_BEGUN = "person:session:begun"
    """Somebody logged in."""
    PERSON_SESSION_REFUSED = "person:session:refused"
    """Somebody logged in with the provider and may nothing here, or holds two roles that may not meet."""
    PERSON_SESSION_ENDED = "person:session:ended"
    """Somebody logged out, here or everywhere."""
    OPERATOR_TOKEN_MADE = "operator:token:made"  # noqa: S105
    """A machine was given a token."""
    OPERATOR_TOKEN_REVOKED = "operator:token:revoked"  # noqa: S105
    """A machine's token was ended."""
    OPERATOR_STAND_IN_MADE = "operator:stand-in:made"
    """Somebody was given sight of a coach's students for a stated time."""
    OPERATOR_LIST_PUBLISHED = "operator:list:published"
    """A list was put on the coaches' page."""
    OPERATOR_STUDENT_ERASED = "operator:student:erased"
    """The key to what was written about a student was destroyed."""
    OPERATOR_STUDENT_ASKED = "operator:student:asked"
    """It was looked up who saw a student, for an answer to that student."""
    RIGHTS_OBJECTION_MADE = "rights:objection:made"
    """A student's objection to being scored was noted."""
    RIGHTS_OBJECTION_ENDED = "rights:objection:ended"
    """A student's objection was withdrawn."""
    RIGHTS_DATA_READ = "rights:data:read"
    """All that is held of a student was read, for that student."""
    RIGHTS_APPLIED_AGAIN = "rights:notes:applied"
    """Objections and erasures that were noted outside the database were applied again after a restore."""
    RIGHTS_LIST_EXPORTED = "rights:list:exported"
    """The list of objections and erasures was written to a file for data folders."""
    OPERATOR_KEYS_ROTATED = "operator:keys:rotated"
    """What is encrypted was encrypted anew with a fresh key."""
    OPERATOR_RETENTION_RUN = "operator:retention:run"
    """What was past its time was removed."""
    OPERATOR_YEAR_CLOSED = "operator:year:closed"
    """A cohort was closed: its lists left the pages, and log-ins and stand-ins ended."""
    OPERATOR_AUDIT_PRUNED = "operator:audit:pruned"
    """Events past their time were removed under a checkpoint."""


@dataclass(frozen=True)
class Verified:
    """What verifying the chain found.

    Attributes
    ----------
    events : int
        Events that are there.
    through : int
        Number of the last one.
    faults : tuple of str
        What is wrong, each with its place; empty where the chain holds.
    """

    events: int
    through: int
    faults: tuple[str, ...]


def _code(key: bytes, before: str, seq: int, at: dt.datetime, event: str, actor: str, subject: str, why: str) -> str:
    told = json.dumps([before, seq, at.isoformat(timespec="microseconds"), event, actor, subject, why], ensure_ascii=True)
    return hmac.new(key, told.encode(), hashlib.sha256).hexdigest()


def hold(session: Session | Connection) -> None:
    """Take hold of the chain's head without an event yet, for a transaction that has to read first what it will record."""
    session.execute(_HOLD)


def record(
    session: Session,
    keys: Keys,
    event: Event,
    *,
    actor: str,
    at: dt.datetime,
    subjects: Sequence[str] = (EVERYONE,),
    why: str = "",
    heads: Path | None = None,
) -> int:
    """Append an event for each subject; they stand when the session's transaction does.

    Call it before anything else in its transaction: it takes hold of the chain's head, so that writers wait for one another in line.

    Parameters
    ----------
    session : Session
    keys : Keys
    event : Event
    actor : str
        Who: a login subject, a token's name or an operating-system user. Kept as a digest.
    at : datetime.datetime
        When, UTC.
    subjects : sequence of str
        Digests of the students that it is about, or `EVERYONE` alone.
    why : str
        The purpose, in words of the product; never a name.
    heads : Path, optional
        The file outside the database that gets a code at least every `HEAD_EVERY` events.

    Returns
    -------
    int
        The last event's number.
    """
    return record_all(session, keys, [Happening(event, actor, subject, why) for subject in subjects], at=at, heads=heads)


@dataclass(frozen=True)
class Happening:
    """One thing to record: what, who did it, on which student and why; as for `record`."""

    event: Event
    actor: str
    subject: str = EVERYONE
    why: str = ""


def record_all(
    session: Session | Connection, keys: Keys, happened: Sequence[Happening], *, at: dt.datetime, heads: Path | None = None
) -> int:
    """Append events of any kinds and of several people, in their order, at the cost of one; otherwise as `record`.

    Parameters
    ----------
    session : Session or Connection
    keys : Keys
    happened : sequence of Happening
    at : datetime.datetime
        When, UTC.
    heads : Path, optional

    Returns
    -------
    int
        The last event's number.
    """
    if not happened:
        return 0
    at = at.replace(tzinfo=None)
    last, code = session.execute(_TAKE, {"count": len(happened)}).one()
    who = {actor: keys.digest("actor", actor) for actor in {each.actor for each in happened}}
    rows = []
    first = last - len(happened) + 1
    for seq, each in enumerate(happened, start=first):
        code = _code(keys.audit, code, seq, at, each.event, who[each.actor], each.subject, each.why)
        told = {"event": str(each.event), "actor": who[each.actor], "subject": each.subject, "why": each.why}
        rows.append({"seq": seq, "at": at, **told, "code": code})
    session.execute(_APPEND, rows)
    session.execute(_LEAVE, {"last_code": code})
    if heads is not None and last // HEAD_EVERY > (first - 1) // HEAD_EVERY:
        _note(heads, last, code, at)
    return int(last)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _note(heads: Path, seq: int, code: str, at: dt.datetime) -> None:
    heads.parent.mkdir(parents=True, exist_ok=True)
    with heads.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"seq": seq, "code": code, "at": at.isoformat()}) + "\n")


def note_head(engine: Engine, heads: Path, at: dt.datetime) -> None:
    """Write the chain's last code to the file outside the database, as the service does when it stops."""
    with Session(engine) as session:
        head = session.execute(select(AuditHead.seq, AuditHead.code)).one()
    if head.seq:
        _note(heads, head.seq, head.code, at)


def read_heads(heads: Path) -> dict[int, str]:
    """Give the codes that were written outside the database, by number.

    Raises
    ------
    RiskModelError
        A line is not what the service writes, other than one cut short at the end.
    """
    if not heads.exists():
        return {}
    found: dict[int, str] = {}
    lines = heads.read_text(encoding="utf-8").splitlines()
    for place, line in enumerate(lines, start=1):
        try:
            told = json.loads(line)
            found[int(told["seq"])] = str(told["code"])
        except (ValueError, KeyError, TypeError):
            if place == len(lines):
                break
            raise RiskModelError(
                f"line {place} is no note of the audit trail.", place=str(heads), remedy="Put the file back from its backup."
            ) from None
    return found


def _events(session: Session) -> Iterator[AuditEvent]:
    yield from session.scalars(select(AuditEvent).order_by(AuditEvent.seq).execution_options(yield_per=_CHUNK))


def verify(engine: Engine, keys: Keys, heads: Path | None = None) -> Verified:
    """Walk the chain and say what does not fit.

    Parameters
    ----------
    engine : Engine
    keys : Keys
    heads : Path, optional
        The file with codes that were written outside the database.

    Returns
    -------
    Verified
    """
    faults: list[str] = []
    noted = read_heads(heads) if heads is not None else {}
    count = 0
    with Session(engine) as session:
        seq, code = _start(session, keys, faults)
        for event in _events(session):
            if event.seq != seq + 1:
                faults.append(f"event {seq + 1} is missing; after {seq} comes {event.seq}")
            expected = _code(keys.audit, code, event.seq, event.at, event.event, event.actor, event.subject, event.why)
            if not _same(expected, event.code):
                faults.append(f"event {event.seq} is not what was written, or does not stand where it was")
            if event.seq in noted and not _same(noted[event.seq], event.code):
                faults.append(f"event {event.seq} differs from the code that was noted outside the database")
            seq, code = event.seq, event.code
            count += 1
        head = session.execute(select(AuditHead.seq, AuditHead.code)).one_or_none()
    if head is None or (head.seq, head.code) != (seq, code):
        faults.append(f"the chain ends at event {seq}, and its head says otherwise: events were cut off or added")
    if noted and max(noted) > seq:
        faults.append(f"the chain ends at event {seq}, but event {max(noted)} was noted outside the database: the end was cut off")
    return Verified(count, seq, tuple(faults))


def _start(session: Session, keys: Keys, faults: list[str]) -> tuple[int, str]:
    checkpoint = session.scalars(select(AuditCheckpoint).order_by(AuditCheckpoint.through.desc()).limit(1)).first()
    if checkpoint is None:
        return 0, BEGINNING
    if not _same(_signature(keys, checkpoint.through, checkpoint.code, checkpoint.at), checkpoint.signature):
        faults.append(f"the checkpoint at event {checkpoint.through} is not signed with this store's key")
    return checkpoint.through, checkpoint.code


def _signature(keys: Keys, through: int, code: str, at: dt.datetime) -> str:
    told = json.dumps(["checkpoint", through, code, at.isoformat(timespec="microseconds")])
    return hmac.new(keys.audit, told.encode(), hashlib.sha256).hexdigest()


def prune(engine: Engine, keys: Keys, before: dt.date, *, actor: str, at: dt.datetime, heads: Path | None = None) -> int:
    """Remove events older than a day under a signed checkpoint, so that the rest still verifies; the removal is itself an event.

    Parameters
    ----------
    engine : Engine
    keys : Keys
    before : datetime.date
        Events before it are removed.
    actor : str
    at : datetime.datetime
        Now, UTC.
    heads : Path, optional

    Returns
    -------
    int
        How many were removed.

    Raises
    ------
    RiskModelError
        The chain does not hold; nothing is removed, because the removal would hide it.
    """
    found = verify(engine, keys, heads)
    if found.faults:
        raise RiskModelError(
            f"the audit trail does not hold ({found.faults[0]}), so nothing is removed from it.", remedy="See 'riskmodel audit verify'."
        )
    at = at.replace(tzinfo=None)
    with Session(engine) as session, session.begin():
        own = record(session, keys, Event.OPERATOR_AUDIT_PRUNED, actor=actor, at=at, why=f"before {before.isoformat()}", heads=heads)
        bound = dt.datetime.combine(before, dt.time())
        # The clock may have been set back, so what goes is what stands before the first event that stays, this one at the latest.
        stays = session.scalar(
            select(AuditEvent.seq).where((AuditEvent.at >= bound) | (AuditEvent.seq == own)).order_by(AuditEvent.seq).limit(1)
        )
        last = session.execute(
            select(AuditEvent.seq, AuditEvent.code).where(AuditEvent.seq < stays).order_by(AuditEvent.seq.desc()).limit(1)
        ).one_or_none()
        if last is None:
            return 0
        removed = session.execute(delete(AuditEvent).where(AuditEvent.seq <= last.seq)).rowcount  # type: ignore[attr-defined]
        session.execute(
            insert(AuditCheckpoint).values(through=last.seq, code=last.code, at=at, signature=_signature(keys, last.seq, last.code, at))
        )
        return int(removed)


def events_about(session: Session, subject: str) -> Sequence[AuditEvent]:
    """Give what was recorded about one student, oldest first, for an answer to that student."""
    return session.scalars(select(AuditEvent).where(AuditEvent.subject == subject).order_by(AuditEvent.seq)).all()
