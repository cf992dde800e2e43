import numpy as np
import pytest
import torch

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.imagination import imagine
from lewm_probe.core.errors import UserError


@pytest.fixture(scope="module")
def tiny(make_lewm):
    return checkpoint_from_model("lewm", make_lewm())


@pytest.fixture(scope="module")
def recorded():
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(3, 9, 6)).astype(np.float32)
    return latents, rng.uniform(-1, 1, (3, 9, 10)).astype(np.float32)


def test_one_step_is_teacher_forced_prediction(tiny, recorded):
    latents, actions = recorded
    found = imagine(tiny, latents, actions, 1)
    predicted = tiny.model.predict(torch.tensor(latents), torch.tensor(actions)).numpy()
    np.testing.assert_array_equal(found.ends, np.arange(1, 8))  # H = 2, so the first ends at 1
    np.testing.assert_allclose(found.latents[:, :, 0], predicted[:, 1:8], atol=1e-5)
    np.testing.assert_array_equal(found.frames(), np.arange(2, 9)[:, None])


def test_open_loop_by_hand(tiny, recorded):
    latents, actions = recorded
    found = imagine(tiny, latents, actions, 3)
    assert found.latents.shape == (3, 5, 3, 6)
    end = found.ends[2]
    window = torch.tensor(latents[:, end - 1 : end + 1])
    for k in range(3):
        blocks = torch.tensor(actions[:, end - 1 + k : end + 1 + k])
        following = tiny.model.predict(window, blocks)[:, -1:]
        np.testing.assert_allclose(found.latents[:, 2, k], following[:, 0].numpy(), atol=1e-5)
        window = torch.cat([window[:, 1:], following], dim=1)


def test_places_are_evenly_spaced(tiny, recorded):
    latents, actions = recorded
    every = imagine(tiny, latents, actions, 2)
    some = imagine(tiny, latents, actions, 2, places=3)
    np.testing.assert_array_equal(every.ends, [1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(some.ends, [1, 3, 6])
    np.testing.assert_allclose(some.latents, every.latents[:, [0, 2, 5]], atol=1e-5)


def test_the_oracle_imagines_free_motion(oracle):
    actions = np.full((1, 6, 10), 0.1, dtype=np.float32)  # 5 steps of 0.1 × 5 px
    start = np.full((1, 6, 2), 100, dtype=np.float32)
    found = imagine(oracle, start, actions, 4, places=1)
    np.testing.assert_allclose(found.latents[0, 0, :, 0], 100 + 2.5 * np.arange(1, 5), rtol=1e-6)


def test_trajectories_too_short(tiny, recorded):
    latents, actions = recorded
    with pytest.raises(UserError) as error:
        imagine(tiny, latents, actions, 8)
    assert str(error.value) == (
        "Trajectories of 9 frames are too short to imagine 8 blocks ahead with lewm, training seed "
        "0, which first sees 2 frames: at least 10 are needed. Raise clean.frames in the suite "
        "(voe.frames where it has no section clean, probe.frames for probes of imagined latents), "
        "or ask for a shorter horizon."
    )


def test_imagined_latents_that_are_not_finite(doubles, recorded):
    latents, actions = recorded
    checkpoint = checkpoint_from_model("diverged", doubles["diverged"]())
    with pytest.raises(UserError) as error:
        imagine(checkpoint, latents[..., :4], actions, 2, places=1)
    assert str(error.value) == (
        "The imagined latents of diverged hold 24 NaN or infinite values of 24. Finite ones were "
        "expected: the checkpoint diverged in training or is damaged. Give an earlier checkpoint "
        "of the run, or train it again with a lower learning rate."
    )
