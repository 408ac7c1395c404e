"""A coach's walk from list to student in a real browser, at desktop and phone width."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser
WIDTHS = {"desktop": (1280, 900), "phone": (375, 812), "narrow": (320, 640)}


@pytest.fixture(params=WIDTHS, ids=list(WIDTHS))
def page(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    width, height = WIDTHS[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, locale="nl-NL")
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith((address, "data:")) else troubles.append(f"asked {asked.url}"))
    yield page
    context.close()
    assert not troubles


def walk_in(page: Page, address: str, who: str = "Coördinator") -> None:
    """Come to the list as somebody in the demo."""
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Wie bent u in deze demo?")
    page.get_by_role("button", name=who, exact=True).click()


def no_sideways_scrolling(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def nothing_is_cut_off(page: Page) -> bool:
    """Tell whether every table and picture fits in its own frame."""
    return bool(
        page.evaluate("[...document.querySelectorAll('.scroll, figure, .signal')].every(each => each.scrollWidth <= each.clientWidth)")
    )


def violations(page: Page) -> list[str]:
    return [f"{found['id']}: {found['nodes'][0]['html']}" for found in Axe().run(page).response["violations"]]


def test_a_coach_walks_from_the_list_to_a_student_and_back(page: Page, address: str) -> None:
    walk_in(page, address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Studenten")
    assert no_sideways_scrolling(page)
    assert violations(page) == []
    page.get_by_label("SLB'er").select_option(index=1)
    page.get_by_role("button", name="Zoek", exact=True).click()
    links = page.locator(".students .name")
    name = links.first.inner_text()
    links.first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    assert no_sideways_scrolling(page)
    assert violations(page) == []
    page.get_by_text("Dezelfde gegevens als tabel").click()
    expect(page.get_by_role("table").first).to_be_visible()
    page.get_by_text("Meer hierover", exact=True).click()
    expect(page.get_by_text("van de 100 studenten met vergelijkbare gegevens")).to_be_visible()
    expect(page.get_by_text("op dag 56 van elke 100 studenten er 20 hebben uitgenodigd")).to_be_visible()
    expect(page.get_by_text("Peildatum")).to_be_visible()
    # Narrower than any phone of today, a table of figures may scroll within its own frame.
    assert nothing_is_cut_off(page) or page.viewport_size == {"width": 320, "height": 640}
    assert no_sideways_scrolling(page)
    assert violations(page) == []
    page.get_by_role("link", name="Terug naar de lijst").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Studenten")


def test_the_keyboard_alone_reaches_a_student(page: Page, address: str) -> None:
    walk_in(page, address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Studenten")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Naar de inhoud")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "name":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=2).first).to_have_text("Wat opvalt")


def test_another_language_is_chosen_on_the_page(page: Page, address: str) -> None:
    walk_in(page, address)
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Students")
    assert violations(page) == []


def test_the_documentation_of_the_api_works_from_files_of_our_own(page: Page, address: str) -> None:
    page.goto(f"{address}/docs")
    expect(page.get_by_text("/v1/scores")).to_be_visible(timeout=15_000)
    page.locator("#operations-scores-scores .opblock-summary").click()
    expect(page.get_by_text("Answer, per student, the probability")).to_be_visible()


def test_a_coach_logs_in_sees_own_students_alone_and_logs_out(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Wie bent u in deze demo?")
    assert no_sideways_scrolling(page)
    assert violations(page) == []
    coach = page.locator("button.plain").first
    name = coach.inner_text()
    coach.click()
    expect(page.locator("header .person")).to_contain_text(name)
    expect(page.get_by_label("SLB'er")).to_have_count(0)
    assert 0 < page.locator(".students .name").count() < 100
    assert no_sideways_scrolling(page)
    assert violations(page) == []
    page.get_by_role("button", name="Uitloggen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("U bent uitgelogd")
    assert violations(page) == []
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Wie bent u in deze demo?")
