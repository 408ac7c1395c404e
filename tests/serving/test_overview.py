"""The coordinator's overview over HTTP: what it counts, what it withholds, who may see it, and what is taken out as a workbook."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Iterator

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from scipy.optimize import linprog
from sqlalchemy import select
from sqlalchemy.orm import Session

from riskmodel.handed_out import FILE_NAME, PURPOSES, read_listing
from riskmodel.suppression import FEWEST
from serving.access.scopes import Role
from serving.access.sessions import Person as LoggedIn
from serving.access.sessions import begin
from serving.app import create_app
from serving.pages.rendering import TEXTS
from serving.store.desk_tables import FollowUp, OwnStudent, TalkRequest
from serving.store.follow_up import REASONS
from serving.store.overview import FUNNEL, Tally, told_of
from serving.store.schema import connect, migrate
from serving.store.sealing import seal_text
from serving.store.tables import AuditEvent, Student, Week
from serving.store.weeks import Store, now, publish_week
from serving.week import CoachedStudent
from tests.serving.conftest import Place, let_in
from tests.serving.store.lists import MONDAY, student, week

COORDINATOR = frozenset({Role.COORDINATOR})
# Per programme, how many are how far; the first of the two lets nothing small be worked out, the others need something withheld.
FAR = {
    "Verpleegkunde": {"": 14, "reached": 10, "talked": 11, "agreed": 12, "done": 10, "not": 10},
    "Social Work": {"": 20, "reached": 2, "talked": 12, "agreed": 0, "done": 3, "not": 11},
    "Piano": {"": 2, "talked": 1},
}
GONE, WISHING = 12, 11
COUNTED = [79, 43, 33, 22, 10, 10, 26]


@pytest.fixture(scope="module")
def service(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Give a service with a list of three programmes, on which the coaches worked for a while."""
    url = f"sqlite:///{(tmp_path_factory.mktemp('overview') / 'overview.db').as_posix()}"
    store = Store(connect(url), place.keys)
    migrate(store.engine, store.keys)
    far = [(programme, stage) for programme, stages in FAR.items() for stage, count in stages.items() for _ in range(count)]
    listed = [student(number).model_copy(update={"programme": programme, "capacity": 40}) for number, (programme, _) in enumerate(far, 1)]
    told = week(*listed).model_copy(update={"policy": {"places_per_programme": 40}})
    # A week before others stood on the list, and some who stand on none wish for a talk.
    gone = [student(number).model_copy(update={"programme": "Verpleegkunde"}) for number in range(201, 201 + GONE)]
    publish_week(store, week(*gone, on=MONDAY - dt.timedelta(weeks=1)), actor="test")
    caseload = [
        CoachedStudent(enrolment_id=f"e-canary-{number}", student_id=f"s-canary-{number}", name="Canary", programme="Verpleegkunde",
                       coach_id="c1", started_on=dt.date(2026, 9, 1))
        for number in range(301, 301 + WISHING)
    ]  # fmt: skip
    publish_week(store, told.model_copy(update={"caseload": tuple(caseload)}), actor="test")
    with Session(store.engine) as session, session.begin():
        rows = list(session.scalars(select(Student).join(Week).where(Week.on == MONDAY).order_by(Student.rank)))
        for row, (_, stage) in zip(rows, far, strict=True):
            if stage:
                told_reasons = ["study_skills"] if stage in ("talked", "agreed") else ["level"] if stage == "done" else []
                session.add(
                    FollowUp(
                        enrolment=row.enrolment, person_id=row.person_id, version=1, stage=stage, not_why="", reasons=told_reasons,
                        sealed_words=seal_text(row.person, store.keys, "{}"), handed_to="", handed_coach="", changed_at=now(),
                        sealed_by=store.keys.seal("Sanne"),
                    )
                )  # fmt: skip
        for own in session.scalars(select(OwnStudent)):
            told_apart = {
                "way": "request",
                "sealed_text": seal_text(own.person, store.keys, ""),
                "made_at": now(),
                "sealed_by": store.keys.seal("Sanne"),
            }
            session.add(TalkRequest(enrolment=own.enrolment, person_id=own.person_id, **told_apart))
    store.engine.dispose()
    with TestClient(create_app(place.settings(store_url=url)), follow_redirects=False) as client:
        yield client


