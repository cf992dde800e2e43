from __future__ import annotations

import doctest
import hashlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.worlds.push_t import env
from lewm_probe.worlds.push_t.env import GymPushT, PushT
from lewm_probe.worlds.push_t.env import shapes as shapes

GOLDEN = Path(__file__).parents[2] / "golden" / "worlds" / "push-t.npz"

seeds = st.integers(0, 2**31 - 1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for key in one:
        assert one[key].dtype == other[key].dtype
        np.testing.assert_array_equal(one[key], other[key])


def at(*state: float, goal: tuple[float, ...] = (60, 60, 400, 400, 3), world=PushT) -> PushT:
    """A world with agent xy, block xy and block angle given."""
    made = world()
    options = {"state": state, "goal": goal}
    made.reset(seed=0, options={key: options[key] for key in made.reset_options})
    return made


@cache
def recorded() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A moment at which the pusher has just met the block, and its next 80 actions."""
    world = PushT()
    world.reset(seed=3)
    policy = world.expert(rng(3))
    while not world.physical_state()["contact"]:
        world.step(policy(world))
    start, actions = world.snapshot(), []
    for _ in range(80):
        actions.append(policy(world))
        world.step(actions[-1])
    return start, np.array(actions)


def pushing() -> tuple[PushT, np.ndarray]:
    """A world in which the disc pushes the block, and the actions with which it goes on."""
    world = PushT()
    start, actions = recorded()
    world.restore(start)
    return world, actions


def play(world: PushT, actions: np.ndarray) -> list[dict[str, np.ndarray]]:
    seen = []
    for action in actions:
        world.step(action)
        seen.append(world.snapshot() | {"picture": world.render(64)})
    return seen


# The published environment ------------------------------------------------------------------------


def test_golden_states_rewards_and_images() -> None:
    golden = np.load(GOLDEN)
    start = np.r_[
        golden["info_pos_agent"][0], golden["info_block_pose"][0], golden["info_vel_agent"][0]
    ]
    world = PushT()
    world.reset(options={"state": start, "goal": golden["info_goal_state"][0]})
    for index, action in enumerate(golden["action"]):
        state = world.physical_state()
        for name, column in (("agent_position", "pos_agent"), ("agent_velocity", "vel_agent")):
            np.testing.assert_allclose(state[name], golden[f"info_{column}"][index], atol=1e-3)
        pose = np.r_[state["block_position"], state["block_angle"]]
        np.testing.assert_allclose(pose, golden["info_block_pose"][index], atol=1e-3)
        np.testing.assert_array_equal(world.render(), golden["pixels"][index])
        observation, reward, terminated, truncated, info = world.step(action)
        away = np.linalg.norm(info["state"] - golden["info_goal_state"][index])
        assert reward == pytest.approx(-away, abs=1e-9)
        assert reward == pytest.approx(golden["reward"][index], abs=1e-3)
        assert (terminated, truncated) == (golden["terminated"][index], False)
        np.testing.assert_array_equal(observation, info["state"])
    moved = world.position("block") - start[2:4]
    assert np.hypot(*moved) > 1  # the recording holds a push


@pytest.mark.filterwarnings("ignore:.*Box observation space m.*infinity.*:UserWarning")
@pytest.mark.filterwarnings("ignore:.*normalized.*:UserWarning")
@pytest.mark.parametrize("world", [PushT, GymPushT])
def test_gymnasium_interface(world) -> None:
    check_env(world(), skip_render_check=True)


def test_released_columns() -> None:
    world = at(60, 70, 300, 310, 7.0)
    world.reset(options={"state": (60, 70, 300, 310, 7.0, 11, -12)})
    columns = world.columns()
    assert {name: (value.shape, value.dtype.name) for name, value in columns.items()} == {
        "state": ((7,), "float64"),
        "proprio": ((4,), "float64"),
    }
    wrapped = 7.0 - 2 * np.pi
    np.testing.assert_allclose(columns["state"], [60, 70, 300, 310, wrapped, 11, -12], atol=1e-12)
    np.testing.assert_array_equal(columns["proprio"], [60, 70, 11, -12])


GOAL = (100.0, 100.0, 300.0, 300.0, 0.1)


@pytest.mark.parametrize(
    ("off", "reached"),
    [
        ((0, 0, 0, 0, 0), True),
        ((19.99, 0, 0, 0, 0), True),
        ((20, 0, 0, 0, 0), False),
        ((0, 0, 0, -20, 0), False),
        ((12, 0, 0, 15.9, 0), True),  # one vector of agent and block: 19.9 units
        ((12, 0, 0, 16, 0), False),
        ((0, 0, 0, 0, np.deg2rad(19.99)), True),
        ((0, 0, 0, 0, np.deg2rad(20.01)), False),
        ((0, 0, 0, 0, np.deg2rad(-19.99)), True),  # across 2π
        ((0, 0, 0, 0, np.deg2rad(-20.01)), False),
        ((0, 0, 0, 0, np.pi), False),
        ((0, 0, 0, 0, 2 * np.pi), True),
    ],
)
def test_success_within_twenty_units_and_twenty_degrees(off, reached: bool) -> None:
    world = at(*np.add(GOAL, off), goal=GOAL)
    assert world.success() is reached
    terminated = world.step(np.zeros(2))[2]
    assert terminated is reached


def test_actions_are_relative_and_clipped() -> None:
    world, clipped = at(100, 100, 400, 400, 0), at(100, 100, 400, 400, 0)
    world.step(np.array([1.0, -0.5]))
    clipped.step(np.array([7.0, -0.5]))
    same(world.snapshot(), clipped.snapshot())
    # The controller's ten steps towards a resting target 100 units off, by hand.
    place = speed = 0.0
    for _ in range(10):
        speed += (100.0 * (100.0 - place) - 20.0 * speed) * 0.01
        place += speed * 0.01
    moved = world.position("agent") - 100
    np.testing.assert_allclose(moved, [place, -0.5 * place], atol=1e-9)
    np.testing.assert_allclose(
        world.physical_state()["agent_velocity"], [speed, -0.5 * speed], atol=1e-9
    )


# gym-pusht's own conventions ----------------------------------------------------------------------


def test_absolute_targets() -> None:
    world = at(100, 100, 400, 400, 0, world=GymPushT)
    for _ in range(15):
        world.step(np.array([130, 60], np.float32))
    np.testing.assert_allclose(world.position("agent"), [130, 60], atol=0.01)
    other = GymPushT()
    other.restore(world.snapshot())
    world.step(np.array([9e9, -5.0]))
    other.step(np.array([512.0, 0.0]))
    same(world.snapshot(), other.snapshot())


def test_images_of_96_pixels() -> None:
    world = at(100, 100, 400, 400, 0, world=GymPushT)
    assert world.render().shape == (96, 96, 3)
    plain = at(100, 100, 400, 400, 0)
    np.testing.assert_array_equal(world.render(), plain.render(96))


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.6, 2.65, 12.0])
def test_success_by_coverage(shift: float) -> None:
    """Shifted along its bar, a T of 6300 square units leaves a strip of the bar and the stem."""
    along = shift * np.array([np.cos(np.pi / 4), np.sin(np.pi / 4)])
    world = at(30, 30, *(256 + along), np.pi / 4, world=GymPushT)
    coverage = 1 - shift * (30 + 90) / 6300
    assert world.success() is (coverage > 0.95)
    _, reward, terminated, _, _ = world.step(np.array([30, 30]))
    assert reward == pytest.approx(min(1.0, coverage / 0.95), abs=1e-9)
    assert terminated is (coverage > 0.95)
    np.testing.assert_array_equal(world.goal, [256, 256, np.pi / 4])
    world.new_goal(rng())
    np.testing.assert_array_equal(world.goal, [256, 256, np.pi / 4])


def test_no_coverage_far_off() -> None:
    world = at(30, 30, 400, 120, 0, world=GymPushT)
    assert world.step(np.array([30, 30]))[1:3] == (0.0, False)


# Physical state -----------------------------------------------------------------------------------


@pytest.mark.parametrize("world", [PushT, GymPushT])
def test_physical_state_matches_its_declaration(world) -> None:
    made = world()
    made.reset(seed=3)
    state = made.physical_state()
    assert state.keys() == made.quantities.keys()
    for name, quantity in made.quantities.items():
        assert state[name].shape == (len(quantity.axes),)
        assert state[name].dtype == np.float64


def test_angles_are_wrapped_and_contact_is_seen() -> None:
    world = at(256, 184, 256, 200, -0.0)  # the disc touches the bar's edge within a unit
    assert world.physical_state()["contact"].tolist() == [0.0]
    world.step(np.array([0.0, 0.05]))
    assert world.physical_state()["contact"].tolist() == [1.0]
    assert at(100, 100, 300, 300, -1.0).physical_state()["block_angle"] == pytest.approx(
        2 * np.pi - 1.0
    )


@settings(max_examples=8, deadline=None)
@given(seeds)
def test_the_seed_decides_everything(seed: int) -> None:
    one, other = PushT(), PushT()
    for world in (one, other):
        world.reset(seed=seed)
        policy = world.policy("mixed", rng(seed))
        for _ in range(15):
            world.step(policy(world))
        world.teleport("agent", rng(seed))
        world.new_goal(rng(seed))
    same(one.snapshot(), other.snapshot())
    np.testing.assert_array_equal(one.render(64), other.render(64))
    one.reset()  # and on with the world's own stream
    other.reset()
    same(one.snapshot(), other.snapshot())


def test_given_states_leave_the_rest_of_the_draw_alone() -> None:
    world = PushT()
    world.reset(seed=11)
    start, goal = world.columns()["state"], world.goal
    world.reset(seed=11, options={"state": (60, 60, 300, 300, 1)})
    np.testing.assert_array_equal(world.goal, goal)
    world.reset(seed=11, options={"goal": (60, 60, 300, 300, 1)})
    np.testing.assert_array_equal(world.columns()["state"], start)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_starts_and_goals_are_free_places_at_rest(seed: int) -> None:
    world = PushT()
    world.reset(seed=seed)
    world.new_goal(rng(seed))
    for state in (world.columns()["state"], world.goal):
        pose = (state[2:4], float(state[4]))
        assert shapes.agent_fits(state[:2], pose)
        assert shapes.block_fits(pose, state[:2])
        np.testing.assert_array_equal(state[5:], [0, 0])


# Snapshots ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 1, 7, 30])
def test_the_same_actions_from_a_snapshot_give_the_same_bits(before: int) -> None:
    world, actions = pushing()
    for action in actions[:before]:
        world.step(action)
    actions = actions[before : before + 50]
    snapshot = world.snapshot()
    kept = {key: value.copy() for key, value in snapshot.items()}
    first = play(world, actions)
    touching = sum(len(moment["contacts"]) > 0 for moment in first)
    assert touching >= 20  # rich in contact
    same(snapshot, kept)  # a snapshot does not follow the world
    fresh = PushT()
    fresh.reset(seed=99)
    fresh.step(np.array([1.0, 1.0]))
    for other in (world, fresh, world):  # many times, and in another object
        other.restore(snapshot)
        same(other.snapshot(), kept)
        for one, two in zip(first, play(other, actions), strict=True):
            same(one, two)
    same(snapshot, kept)  # nor does a world write into it


def test_every_moment_of_a_push_can_be_gone_back_to() -> None:
    world, actions = pushing()
    moments = [world.snapshot(), *play(world, actions)]
    assert any(len(m["contacts"]) and np.abs(m["contacts"][:, 2:]).max() > 0 for m in moments)
    for at_step in rng(1).permutation(len(actions)):
        snapshot = {k: v for k, v in moments[at_step].items() if k != "picture"}
        world.restore(snapshot)
        world.step(actions[at_step])
        after = dict(moments[at_step + 1])
        del after["picture"]
        same(world.snapshot(), after)


def test_another_process_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    world, actions = pushing()
    np.savez(tmp_path / "middle.npz", actions=actions, **world.snapshot())
    code = (
        "import sys, hashlib, numpy as np; from lewm_probe.worlds.push_t.env import PushT\n"
        "saved = dict(np.load(sys.argv[1])); actions = saved.pop('actions')\n"
        "world = PushT(); world.restore(saved)\n"
        "for action in actions: world.step(action)\n"
        "last = [world.snapshot()[k].tobytes() for k in sorted(saved)]\n"
        "print(hashlib.sha256(b''.join([*last, world.render().tobytes()])).hexdigest())"
    )
    reported = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "middle.npz")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    for action in actions:
        world.step(action)
    snapshot = world.snapshot()
    last = [snapshot[key].tobytes() for key in sorted(snapshot)]
    assert reported == hashlib.sha256(b"".join([*last, world.render().tobytes()])).hexdigest()


def test_disturbances_goal_and_colours_are_in_snapshots() -> None:
    world, actions = pushing()
    world.freeze("block")
    world.pass_through("block")
    world.recolor("walls", (1, 2, 3))
    goal, snapshot, image = world.goal, world.snapshot(), world.render(64)
    world.reset(seed=1)
    other = PushT()
    other.restore(snapshot)
    same(other.snapshot(), snapshot)
    np.testing.assert_array_equal(other.goal, goal)
    np.testing.assert_array_equal(other.render(64), image)
    before = other.position("block")
    for action in actions[:10]:
        other.step(action)
    np.testing.assert_array_equal(other.position("block"), before)


def test_a_foreign_snapshot_is_refused() -> None:
    with pytest.raises(UserError) as error:
        PushT().restore({"qpos": np.zeros(3)})
    assert str(error.value) == (
        "This snapshot holds qpos; one of push-t holds agent, block, colors, contacts, frozen, "
        "ghost, goal, hashes, lines. Restore it in the world it came from."
    )


def test_batched_images_equal_single_ones_and_leave_the_world_alone() -> None:
    world, actions = pushing()
    snapshots, singles = [], []
    for action in actions[:12]:
        world.step(action)
        snapshots.append(world.snapshot())
        singles.append(world.render(64))
    state = world.snapshot()
    np.testing.assert_array_equal(world.render_batch(snapshots, 64), singles)
    same(world.snapshot(), state)
    assert world.render_batch([], 64).shape == (0, 64, 64, 3)


# Teleports ----------------------------------------------------------------------------------------


def in_motion(seed: int) -> PushT:
    """A world in mid-push, the disc moving."""
    world, actions = pushing()
    for action in actions[: seed % 10]:
        world.step(action)
    return world


def apart(world: PushT) -> bool:
    """Whether disc, block and walls keep clear of each other, asked of plain geometry."""
    agent, (position, angle) = world.position("agent"), world.pose
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    boxes = [((-60, 0), (60, 30)), ((-15, 30), (15, 120))]
    grid = np.concatenate(
        [
            np.stack(np.meshgrid(*map(np.linspace, low, high, (61, 61))), -1).reshape(-1, 2)
            for low, high in boxes
        ]
    )
    points = grid @ turn.T + position
    inside = points.min() > 7 and points.max() < 504
    return bool(
        inside
        and agent.min() > 7 + 15
        and agent.max() < 504 - 15
        and np.linalg.norm(points - agent, axis=1).min() > 15
    )


@settings(max_examples=15, deadline=None)
@given(seeds, st.sampled_from(["agent", "block"]))
def test_teleport_anywhere(seed: int, who: str) -> None:
    world = in_motion(seed)
    before, angle = world.snapshot(), world.pose[1]
    speed = world.physical_state()["agent_velocity"]
    world.teleport(who, rng(seed))
    after = world.snapshot()
    assert apart(world)
    other = "block" if who == "agent" else "agent"
    np.testing.assert_array_equal(after[other], before[other])  # place, angle and velocities
    stopped = np.zeros(2) if who == "agent" else speed
    assert np.hypot(*speed) > 1
    np.testing.assert_array_equal(world.physical_state()["agent_velocity"], stopped)
    assert world.pose[1] == angle
    np.testing.assert_array_equal(after["goal"], before["goal"])
    assert len(after["contacts"]) == 0


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from(["agent", "block"]), st.floats(1, 80))
def test_teleport_over_a_distance_the_wrong_way(seed: int, who: str, distance: float) -> None:
    world = in_motion(seed)
    origin, motion = world.position(who), rng(seed).normal(size=2)
    try:
        world.teleport(who, rng(seed), distance, away_from=motion)
    except UserError as error:  # the disc, shut in between block and wall
        assert not isinstance(error, UsageError)
        return
    moved = world.position(who) - origin
    assert apart(world)
    assert np.hypot(*moved) == pytest.approx(distance, abs=1e-9)
    assert moved @ motion <= 1e-9


def test_teleport_over_a_distance_from_another_origin() -> None:
    directions = set()
    for seed in range(25):
        world = at(60, 60, 300, 300, 0)
        world.teleport("agent", rng(seed), 30.0, origin=np.array([150.0, 120.0]))
        moved = world.position("agent") - (150, 120)
        assert np.hypot(*moved) == pytest.approx(30, abs=1e-9)
        directions.add(tuple(np.sign(moved)))
    assert len(directions) == 4


def test_teleports_are_uniform_over_free_places() -> None:
    world, generator = at(60, 60, 256, 256, 0), rng(1)
    places = []
    for _ in range(600):
        world.teleport("agent", generator)
        places.append(world.position("agent"))
    x, y = np.array(places).T
    assert ((x < 256).mean(), (y < 256).mean()) == pytest.approx((0.5, 0.55), abs=0.07)
    assert min(x.min(), y.min()) < 35
    assert max(x.max(), y.max()) > 475


def test_a_teleported_body_stays_until_it_is_pushed() -> None:
    world = in_motion(0)
    world.teleport("block", rng(3))
    world.freeze("agent")
    place = world.position("block")
    for _ in range(5):
        world.step(np.array([1.0, 1.0]))
    np.testing.assert_allclose(world.position("block"), place, atol=1e-9)


# Freezing, passing through, painting --------------------------------------------------------------


def test_a_frozen_block_stays_to_the_last_bit_and_the_agent_still_moves() -> None:
    world, actions = pushing()
    pushed = pushing()[0]
    assert world.physical_state()["contact"].tolist() == [1.0]
    world.freeze("block")
    held = world.snapshot()["block"]
    places = []
    for action in actions[:40]:
        world.step(action)
        pushed.step(action)
        np.testing.assert_array_equal(world.snapshot()["block"], held)
        places.append(world.position("agent"))
    assert np.ptp(places, axis=0).max() > 50
    assert np.hypot(*(pushed.position("block") - world.position("block"))) > 5
    world.teleport("block", rng(0))  # a teleport still moves it
    assert (world.snapshot()["block"] != held).any()


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_freezing_moves_nothing_at_any_angle(seed: int) -> None:
    """pymunk alone recomputes a resting body's place, other in the last bit for one in eight."""
    world = PushT()
    world.reset(seed=seed)
    place, (_, angle) = world.position("block"), world.pose
    world.freeze("block")
    world.step(np.zeros(2))
    np.testing.assert_array_equal(world.position("block"), place)
    assert world.pose[1] == angle


def test_a_frozen_agent_stays_whatever_the_action_until_reset() -> None:
    world = in_motion(0)
    world.freeze("agent")
    place = world.position("agent")
    for action in rng(0).uniform(-1, 1, (10, 2)):
        world.step(action)
        np.testing.assert_array_equal(world.position("agent"), place)
        np.testing.assert_array_equal(world.physical_state()["agent_velocity"], [0, 0])
    world.reset(seed=0)
    start = world.position("agent")
    world.step(np.array([0.5, 0.5]))
    assert (world.position("agent") != start).all()


def test_the_agent_passes_through_the_block_and_the_block_through_walls() -> None:
    world, pushed = at(256, 200, 256, 240, 0), at(256, 200, 256, 240, 0)
    world.pass_through("block")
    for _ in range(10):
        world.step(np.array([0.0, 0.5]))
        pushed.step(np.array([0.0, 0.5]))
    assert pushed.position("block")[1] > 300
    np.testing.assert_allclose(world.position("block"), [256, 240], atol=1e-9)
    assert world.position("agent")[1] > 360  # beyond the stem's end
    in_wall, kept_out = at(100, 100, 256, 2, 0), at(100, 100, 256, 2, 0)
    in_wall.pass_through("block")
    for _ in range(5):
        in_wall.step(np.zeros(2))
        kept_out.step(np.zeros(2))
    np.testing.assert_allclose(in_wall.position("block"), [256, 2], atol=1e-9)
    assert kept_out.position("block")[1] > 6
    world.reset(seed=0, options={"state": (256, 200, 256, 240, 0)})
    for _ in range(10):
        world.step(np.array([0.0, 0.5]))
    np.testing.assert_array_equal(world.position("block"), pushed.position("block"))


def test_recolouring_lasts_until_the_next_reset_and_changes_no_motion() -> None:
    (world, actions), (plain, _) = pushing(), pushing()
    assert {who: world.color(who) for who in (*world.bodies, *world.scenery)} == {
        "agent": (65, 105, 225),
        "block": (119, 136, 153),
        "background": (255, 255, 255),
        "goal": (144, 238, 144),
        "walls": (211, 211, 211),
    }
    for index, who in enumerate((*world.bodies, *world.scenery)):
        world.recolor(who, (10 * index, 20, 30))
        assert world.color(who) == (10 * index, 20, 30)
    for action in actions[:10]:
        world.step(action)
        plain.step(action)
    for key in ("agent", "block", "contacts"):
        np.testing.assert_array_equal(world.snapshot()[key], plain.snapshot()[key])
    assert (world.render(64) != plain.render(64)).any()
    world.reset(seed=0)
    plain.reset(seed=0)
    np.testing.assert_array_equal(world.render(), plain.render())


# Bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("world", "action", "shown", "high"),
    [
        (PushT, [np.nan, 0.0], "[nan, 0.0]", ("-1", "1")),
        (PushT, [0.0, np.inf], "[0.0, inf]", ("-1", "1")),
        (PushT, [1.0, 0.0, 0.0], "[1.0, 0.0, 0.0]", ("-1", "1")),
        (PushT, np.zeros((5, 2)), "of shape (5, 2)", ("-1", "1")),
        (PushT, ["left", "up"], "['left', 'up']", ("-1", "1")),
        (GymPushT, [np.nan, 0.0], "[nan, 0.0]", ("0", "512")),
    ],
)
def test_bad_actions(world, action, shown: str, high: tuple[str, str]) -> None:
    made = at(100, 100, 300, 300, 0, world=world)
    before = made.snapshot()
    with pytest.raises(UserError) as error:
        made.step(action)
    assert str(error.value) == (
        f"The action {shown} cannot be taken: {made.name} expects two finite numbers, x and y from "
        f"{high[0]} to {high[1]}. Look for NaN or a wrong shape where it was made."
    )
    same(made.snapshot(), before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda world: world.teleport("blok", rng()),
            "Unknown body 'blok'. Did you mean 'block'? Known: agent, block.",
        ),
        (
            lambda world: world.freeze("walls"),
            "Unknown body 'walls'. Known: agent, block.",
        ),
        (
            lambda world: world.position("goal"),
            "Unknown body 'goal'. Known: agent, block.",
        ),
        (
            lambda world: world.pass_through("agent"),
            "Unknown body that can pass through others 'agent'. Known: block.",
        ),
        (
            lambda world: world.recolor("wall", (1, 2, 3)),
            "Unknown body or scenery 'wall'. Did you mean 'walls'? "
            "Known: agent, background, block, goal, walls.",
        ),
        (
            lambda world: world.color("sky"),
            "Unknown body or scenery 'sky'. Known: agent, background, block, goal, walls.",
        ),
        (
            lambda world: world.recolor("block", (256, 0, 0)),
            "(256, 0, 0) is not a colour: expected red, green and blue as whole numbers from 0 to "
            "255. Write for example (0, 0, 255) for blue.",
        ),
        (
            lambda world: world.render(7),
            "An image of 7 px cannot be drawn: push-t draws squares of 8 to 512 px. "
            "Choose a size in between.",
        ),
        (
            lambda world: world.render_batch([world.snapshot()], 513),
            "An image of 513 px cannot be drawn: push-t draws squares of 8 to 512 px. "
            "Choose a size in between.",
        ),
        (
            lambda world: world.render(64, camera="top"),
            "Unknown camera 'top'. Known: default.",
        ),
        (
            lambda world: world.policy("exprt", rng()),
            "Unknown policy 'exprt'. Did you mean 'expert'? Known: expert, mixed, random.",
        ),
        (
            lambda world: world.reset(options={"stat": (1, 2, 3, 4, 5)}),
            "Unknown reset option 'stat'. Did you mean 'state'? Known: goal, state.",
        ),
        (
            lambda world: world.reset(options={"state": (1, 2, 3)}),
            "Reset option 'state' is (1, 2, 3): expected agent xy, block xy, block angle and, if "
            "wanted, agent velocity xy, as five or seven finite numbers. Write for example "
            "(256, 400, 256, 300, 0.5).",
        ),
        (
            lambda world: world.reset(options={"goal": (1, 2, 3, 4, np.nan)}),
            "Reset option 'goal' is (1, 2, 3, 4, nan): expected agent xy, block xy, block angle "
            "and, if wanted, agent velocity xy, as five or seven finite numbers. Write for example "
            "(256, 400, 256, 300, 0.5).",
        ),
        (
            lambda world: world.reset(options={"goal": "home"}),
            "Reset option 'goal' is home: expected agent xy, block xy, block angle and, if wanted, "
            "agent velocity xy, as five or seven finite numbers. Write for example "
            "(256, 400, 256, 300, 0.5).",
        ),
        (
            lambda world: GymPushT().reset(options={"goal": (1, 2, 3, 4, 5)}),
            "Unknown reset option 'goal'. Known: state.",
        ),
    ],
)
def test_usage_errors(call, message: str) -> None:
    world = at(100, 100, 300, 300, 0)
    before = world.snapshot()
    with pytest.raises(UsageError) as error:
        call(world)
    assert str(error.value) == message
    same(world.snapshot(), before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda world: world.teleport("agent", rng(), 900.0),
            "No free place lies 900 units from (100, 100) for the agent, in any of 360 directions. "
            "Choose another distance.",
        ),
        (
            lambda world: world.teleport("block", rng(), 500.0, away_from=np.array([-1.0, -1.0])),
            "No free place lies 500 units from (300, 300) for the block, in any of 360 directions. "
            "Choose another distance.",
        ),
        (
            lambda world: world.teleport("agent", rng(), -1.0),
            "A teleport over -1.0 units from [100.0, 100.0] away from [0.0, 0.0] cannot be: "
            "expected finite numbers and a distance of at least 0.",
        ),
        (
            lambda world: world.teleport("agent", rng(), 5.0, away_from=np.array([np.nan, 1])),
            "A teleport over 5.0 units from [100.0, 100.0] away from [nan, 1.0] cannot be: "
            "expected finite numbers and a distance of at least 0.",
        ),
    ],
)
def test_user_errors(call, message: str) -> None:
    world = at(100, 100, 300, 300, 0)
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
