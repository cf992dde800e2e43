from __future__ import annotations

import numpy as np
import pytest

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.run import run
from lewm_probe.analyses.voe.preflight import ratio_of_means, swap_warnings
from lewm_probe.stats.bootstrap import Estimate, resamples

ADVICE = (
    "Its action statistics, frame-skip or images may not be those it was trained with, or it was "
    "hardly trained."
)


def test_a_model_that_uses_its_actions_earns_no_warning():
    assert swap_warnings("lewm", Estimate(0.9, 0.85, 0.95, 50)) == []
    assert swap_warnings("lewm", Estimate(None)) == []


@pytest.mark.parametrize(
    ("swap", "reported"),
    [
        (Estimate(0.53, 0.51, 0.56, 50), "is 0.53 (interval from 0.51)"),
        (Estimate(0.6, 0.48, 0.7, 20), "is 0.60 (interval from 0.48)"),
    ],
)
def test_a_model_that_hardly_uses_its_actions(swap, reported):
    warning = (
        f"Preflight, lewm: the AUROC of swapped actions {reported}, near 0.5: the model hardly "
        "uses its actions."
    )
    assert swap_warnings("lewm", swap) == [f"{warning} {ADVICE}"]
    assert swap_warnings("lewm", swap, advise=False) == [warning]


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