@pytest.fixture
def coordinator(service: TestClient) -> TestClient:
    service.cookies.clear()
    let_in(service, "coordinator", COORDINATOR)
    return service


def tables(page: str) -> list[dict[str, list[int | None]]]:
    """Give the counts of each table by programme; None where one is withheld."""
    found = []
    for table in re.findall(r"<table.*?</table>", page, re.DOTALL):
        rows = {}
        for row in re.findall(r'<tr role="row"><th role="rowheader".*?</tr>', table, re.DOTALL):
            name = re.search(r'scope="row">([^<]+)<', row)
            assert name is not None
            rows[name.group(1)] = [
                int(told) if told else None for told in re.findall(r'<td role="cell"[^>]*>(?:<abbr.*?|(\d+).*?)</td>', row)
            ]
        found.append(rows)
    return found


def test_the_funnel_the_load_and_the_reasons_of_a_programme_are_told_in_counts(coordinator: TestClient) -> None:
    page = coordinator.get("/overview").text
    funnel, load, reasons = tables(page)
    assert funnel["Verpleegkunde"] == COUNTED
    assert reasons["Verpleegkunde"] == [None, 23, None, 10, None, None]
    assert load == {"Piano": [None, 40, None], "Social Work": [None, 40, None], "Verpleegkunde": [67, 40, 11]}
    for untold in ("Noor", "Kanariecoach", "canary", "0.4", "%"):
        assert untold not in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)
    for language in TEXTS:
        told = coordinator.get("/overview", headers={"Accept-Language": language}).text
        assert TEXTS[language]["overview"]["withheld"].split(":")[0] in told


def test_no_count_under_ten_stands_on_the_page_nor_between_two_that_do(coordinator: TestClient) -> None:
    funnel, _, reasons = tables(coordinator.get("/overview").text)
    assert set(funnel["Piano"]) | set(reasons["Piano"]) == {None}
    assert None in funnel["Social Work"]
    assert any(funnel["Social Work"])
    for rows in (funnel, reasons):
        assert all(count is None or count >= FEWEST for row in rows.values() for count in row)
    for row in funnel.values():
        # Each step is a part of the one before it, and who came to no talk or waits a part of everybody.
        invited, reached, talked, agreed, done, no_talk, waiting = row
        for whole, *parts in (
            (invited, reached),
            (reached, talked),
            (talked, agreed),
            (agreed, done),
            (invited, reached, no_talk),
            (invited, reached, waiting),
        ):
            if whole is not None and None not in parts:
                assert whole - sum(part for part in parts if part is not None) >= FEWEST


COUNT = st.one_of(st.integers(0, 12), st.integers(0, 60))


@settings(max_examples=25, deadline=None)
@given(cells=st.tuples(*[COUNT] * 6), share=st.floats(0, 1), shares=st.tuples(*[st.floats(0, 1)] * len(REASONS)))
def test_who_knows_every_count_told_is_left_with_a_range_of_ten_for_each_small_one(
    cells: tuple[int, ...], share: float, shares: tuple[float, ...]
) -> None:
    everybody, dealt_with = sum(cells), sum(cells[1:])
    tally = Tally(cells, round(share * everybody), None, 0, tuple(round(each * dealt_with) for each in shares))
    told = told_of("a", tally)
    # Unknown to the reader: the cells, who is on the list, and whom each reason was noted with; a part is no more than its whole.
    size = len(cells) + 1 + len(REASONS)
    value = np.array([*cells, tally.listed, *tally.reasons], dtype=float)

    def sum_of(*places: int) -> np.ndarray:
        return np.isin(np.arange(size), places).astype(float)

    whole, dealt = sum_of(0, 1, 2, 3, 4, 5), sum_of(1, 2, 3, 4, 5)
    funnel = dict(zip(FUNNEL, (whole, sum_of(1, 2, 3, 4), sum_of(2, 3, 4), sum_of(3, 4), sum_of(4), sum_of(5), sum_of(0)), strict=True))
    parts = [(sum_of(6), whole), *((sum_of(7 + place), dealt) for place in range(len(REASONS)))]
    shown = [(funnel[name], count) for name, count in told.funnel.items() if count is not None]
    shown += [(parts[0][0], told.load["listed"])] if told.load["listed"] is not None else []
    shown += [(parts[1 + place][0], count) for place, name in enumerate(REASONS) if (count := told.reasons[name]) is not None]
    for row, count in shown:
        assert count == row @ value
        assert count >= FEWEST
    secrets = [
        *funnel.values(),
        *(sum_of(place) for place in range(len(cells))),
        *(row for pair in parts for row in (pair[0], pair[1] - pair[0])),
    ]
    known = {"A_eq": np.array([row for row, _ in shown]), "b_eq": np.array([count for _, count in shown])} if shown else {}
    for secret in secrets:
        if secret @ value >= FEWEST:
            continue
        ends = []
        for sign in (1, -1):
            solved = linprog(sign * secret, A_ub=np.array([part - of for part, of in parts]), b_ub=np.zeros(len(parts)), **known)
            ends.append(sign * solved.fun if solved.status == 0 else np.inf)
        assert ends[1] - ends[0] >= FEWEST - 1e-6


