from __future__ import annotations

import numpy as np
import pytest

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.context import Context
from lewm_probe.analyses.engine.differences import write_differences
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.comparison.difference import Sample
from lewm_probe.results.analyses import ANALYSES

KEY = (("subject", "agent_position"), ("method", "linear"), ("metric", "mse"))
N = 30


@pytest.fixture
def differences(doubles, suite, cache):
    """Metrics of measurements, each a name, a training seed and values by key."""

    def write(*found):
        recorder = ResultRecorder("probe", suite)
        context = Context(ANALYSES.get("probe"), suite, cache)
        measured = [
            (
                checkpoint_from_model(name, doubles["oracle"](name, train_seed=seed)),
                {key: Sample.of(IDS, one, statistic="mean") for key, one in values.items()},
            )
            for name, seed, values in found
        ]
        write_differences(measured, context, recorder)
        return recorder.metrics, context.resamples(N)

    return write


IDS = [f"t{i}" for i in range(N)]


def values(level, seed):
    return {KEY: level + np.random.default_rng(seed).normal(size=N)}


def test_two_checkpoints_are_paired(differences):
    first, second = values(3, 0), values(1, 1)
    (metric,), weights = differences(("lewm", 1, first), ("pldm", 2, second))
    difference = first[KEY] - second[KEY]
    assert (metric.model, metric.versus, metric.train_seed) == ("lewm", "pldm", 1)
    assert (metric.subject, metric.method, metric.metric) == ("agent_position", "linear", "mse")
    assert metric.value == pytest.approx(difference.mean())
    half = 1.96 * np.std(weights @ difference, ddof=1)
    ends = (difference.mean() - half, difference.mean() + half)
    assert (metric.ci_low, metric.ci_high) == pytest.approx(ends, rel=1e-4)
    assert metric.n == N


def test_training_seeds_are_the_top_level(differences):
    levels = (0.0, 5.0, 10.0, 0.0, 1.0)
    names = [("lewm", 0), ("lewm", 1), ("lewm", 2), ("pldm", 0), ("pldm", 1)]
    found = [
        (*who, values(level, i)) for i, (who, level) in enumerate(zip(names, levels, strict=True))
    ]
    (metric,), _ = differences(*found)
    assert (metric.train_seed, metric.step) == (None, None)
    means = [one[KEY].mean() for _, _, one in found]
    assert metric.value == pytest.approx(np.mean(means[:3]) - np.mean(means[3:]))
    # Seeds that differ by 5 make an interval far wider than trajectories alone would.
    assert metric.ci_high - metric.ci_low > 5


def test_earlier_steps_are_no_training_seeds(doubles, suite, cache):
    recorder = ResultRecorder("probe", suite)
    context = Context(ANALYSES.get("probe"), suite, cache)
    measured = [
        (
            checkpoint_from_model(name, doubles["oracle"](name, train_seed=0, step=step)),
            {KEY: Sample.of(IDS, np.full(N, level), statistic="mean")},
        )
        for name, step, level in (("a", 20, 5.0), ("a", 10, 99.0), ("b", 10, 2.0))
    ]
    write_differences(measured, context, recorder)
    (metric,) = recorder.metrics
    assert (metric.value, metric.train_seed, metric.step) == (3.0, 0, 20)


def test_only_what_both_measured(differences):
    other = {(("subject", "goal_position"), ("metric", "mse")): np.ones(N)}
    assert differences(("lewm", 1, values(0, 0)), ("pldm", 1, other))[0] == []


def test_trajectories_without_a_value(differences):
    first, second, third = values(1, 0), values(0, 1), values(2, 2)
    first[KEY][:3] = np.nan
    (metric,), _ = differences(("lewm", 1, first), ("lewm", 2, third), ("pldm", 1, second))
    expected = (first[KEY][3:] + third[KEY][3:]) / 2 - second[KEY][3:]
    assert metric.value == pytest.approx(expected.mean())
    assert metric.n == N - 3
    assert metric.ci_low < metric.value < metric.ci_high
