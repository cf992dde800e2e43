from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from lewm_probe.analyses.controls import random_networks
from lewm_probe.analyses.controls.random_networks import (
    PixelPca,
    random_weights,
)
from lewm_probe.analyses.controls.trained_predictors import action_blind, random_encoders
from lewm_probe.analyses.engine.predictions import surprise, teacher_forced
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache


def test_random_weights_are_fresh_frozen_and_recalibrated(make_lewm, trajectories):
    model = make_lewm()
    fresh = random_weights(model, trajectories.pixels, seed=1)
    assert fresh.fingerprint != model.fingerprint
    assert not fresh.training
    assert not any(p.requires_grad for p in fresh.parameters())
    again = random_weights(model, trajectories.pixels, seed=1)
    assert again.fingerprint == fresh.fingerprint
    assert random_weights(model, trajectories.pixels, seed=2).fingerprint != fresh.fingerprint
    # The projector's batch norm sees its own inputs' mean and variance: its output is normalised.
    seen = []
    norm = next(m for m in fresh.projector.modules() if isinstance(m, torch.nn.BatchNorm1d))
    hook = norm.register_forward_hook(lambda module, inputs, output: seen.append(output))
    fresh.encode(torch.tensor(trajectories.pixels))
    hook.remove()
    normalised = torch.cat(seen)
    alive = normalised.std(0) > 0.05
    np.testing.assert_allclose(normalised[:, alive].mean(0), 0, atol=0.05)
    np.testing.assert_allclose(normalised[:, alive].std(0), 1, atol=0.1)


def test_random_weights_do_not_depend_on_the_trained_ones(make_lewm, trajectories):
    first, second = make_lewm(seed=0), make_lewm(seed=5, family="pldm")
    prints = [random_weights(m, trajectories.pixels, seed=1).fingerprint for m in (first, second)]
    assert prints[0] == prints[1]


def test_models_that_cannot_be_rebuilt_have_no_random_baselines(oracle, trajectories, suite):
    assert random_weights(oracle.model, trajectories.pixels, seed=0) is None
    baseline = random_encoders(
        oracle.model, trajectories, suite.random_encoder, seed=0, cache=LatentCache()
    )
    assert baseline is None


@pytest.fixture(scope="module")
def trained(make_lewm, trajectories, suite):
    changes = {"steps": 120, "batch": 32, "learning_rate": 4e-3}
    settings = suite.random_encoder.model_copy(update=changes)
    cache = LatentCache()
    baseline = random_encoders(make_lewm(), trajectories, settings, seed=1, cache=cache)[0]
    return baseline, settings, cache


def test_the_random_encoders_predictor_learns(trained, make_lewm, trajectories):
    baseline, settings, cache = trained
    z = baseline.scaled(cache.encode(baseline.encoder, trajectories.pixels)["z"])
    np.testing.assert_allclose(z.mean(axis=(0, 1)), 0, atol=1e-4)
    assert z.var(axis=(0, 1)).mean() == pytest.approx(1, rel=1e-4)
    np.testing.assert_allclose(
        baseline.encode(torch.tensor(trajectories.pixels[:2])).numpy(), z[:2], atol=1e-4
    )
    one_step = settings.model_copy(update={"steps": 1})
    untrained = random_encoders(make_lewm(), trajectories, one_step, seed=1, cache=LatentCache())[0]
    scores = [
        np.nanmean(surprise(m, teacher_forced(m, z, trajectories.actions), z))
        for m in (baseline, untrained)
    ]
    assert scores[0] < 0.85 * scores[1]


def test_the_random_encoder_is_trained_once(trained, make_lewm, trajectories):
    baseline, settings, cache = trained
    misses = cache.misses
    # Another checkpoint of the same architecture has the same rival.
    other = random_encoders(make_lewm(seed=9), trajectories, settings, seed=1, cache=cache)[0]
    assert cache.misses == misses
    assert other.fingerprint == baseline.fingerprint
    changed = settings.model_copy(update={"steps": 2})
    again = random_encoders(make_lewm(), trajectories, changed, seed=1, cache=cache)
    assert len({baseline.fingerprint, *(one.fingerprint for one in again)}) == 4
    assert cache.misses == misses + 3  # another training of each seed


