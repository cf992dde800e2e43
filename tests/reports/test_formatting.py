from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lewm_probe.reports import formatting

finite = st.floats(-1e5, 1e5)


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_not_a_number_is_a_dash(value: float | None) -> None:
    assert formatting.number(value) == "–"
    assert formatting.estimate(value) == "–"
    assert formatting.p_value(value) == "–"
    assert formatting.count(value) == "–"
    assert formatting.duration(value) == "–"


def test_zero_has_no_sign() -> None:
    assert formatting.number(-0.0001, 2, powers=False) == "0.00"


@given(finite, st.floats(1e-3, 1e3))
def test_interval_brackets_the_value_in_print(value: float, half: float) -> None:
    text = formatting.estimate(value, value - half, value + half)
    parts = text.replace("−", "-").replace("[", "").replace("]", "").replace(",", "").split()
    middle, low, high = map(float, parts)
    assert low <= middle <= high
    assert high - low == pytest.approx(2 * half, rel=0.12)  # two digits of the half-width


@given(st.floats(0, 1))
def test_p_values_are_never_printed_as_zero(p: float) -> None:
    text = formatting.p_value(p)
    assert text == "< 0.0001" if p < 1e-4 else float(text) == pytest.approx(p, rel=0.06)


def test_an_interval_without_width_is_left_out() -> None:
    assert formatting.estimate(0.2, 0.2, 0.2) == "0.200"
    assert formatting.estimate(1.0, 1.0, 1.0, decimals=3) == "1.000 [1.000, 1.000]"
    assert formatting.estimate(0.5, None, 0.7) == "0.500"


def test_counts_and_durations() -> None:
    assert formatting.count(1_032_456) == "1 032 456"
    assert formatting.count_range(180, 200) == "180–200"
    assert formatting.count_range(200, 200) == "200"
    assert [formatting.duration(s) for s in (3.25, 48, 212.4, 7500)] == [
        "3.2 s",
        "48 s",
        "3 min 32 s",
        "2 h 05 min",
    ]


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((0.0312, 0.00002, 0.0623), "0.03120 [0.00002, 0.06230]"),
        ((-0.0312, -0.0623, -0.00002), "−0.03120 [−0.06230, −0.00002]"),
        ((0.0312, -0.00002, 0.0623), "0.031 [0.000, 0.062]"),  # it holds 0
        ((0.0312, 1e-9, 0.0623), "0.031200 [0.000000, 0.062300]"),  # beyond all digits
    ],
)
def test_an_interval_that_excludes_0_is_seen_to(
    ends: tuple[float, float, float], text: str
) -> None:
    assert formatting.estimate(*ends) == text


def test_digits_follow_the_interval_whatever_was_asked_for() -> None:
    """Two digits of its half-width; what is asked for holds where there is no interval."""
    assert formatting.estimate(0.98765, 0.981, 0.992, decimals=1) == "0.9877 [0.9810, 0.9920]"
    assert formatting.estimate(0.98765, 0.5, 1.4, decimals=3) == "0.99 [0.50, 1.40]"
    assert formatting.estimate(0.98765, decimals=1) == "1.0"
    assert [formatting.estimate(v) for v in (1234.5, 12.345, 0.00123)] == [
        "1234",
        "12.3",
        "0.00123",
    ]
