from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from lewm_probe.stats import bootstrap, ranks


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def expanded(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The resample that a row of weights stands for, as repeated values."""
    return np.repeat(values, np.rint(weights * len(values)).astype(int), axis=0)


def sklearn_auroc(perturbed, reference):
    labels = np.r_[np.ones(len(perturbed)), np.zeros(len(reference))]
    return roc_auc_score(labels, np.r_[perturbed, reference])


def test_auroc_is_sklearns_with_ties(rng):
    perturbed = rng.integers(0, 6, 80).astype(float)
    reference = rng.integers(-2, 4, 50).astype(float)
    expected = sklearn_auroc(perturbed, reference)
    assert ranks.auroc(perturbed, reference) == pytest.approx(expected)
    assert ranks.auroc(reference, perturbed) == pytest.approx(1 - expected)


def test_auroc_does_not_care_about_scale(rng):
    a, b = rng.random(30), rng.random(30)
    assert ranks.auroc(np.log(a), np.log(b)) == ranks.auroc(a * 1e9, b * 1e9)


def test_auroc_draws_are_aurocs_of_resampled_matched_cases(rng):
    perturbed, reference = rng.integers(0, 9, 25), rng.integers(0, 7, 25)
    weights = bootstrap.resamples(25, 40, rng)
    draws = ranks.auroc_draws(ranks.comparisons(perturbed, reference), weights)
    expected = [sklearn_auroc(expanded(w, perturbed), expanded(w, reference)) for w in weights]
    np.testing.assert_allclose(draws, expected)


def test_auroc_estimate_of_wholly_separated_groups_has_wilsons_bound(rng):
    weights = bootstrap.resamples(200, 100, rng)
    high = ranks.comparisons(np.arange(200) + 500.0, np.arange(200.0))
    found = ranks.auroc_estimate(high, weights)
    assert found.value == found.high == 1
    assert found.low == pytest.approx(200 / (200 + stats.norm.ppf(0.975) ** 2))
    low = ranks.auroc_estimate(1 - high, weights)
    assert low.value == 0
    assert low.low == pytest.approx(0, abs=1e-15)
    assert low.high == pytest.approx(1 - found.low)


def test_auroc_difference_is_paired(rng):
    reference = rng.normal(size=60)
    perturbed = reference + rng.normal(0.5, 1, size=60)
    weights = bootstrap.resamples(60, 500, rng)
    first = ranks.comparisons(perturbed, reference)
    same = ranks.auroc_difference(first, first, weights)
    assert same == (0.0, 0.0, 0.0, 60)
    # A score that hardly differs: the paired interval is far narrower than the unpaired one.
    near = ranks.comparisons(perturbed + 0.01 * rng.normal(size=60), reference)
    paired = ranks.auroc_difference(first, near, weights)
    alone = ranks.auroc_estimate(first, weights)
    assert paired.high - paired.low < 0.2 * (alone.high - alone.low)


def test_pairwise_accuracy(rng):
    weights = bootstrap.resamples(4, 100, rng)
    reference = np.zeros(4)
    plain = ranks.pairwise_accuracy(np.array([1.0, 1, 1, -1]), reference, weights)
    assert plain == ranks.wilson(3, 4)
    tied = ranks.pairwise_accuracy(np.array([1.0, 0, 0, -1]), reference, weights)
    assert tied.value == 0.5
    assert ranks.pairwise_accuracy(reference, reference, weights)[:3] == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("n", [19, 20, 21, 100, 333])
def test_threshold_lets_at_most_five_percent_through(rng, n):
    clean = rng.normal(size=n)
    level = ranks.threshold_at(clean)
    assert (clean > level).mean() <= 0.05
    below = np.sort(clean)[np.searchsorted(np.sort(clean), level) - 1]
    assert (clean > below).mean() > 0.05 - 1 / n


def test_detection_rate_counts_what_exceeds_the_threshold():
    scores = np.array([1.0, 2.0, 2.0, 3.0])
    assert ranks.detection_rate(scores, 2.0) == ranks.wilson(1, 4)


def test_wilson_is_the_closed_form():
    z = stats.norm.ppf(0.975)
    p, n = 48 / 50, 50
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    found = ranks.wilson(48, 50)
    assert found == pytest.approx((p, centre - half, centre + half, n))
    assert ranks.wilson(0, 0) == (None, None, None, 0)
