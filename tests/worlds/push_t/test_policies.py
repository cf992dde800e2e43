from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from lewm_probe.worlds.push_t.env import GymPushT, PushT
from lewm_probe.worlds.push_t.env import shapes as shapes
from lewm_probe.worlds.push_t.policies import around, outline_places


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@cache
def episodes(name: str) -> list[dict[str, np.ndarray]]:
    """Ten episodes of 100 steps, as they are collected."""
    world, recorded = PushT(), []
    for seed in range(10):
        world.reset(seed=seed)
        policy = world.policy(name, rng(seed))
        actions, states, corners = [], [], []
        for _ in range(100):
            actions.append(policy(world))
            world.step(actions[-1])
            states.append(world.physical_state())
            corners.append(shapes.to_world(shapes.OUTLINE, world.pose))
        stacked = {key: np.stack([state[key] for state in states]) for key in states[0]}
        recorded.append(stacked | {"action": np.stack(actions), "corners": np.stack(corners)})
    return recorded


@pytest.mark.parametrize("name", ["expert", "random"])
def test_actions_are_valid(name: str) -> None:
    actions = np.concatenate([episode["action"] for episode in episodes(name)])
    assert actions.dtype == np.float32
    assert actions.shape == (1000, 2)
    assert np.abs(actions).max() <= 1
    assert np.abs(actions).std() > 0.1


def test_the_pusher_touches_the_block_in_nine_of_ten_episodes() -> None:
    touched = [episode["contact"].any() for episode in episodes("expert")]
    assert np.mean(touched) >= 0.9
    assert np.mean([episode["contact"].mean() for episode in episodes("expert")]) > 0.3


def test_the_pusher_moves_the_block_and_turns_it_all_around() -> None:
    angles = np.concatenate([episode["block_angle"][:, 0] for episode in episodes("expert")])
    assert set(np.floor(angles / (np.pi / 4)).astype(int)) == set(range(8))
    turned = [np.ptp(np.unwrap(e["block_angle"][:, 0])) for e in episodes("expert")]
    assert np.median(turned) > np.pi / 4
    travelled = [np.ptp(e["block_position"], axis=0).max() for e in episodes("expert")]
    assert np.median(travelled) > 50


def test_the_pusher_pushes_both_ways_round() -> None:
    turns = np.concatenate([np.diff(np.unwrap(e["block_angle"][:, 0])) for e in episodes("expert")])
    left, right = -turns[turns < 0].sum(), turns[turns > 0].sum()
    assert 0.2 < left / (left + right) < 0.8


def test_the_biased_walk_touches_the_block_and_keeps_it_inside() -> None:
    touched = [episode["contact"].any() for episode in episodes("random")]
    assert np.mean(touched) >= 0.8
    corners = np.concatenate([episode["corners"] for episode in episodes("random")])
    assert corners.min() > shapes.WALL_LOW - 1
    assert corners.max() < shapes.WALL_HIGH + 1


def test_the_biased_walk_is_drawn_to_the_block() -> None:
    far = []
    for seed in range(20):
        world = PushT()
        world.reset(seed=0, options={"state": (60, 60, 300, 300, 0)})
        policy = world.policy("random", rng(seed))
        for _ in range(12):
            world.step(policy(world))
        far.append(np.hypot(*(world.position("agent") - (300, 345))))
    assert np.mean(far) < np.hypot(240, 285) - 100


def test_agents_stay_inside() -> None:
    for name in ("expert", "random"):
        agents = np.concatenate([episode["agent_position"] for episode in episodes(name)])
        assert agents.min() > 0
        assert agents.max() < 512


def test_mixed_is_one_of_the_two_for_a_whole_episode() -> None:
    world = PushT()
    kinds = {type(world.policy("mixed", rng(seed))).__name__ for seed in range(20)}
    assert kinds == {"Pusher", "BiasedWalk"}


@pytest.mark.parametrize("name", ["expert", "random", "mixed"])
def test_determinism(name: str) -> None:
    world, other = PushT(), PushT()
    world.reset(seed=4)
    other.reset(seed=4)
    policies = world.policy(name, rng(9)), other.policy(name, rng(9))
    for _ in range(30):
        actions = policies[0](world), policies[1](other)
        np.testing.assert_array_equal(*actions)
        world.step(actions[0])
        other.step(actions[1])


@pytest.mark.parametrize("name", ["expert", "random"])
def test_the_same_policies_with_absolute_targets(name: str) -> None:
    world, gym = PushT(), GymPushT()
    world.reset(seed=1)
    gym.reset(seed=1)
    policies = world.policy(name, rng(2)), gym.policy(name, rng(2))
    for _ in range(25):
        world.step(policies[0](world))
        target = policies[1](gym)
        assert gym.action_space.contains(target)
        gym.step(target)
        # Equal up to the float32 rounding of actions and targets.
        np.testing.assert_allclose(gym.position("agent"), world.position("agent"), atol=0.05)


def test_places_of_the_outline() -> None:
    points, inwards = outline_places(rng(0).random(400))
    np.testing.assert_allclose(np.linalg.norm(inwards, axis=1), 1)
    upright = (np.zeros(2), 0.0)
    on_edge = shapes.gap(points, upright) + shapes.AGENT_RADIUS
    np.testing.assert_allclose(on_edge, 0, atol=1e-9)
    inside = shapes.gap(points + 1e-3 * inwards, upright) + shapes.AGENT_RADIUS
    assert (inside < 0).all()
    left, right = (points[:, 0] < 0).mean(), (points[:, 0] > 0).mean()
    assert left == pytest.approx(right, abs=0.12)
    assert outline_places(np.array([0.0, 1.0]))[0].tolist() == [[-60, 0], [-60, 0]]


def test_the_way_around_keeps_off_the_block() -> None:
    """From behind the block to its front: along the circle, not straight through."""
    centre, agent, aim = np.array([256.0, 256.0]), np.array([146.0, 250.0]), np.array([370.0, 256])
    walked = [agent]
    for _ in range(400):
        ahead = around(agent, aim, centre) - agent
        if np.hypot(*ahead) < 3:
            break
        agent = agent + 3 * ahead / np.hypot(*ahead)
        walked.append(agent)
    assert np.hypot(*(agent - aim)) < 4
    off = np.linalg.norm(np.array(walked) - centre, axis=1)
    assert off.min() > 76  # farther than its corners reach
    near = centre + np.array([0.0, 110.0])
    np.testing.assert_array_equal(around(near, near + 5, centre), near + 5)
