from __future__ import annotations

import numpy as np
import pytest

from lewm_probe.analyses.plan.drawing import all_pairs, drawn_pairs
from lewm_probe.analyses.plan.settings import PlanSettings
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.planning.pairs import begin, distances
from lewm_probe.worlds import make_world
from lewm_probe.worlds.base import NotOffered, World


@pytest.fixture(scope="module")
def world():
    return make_world("two-room")


def settings(**changes) -> PlanSettings:
    return PlanSettings.model_validate({"pairs": 6, "evaluations": 2, **changes})


def test_pairs_follow_from_the_seed_alone(world, suite):
    one = drawn_pairs(world, suite, settings(), 3)
    assert one.ids == drawn_pairs(world, suite, settings(), 3).ids
    assert one.ids[:4] == drawn_pairs(world, suite, settings(pairs=4), 3).ids
    assert not set(one.ids) & set(drawn_pairs(world, suite, settings(), 4).ids)


def test_what_was_recorded_lies_between_start_and_goal(world, suite):
    found = drawn_pairs(world, suite, settings(), 3)
    assert len(found) == 6 and found.steps == 25
    for pair in found.pairs:
        begin(world, pair)
        assert not any(world.reached(rule) for rule in world.rules)
        for action in pair.actions.reshape(25, 2):
            world.step(action)
        assert distances(world, [world.snapshot()], pair) == pytest.approx(0, abs=1e-4)


def test_pairs_solved_at_the_start_are_counted_and_left_out(world, suite):
    near = settings(pairs=12, steps=5)  # one block: often still within 16 px
    found = drawn_pairs(world, suite, near, 3)
    assert found.solved["released"] > found.solved["strict"] > 0
    assert found.drawn == len(found) + found.solved["released"] + found.refused


def test_where_hardly_any_pair_is_unsolved_the_search_ends(world, suite):
    class Easy(type(world)):
        def reached(self, rule="released"):
            return True

    message = (
        "Of 80 start-goal pairs 25 steps apart in two-room, only 0 are unsolved at the start, and "
        "2 were asked for. Raise plan.steps in the suite, ask for fewer pairs, or name another "
        "plan.policy."
    )
    with pytest.raises(UserError) as caught:
        drawn_pairs(Easy(), suite, settings(pairs=2), 3)
    assert str(caught.value) == message


def test_a_file_is_written_once_and_read_ever_after(world, suite, tmp_path):
    path = tmp_path / "pairs.json"
    asked = settings(pairs_file=str(path))
    made = all_pairs(world, suite, asked)
    text = path.read_text()
    again = all_pairs(world, suite, asked.model_copy(update={"pairs": 4}))
    assert [one.ids for one in again] == [one.ids[:4] for one in made]
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("changes", "seed", "message"),
    [
        (
            {},
            9,
            "{path} holds pairs of the evaluation seeds 3, 4, and 9, 10 are asked for. Give --seed "
            "3 and plan.evaluations 2, or another file.",
        ),
        (
            {"steps": 30},
            3,
            "{path} holds pairs 25 steps apart of the policy 'expert', and 30 steps of 'expert' "
            "are asked for. Change plan.steps and plan.policy in the suite, or give another file.",
        ),
        (
            {"pairs": 7},
            3,
            "{path} holds 6 pairs of each evaluation seed, and 7 are asked for. Ask for 6 with "
            "--episodes, or give another file.",
        ),
    ],
)
def test_a_file_of_other_pairs_is_refused(world, suite, tmp_path, changes, seed, message):
    path = tmp_path / "pairs.json"
    all_pairs(world, suite, settings(pairs_file=str(path)))
    asked = settings(pairs_file=str(path), **changes)
    with pytest.raises(UserError) as caught:
        all_pairs(world, suite.model_copy(update={"seed": seed}), asked)
    assert str(caught.value) == message.format(path=path)


def test_worlds_that_cannot_be_tried_are_refused_before_anything(world, suite):
    class Recorded(type(world)):
        replays = True

    class NoGoals(type(world)):
        def aim_at(self, snapshot):
            World.aim_at(self, snapshot)

    with pytest.raises(UsageError) as caught:
        all_pairs(Recorded(), suite, settings())
    assert str(caught.value) == (
        "Planning tries actions out, and two-room holds recorded episodes without a simulator. "
        "Plan in the simulated world with --world."
    )
    with pytest.raises(NotOffered, match="two-room does not offer goals that are states"):
        all_pairs(NoGoals(), suite, settings())
    with pytest.raises(UsageError) as caught:
        all_pairs(world, suite, settings(budget=52))
    assert str(caught.value) == (
        "plan.budget is 52, which is no multiple of the 5 steps of a block in two-room. Choose "
        "one that is."
    )


def test_push_t_draws_pairs_within_its_arena(suite):
    world = make_world("push-t")
    asked = settings(pairs=5, policy="mixed")
    found = drawn_pairs(world, suite.model_copy(update={"world": "push-t"}), asked, 3)
    for pair in found.pairs:
        for moment in (pair.start, pair.goal):
            assert (moment["block"][13:15] >= 0).all() and (moment["block"][13:15] <= 512).all()
    assert found.solved["strict"] > 0  # the block often stays where it is
    assert np.isfinite([pair.actions for pair in found.pairs]).all()
