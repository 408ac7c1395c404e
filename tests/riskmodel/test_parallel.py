"""Work on several things at once gives what work on one after the other gives."""

from __future__ import annotations

import threading
import time

import pytest

from riskmodel.parallel import in_order


def test_results_come_in_the_order_of_the_items_whoever_is_ready_first() -> None:
    def late(item: int) -> int:
        time.sleep(0.02 * (5 - item))
        return item * item

    assert list(in_order(late, range(5))) == [0, 1, 4, 9, 16]


def test_after_a_failure_nothing_more_is_begun() -> None:
    begun = []
    lock = threading.Lock()

    def failing(item: int) -> int:
        with lock:
            begun.append(item)
        time.sleep(0.01)
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        list(in_order(failing, range(200)))
    assert len(begun) < 200
