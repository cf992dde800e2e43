from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.weightstats import ttost_paired

from lewm_probe.stats import bootstrap


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def expanded(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The resample that a row of weights stands for, as repeated values."""
    return np.repeat(values, np.rint(weights * len(values)).astype(int), axis=0)


def sklearn_auroc(perturbed, reference):
    labels = np.r_[np.ones(len(perturbed)), np.zeros(len(reference))]
    return roc_auc_score(labels, np.r_[perturbed, reference])


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


def test_auroc_is_sklearns_with_ties(rng):
    perturbed = rng.integers(0, 6, 80).astype(float)
    reference = rng.integers(-2, 4, 50).astype(float)
    expected = sklearn_auroc(perturbed, reference)
    assert bootstrap.auroc(perturbed, reference) == pytest.approx(expected)
    assert bootstrap.auroc(reference, perturbed) == pytest.approx(1 - expected)


def test_auroc_does_not_care_about_scale(rng):
    a, b = rng.random(30), rng.random(30)
    assert bootstrap.auroc(np.log(a), np.log(b)) == bootstrap.auroc(a * 1e9, b * 1e9)


def test_auroc_draws_are_aurocs_of_resampled_matched_cases(rng):
    perturbed, reference = rng.integers(0, 9, 25), rng.integers(0, 7, 25)
    weights = bootstrap.resamples(25, 40, rng)
    draws = bootstrap.auroc_draws(bootstrap.comparisons(perturbed, reference), weights)
    expected = [sklearn_auroc(expanded(w, perturbed), expanded(w, reference)) for w in weights]
    np.testing.assert_allclose(draws, expected)


def test_auroc_estimate_of_wholly_separated_groups_has_wilsons_bound(rng):
    weights = bootstrap.resamples(200, 100, rng)
    high = bootstrap.comparisons(np.arange(200) + 500.0, np.arange(200.0))
    found = bootstrap.auroc_estimate(high, weights)
    assert found.value == found.high == 1
    assert found.low == pytest.approx(200 / (200 + stats.norm.ppf(0.975) ** 2))
    low = bootstrap.auroc_estimate(1 - high, weights)
    assert low.value == 0
    assert low.low == pytest.approx(0, abs=1e-15)
    assert low.high == pytest.approx(1 - found.low)


def test_auroc_difference_is_paired(rng):
    reference = rng.normal(size=60)
    perturbed = reference + rng.normal(0.5, 1, size=60)
    weights = bootstrap.resamples(60, 500, rng)
    first = bootstrap.comparisons(perturbed, reference)
    same = bootstrap.auroc_difference(first, first, weights)
    assert same == (0.0, 0.0, 0.0, 60)
    # A score that hardly differs: the paired interval is far narrower than the unpaired one.
    near = bootstrap.comparisons(perturbed + 0.01 * rng.normal(size=60), reference)
    paired = bootstrap.auroc_difference(first, near, weights)
    alone = bootstrap.auroc_estimate(first, weights)
    assert paired.high - paired.low < 0.2 * (alone.high - alone.low)


def test_pairwise_accuracy(rng):
    weights = bootstrap.resamples(4, 100, rng)
    reference = np.zeros(4)
    plain = bootstrap.pairwise_accuracy(np.array([1.0, 1, 1, -1]), reference, weights)
    assert plain == bootstrap.wilson(3, 4)
    tied = bootstrap.pairwise_accuracy(np.array([1.0, 0, 0, -1]), reference, weights)
    assert tied.value == 0.5
    assert bootstrap.pairwise_accuracy(reference, reference, weights)[:3] == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("n", [19, 20, 21, 100, 333])
def test_threshold_lets_at_most_five_percent_through(rng, n):
    clean = rng.normal(size=n)
    level = bootstrap.threshold_at(clean)
    assert (clean > level).mean() <= 0.05
    below = np.sort(clean)[np.searchsorted(np.sort(clean), level) - 1]
    assert (clean > below).mean() > 0.05 - 1 / n


def test_detection_rate_counts_what_exceeds_the_threshold():
    scores = np.array([1.0, 2.0, 2.0, 3.0])
    assert bootstrap.detection_rate(scores, 2.0) == bootstrap.wilson(1, 4)


def test_wilson_is_the_closed_form():
    z = stats.norm.ppf(0.975)
    p, n = 48 / 50, 50
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    found = bootstrap.wilson(48, 50)
    assert found == pytest.approx((p, centre - half, centre + half, n))
    assert bootstrap.wilson(0, 0) == (None, None, None, 0)


def test_d_z_and_its_resamples(rng):
    differences = rng.normal(1e6, 2.0, size=40)  # a large offset must not cost digits
    weights = bootstrap.resamples(40, 200, rng)
    found = bootstrap.d_z(differences, weights)
    assert found.value == pytest.approx(differences.mean() / differences.std(ddof=1))
    draws = [expanded(w, differences) for w in weights]
    expected = [d.mean() / d.std(ddof=1) for d in draws]
    np.testing.assert_allclose(found[1:3], np.quantile(expected, [0.025, 0.975]), rtol=1e-9)


def test_paired_t_is_scipys(rng):
    a, b = rng.normal(0.3, 1, 30), rng.normal(size=30)
    assert bootstrap.paired_t(a - b) == pytest.approx(stats.ttest_rel(a, b).pvalue)
    greater = stats.ttest_rel(a, b, alternative="greater").pvalue
    assert bootstrap.paired_t(a - b, one_sided=True) == pytest.approx(greater)


def test_wilcoxon_is_scipys_without_zeros(rng):
    differences = rng.normal(0.3, 1, 70)
    expected = stats.wilcoxon(differences).pvalue
    assert bootstrap.wilcoxon(differences) == pytest.approx(expected)
    assert bootstrap.wilcoxon(np.r_[differences, np.zeros(9)]) == pytest.approx(expected)
    one_sided = stats.wilcoxon(differences, alternative="greater").pvalue
    assert bootstrap.wilcoxon(differences, one_sided=True) == pytest.approx(one_sided)


def test_tost_is_statsmodels(rng):
    a, b = rng.normal(0.05, 0.4, 90), rng.normal(0, 0.4, 90)
    bound = np.log(1.25)
    assert bootstrap.tost(a - b, bound) == pytest.approx(ttost_paired(a, b, -bound, bound)[0])


@pytest.mark.parametrize("test", [bootstrap.paired_t, bootstrap.wilcoxon])
def test_no_difference_at_all_has_no_p_value(test):
    assert test(np.zeros(20)) is None


def test_differences_that_do_not_vary():
    weights = bootstrap.resamples(20, 10, np.random.default_rng(0))
    constant = np.full(20, 0.1) + 1e-17
    assert bootstrap.d_z(constant, weights) == (None, None, None, 20)
    assert bootstrap.paired_t(constant) is None
    assert bootstrap.tost(constant, 0.2) == 0.0
    assert bootstrap.tost(constant, 0.05) == 1.0


def test_holm_by_hand():
    # Ordered .005, .01, .03, .04 times 4, 3, 2, 1, each at least its predecessor.
    adjusted = bootstrap.holm([0.01, None, 0.04, 0.03, 0.005])
    assert adjusted[1] is None
    assert [adjusted[i] for i in (0, 2, 3, 4)] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert bootstrap.holm([None, None]) == [None, None]


@pytest.mark.parametrize(("family", "one_sided"), [(1, False), (4, False), (4, True)])
def test_smallest_detectable_effect_has_the_power_it_claims(family, one_sided):
    n = 200
    effect = bootstrap.smallest_detectable_d_z(n, family, one_sided=one_sided)
    tail = 0.05 / family / (1 if one_sided else 2)
    critical = stats.t.isf(tail, n - 1)
    shifted = stats.nct(n - 1, effect * np.sqrt(n))
    power = shifted.sf(critical) + (0 if one_sided else shifted.cdf(-critical))
    assert power == pytest.approx(0.8, abs=1e-4)
    assert bootstrap.smallest_detectable_d_z(2) is None


def test_seed_draws_of_one_seed_are_its_own(rng):
    values = rng.normal(size=50)
    np.testing.assert_allclose(bootstrap.seed_draws([values], rng), values)


def test_seed_draws_carry_the_spread_between_seeds(rng):
    seeds = [np.full(4000, v) for v in (0.0, 1.0, 5.0)]
    draws = bootstrap.seed_draws(seeds, rng)
    assert draws.mean() == pytest.approx(2.0, abs=0.1)
    # Variance of a mean of 3 draws with replacement: population variance / 3.
    assert draws.var() == pytest.approx(np.var([0, 1, 5]) / 3, rel=0.1)
    assert len(np.unique(draws.round(9))) == 10  # multisets of 3 out of 3


def test_permutation_p_is_scipys(rng):
    a, b = rng.normal(1, 1, 4), rng.normal(0, 1, 5)
    theirs = stats.permutation_test(
        (a, b), lambda x, y, axis: abs(x.mean(axis) - y.mean(axis)), alternative="greater"
    ).pvalue
    assert bootstrap.permutation_p(a, b) == pytest.approx(theirs)


@pytest.mark.parametrize(("first", "second"), [(1, 1), (2, 3), (3, 3), (3, 4), (5, 5)])
def test_permutation_p_reaches_its_bound_and_not_below(first, second):
    apart = bootstrap.permutation_p(np.arange(first) + 100.0, np.arange(second))
    assert apart == pytest.approx(bootstrap.smallest_permutation_p(first, second))


def test_three_against_three_cannot_go_below_a_tenth():
    assert bootstrap.smallest_permutation_p(3, 3) == 0.1


def test_interval_of_nothing_finite():
    assert bootstrap.interval(np.array([np.nan, np.inf])) == (None, None)
