from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pymunk
import pytest
from gym_pusht.envs.pusht import PushTEnv

from lewm_probe.core.errors import UserError
from lewm_probe.worlds.push_t import physics as physics
from lewm_probe.worlds.push_t.env import GymPushT, PushT
from lewm_probe.worlds.push_t.physics import Scene, Space, moved, scene


def start(agent=(256.0, 180.0), block=(256.0, 200.0), angle: float = 0.3) -> Scene:
    return scene(np.array(agent), np.zeros(2), np.array(block), angle)


def targets(count: int) -> np.ndarray:
    rng = np.random.default_rng(4)
    return (
        np.array([256.0, 260.0])
        + rng.uniform(-60, 60, (count, 2))
        + np.linspace(0, 60, count)[:, None] * (0.3, 1.0)
    )


def same(one: Scene, other: Scene) -> None:
    for name in ("agent", "block", "contacts", "lines", "hashes"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.frozen, one.ghost) == (other.frozen, other.ghost)


def test_the_library_steps_the_same() -> None:
    """An environment of gym-pusht that runs through, beside a space built anew at every step."""
    env = PushTEnv()
    env._setup()
    env.agent.position = (256, 180)
    env.block.angle = 0.3
    env.block.position = (256, 200)
    world = GymPushT()
    world.reset(options={"state": (256, 180, 256, 200, 0.3)})
    touched = 0
    for target in targets(40).astype(np.float32).astype(np.float64):
        observation, reward, _, _, info = env.step(target)
        _, ours, _, _, _ = world.step(target)
        state = world.physical_state()
        touched += state["contact"][0]
        found = np.r_[world.position("agent"), world.position("block"), state["block_angle"]]
        np.testing.assert_allclose(found, observation, atol=1e-6)
        np.testing.assert_allclose(state["agent_velocity"], info["vel_agent"], atol=1e-6)
        assert ours == pytest.approx(reward, abs=1e-6)
    assert touched > 10
    assert np.hypot(*(world.position("block") - (256, 200))) > 20


def test_a_step_is_a_function_of_the_scene_alone() -> None:
    used, now = Space(), start()
    seen = []
    for target in targets(40):
        seen.append((now, target))
        now = used.step(now, target)
    last = now
    assert sum(len(one.contacts) > 0 for one, _ in seen) > 10
    for index in (39, 3, 21, 21, 12, 30):
        before, target = seen[index]
        after = seen[index + 1][0] if index < 39 else last
        same(used.step(before, target), after)
        same(Space().step(before, target), after)


def test_standing_contacts_matter_and_are_kept() -> None:
    """What the library's own setter forgets: without it the block ends elsewhere."""
    space, now = Space(), start()
    for target in targets(20):
        now = space.step(now, target)
        if len(now.contacts) and np.abs(now.contacts[:, 2:]).max() > 1:
            break
    assert now.contacts.shape == (len(now.hashes), 6)
    assert now.lines.shape == (len(now.hashes), 2, 2, 2)
    forgetful = scene(now.agent_position, now.agent_velocity, *now.pose)
    target = now.agent_position + (0, 60)
    full, partial = space.step(now, target), space.step(forgetful, target)
    assert (full.block != partial.block).any()


def test_what_a_scene_says_of_itself() -> None:
    one = scene(np.array([100, 120]), np.array([3, 4]), np.array([300, 310]), 7.5)
    np.testing.assert_array_equal(one.agent_position, [100, 120])
    np.testing.assert_array_equal(one.agent_velocity, [3, 4])
    np.testing.assert_array_equal(one.block_position, [300, 310])
    assert one.block_angle == 7.5
    assert one.marks.shape == (0, 2, 2)
    one.agent_position[:] = 0  # a copy
    np.testing.assert_array_equal(one.agent_position, [100, 120])


def test_moving_one_body_leaves_the_other_and_its_contacts() -> None:
    """Disc against block, block against the lower wall."""
    space = Space()
    now = start((256, 366), (256, 382), 0.0)
    for _ in range(2):
        now = space.step(now, now.agent_position + (0, 20))
    pairs = {tuple(map(int, row)) for row in now.contacts[:, :2]}
    with_disc = {pair for pair in pairs if 4 in pair}
    with_wall = {pair for pair in pairs if min(pair) < 4}
    assert with_disc
    assert with_wall
    away = moved(now, "agent", np.array([60.0, 60.0]))
    assert {tuple(map(int, row)) for row in away.contacts[:, :2]} == with_wall
    np.testing.assert_array_equal(away.block, now.block)
    np.testing.assert_array_equal(away.agent_velocity, [0, 0])
    gone = moved(now, "block", np.array([150.0, 150.0]))
    assert len(gone.contacts) == len(gone.lines) == len(gone.hashes) == 0
    np.testing.assert_array_equal(gone.agent, now.agent)
    assert gone.block_angle == now.block_angle
    np.testing.assert_array_equal(gone.block_position, [150, 150])


def test_the_four_walls_come_in_an_order_of_their_own() -> None:
    orders = []
    for _ in range(3):
        env = PushTEnv()
        env._setup()
        orders.append([(*wall.a, *wall.b) for wall in physics.walls(env)])
    assert len(orders[0]) == 4
    assert orders[0] == orders[1] == orders[2] == sorted(orders[0])


def test_another_layout_of_bodies_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(physics, "_resting", lambda *_: np.zeros(19))
    with pytest.raises(UserError) as error:
        physics._check_layout.__wrapped__()
    assert str(error.value) == (
        f"pymunk {pymunk.version} keeps the state of a body in another way than pymunk 6, which "
        "push-t reads. Install one that gym-pusht takes: `pip install 'pymunk<7'`."
    )


def test_a_missing_system_library_is_named_with_its_package(tmp_path: Path) -> None:
    missing = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({missing!r})\n", encoding="utf-8")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from lewm_probe.core.errors import UsageError, UserError\n"
        "from lewm_probe.worlds import make_world\n"
        "try:\n"
        "    make_world('push-t')\n"
        "except UserError as error:\n"
        "    assert not isinstance(error, UsageError)\n"
        "    print(error)\n"
    )
    reported = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert reported == (
        f"push-t draws with OpenCV, which cannot be loaded: {missing}. On Debian or Ubuntu run "
        "`apt-get install libgl1 libglib2.0-0`, or take the build that needs neither: "
        "`pip uninstall opencv-python` and `pip install --force-reinstall "
        "opencv-python-headless`.\n"
    )


def test_nothing_is_printed_when_the_simulator_is_loaded() -> None:
    """pygame greets on standard output, where --json prints its one object."""
    code = "from lewm_probe.worlds import make_world; make_world('push-t')"
    reported = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert reported.stdout == ""


def test_worlds_share_nothing() -> None:
    one, other = PushT(), PushT()
    one.reset(seed=0)
    other.reset(seed=1)
    before = other.snapshot()
    one.recolor("agent", (1, 1, 1))
    one.freeze("agent")
    one.step(np.ones(2))
    for key, value in other.snapshot().items():
        np.testing.assert_array_equal(value, before[key])
