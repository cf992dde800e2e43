"""Small data sets: one collected, others written by hand, sound or broken on purpose."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

from lewm_probe.data.collect import collect
from lewm_probe.data.formats.hdf5.episodes import EpisodeWriter
from lewm_probe.worlds.registry import WORLDS

Columns = dict[str, np.ndarray]


@pytest.fixture(scope="session")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve episodes of 30 steps of two-room, 16 px. Not to be changed."""
    path = tmp_path_factory.mktemp("collected") / "two-room.h5"
    collect("two-room", 12, path, size=16, length=30, seed=3)
    return path


@pytest.fixture
def changed(collected: Path, tmp_path: Path) -> Callable[[Callable[[h5py.File], None]], Path]:
    """A copy of the collected data set, changed by a function of the open HDF5 file."""

    def change(how: Callable[[h5py.File], None]) -> Path:
        path = tmp_path / "changed.h5"
        shutil.copy(collected, path)
        with h5py.File(path, "r+") as file:
            how(file)
        return path

    return change


@pytest.fixture
def episode() -> Callable[..., Columns]:
    """One episode of random images, actions and positions."""

    def make(length: int, seed: int = 0, size: int = 8) -> Columns:
        rng = np.random.default_rng(seed)
        action = rng.uniform(-1, 1, (length, 2)).astype(np.float32)
        moved = np.cumsum(np.vstack([np.zeros((1, 2)), action[:-1]]), axis=0)
        action[-1] = np.nan
        return {
            "pixels": rng.integers(0, 256, (length, size, size, 3), dtype=np.uint8),
            "action": action,
            "pos_agent": moved.astype(np.float32),
        }

    return make


@pytest.fixture
def written(tmp_path: Path) -> Callable[[list[Columns]], Path]:
    """A data set file of given episodes."""

    def write(episodes: list[Columns]) -> Path:
        path = tmp_path / "written.h5"
        lengths = [len(one["action"]) for one in episodes]
        with EpisodeWriter(path, lengths, {"world": "made-up"}) as writer:
            for one in episodes:
                writer.append(one)
        return path

    return write


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    """Make every write to the disk fail as if it were full."""

    @contextmanager
    def full() -> Iterator[None]:
        def refuse(descriptor: int, data: object) -> int:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("lewm_probe.data.formats.hdf5.disk.os.write", refuse)
            yield

    return full


@pytest.fixture
def own_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worlds registered in a test are forgotten after it."""
    monkeypatch.setattr(WORLDS, "_own", {})


COLUMNS = {
    "push-t": {"action": 2, "state": 7, "proprio": 4},
    "two-room": {"action": 2, "proprio": 2, "pos_agent": 2, "pos_target": 2, "observation": 10},
    "ogb-cube": {
        "action": 5,
        "observation": 28,
        "qpos": 21,
        "qvel": 20,
        "proprio_joint_pos": 6,
        "proprio_joint_vel": 6,
        "proprio_effector_pos": 3,
        "proprio_effector_yaw": 1,
        "proprio_gripper_opening": 1,
        "proprio_gripper_vel": 1,
        "proprio_gripper_contact": 1,
        "privileged_block_0_pos": 3,
        "privileged_block_0_quat": 4,
        "privileged_block_0_yaw": 1,
    },
    "reacher": {"action": 2, "qpos": 2, "qvel": 2, "finger_pos": 2, "target_pos": 2},
}
"""Columns beside pixels of the released files, and how many numbers a row of each holds."""


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A small file in a world's released layout: Blosc, 100 frames a chunk, no attributes."""
    folder = tmp_path_factory.mktemp("released")

    def write(world: str, lengths: tuple[int, ...] = (130, 70, 61), size: int = 12) -> Path:
        path = folder / f"{world}-{size}-{'-'.join(map(str, lengths))}.h5"
        if path.exists():
            return path
        rng, rows = np.random.default_rng(0), sum(lengths)
        ends = np.cumsum(lengths)
        with h5py.File(path, "w") as file:
            pixels = rng.integers(0, 256, (rows, size, size, 3), np.uint8)
            chunks = (min(100, rows), size, size, 3)
            file.create_dataset("pixels", data=pixels, chunks=chunks, **hdf5plugin.Blosc())
            for name, width in COLUMNS[world].items():
                kind = np.float64 if name == "observation" else np.float32
                values = rng.standard_normal((rows, width)).astype(kind)
                if name == "action":
                    values[ends - 1] = np.nan
                file[name] = values
            file["ep_offset"] = ends - lengths
            file["ep_len"] = np.array(lengths, np.int32)
            ids = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
            file["episode_idx" if world == "push-t" else "ep_idx"] = ids
            file["step_idx"] = np.concatenate([np.arange(length) for length in lengths])
        return path

    return write
