"""The page on the worth of signals in a real browser, at desktop and phone width."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from riskmodel.families.recipe import read_recipe
from riskmodel.signals.page import signals_page
from riskmodel.signals.prior_page import prior_page
from training.signals import signals

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SYNTHETIC = Path(__file__).resolve().parents[2] / "data" / "synthetic"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dataset, worth = signals(SYNTHETIC, read_recipe("logistic"), targets=("leave",))
    path = tmp_path_factory.mktemp("signals") / "signals.html"
    path.write_text(signals_page(worth, dataset.definition, "nl", "prior-education.html"), encoding="utf-8")
    path.with_name("prior-education.html").write_text(prior_page(worth, dataset.definition, "nl"), encoding="utf-8")
    return path


@pytest.mark.parametrize("size", [(1280, 900), (375, 812), (320, 640)], ids=["desktop", "phone", "narrow"])
def test_the_page_is_readable_for_everybody_and_asks_for_nothing(browser: Browser, written: Path, size: tuple[int, int]) -> None:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="nl-NL")
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(written.as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text("Wat elk gegeven waard is")
    assert page.locator("figure svg").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert [found["id"] for found in Axe().run(page).response["violations"]] == []
    assert asked == [written.as_uri()]
    context.close()


@pytest.mark.parametrize("width", [1280, 375, 320])
def test_the_page_on_prior_education_is_readable_for_everybody(browser: Browser, written: Path, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, locale="nl-NL")
    page = context.new_page()
    page.goto(written.as_uri())
    page.get_by_role("link", name="prior-education.html").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Vooropleiding, met of zonder")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert [found["id"] for found in Axe().run(page).response["violations"]] == []
    context.close()
