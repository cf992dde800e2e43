from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lewm_probe.stats import seeds


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_seed_draws_of_one_seed_are_its_own(rng):
    values = rng.normal(size=50)
    np.testing.assert_allclose(seeds.seed_draws([values], rng), values)


def test_seed_draws_carry_the_spread_between_seeds(rng):
    values = [np.full(4000, v) for v in (0.0, 1.0, 5.0)]
    draws = seeds.seed_draws(values, rng)
    assert draws.mean() == pytest.approx(2.0, abs=0.1)
    # Variance of a mean of 3 draws with replacement: population variance / 3.
    assert draws.var() == pytest.approx(np.var([0, 1, 5]) / 3, rel=0.1)
    assert len(np.unique(draws.round(9))) == 10  # multisets of 3 out of 3


def test_permutation_p_is_scipys(rng):
    a, b = rng.normal(1, 1, 4), rng.normal(0, 1, 5)
    theirs = stats.permutation_test(
        (a, b), lambda x, y, axis: abs(x.mean(axis) - y.mean(axis)), alternative="greater"
    ).pvalue
    assert seeds.permutation_p(a, b) == pytest.approx(theirs)


@pytest.mark.parametrize(("first", "second"), [(1, 1), (2, 3), (3, 3), (3, 4), (5, 5)])
def test_permutation_p_reaches_its_bound_and_not_below(first, second):
    apart = seeds.permutation_p(np.arange(first) + 100.0, np.arange(second))
    assert apart == pytest.approx(seeds.smallest_permutation_p(first, second))


def test_three_against_three_cannot_go_below_a_tenth():
    assert seeds.smallest_permutation_p(3, 3) == 0.1
