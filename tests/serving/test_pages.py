"""The coach's pages as HTML: who is on the list, in which order, and what is said and not said."""

from __future__ import annotations

import datetime as dt
import re

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from serving import store
from serving.app import create_app
from serving.week import Background, PublishedStudent, PublishedWeek, ReasonShown
from tests.serving.conftest import Place

HTML = {"Accept": "text/html"}


def names(page: str) -> list[str]:
    return re.findall(r'class="name"[^>]*>([^<]+)<', page)


def test_the_list_is_in_order_of_name_and_shows_no_number_of_risk(client: TestClient) -> None:
    page = client.get("/", headers=HTML).text
    found = names(page)
    assert 95 <= len(found) <= 100
    assert found == sorted(found, key=str.casefold)
    assert "%" not in re.sub(r"<[^>]+>", "", page)


def test_a_coach_sees_own_students_alone(client: TestClient, place: Place) -> None:
    engine = store.open_store(place.workspace.store_url)
    with Session(engine) as session:
        week = store.latest_week(session)
        assert week is not None
        counts = store.coaches_with_invited(session, week)
    engine.dispose()
    coach, count = max(counts.items(), key=lambda pair: pair[1])
    assert len(names(client.get("/", params={"coach": coach}).text)) == count
    assert sum(counts.values()) == len(names(client.get("/").text))
    assert "niemand van deze SLB" in client.get("/", params={"coach": "nobody"}).text


def test_who_was_invited_last_week_too_is_on_the_list_since_then(client: TestClient) -> None:
    page = client.get("/").text
    assert page.count("26 oktober 2026") > 20
    assert page.count("2 november 2026") > 1


def test_a_students_page_has_the_name_as_title_and_tells_reasons_before_figures(client: TestClient) -> None:
    link = re.search(r'href="(/students/[^"]+)"', client.get("/").text)
    assert link is not None
    page = client.get(link.group(1)).text
    title = re.search(r"<h1>([^<]+)</h1>", page)
    assert title is not None
    assert f"<title>{title.group(1)} - " in page
    assert page.index("Wat opvalt") < page.index("Tijdlijn") < page.index("Meer hierover")
    assert "geen oordeel" in page
    assert "BSA" in page
    assert "van 100 studenten" in page.lower() or "van de 100 studenten" in page


def test_the_same_page_in_english_by_choice(client: TestClient) -> None:
    answer = client.get("/language/en", params={"to": "/"}, follow_redirects=True)
    assert "Invited this week" in answer.text
    assert 'lang="en"' in answer.text


def test_a_language_link_leads_to_no_other_site(client: TestClient) -> None:
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "evil"):
        answer = client.get("/language/nl", params={"to": target}, follow_redirects=False)
        assert answer.headers["location"] == "/"


def test_a_student_who_is_not_on_the_list_gets_a_page_that_says_so(client: TestClient) -> None:
    answer = client.get("/students/nobody", headers=HTML)
    assert answer.status_code == 404
    assert "Deze pagina is er niet" in answer.text


def test_what_others_wrote_is_shown_as_text_and_never_run(tmp_path: object, place: Place) -> None:
    hostile = "<script>alert(1)</script>"
    text = {"nl": hostile, "en": hostile}
    reason = ReasonShown(key="first_test", direction="raises", actionable=True, context=False, contribution=1.0, label=text, text=text)
    student = PublishedStudent(
        enrolment_id="a/b?c", student_id="s", name=hostile, programme=hostile, coach_id="c", day=56, landmark=56, invited=True, way="model", rank=1,
        margin=0.1, probability=0.5, reasons=(reason,), frequency=text, lessons=(), tests=(),
        background=Background(prior_education=None, related=None, intake_check=hostile, enrolled_on=None, start_date=dt.date(2026, 9, 1)),
    )  # fmt: skip
    week = PublishedWeek(
        on=dt.date(2026, 11, 2), institution=hostile, target="leave", capacity=1, cut_off=0.5, scored=1, not_scored=0, policy={}, models={"leave": hostile},
        outcome={"measured_on": hostile, "switch_inside_counts": True, "note": hostile}, meaning={}, coaches={"c": hostile}, students=(student,),
    )  # fmt: skip
    url = f"sqlite:///{tmp_path}/hostile.db"
    engine = store.open_store(url)
    store.publish_week(engine, week)
    store.publish_week(engine, week)
    engine.dispose()
    with TestClient(create_app(place.settings(store_url=url))) as client:
        pages = [client.get("/").text, client.get("/students/a%2Fb%3Fc").text, client.get("/", params={"coach": hostile}).text]
    for page in pages:
        assert "<script>alert" not in page
    assert names(pages[0]) == ["&lt;script&gt;alert(1)&lt;/script&gt;"]
