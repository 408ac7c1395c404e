"""What is told of a student under the student's own key: reasons of scores and what lists showed. Whoever lacks the key, or destroyed it, has noise.

A database keeps what it held for longer than its tables do: in its log, in dead rows, in backups. What stands there is of no use without the key, which
is in the student's row alone, encrypted in turn with the service's key. So erasing a student is destroying one key, and what is past its time of a student
who stays is made unreadable by giving that student another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from pydantic_core import from_json, to_json
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from riskmodel.errors import RiskModelError
from serving.store.keys import Keys
from serving.store.tables import Person, Score, Student

_CHUNK = 500
_ROWS = 2000


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
        _seal_anew(session, Score.__table__, "sealed_reasons", before, fresh)
        _seal_anew(session, Student.__table__, "sealed_shown", before, fresh)
        renewed += len(rows)
    return renewed


def _seal_anew(session: Session, table: Any, column: str, before: dict[str, Fernet], after: dict[str, Fernet]) -> None:
    change = update(table).where(table.c.id == bindparam("number")).values({column: bindparam("sealed")})
    last = 0
    while True:
        query = select(table.c.id, table.c.person_id, table.c[column]).where(table.c.person_id.in_(before), table.c.id > last)
        found: Sequence[Any] = session.execute(query.order_by(table.c.id).limit(_ROWS)).all()
        if not found:
            return
        told = [{"number": row[0], "sealed": _anew(row[2], before[row[1]], after[row[1]])} for row in found]
        session.execute(change, told, execution_options={"synchronize_session": False})
        last = found[-1][0]


def _anew(sealed: str, before: Fernet, after: Fernet) -> str:
    try:
        return after.encrypt(before.decrypt(sealed.encode())).decode()
    except InvalidToken:
        raise RiskModelError("what is told of a person can't be read.", remedy="Put the store back from its backup.") from None
