from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.collect import collect
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile, EpisodeWriter
from lewm_probe.data.formats.registry import open_episodes
from lewm_probe.data.recorded import SHARES, Recording, register_recorded
from lewm_probe.worlds import NotOffered, check_world, make_world, world_names

pytestmark = pytest.mark.usefixtures("own_worlds")


def test_a_data_set_becomes_a_world(collected: Path) -> None:
    name = register_recorded(collected)
    assert name == "two-room-recorded"
    assert name in world_names()
    world = make_world(name)
    assert (world.name, world.bodies, world.replays, world.native_size) == (name, (), True, 16)
    assert dict(world.quantities) == dict(make_world("two-room").quantities)
    world.reset(seed=0, options={"episode": 3})
    act = world.policy("recorded", np.random.default_rng(0))
    with EpisodeFile(collected) as file:
        columns = file.episode(3)
    for step in range(30):
        np.testing.assert_array_equal(world.render(), columns["pixels"][step])
        np.testing.assert_array_equal(
            world.physical_state()["agent_position"], columns["pos_agent"][step]
        )
        action = act(world)
        np.testing.assert_array_equal(action, columns["action"][step])
        assert world.action_space.contains(action)
        *_, terminated, truncated, _ = world.step(action * 0)  # whatever the action
        assert (terminated, truncated) == (False, step == 29)
    with pytest.raises(UserError) as error:
        act(world)
    assert str(error.value) == (
        "The action at step 30 of episode 3 of two-room-recorded is not finite: nothing was "
        "recorded after it. Ask for fewer frames."
    )
    with pytest.raises(UserError) as error:
        world.step(action)
    assert str(error.value) == (
        "Episode 3 of two-room-recorded was recorded for 30 steps, and another was asked for. "
        "Reset the world, or ask for fewer frames."
    )


def test_it_keeps_what_worlds_promise(collected: Path) -> None:
    found = check_world(register_recorded(collected), steps=20)  # the episodes have 30
    assert not found.failed, str(found)


def test_snapshots_are_exact_and_images_are_means_over_areas(collected: Path) -> None:
    world = make_world(register_recorded(collected))
    world.reset(seed=5)
    for _ in range(7):
        world.step(np.zeros(2))
    saved, image, state = world.snapshot(), world.render(8), world.physical_state()
    whole = world.render().astype(float)
    means = whole.reshape(8, 2, 8, 2, 3).mean(axis=(1, 3))
    assert np.abs(image - means).max() < 1  # rounded after each axis
    world.reset(seed=6)
    world.restore(saved)
    np.testing.assert_array_equal(world.render(8), image)
    for name, value in world.physical_state().items():
        np.testing.assert_array_equal(value, state[name])
    assert world.render(33).shape == (33, 33, 3)
    world.reset(seed=5)
    assert world.snapshot()["episode"] == saved["episode"]
    with pytest.raises(UserError) as error:
        world.restore({"row": np.zeros(1)})
    assert str(error.value) == (
        "This snapshot holds row; one of two-room-recorded holds episode, step. Restore it in the "
        "world it came from."
    )


def test_nothing_that_needs_a_simulator_is_offered(collected: Path) -> None:
    world = make_world(register_recorded(collected))
    for disturb in (
        lambda: world.teleport("agent", np.random.default_rng(0)),
        lambda: world.freeze("agent"),
        lambda: world.recolor("agent", (0, 0, 255)),
    ):
        with pytest.raises(NotOffered):
            disturb()


