"""What waits at the same time is done at once, a fault costs only whom it belongs to, and a store that is away is away for all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from serving.together import Together


def on_a_loop(work: Callable[[], Coroutine[Any, Any, list[object]]]) -> list[object]:
    """Run on a loop in a thread of its own, as a browser that another test left open has one in this thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()


def asked_at_once(work: Callable[[list[int]], Sequence[int]], numbers: Sequence[int], *, threads: bool, most: int = 32) -> list[object]:
    """Ask for several things in one turn of the loop, and give each answer or error."""

    async def all_of_them() -> list[object]:
        with ThreadPoolExecutor(1) as pool:
            together: Together[int, int] = Together(work, pool if threads else None, most=most, weight=lambda number: number)
            return list(await asyncio.gather(*(together.ask(number) for number in numbers), return_exceptions=True))

    return on_a_loop(all_of_them)


@pytest.mark.parametrize("threads", [True, False])
def test_what_is_asked_at_once_is_done_at_once_and_each_gets_its_own_answer(threads: bool) -> None:
    groups: list[list[int]] = []

    def work(asked: list[int]) -> list[int]:
        groups.append(asked)
        return [10 * each for each in asked]

    assert asked_at_once(work, [1, 2, 3], threads=threads) == [10, 20, 30]
    assert groups == [[1, 2, 3]]


@pytest.mark.parametrize("threads", [True, False])
def test_a_group_is_no_heavier_than_it_may_be_and_what_is_heavier_goes_alone(threads: bool) -> None:
    groups: list[list[int]] = []

    def work(asked: list[int]) -> list[int]:
        groups.append(asked)
        return asked

    assert asked_at_once(work, [2, 2, 9, 3], threads=threads, most=5) == [2, 2, 9, 3]
    assert groups == [[2, 2], [9], [3]]


def test_a_fault_costs_only_whom_it_belongs_to() -> None:
    def work(asked: list[int]) -> list[int]:
        if 2 in asked:
            raise ValueError("two")
        return asked

    first, second, third = asked_at_once(work, [1, 2, 3], threads=True)
    assert (first, third) == (1, 3)
    assert isinstance(second, ValueError)


def test_a_store_that_is_away_is_asked_once_for_all() -> None:
    calls = []

    def work(asked: list[int]) -> list[int]:
        calls.append(asked)
        raise OperationalError("SELECT", {}, Exception("away"))

    found = asked_at_once(work, [1, 2, 3], threads=True)
    assert all(isinstance(each, OperationalError) for each in found)
    assert calls == [[1, 2, 3]]


def test_who_asks_while_a_group_is_at_work_comes_in_the_next_one() -> None:
    groups: list[list[int]] = []
    begun, go_on = threading.Event(), threading.Event()

    def work(asked: list[int]) -> list[int]:
        groups.append(asked)
        begun.set()
        go_on.wait(30)
        return asked

    async def scene() -> list[int]:
        with ThreadPoolExecutor(1) as pool:
            together: Together[int, int] = Together(work, pool)
            first = asyncio.ensure_future(together.ask(1))
            while not begun.is_set():
                await asyncio.sleep(0)
            others = [asyncio.ensure_future(together.ask(number)) for number in (2, 3)]
            await asyncio.sleep(0)
            go_on.set()
            return list(await asyncio.gather(first, *others))

    assert on_a_loop(scene) == [1, 2, 3]
    assert groups == [[1], [2, 3]]
