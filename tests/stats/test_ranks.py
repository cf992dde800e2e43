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


def delong_variance(perturbed, reference):
    """By the definition, case after case: placements of a case's two values taken together."""
    n = len(perturbed)
    score = lambda x, y: float(x > y) + 0.5 * float(x == y)  # noqa: E731
    both = [
        np.mean([score(perturbed[k], y) for y in reference])
        + np.mean([score(x, reference[k]) for x in perturbed])
        for k in range(n)
    ]
    return np.var(both, ddof=1) / n


def wilson_ends(share, trials, df=np.inf):
    z = stats.t.ppf(0.975, df)
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(share * (1 - share) / trials + (z / 2 / trials) ** 2)
    return centre - half, centre + half


def test_auroc_estimate_is_wilsons_on_the_comparisons_that_delong_leaves(rng):
    reference = rng.normal(size=40)
    perturbed = 0.5 * reference + rng.normal(0.8, 1, size=40)
    found = ranks.auroc_estimate(ranks.comparisons(perturbed, reference))
    area = sklearn_auroc(perturbed, reference)
    smooth = (40 * area + 1) / 42
    variance = delong_variance(perturbed, reference) + 1 / (2 * 40**2)
    ends = wilson_ends(area, smooth * (1 - smooth) / variance, df=39)
    assert found == pytest.approx((area, *ends, 40))


def test_auroc_estimate_does_not_jump_where_groups_come_apart():
    apart = ranks.comparisons(np.arange(200) + 500.0, np.arange(200.0))
    found = ranks.auroc_estimate(apart)
    assert found[:1] == (1,)
    assert found.high == pytest.approx(1)
    assert found.low == pytest.approx(wilson_ends(1, 2 * 200, df=199)[0], abs=2e-4)
    nearly = apart.copy()
    nearly[0, 0] = 0
    near = ranks.auroc_estimate(nearly)
    assert near.value < 1
    assert near.low == pytest.approx(found.low, abs=3e-4)
    assert near.high == pytest.approx(1, abs=1e-4)
    turned = ranks.auroc_estimate(1 - apart)
    assert turned[:3] == pytest.approx((0, 0, 1 - found.low))


def test_auroc_p_belongs_to_its_interval(rng):
    reference = rng.normal(size=60)
    for shift in (0.0, 0.3, 0.4, 0.6, 3.0, 9.0):
        compared = ranks.comparisons(reference + rng.normal(shift, 1, 60), reference)
        p, low = ranks.auroc_p(compared), ranks.auroc_estimate(compared, 0.9).low
        assert (p < 0.05) == (low > 0.5)
    assert ranks.auroc_p(np.full((9, 9), 0.5)) == 0.5
    assert ranks.auroc_p(1 - compared) > 0.999


def test_gain_is_paired(rng):
    reference = rng.normal(size=60)
    perturbed = reference + rng.normal(0.5, 1, size=60)
    first = ranks.comparisons(perturbed, reference)
    near = ranks.comparisons(perturbed + 0.01 * rng.normal(size=60), reference)
    paired = ranks.gain_estimate(first, [near])
    assert paired.value == pytest.approx(first.mean() - near.mean())
    alone = ranks.auroc_estimate(first)
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)


def test_gain_of_the_same_score_is_nothing_and_known_no_better_than_n_allows():
    apart = np.ones((200, 200))
    found = ranks.gain_estimate(apart, [apart])
    assert found.value == 0
    assert found.low == pytest.approx(-found.high)
    assert found.high == pytest.approx(1 - ranks.auroc_estimate(apart).low)
    assert ranks.gain_p(apart, [apart]) == 0.5


def test_gain_p_belongs_to_its_interval(rng):
    reference = rng.normal(size=50)
    for shift in (-0.5, -0.1, 0.1, 0.2, 0.4, 0.6, 1.0, 5.0):
        own = ranks.comparisons(reference + rng.normal(0.5 + shift, 1, 50), reference)
        others = [
            ranks.comparisons(reference + rng.normal(0.5, 1, 50), reference) for _ in range(3)
        ]
        p, found = ranks.gain_p(own, others), ranks.gain_estimate(own, others, 0.9)
        assert (p < 0.05) == (found.low > 0)
        assert (p > 0.95) == (found.high < 0)


