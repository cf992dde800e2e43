"""Small data sets: one collected, others written by hand, sound or broken on purpose."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from lewm_probe.data.collect import collect
from lewm_probe.data.episodes import EpisodeWriter

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
    """One episode of random pictures, actions and positions."""

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
            patch.setattr("lewm_probe.data.disk.os.write", refuse)
            yield

    return full
