"""Where requests for scores meet: who may not be scored is looked up, models are asked and scores are kept for all that wait at once. Knows no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from serving.scoring import Question, ask_models
from serving.store.rights import Why, barred_among
from serving.store.scores import Asked, Source, keep_together
from serving.store.weeks import Store, now
from serving.together import Together

# So many students are scored on the event loop: that takes less time than handing them to a thread.
FEW = 1
# Students whose scores go into one transaction at most, unless one request brings more.
_MOST_KEPT = 500
_MOST_ROWS = 16
_CROWDS = 2
Done = TypeVar("Done")


class Batches:
    """Serves requests for scores together, over one store.

    Attributes
    ----------
    barred : Together of set of digests to dict of digest to Why
        Tells which digests, of students or enrolments, are of somebody who is not to be scored.
    scoring : Together of Question to list of scores
        Asks the models, on the event loop.
    keeping : Together of Asked to set of student numbers
        Keeps scores in one transaction with their events, and tells of whom nothing was kept. Nobody is answered before the transaction stands.
    """

    def __init__(self, store: Store) -> None:
        self.store, self.keys = store, store.keys
        # A thread for each core that a machine has at least: more would take turns, and each would hold a thousand students in memory meanwhile.
        self._crowds = ThreadPoolExecutor(_CROWDS, thread_name_prefix="crowd")
        # A thread each: who only wants to be scored doesn't wait for who wants to be kept.
        self._pools = [ThreadPoolExecutor(1, thread_name_prefix=name) for name in ("barred", "keeping")]
        self.barred: Together[frozenset[str], dict[str, Why]] = Together(self._barred, self._pools[0], most=200)
        self.scoring: Together[Question, list[dict[str, dict[str, Any]]]] = Together(ask_models, most=_MOST_ROWS)
        self.keeping: Together[Asked, frozenset[str]] = Together(
            self._keep, self._pools[1], most=_MOST_KEPT, weight=lambda asked: len(asked.scores)
        )

    async def apart(self, work: Callable[[], Done]) -> Done:
        """Do in a thread what would keep everybody else waiting, as scoring a thousand students does; a few at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._crowds, work)

    def close(self) -> None:
        """Let the threads end once they are done."""
        for pool in (*self._pools, self._crowds):
            pool.shutdown(wait=False, cancel_futures=True)

    def _barred(self, asked: Sequence[frozenset[str]]) -> list[dict[str, Why]]:
        with self.store.engine.connect() as connection:
            found = barred_among(connection, frozenset().union(*asked))
        return [{digest: found[digest] for digest in each & found.keys()} for each in asked]

    def _keep(self, asked: Sequence[Asked]) -> list[frozenset[str]]:
        store = self.store
        with store.engine.begin() as connection:
            left_out = keep_together(connection, store.keys, asked, source=Source.REQUEST, at=now(), heads=store.heads)
        return [left_out & {score.student_id for score in each.scores} for each in asked]
