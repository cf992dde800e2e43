"""A planner with a model that knows the world: it arrives, whoever else is planned for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lewm_probe.planning.agents import OtherGoal, Planner
from lewm_probe.planning.control import control
from lewm_probe.planning.costs import Imagined, TrueDynamics, TrueState
from lewm_probe.planning.solvers import SOLVERS
from lewm_probe.planning.space import PlanSpace
from lewm_probe.worlds import make_world
from tests.planning.conftest import pair_of

BUDGET = 30


@pytest.fixture(scope="module")
def world():
    return make_world("two-room")


@pytest.fixture(scope="module")
def pairs():
    """Within a room: free motion is all there is to know, and the double knows no walls."""
    found = []
    for seed in range(60):
        pair = pair_of("two-room", seed, blocks=5)
        one, other = pair.start["agent"], pair.goal["agent"]
        if (one[0] < 95 and other[0] < 95) or (one[0] > 129 and other[0] > 129):
            found.append(pair)
    return found[:12]


def planner(judge, world, batch=50, solver="cem", **settings) -> Planner:
    chosen = SOLVERS.get(solver)
    asked = chosen.settings(**{"samples": 64, "iterations": 5, "elites": 8, **settings})
    space = PlanSpace.of(world.action_space, 5, np.zeros(2), np.full(2, 0.6))
    return Planner(chosen, asked, judge, space.to("cpu", torch.float32), 3, 3, seed=5, batch=batch)


@pytest.fixture(scope="module")
def oracle(doubles):
    return doubles["oracle"]()


def outcomes(agent, world, pairs):
    return control(world, pairs, agent, BUDGET)


def test_a_model_that_knows_the_world_reaches_every_goal(oracle, world, pairs):
    agent = planner(Imagined(oracle, world, 2), world)
    found = outcomes(agent, world, pairs)
    assert all(one.success("strict", "end") for one in found)
    assert len(agent.seconds) == len(agent.costs) == 2 * len(pairs)
    assert max(agent.costs[len(pairs) :]) < 30  # px², of second plans, whose goals are near


def test_outcomes_do_not_depend_on_the_batch(oracle, world, pairs):
    judged = [planner(Imagined(oracle, world, 2), world, batch=b) for b in (1, 5, 50)]
    found = [outcomes(agent, world, pairs) for agent in judged]
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            np.testing.assert_allclose(one.blocks, same.blocks, atol=1e-5)
    few = outcomes(judged[0], world, pairs[3:5])
    np.testing.assert_array_equal(few[0].blocks, found[0][3].blocks)


def test_another_seed_draws_other_plans(oracle, world, pairs):
    agent, other = (planner(Imagined(oracle, world, 2), world) for _ in range(2))
    other.seed = 6
    one, same = (outcomes(a, world, pairs[:2]) for a in (agent, other))
    assert not np.array_equal(one[0].blocks, same[0].blocks)


def test_shown_other_goals_it_reaches_those(oracle, world, pairs):
    some = pairs[:4]
    shown = {one.id: some[(k + 1) % 4] for k, one in enumerate(some)}
    found = outcomes(OtherGoal(planner(Imagined(oracle, world, 2), world), shown), world, some)
    for one, pair in zip(found, some, strict=True):
        end = one.moments[-1]["agent"]
        aim, own = shown[pair.id].goal["agent"], pair.goal["agent"]
        same_room = (pair.start["agent"][0] < 112) == (aim[0] < 112)
        if same_room and np.linalg.norm(aim - pair.start["agent"]) < 60:
            assert np.linalg.norm(end - aim) < min(12, np.linalg.norm(end - own) + 12)


def test_true_dynamics_and_true_state_reach_goals_as_well(oracle, world, pairs):
    imagined = Imagined(oracle, world, 2)
    for judge in (TrueDynamics(imagined), TrueState(world)):
        agent = planner(judge, world, samples=24, iterations=4, elites=5)
        found = outcomes(agent, world, pairs[:3])
        assert all(one.success("released", "any") for one in found)


def test_the_history_of_a_plan_is_what_was_really_done(oracle, world, pairs):
    class Watched(Imagined):
        lengths: list[tuple[int, int]] = []

        def context(self, attempts):
            latents, past = super().context(attempts)
            self.lengths.append((latents.shape[1], past.shape[1]))
            true = np.stack([one.moments[-1]["agent"] for one in attempts])
            np.testing.assert_allclose(latents[:, -1], true, atol=1.0)  # px of a 64 px image
            if past.shape[1]:
                done = np.stack([one.blocks[-1] for one in attempts])
                np.testing.assert_array_equal(past[:, -1].numpy(), done)
            return latents, past

    outcomes(planner(Watched(oracle, world, 2), world), world, pairs[:3])
    assert Watched.lengths == [(1, 0), (2, 1)]
    Watched.lengths.clear()
    outcomes(planner(Watched(oracle, world, 1), world), world, pairs[:3])
    assert Watched.lengths == [(1, 0), (1, 0)]


def test_goals_and_frames_are_encoded_once(world, pairs, doubles):
    class Counting(doubles["oracle"]):
        frames = 0

        def encode(self, observation):
            self.frames += observation.shape[0] * observation.shape[1]
            return super().encode(observation)

    model = Counting()
    outcomes(planner(Imagined(model, world, 2), world), world, pairs[:3])
    # Each pair: its goal, its start, and the three frames that the first plan led through.
    assert model.frames == 3 * (1 + 1 + 3)


@pytest.mark.parametrize("precision", [torch.float64, torch.float32])
def test_a_networks_outcomes_do_not_depend_on_the_batch(make_lewm, world, pairs, precision):
    model = make_lewm(seed=3)
    for part in (model.predictor, model.action_encoder, model.pred_proj):  # images stay single
        part.to(precision)
    model.action_mean, model.action_std = (
        one.to(precision) for one in (model.action_mean, model.action_std)
    )
    found = []
    for batch in (1, 7, 50):
        judge = Imagined(model, world, model.spec.history, precision)
        agent = planner(judge, world, batch=batch, samples=16, iterations=3, elites=4)
        agent.space = agent.space.to("cpu", precision)
        found.append(outcomes(agent, world, pairs[:8]))
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            # Sums of other lengths are rounded otherwise; nothing else may differ.
            atol = 1e-6 if precision == torch.float64 else 1e-3
            np.testing.assert_allclose(one.blocks, same.blocks, atol=atol)
            assert one.reached["released"].tolist() == same.reached["released"].tolist()
