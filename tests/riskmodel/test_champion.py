"""The champion folder: what serves is replaced in one step, and what served stays as it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from riskmodel.catalogue import Catalogue
from riskmodel.champion import POINTER, current, publish_champion, read_champions
from riskmodel.errors import ModelFault, RiskModelError
from riskmodel.history import HISTORY
from riskmodel.model import RiskModel, fit_model, with_measured

Versions = Callable[[str, str], RiskModel]


@pytest.fixture(scope="module")
def version_of(made_up_catalogue: Catalogue, made_up_frames: dict[int, pd.DataFrame], recipe_of) -> Versions:
    fitted = {target: fit_model(made_up_frames, target, made_up_catalogue, recipe_of("blend")) for target in ("dropout", "leave")}
    return lambda target, version: with_measured(fitted[target], {"28": {"precision_at_capacity": int(version) / 100}}, version)


def everything(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_before_anything_was_promoted_nothing_serves_and_the_remedy_is_told(tmp_path: Path) -> None:
    assert current(tmp_path / "champion") == {}
    with pytest.raises(ModelFault, match=r"no model was promoted yet.*riskmodel promote"):
        read_champions(tmp_path / "champion")


def test_what_was_published_serves(tmp_path: Path, version_of: Versions, made_up) -> None:
    published = publish_champion(tmp_path, {target: version_of(target, "1") for target in ("dropout", "leave")})
    assert published == current(tmp_path) == {"dropout": "dropout-1", "leave": "leave-1"}
    served, rows = read_champions(tmp_path), made_up(20, 3)
    assert (served["leave"].decision(rows, 28) == version_of("leave", "1").decision(rows, 28)).all()
    assert served["dropout"].version == "1"


def test_a_new_version_replaces_its_own_target_alone_and_older_versions_stay_as_they_were(tmp_path: Path, version_of: Versions) -> None:
    publish_champion(tmp_path, {target: version_of(target, "1") for target in ("dropout", "leave")})
    before = everything(tmp_path)
    assert publish_champion(tmp_path, {"leave": version_of("leave", "2")}) == {"dropout": "dropout-1", "leave": "leave-2"}
    after = everything(tmp_path)
    models = [name for name in before if name not in (POINTER, HISTORY)]
    assert {name: after[name] for name in models} == {name: before[name] for name in models}
    assert sorted(path.name for path in tmp_path.iterdir()) == [POINTER, HISTORY, "dropout-1", "leave-1", "leave-2"]


def test_an_older_version_can_serve_again_by_its_name(tmp_path: Path, version_of: Versions) -> None:
    publish_champion(tmp_path, {"leave": version_of("leave", "1")})
    publish_champion(tmp_path, {"leave": version_of("leave", "2")})
    assert publish_champion(tmp_path, {"leave": version_of("leave", "1")}) == {"leave": "leave-1"}


def test_another_model_never_takes_the_folder_of_a_version_that_stands_there(tmp_path: Path, version_of: Versions) -> None:
    publish_champion(tmp_path, {"leave": version_of("leave", "1")})
    before = everything(tmp_path)
    other = with_measured(version_of("leave", "1"), {"28": {"precision_at_capacity": 0.99}}, "1")
    with pytest.raises(ModelFault, match="another model stands there"):
        publish_champion(tmp_path, {"leave": other})
    assert everything(tmp_path) == before


def test_publishing_that_is_interrupted_leaves_what_served(tmp_path: Path, version_of: Versions, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_champion(tmp_path, {"leave": version_of("leave", "1")})
    move = os.replace

    def fails_at_the_pointer(source: str | Path, target: str | Path) -> None:
        if Path(target).name == POINTER:
            raise OSError(28, "No space left on device")
        move(source, target)

    monkeypatch.setattr(os, "replace", fails_at_the_pointer)
    with pytest.raises(RiskModelError, match="disk is full"):
        publish_champion(tmp_path, {"leave": version_of("leave", "2")})
    monkeypatch.undo()
    assert current(tmp_path) == {"leave": "leave-1"}
    assert read_champions(tmp_path)["leave"].version == "1"
    assert publish_champion(tmp_path, {"leave": version_of("leave", "2")}) == {"leave": "leave-2"}


@pytest.mark.parametrize("content", ["", "[]", '{"leave": 1}', '{"leave": "../elsewhere"}', "\x00", '{"leave": ""}', '{"leave": ".."}'])
def test_a_damaged_pointer_is_refused_with_its_place(tmp_path: Path, content: str) -> None:
    (tmp_path / POINTER).write_text(content, encoding="utf-8")
    with pytest.raises(ModelFault, match="pointer") as told:
        current(tmp_path)
    assert told.value.place == str(tmp_path / POINTER)


def test_a_pointer_to_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    (tmp_path / POINTER).write_text(json.dumps({"leave": "leave-1"}), encoding="utf-8")
    with pytest.raises(ModelFault, match="missing"):
        read_champions(tmp_path)


def test_models_that_count_other_weeks_as_recent_never_serve_together(tmp_path: Path, version_of: Versions) -> None:
    publish_champion(tmp_path, {target: version_of(target, "1") for target in ("dropout", "leave")})
    before = everything(tmp_path)
    model = version_of("leave", "2")
    longer = replace(model, recipe=model.recipe.model_copy(update={"recent_days": 28}))
    with pytest.raises(ModelFault, match=r"recent weeks of different length.*'dropout' 1 at 14.*'leave' 2 at 28"):
        publish_champion(tmp_path, {"leave": longer})
    assert everything(tmp_path) == before
    both = {"leave": longer, "dropout": replace(version_of("dropout", "2"), recipe=longer.recipe)}
    assert publish_champion(tmp_path, both) == {"dropout": "dropout-2", "leave": "leave-2"}
    assert {target: model.recent_days for target, model in read_champions(tmp_path).items()} == {"dropout": 28, "leave": 28}
