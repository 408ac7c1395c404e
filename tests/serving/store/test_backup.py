"""A store comes back from its backup as it was, on whichever database, and a damaged one is refused with nothing put in."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from riskmodel.errors import DataFault, RiskModelError
from serving.store.audit import verify
from serving.store.backup import back_up, restore
from serving.store.keys import make_keys
from serving.store.schema import connect, migrate
from serving.store.tables import Base
from serving.store.weeks import Store, publish_week
from tests.serving.store.lists import CANARIES, MONDAY, student, week

WHEN = dt.datetime(2026, 11, 3, 2, 0)


def everything(store: Store) -> list[object]:
    with store.engine.connect() as connection:
        tables = [table for table in Base.metadata.sorted_tables if table.name != "change_head"]
        return [list(connection.execute(sa.select(table).order_by(*table.primary_key))) for table in tables]


def change_head(store: Store) -> tuple[int, str]:
    with store.engine.connect() as connection:
        return tuple(connection.execute(sa.text("SELECT seq, epoch FROM change_head")).one())


@pytest.fixture
def archive(tmp_path: Path) -> tuple[Path, Store]:
    """An archive, and the SQLite store that it was made of."""
    store = Store(connect(f"sqlite:///{(tmp_path / 'old.db').as_posix()}"), make_keys())
    migrate(store.engine, store.keys)
    publish_week(store, week(student(1), student(2)), actor="test")
    publish_week(store, week(student(2), student(3), on=MONDAY.replace(day=9)), actor="test")
    back_up(store.engine, tmp_path / "backup.zip", WHEN)
    return tmp_path / "backup.zip", store


def test_a_store_comes_back_whole_on_either_database_and_goes_on_from_there(archive: tuple[Path, Store], store: Store) -> None:
    path, old = archive
    counts = restore(store.engine, path)
    assert counts["students"] == 4
    assert everything(store) == everything(old)
    # Numbers go on, in an epoch of their own: what was handed out after the backup may come again and mean something else.
    assert change_head(store)[0] == change_head(old)[0]
    assert change_head(store)[1] != change_head(old)[1]
    restored = Store(store.engine, old.keys)
    assert verify(restored.engine, restored.keys).faults == ()
    publish_week(restored, week(student(4), on=MONDAY.replace(day=16)), actor="test")
    assert verify(restored.engine, restored.keys).faults == ()


def test_a_backup_of_either_database_is_the_same(archive: tuple[Path, Store], store: Store, tmp_path: Path) -> None:
    restore(store.engine, archive[0])
    back_up(store.engine, tmp_path / "again.zip", WHEN)
    with zipfile.ZipFile(archive[0]) as one, zipfile.ZipFile(tmp_path / "again.zip") as other:
        assert one.namelist() == other.namelist()
        # A restore begins an epoch, which its table and the sum of that tell.
        same = [name for name in one.namelist() if name not in ("change_head.jsonl", "about.json")]
        assert {name: one.read(name) for name in same} == {name: other.read(name) for name in same}


def test_a_backup_tells_nobody_without_the_keys(archive: tuple[Path, Store]) -> None:
    with zipfile.ZipFile(archive[0]) as opened:
        content = b"".join(opened.read(name) for name in opened.namelist()).decode()
    assert not [canary for canary in CANARIES if canary in content]


def test_a_store_with_something_in_it_is_not_overwritten(archive: tuple[Path, Store], store: Store) -> None:
    publish_week(store, week(student(9)), actor="test")
    before = everything(store)
    with pytest.raises(RiskModelError, match="not empty"):
        restore(store.engine, archive[0])
    assert everything(store) == before


def test_a_damaged_backup_puts_nothing_in(archive: tuple[Path, Store], store: Store, tmp_path: Path) -> None:
    before = everything(store)
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(archive[0]) as whole, zipfile.ZipFile(changed, "w") as other:
        for name in whole.namelist():
            other.writestr(name, whole.read(name).replace(b"Social Work", b"Social Werk"))
    cut = tmp_path / "cut.zip"
    cut.write_bytes(archive[0].read_bytes()[:500])
    for path, told in ((changed, "students in this backup is damaged"), (cut, "damaged"), (tmp_path / "none.zip", "no such file")):
        with pytest.raises(DataFault, match=told):
            restore(store.engine, path)
    assert everything(store) == before


def test_a_backup_of_another_schema_is_refused_with_what_to_do(archive: tuple[Path, Store], store: Store, tmp_path: Path) -> None:
    older = tmp_path / "older.zip"
    with zipfile.ZipFile(archive[0]) as whole, zipfile.ZipFile(older, "w") as other:
        for name in whole.namelist():
            other.writestr(name, whole.read(name).replace(b'"schema": "', b'"schema": "0'))
    with pytest.raises(DataFault, match="the version that made it"):
        restore(store.engine, older)
