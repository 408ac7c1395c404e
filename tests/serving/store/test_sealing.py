"""What is told of a student stands in no file of the database in clear: not in its tables, its free pages or its log; and the schema moves both ways."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from serving.store.people import STUDENT, find_person
from serving.store.rights import erase_student
from serving.store.schema import migrate
from serving.store.scores import Source, keep_scores, read_history
from serving.store.sealing import own_key, reasons_of, unseal
from serving.store.tables import Score
from serving.store.traces import tidy
from serving.store.weeks import Store, invited_students, latest_week, now, publish_week
from tests.serving.store.lists import student, week
from tests.serving.store.test_scores import score

CANARY = "Kanariegele reden"


def reason(text: str) -> dict[str, object]:
    return {"key": "grades", "direction": "raises", "actionable": True, "contribution": 0.5, "label": {"nl": text}, "text": {"nl": text}}


def files_of(store: Store) -> bytes:
    """Give every byte that the database keeps on disk: its own files, and its log."""
    if store.engine.dialect.name == "sqlite":
        place = Path(str(store.engine.url.database))
        return b"".join(file.read_bytes() for file in sorted(place.parent.glob(f"{place.name}*")))
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("CHECKPOINT"))
        place = Path(connection.execute(sa.text("SHOW data_directory")).scalar_one())
        own = connection.execute(sa.text("SELECT oid FROM pg_database WHERE datname = current_database()")).scalar_one()
    files = [*(place / "base" / str(own)).iterdir(), *(place / "pg_wal").iterdir()]
    return b"".join(file.read_bytes() for file in sorted(files) if file.is_file())


def kept(store: Store, canary: str = CANARY) -> None:
    """Keep a score and publish a list, both of which tell the canary."""
    with Session(store.engine) as session, session.begin():
        keep_scores(session, store.keys, [replace(score(1), reasons=[reason(canary)])], source=Source.REQUEST, actor="system", at=now())
    reasons = tuple(each.model_copy(update={"text": {"nl": canary, "en": canary}}) for each in student(1).reasons)
    publish_week(store, week(student(1).model_copy(update={"reasons": reasons}), student(2)), actor="test")


def test_reasons_and_what_lists_show_stand_in_no_file_in_clear(store: Store) -> None:
    kept(store)
    found = files_of(store)
    assert CANARY.encode() not in found
    assert json.dumps(CANARY).strip('"').encode() not in found
    with store.session() as session:
        person = find_person(session, store.keys, "s-canary-1")
        assert person is not None
        told = [reasons_of(each, store.keys)[0]["text"]["nl"] for each in read_history(session, person.id, most=10)]
        newest = latest_week(session)
        assert newest is not None
        shown = invited_students(session, store.keys, newest, None)[0].shown
    assert told == [CANARY, CANARY]
    assert shown["reasons"][0]["text"]["nl"] == CANARY


def test_no_key_of_the_service_opens_what_is_left_of_an_erased_student(store: Store) -> None:
    kept(store)
    with store.session() as session:
        sealed = str(session.scalar(sa.select(Score.sealed_reasons).limit(1)))
        person = find_person(session, store.keys, "s-canary-1")
        assert person is not None
        assert unseal(own_key(str(person.sealed_key), store.keys), sealed)[0]["text"]["nl"] == CANARY
        held = str(person.sealed_key)
    with Session(store.engine) as session, session.begin():
        erase_student(session, store.keys, "s-canary-1", actor="officer", at=now(), why="asked")
    assert tidy(store.engine)
    with store.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT sealed_key, sealed_details FROM people WHERE student = :digest"),
                                  {"digest": store.keys.digest(STUDENT, "s-canary-1")}).all()  # fmt: skip
    assert rows == [(None, None)]
    if store.engine.dialect.name == "sqlite":
        assert held.encode() not in files_of(store)


def test_a_full_store_goes_down_to_clear_texts_and_up_to_sealed_ones(store: Store) -> None:
    kept(store, "other text")
    with Session(store.engine) as session, session.begin():
        erase_student(session, store.keys, "s-canary-2", actor="officer", at=now(), why="asked")
    migrate(store.engine, store.keys, "0007")
    with store.engine.connect() as connection:
        (shown,) = connection.execute(sa.text("SELECT shown FROM students")).scalars()
        reasons = connection.execute(sa.text("SELECT reasons FROM scores ORDER BY id")).scalars().all()
    shown = json.loads(shown) if isinstance(shown, str) else shown
    assert shown["reasons"][0]["text"]["nl"] == "other text"
    first = json.loads(reasons[0]) if isinstance(reasons[0], str) else reasons[0]
    assert first == [reason("other text")]
    migrate(store.engine, store.keys)
    with store.session() as session:
        person = find_person(session, store.keys, "s-canary-1")
        assert person is not None
        assert reasons_of(read_history(session, person.id, most=10)[-1], store.keys) == [reason("other text")]


def test_a_list_still_shows_what_it_showed_after_the_schema_moved(store: Store) -> None:
    kept(store, "other text")

    def shown() -> list[object]:
        with store.session() as session:
            newest = latest_week(session)
            assert newest is not None
            return [each.shown for each in invited_students(session, store.keys, newest, None)]

    before = shown()
    migrate(store.engine, store.keys, "0007")
    migrate(store.engine, store.keys)
    assert shown() == before
