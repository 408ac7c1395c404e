"""Walks along the coach's desk in a real browser, against the real service with a database of its own."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import update
from sqlalchemy.orm import Session

from riskmodel.workspace import Workspace
from serving.app import create_app
from serving.store.audit import verify
from serving.store.tables import LoginSession
from serving.store.weeks import Store, coaches_of, coaches_with_invited, invited_students, latest_week, logins_of, now
from tests.browser.test_coach_pages import no_sideways_scrolling, violations
from tests.serving.conftest import Place
from tests.serving.listening import listening

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect.set_options(timeout=30_000)
MONDAY, TUESDAY = dt.date(2026, 11, 2), dt.date(2026, 11, 3)
STEP, NOTE = "Ik vraag Sem of we dinsdag samen leren.", "Vertelde over de groepsopdracht; wil het anders aanpakken."


@dataclass
class Desk:
    """A running service, and a coach with students."""

    app: FastAPI
    address: str
    coach: str
    students: list[str]
    theirs: str

    @property
    def store(self) -> Store:
        return self.app.state.store  # type: ignore[no-any-return]


@pytest.fixture
def desk(place: Place, tmp_path: Path) -> Iterator[Desk]:
    workspace = Workspace(tmp_path / "workspace")
    shutil.copytree(place.workspace.folder, workspace.folder)
    app = create_app(Place(place.data, workspace, place.on).settings())
    app.state.today = lambda: MONDAY
    store: Store = app.state.store
    with store.session() as session:
        week = latest_week(session)
        assert week is not None
        counts = coaches_with_invited(session, week)
        with_login = [coach for coach in logins_of(week, store.keys).values() if counts.get(coach)]
        one, other = sorted(with_login, key=lambda coach: (-counts[coach], coach))[:2]
        names = [each.name for each in invited_students(session, store.keys, week, {one})]
        theirs = invited_students(session, store.keys, week, {other})[0].enrolment_id
        coach = coaches_of(week, store.keys)[one]
    with listening(app) as address:
        yield Desk(app, address, coach, names, theirs)
    assert verify(store.engine, store.keys).faults == ()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Give the opener of pages, each in a browser of its own; what the console complains of fails the test."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def opened(width: int = 1280, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, locale="nl-NL", **options)
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: troubles.append(said.text) if said.type == "error" and "status of 4" not in said.text else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not troubles


def come_in(page: Page, desk: Desk) -> None:
    page.goto(desk.address)
    page.get_by_role("button", name=desk.coach, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mijn studenten")


def open_student(page: Page, desk: Desk) -> None:
    page.get_by_role("link", name=desk.students[0], exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(desk.students[0])


def sound(page: Page) -> None:
    """Require that a page has no fault that axe finds, and fits its width."""
    assert violations(page) == []
    assert no_sideways_scrolling(page)


@pytest.mark.parametrize(
    ("width", "scripts"), [(1280, True), (375, True), (320, False)], ids=["desktop", "phone", "narrow-without-scripts"]
)
def test_a_coach_notes_a_talk_on_monday_and_sees_the_next_step_waiting_on_tuesday(
    desk: Desk, visit: Callable[..., Page], width: int, scripts: bool
) -> None:
    page = visit(width, java_script_enabled=scripts)
    looked = sound if scripts else (lambda page: None)
    come_in(page, desk)
    looked(page)
    open_student(page, desk)
    looked(page)
    page.get_by_role("link", name="Het gesprek: de leidraad op één pagina").click()
    expect(page.get_by_role("heading", name="1. Terugblikken")).to_be_visible()
    looked(page)
    page.get_by_role("link", name=f"Terug naar {desk.students[0]}").click()
    page.get_by_role("button", name="Nieuw voor mij").click()
    expect(page.get_by_role("button", name="Nieuw voor mij")).to_have_attribute("aria-pressed", "true")
    page.get_by_label("vervolgstap afgesproken").check()
    page.get_by_label("Vervolgstap, in de woorden van de student").fill(STEP)
    page.get_by_label("Wanneer").fill(TUESDAY.isoformat())
    page.get_by_label("Notitie", exact=True).fill(NOTE)
    page.get_by_role("button", name="Opslaan").click()
    expect(page.get_by_role("status").filter(has_text="Opgeslagen.")).to_be_visible()
    expect(page.locator(".note").filter(has_text=NOTE)).to_be_visible()
    looked(page)
    desk.app.state.today = lambda: TUESDAY
    page.goto(desk.address)
    page.get_by_role("link", name="Afspraak open").click()
    row = page.locator(".students > li").filter(has_text=desk.students[0])
    expect(row).to_contain_text("Vervolgstap vandaag: vraag hoe het ging")
    expect(row).to_contain_text(STEP)
    looked(page)


def test_the_walk_goes_by_keyboard_alone(desk: Desk, visit: Callable[..., Page]) -> None:
    page = visit(320)
    come_in(page, desk)

    def go_to(found: str) -> None:
        for _ in range(200):
            page.keyboard.press("Tab")
            if page.evaluate("wanted => document.activeElement.matches(wanted)", found):
                # Focus is seen: the outline is there and the element is on the screen.
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
                return
        raise AssertionError(found)

    go_to(".students .name")
    name = str(page.evaluate("document.activeElement.textContent"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    go_to("a[href='#follow-up']")
    page.keyboard.press("Enter")
    go_to("input[name=stage]")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(page.get_by_label("gesproken", exact=True)).to_be_checked()
    go_to("#note")
    page.keyboard.type(NOTE)
    go_to("button[value=save]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Opgeslagen.")).to_be_visible()
    expect(page.locator(".note").filter(has_text=NOTE)).to_be_visible()
    assert no_sideways_scrolling(page)


def test_two_coaches_write_at_once_and_the_second_sees_both_texts(desk: Desk, visit: Callable[..., Page]) -> None:
    first, second = visit(), visit()
    for page in (first, second):
        come_in(page, desk)
        open_student(page, desk)
    step = "Vervolgstap, in de woorden van de student"
    first.get_by_label("gesproken", exact=True).check()
    first.get_by_label(step).fill("De eerste tekst")
    first.get_by_role("button", name="Opslaan").click()
    expect(first.get_by_role("status").filter(has_text="Opgeslagen.")).to_be_visible()
    second.get_by_label("contact gehad", exact=True).check()
    second.get_by_label(step).fill("De tweede tekst")
    second.get_by_role("button", name="Opslaan").click()
    expect(second.get_by_role("alert")).to_contain_text("Intussen heeft")
    expect(second.locator("#meanwhile")).to_contain_text("De eerste tekst")
    expect(second.get_by_label(step)).to_have_value("De tweede tekst")
    sound(second)
    second.get_by_label(step).fill("De eerste tekst, en de tweede")
    second.get_by_role("button", name="Opslaan").click()
    expect(second.get_by_role("status").filter(has_text="Opgeslagen.")).to_be_visible()
    first.reload()
    expect(first.get_by_label(step)).to_have_value("De eerste tekst, en de tweede")


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without"])
def test_a_note_that_is_sent_after_the_session_ended_is_there_after_logging_in_again(
    desk: Desk, visit: Callable[..., Page], scripts: bool
) -> None:
    page = visit(java_script_enabled=scripts)
    come_in(page, desk)
    open_student(page, desk)
    page.get_by_label("Notitie", exact=True).fill(NOTE)
    with Session(desk.store.engine) as session, session.begin():
        session.execute(update(LoginSession).values(seen_at=now() - dt.timedelta(hours=2)))
    page.get_by_role("button", name="Opslaan").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Wie bent u in deze demo?")
    page.get_by_role("button", name=desk.coach, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(desk.students[0])
    expect(page.get_by_role("status")).to_contain_text("Wat u schreef is bewaard als concept")
    expect(page.get_by_label("Notitie", exact=True)).to_have_value(NOTE)
    page.get_by_role("button", name="Opslaan").click()
    expect(page.locator(".note").filter(has_text=NOTE)).to_be_visible()
    expect(page.get_by_label("Notitie", exact=True)).to_have_value("")


def test_another_coachs_student_can_not_be_reached_by_address(desk: Desk, visit: Callable[..., Page]) -> None:
    page = visit()
    come_in(page, desk)
    for tail in ("", "/talk", "/way"):
        page.goto(f"{desk.address}/students/{desk.theirs}{tail}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Deze pagina is er niet")
        sound(page)


def test_a_student_who_is_not_invited_is_put_on_the_list(desk: Desk, visit: Callable[..., Page]) -> None:
    page = visit(375)
    come_in(page, desk)
    quiet = page.locator(".students > li:not(.going) .name").first
    name = quiet.inner_text()
    quiet.click()
    expect(page.get_by_text("Deze student is nu niet uitgenodigd.")).to_be_visible()
    sound(page)
    page.get_by_label("Wat is er aan de hand?").fill("Zei dat de opleiding misschien niet past.")
    page.get_by_role("button", name="Zet op de lijst").click()
    expect(page.get_by_role("status")).to_contain_text("Op de lijst gezet")
    page.goto(desk.address)
    page.get_by_label("Zoek op naam, nummer of opleiding").fill(name)
    page.keyboard.press("Enter")
    expect(page.locator(".students > li").filter(has_text=name).first).to_contain_text("Wacht sinds")
    page.get_by_label("Zoek op naam, nummer of opleiding").fill("niemand heet zo")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Niemand gevonden.")
    sound(page)
