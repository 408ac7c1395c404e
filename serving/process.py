"""What is a process's own, and one of several that serve together: nothing but the environment reaches it. Knows no port."""

from __future__ import annotations

import atexit
import gc
import os
from pathlib import Path

from fastapi import FastAPI

from riskmodel.workspace import Workspace
from serving.app import create_app
from serving.observing import configure_logging
from serving.settings import read_settings

WORKSPACE = "RISKMODEL_WORKSPACE"
TOGETHER = "RISKMODEL_TOGETHER"
_YOUNG = 20_000


def application() -> FastAPI:
    """Give the service for one process.

    Raises
    ------
    RiskModelError
        As `create_app` and `read_settings`.
    """
    configure_logging()
    together = os.environ.get(TOGETHER)
    app = create_app(read_settings(Workspace(Path(os.environ.get(WORKSPACE, "workspace")))), None if together is None else Path(together))
    settle()
    return app


def settle() -> None:
    """Let the collector of garbage pass over what is there for good; looking through modules and routes again and again costs a tenth of all time."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # else the libraries that look at their ends complain of what was left
    gc.set_threshold(_YOUNG, 20, 20)
