import numpy as np
import pytest
import torch

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.features import (
    TokenPCA,
    changes,
    check_finite,
    encoded,
    frame_index,
    pooled,
    triplets,
)
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.core.errors import UserError


def test_triplets():
    z = np.arange(10.0).reshape(1, 5, 2)
    found = triplets(z)
    assert found.shape == (1, 5, 6)
    np.testing.assert_array_equal(found[0, :2], 0)
    np.testing.assert_array_equal(found[0, 2], [0, 1, 2, 3, 4, 5])
    np.testing.assert_array_equal(found[0, 4], [4, 5, 6, 7, 8, 9])


def test_changes():
    z = np.random.default_rng(0).normal(size=(2, 5, 3))
    found = changes(z)
    np.testing.assert_array_equal(found[:, 0], 0)
    np.testing.assert_array_equal(found[:, 1:], z[:, 1:] - z[:, :-1])


def test_frame_index_spans_every_function_of_time():
    found = frame_index(3, 4)
    assert found.shape == (3, 4, 4)
    np.testing.assert_array_equal(found @ np.array([5.0, 1, 2, 7]), [[5, 1, 2, 7]] * 3)


def test_tokens_are_averaged_or_reduced(oracle):
    tokens = np.random.default_rng(1).normal(size=(4, 5, 3, 2)).astype(np.float32)
    np.testing.assert_allclose(pooled(oracle, tokens), tokens.mean(axis=2), atol=1e-6)
    pca = TokenPCA(tokens, seed=0)
    flat = tokens.reshape(20, 6)
    reduced = pca(tokens)
    assert reduced.shape == (4, 5, 6)  # never wider than the tokens
    # Principal components turn, they do not stretch.
    distances = [
        np.linalg.norm(a[:, None] - a[None], axis=-1) for a in (flat, reduced.reshape(20, -1))
    ]
    np.testing.assert_allclose(*distances, atol=1e-4)


def test_a_model_may_offer_its_own_view(doubles):
    class Halved(doubles["oracle"]):
        def features(self, latents):
            return {"z": latents[..., :1]}

    checkpoint = checkpoint_from_model("halved", Halved("halved"))
    z = np.random.default_rng(2).normal(size=(2, 3, 2)).astype(np.float32)
    np.testing.assert_array_equal(pooled(checkpoint, z), z[..., :1])


def test_encoded_refuses_what_is_not_finite(doubles, trajectories):
    class Broken(doubles["constant"]):
        def encode(self, observation):
            latents = super().encode(observation)
            latents[0, 0, 0] = torch.nan
            return latents

    checkpoint = checkpoint_from_model("broken", Broken(train_seed=4, step=200))
    with pytest.raises(UserError) as error:
        encoded(checkpoint, trajectories.pixels[:2, :3], None, LatentCache())
    assert str(error.value) == (
        "The latents (z) of broken, training seed 4, step 200 hold 1 NaN or infinite values of 24. "
        "Finite ones were expected: the checkpoint diverged in training or is damaged. Give an "
        "earlier checkpoint of the run, or train it again with a lower learning rate."
    )
    check_finite(checkpoint, "latents", np.zeros(3))
