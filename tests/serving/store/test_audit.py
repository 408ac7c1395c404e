"""The audit trail shows whatever is done to it behind its back."""

from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from riskmodel.errors import RiskModelError
from serving.store.audit import HEAD_EVERY, Event, events_about, note_head, prune, read_heads, record, verify
from serving.store.keys import make_keys
from serving.store.schema import connect, migrate
from serving.store.tables import AuditEvent, AuditHead
from serving.store.weeks import Store

WHEN = dt.datetime(2026, 11, 2, 9, 0)


def write(store: Store, count: int, *, at: dt.datetime = WHEN, subject: str = "ab") -> None:
    with Session(store.engine) as session, session.begin():
        record(session, store.keys, Event.PAGE_STUDENT_READ, actor="c1", at=at, subjects=[subject] * count, heads=store.heads)


def faults(store: Store) -> tuple[str, ...]:
    return verify(store.engine, store.keys, store.heads).faults


def run(store: Store, statement: str) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.text(statement))


def test_an_untouched_trail_holds(store: Store) -> None:
    assert verify(store.engine, store.keys, store.heads).events == 0
    write(store, 3)
    write(store, 2)
    found = verify(store.engine, store.keys, store.heads)
    assert (found.events, found.through, found.faults) == (5, 5, ())


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE audit SET subject = 'cd' WHERE seq = 3", "event 3 is not what was written"),
        ("UPDATE audit SET at = '2026-11-02 10:00:00' WHERE seq = 2", "event 2 is not what was written"),
        ("DELETE FROM audit WHERE seq = 2", "event 2 is missing"),
        ("DELETE FROM audit WHERE seq = 5", "cut off"),
        ("DELETE FROM audit", "cut off"),
        ("UPDATE audit SET code = (SELECT code FROM audit WHERE seq = 1) WHERE seq = 4", "event 4 is not what was written"),
    ],
)
def test_a_changed_removed_or_cut_off_event_is_found(store: Store, statement: str, told: str) -> None:
    write(store, 5)
    run(store, statement)
    assert any(told in fault for fault in faults(store))


def test_two_events_that_changed_places_are_found(store: Store) -> None:
    write(store, 4)
    for statement in (
        "UPDATE audit SET seq = 99 WHERE seq = 2",
        "UPDATE audit SET seq = 2 WHERE seq = 3",
        "UPDATE audit SET seq = 3 WHERE seq = 99",
    ):
        run(store, statement)
    assert any("event 2" in fault for fault in faults(store))


def test_an_end_cut_off_together_with_the_head_shows_by_what_was_noted_outside(store: Store) -> None:
    write(store, HEAD_EVERY + 1)
    assert list(read_heads(store.heads or Path())) == [HEAD_EVERY + 1]
    with Session(store.engine) as session, session.begin():
        session.execute(sa.delete(AuditEvent).where(AuditEvent.seq > 5))
        code = session.scalar(sa.select(AuditEvent.code).where(AuditEvent.seq == 5))
        session.execute(sa.update(AuditHead).values(seq=5, code=code))
    assert faults(Store(store.engine, store.keys)) == ()
    assert any("noted outside" in fault for fault in faults(store))


def test_another_key_makes_nothing_fit(store: Store) -> None:
    write(store, 2)
    assert verify(store.engine, make_keys()).faults


def test_old_events_go_under_a_signed_checkpoint_and_the_rest_still_holds(store: Store) -> None:
    write(store, 3, at=WHEN - dt.timedelta(days=400))
    write(store, 2)
    assert prune(store.engine, store.keys, WHEN.date(), actor="admin", at=WHEN, heads=store.heads) == 3
    found = verify(store.engine, store.keys, store.heads)
    assert (found.events, found.through, found.faults) == (3, 6, ())
    assert prune(store.engine, store.keys, WHEN.date(), actor="admin", at=WHEN) == 0
    run(store, "UPDATE audit_checkpoints SET through = 2")
    assert any("checkpoint" in fault for fault in faults(store))


def test_a_broken_trail_is_not_pruned(store: Store) -> None:
    write(store, 3, at=WHEN - dt.timedelta(days=400))
    run(store, "DELETE FROM audit WHERE seq = 2")
    with pytest.raises(RiskModelError, match="does not hold"):
        prune(store.engine, store.keys, WHEN.date(), actor="admin", at=WHEN)


def test_a_student_can_be_told_what_was_recorded_about_them_alone(store: Store) -> None:
    write(store, 2, subject="mine")
    write(store, 1, subject="another's")
    with store.session() as session:
        assert [event.seq for event in events_about(session, "mine")] == [1, 2]


def test_writers_at_the_same_time_make_one_chain(store: Store) -> None:
    def work() -> None:
        for _ in range(10):
            write(store, 2)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = verify(store.engine, store.keys, store.heads)
    assert (found.events, found.faults) == (80, ())


def test_the_last_code_is_noted_when_the_service_stops(store: Store) -> None:
    write(store, 3)
    assert store.heads is not None
    note_head(store.engine, store.heads, WHEN)
    assert list(read_heads(store.heads)) == [3]


def test_a_damaged_note_is_told_and_one_cut_short_at_the_end_is_not(tmp_path: Path) -> None:
    heads = tmp_path / "heads.jsonl"
    heads.write_text('{"seq": 1, "code": "ab", "at": ""}\n{"seq": 2', encoding="utf-8")
    assert read_heads(heads) == {1: "ab"}
    heads.write_text('nonsense\n{"seq": 2, "code": "ab"}\n', encoding="utf-8")
    with pytest.raises(RiskModelError, match="line 1"):
        read_heads(heads)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    column=st.sampled_from(["event", "actor", "subject", "why", "code"]),
    text=st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=("Cs",)), max_size=8),
    data=st.data(),
)
def test_any_change_of_any_field_of_any_event_is_found(tmp_path_factory: pytest.TempPathFactory, counts, column, text, data) -> None:
    store = Store(connect(f"sqlite:///{tmp_path_factory.mktemp('audit') / 'store.db'}"), make_keys())
    migrate(store.engine, store.keys)
    for count in counts:
        write(store, count)
    seq = data.draw(st.integers(1, sum(counts)))
    with Session(store.engine) as session, session.begin():
        event = session.get(AuditEvent, seq)
        assert event is not None
        changed = getattr(event, column) != text
        setattr(event, column, text)
    assert bool(faults(store)) == changed
    store.engine.dispose()
