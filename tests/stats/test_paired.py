from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from lewm_probe.stats import paired


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_d_z_does_not_lose_digits_to_an_offset(rng):
    differences = rng.normal(1e6, 2.0, size=40)
    found = paired.d_z(differences)
    assert found.value == pytest.approx(differences.mean() / differences.std(ddof=1))


def test_d_z_of_normal_differences_has_the_textbooks_variance(rng):
    differences = rng.normal(0.8, 1.0, size=20_000)
    found = paired.d_z(differences)
    expected = 1.96 * np.sqrt((1 + 0.8**2 / 2) / 20_000)
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.03)


def test_d_z_of_heavy_tails_is_known_less_well_than_the_normal_formula_says(rng):
    differences = rng.standard_t(3, size=200) + 2.0
    found = paired.d_z(differences)
    d = found.value
    half = stats.t.isf(0.025, 199) * np.sqrt((1 + d**2 / 2) / 200)
    assert found.low <= d - half < d + half <= found.high
    assert found.high - found.low > 1.1 * 2 * half


def test_d_z_turns_with_its_differences(rng):
    differences = rng.gamma(2.0, 1.0, size=60)
    one, other = paired.d_z(differences), paired.d_z(-differences)
    assert other[:3] == pytest.approx((-one.value, -one.high, -one.low))


def mirrored(rng, n):
    """Differences without skewness."""
    half = rng.normal(size=n)
    return np.r_[half, -half] + 0.2


def test_paired_t_is_scipys_where_nothing_is_skewed(rng):
    differences = mirrored(rng, 30)
    assert paired.paired_t(differences) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    greater = stats.ttest_1samp(differences, 0, alternative="greater").pvalue
    assert paired.paired_t(differences, one_sided=True) == pytest.approx(greater)


def test_paired_t_is_halls_where_skewness_would_make_students_too_small(rng):
    differences = 3 - rng.gamma(1.0, 1.0, size=50) - 1.9  # outliers below
    u, skew = differences.mean() / differences.std(ddof=1), stats.skew(differences)
    cubic = u + skew * u**2 / 3 + skew**2 * u**3 / 27 + skew / 300
    expected = stats.t.sf(np.sqrt(50) * cubic, 49)
    found = paired.paired_t(differences, one_sided=True)
    assert found == pytest.approx(expected)
    assert found > stats.ttest_1samp(differences, 0, alternative="greater").pvalue
    mirror = stats.ttest_1samp(-differences, 0, alternative="greater").pvalue
    assert paired.paired_t(-differences, one_sided=True) == pytest.approx(mirror)


def test_wilcoxon_is_scipys_without_zeros(rng):
    differences = rng.normal(0.3, 1, 70)
    expected = stats.wilcoxon(differences).pvalue
    assert paired.wilcoxon(differences) == pytest.approx(expected)
    assert paired.wilcoxon(np.r_[differences, np.zeros(9)]) == pytest.approx(expected)
    one_sided = stats.wilcoxon(differences, alternative="greater").pvalue
    assert paired.wilcoxon(differences, one_sided=True) == pytest.approx(one_sided)


def test_tost_is_statsmodels_where_nothing_is_skewed(rng):
    differences = mirrored(rng, 90) / 5
    bound, zero = np.log(1.25), np.zeros(180)
    expected = ttost_paired(differences, zero, -bound, bound)[0]
    assert paired.tost(differences, bound) == pytest.approx(expected)


@pytest.mark.parametrize("test", [paired.paired_t, paired.wilcoxon])
def test_no_difference_at_all_has_no_p_value(test):
    assert test(np.zeros(20)) is None


def test_differences_that_do_not_vary():
    constant = np.full(20, 0.1) + 1e-17
    assert paired.d_z(constant) == (None, None, None, 20)
    assert paired.paired_t(constant) is None
    assert paired.tost(constant, 0.2) == 0.0
    assert paired.tost(constant, 0.05) == 1.0


def test_holm_by_hand():
    # Ordered .005, .01, .03, .04 times 4, 3, 2, 1, each at least its predecessor.
    adjusted = paired.holm([0.01, None, 0.04, 0.03, 0.005])
    assert adjusted[1] is None
    assert [adjusted[i] for i in (0, 2, 3, 4)] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert paired.holm([None, None]) == [None, None]


def test_holm_is_statsmodels(rng):
    ps = list(rng.random(40) ** 4)
    expected = multipletests(ps, method="holm")[1]
    assert paired.holm(ps) == pytest.approx(list(expected))


@pytest.mark.parametrize(("family", "one_sided"), [(1, False), (4, False), (4, True)])
def test_smallest_detectable_effect_has_the_power_it_claims(family, one_sided):
    n = 200
    effect = paired.smallest_detectable_d_z(n, family, one_sided=one_sided)
    tail = 0.05 / family / (1 if one_sided else 2)
    critical = stats.t.isf(tail, n - 1)
    shifted = stats.nct(n - 1, effect * np.sqrt(n))
    power = shifted.sf(critical) + (0 if one_sided else shifted.cdf(-critical))
    assert power == pytest.approx(0.8, abs=1e-4)
    assert paired.smallest_detectable_d_z(2) is None
