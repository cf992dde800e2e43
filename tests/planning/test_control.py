from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.planning.agents import CopyAction, DoNothing, RandomPolicy, RecordedActions
from lewm_probe.planning.control import control
from lewm_probe.worlds import make_world


class Given:
    """Does the same blocks for all."""

    name: ClassVar[str] = "given"

    def __init__(self, blocks):
        self.blocks = np.asarray(blocks, np.float32)
        self.seen = []

    def act(self, attempts):
        self.seen.append([(one.replans, len(one.moments), len(one.blocks)) for one in attempts])
        return np.broadcast_to(self.blocks, (len(attempts), *self.blocks.shape))


def test_a_plan_is_done_as_far_as_the_budget_goes_then_asked_for_anew(make_pair):
    world = make_world("two-room")
    pairs = [make_pair("two-room", seed) for seed in (1, 2)]
    agent = Given(np.zeros((2, 10)))
    outcomes = control(world, pairs, agent, budget=25)
    assert agent.seen == [[(0, 1, 0)] * 2, [(1, 3, 2)] * 2, [(2, 5, 4)] * 2]
    assert [len(one.blocks) for one in outcomes] == [5, 5]
    assert outcomes[0].distances.shape == (6,)
    assert {len(held) for held in outcomes[0].reached.values()} == {25}


@pytest.mark.parametrize("name", ["two-room", "push-t"])
def test_recorded_actions_solve_what_they_were_recorded_of(name, make_pair):
    world = make_world(name)
    pairs = [make_pair(name, seed) for seed in (3, 4, 5)]
    outcomes = control(world, pairs, RecordedActions(DoNothing(world)), budget=30)
    for one in outcomes:
        assert one.distances[3] == pytest.approx(0, abs=1e-3)
        assert one.success("released", "any")


def test_the_strict_rule_of_push_t_has_to_hold_for_three_steps(make_pair):
    world = make_world("push-t")
    pair = make_pair("push-t", 6, policy="random")
    world.restore(pair.start)
    still = np.tile(np.zeros(2), (1, 5)).reshape(1, -1)
    pair = type(pair)(pair.start, pair.start, pair.before, pair.actions)
    (outcome,) = control(world, [pair], Given(still), budget=5)
    held = outcome.reached["strict"].tolist()
    assert held[:2] == [False, False] and held[2]
    assert outcome.steps("strict") == 3 and outcome.steps("released") == 1


def test_success_at_the_end_is_not_success_on_the_way(make_pair):
    world = make_world("two-room")
    pair = make_pair("two-room", 7)
    start = pair.start["agent"]
    aim = {**pair.goal, "agent": start + np.array([0, 20 if start[1] < 110 else -20], np.float32)}
    pair = type(pair)(pair.start, aim, pair.before, pair.actions)
    down = np.tile([0.0, np.sign(aim["agent"][1] - start[1])], 5)
    (outcome,) = control(world, [pair], Given(down[None]), budget=50)
    assert outcome.success("released", "any") and not outcome.success("released", "end")
    assert outcome.success("strict", "any") and outcome.steps("strict") == 3


def test_actions_are_clipped_and_choices_of_others_do_not_matter(make_pair):
    world = make_world("two-room")
    pair = make_pair("two-room", 1)
    wide, most = (control(world, [pair], Given(np.full((1, 10), v)), 10)[0] for v in (9.0, 1.0))
    np.testing.assert_array_equal(wide.distances, most.distances)


def test_floors_without_a_model(make_pair):
    world = make_world("two-room")
    pairs = [make_pair("two-room", seed) for seed in range(3)]
    still = control(world, pairs, DoNothing(world), 20)
    for one in still:
        assert np.ptp(one.distances) == 0
    copied = control(world, pairs, CopyAction(), 20)
    np.testing.assert_array_equal(copied[1].blocks, np.tile(pairs[1].before, (4, 1)))
    together = control(world, pairs, RandomPolicy(world, 3), 20)
    alone = control(world, pairs[2:], RandomPolicy(world, 3), 20)
    np.testing.assert_array_equal(together[2].blocks, alone[0].blocks)
    assert np.unique(together[2].blocks).size == 40  # new ones each block
    assert not np.array_equal(
        control(world, pairs, RandomPolicy(world, 4), 20)[0].blocks, together[0].blocks
    )


def test_plans_of_another_width_and_what_is_not_finite_are_refused(make_pair):
    world, pair = make_world("two-room"), make_pair("two-room", 1)
    message = (
        "The agent 'given' gave plans of the shape (1, 1, 4), but for 1 pairs in two-room blocks "
        "of 10 numbers were expected. Plan in the world that the model was trained on."
    )
    with pytest.raises(UserError) as caught:
        control(world, [pair], Given(np.zeros((1, 4))), 10)
    assert str(caught.value) == message
    message = (
        "The agent 'given' gave actions that are not finite. Look for a model whose latents or "
        "costs are not."
    )
    with pytest.raises(UserError) as caught:
        control(world, [pair], Given(np.full((1, 10), np.nan)), 10)
    assert str(caught.value) == message
