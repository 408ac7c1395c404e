"""The coach's desk with 5,000 students in the store: milliseconds until a page is there, and its size.

Client and service share one process; the time of the processor is what a busy machine does not stretch.

python benchmarks/desk_speed.py [--json FILE]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import logging
import tempfile
import time
from pathlib import Path

import structlog
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from serving.access.scopes import Role
from serving.access.sessions import Person, begin
from serving.app import create_app
from serving.settings import Settings
from serving.store.follow_up import About, Agreed, Writer, save
from serving.store.keys import make_keys, write_keys
from serving.store.schema import connect, migrate
from serving.store.weeks import Store, invited_students, latest_week, now, publish_week
from serving.week import Background, CoachedStudent, LessonWeek, PublishedStudent, PublishedWeek, ReasonShown

STUDENTS, LARGE, USUAL, WEEKS, ASKED = 5_000, 100, 25, 8, 200
MONDAY = dt.date(2026, 11, 2)
GOAL_MS, GOAL_BYTES = 50, 100_000


def coach_of(number: int) -> str:
    """Give a student's coach: one with a hundred, and others with 25."""
    return "large" if number < LARGE else f"c{number // USUAL}"


def listed(number: int) -> PublishedStudent:
    """Make an invited student."""
    text = dict.fromkeys(("nl", "en"), "Volgens de registratie bij 5 van de laatste 12 lessen; in de opleiding meestal 9.")
    reasons = tuple(
        ReasonShown(key=key, direction="raises", actionable=True, context=False, contribution=0.5, label=text, text=text)
        for key in ("attendance_recent", "attendance_overall", "first_test", "grades")
    )
    lessons = tuple(
        LessonWeek(monday=MONDAY - dt.timedelta(weeks=each), scheduled=8, attended=4, usual_share=0.8) for each in range(9, -1, -1)
    )
    background = Background(prior_education=text, related=True, intake_check="done", enrolled_on=None, start_date=dt.date(2026, 9, 1))
    return PublishedStudent(
        enrolment_id=f"e{number}", student_id=f"s{number}", name=f"Noor {number:05}", programme="Social Work", coach_id=coach_of(number), day=62,
        landmark=56, invited=True, way="model", rank=number + 1, margin=0.1, probability=0.4, reasons=reasons, frequency=text, lessons=lessons, tests=(),
        background=background,
    )  # fmt: skip


def fill(store: Store) -> None:
    """Put lists of eight weeks and a third of the invited in a talk into a store."""
    caseload = tuple(
        CoachedStudent(
            enrolment_id=f"e{number}", student_id=f"s{number}", name=f"Noor {number:05}", programme="Social Work", coach_id=coach_of(number),
            started_on=dt.date(2026, 9, 1),
        )
        for number in range(STUDENTS)
    )  # fmt: skip
    for week in range(WEEKS - 1, -1, -1):
        students = tuple(listed(number) for number in range(0, STUDENTS, 5))
        told = PublishedWeek(
            on=MONDAY - dt.timedelta(weeks=week), institution="Hogeschool Voorbeeld", target="leave", capacity=len(students), cut_off=0.3,
            scored=STUDENTS, not_scored=0, policy={}, models={"leave": "leave-1"}, outcome={"measured_on": "1 October", "switch_inside_counts": True},
            meaning={}, coaches={coach_of(number): coach_of(number) for number in range(STUDENTS)},
            coach_logins={coach_of(number): coach_of(number) for number in range(STUDENTS)}, students=students, caseload=caseload if not week else None,
        )  # fmt: skip
        publish_week(store, told, actor="benchmark")
    with store.session() as session:
        week = latest_week(session)
        assert week is not None
        abouts = [About(each.row.person, each.row.enrolment) for each in invited_students(session, store.keys, week, None)][::3]
        session.expunge_all()
    agreed = Agreed(stage="agreed", contact_on=MONDAY, next_step="Ik vraag Sem of we dinsdag samen leren.", next_on=MONDAY)
    for about in abouts:
        save(store, about, agreed, "Wil verder.", version=0, by=Writer("large", "large"), at=now(), today=MONDAY)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        keys, url = make_keys(), f"sqlite:///{place / 'store.db'}"
        write_keys(keys, place / "keys.json")
        store = Store(connect(url), keys)
        migrate(store.engine, keys)
        fill(store)
        settings = Settings(
            champion_folder=place, store_url=url, keys_file=place / "keys.json", audit_heads=place / "heads.jsonl", secure_cookies=False
        )
        print("| page | p50 ms | p95 ms (goal 50) | p95 of the processor | kB (goal 100) |\n| --- | --- | --- | --- | --- |")
        with TestClient(create_app(settings)) as client:
            pages = (
                ("list of 25 students", Role.COACH, "c40", "/"),
                ("list of 100 students", Role.COACH, "large", "/"),
                ("a student", Role.COACH, "large", "/students/e0"),
                ("the guide to the talk", Role.COACH, "large", "/students/e0/talk"),
                ("the coordinator's overview", Role.COORDINATOR, "coordinator", "/overview"),
            )
            for name, role, login, path in pages:
                with Session(store.engine) as session, session.begin():
                    client.cookies.set("session", begin(session, keys, Person(login, login, frozenset({role})), now()))
                taken, worked = [], []
                for _ in range(ASKED):
                    began, before = time.perf_counter(), time.process_time()
                    answer = client.get(path)
                    worked.append(1000 * (time.process_time() - before))
                    taken.append(1000 * (time.perf_counter() - began))
                    assert answer.status_code == 200, answer.text
                half, most = sorted(taken)[ASKED // 2], sorted(taken)[int(ASKED * 0.95)]
                own = sorted(worked)[int(ASKED * 0.95)]
                size = len(answer.content)
                print(f"| {name} | {half:.0f} | {most:.0f} | {own:.0f} | {size / 1000:.0f} |", flush=True)
                rows.append({"page": name, "p50_ms": half, "p95_ms": most, "p95_cpu_ms": own, "bytes": size})
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