def test_a_coach_and_every_other_role_are_refused_and_nobody_is_asked_to_log_in(service: TestClient) -> None:
    for role in set(Role) - COORDINATOR:
        service.cookies.clear()
        let_in(service, "somebody", frozenset({role}))
        for path in ("/overview", "/overview.xlsx"):
            answer = service.get(path)
            assert answer.status_code == 403, role
            assert "Verpleegkunde" not in answer.text
    service.cookies.clear()
    assert service.get("/overview").status_code == 303


def test_the_list_leads_whoever_may_to_the_overview_and_nobody_else(coordinator: TestClient) -> None:
    assert 'href="/overview"' in coordinator.get("/").text
    coordinator.cookies.clear()
    let_in(coordinator, "somebody", frozenset({Role.COACH}))
    assert 'href="/overview"' not in coordinator.get("/").text


def test_who_decides_on_the_advice_of_a_programme_sees_nothing_of_it_here_and_others_counts_stay_as_they_are(service: TestClient) -> None:
    store: Store = service.app.state.store  # type: ignore[attr-defined]
    person = LoggedIn("both", "Iemand", frozenset({Role.COORDINATOR, Role.STUDY_ADVICE}), decides=frozenset({"Verpleegkunde"}))
    service.cookies.clear()
    let_in(service, "coordinator", COORDINATOR)
    before = tables(service.get("/overview").text)
    with Session(store.engine) as session, session.begin():
        service.cookies.set("session", begin(session, store.keys, person, now()))
    # A person who decides is let through only where the institution recorded it, or for the programmes beside the wall.
    page = service.get("/overview").text
    assert "Verpleegkunde" not in page
    for seen, all_of_them in zip(tables(page), before, strict=True):
        assert seen == {name: row for name, row in all_of_them.items() if name != "Verpleegkunde"}
    workbook = load_workbook(io.BytesIO(service.get("/overview.xlsx").content))
    assert "Verpleegkunde" not in {cell for sheet in workbook for row in sheet.iter_rows(values_only=True) for cell in row}


def test_the_workbook_holds_exactly_what_is_shown_under_a_mark_that_is_noted(coordinator: TestClient) -> None:
    shown = tables(coordinator.get("/overview").text)
    answer = coordinator.get("/overview.xlsx")
    assert answer.status_code == 200
    workbook = load_workbook(io.BytesIO(answer.content))
    noted = coordinator.app.state.settings.audit_heads.with_name(FILE_NAME)  # type: ignore[attr-defined]
    newest = read_listing(noted)[-1]
    for sheet, rows in zip(workbook, shown, strict=True):
        heads, *found = list(sheet.iter_rows(values_only=True))
        assert heads[-4:] == ("purpose", "made_at", "made_by", "mark")
        assert {row[0]: list(row[1:-4]) for row in found} == rows
        assert {(row[-4], row[-1]) for row in found} == {(PURPOSES["evaluation"], newest.mark)}


def test_reading_and_taking_out_are_recorded_about_nobody(coordinator: TestClient) -> None:
    store: Store = coordinator.app.state.store  # type: ignore[attr-defined]

    def recorded() -> list[tuple[str, str]]:
        with store.session() as session:
            return [(row.event, row.subject) for row in session.scalars(select(AuditEvent).order_by(AuditEvent.seq))]

    before = len(recorded())
    coordinator.get("/overview")
    coordinator.get("/overview.xlsx")
    assert recorded()[before:] == [("page:overview:read", ""), ("page:overview:exported", "")]
