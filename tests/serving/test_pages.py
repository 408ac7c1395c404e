"""The coach's pages as HTML: who is on the list, in which order, and what is said and not said."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from pathlib import Path
from typing import get_args

import pytest
from fastapi.testclient import TestClient

from riskmodel.cli.publishing import publish_week
from riskmodel.workspace import Workspace
from serving import week as published
from serving.pages import rendering
from serving.pages.rendering import TEXTS
from serving.store.schema import connect, migrate
from serving.store.weeks import Store, coaches_with_invited, latest_week
from serving.store.weeks import publish_week as store_week
from serving.week import Background, PublishedStudent, PublishedWeek, ReasonShown
from tests.serving.conftest import Place, entered

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
    store = place.store()
    with store.session() as session:
        week = latest_week(session)
        assert week is not None
        counts = coaches_with_invited(session, week)
    store.engine.dispose()
    coach, count = max(counts.items(), key=lambda pair: pair[1])
    assert len(names(client.get("/", params={"coach": coach, "show": "invited"}).text)) == count
    assert len(names(client.get("/", params={"coach": coach}).text)) > count
    assert sum(counts.values()) == len(names(client.get("/").text))
    assert "Bij u staat nog niemand" in client.get("/", params={"coach": "nobody"}).text


def test_who_was_invited_last_week_too_is_on_the_list_since_then(client: TestClient) -> None:
    page = client.get("/").text
    assert page.count("Op de lijst sinds 26 oktober<") > 20
    assert page.count("Nieuw op de lijst<") > 1
    assert page.count("Op de lijst sinds") + page.count("Nieuw op de lijst") == len(names(page))


def test_students_of_the_same_name_are_told_apart_by_their_number(client: TestClient) -> None:
    page = client.get("/").text
    numbers = re.findall(r"studentnummer ([^<]+)<", page)
    assert len(set(numbers)) == len(names(page))
    link = re.search(r'href="(/students/[^"]+)"', page)
    assert link is not None
    assert f"studentnummer {numbers[0]}" in client.get(link.group(1)).text


def test_the_list_and_the_student_say_what_an_invitation_meant_where_it_was_measured(client: TestClient) -> None:
    told = re.compile(r"op dag 56 van elke 100 studenten er 20 hebben uitgenodigd. .* ongeveer \d+ bleven\.")
    page = client.get("/").text
    assert told.search(page)
    link = re.search(r'href="(/students/[^"]+)"', page)
    assert link is not None
    assert told.search(client.get(link.group(1)).text)


@pytest.mark.parametrize("policy", ["capacity_share = 0.1", 'always_invite = ["first_test_failed_or_missed"]'])
def test_what_an_invitation_means_is_not_said_of_a_list_that_is_cut_in_another_way_than_was_measured(
    place: Place, tmp_path: Path, policy: str
) -> None:
    data, workspace = tmp_path / "data", Workspace(tmp_path / "workspace")
    shutil.copytree(place.data, data)
    shutil.copytree(place.workspace.champion, workspace.champion)
    (data / "policy.toml").write_text(policy, encoding="utf-8")
    publish_week(data, workspace, place.on)
    with entered(Place(data, workspace, place.on).settings()) as client:
        page = client.get("/").text
        link = re.search(r'href="(/students/[^"]+)"', page)
        assert link is not None
        student = client.get(link.group(1)).text
    assert "hebben uitgenodigd" not in page + student
    assert "niet gemeten" in student


def test_a_students_page_has_the_name_as_title_and_tells_reasons_before_figures(client: TestClient) -> None:
    link = re.search(r'href="(/students/[^"]+)"', client.get("/").text)
    assert link is not None
    page = client.get(link.group(1)).text
    title = re.search(r"<h1>([^<]+)</h1>", page)
    assert title is not None
    assert f"<title>{title.group(1)} - " in page
    assert page.index("Wat opvalt") < page.index("Tijdlijn") < page.index("Meer hierover</summary>")
    assert "geen oordeel" in page
    assert "BSA" in page
    assert re.search(r"ongeveer \d+ van de 100 studenten met vergelijkbare gegevens", page)


def test_the_same_page_in_english_by_choice(client: TestClient) -> None:
    answer = client.get("/language/en", params={"to": "/"}, follow_redirects=True)
    assert "Students</h1>" in answer.text
    assert 'lang="en"' in answer.text


def test_a_language_link_leads_to_no_other_site(client: TestClient) -> None:
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "evil"):
        answer = client.get("/language/nl", params={"to": target}, follow_redirects=False)
        assert answer.headers["location"] == "/"


def test_a_student_who_is_not_on_the_list_gets_a_page_that_says_so(client: TestClient) -> None:
    answer = client.get("/students/nobody", headers=HTML)
    assert answer.status_code == 404
    assert "Deze pagina is er niet" in answer.text


def one_student(text: str, **changes: str) -> PublishedStudent:
    """Give an invited student of whom every text is this one."""
    texts = {"nl": text, "en": text}
    reason = ReasonShown(key="first_test", direction="raises", actionable=True, context=False, contribution=1.0, label=texts, text=texts)
    told = {"enrolment_id": "e1", "student_id": "s", "name": text, "programme": text, "coach_id": "c", **changes}
    return PublishedStudent(
        **told, day=56, landmark=56, invited=True, way="model", rank=1, margin=0.1, probability=0.5,
        reasons=(reason,), frequency=texts, lessons=(), tests=(),
        background=Background(prior_education=None, related=None, intake_check=text, enrolled_on=None, start_date=dt.date(2026, 9, 1)),
    )  # fmt: skip


def one_week(text: str, *students: PublishedStudent) -> PublishedWeek:
    """Give a list on which every text is this one."""
    return PublishedWeek(
        on=dt.date(2026, 11, 2), institution=text, target="leave", capacity=1, cut_off=0.5, scored=1, not_scored=0, policy={}, models={"leave": text},
        outcome={"measured_on": text, "switch_inside_counts": True, "note": text}, meaning={}, coaches={"c": text}, students=students,
    )  # fmt: skip


def keep(url: str, place: Place, *weeks: PublishedWeek) -> None:
    """Put lists into a store of their own."""
    store = Store(connect(url), place.keys)
    migrate(store.engine, store.keys)
    for week in weeks:
        store_week(store, week, actor="test")
    store.engine.dispose()


def test_students_without_a_coach_are_a_choice_of_their_own(tmp_path: Path, place: Place) -> None:
    url = f"sqlite:///{(tmp_path / 'store.db').as_posix()}"
    keep(url, place, one_week("Els", one_student("Bo"), one_student("Cas", enrolment_id="e2", student_id="s2", coach_id="")))
    with entered(place.settings(store_url=url)) as client:
        page = client.get("/").text
        choices = dict(re.findall(r'<option value="([^"]*)"[^>]*>([^<]+)<', page))
        assert choices == {"": "Iedereen", "c": "Els (1)", "-": "Nog geen SLB&#39;er (1)"}
        assert names(page) == ["Bo", "Cas"]
        assert names(client.get("/", params={"coach": "-"}).text) == ["Cas"]
        assert names(client.get("/", params={"coach": "c"}).text) == ["Bo"]


def test_every_text_of_the_pages_is_shown_somewhere_and_in_every_language() -> None:
    assert TEXTS["nl"].keys() == TEXTS["en"].keys()
    room = Path(rendering.__file__).parents[1]
    shown = "".join(path.read_text(encoding="utf-8") for path in [*room.glob("templates/*"), *room.glob("pages/*.py")])
    statuses = get_args(published.TestShown.model_fields["status"].annotation)
    unused = [key for key in TEXTS["nl"] if not re.search(rf"t\.{key}\b|\"{key}\"", shown) and key not in statuses]
    assert [key for key in unused if not key.startswith(("error_404", "error_500", "error_503"))] == []


def test_what_others_wrote_is_shown_as_text_and_never_run(tmp_path: Path, place: Place) -> None:
    hostile = "<script>alert(1)</script>"
    week = one_week(hostile, one_student(hostile, enrolment_id="a/b?c"))
    url = f"sqlite:///{(tmp_path / 'hostile.db').as_posix()}"
    keep(url, place, week, week)
    with entered(place.settings(store_url=url)) as client:
        pages = [client.get("/").text, client.get("/students/a%2Fb%3Fc").text, client.get("/", params={"coach": hostile}).text]
    for page in pages:
        assert "<script>alert" not in page
    assert names(pages[0]) == ["&lt;script&gt;alert(1)&lt;/script&gt;"]
