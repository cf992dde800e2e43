from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lewm_probe.stats import bootstrap


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def expanded(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The resample that a row of weights stands for, as repeated values."""
    return np.repeat(values, np.rint(weights * len(values)).astype(int), axis=0)


def test_resamples_are_bootstrap_draws(rng):
    weights = bootstrap.resamples(7, 500, rng)
    assert weights.shape == (500, 7)
    np.testing.assert_allclose(weights.sum(1), 1)
    np.testing.assert_allclose(weights * 7, np.rint(weights * 7))
    # Each count is binomial(n, 1/n): variance 1 − 1/n.
    assert (weights * 7).var() == pytest.approx(1 - 1 / 7, rel=0.1)


def test_mean_agrees_with_scipys_bootstrap(rng):
    values = rng.exponential(size=120)
    ours = bootstrap.mean(values, bootstrap.resamples(120, 8000, rng))
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=8000, method="percentile", rng=rng
    ).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    assert ours.n == 120
    spread = values.std() / np.sqrt(120)
    assert ours.low == pytest.approx(theirs.low, abs=0.08 * spread)
    assert ours.high == pytest.approx(theirs.high, abs=0.08 * spread)


def test_mean_interval_covers(rng):
    hits = 0
    for _ in range(300):
        found = bootstrap.mean(rng.normal(size=60), bootstrap.resamples(60, 300, rng))
        hits += found.low < 0 < found.high
    assert 0.90 <= hits / 300 <= 0.98


def test_mean_leaves_missing_trajectories_out(rng):
    values = np.array([1.0, np.nan, 3.0, 2.0])
    weights = bootstrap.resamples(4, 50, rng)
    found = bootstrap.mean(values, weights)
    draws = [np.nanmean(expanded(w, values)) for w in weights if expanded(w, values).size]
    assert found[0] == 2.0
    assert found.n == 3
    np.testing.assert_allclose(found[1:3], np.quantile(draws, [0.025, 0.975]))


def test_mean_of_nothing_is_null(rng):
    weights = bootstrap.resamples(3, 10, rng)
    assert bootstrap.mean(np.full(3, np.nan), weights) == (None, None, None, 0)


def test_interval_of_nothing_finite():
    assert bootstrap.interval(np.array([np.nan, np.inf])) == (None, None)
