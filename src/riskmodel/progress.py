"""How long work tells what it is doing, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called as work goes on: how many steps of how many are done, and what comes next in a few words."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Hear that `done` of `total` steps are done and `what` is next."""
        ...


def silent(done: int, total: int, what: str) -> None:
    """Listen to progress and say nothing."""
