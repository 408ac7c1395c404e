"""What is told of a student under the student's own key: reasons of scores, what lists showed, what was written at the desk. Whoever lacks the key, or destroyed it, has noise.

A database keeps what it held for longer than its tables do: in its log, in dead rows, in backups. What stands there is of no use without the key, which
is in the student's row alone, encrypted in turn with the service's key. So erasing a student is destroying one key, and what is past its time of a student
who stays is made unreadable by giving that student another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from pydantic_core import from_json, to_json
from sqlalchemy import bindparam, literal, select, tuple_, update
from sqlalchemy.orm import Session

from riskmodel.errors import RiskModelError
from serving.store.desk_tables import DataReport, Draft, FollowUp, Note, TalkRequest
from serving.store.keys import Keys
from serving.store.letter_tables import Letter, Word
from serving.store.tables import Person, Score, Student

_CHUNK = 500
_ROWS = 2000
_TOLD: tuple[tuple[Any, str], ...] = (
    (Score.__table__, "sealed_reasons"),
    (Student.__table__, "sealed_shown"),
    (FollowUp.__table__, "sealed_words"),
    (Note.__table__, "sealed_text"),
    (Draft.__table__, "sealed_fields"),
    (DataReport.__table__, "sealed_text"),
    (TalkRequest.__table__, "sealed_text"),
    (Letter.__table__, "sealed_text"),
    (Word.__table__, "sealed_text"),
)


def new_key() -> Fernet:
    """Draw a key that nobody holds yet; what is sealed with it can't be read once it is let go."""
    return Fernet(Fernet.generate_key())


def own_key(sealed_key: str, keys: Keys) -> Fernet:
    """Give a student's own key.

    Raises
    ------
    RiskModelError
        The store was written with other keys.
    """
    return Fernet(keys.open(sealed_key))


def seal(own: Fernet, value: Any) -> str:
    """Encrypt a value that JSON can tell with a student's own key (AES-128 in CBC mode with HMAC-SHA-256)."""
    return own.encrypt(to_json(value)).decode()


def unseal(own: Fernet, sealed: str) -> Any:
    """Give back what `seal` took.

    Raises
    ------
    RiskModelError
        It was sealed with another key, or is damaged.
    """
    try:
        return from_json(own.decrypt(sealed.encode()))
    except (InvalidToken, ValueError):
        raise RiskModelError("what is told of a person can't be read.", remedy="Put the store back from its backup.") from None


def shown_of(place: Student, keys: Keys) -> dict[str, Any]:
    """Give what a list showed of a student; nothing of one who was erased."""
    if place.person.sealed_key is None:
        return {}
    told: dict[str, Any] = unseal(own_key(place.person.sealed_key, keys), place.sealed_shown)
    return told


def reasons_of(score: Score, keys: Keys, person: Person | None = None) -> list[dict[str, Any]]:
    """Give the reasons of a score as they were told; none of a student who was erased.

    Parameters
    ----------
    score : Score
    keys : Keys
    person : Person, optional
        Whose score it is, where that is at hand.
    """
    person = score.person if person is None else person
    if person.sealed_key is None:
        return []
    told: list[dict[str, Any]] = unseal(own_key(person.sealed_key, keys), score.sealed_reasons)
    return told


def seal_text(person: Person, keys: Keys, text: str) -> str:
    """Encrypt what somebody wrote about a student with the student's own key.

    Raises
    ------
    RiskModelError
        The student was erased: nothing is written about them any more.
    """
    if person.sealed_key is None:
        raise RiskModelError("this student was erased, so nothing is written about them.")
    return seal(own_key(person.sealed_key, keys), text)


def open_text(person: Person, keys: Keys, sealed: str) -> str:
    """Give back what `seal_text` took; empty for a student who was erased."""
    return "" if person.sealed_key is None else str(unseal(own_key(person.sealed_key, keys), sealed))


def renew_own_keys(session: Session, keys: Keys, people: Iterable[str]) -> int:
    """Give students other keys of their own, and encrypt what stays of them anew; older copies of what went are then noise.

    The keys that they had stand in older copies of their rows, encrypted with the service's key: only once that is renewed as well is nothing left that
    opens them.

    Parameters
    ----------
    session : Session
    keys : Keys
    people : iterable of str
        Their ids.

    Returns
    -------
    int
        How many students that were.
    """
    asked, renewed = list(people), 0
    for first in range(0, len(asked), _CHUNK):
        part = asked[first : first + _CHUNK]
        rows = session.scalars(select(Person).where(Person.id.in_(part), Person.sealed_key.is_not(None))).all()
        before = {person.id: own_key(str(person.sealed_key), keys) for person in rows}
        after = {person.id: Fernet.generate_key().decode() for person in rows}
        fresh = {identity: Fernet(text) for identity, text in after.items()}
        for person in rows:
            person.sealed_key = keys.seal(after[person.id])
            if person.sealed_details is not None:
                person.sealed_details = _anew(person.sealed_details, before[person.id], fresh[person.id])
        session.flush()
        for table, column in _TOLD:
            _seal_anew(session, table, column, before, fresh)
        renewed += len(rows)
    return renewed


def _seal_anew(session: Session, table: Any, column: str, before: dict[str, Fernet], after: dict[str, Fernet]) -> None:
    keys = list(table.primary_key)
    change = update(table).where(*(key == bindparam(f"key_{key.name}") for key in keys)).values({column: bindparam("sealed")})
    query = select(*keys, table.c.person_id.label("owner"), table.c[column].label("sealed")).where(table.c.person_id.in_(before))
    last: tuple[Any, ...] | None = None
    while True:
        rest = query if last is None else query.where(tuple_(*keys) > tuple_(*(literal(value) for value in last)))
        found: Sequence[Any] = session.execute(rest.order_by(*keys).limit(_ROWS)).all()
        if not found:
            return
        last = tuple(found[-1][: len(keys)])
        told = [
            {f"key_{key.name}": value for key, value in zip(keys, row, strict=False)}
            | {"sealed": _anew(row.sealed, before[row.owner], after[row.owner])}
            for row in found
        ]
        session.execute(change, told, execution_options={"synchronize_session": False})


def _anew(sealed: str, before: Fernet, after: Fernet) -> str:
    try:
        return after.encrypt(before.decrypt(sealed.encode())).decode()
    except InvalidToken:
        raise RiskModelError("what is told of a person can't be read.", remedy="Put the store back from its backup.") from None
