"""One of several processes that serve together: nothing but the environment reaches it, so it reads its settings from there. Knows no port."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI

from riskmodel.workspace import Workspace
from serving.app import create_app
from serving.observing import configure_logging
from serving.settings import read_settings

WORKSPACE = "RISKMODEL_WORKSPACE"


def application() -> FastAPI:
    """Give the service for one process.

    Raises
    ------
    RiskModelError
        As `create_app` and `read_settings`.
    """
    configure_logging()
    return create_app(read_settings(Workspace(Path(os.environ.get(WORKSPACE, "workspace")))))
