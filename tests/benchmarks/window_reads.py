"""How many training windows a second each way of storing images gives.

    python tests/benchmarks/window_reads.py

Writes 2000 frames of TwoRoom (224 px) in every form, into a temporary folder, and
reads windows of 4 frames at frame-skip 5. The table is for lewm_probe/data/README.md; the files are
in the page cache, as they are from a training run's second epoch on, so that decoding is measured
and not the disk.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

from lewm_probe.data.convert import convert
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.formats.hdf5 import episodes
from lewm_probe.data.formats.registry import open_episodes
from lewm_probe.data.sampling.chunk_order import ChunkReader
from lewm_probe.data.sampling.windows import Windows
from lewm_probe.worlds import make_world

EPISODES, LENGTH, SIZE, CHUNK = 20, 100, 224, 100
FRAMES, FRAME_SKIP, BATCH = 4, 5, 32
SECONDS = 4.0
"""Time given to each way."""


def write_released(path: Path) -> None:
    """TwoRoom's own images, 100 frames a chunk, Blosc-compressed, as the released files are."""
    world, rng = make_world("two-room"), np.random.default_rng(0)
    pixels, actions, places = [], [], []
    for episode in range(EPISODES):
        world.reset(seed=episode)
        act = world.expert(rng)
        for _ in range(LENGTH):
            action = act(world)
            pixels.append(world.render(SIZE))
            actions.append(action)
            places.append(world.position("agent"))
            world.step(action)
            if world.success():
                world.new_goal(rng)
    action = np.array(actions, np.float32)
    action[LENGTH - 1 :: LENGTH] = np.nan
    with h5py.File(path, "w") as file:
        chunks = (CHUNK, SIZE, SIZE, 3)
        file.create_dataset("pixels", data=np.stack(pixels), chunks=chunks, **hdf5plugin.Blosc())
        file["action"] = action
        file["proprio"] = np.array(places, np.float32)
        file["ep_offset"] = np.arange(EPISODES) * LENGTH
        file["ep_len"] = np.full(EPISODES, LENGTH, np.int32)
        file["ep_idx"] = np.repeat(np.arange(EPISODES, dtype=np.int32), LENGTH)
        file["step_idx"] = np.tile(np.arange(LENGTH), EPISODES)


class Plain(Windows):
    """Reads from the file in whatever order it is asked, with HDF5's chunk cache alone."""

    def __init__(self, data: Episodes) -> None:
        super().__init__(data, range(len(data)), FRAMES, FRAME_SKIP, memory_limit=0)
        self._images = None


def batches(windows: Windows, size: int, in_order: bool) -> Iterator[np.ndarray]:
    """Window numbers, epoch after epoch: in the windows' own order, or at random."""
    rng = np.random.default_rng(1)
    while True:
        order = windows.order(rng) if in_order else rng.permutation(len(windows))
        for start in range(0, len(order) - size + 1, size):
            yield order[start : start + size]


def speed(windows: Windows, size: int, *, in_order: bool = False) -> float:
    """Windows a second, in batches of ``size``."""
    began, count = time.perf_counter(), 0
    for indices in batches(windows, size, in_order):
        windows.batch(indices)
        count += len(indices)
        if time.perf_counter() - began > SECONDS:
            break
    return count / (time.perf_counter() - began)


def main() -> None:
    """Write, read, print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        released = folder / "released.h5"
        write_released(released)
        convert(released, folder / "converted.h5")
        convert(released, folder / "table.lance")
        every = (range(EPISODES), FRAMES, FRAME_SKIP)
        rows = []
        # Real files have thousands of chunks, so that two windows hardly ever share one that is
        # still held: here, windows one by one and a cache of one chunk of the twenty.
        usual, episodes._CHUNK_CACHE_BYTES = episodes._CHUNK_CACHE_BYTES, 2**24
        with open_episodes(released) as data:
            rows.append((f"HDF5, {CHUNK} frames a chunk, at random", speed(Plain(data), 1)))
        episodes._CHUNK_CACHE_BYTES = usual
        with open_episodes(released) as data:
            ordered = Windows(data, *every, memory_limit=0)
            # 12 chunks, so that most are decoded anew every epoch; runs are shorter than they are
            # with the usual gigabyte, which makes this an underestimate.
            ordered._images = ChunkReader(data, 12 * CHUNK * SIZE * SIZE * 3)
            rows.append(("the same file, in chunk order", speed(ordered, BATCH, in_order=True)))
        with open_episodes(folder / "converted.h5") as data:
            rows.append(("HDF5, one frame a chunk, at random", speed(Plain(data), BATCH)))
            held = Windows(data, *every)
            rows.append(("in memory", speed(held, BATCH)))
        with open_episodes(folder / "table.lance") as data:
            rows.append(("Lance (JPEG), at random", speed(Plain(data), BATCH)))
        print("| images | windows/s |\n|---|---|")  # noqa: T201
        for label, value in rows:
            print(f"| {label} | {value:,.0f} |")  # noqa: T201


if __name__ == "__main__":
    main()
