"""Golden section on known valleys, and where it stops."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lewm_probe.search.tuning.golden import Costs, golden_section, indistinct, most_trials


def valley(place: float, power: float = 2.0, seeds: Sequence[float] = (0.0,)):  # type: ignore[no-untyped-def]
    """Costs with one valley; each seed adds a number of its own."""

    def measure(values: Sequence[float]) -> list[Costs]:
        return [[abs(math.log(v / place)) ** power + seed for seed in seeds] for v in values]

    return measure


@given(place=st.floats(1e-3, 10.0), tolerance=st.floats(1.05, 5.0), power=st.floats(0.5, 3.0))
def test_a_valley_is_found_within_the_tolerance(
    place: float, tolerance: float, power: float
) -> None:
    found = golden_section(1e-3, 10.0, tolerance, valley(place, power), most=100)
    assert found.ended == "resolution"
    assert found.high / found.low <= tolerance * (1 + 1e-4)
    assert found.low * (1 - 1e-4) <= place <= found.high * (1 + 1e-4)
    assert len(found.tried) == most_trials(1e-3, 10.0, tolerance)
    assert len(set(found.tried)) == len(found.tried)


def test_seeds_that_shift_all_values_alike_change_nothing() -> None:
    """Differences are taken seed by seed, so that a hard seed is no noise."""
    one = golden_section(0.01, 10.0, 1.3, valley(0.2), most=50)
    three = golden_section(0.01, 10.0, 1.3, valley(0.2, seeds=(0.0, 5.0, -3.0)), most=50)
    assert one == three


def test_it_stops_where_seeds_differ_more_than_values() -> None:
    noise = {1: 0.5, -1: -0.5}

    def measure(values: Sequence[float]) -> list[Costs]:
        flat = [0.001 * math.log(v) ** 2 for v in values]
        return [[c + noise[(-1) ** k], c - noise[(-1) ** k]] for k, c in enumerate(flat)]

    found = golden_section(0.01, 10.0, 1.1, measure, most=50)
    assert (found.ended, len(found.tried)) == ("noise", 2)
    assert found.why == (
        "between 0.139926 and 0.714664 the scores differ by 0.00375 with a standard error of 1 "
        "between 2 seeds: more than is sought"
    )


def test_it_stops_when_no_trials_are_left() -> None:
    found = golden_section(0.01, 10.0, 1.1, valley(0.2), most=4)
    assert (found.ended, len(found.tried), found.why) == ("trials", 4, "no trials are left")
    none = golden_section(0.01, 10.0, 1.1, valley(0.2), most=1)
    assert (none.tried, none.why) == ((), "no trials are left for the two that divide the range")


def test_what_may_not_be_chosen_moves_the_range_down() -> None:
    def measure(values: Sequence[float]) -> list[Costs]:
        return [None if v > 0.05 else [1 / v] for v in values]

    found = golden_section(0.01, 10.0, 1.3, measure, most=50)
    assert found.low <= 0.05 * 1.001
    assert found.high <= 0.05 * 1.3 * 1.001


def test_a_range_within_the_tolerance_is_left_alone() -> None:
    assert golden_section(1.0, 1.2, 1.5, valley(1.1), most=9).tried == ()
    assert most_trials(1.0, 1.2, 1.5) == 0


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ([1.0, 1.2], [2.0, 2.1], False),
        ([1.0, 2.0], [1.4, 1.5], True),
        ([1.0], [1.0], False),
        (None, [1.0, 2.0], False),
        ([1.0, math.inf], [1.0, 2.0], False),
    ],
)
def test_when_two_trials_cannot_be_told_apart(first: Costs, second: Costs, told: bool) -> None:
    assert (indistinct(first, second) is not None) is told