def test_an_action_blind_predictor_learns_and_knows_no_actions(make_lewm, trajectories, suite):
    model, cache = make_lewm(), LatentCache()
    settings = suite.random_encoder.model_copy(
        update={"steps": 120, "batch": 32, "learning_rate": 4e-3}
    )
    blind = action_blind(model, trajectories, settings, seed=1, cache=cache)
    z = blind.scaled(cache.encode(model, trajectories.pixels)["z"])
    predicted = [
        teacher_forced(blind, z, a) for a in (trajectories.actions, trajectories.actions * 9)
    ]
    np.testing.assert_array_equal(*predicted)
    one_step = settings.model_copy(update={"steps": 1})
    untrained = action_blind(model, trajectories, one_step, seed=1, cache=cache)
    loss = [
        np.nanmean(surprise(one, teacher_forced(one, z, trajectories.actions), z))
        for one in (blind, untrained)
    ]
    assert loss[0] < loss[1]


def test_training_the_random_encoder_leaves_the_callers_random_state_alone(
    make_lewm, trajectories, suite
):
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    random_encoders(make_lewm(), trajectories, suite.random_encoder, seed=3, cache=LatentCache())
    assert torch.equal(torch.rand(3), expected)


def test_pixel_pca_is_sklearns(trajectories):
    pixels = trajectories.pixels[:, :, ::4, ::4]
    flat = pixels.reshape(-1, 16 * 16 * 3).astype(float) / 255
    exact = PCA(5, svd_solver="full").fit(flat)
    features = PixelPca.fit(pixels, 5, seed=0)(pixels)
    assert features.shape == (12, 8, 5)
    ours = features.reshape(-1, 5)
    np.testing.assert_allclose(ours.var(axis=0, ddof=1), exact.explained_variance_, rtol=0.02)
    overlap = np.abs((PixelPca.fit(pixels, 5, seed=0).components * exact.components_).sum(1))
    assert overlap[:3].min() > 0.98


def test_pixel_pca_of_few_or_still_images(trajectories):
    few = trajectories.pixels[:1, :3, ::8, ::8]
    assert PixelPca.fit(few, 64, seed=0)(few).shape == (1, 3, 3)
    still = np.repeat(few[:, :1], 6, axis=1)
    np.testing.assert_allclose(PixelPca.fit(still, 4, seed=0)(still), 0, atol=1e-4)


def test_pixel_pca_draws_at_most_so_many_frames(trajectories, monkeypatch):
    monkeypatch.setattr(random_networks, "PCA_FRAMES", 7)
    assert PixelPca.fit(trajectories.pixels, 64, seed=0).components.shape[0] == 7


def test_pixel_difference(trajectories):
    now, before = trajectories.pixels[0, 1:], trajectories.pixels[0, :-1]
    expected = np.square(now.astype(float) - before).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(random_networks.pixel_difference(now, before), expected, rtol=1e-5)


def test_predictions_without_learning():
    line = np.arange(10.0).reshape(1, 5, 2)
    np.testing.assert_array_equal(random_networks.copy_last(line), line)
    ahead = random_networks.linear_extrapolation(line)
    np.testing.assert_array_equal(ahead[:, 1:], line[:, 1:] + 2)  # exact on a line
    np.testing.assert_array_equal(ahead[:, 0], line[:, 0])


class Counted:
    """A task that counts how far it was advanced."""

    def __init__(self) -> None:
        self.done = 0.0

    def advance(self, amount: float = 1) -> None:
        self.done += amount


def test_training_of_controls_tells_how_far_it_is(make_lewm, trajectories, suite):
    settings = suite.random_encoder.model_copy(update={"steps": 7, "seeds": 2})
    cache, model = LatentCache(), make_lewm()
    for _ in range(2):  # trained, then remembered
        encoders, blind = Counted(), Counted()
        random_encoders(model, trajectories, settings, seed=1, cache=cache, task=encoders)
        action_blind(model, trajectories, settings, seed=1, cache=cache, task=blind)
        assert (encoders.done, blind.done) == (14, 7)
