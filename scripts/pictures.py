"""Draw the README's pictures from a running demo: the list and one student, at desktop and phone width.

riskmodel demo          (in one terminal)
python scripts/pictures.py [ADDRESS]
"""

from __future__ import annotations

import sys
from pathlib import Path

from find_browser import find
from playwright.sync_api import sync_playwright

TARGET = Path(__file__).resolve().parents[1] / "docs" / "pictures"
WIDTHS = {"desktop": (1280, 900), "phone": (375, 812)}


def main(address: str = "http://127.0.0.1:8000/") -> None:
    """Write `list-<width>.png` and `student-<width>.png` to docs/pictures."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        for name, (width, height) in WIDTHS.items():
            page = browser.new_context(viewport={"width": width, "height": height}, locale="nl-NL").new_page()
            page.goto(address)
            page.locator("button.plain").first.click()  # a coach
            page.screenshot(path=TARGET / f"list-{name}.png")
            page.locator(".students .name").first.click()
            page.wait_for_load_state()
            page.set_viewport_size({"width": width, "height": height * 2})
            page.screenshot(path=TARGET / f"student-{name}.png")
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
