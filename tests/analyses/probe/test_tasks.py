import numpy as np
import pytest

from lewm_probe.analyses.probe.tasks import Splits, probe_trajectories, questions, tasks_of
from lewm_probe.core.errors import UsageError
from lewm_probe.worlds.base import Quantity

QUANTITIES = {
    "agent_position": Quantity("px", ("x", "y")),
    "agent_velocity": Quantity("px/step", ("x", "y"), "velocity"),
    "goal_position": Quantity("px", ("x", "y")),
}


def states(still=()):
    rng = np.random.default_rng(0)
    found = []
    for n in (9, 4, 5):
        state = {name: rng.uniform(0, 200, (n, 6, 2)) for name in QUANTITIES}
        for name in still:
            state[name][...] = 112.0
        found.append(state)
    return Splits(*found)


def views():
    return {
        name: Splits(*(np.random.default_rng(n).normal(size=(n, 6, 3)) for n in (9, 4, 5)))
        for name in ("z", "cls")
    }


def test_splits_are_of_the_suites_sizes_and_disjoint(suite):
    data = probe_trajectories(suite, 64)
    assert [len(t) for t in data.as_list()] == [12, 100, 5]
    assert data.train.frames == suite.probe.frames
    ids = [i for t in data.as_list() for i in t.ids]
    assert len(set(ids)) == len(ids)


def test_who_is_asked_what():
    asked = questions(states(), QUANTITIES, list(QUANTITIES))
    tasks = {task.features: task for task in tasks_of(views(), asked)}
    assert list(tasks) == ["z", "cls", "z_triplet", "dz"]
    names = {f: [t.train.name for t in task.targets] for f, task in tasks.items()}
    assert names["z"] == names["cls"] == list(QUANTITIES)
    assert names["z_triplet"] == ["agent_velocity"]
    assert names["dz"] == ["agent_position_change", "goal_position_change"]
    assert tasks["z_triplet"].views.train.shape == (9, 6, 9)
    assert tasks["dz"].views.test.shape == (5, 6, 3)


def test_single_frame_and_triplet_see_the_same_frames_of_a_velocity():
    asked = questions(states(), QUANTITIES, ["agent_velocity"])
    (velocity,) = asked.single
    assert asked.velocities == (velocity,)
    for split in velocity.as_list():
        assert np.isnan(split.values[:, :2]).all() and np.isfinite(split.values[:, 2:]).all()


def test_only_near_constant_targets_are_left_out():
    found = states(still=["goal_position"])
    found.train["agent_position"][..., 1] = 50.0
    asked = questions(found, QUANTITIES, list(QUANTITIES))
    assert [t.train.name for t in asked.single] == ["agent_position", "agent_velocity"]
    position = asked.single[0]
    assert [t.axes for t in position.as_list()] == [("x",)] * 3
    np.testing.assert_array_equal(
        position.test.values[..., 0], found.test["agent_position"][..., 0]
    )
    assert asked.left_out == tuple(
        f"Probe target {name} hardly varies in the training trajectories and was left out."
        for name in (
            "agent_position (y)",
            "goal_position (x, y)",
            "agent_position_change (y)",
            "goal_position_change (x, y)",
        )
    )


def test_an_unknown_quantity():
    with pytest.raises(UsageError) as error:
        questions(states(), QUANTITIES, ["block_angle"])
    assert str(error.value) == (
        "Unknown quantity 'block_angle'. Known: agent_position, agent_velocity, goal_position."
    )
