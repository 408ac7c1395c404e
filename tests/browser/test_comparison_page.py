"""The page of `riskmodel compare` in a real browser: it loads nothing, scrolls no page sideways, and axe finds nothing to mend."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from riskmodel.champion import read_champions
from riskmodel.comparison.page import Compared, render
from tests.serving.conftest import Place
from training.compare import compare

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def compared(place: Place) -> Compared:
    model = read_champions(place.workspace.champion)["leave"]
    return compare(("leave@1", "leave@<b>2"), (model, model), place.data, on=place.on, cohort="2025-2026").found


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("width", [1280, 375, 320])
def test_the_page_is_whole_accessible_and_alone(
    browser: Browser, compared: Compared, tmp_path: Path, language: Literal["nl", "en"], width: int
) -> None:
    path = tmp_path / "compare.html"
    path.write_text(render(compared, language), encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 800}, bypass_csp=True)
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    found = [f"{each['id']}: {each['nodes'][0]['html']}" for each in Axe().run(page).response["violations"]]
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    titles, told = page.locator("h2").count(), page.locator("h1").inner_text()
    context.close()
    assert found == []
    assert not wide
    assert asked == [path.as_uri()]
    assert titles == 9
    assert told.endswith("leave@<b>2")
