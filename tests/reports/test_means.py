from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lewm_probe.reports.means import means, preferred, sample, samples
from tests.reports.test_results_view import metric


def test_means_average_evaluation_seeds_before_training_seeds() -> None:
    rows = [metric(v, train_seed=s, eval_seed=e) for v, s, e in ((0, 0, 1), (2, 0, 2), (5, 1, 1))]
    (mean,) = means(rows)
    assert mean.value == 3  # not 7/3
    assert mean.values == (1, 5)
    assert mean.checkpoints == 2
    assert mean.seed_sd == pytest.approx(8**0.5)


def test_an_interval_is_the_envelope_and_missing_ends_do_not_hide_values() -> None:
    rows = [
        metric(0.5, train_seed=0, ci_low=0.4, ci_high=0.6, n=20),
        metric(0.9, train_seed=1, n=30),
    ]
    (mean,) = means(rows)
    assert (mean.low, mean.high) == (0.4, 0.9)
    assert (mean.n, mean.n_high) == (20, 30)
    assert sample(rows) == "n = 20–30"
    (single,) = means(rows[1:])
    assert (single.low, single.high, single.seed_sd) == (None, None, None)
    assert means([metric(None)]) == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6))
def test_mean_lies_in_its_envelope(values: list[float]) -> None:
    rows = [metric(v, train_seed=k, ci_low=v - 1, ci_high=v + 1) for k, v in enumerate(values)]
    (mean,) = means(rows)
    assert mean.low is not None
    assert mean.high is not None
    assert mean.low <= mean.value <= mean.high


def test_onset_is_preferred_over_no_window_only() -> None:
    onset, bare, late = metric(1, window="onset"), metric(2), metric(3, window="mean_after")
    assert preferred([bare, onset]) == [onset]
    assert preferred([bare]) == [bare]
    assert preferred([onset, late]) == [onset, late]


def test_conditions_with_fewer_trajectories_are_named() -> None:
    rows = [
        metric(1, subject="blur", n=200),
        metric(1, subject="frozen_block", n=143),
        metric(1, subject="fast_forward_agent", n=160),
        metric(1, subject="fast_forward_agent", n=200),
        metric(1, subject="brightness"),
    ]
    assert (
        samples(rows, " pairs") == "n = 200 pairs (frozen block 143, fast-forward of agent 160–200)"
    )
    assert samples(rows[:1]) == "n = 200"
    assert samples(rows[-1:]) == ""
