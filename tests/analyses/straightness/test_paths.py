from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lewm_probe.analyses.straightness.paths import (
    noise_straightness,
    overall_sd,
    per_trajectory,
    straightness_of,
    turns,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "losses.npz"


def test_published_implementation():
    """Measured with stable-worldmodel 0.1.1 on the same latents."""
    stored = np.load(GOLDEN)
    latents = stored["z_tbd"].transpose(1, 0, 2)  # (B, T, D)
    assert straightness_of(latents) == pytest.approx(float(stored["straightness"]), abs=1e-5)


def test_a_line_is_straight_at_every_stride():
    line = np.cumsum(np.full((3, 20, 1), 0.7) * np.array([1.0, -2.0, 0.5]), axis=1)
    for stride in (1, 2, 5):
        found = turns(line, stride)
        assert found.cosine.shape == (3, 20 - 2 * stride)
        np.testing.assert_allclose(found.cosine, 1, atol=1e-12)
        np.testing.assert_allclose(found.degrees, 0, atol=1e-4)


def test_a_square_turns_by_90_degrees():
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0], [1, 0]], dtype=float)[None]
    np.testing.assert_allclose(turns(corners).degrees, 90)
    np.testing.assert_allclose(turns(corners, stride=2).degrees, 180)  # there and back


def test_random_walk_has_no_direction():
    walk = np.random.default_rng(0).normal(size=(400, 40, 16)).cumsum(axis=1)
    assert straightness_of(walk) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("width", [1, 2, 3, 64])
def test_noise_has_its_finite_width_value(width):
    noise = np.random.default_rng(width).normal(size=(2000, 20, width))
    assert straightness_of(noise) == pytest.approx(noise_straightness(width), abs=0.01)


def test_noise_value_in_known_dimensions():
    assert noise_straightness(1) == pytest.approx(-1 / 3)  # 2/π · arcsin(−1/2)
    assert noise_straightness(2) == pytest.approx(-0.41, abs=0.005)
    assert noise_straightness(10_000) == pytest.approx(-0.5, abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(
    scale=st.floats(1e-6, 1e6),
    shift=st.floats(-100, 100),
    seed=st.integers(0, 1000),
)
def test_cosine_ignores_scale_place_and_rotation(scale, shift, seed):
    rng = np.random.default_rng(seed)
    paths = rng.normal(size=(4, 9, 5))
    rotation, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    moved = scale * (paths @ rotation + shift)
    np.testing.assert_allclose(turns(moved).cosine, turns(paths).cosine, atol=1e-6)


def test_short_steps_have_no_direction():
    path = np.array([[0.0, 1, 1, 2, 3, 4]])[..., None]  # rests at the second frame
    found = turns(path)
    np.testing.assert_array_equal(np.isnan(found.cosine), [[True, True, False, False]])
    assert per_trajectory(found.cosine) == pytest.approx([1.0])


def test_epsilon_is_in_units_of_the_spread():
    path = np.array([[0.0, 1, 2, 2.001, 3, 4]])[..., None]
    assert not np.isnan(turns(path, epsilon=1e-6).cosine).any()
    assert np.isnan(turns(path, epsilon=0.01).cosine).sum() == 2
    assert np.isnan(turns(path * 1e9, epsilon=0.01).cosine).sum() == 2
    assert np.isnan(turns(path, epsilon=0.01, scale=1e-3).cosine).sum() == 0


def test_what_rests_has_no_straightness():
    assert np.isnan(straightness_of(np.full((3, 6, 4), 0.25)))
    still = np.zeros((2, 5, 3))
    still[1] = np.arange(5.0)[:, None]
    assert straightness_of(still) == pytest.approx(1)  # the other trajectory alone
    np.testing.assert_array_equal(np.isnan(per_trajectory(turns(still).cosine)), [True, False])


def test_too_few_frames_make_no_turn():
    assert turns(np.zeros((2, 4, 3)), stride=2).cosine.shape == (2, 0)


def test_overall_sd():
    paths = np.random.default_rng(1).normal(5, [1.0, 3.0], size=(500, 20, 2))
    assert overall_sd(paths) == pytest.approx(np.sqrt((1 + 9) / 2), rel=0.02)