def test_gain_over_seeds_that_differ_is_known_less_well(rng):
    reference = rng.normal(size=100)
    own = ranks.comparisons(reference + rng.normal(2, 1, 100), reference)
    noise = rng.normal(0, 1, 100)
    alike = [ranks.comparisons(reference + noise + 1, reference)] * 3
    apart = [ranks.comparisons(reference + noise + shift, reference) for shift in (0.2, 1, 2)]
    close, wide = (ranks.gain_estimate(own, seeds) for seeds in (alike, apart))
    assert wide.high - wide.low > 2 * (close.high - close.low)


def test_pairwise_accuracy_is_agresti_and_coulls():
    def ends(share, n):
        z = stats.norm.ppf(0.975)
        centre = (share * n + z**2 / 2) / (n + z**2)
        half = z * np.sqrt(centre * (1 - centre) / (n + z**2))
        return max(0, centre - half), min(1, centre + half)

    reference = np.zeros(40)
    won = np.r_[np.ones(38), -1, -1]
    assert ranks.pairwise_accuracy(won, reference) == pytest.approx((0.95, *ends(0.95, 40), 40))
    tied = np.r_[np.ones(20), np.zeros(20)]
    assert ranks.pairwise_accuracy(tied, reference) == pytest.approx((0.75, *ends(0.75, 40), 40))
    wilson = ranks.wilson(38, 40)
    found = ranks.pairwise_accuracy(won, reference)
    assert found.low < wilson.low < wilson.high < found.high


@pytest.mark.parametrize("n", [19, 20, 21, 100, 333])
def test_threshold_lets_at_most_five_percent_through(rng, n):
    clean = rng.normal(size=n)
    level = ranks.threshold_at(clean)
    assert (clean > level).mean() <= 0.05
    below = np.sort(clean)[np.searchsorted(np.sort(clean), level) - 1]
    assert (clean > below).mean() > 0.05 - 1 / n


def test_detection_rate_counts_what_exceeds_the_threshold(rng):
    clean = np.arange(1.0, 101)  # 4 of 100 exceed 96, and a threshold is one of them
    scores = np.array([94.0, 95.5, 96.5, 120])
    assert ranks.detection_rate(scores, clean).value == 0.5
    assert ranks.detection_rate(scores, np.array([])) == (None, None, None, 4)


def test_detection_rate_knows_that_its_threshold_was_drawn(rng):
    scores = rng.normal(1.6, 1, 200)
    few, many = (ranks.detection_rate(scores, rng.normal(size=m)) for m in (50, 100_000))
    alone = ranks.wilson(round(many.value * 200), 200)
    assert many.high - many.low == pytest.approx(alone.high - alone.low, rel=0.02)
    assert few.high - few.low > 1.5 * (alone.high - alone.low)


def test_detection_rate_moves_with_the_order_statistics_around_its_threshold(rng):
    # Of 1,000 values with a share of 0.95 below the true quantile, that many may lie below it.
    clean, scores = np.arange(1000.0), rng.uniform(900, 1000, 10_000)
    found = ranks.detection_rate(scores, clean)
    lowest, highest = stats.binom.ppf([0.025, 0.975], 1000, 0.95)
    assert found.low == pytest.approx((scores > highest).mean(), abs=0.02)
    assert found.high == pytest.approx((scores > lowest).mean(), abs=0.02)


def test_a_detection_rate_at_its_end_is_wilsons(rng):
    clean = rng.normal(size=200)
    assert ranks.detection_rate(clean + 50, clean) == pytest.approx(
        ranks.wilson(200, 200), abs=1e-3
    )
    assert ranks.detection_rate(clean - 50, clean) == pytest.approx(ranks.wilson(0, 200), abs=1e-3)


def test_wilson_is_the_closed_form():
    z = stats.norm.ppf(0.975)
    p, n = 48 / 50, 50
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    found = ranks.wilson(48, 50)
    assert found == pytest.approx((p, centre - half, centre + half, n))
    assert ranks.wilson(0, 0) == (None, None, None, 0)
