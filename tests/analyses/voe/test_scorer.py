from __future__ import annotations

import numpy as np
import pytest
import torch

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.predictions import surprise, teacher_forced
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache, encode
from lewm_probe.analyses.voe.scorer import WHOLE_CASES, ImageChanges, SurpriseScorer
from lewm_probe.analyses.voe.shown.matched_pairs import disjoint_pairs
from lewm_probe.core.errors import UserError


@pytest.fixture(scope="module")
def shown(cases, suite):
    return ImageChanges(cases)


@pytest.fixture(scope="module")
def apart(suite, cases):
    return ImageChanges(disjoint_pairs(suite, cases.reference.size, history=2))


@pytest.mark.parametrize("name", ["teleport_agent", "blur", "action_swap"])
def test_grey_level_changes_are_those_of_the_whole_clip(shown, cases, name):
    clip = cases.condition(name)[0].astype(float)
    expected = np.square(np.diff(clip, axis=1)).mean(axis=(2, 3, 4))
    found = shown.changed_differences(cases.changed(name))
    np.testing.assert_allclose(found[:, 1:], expected, rtol=1e-4, atol=1e-6)
    assert np.isnan(found[:, 0]).all()


@pytest.mark.parametrize("name", ["step_teleport_agent", "frozen_agent", "pixel_noise"])
def test_encoding_only_what_differs_gives_what_encoding_everything_gives(
    shown, apart, cases, suite, cache, oracle, name
):
    looking = SurpriseScorer(oracle, shown, apart, suite, cache, ResultRecorder("voe", suite))
    changed = cases.changed(name)
    looking.look_at(name, changed, shown.changed_differences(changed))
    kept = {name: changed.kept}
    found = looking.gathered(kept, {}).conditions[name]
    pixels, actions = cases.condition(name)
    whole = cache.encode(oracle.model, pixels)["z"]
    expected = np.square(np.diff(whole.astype(float), axis=1)).mean(-1)
    onset = np.flatnonzero(changed.kept), changed.onset[changed.kept]
    before = onset[0], onset[1] - 1
    np.testing.assert_allclose(found["copy_last"][onset], expected[before], rtol=1e-3, atol=1e-4)
    assert np.isnan(found["copy_last"]).sum() == found["copy_last"].size - changed.kept.sum()
    own = surprise(oracle.model, teacher_forced(oracle.model, whole, actions), whole)
    np.testing.assert_allclose(found["model"], own, rtol=1e-3, atol=1e-4)


def test_unchanged_images_are_not_encoded_again(shown, apart, cases, suite, cache, oracle):
    """Ties must be exact: a frozen agent that rested anyway is no violation."""
    looking = SurpriseScorer(oracle, shown, apart, suite, cache, ResultRecorder("voe", suite))
    before = cache.misses
    changed = cases.changed("action_swap")
    looking.look_at("action_swap", changed, shown.changed_differences(changed))
    assert cache.misses == before


def test_surprise_that_is_not_finite(shown, apart, suite, cache, doubles):
    class Broken(doubles["oracle"]):
        def surprise(self, predicted, target):
            return super().surprise(predicted, target) * torch.nan

    with pytest.raises(UserError) as error:
        SurpriseScorer(
            checkpoint_from_model("broken", Broken("broken")),
            shown,
            apart,
            suite,
            cache,
            ResultRecorder("voe", suite),
        )
    assert str(error.value) == (
        "The surprise values of broken hold 192 NaN or infinite values of 192. Finite ones were "
        "expected: the checkpoint diverged in training or is damaged. Give an earlier checkpoint "
        "of the run, or train it again with a lower learning rate."
    )


@pytest.fixture(scope="module")
def remembering(doubles):
    """A recurrent double: half of what it held, where the agent is, and what was done."""

    class Remembering(doubles["oracle"]):
        def __init__(self):
            super().__init__("remembering", recurrent=True, history=1)
            self.most = 0

        def encode(self, observation):
            seen = super().encode(observation["pixels"])
            self.most = max(self.most, len(seen))
            held, latents = torch.zeros_like(seen[:, 0]), []
            for t in range(seen.shape[1]):
                held = 0.5 * held + seen[:, t]
                latents.append(held)
                held = held + observation["action"][:, t].unflatten(-1, (-1, 2)).sum(-2)
            return torch.stack(latents, 1)

    return checkpoint_from_model("remembering", Remembering())


CONDITIONS = ["teleport_agent", "step_teleport_agent", "frozen_agent", "action_swap", "pixel_noise"]


@pytest.mark.parametrize("name", CONDITIONS)
def test_recurrent_models_follow_the_whole_condition(shown, apart, cases, suite, remembering, name):
    cache = LatentCache()
    looking = SurpriseScorer(remembering, shown, apart, suite, cache, ResultRecorder("voe", suite))
    changed = cases.changed(name)
    looking.look_at(name, changed, shown.changed_differences(changed))
    scores = looking.gathered({name: changed.kept}, {})
    found, clean = scores.conditions[name]["model"], scores.clean["model"]
    model = remembering.model
    whole = encode(model, cases.condition(name)[0], actions=changed.actions)["z"]
    expected = surprise(model, teacher_forced(model, whole, changed.actions), whole)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    # A block that was swapped leads to t0; what comes before is the reference, to the last bit.
    before = np.arange(found.shape[1])[None] < changed.onset[:, None]
    np.testing.assert_array_equal(found[before], clean[before])
    onset = np.flatnonzero(changed.kept), changed.onset[changed.kept]
    assert (found[onset] != clean[onset]).mean() > 0.8
    assert remembering.model.most <= max(WHOLE_CASES, 256 // cases.reference.frames)


def test_what_a_recurrent_model_sees_later_follows_from_before(
    shown, apart, cases, suite, remembering
):
    """An image changed at t0 alone, as in a dose, changes what is thought of it alone."""
    looking = SurpriseScorer(
        remembering, shown, apart, suite, LatentCache(), ResultRecorder("voe", suite)
    )
    dosed = cases.dosed(cases.conditions["teleport_agent"])
    whole = cases.changed("teleport_agent")
    at_onset = looking.at_onset(dosed, shown.changed_differences(dosed))
    looking.look_at("teleport_agent", whole, shown.changed_differences(whole))
    scores = looking.gathered({}, {}).conditions["teleport_agent"]
    rows = np.flatnonzero(dosed.kept), dosed.onset[dosed.kept]
    for scorer in ("model", "copy_last"):
        np.testing.assert_allclose(at_onset.scores[scorer][0], scores[scorer][rows], rtol=1e-5)


def test_swapped_actions_are_followed_by_a_recurrent_model(shown, apart, cases, suite, remembering):
    looking = SurpriseScorer(
        remembering, shown, apart, suite, LatentCache(), ResultRecorder("voe", suite)
    )
    changed = cases.changed("action_swap")
    looking.look_at("action_swap", changed, shown.changed_differences(changed))
    scores = looking.gathered({}, {})
    np.testing.assert_allclose(scores.swapped, scores.conditions["action_swap"]["model"], rtol=1e-5)
