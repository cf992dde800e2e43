from __future__ import annotations

import numpy as np
import pytest

from lewm_probe.analyses.engine.asked import trajectories as trajectories_module
from lewm_probe.analyses.engine.asked.trajectories import collect_trajectories, suite_trajectories
from lewm_probe.core.errors import UserError
from lewm_probe.worlds import make_world


@pytest.fixture(scope="module")
def recorded():
    return collect_trajectories("two-room", 6, 30, size=32, seed=5, purpose="test")


def test_shapes_and_types(recorded):
    assert recorded.pixels.shape == (6, 30, 32, 32, 3)
    assert recorded.pixels.dtype == np.uint8
    assert recorded.actions.shape == (6, 30, 10)
    assert recorded.actions.dtype == np.float32
    assert (len(recorded), recorded.frames, recorded.size) == (6, 30, 32)
    assert set(recorded.state) == {"agent_position", "agent_velocity", "goal_position"}
    assert all(v.shape == (6, 30, 2) for v in recorded.state.values())
    assert len(set(recorded.ids)) == 6


def test_replaying_the_blocks_gives_states_and_images(recorded):
    """An independent replay: from the first snapshot alone, by the plain world interface."""
    world = make_world("two-room")
    world.reset(seed=0)
    for i in range(3):
        world.restore(recorded.snapshots[i][0])
        for t in range(recorded.frames):
            np.testing.assert_array_equal(world.render(32), recorded.pixels[i, t])
            position = recorded.state["agent_position"][i, t]
            np.testing.assert_array_equal(world.position("agent"), position)
            if t:
                moved = position - recorded.state["agent_position"][i, t - 1]
                velocity = recorded.state["agent_velocity"][i, t]
                np.testing.assert_allclose(velocity, moved / 5, atol=1e-4)
            for action in recorded.actions[i, t].reshape(5, 2):
                world.step(action)


def test_fixed_length_goes_on_to_a_new_goal(recorded):
    goals = recorded.state["goal_position"]
    changed = (np.diff(goals, axis=1) != 0).any(-1).sum(1)
    assert changed.sum() > 0
    assert [len(c) for c in recorded.goal_changes] >= changed.tolist()
    assert np.abs(np.diff(recorded.state["agent_position"], axis=1)).max() > 0


def test_a_trajectory_depends_on_seed_purpose_and_number_only(recorded):
    fewer = collect_trajectories("two-room", 2, 30, size=32, seed=5, purpose="test")
    assert fewer.ids == recorded.ids[:2]
    np.testing.assert_array_equal(fewer.pixels, recorded.pixels[:2])
    for changes in ({"seed": 6}, {"purpose": "other"}):
        other = collect_trajectories(
            "two-room", 2, 30, **{"size": 32, "seed": 5, "purpose": "test", **changes}
        )
        assert not set(other.ids) & set(recorded.ids)


def test_ids_and_states_do_not_depend_on_image_size(recorded):
    other = collect_trajectories("two-room", 6, 30, size=16, seed=5, purpose="test")
    assert other.ids == recorded.ids
    again = recorded.at_size(16)
    np.testing.assert_array_equal(again.pixels, other.pixels)
    assert recorded.at_size(32) is recorded


def test_equal_requests_are_collected_once_and_shared_arrays_are_read_only(recorded, monkeypatch):
    again = collect_trajectories("two-room", 6, 30, size=32, seed=5, purpose="test")
    assert again is recorded
    with pytest.raises(ValueError, match="read-only"):
        recorded.pixels[0] = 0
    monkeypatch.setattr(trajectories_module, "MEMORY", 0)
    small = {"size": 8, "seed": 5, "purpose": "forgotten"}
    first = collect_trajectories("two-room", 1, 2, **small)
    assert collect_trajectories("two-room", 1, 2, **small) is not first


def test_take(recorded):
    some = recorded.take([4, 1])
    assert some.ids == (recorded.ids[4], recorded.ids[1])
    np.testing.assert_array_equal(some.actions, recorded.actions[[4, 1]])
    np.testing.assert_array_equal(
        some.state["agent_position"][0], recorded.state["agent_position"][4]
    )
    assert some.goal_changes[1] == recorded.goal_changes[1]


def test_goal_mode_keeps_one_goal_and_never_arrives_early():
    found = collect_trajectories("two-room", 5, 8, size=8, seed=1, purpose="goal", mode="goal")
    goals, agents = found.state["goal_position"], found.state["agent_position"]
    assert (goals == goals[:, :1]).all()
    assert (np.linalg.norm(goals - agents, axis=-1) >= 16).all()
    assert all(c == () for c in found.goal_changes)


def test_goal_mode_refuses_an_impossible_length(monkeypatch):
    monkeypatch.setattr(trajectories_module, "REDRAWS", 2)
    with pytest.raises(UserError) as error:
        collect_trajectories("two-room", 1, 100, size=8, seed=1, purpose="goal", mode="goal")
    assert str(error.value) == (
        "None of 2 episodes of two-room that end at their goal has 100 frames (500 steps). Lower "
        "probe.frames in the suite, or set probe.episodes to fixed."
    )


def test_suite_trajectories_follow_the_suite(suite):
    train = suite_trajectories(suite, 16, "probe-train")
    disjoint = suite_trajectories(suite, 16, "disjoint")
    matched = suite_trajectories(suite, 16, "voe")
    assert [len(t) for t in (train, disjoint, matched)] == [12, 20, 24]
    assert [t.frames for t in (train, disjoint, matched)] == [8, 10, 10]
    assert not set(disjoint.ids) & set(matched.ids)
