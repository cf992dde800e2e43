from __future__ import annotations

import threading
import time

import pytest

from lewm_probe.training.ahead import Ahead


def test_everything_comes_in_order_and_one_is_read_ahead() -> None:
    begun: list[int] = []

    def read(job: int) -> int:
        begun.append(job)
        return job * job

    ahead: Ahead[int, int] = Ahead(read)
    found = []
    for value in ahead.over(range(5)):
        time.sleep(0.05)  # the reader has time for what comes next, and for nothing more
        assert len(begun) == min(5, len(found) + 2)
        found.append(value)
    assert found == [0, 1, 4, 9, 16]
    assert list(Ahead(read).over([])) == []


def test_waiting_is_counted() -> None:
    slow: Ahead[float, None] = Ahead(time.sleep)
    for _ in slow.over([0.1, 0.1]):
        pass
    assert 0.15 < slow.waited < 0.5
    quick: Ahead[float, None] = Ahead(time.sleep)
    for _ in quick.over([0.0, 0.02, 0.02]):
        time.sleep(0.1)
    assert quick.waited < 0.05


def test_an_error_comes_when_its_turn_does() -> None:
    ahead: Ahead[int, float] = Ahead(lambda job: 1 / job)
    values = ahead.over([4, 2, 0, 1])
    assert (next(values), next(values)) == (0.25, 0.5)
    with pytest.raises(ZeroDivisionError):
        next(values)


def test_closed_it_leaves_no_thread() -> None:
    before = threading.active_count()
    values = Ahead(lambda job: job).over(range(3))
    next(values)
    assert threading.active_count() == before + 1
    values.close()
    assert threading.active_count() == before
