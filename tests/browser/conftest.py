"""The real service on a port of its own, for a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from serving.app import create_app
from tests.serving.conftest import Place, make_place
from tests.serving.listening import listening


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="session")
def address(place: Place) -> Iterator[str]:
    with listening(create_app(place.settings())) as address:
        yield address
