from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.worlds.two_room import env
from lewm_probe.worlds.two_room.env import TwoRoom
from lewm_probe.worlds.two_room.floor import is_free

GOLDEN = Path(__file__).parents[2] / "golden" / "worlds" / "two-room.npz"

seeds = st.integers(0, 2**31 - 1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def actions(seed: int, count: int) -> np.ndarray:
    return rng(seed).uniform(-1, 1, (count, 2)).astype(np.float32)


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for key in one:
        assert one[key].dtype == other[key].dtype
        np.testing.assert_array_equal(one[key], other[key])


def at(x: float, y: float, goal: tuple[float, float] = (164, 112), speed: float = 5.0) -> TwoRoom:
    world = TwoRoom(speed)
    world.reset(seed=0, options={"agent": (x, y), "goal": goal})
    return world


# The published environment ------------------------------------------------------------------------


def test_golden_states_and_images() -> None:
    golden = np.load(GOLDEN)
    world = TwoRoom()
    world.reset(options={"agent": golden["info_state"][0], "goal": golden["info_goal_state"][0]})
    for index, action in enumerate(golden["action"]):
        np.testing.assert_array_equal(world.position("agent"), golden["info_state"][index])
        np.testing.assert_allclose(
            world.columns()["distance_to_target"],
            golden["info_distance_to_target"][index],
            atol=1e-4,
        )
        off = world.render().astype(int) - golden["pixels"][index]
        assert np.abs(off).max() <= 1
        assert (off != 0).mean() < 0.05
        _, reward, terminated, truncated, _ = world.step(action)
        assert (reward, terminated, truncated) == (0.0, False, False)


def test_gymnasium_interface() -> None:
    check_env(TwoRoom(), skip_render_check=True)


def test_released_columns() -> None:
    world = at(60, 112, goal=(164, 112))
    columns = world.columns()
    assert {name: (value.shape, value.dtype.name) for name, value in columns.items()} == {
        "proprio": ((2,), "float32"),
        "pos_agent": ((2,), "float32"),
        "pos_target": ((2,), "float32"),
        "observation": ((10,), "float64"),
        "distance_to_target": ((), "float64"),
    }
    np.testing.assert_array_equal(columns["pos_agent"], [60, 112])
    np.testing.assert_array_equal(columns["pos_target"], [164, 112])
    np.testing.assert_array_equal(columns["observation"], [60, 112, 164, 112, 112, 49, 0, 0, 0, 0])
    assert columns["distance_to_target"] == 104


def test_success_within_sixteen_pixels() -> None:
    world = at(60, 112, goal=(81.5, 112))
    assert not world.success()
    assert not world.step(np.array([1.0, 0.0]))[2]  # 16.5 px
    assert world.step(np.array([0.2, 0.0]))[2]  # 15.5 px
    assert world.success()
    assert not at(60, 112, goal=(76, 112)).success()  # exactly 16


def test_actions_are_clipped_and_move_five_pixels() -> None:
    world = at(60, 112)
    world.step(np.array([3.0, -0.5]))
    np.testing.assert_array_equal(world.position("agent"), [65, 109.5])
    world.step(np.array([1e300, 0]))
    np.testing.assert_array_equal(world.position("agent"), [70, 109.5])


# Physics ------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(seeds, st.floats(0.1, 1e6))
def test_never_through_the_wall_at_any_speed(seed: int, speed: float) -> None:
    world = TwoRoom(speed)
    world.reset(seed=seed)
    for action in actions(seed, 30):
        x, y = world.position("agent")
        world.step(action)
        end_x, end_y = world.position("agent")
        assert is_free(end_x, end_y)
        heights = sorted((y, end_y))
        if heights[1] < 33.25 or heights[0] > 64.75:  # the door was never passed
            assert (x < 112) == (end_x < 112)


def test_velocity_is_the_mean_displacement_of_the_last_five_steps() -> None:
    world = at(60, 112)
    positions = [world.position("agent")]
    np.testing.assert_array_equal(world.physical_state()["agent_velocity"], [0, 0])
    for action in actions(1, 12):
        world.step(action)
        positions.append(world.position("agent"))
        span = positions[-6:]
        np.testing.assert_allclose(
            world.physical_state()["agent_velocity"], (span[-1] - span[0]) / 5, atol=1e-12
        )


def test_physical_state_matches_its_declaration() -> None:
    world = at(60, 112)
    state = world.physical_state()
    assert state.keys() == world.quantities.keys()
    for name, quantity in world.quantities.items():
        assert state[name].shape == (len(quantity.axes),)
        assert state[name].dtype == np.float64


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_the_seed_decides_everything(seed: int) -> None:
    one, other = TwoRoom(), TwoRoom()
    for world in (one, other):
        world.reset(seed=seed)
        for action in actions(seed, 20):
            world.step(action)
        world.teleport("agent", rng(seed))
        world.new_goal(rng(seed))
    same(one.snapshot(), other.snapshot())
    np.testing.assert_array_equal(one.render(32), other.render(32))
    one.reset()  # and on with the world's own stream
    other.reset()
    same(one.snapshot(), other.snapshot())


def test_given_places_leave_the_rest_of_the_draw_alone() -> None:
    world = TwoRoom()
    world.reset(seed=11)
    start = world.position("agent")
    goal = world.goal
    world.reset(seed=11, options={"agent": start})
    np.testing.assert_array_equal(world.goal, goal)
    world.reset(seed=11, options={"goal": (30, 30)})
    np.testing.assert_array_equal(world.position("agent"), start)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_goals_lie_in_the_other_room_and_not_too_near(seed: int) -> None:
    world = TwoRoom()
    world.reset(seed=seed)
    world.teleport("agent", rng(seed))
    world.new_goal(rng(seed))
    agent, goal, door = world.position("agent"), world.goal, np.array([112, 49])
    assert (agent[0] > 112) != (goal[0] > 112)
    assert np.hypot(*(agent - door)) + np.hypot(*(goal - door)) >= 125
    assert is_free(*goal)


# Snapshots ----------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(0, 12), st.booleans())
def test_restoring_brings_back_everything(seed: int, before: int, frozen: bool) -> None:
    world = TwoRoom()
    world.reset(seed=seed)
    for action in actions(seed, before):
        world.step(action)
    world.recolor("agent", (0, 0, 255))
    if frozen:
        world.freeze("agent")

    def play() -> list[dict[str, np.ndarray]]:
        seen = []
        for action in actions(seed + 1, 8):
            world.step(action)
            seen.append(world.physical_state() | {"picture": world.render(16)})
        return seen

    snapshot = world.snapshot()
    kept = {key: value.copy() for key, value in snapshot.items()}
    first = play()
    world.teleport("agent", rng(seed))
    world.recolor("background", (1, 2, 3))
    world.recolor("wall", (4, 5, 6))
    world.freeze("agent")
    world.new_goal(rng(seed))
    same(snapshot, kept)  # a snapshot does not follow the world
    world.restore(snapshot)
    same(world.snapshot(), kept)
    for one, other in zip(first, play(), strict=True):
        same(one, other)
    same(snapshot, kept)  # nor does the world write into it


def test_a_foreign_snapshot_is_refused() -> None:
    with pytest.raises(UserError) as error:
        TwoRoom().restore({"qpos": np.zeros(3)})
    assert str(error.value) == (
        "This snapshot holds qpos; one of two-room holds agent, colors, frozen, ghost, goal, "
        "moves. Restore it in the world it came from."
    )


def test_batched_images_equal_single_ones_and_leave_the_world_alone() -> None:
    world = TwoRoom()
    world.reset(seed=2)
    snapshots, singles = [], []
    for index, action in enumerate(actions(2, 40)):
        world.step(action)
        if index == 20:
            world.recolor("agent", (0, 0, 255))
        snapshots.append(world.snapshot())
        singles.append(world.render(64))
    state = world.snapshot()
    np.testing.assert_array_equal(world.render_batch(snapshots, 64), singles)
    same(world.snapshot(), state)
    assert world.render_batch([], 64).shape == (0, 64, 64, 3)
    assert world.render(camera="default").shape == (224, 224, 3)


# Disturbances -------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_teleport_anywhere(seed: int) -> None:
    world = TwoRoom()
    world.reset(seed=seed)
    for action in actions(seed, 6):
        world.step(action)
    goal = world.goal
    world.teleport("agent", rng(seed))
    assert is_free(*world.position("agent"))
    np.testing.assert_array_equal(world.physical_state()["agent_velocity"], [0, 0])
    np.testing.assert_array_equal(world.goal, goal)


def test_teleports_are_uniform_over_free_places_doorway_included() -> None:
    world, generator = at(60, 112), rng(1)
    places = []
    for _ in range(4000):
        world.teleport("agent", generator)
        places.append(world.position("agent"))
    x, y = np.array(places).T
    rooms = 79 * 182
    doorway = 24 * 31.5
    assert (x <= 100).mean() == pytest.approx(rooms / (2 * rooms + doorway), abs=0.03)
    between = (x > 100) & (x < 124)
    assert between.mean() == pytest.approx(doorway / (2 * rooms + doorway), abs=0.012)
    assert y[~between].mean() == pytest.approx(112, abs=4)


@settings(max_examples=150, deadline=None)
@given(seeds, st.floats(0.5, 60))
def test_teleport_over_a_distance_the_wrong_way(seed: int, distance: float) -> None:
    world = TwoRoom()
    world.reset(seed=seed)
    for action in actions(seed, 5):
        world.step(action)
    origin = world.position("agent")
    motion = rng(seed).normal(size=2)
    try:
        world.teleport("agent", rng(seed), distance, away_from=motion)
    except UserError:  # a corner: checked below that there is indeed no free place
        angles = np.arctan2(motion[1], motion[0]) + np.linspace(0.51 * np.pi, 1.49 * np.pi, 300)
        x, y = origin[:, None] + distance * np.stack([np.cos(angles), np.sin(angles)])
        assert is_free(x, y).mean() < 0.02
        return
    moved = world.position("agent") - origin
    assert is_free(*world.position("agent"))
    assert np.hypot(*moved) == pytest.approx(distance, abs=1e-4)
    assert moved @ motion <= 0
    np.testing.assert_array_equal(world.physical_state()["agent_velocity"], [0, 0])


def test_teleport_over_a_distance_from_another_origin() -> None:
    directions = set()
    for seed in range(30):
        world = at(60, 112)
        world.teleport("agent", rng(seed), 9.0, origin=np.array([150.0, 100.0]))
        moved = world.position("agent") - (150, 100)
        assert np.hypot(*moved) == pytest.approx(9, abs=1e-4)
        directions.add(tuple(np.sign(moved)))
    assert len(directions) == 4


def test_teleport_passes_walls_but_never_lands_in_them() -> None:
    sides = set()
    for seed in range(60):
        world = at(95, 150)
        world.teleport("agent", rng(seed), 40.0)
        x, y = world.position("agent")
        assert is_free(x, y)
        sides.add(bool(x > 112))
    assert sides == {True, False}


def test_freezing_holds_the_agent_whatever_the_action() -> None:
    world = at(60, 112)
    world.step(np.array([1.0, 0.0]))
    world.freeze("agent")
    for action in actions(0, 5):
        world.step(action)
    np.testing.assert_array_equal(world.position("agent"), [65, 112])
    np.testing.assert_array_equal(world.physical_state()["agent_velocity"], [0, 0])
    world.reset(seed=0)
    start = world.position("agent")
    world.step(np.array([0.5, 0.5]))
    assert (world.position("agent") != start).any()


def test_recolouring_lasts_until_the_next_reset_and_changes_no_motion() -> None:
    world, plain = at(60, 112), at(60, 112)
    world.recolor("agent", (0, 0, 255))
    world.recolor("background", (200, 220, 255))
    world.recolor("wall", (10, 20, 30))
    for action in actions(0, 5):
        world.step(action)
        plain.step(action)
    np.testing.assert_array_equal(world.position("agent"), plain.position("agent"))
    image = world.render()
    x, y = np.rint(world.position("agent")).astype(int)
    np.testing.assert_allclose(image[y, x], (0, 0, 255), atol=1)
    np.testing.assert_array_equal(image[0, 0], (200, 220, 255))
    np.testing.assert_array_equal(image[150, 112], (10, 20, 30))
    np.testing.assert_array_equal(image[12, 200], (10, 20, 30))
    world.reset(seed=0, options={"agent": (60, 112)})
    np.testing.assert_array_equal(world.render(), at(60, 112).render())


# Bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "shown"),
    [
        ([np.nan, 0.0], "[nan, 0.0]"),
        ([0.0, np.inf], "[0.0, inf]"),
        ([1.0, 0.0, 0.0], "[1.0, 0.0, 0.0]"),
        (np.zeros((5, 2)), "of shape (5, 2)"),
        (["left", "up"], "['left', 'up']"),
    ],
)
def test_bad_actions(action, shown: str) -> None:
    world = at(60, 112)
    with pytest.raises(UserError) as error:
        world.step(action)
    assert str(error.value) == (
        f"The action {shown} cannot be taken: two-room expects two finite numbers, x and y from "
        "-1 to 1. Look for NaN or a wrong shape where it was made."
    )
    np.testing.assert_array_equal(world.position("agent"), [60, 112])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda world: world.teleport("agnet", rng()),
            "Unknown body 'agnet'. Did you mean 'agent'? Known: agent.",
        ),
        (
            lambda world: world.freeze("wall"),
            "Unknown body 'wall'. Known: agent.",
        ),
        (
            lambda world: world.position("block"),
            "Unknown body 'block'. Known: agent.",
        ),
        (
            lambda world: world.recolor("backround", (1, 2, 3)),
            "Unknown body or scenery 'backround'. Did you mean 'background'? "
            "Known: agent, background, wall.",
        ),
        (
            lambda world: world.recolor("agent", (256, 0, 0)),
            "(256, 0, 0) is not a colour: expected red, green and blue as whole numbers from 0 to "
            "255. Write for example (0, 0, 255) for blue.",
        ),
        (
            lambda world: world.recolor("agent", (0.5, 0.5, 0.5)),
            "(0.5, 0.5, 0.5) is not a colour: expected red, green and blue as whole numbers from 0 "
            "to 255. Write for example (0, 0, 255) for blue.",
        ),
        (
            lambda world: world.render(0),
            "An image of 0 px cannot be drawn: two-room draws squares of 1 to 224 px. "
            "Choose a size in between.",
        ),
        (
            lambda world: world.render_batch([world.snapshot()], 225),
            "An image of 225 px cannot be drawn: two-room draws squares of 1 to 224 px. "
            "Choose a size in between.",
        ),
        (
            lambda world: world.render(64, camera="top"),
            "Unknown camera 'top'. Known: default.",
        ),
        (
            lambda world: world.reset(options={"goals": (60, 112)}),
            "Unknown reset option 'goals'. Did you mean 'goal'? Known: agent, goal.",
        ),
        (
            lambda world: world.reset(options={"agent": (60, np.nan)}),
            "Reset option 'agent' is (60, nan): expected a place, x and y as finite numbers in px. "
            "Write for example (60, 112).",
        ),
        (
            lambda world: TwoRoom(speed=0),
            "A speed of 0 px a step cannot be: two-room expects a positive number. "
            "Leave it out for the published 5.",
        ),
    ],
)
def test_usage_errors(call, message: str) -> None:
    world = at(60, 112)
    before = world.snapshot()
    with pytest.raises(UsageError) as error:
        call(world)
    assert str(error.value) == message
    same(world.snapshot(), before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda world: world.reset(options={"agent": (112, 150)}),
            "The agent cannot start at (112, 150): expected a place within the border lines (14 to "
            "209 px) and, for the agent, out of the wall (x up to 100 or from 124 px, or in the "
            "doorway). Choose another place.",
        ),
        (
            lambda world: world.reset(options={"goal": (5, 150)}),
            "The goal cannot start at (5, 150): expected a place within the border lines (14 to "
            "209 px) and, for the agent, out of the wall (x up to 100 or from 124 px, or in the "
            "doorway). Choose another place.",
        ),
        (
            lambda world: world.teleport("agent", rng(), 500.0),
            "No free place lies 500 px from (60, 112): all 360 directions tried end in a wall or "
            "beyond the border of two-room. Choose another distance or another moment.",
        ),
        (
            lambda world: world.teleport(
                "agent",
                rng(),
                5.0,
                origin=np.array([21.0, 21.0]),
                away_from=np.array([1.0, 1.0]),
            ),
            "No free place lies 5 px from (21, 21) at 90° or more from the motion: all 360 "
            "directions tried end in a wall or beyond the border of two-room. Choose another "
            "distance or another moment.",
        ),
        (
            lambda world: world.teleport("agent", rng(), -1.0),
            "A teleport over -1.0 px from (60, 112) away from [0.0, 0.0] cannot be: expected "
            "finite numbers and a distance of 0 or more. Leave the distance out for a place "
            "anywhere.",
        ),
        (
            lambda world: world.teleport("agent", rng(), 5.0, away_from=np.array([np.nan, 1])),
            "A teleport over 5.0 px from (60, 112) away from [nan, 1.0] cannot be: expected "
            "finite numbers and a distance of 0 or more. Leave the distance out for a place "
            "anywhere.",
        ),
    ],
)
def test_user_errors(call, message: str) -> None:
    world = at(60, 112)
    before = world.snapshot()
    with pytest.raises(UserError) as error:
        call(world)
    assert str(error.value) == message
    assert not isinstance(error.value, UsageError)
    same(world.snapshot(), before)


def test_the_example_in_the_docstring() -> None:
    result = doctest.testmod(env)
    assert result.attempted > 0
    assert result.failed == 0
