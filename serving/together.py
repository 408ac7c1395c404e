"""Requests that wait at the same time are served at the same time: one statement, one transaction or one matrix for all of them. Knows no HTTP.

While a group is at work the next one gathers, so nobody waits for a clock: a request that comes alone goes alone, and the busier it is, the larger the
groups. That is how databases commit (DeWitt et al., 1984, SIGMOD, "group commit") and how model servers batch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Generic, TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

Asked = TypeVar("Asked")
Told = TypeVar("Told")

# A store that is away is away for all: there is no use in asking again for each.
AWAY = (OperationalError, InterfaceError, NoConnectionFree)


class Together(Generic[Asked, Told]):
    """Does for many what was asked by each.

    Parameters
    ----------
    work : callable
        `work([asked, ...])` gives as many answers in the same order. Where it fails for several, each is tried alone, so that a fault costs only whom it
        belongs to; where the store is away all are told so.
    pool : Executor, optional
        Where it is done, a group at a time; without one on the event loop, for what takes less time than handing it over.
    most : int
        Weight of a group at most; what is heavier goes alone.
    weight : callable, optional
        Gives how heavy something is; 1 otherwise.
    """

    def __init__(
        self,
        work: Callable[[list[Asked]], Sequence[Told]],
        pool: Executor | None = None,
        *,
        most: int = 32,
        weight: Callable[[Asked], int] = lambda _: 1,
    ) -> None:
        self._work, self._pool, self._most, self._weight = work, pool, most, weight
        self._waiting: deque[tuple[Asked, asyncio.Future[Told]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._busy = False

    async def ask(self, asked: Asked) -> Told:
        """Have something done with whatever else waits, and give its answer.

        Raises
        ------
        Exception
            What `work` raised for this one.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._busy = loop, False
            self._waiting.clear()
        future: asyncio.Future[Told] = loop.create_future()
        self._waiting.append((asked, future))
        if not self._busy:
            self._busy = True
            loop.call_soon(self._next, loop)  # after whoever else is about to ask in this turn of the loop
        return await future

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        group = self._gathered()
        if not group:
            self._busy = False
            return
        asked = [each for each, _ in group]
        if self._pool is None:
            self._tell(loop, group, self._done(asked))
            return
        try:
            work = loop.run_in_executor(self._pool, self._done, asked)
        except RuntimeError as error:  # the service is stopping
            self._tell(loop, group, [error] * len(group))
            return
        work.add_done_callback(lambda done: self._tell(loop, group, _answers(done, len(group))))

    def _gathered(self) -> list[tuple[Asked, asyncio.Future[Told]]]:
        group: list[tuple[Asked, asyncio.Future[Told]]] = []
        room = self._most
        while self._waiting:
            asked, future = self._waiting[0]
            if future.done():  # whoever asked is gone
                self._waiting.popleft()
                continue
            room -= self._weight(asked)
            if room < 0 and group:
                break
            group.append(self._waiting.popleft())
        return group

    def _done(self, asked: list[Asked]) -> list[Told | BaseException]:
        try:
            return list(self._work(asked))
        except AWAY as error:
            return [error] * len(asked)
        except Exception as error:
            return [error] if len(asked) == 1 else [told for each in asked for told in self._done([each])]

    def _tell(
        self,
        loop: asyncio.AbstractEventLoop,
        group: list[tuple[Asked, asyncio.Future[Told]]],
        answers: Sequence[Told | BaseException | None],
    ) -> None:
        for (_, future), answer in zip(group, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)  # type: ignore[arg-type]
        if self._waiting:
            loop.call_soon(self._next, loop)
        else:
            self._busy = False


def _answers(done: asyncio.Future[list[Any]], count: int) -> list[Any]:
    if done.cancelled():
        return [asyncio.CancelledError()] * count
    error = done.exception()
    return done.result() if error is None else [error] * count
