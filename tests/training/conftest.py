"""Models that were trained on a small made-up institution, once for all tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from institution import Shop, write_institution, write_policy

from riskmodel.families.recipe import BoostedParameters, Recipe
from riskmodel.workspace import Workspace
from training.promote import promote
from training.train import train


@pytest.fixture(scope="session")
def institution() -> Callable[..., Path]:
    """Give the writer of data folders."""
    return write_institution


@pytest.fixture(scope="session")
def policy() -> Callable[..., None]:
    """Give the writer of policies."""
    return write_policy


@pytest.fixture(scope="session")
def quick() -> Recipe:
    """Give a blend that is fitted in a moment."""
    return Recipe(family="blend", lightgbm=BoostedParameters(trees=15, learning_rate=0.2, leaves=4, least_students_in_leaf=15))


@pytest.fixture(scope="session")
def workspace_at(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Workspace]:
    """Give the maker of workspaces whose empty registry is there already; making its tables takes seconds each time."""
    import mlflow

    template = Workspace(tmp_path_factory.mktemp("template"))
    mlflow.set_tracking_uri(template.tracking_uri)
    mlflow.get_experiment_by_name("none")

    def make(folder: Path) -> Workspace:
        workspace = Workspace(folder)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(template.registry, workspace.registry)
        return workspace

    return make


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, workspace_at: Callable[[Path], Workspace], quick: Recipe) -> Shop:
    """Give three closed cohorts with signal and challengers for both targets, and perhaps champions already; nobody changes it."""
    place = tmp_path_factory.mktemp("trained")
    folder, workspace = write_institution(place / "data"), workspace_at(place / "workspace")
    write_policy(folder)
    return Shop(folder, workspace, train(folder, workspace, quick))


@pytest.fixture(scope="session")
def promoted(trained: Shop) -> Shop:
    """Give the same, after its challengers were promoted; nobody changes it."""
    return replace(trained, promotion=promote(trained.workspace, trained.folder))
