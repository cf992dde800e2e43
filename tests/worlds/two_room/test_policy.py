from __future__ import annotations

import numpy as np
import pytest

from lewm_probe.worlds.two_room.env import TwoRoom
from lewm_probe.worlds.two_room.policy import TwoRoomExpert, aim


@pytest.mark.parametrize(
    ("agent", "target", "expected"),
    [
        ((60, 112), (80, 30), (80, 30)),  # same room
        ((60, 112), (164, 112), (112, 49)),  # other room: the door first
        ((164, 112), (60, 112), (112, 49)),
        ((104, 50), (164, 112), (164, 112)),  # in the doorway
    ],
)
def test_aim(agent, target, expected) -> None:
    np.testing.assert_array_equal(aim(np.array(agent), np.array(target)), expected)


def test_without_noise_it_walks_straight() -> None:
    world = TwoRoom()
    world.reset(seed=0, options={"agent": (30, 190), "goal": (90, 30)})
    policy = TwoRoomExpert(np.random.default_rng(0), noise_sd=0.0, repeat_probability=0.0)
    distance = np.hypot(60, 160)
    steps = 0
    while not world.success():
        action = policy(world)
        np.testing.assert_allclose(action, np.array([60, -160]) / distance, atol=1e-3)
        world.step(action)
        steps += 1
    assert steps == np.ceil((distance - 16) / 5)


def test_actions_are_noisy_clipped_and_sometimes_repeated() -> None:
    world = TwoRoom()
    world.reset(seed=0)
    world.freeze("agent")
    policy = world.expert(np.random.default_rng(0))
    actions = np.array([policy(world) for _ in range(4000)])
    assert actions.dtype == np.float32
    assert np.abs(actions).max() == 1.0
    # Of a normal variable with SD 2 around at most 1, more than half lies beyond [-1, 1].
    assert 0.55 < (np.abs(actions) == 1.0).mean() < 0.75
    # A fresh action equals the one before only where both axes are clipped to the same corner:
    # axes with interior values tell true repeats.
    interior = (np.abs(actions[:-1]) < 1).any(1)
    repeats = (actions[1:] == actions[:-1]).all(1)[interior].mean()
    assert repeats == pytest.approx(0.05, abs=0.015)


def test_lengths_match_the_released_data() -> None:
    """Rows an episode capped at 100 steps: 92 on average, 31 to 101, in 10,000 released ones."""
    world = TwoRoom()
    rows, arrived = [], 0
    for seed in range(150):
        world.reset(seed=seed)
        policy = world.expert(np.random.default_rng(1000 + seed))
        steps, success = 0, False
        while steps < 100 and not success:
            success = world.step(policy(world))[2]
            steps += 1
        arrived += success
        rows.append(steps + 1)
    assert np.mean(rows) == pytest.approx(92, abs=4)
    assert min(rows) >= 31
    assert 0.3 < arrived / len(rows) < 0.5


def test_it_arrives_when_given_time() -> None:
    world = TwoRoom()
    for seed in range(25):
        world.reset(seed=seed)
        policy = world.expert(np.random.default_rng(seed))
        assert any(world.step(policy(world))[2] for _ in range(400))


def test_determinism() -> None:
    world, other = TwoRoom(), TwoRoom()
    world.reset(seed=4)
    other.reset(seed=4)
    policies = world.expert(np.random.default_rng(9)), other.expert(np.random.default_rng(9))
    for _ in range(50):
        actions = policies[0](world), policies[1](other)
        np.testing.assert_array_equal(*actions)
        world.step(actions[0])
        other.step(actions[1])
