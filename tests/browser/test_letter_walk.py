"""A student opens the letter and picks a moment, in a real browser without an account, in Dutch and in English; the coach and the teacher around it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_desk_walks import Desk, come_in, desk, open_student, sound, visit

__all__ = ["desk", "visit"]
pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect.set_options(timeout=30_000)
WORDS = {
    "nl": (
        "Nederlands",
        "woensdag 4 november, 14:00 uur",
        "Kies dit moment",
        "Gelukt. Tot dan!",
        "Uitnodiging voor een gesprek",
        "Kies een moment",
    ),
    "en": ("Engels", "Wednesday 4 November, 14:00", "Pick this time", "Done. See you then!", "An invitation to talk", "Pick a time"),
}


@pytest.mark.parametrize(("language", "width", "scripts"), [("nl", 320, True), ("en", 375, True), ("nl", 1280, False)])
def test_a_coach_writes_a_letter_and_a_student_picks_a_moment_by_its_link(
    desk: Desk,
    visit: Callable[..., Page],
    language: str,
    width: int,
    scripts: bool,
) -> None:
    spoken, moment, choose, done, title, legend = WORDS[language]
    looked = sound if scripts else (lambda page: None)
    page = visit(width, java_script_enabled=scripts)
    come_in(page, desk)
    open_student(page, desk)
    page.get_by_role("link", name="Nodig uit per brief of e-mail").click()
    page.get_by_label("Moment 1").fill("2026-11-04T14:00")
    page.get_by_label("Moment 2").fill("2026-11-05T10:30")
    page.get_by_label("Taal van de brief").select_option(label=spoken)
    page.get_by_label("Waar? (mag leeg blijven)").fill("C1.20")
    page.get_by_role("button", name="Bekijk de brief").click()
    expect(page.get_by_role("heading", name="Zo ziet de brief eruit")).to_be_visible()
    looked(page)
    link = re.search(r"http://\S+/invitation/[\w.-]+", page.locator(".letter").inner_text())
    assert link is not None
    page.emulate_media(media="print")
    expect(page.locator(".letter")).to_be_visible()
    for other in (page.get_by_role("heading", level=1), page.get_by_role("button", name="Bekijk de brief"), page.locator("footer")):
        expect(other).to_be_hidden()
    page.emulate_media(media="screen")
    page.get_by_role("button", name="Ik heb de brief op papier gegeven").click()
    expect(page.get_by_role("status").first).to_have_text("Genoteerd: op papier gegeven.")

    student = visit(width, java_script_enabled=scripts)
    student.goto(link.group())
    expect(student.get_by_role("heading", level=1)).to_have_text(title)
    expect(student.get_by_role("group", name=legend)).to_be_visible()
    assert desk.students[0] not in student.content()
    looked(student)
    student.get_by_label(moment).check()
    student.get_by_role("button", name=choose).click()
    expect(student.get_by_role("status")).to_have_text(done)
    looked(student)

    page.goto(desk.address)
    expect(page.get_by_text("Gesprek op woensdag 4 november, 14:00 uur")).to_be_visible()


def test_a_teacher_reports_a_worry_and_the_coach_takes_it_up(desk: Desk, visit: Callable[..., Page]) -> None:
    teacher = visit(375)
    teacher.goto(desk.address)
    teacher.get_by_role("button", name="Docent", exact=True).click()
    teacher.get_by_label("Zoek de student op naam of nummer").fill(desk.students[0])
    teacher.get_by_role("button", name="Zoek").click()
    teacher.get_by_role("group", name="Over wie gaat het?").get_by_role("radio").first.check()
    teacher.get_by_label("Wat zag u?").fill("Bleef na de les zitten en zei weinig.")
    sound(teacher)
    teacher.get_by_role("button", name="Meld het").click()
    expect(teacher.get_by_text("Nog niet opgepakt.")).to_be_visible()
    sound(teacher)
    page = visit()
    come_in(page, desk)
    open_student(page, desk)
    sound(page)
    page.get_by_role("button", name="Ik pak dit op").click()
    expect(page.get_by_text("De docent ziet dat u het oppakte.", exact=False)).to_be_visible()
    teacher.goto(f"{desk.address}/teaching")
    expect(teacher.get_by_text("Opgepakt op", exact=False)).to_be_visible()
