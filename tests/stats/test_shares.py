from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lewm_probe.stats.shares import matched_difference, matched_p


def outcomes(both: int, first: int, second: int, neither: int):
    ours = np.repeat([True, True, False, False], [both, first, second, neither])
    theirs = np.repeat([True, False, True, False], [both, first, second, neither])
    return ours, theirs


def test_the_interval_is_that_of_the_papers_example():
    found = matched_difference(*outcomes(36, 12, 2, 0))  # Newcombe 1998, method 10
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == (
        pytest.approx(0.0569, abs=2e-3),
        pytest.approx(0.3404, abs=2e-3),
    )
    assert found.n == 50


def test_sides_may_change_places():
    one, other = outcomes(12, 7, 3, 8)
    there, back = matched_difference(one, other), matched_difference(other, one)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_intervals_cover():
    rng = np.random.default_rng(0)
    hit = total = 0
    for _ in range(600):
        ability = rng.uniform(0, 1, 50)  # pairs differ in difficulty
        ours, theirs = rng.random(50) < 0.2 + 0.7 * ability, rng.random(50) < 0.7 * ability
        found = matched_difference(ours, theirs)
        hit += found.low <= 0.2 <= found.high
        total += 1
    assert 0.92 <= hit / total <= 0.985


def test_where_all_agree_there_is_an_interval_all_the_same():
    found = matched_difference(*outcomes(20, 0, 0, 0))
    assert found.value == 0 and -0.2 < found.low < 0 < found.high < 0.2
    assert matched_difference(np.zeros(0, bool), np.zeros(0, bool)).value is None


def test_p_is_the_mid_p_of_discordant_pairs():
    ours, theirs = outcomes(30, 9, 2, 9)
    above = stats.binom.sf(8, 11, 0.5)
    assert matched_p(ours, theirs) == pytest.approx(above - 0.5 * stats.binom.pmf(9, 11, 0.5))
    assert matched_p(ours, theirs) + matched_p(theirs, ours) == pytest.approx(1)
    assert matched_p(ours, ours) == 0.5
    assert matched_p(*outcomes(3, 0, 4, 3)) == pytest.approx(1 - 0.5 * 0.5**4)


def test_p_keeps_its_level():
    rng = np.random.default_rng(1)
    ps = [matched_p(rng.random(40) < 0.5, rng.random(40) < 0.5) for _ in range(2000)]
    assert np.mean(np.array(ps) < 0.05) < 0.062
