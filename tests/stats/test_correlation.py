from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lewm_probe.stats import correlation
from lewm_probe.stats.correlation import (
    partial_interval,
    partial_spearman,
    permutation_p,
    resample,
    smallest_detectable,
    spearman,
    spearman_interval,
    strength_gain,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def solved(y, rng, pairs=100):
    """Outcomes of checkpoints of skill y, (C,) → (C, P)."""
    hard = rng.normal(size=pairs)
    return (rng.random((len(y), pairs)) < 1 / (1 + np.exp(hard - 1.5 * y[:, None]))).astype(float)


def related(rho, n, rng):
    """Two normal variables of this Spearman correlation, (2, n)."""
    pearson = 2 * np.sin(np.pi * rho / 6)
    x = rng.normal(size=n)
    return np.array([x, pearson * x + np.sqrt(1 - pearson**2) * rng.normal(size=n)])


@pytest.mark.parametrize("decimals", [6, 0])
def test_spearman_is_scipys_with_ties_and_without(rng, decimals):
    x, y = np.round(related(0.5, 40, rng), decimals)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


def test_the_partial_correlation_by_hand(rng):
    x, y = related(0.6, 30, rng)
    z = np.round(x + rng.normal(size=30))
    xy, xz, yz = (stats.spearmanr(a, b).statistic for a, b in ((x, y), (x, z), (y, z)))
    by_hand = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    assert partial_spearman(x, y, z[None]) == pytest.approx(by_hand)


def test_the_partial_correlation_given_two_is_that_of_residuals(rng):
    x, y = related(0.4, 30, rng)
    given = np.array([x + rng.normal(size=30), y + rng.normal(size=30)])
    ranks = [stats.rankdata(one) for one in (x, y, *given)]
    design = np.column_stack([np.ones(30), *ranks[2:]])
    left = [one - design @ np.linalg.lstsq(design, one, rcond=None)[0] for one in ranks[:2]]
    expected = np.corrcoef(left)[0, 1]
    assert partial_spearman(x, y, given) == pytest.approx(expected)


def test_monotone_transforms_change_nothing(rng):
    x, y = related(0.5, 20, rng)
    z = rng.integers(1, 4, 20).astype(float)
    outcomes = solved(y, rng)
    drawn = [resample(outcomes, None, np.random.default_rng(1), 200) for _ in range(2)]
    assert spearman(np.exp(x), y**3) == spearman(x, y)
    plain = partial_interval(x, z[None], drawn[0])
    bent = partial_interval(np.exp(x), np.log10(z)[None], drawn[1])
    assert bent == pytest.approx(plain)
    assert spearman_interval(-x, drawn[0]).low == pytest.approx(
        -spearman_interval(x, drawn[0]).high
    )


def test_what_is_missing_is_left_out(rng):
    x, y = related(0.5, 20, rng)
    gap = x.copy()
    gap[3] = np.nan
    assert spearman(gap, y) == spearman(np.delete(x, 3), np.delete(y, 3))
    assert spearman_interval(gap, resample(solved(y, rng), None, rng, 50)).n == 19
    outcomes = solved(y, rng)
    outcomes[4, :60] = np.nan
    drawn = resample(outcomes, None, rng, 50)
    assert drawn.rate[4] == np.nanmean(outcomes[4])
    assert np.isfinite(drawn.rates).all()


def test_nothing_to_correlate():
    assert spearman(np.array([1.0, 2.0]), np.array([1.0, 2.0])) is None
    assert spearman(np.ones(5), np.arange(5.0)) is None
    x, y = np.arange(6.0), np.array([2.0, 1, 4, 3, 6, 5])
    assert partial_spearman(x, y, np.ones((1, 6))) is None
    assert partial_spearman(x, y, x[None]) is None
    assert partial_spearman(x, y, np.array([y, y])) is None
    drawn = resample(np.ones((6, 10)), None, np.random.default_rng(0), 50)
    assert spearman_interval(x, drawn) == (None, None, None, 6)
    assert strength_gain(x, y, drawn) == (None, None, None, 6)
    assert permutation_p(x, np.ones(6), None, np.random.default_rng(0)) is None


def test_no_interval_of_few_groups_or_of_one_checkpoint_that_differs(rng):
    x, y = related(0.5, 12, rng)
    few = spearman_interval(x, resample(solved(y, rng), np.arange(12) // 3, rng, 200))
    assert few.value is not None
    assert few[1:] == (None, None, 12)
    outcomes = np.zeros((12, 50))
    outcomes[5] = 1
    assert spearman_interval(x, resample(outcomes, None, rng, 200)).low is None


def test_groups_are_drawn_together_and_pairs_for_all(rng):
    outcomes = solved(rng.normal(size=12), rng, pairs=7)
    drawn = resample(outcomes, list("aabbccddeeff"), rng, 100)
    assert drawn.weights.shape == drawn.rates.shape == (100, 12)
    assert (drawn.weights[:, ::2] == drawn.weights[:, 1::2]).all()
    assert (drawn.weights.sum(axis=1) == 12).all()
    same = resample(np.tile([0.0, 1, 0, 1, 1, 0, 0], (12, 1)), None, rng, 100)
    assert (same.rates == same.rates[:, :1]).all()
    assert same.rates[:, 0].std() > 0


def test_draws_are_those_of_scipy_one_by_one(rng):
    x, y = related(0.6, 10, rng)
    x = np.round(x, 1)
    drawn = resample(solved(y, rng, pairs=20), None, rng, 40)
    found = correlation._correlations(x, drawn.rates, np.empty((0, 10)), drawn.weights)
    for value, weights, rates in zip(found, drawn.weights, drawn.rates, strict=True):
        places = np.repeat(np.arange(10), weights.astype(int))
        assert value == pytest.approx(stats.spearmanr(x[places], rates[places]).statistic)


@pytest.mark.parametrize(("groups", "rho"), [(24, 0.0), (24, 0.6), (8, 0.5)])
def test_intervals_cover(groups, rho):
    rng = np.random.default_rng(5)
    held = []
    for _ in range(150):
        x, y = related(rho, 24, rng)
        if groups < 24:
            run = np.sqrt(0.8) * related(rho, groups, rng)[:, np.arange(24) // 3]
            x, y = run + np.sqrt(0.2) * np.array([x, y])
        drawn = resample(solved(y, rng), np.arange(24) // (24 // groups), rng, 200)
        low, high = spearman_interval(x, drawn)[1:3]
        held.append(low <= rho <= high)
    assert 0.88 <= np.mean(held) <= 1.0


def test_the_stronger_of_two_is_seen_and_equal_ones_are_not_told_apart():
    rng = np.random.default_rng(6)
    above = {True: 0, False: 0}
    for _ in range(60):
        x, y = related(0.8, 24, rng)
        drawn = resample(solved(y, rng), None, rng, 200)
        for weak in (True, False):
            other = rng.normal(size=24) if weak else y + (x - y)[rng.permutation(24)]
            gain = strength_gain(x, -other, drawn)
            above[weak] += gain.low > 0
            assert gain.high <= 1
            swapped = strength_gain(other, x, drawn)
            assert swapped.value == pytest.approx(-gain.value)
    assert above[True] > 30
    assert above[False] <= 8


def test_permutation_p_without_groups_is_scipys(rng):
    x, y = related(0.4, 12, rng)
    theirs = stats.permutation_test(
        (x,), lambda a: stats.spearmanr(a, y).statistic, permutation_type="pairings", rng=rng,
        n_resamples=2000,
    ).pvalue  # fmt: skip
    assert permutation_p(x, y, None, rng) == pytest.approx(theirs, abs=0.03)


def test_only_groups_of_one_size_change_places(rng):
    x = np.array([0.0, 1, 10, 11, 20, 21, 5])
    assert permutation_p(x, x, list("aabbccd"), rng) == pytest.approx(1 / 6, abs=0.01)
    assert permutation_p(x, x, list("aabbbcd"), rng) == pytest.approx(0.5, abs=0.02)
    assert permutation_p(x[:5], x[:5], list("aabbb"), rng) is None
    assert correlation.smallest_p(list("aabbccd")) == 1 / 6
    assert correlation.smallest_p(range(40)) == 1 / 20_001


def test_what_runs_share_is_in_every_permutation():
    """Both grow with training and are otherwise unrelated: no more than 5 % of p are below 0.05."""
    rng = np.random.default_rng(7)
    p = []
    for _ in range(150):
        grown = np.tile([0.0, 2.0, 4.0], 6)
        x, y = grown + rng.normal(size=(2, 18))
        p.append(permutation_p(x, y, np.arange(18) // 3, rng, 200))
    assert np.mean(np.array(p) < 0.05) <= 0.09


@pytest.mark.parametrize("n", [12, 24])
def test_the_smallest_detectable_is_detected_in_four_of_five(n):
    rng = np.random.default_rng(8)
    rho = smallest_detectable(n)
    p = [stats.spearmanr(*related(rho, n, rng)).pvalue for _ in range(800)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.8, abs=0.06)


def test_fewer_checkpoints_and_stricter_levels_show_less():
    assert smallest_detectable(3) is None
    assert 0.99 < smallest_detectable(4) < 1
    sizes = [smallest_detectable(n) for n in (6, 12, 24, 100)]
    assert sizes == sorted(sizes, reverse=True)
    assert smallest_detectable(24, alpha=0.05 / 3) > smallest_detectable(24)
    assert smallest_detectable(24, power=0.9) > smallest_detectable(24)
