"""The pages that tell what a type of problem means can be read by everybody, on a phone as well."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_coach_pages import no_sideways_scrolling, page, violations  # noqa: F401

pytestmark = pytest.mark.browser


def test_the_list_leads_to_a_type_and_back(page: Page, address: str) -> None:  # noqa: F811
    page.goto(f"{address}/problems")
    expect(page.get_by_role("heading", level=1)).to_have_text("Types of problems")
    assert no_sideways_scrolling(page)
    assert violations(page) == []
    page.get_by_role("link", name="invalid-student").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("One student is not as they should be")
    assert no_sideways_scrolling(page)
    assert violations(page) == []
    page.get_by_role("link", name="All types of problems").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Types of problems")
