import numpy as np
import pytest
from scipy import optimize, stats

from lewm_probe.stats.skewed import positive_bounds


def left_out(values):
    return (values.sum() - values) / (len(values) - 1)


def test_halls_cubic_solved_by_root_finding():
    values = np.random.default_rng(0).lognormal(size=60)
    n, whole, without = 60, values.mean(), left_out(values)
    pseudo = n * np.log(whole) - (n - 1) * np.log(without)
    skew = stats.skew(pseudo, bias=False) / np.sqrt(n)

    def root(end):
        cubic = np.polynomial.Polynomial([skew / 6 - end, 1, skew / 3, skew**2 / 27])
        return optimize.brentq(cubic, -50, 50)

    t = stats.t.ppf(0.95, n - 1)
    expected = [np.exp(np.log(whole) - stats.sem(pseudo) * root(end)) for end in (t, -t)]
    assert positive_bounds(without, whole, 0.9) == pytest.approx(tuple(expected))


def test_symmetric_errors_have_students_t_on_the_log():
    values = np.tile([9.0, 10.0, 11.0], 40)
    low, high = positive_bounds(left_out(values), 10.0)
    t = stats.t.interval(0.95, 119, loc=10, scale=stats.sem(values))
    assert (low, high) == pytest.approx(t, rel=1e-3)


def test_a_unit_changes_nothing():
    values = np.random.default_rng(1).lognormal(size=30)
    low, high = positive_bounds(left_out(values), values.mean())
    scaled = positive_bounds(1e6 * left_out(values), 1e6 * values.mean())
    assert scaled == pytest.approx((1e6 * low, 1e6 * high))
    squared = positive_bounds(left_out(values) ** 2, values.mean() ** 2)
    assert squared == pytest.approx((low**2, high**2))


def test_nothing_to_take_a_logarithm_of():
    assert positive_bounds(np.zeros(5), 0.0) == (None, None)
    assert positive_bounds(np.array([1.0, 0.0, 1.0]), 0.7) == (None, None)
    assert positive_bounds(np.ones(2), 1.0) == (None, None)
    assert positive_bounds(np.full(4, 2.0), 2.0) == (2.0, 2.0)


def test_means_of_skewed_errors_are_covered():
    rng = np.random.default_rng(2)
    covered = []
    for values in rng.gamma(0.5, size=(600, 50)):  # skewness 2.8
        low, high = positive_bounds(left_out(values), values.mean())
        covered.append(low <= 0.5 <= high)
    assert 0.93 <= np.mean(covered) <= 0.975
