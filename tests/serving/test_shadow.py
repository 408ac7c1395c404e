"""Shadow mode seen from the service: there is nothing to see."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from riskmodel.cli import context
from riskmodel.cli.main import run
from riskmodel.shadow import read_shadow
from serving.store.tables import Student, Week
from tests.serving.conftest import Place, entered
from training.page import page_words

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setattr(context, "options", context.Options())

    def calling(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ending:
            run(["--workspace", str(place.workspace.folder), "shadow", *map(str, arguments)])
        told = capsys.readouterr()
        return int(ending.value.code or 0), told.out, told.err

    return calling


def everything(place: Place) -> dict[str, str]:
    """Give what pages and answers of the service say: all that takes no argument, and what is linked from there, a dozen links a page."""
    with entered(place.settings()) as client:
        plain = [
            path
            for path, item in client.get("/openapi.json").json()["paths"].items()
            if "get" in item and "{" not in path and path != "/metrics"
        ]
        waiting, seen = ["/", *plain], {}
        while waiting:
            path = waiting.pop()
            if path in seen:
                continue
            answer = client.get(path)
            seen[path] = answer.text
            if "text/html" in answer.headers.get("content-type", ""):
                # A workbook carries a mark of its own each time; what is in it stands on its page.
                links = [link for link in re.findall(r'href="(/[^"#]*)"', answer.text) if not re.search(r"^/static|\.xlsx$", link)]
                waiting += links[:12]
    return seen


def published(place: Place) -> list[object]:
    """Give all lists and all students on them; that somebody looked at them is recorded elsewhere."""
    store = place.store()
    with store.engine.connect() as connection:
        rows = [connection.execute(select(table).order_by(table.c.id)).all() for table in (Week.__table__, Student.__table__)]
    store.engine.dispose()
    return rows


def test_a_model_in_the_shadow_is_shown_on_no_page_and_by_no_answer(place: Place, call: Call) -> None:
    before, stored = everything(place), published(place)
    assert len(before) > 8, "the service has more pages than these"
    code, out, _ = call("score", place.data, "--date", place.on, "--model", place.workspace.champion / "dropout-1")
    assert code == 0
    assert "nobody is shown anything" in out
    kept = place.workspace.shadow / "dropout-1" / f"{place.on}.parquet"
    assert kept.exists()
    assert everything(place) == before
    assert published(place) == stored


@pytest.mark.slow
def test_once_outcomes_are_known_the_report_says_what_it_would_have_done(place: Place, call: Call, tmp_path: Path) -> None:
    model = place.workspace.champion / "leave-1"
    for day in ("2025-10-27", "2025-11-03"):
        assert call("score", place.data, "--date", day, "--model", model)[0] == 0
    figures = tmp_path / "shadow.json"
    code, out, _ = call("report", place.data, "--model", "leave-1", "--json", figures)
    assert code == 0
    assert "it has learnt from 2025-2026, so these figures are too good" in out
    assert "made more than a week after their day" in out
    first, second, once = json.loads(figures.read_text(encoding="utf-8"))["results"]
    assert (first["on"], second["on"], once["on"]) == ("2025-10-27", "2025-11-03", None)
    for told in (first, second):
        assert 0 < told["invited"] < told["students"]
        assert told["figures"]["lot"]["recall"]["value"] == pytest.approx(told["invited"] / told["students"])
        assert told["figures"]["model"]["left"]["value"] > told["figures"]["lot"]["left"]["value"]
    assert once["invited"] >= max(first["invited"], second["invited"])
    page = (place.workspace.folder / "shadow.html").read_text(encoding="utf-8")
    assert f"leave-1 zou {once['invited']} van {once['students']} studenten hebben uitgenodigd" in page
    assert "27-10-2025" in page
    assert page.count("<svg") == 1
    assert not set(re.findall(r"[\w-]+", page)) & ids_on(place), "an enrolment id stands on the page"
    english = tmp_path / "shadow.html"
    assert call("report", place.data, "--model", "leave-1", "--output", english, "--language", "en")[0] == 0
    assert f"leave-1 would have invited {once['invited']} of {once['students']} students" in english.read_text(encoding="utf-8")


def test_a_list_whose_outcomes_are_not_known_yet_waits(place: Place, call: Call) -> None:
    call("score", place.data, "--date", place.on, "--model", place.workspace.champion / "dropout-1")
    code, _, err = call("report", place.data, "--model", "dropout-1")
    assert code == 2
    assert "of none of the students on these lists is the outcome known" in err


def test_a_day_before_the_first_landmark_and_a_model_that_is_not_there_are_told(place: Place, call: Call) -> None:
    model = place.workspace.champion / "leave-1"
    for arguments, told in ((("2026-09-03", model), "Choose a day after the first landmark"), ((place.on, "no-model"), "names no model")):
        code, _, err = call("score", place.data, "--date", arguments[0], "--model", arguments[1])
        assert code == 2
        assert told in err


def ids_on(place: Place) -> set[str]:
    """Give the enrolment ids that stand on the shadow lists."""
    return {name for each in read_shadow(place.workspace.shadow) for name in each.rows["enrolment_id"]}


def test_both_languages_of_the_page_have_the_same_texts_and_figures() -> None:
    dutch, english = page_words("shadow", "nl"), page_words("shadow", "en")
    assert set(dutch) == set(english)
    for key, text in dutch.items():
        if isinstance(text, str):
            assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", english[key])), key
            assert text.count("|") == english[key].count("|"), key
