from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.voe.comparison import by_name, compare, onset_samples
from lewm_probe.analyses.voe.metrics import Resamples
from lewm_probe.analyses.voe.scores import SurpriseScores
from lewm_probe.analyses.voe.surprise import MODEL
from lewm_probe.core.seeding import stream
from lewm_probe.stats import ranks

N, T, ONSET = 24, 10, 4


@pytest.fixture
def evidence_of(doubles):
    """Made-up surprise: at t0 the perturbed lies ``shift`` SDs above the reference."""

    def make(name: str, seed: int | None, shift: float, step: int | None = None):
        rng = stream(0, name, str(seed))
        clean = np.exp(rng.normal(size=(N, T)))
        perturbed = clean * np.exp(shift + rng.normal(size=(N, T)) * 0.1)
        copied = np.exp(rng.normal(size=(N, T)))
        scorers = {MODEL: perturbed, "copy_last": copied}
        conditions = dict.fromkeys(("teleport_agent", "action_swap", "color_agent"), scorers)
        onset = np.full(N, ONSET)
        scores = SurpriseScores(
            checkpoint=checkpoint_from_model(name, doubles["constant"](train_seed=seed, step=step)),
            clean={MODEL: clean, "copy_last": copied},
            disjoint={MODEL: clean, "copy_last": copied},
            conditions=conditions,
            onset=onset,
            onsets=dict.fromkeys(conditions, onset),
            kept=dict.fromkeys(conditions, np.ones(N, bool)),
            ids=tuple(map(str, range(N))),
            swapped=clean,
            baseline_copy=None,
            disjoint_ids=tuple(map(str, range(N))),
            disjoint_onset=onset,
            trace_cov=1.0,
            rank=4.0,
            width=4,
        )
        return scores.checkpoint, onset_samples(scores)

    return make


def compared(evidence, suite):
    recorder = ResultRecorder("voe", suite)
    compare(recorder, evidence, suite, Resamples(suite))
    return recorder


def test_several_seeds_are_the_top_level(evidence_of, short_suite):
    good = [evidence_of("good", seed, 1.0 + seed) for seed in range(3)]
    bad = [evidence_of("bad", seed, 0.0) for seed in range(3)]
    recorder = compared([*good, *bad], short_suite)
    found = {m.metric: m for m in recorder.metrics if m.subject == "teleport_agent"}
    difference = found["auroc_difference"]
    key = (("subject", "teleport_agent"), ("window", "onset"), ("metric", "auroc"))
    aurocs = [
        [ranks.comparisons(*samples[key].values.to_numpy().T).mean() for _, samples in side]
        for side in (good, bad)
    ]
    assert difference.value == pytest.approx(np.mean(aurocs[0]) - np.mean(aurocs[1]))
    assert difference.ci_low < difference.value < difference.ci_high
    assert (difference.model, difference.versus) == ("good", "bad")
    assert (difference.train_seed, difference.step, difference.n) == (None, None, N)
    assert found["p_permutation"].value == pytest.approx(0.1)  # three against three
    # Wider than the t-test over seeds, to which trajectories are added.
    bare = stats.ttest_ind(*aurocs).confidence_interval()
    assert difference.ci_high - difference.ci_low > bare.high - bare.low
    assert list(recorder.notes) == [
        "good (3 training seeds) against bad (3 training seeds): methods are compared by a t-test "
        "over training seeds. The permutation test beside it, which assumes less, cannot go below "
        f"p = {0.1 * len(short_suite.statistics.confirmatory):.2g} after Holm over "
        f"{len(short_suite.statistics.confirmatory)} measures."
    ]


def test_single_checkpoints_are_compared_over_trajectories(evidence_of, short_suite):
    recorder = compared([evidence_of("a", 7, 2.0, 100), evidence_of("b", 8, 0.0, 50)], short_suite)
    found = [m for m in recorder.metrics if m.metric == "auroc_difference"]
    assert {(m.train_seed, m.step) for m in found} == {(7, 100)}
    assert all(m.ci_low > 0 for m in found)
    assert not [m for m in recorder.metrics if m.metric == "p_permutation"]
    assert list(recorder.notes) == [
        "a (1 training seed) against b (1 training seed): differences speak of these checkpoints, "
        "not of the methods."
    ]


def test_one_name_alone_is_not_compared(evidence_of, short_suite):
    recorder = compared([evidence_of("a", seed, 0.0) for seed in (1, 2)], short_suite)
    assert recorder.metrics == []


def test_of_several_steps_of_a_seed_the_last_counts(evidence_of):
    evidence = [evidence_of("a", 1, 0.0, step) for step in (10, 30, 20)]
    (kept,) = by_name([*evidence, evidence_of("b", 1, 0.0)])["a"]
    assert kept[0].model.spec.step == 30
