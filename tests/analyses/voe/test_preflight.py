from __future__ import annotations

import numpy as np
import pytest

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.run import run
from lewm_probe.analyses.voe.preflight import action_warnings, ratio_of_means, warnings
from lewm_probe.stats.bootstrap import Estimate, resamples

GOOD_RATIO = Estimate(0.3, 0.2, 0.4, 50)
GOOD_SWAP = Estimate(0.9, 0.85, 0.95, 50)
ADVICE = (
    "Its action statistics, frame-skip or images may not be those it was trained with, or it was "
    "hardly trained."
)


def test_a_sound_checkpoint_earns_no_warning():
    assert warnings("lewm", GOOD_RATIO, GOOD_SWAP, rank=10.0) == []


@pytest.mark.parametrize(
    ("ratio", "swap", "rank", "message"),
    [
        (
            Estimate(1.3, 1.1, 1.5, 50),
            GOOD_SWAP,
            10.0,
            "Preflight, lewm: surprise on clean data is 1.30 times that of copying the last "
            f"latent, and should be below 1. {ADVICE}",
        ),
        (
            GOOD_RATIO,
            Estimate(0.53, 0.51, 0.56, 50),
            10.0,
            "Preflight, lewm: the AUROC of swapped actions is 0.53 (interval from 0.51), near 0.5: "
            f"the model hardly uses its actions. {ADVICE}",
        ),
        (
            GOOD_RATIO,
            Estimate(0.6, 0.48, 0.7, 20),
            10.0,
            "Preflight, lewm: the AUROC of swapped actions is 0.60 (interval from 0.48), near 0.5: "
            f"the model hardly uses its actions. {ADVICE}",
        ),
        (
            GOOD_RATIO,
            GOOD_SWAP,
            1.2,
            "Preflight, lewm: the latents have an effective rank of 1.20. The model has nearly "
            "collapsed; calm says nothing about physics.",
        ),
    ],
)
def test_warnings(ratio, swap, rank, message):
    assert warnings("lewm", ratio, swap, rank) == [message]


def test_a_collapsed_model_is_told_so_and_of_its_actions():
    found = warnings("x", Estimate(None, n=50), Estimate(0.5, 0.5, 0.5, 50), rank=1.0)
    assert [w.split(":")[1].split(".")[0] for w in found] == [
        " the latents do not change from frame to frame",
        " the AUROC of swapped actions is 0",
    ]


def test_the_ratio_is_of_means_over_trajectories():
    own = np.array([[np.nan, 1.0, 3.0], [np.nan, 2.0, 2.0]])
    copied = np.array([[np.nan, 4.0, 4.0], [np.nan, 12.0, 12.0]])
    weights = resamples(2, 100, np.random.default_rng(0))
    found = ratio_of_means(own, copied, weights)
    assert found.value == 0.25
    assert found.n == 2
    assert (found.low, found.high) == (pytest.approx(2 / 12), pytest.approx(2 / 4))


def test_latents_that_do_not_move_have_no_ratio():
    weights = resamples(2, 10, np.random.default_rng(0))
    assert ratio_of_means(np.ones((2, 3)), np.zeros((2, 3)), weights) == (None, None, None, 2)


def test_models_without_actions_are_told_of_instead_of_warned(doubles, short_suite, cache):
    class Still(doubles["oracle"]):
        """Expects the agent to stay, whatever is done."""

        def predict(self, latents, actions):
            return latents

    checkpoint = checkpoint_from_model("still", Still("still", action_kind="none", action_width=0))
    result = run("voe", [checkpoint], short_suite, cache=cache)
    notes = [note for p in result.provenance for note in p.notes if note.startswith("Preflight")]
    assert [note for note in notes if "rank" not in note] == [
        "Preflight, still: this model takes no actions, so that swapped actions are nothing to be "
        "surprised by; conditions of actions say nothing about it."
    ]
    found = run("rollout", [checkpoint], short_suite, cache=cache)
    ratios = [m.value for m in found.metrics if m.metric == "mse_over_copy_last"]
    assert ratios == pytest.approx([1.0] * len(ratios))


def test_scaled_actions_of_unit_size_earn_no_warning():
    assert action_warnings("x", np.array([0.3, -0.9]), np.array([0.6, 1.9])) == []


@pytest.mark.parametrize(
    ("means", "sds", "reported"),
    [
        ([0.0, 0.0], [0.48, 0.5], "an SD of 0.48 to 0.5 and a mean of up to 0"),
        ([0.0, 0.0], [1.0, 2.5], "an SD of 1 to 2.5 and a mean of up to 0"),
        ([-1.5, 0.0], [1.0, 1.0], "an SD of 1 to 1 and a mean of up to 1.5"),
    ],
)
def test_statistics_of_another_world(means, sds, reported):
    assert action_warnings("x", np.array(means), np.array(sds)) == [
        f"Preflight, x: scaled by its action statistics, this world's actions have {reported}, "
        "where about 1 and 0 are expected. Its action statistics do not fit this world: give those "
        "of the data that it was trained on (--action-stats or --dataset)."
    ]
