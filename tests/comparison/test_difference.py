import numpy as np
import pytest

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.comparison.difference import write_differences
from lewm_probe.stats.bootstrap import interval, resamples

KEY = (("subject", "agent_position"), ("method", "linear"))
N = 30


@pytest.fixture(scope="module")
def named(doubles):
    return lambda name, seed: checkpoint_from_model(name, doubles["oracle"](name, train_seed=seed))


@pytest.fixture(scope="module")
def weights():
    return resamples(N, 500, np.random.default_rng(0))


def values(level, seed):
    return {KEY: level + np.random.default_rng(seed).normal(size=N)}


def test_two_checkpoints_are_paired(named, suite, weights):
    first, second = values(3, 0), values(1, 1)
    recorder = ResultRecorder("probe", suite)
    checkpoints = [named("lewm", 1), named("pldm", 2)]
    write_differences(recorder, "mse", checkpoints, [first, second], weights)
    (metric,) = recorder.metrics
    difference = first[KEY] - second[KEY]
    assert (metric.model, metric.versus, metric.train_seed) == ("lewm", "pldm", 1)
    assert (metric.subject, metric.method, metric.metric) == ("agent_position", "linear", "mse")
    assert metric.value == pytest.approx(difference.mean())
    assert (metric.ci_low, metric.ci_high) == pytest.approx(interval(weights @ difference))
    assert metric.n == N


def test_training_seeds_are_the_top_level(named, suite, weights):
    recorder = ResultRecorder("probe", suite)
    checkpoints = [named("lewm", s) for s in range(3)] + [named("pldm", s) for s in range(2)]
    levels = (0.0, 5.0, 10.0, 0.0, 1.0)
    found = [values(level, i) for i, level in enumerate(levels)]
    write_differences(recorder, "mse", checkpoints, found, weights)
    (metric,) = recorder.metrics
    assert (metric.train_seed, metric.step) == (None, None)
    means = [f[KEY].mean() for f in found]
    assert metric.value == pytest.approx(np.mean(means[:3]) - np.mean(means[3:]))
    # Seeds that differ by 5 make an interval far wider than trajectories alone would.
    assert metric.ci_high - metric.ci_low > 5


def test_only_what_both_measured(named, suite, weights):
    recorder = ResultRecorder("probe", suite)
    other = {(("subject", "goal_position"),): np.ones(N)}
    checkpoints = [named("lewm", 1), named("pldm", 1)]
    write_differences(recorder, "mse", checkpoints, [values(0, 0), other], weights)
    assert recorder.metrics == []


def test_trajectories_without_a_value(named, suite, weights):
    first, second = values(1, 0), values(0, 1)
    first[KEY][:3] = np.nan
    third = values(2, 2)
    recorder = ResultRecorder("probe", suite)
    checkpoints = [named("lewm", 1), named("lewm", 2), named("pldm", 1)]
    write_differences(recorder, "mse", checkpoints, [first, third, second], weights)
    (metric,) = recorder.metrics
    expected = (first[KEY][3:] + third[KEY][3:]) / 2 - second[KEY][3:]
    assert metric.value == pytest.approx(expected.mean())
    assert metric.n == N - 3
    assert metric.ci_low < metric.value < metric.ci_high
