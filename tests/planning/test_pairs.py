from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.planning.pairs import begin, distances, hash_of, solved_at_start, unit_of
from lewm_probe.worlds import make_world
from lewm_probe.worlds.base import NotOffered


@pytest.mark.parametrize("name", ["two-room", "push-t"])
def test_recorded_actions_lead_from_start_to_goal(name, make_pair):
    world, pair = make_world(name), make_pair(name, seed=3, policy="expert")
    begin(world, pair)
    for block in pair.actions:
        for action in block.reshape(world.frame_skip, -1):
            world.step(action)
    assert distances(world, [world.snapshot()], pair) == pytest.approx(0, abs=1e-4)
    begin(world, pair)
    world.restore(pair.goal)
    world.aim_at(pair.goal)
    assert all(world.reached(rule) for rule in world.rules)


def test_a_pair_is_known_by_all_that_it_is(make_pair):
    one, other = make_pair("two-room", 1), make_pair("two-room", 2)
    assert one.id == make_pair("two-room", 1).id != other.id
    assert replace(one, before=one.before + 1).id != one.id
    assert hash_of([one.id, other.id]) == hash_of([other.id, one.id]) != hash_of([one.id])


def test_distances_are_those_of_all_bodies_together(make_pair):
    world, pair = make_world("push-t"), make_pair("push-t", 4)
    world.restore(pair.start)
    before = np.concatenate([world.position("agent"), world.position("block")])
    world.restore(pair.goal)
    after = np.concatenate([world.position("agent"), world.position("block")])
    found = distances(world, [pair.start, pair.goal], pair)
    np.testing.assert_allclose(found, [np.linalg.norm(after - before), 0])
    assert unit_of(world) == "units"


def test_what_holds_at_the_start_is_named(make_pair):
    world, pair = make_world("two-room"), make_pair("two-room", 5)
    assert solved_at_start(world, replace(pair, goal=pair.start)) == ["released", "strict"]
    far = {**pair.goal, "agent": np.array([190, 190], np.float32)}
    assert solved_at_start(world, replace(pair, goal=far)) == []


def test_a_goal_outside_the_arena_is_refused(make_pair):
    world, pair = make_world("two-room"), make_pair("two-room", 5)
    outside = {**pair.goal, "agent": np.array([400, 50], np.float32)}
    with pytest.raises(UserError, match=r"The agent cannot start at \(400, 50\)"):
        begin(world, replace(pair, goal=outside))
    world, pair = make_world("push-t"), make_pair("push-t", 5)
    block = pair.goal["block"].copy()
    block[13] = 900.0
    message = (
        "This snapshot is no state that push-t can be in: its block is at (900, "
        f"{block[14]:g}), beyond the arena of 512 units. Take one that the world itself gave."
    )
    with pytest.raises(UserError) as caught:
        begin(world, replace(pair, goal={**pair.goal, "block": block}))
    assert str(caught.value) == message


def test_a_world_without_goals_that_are_states_says_so(make_pair):
    world = make_world("push-t-gym")
    message = (
        "push-t-gym does not offer goals that are states: planning needs them. Give the world's "
        "class a method aim_at()."
    )
    with pytest.raises(NotOffered) as caught:
        begin(world, make_pair("push-t", 1))
    assert str(caught.value) == message