def test_purposes_never_share_an_episode(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "many.h5"
    lengths = rng.integers(5, 40, 300)
    with EpisodeWriter(path, lengths.tolist(), {}) as writer:
        for length in lengths:
            action = np.zeros((length, 1), np.float32)
            writer.append({"pixels": np.zeros((length, 2, 2, 3), np.uint8), "action": action})
    with EpisodeFile(path) as data:
        recording = Recording(data)
        for seed in (0, 1):
            # Lengths differ between purposes on purpose: probes and surprise may ask for others.
            sets = {p: recording.dealt(p, seed, 10 + i) for i, p in enumerate(SHARES)}
            everything = np.concatenate(list(sets.values()))
            assert len(np.unique(everything)) == len(everything)
            for i, (purpose, share) in enumerate(SHARES.items()):
                assert (lengths[sets[purpose]] > 10 + i).all()
                assert len(recording.dealt(purpose, seed, 0)) == pytest.approx(
                    300 * share / 11, abs=6
                )
        again = Recording(data).dealt("voe", 1, 10)
        np.testing.assert_array_equal(again, recording.dealt("voe", 1, 10))
        longer = recording.dealt("voe", 1, 30)
        assert set(longer) < set(again)
        assert list(again) != list(recording.dealt("voe", 0, 10))
        whole = np.sort(np.concatenate([recording.dealt(p, 0, 0) for p in SHARES]))
        np.testing.assert_array_equal(whole, np.arange(300))


def test_too_few_long_episodes(collected: Path) -> None:
    world = make_world(register_recorded(collected))
    world.reset(options={"trajectory": (7, "disjoint", 0, 30)})
    with pytest.raises(UserError) as error:
        world.reset(options={"trajectory": (7, "disjoint", 9, 30)})
    assert str(error.value) == (
        f"two-room-recorded ({collected}) has 2 episodes for disjoint that are long enough (30 "
        "steps with finite actions, so 31 rows), and the suite asks for more. A purpose gets 2 in "
        "11 of the data set's 12 episodes, so that no two share one. Ask for fewer trajectories or "
        "frames in the suite, or give more episodes."
    )
    with pytest.raises(UserError):
        world.reset(options={"trajectory": (7, "disjoint", 0, 31)})
    with pytest.raises(UsageError) as usage:
        world.reset(options={"trajectory": (7, "voes", 0, 30)})
    assert str(usage.value) == (
        "Unknown purpose of trajectories 'voes'. Did you mean 'voe'? Known: disjoint, probe-test, "
        "probe-train, probe-validation, voe."
    )
    with pytest.raises(UsageError) as usage:
        world.reset(options={"episode": 12})
    assert str(usage.value) == (
        "Episode 12 is not among the 12 of two-room-recorded. Choose one from 0 to 11."
    )


def test_names(collected: Path, written: Callable, episode: Callable, tmp_path: Path) -> None:
    first = register_recorded(collected)
    assert register_recorded(collected) == first  # the same data: the same world
    with pytest.raises(UsageError) as error:
        register_recorded(collected, frame_skip=2)
    assert str(error.value) == (
        "The name 'two-room-recorded' belongs to another world already; results under one name "
        "must mean the same world. Give another name."
    )
    with pytest.raises(UsageError):
        register_recorded(collected, name="push-t")
    other = register_recorded(collected, name="mine", frame_skip=2, episodes=[4, 2])
    world = make_world(other)
    assert (other, world.frame_skip) == ("mine", 2)
    assert {int(world.reset(seed=s) and world.snapshot()["episode"][0]) for s in range(9)} == {2, 4}
    assert register_recorded(written([episode(12), episode(9)])) == "made-up"
    escaping = tmp_path / "of an untrusted source.h5"
    with EpisodeWriter(escaping, [12], {"world": "../../elsewhere"}) as writer:
        writer.append(episode(12))
    assert register_recorded(escaping) == "of-an-untrusted-source"


def test_quantities_that_are_not_finite_are_left_out(collected: Path, changed: Callable) -> None:
    def spoil(file: h5py.File) -> None:
        file["pos_target"][40] = np.nan
        file["action"][70, 0] = np.inf

    path = changed(spoil)
    with open_episodes(path) as data:
        recording = Recording(data)
        assert recording.left_out == {
            "goal_position": "not finite in 1 row of column pos_target",
        }
        assert set(recording.sources) == {"agent_position", "agent_velocity"}
        whole = np.concatenate([recording.dealt(p, 0, 30) for p in SHARES])
        assert sorted(whole) == [0, 1, *range(3, 12)]  # 2 has an infinite action


def test_what_cannot_be_replayed(collected: Path, changed: Callable) -> None:
    path = changed(lambda file: file["action"].__setitem__(slice(None), np.nan))
    with pytest.raises(UserError) as error:
        register_recorded(path)
    assert str(error.value) == (
        f"No action in {path} is finite, so nothing can be replayed. `lewm-probe data check "
        f"{path}` says more; fetch or collect it again."
    )
    with pytest.raises(UsageError) as usage:
        register_recorded(collected, episodes=[3, 12])
    assert str(usage.value) == (
        f"The episodes asked of {collected} are not among its 12. Choose some from 0 to 11."
    )
    with pytest.raises(UsageError) as usage:
        register_recorded(collected, frame_skip=0)
    assert str(usage.value) == "A frame-skip of 0 cannot be; it must be at least 1."


def test_declared_units_reach_the_world(written: Callable, episode: Callable) -> None:
    path = written([episode(12), episode(9)])
    with h5py.File(path, "r+") as file:
        file.attrs["quantities"] = json.dumps({"tip": {"column": "pos_agent", "unit": "m"}})
    world = make_world(register_recorded(path))
    assert world.quantities["tip"].unit == "m"
    assert set(world.physical_state()) == {"tip"}


def test_a_world_of_another_make_collects_and_replays(tmp_path: Path) -> None:
    """Push-T through its own columns: state and images come back as the simulator showed them."""
    path = tmp_path / "p.h5"
    collect("push-t", 1, path, size=16, length=20, seed=1)
    world = make_world(register_recorded(path))
    assert world.name == "p-recorded"
    assert set(world.quantities) == set(make_world("push-t").quantities) - {"contact"}
