"""Bisection against trying every point, and what it does where its assumption is wrong."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lewm_probe.search.tuning.bisection import (
    bisect,
    contradictions,
    even_grid,
    log_grid,
    most_trials,
    rounded,
)


@given(
    threshold=st.floats(1e-5, 100.0),
    tolerance=st.floats(1.05, 20.0),
)
def test_it_finds_what_trying_all_finds_in_log_n_trials(threshold: float, tolerance: float) -> None:
    points = log_grid(1e-4, 10.0, tolerance)
    found = bisect(points, lambda value: value >= threshold)
    passing = [point for point in points if point >= threshold]
    failing = [point for point in points if point < threshold]
    assert found.passes == (passing[0] if passing else None)
    assert found.fails == (failing[-1] if failing else None)
    assert len(found.tried) <= most_trials(len(points)) == math.ceil(math.log2(len(points) + 1))
    assert len(set(found.tried)) == len(found.tried)
    if found.passes is not None and found.fails is not None:
        assert found.fails < threshold <= found.passes
        assert found.passes / found.fails <= tolerance * (1 + 1e-4)


def test_thirty_points_take_five_trials() -> None:
    points = log_grid(1e-4, 10.0, 1.5)
    assert (len(points), points[0], points[-1], most_trials(30)) == (30, 1e-4, 10.0, 5)
    ratios = [b / a for a, b in zip(points, points[1:], strict=False)]
    assert max(ratios) <= 1.5
    assert max(ratios) == pytest.approx(min(ratios), rel=1e-4)


def test_all_and_none_are_answers() -> None:
    points = even_grid(0.01, 1.0, 5)
    assert bisect(points, lambda value: True).passes == 0.01
    assert bisect(points, lambda value: True).fails is None
    assert bisect(points, lambda value: False).passes is None
    assert bisect(points, lambda value: False).fails == 1.0


@pytest.mark.parametrize(
    ("passed", "found"),
    [
        ({0.1: False, 1.0: True}, []),
        ({0.1: True, 1.0: False}, [(0.1, 1.0)]),
        ({0.1: True, 0.2: False, 0.5: False, 0.7: True, 1.0: False}, [(0.1, 0.2), (0.1, 0.5),
                                                                     (0.7, 1.0)]),
        ({}, []),
    ],
)  # fmt: skip
def test_what_is_not_monotone_is_seen(
    passed: dict[float, bool], found: list[tuple[float, float]]
) -> None:
    assert contradictions(passed) == found


def test_values_are_short_enough_to_type() -> None:
    assert rounded(0.12345678) == 0.123457
    assert even_grid(0.1, 10.0, 1) == [1.0]
