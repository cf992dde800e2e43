from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lewm_probe.stats import bootstrap


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_resamples_are_bootstrap_draws(rng):
    weights = bootstrap.resamples(7, 500, rng)
    assert weights.shape == (500, 7)
    np.testing.assert_allclose(weights.sum(1), 1)
    np.testing.assert_allclose(weights * 7, np.rint(weights * 7))
    # Each count is binomial(n, 1/n): variance 1 − 1/n.
    assert (weights * 7).var() == pytest.approx(1 - 1 / 7, rel=0.1)


def test_mean_is_scipys_t_interval(rng):
    values = rng.exponential(size=120)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    ours = bootstrap.mean(values)
    assert ours == pytest.approx((values.mean(), theirs.low, theirs.high, 120))
    wider = stats.ttest_1samp(values, 0).confidence_interval(0.99)
    assert bootstrap.mean(values, 0.99)[1:3] == pytest.approx((wider.low, wider.high))


def test_mean_leaves_missing_trajectories_out(rng):
    values = rng.normal(size=30)
    spoilt = np.insert(values, [0, 10, 30], np.nan)
    assert bootstrap.mean(spoilt) == bootstrap.mean(values)


def test_mean_of_too_little_has_no_interval():
    assert bootstrap.mean(np.full(3, np.nan)) == (None, None, None, 0)
    assert bootstrap.mean(np.array([2.0, np.nan])) == (2.0, None, None, 1)


def test_bca_is_scipys(rng):
    values = rng.exponential(size=40)
    theirs = stats.bootstrap(
        (values,),
        lambda x, axis: np.sqrt(np.square(x).mean(axis=axis)),
        n_resamples=2000,
        method="BCa",
        rng=rng,
    )
    draws = theirs.bootstrap_distribution
    left_out = [np.sqrt(np.square(np.delete(values, i)).mean()) for i in range(40)]
    value = float(np.sqrt(np.square(values).mean()))
    ours = bootstrap.bca(value, draws, np.array(left_out))
    ends = theirs.confidence_interval
    assert ours == pytest.approx((ends.low, ends.high), abs=1e-3)
    percentile = bootstrap.interval(draws)
    assert ours[1] > percentile[1]  # skewed to the right: both ends lie higher


def test_bca_of_nothing_finite():
    nothing = np.full(5, np.nan)
    assert bootstrap.bca(1.0, nothing, nothing) == (None, None)
    assert bootstrap.bca(1.0, np.ones(5), np.ones(5)) == (1.0, 1.0)


def test_jackknife_takes_the_bias_away(rng):
    values = rng.exponential(size=25)
    without = np.array([np.delete(values, i).var() for i in range(25)])  # biased by (n − 1) / n
    found, pseudo = bootstrap.jackknife(without, values.var())
    assert found.value == pytest.approx(values.var(ddof=1))
    assert found == pytest.approx(bootstrap.mean(pseudo))


def test_jackknife_of_a_mean_is_the_mean(rng):
    values = rng.normal(size=12)
    without = np.array([np.delete(values, i).mean() for i in range(12)])
    found, pseudo = bootstrap.jackknife(without, values.mean())
    np.testing.assert_allclose(pseudo, values)
    assert found == pytest.approx(bootstrap.mean(values))


def test_interval_of_nothing_finite():
    assert bootstrap.interval(np.array([np.nan, np.inf])) == (None, None)
