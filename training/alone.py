"""One process at a time: a lock that ends with the process that holds it, however it ends; knows nothing of what is done under it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from riskmodel.errors import RiskModelError
from riskmodel.files import require_writable
from riskmodel.workspace import Workspace


@contextlib.contextmanager
def alone(lock: Path, under_way: str, remedy: str) -> Iterator[None]:
    """Hold a lock, without waiting for it.

    Parameters
    ----------
    lock : Path
        A file of its own, made where it is missing. SQLite locks it, so that it is let go by the operating system even after SIGKILL and there
        is no stale lock to clear away.
    under_way : str
        What is said where another process holds it.
    remedy : str

    Raises
    ------
    RiskModelError
        Another process holds it, or the folder can't be written.
    """
    require_writable(lock.parent)
    connection = sqlite3.connect(lock, timeout=0)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        if "locked" not in str(error):
            raise
        raise RiskModelError(under_way, place=str(lock.parent), remedy=remedy) from None
    try:
        yield
    finally:
        connection.close()


@contextlib.contextmanager
def only_change(workspace: Workspace) -> Iterator[None]:
    """Hold the lock under which champions change: of two promotions or rollbacks at once, one is told that the other is under way.

    Raises
    ------
    RiskModelError
        Another process changes champions in this workspace.
    """
    remedy = "Wait for it, see 'riskmodel models' for what serves then, and decide anew."
    with alone(
        workspace.folder / "promotion.lock", "another promotion or rollback is under way in this workspace; nothing was changed.", remedy
    ):
        yield
