"""The learning-rate schedule against its shape."""

import pytest

from lewm_probe.training.schedule import learning_rate


def test_rises_linearly_then_falls_to_nearly_nothing() -> None:
    rates = [learning_rate(s, 1000, 2e-3, 0.1) for s in range(1000)]
    assert rates[0] == pytest.approx(2e-5)
    assert rates[99] == pytest.approx(2e-3)
    assert max(rates) == pytest.approx(2e-3)
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[-1] < 1e-7


def test_one_step_of_warm_up_at_least() -> None:
    assert learning_rate(0, 10, 1.0, 0.0) == 1.0
