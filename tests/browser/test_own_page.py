"""A student's own page in a real browser: read, a datum reported, another coach asked for, an objection made and withdrawn; with and without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from serving.app import create_app
from serving.store.schema import connect, migrate
from serving.store.weeks import Store, publish_week
from tests.browser.test_coach_pages import no_sideways_scrolling, violations
from tests.serving.conftest import Place
from tests.serving.listening import listening
from tests.serving.test_letters import listed

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def own(place: Place, tmp_path: Path) -> Iterator[str]:
    """Give the address of a demo over a store of its own, as an objection would change what other tests look at."""
    url = f"sqlite:///{(tmp_path / 'own.db').as_posix()}"
    store = Store(connect(url), place.keys)
    migrate(store.engine, store.keys)
    publish_week(store, listed().model_copy(update={"synthetic": True}), actor="test")
    store.engine.dispose()
    with listening(create_app(place.settings(store_url=url))) as address:
        yield address


def sound(page: Page, *, scripts: bool) -> None:
    """Require that a page has no fault that axe finds, and fits its width; without scripts neither can be asked."""
    if scripts:
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert violations(page) == []
        assert no_sideways_scrolling(page)


@pytest.mark.parametrize(
    ("width", "scripts"),
    [(1280, True), (375, True), (320, True), (320, False)],
    ids=["desktop", "phone", "narrow", "narrow-without-scripts"],
)
def test_a_student_reads_reports_asks_objects_and_withdraws(browser: Browser, own: str, width: int, scripts: bool) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, locale="nl-NL", java_script_enabled=scripts)
    page = context.new_page()
    page.goto(own)
    page.get_by_role("button", name="Student", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Wat we van je weten")
    sound(page, scripts=scripts)
    page.get_by_label("Welk gegeven?").select_option("attendance")
    page.get_by_label("Wat klopt er niet?").fill("Ik was er wel.")
    page.get_by_role("button", name="Meld het").click()
    expect(page.get_by_role("status")).to_have_text("Dank je. Je melding is bewaard.")
    page.get_by_label("Een andere begeleider").check()
    page.get_by_role("button", name="Verstuur mijn vraag").click()
    expect(page.get_by_role("status")).to_have_text("Je vraag is bewaard. Je begeleider ziet hem.")
    sound(page, scripts=scripts)
    page.get_by_role("button", name="Ik maak bezwaar").click()
    expect(page.get_by_role("status")).to_have_text("Je bezwaar geldt vanaf nu.")
    sound(page, scripts=scripts)
    page.get_by_role("button", name="Ik trek mijn bezwaar in").click()
    expect(page.get_by_role("status")).to_have_text("Je bezwaar is ingetrokken.")
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What we know about you")
    sound(page, scripts=scripts)
    context.close()
