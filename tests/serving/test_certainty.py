"""How sure a score is, as the API, the list of a week and the coach's page tell it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from riskmodel.champion import read_champions
from riskmodel.cli.context import options
from riskmodel.cli.scoring import score
from riskmodel.contract.dataset import load_dataset
from riskmodel.scoring import score_dataset
from serving.store.sealing import own_key, seal
from serving.store.tables import Student
from serving.store.weeks import invited_students, latest_week
from tests.serving.conftest import Place, entered
from tests.serving.test_scores import request


def test_each_score_has_an_interval_that_holds_it_in_figures_and_words(client: TestClient) -> None:
    for language, phrase in (("nl", "van de 100"), ("en", "in 100")):
        [result] = client.post("/v1/scores", json=request(), headers={"Accept-Language": language}).json()["results"]
        for scores in result["scores"].values():
            interval = scores["interval"]
            assert 0 < interval["low"] <= scores["probability"] <= interval["high"] < 1
            assert interval["level"] == 0.9
            assert phrase in interval["text"]
            assert scores["unusual"] is bool(scores["unusual_what"])
    models = client.get("/v1/models").json()["models"]
    assert {told["interval_level"] for told in models} == {0.9}


def test_a_student_of_a_new_programme_is_marked_and_told_what_is_new(client: TestClient, place: Place) -> None:
    known = sorted(load_dataset(place.data).tables.enrolments.select("programme").collect().to_native()["programme"].to_pylist())[0]
    [usual] = client.post("/v1/scores", json=request(programme=known)).json()["results"]
    [new] = client.post("/v1/scores", json=request(programme="Ruimtevaartkunde")).json()["results"]
    for target, scores in new["scores"].items():
        assert scores["unusual"]
        assert "Opleiding: hiervan zijn er geen eerdere gegevens." in scores["unusual_what"]
        assert not any("Opleiding" in told for told in usual["scores"][target]["unusual_what"])


def test_a_weeks_list_has_the_ends_of_each_interval_and_what_is_unusual(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "workspace", place.workspace.folder)
    score(place.data, "2026-11-02", tmp_path / "week.json")
    told = pd.DataFrame(json.loads((tmp_path / "week.json").read_text(encoding="utf-8"))["scores"])
    for target in ("dropout", "leave"):
        low, high = told[f"probability_{target}_low"], told[f"probability_{target}_high"]
        assert ((low <= told[f"probability_{target}"]) & (told[f"probability_{target}"] <= high)).all()
        assert (high - low).mean() > 0.05
    assert told["unusual"].map(len).between(0, 8).all()
    assert (told["unusual"].map(len) == 0).mean() > 0.9


def test_students_are_marked_as_the_models_say(place: Place) -> None:
    models = read_champions(place.workspace.champion)
    scored = score_dataset(load_dataset(place.data), models, place.on)
    chosen = (scored.rows["landmark"] == 56).to_numpy()
    for target, model in models.items():
        sure = model.how_sure(scored.features[chosen], 56)
        assert sure is not None
        assert scored.rows.loc[chosen, f"unusual_{target}"].tolist() == sure.unusual
        np.testing.assert_array_equal(scored.rows.loc[chosen, f"probability_{target}_low"], sure.low)


def test_the_coachs_page_tells_the_interval_and_what_is_unlike_earlier_years(place: Place) -> None:
    store = place.store()
    with Session(store.engine) as session, session.begin():
        week = latest_week(session)
        assert week is not None
        listed = invited_students(session, store.keys, week, None)[:3]
        kept = {each.enrolment_id: each.row.sealed_shown for each in listed}
        numbers = {each.enrolment_id: each.row.id for each in listed}
        for each, changes in zip(
            listed, ({"unusual": {"nl": ["Opleiding: <b>nieuw</b>."], "en": ["Programme: new."]}}, {"unusual": {}}, None), strict=True
        ):
            without = {name: value for name, value in each.shown.items() if name not in ("interval", "unusual")}
            shown = without if changes is None else each.shown | changes
            each.row.sealed_shown = seal(own_key(str(each.row.person.sealed_key), store.keys), shown)
    with entered(place.settings()) as client:
        pages = [client.get(f"/students/{each}").text for each in kept]
    with Session(store.engine) as session, session.begin():
        for enrolment, number in numbers.items():
            session.get_one(Student, number).sealed_shown = kept[enrolment]
    store.engine.dispose()
    unusual, usual, older = pages
    assert "Anders dan eerder" in unusual
    assert "Opleiding: &lt;b&gt;nieuw&lt;/b&gt;." in unusual
    assert "Anders dan eerder" not in usual
    assert re.search(r"Zeker is dat getal niet: het kan[^.]* van de 100", usual)
    assert "Zeker is dat getal niet" not in older
