from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lewm_probe.stats import seeds


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_pooled_without_trajectories_is_the_t_test(rng):
    a, b = rng.normal(1, 1, 4), rng.normal(0, 1, 5)
    theirs = stats.ttest_ind(a, b)
    ours = seeds.pooled(a, b, 0.0)
    ends = theirs.confidence_interval(0.95)
    assert ours.estimate[:3] == pytest.approx((a.mean() - b.mean(), ends.low, ends.high))
    assert ours.p == pytest.approx(theirs.pvalue)
    assert ours.df == 7


def test_pooled_adds_what_all_seeds_share(rng):
    a, b = rng.normal(size=3), rng.normal(size=3)
    bare, shared = seeds.pooled(a, b, 0.0), seeds.pooled(a, b, 0.09)
    assert shared.se**2 == pytest.approx(bare.se**2 + 0.09)


def test_one_against_one_is_over_trajectories_alone():
    found = seeds.pooled([0.5], [0.2], 0.01)
    half = stats.norm.isf(0.025) * 0.1
    assert found.estimate[:3] == pytest.approx((0.3, 0.3 - half, 0.3 + half))
    assert found.p == pytest.approx(2 * stats.norm.sf(3))
    assert found.df is None


def test_no_spread_at_all():
    assert seeds.pooled([1, 1], [1, 1], 0.0).p == 1.0
    assert seeds.pooled([1, 1], [0, 0], 0.0).p == 0.0


def test_an_interval_at_a_level_excludes_zero_where_p_is_below_it(rng):
    for value in (0.1, 0.3, 0.5, 1.0):
        low, high = seeds.at_level(value, 0.15, 4, 0.05 / 3)
        assert (low > 0 or high < 0) == (seeds.p_of(value, 0.15, 4) < 0.05 / 3)


def test_seeds_needed_are_those_whose_interval_excludes_zero():
    count = seeds.seeds_needed(0.5, 0.4, 0.001, 0.05)
    enough, fewer = (
        stats.t.isf(0.025, 2 * k - 2) * np.sqrt(2 * 0.16 / k + 0.001) for k in (count, count - 1)
    )
    assert enough < 0.5 < fewer
    assert seeds.seeds_needed(0.1, 0.01, 0.01, 0.05) is None  # trajectories alone forbid it


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


def test_many_seeds_are_permuted_at_random(rng):
    a, b = rng.normal(0.8, 1, 12), rng.normal(size=12)
    found = seeds.permutation_p(a, b)
    theirs = stats.permutation_test(
        (a, b),
        lambda x, y, axis: abs(x.mean(axis) - y.mean(axis)),
        alternative="greater",
        n_resamples=20_000,
        rng=rng,
    ).pvalue
    assert found == pytest.approx(theirs, abs=0.01)
    assert found == seeds.permutation_p(a, b)
    apart = seeds.permutation_p(np.arange(12) + 100.0, np.arange(12))
    assert apart == pytest.approx(seeds.smallest_permutation_p(12, 12)) == 1 / 20_001


def test_the_floor_counts_every_measure():
    assert seeds.smallest_permutation_p(3, 3, family=3) == pytest.approx(0.3)
    assert seeds.smallest_permutation_p(2, 3, family=11) == 1.0
