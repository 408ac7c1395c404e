"""A real champion, trained once per worker on synthetic students, and a service around it."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from riskmodel.champion import publish_champion
from riskmodel.cli.publishing import publish_week
from riskmodel.contract.dataset import load_dataset
from riskmodel.families.recipe import read_recipe
from riskmodel.landmarks import landmark_frames
from riskmodel.measuring import measure
from riskmodel.synth import SynthSettings, generate
from riskmodel.workspace import Workspace
from serving.access.scopes import Role
from serving.access.sessions import Person, begin
from serving.app import create_app
from serving.settings import Settings
from serving.store.keys import Keys, read_keys
from serving.store.schema import connect
from serving.store.weeks import Store, now
from training.train import fit_targets

MONDAY = dt.date(2026, 11, 2)


@dataclass(frozen=True)
class Place:
    """A data folder, a workspace with a champion, and the day of the newest list."""

    data: Path
    workspace: Workspace
    on: dt.date

    def settings(self, **changes: object) -> Settings:
        told = {
            "champion_folder": self.workspace.champion,
            "store_url": self.workspace.store_url,
            "keys_file": self.workspace.keys,
            "audit_heads": self._heads(str(changes.get("store_url", self.workspace.store_url))),
            "secure_cookies": False,
            "demo": True,
            **changes,
        }
        return Settings.model_validate(told)

    def _heads(self, url: str) -> Path:
        """Give where a store's trail is noted; each store has a folder of its own, as what students asked for is noted there too."""
        if url == self.workspace.store_url:
            return self.workspace.audit_heads
        folder = self.workspace.folder / "others" / hashlib.sha256(url.encode()).hexdigest()[:12]
        folder.mkdir(parents=True, exist_ok=True)
        return folder / self.workspace.audit_heads.name

    @property
    def keys(self) -> Keys:
        return read_keys(self.workspace.keys)

    def store(self) -> Store:
        """Open the store that the lists are in."""
        return Store(connect(self.workspace.store_url), self.keys)


def make_place(folder: Path) -> Place:
    """Make data, fit both targets, let them serve, and publish two lists."""
    data, workspace = folder / "data", Workspace(folder / "workspace")
    generate(data, SynthSettings(students=500, cohorts=3, until_day=62, seed=3))
    dataset = load_dataset(data)
    labelled = landmark_frames(dataset, landmarks=(28, 56))
    closed = dataset.definition.closed_cohorts
    models = fit_targets(dataset, labelled, read_recipe("logistic"), closed, "")
    measured = {
        target: {str(day): figures for day, frame in labelled.frames.items() if (figures := measure(model, frame, day, 0.2))}
        for target, model in models.items()
    }
    publish_champion(
        workspace.champion, {target: replace(model, version="1", measured=measured[target]) for target, model in models.items()}
    )
    for days in (7, 0):
        publish_week(data, workspace, MONDAY - dt.timedelta(days=days))
    return Place(data, workspace, MONDAY)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("service"))


EVERYTHING = frozenset({Role.COORDINATOR, Role.DATA_TEAM, Role.ADMINISTRATOR})


def let_in(client: TestClient, login: str = "somebody", roles: frozenset[Role] = EVERYTHING, student: str = "s-of-somebody") -> None:
    """Begin a session of a person with these roles, and keep its cookie."""
    store: Store = client.app.state.store  # type: ignore[attr-defined]
    with Session(store.engine) as session, session.begin():
        client.cookies.set("session", begin(session, store.keys, Person(login, "Iemand", roles, student=student), now()))


@contextmanager
def entered(settings: Settings) -> Iterator[TestClient]:
    """Give a client of a running service, in which somebody is logged in who may see everything."""
    with TestClient(create_app(settings)) as client:
        let_in(client)
        yield client


@pytest.fixture
def client(place: Place) -> Iterator[TestClient]:
    with entered(place.settings()) as client:
        yield client
