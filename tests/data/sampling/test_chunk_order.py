from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lewm_probe.data.convert import convert
from lewm_probe.data.formats.registry import open_episodes
from lewm_probe.data.sampling.chunk_order import ChunkReader, Group, chunk_order
from lewm_probe.data.sampling.windows import Windows


@given(
    chunks=st.lists(st.integers(0, 40), max_size=200),
    run=st.integers(1, 9),
    runs=st.integers(1, 9),
    seed=st.integers(0, 9),
)
def test_every_window_once_and_groups_stay_together(
    chunks: list[int], run: int, runs: int, seed: int
) -> None:
    begins = np.array(chunks, np.int64)
    order = chunk_order(begins, Group(run, runs), np.random.default_rng(seed))
    assert sorted(order.tolist()) == list(range(len(begins)))
    again = chunk_order(begins, Group(run, runs), np.random.default_rng(seed))
    assert order.tolist() == again.tolist()
    # A chunk is never come back to: its windows lie within one stretch of a group's size.
    for chunk in set(chunks):
        places = np.flatnonzero(begins[order] == chunk)
        between = np.unique(begins[order][places[0] : places[-1] + 1])
        assert len(between) <= run * runs


def test_windows_are_mixed_within_a_group() -> None:
    begins = np.repeat(np.arange(60), 50)
    one = chunk_order(begins, Group(4, 5), np.random.default_rng(0))
    other = chunk_order(begins, Group(4, 5), np.random.default_rng(1))
    assert (one != other).mean() > 0.9
    seen = begins[one][:128]  # a batch of 128 comes from nearly all of the 20 chunks
    assert len(np.unique(seen)) >= 15


def test_each_chunk_is_decoded_about_once_an_epoch(released: Callable) -> None:
    """Counted: in order, each chunk and one more a run; at random, over and over."""
    with open_episodes(released("two-room", (900, 1100))) as data:
        chunk = 100 * 12 * 12 * 3
        windows = Windows(data, [0, 1], 4, 5, memory_limit=0)

        def decoded(order: np.ndarray) -> int:
            reader = ChunkReader(data, memory=12 * chunk)
            windows._images = reader
            for start in range(0, len(order), 16):
                windows.batch(order[start : start + 16])
            return reader.decoded

        windows._images = ChunkReader(data, memory=12 * chunk)
        assert windows._images.group(15) == Group(run=2, runs=4)
        rng = np.random.default_rng(0)
        assert decoded(windows.order(rng)) <= 20 + 11  # 20 chunks, in 10 or 11 runs
        assert decoded(rng.permutation(len(windows))) > 5 * 20


def test_reads_are_those_of_the_file(released: Callable) -> None:
    with open_episodes(released("two-room", (250, 61))) as data:
        windows = Windows(data, [1, 0], 4, 5, memory_limit=0)
        held = Windows(data, [1, 0], 4, 5)
        order = windows.order(np.random.default_rng(0))
        assert sorted(order.tolist()) == list(range(len(held)))
        for part in np.array_split(order, 7):
            np.testing.assert_array_equal(windows.batch(part)["pixels"], held.batch(part)["pixels"])


def test_a_chunk_larger_than_the_memory_is_still_read(released: Callable) -> None:
    with open_episodes(released("two-room", (250, 61))) as data:
        reader = ChunkReader(data, memory=1)
        rows = np.array([310, 3, 250, 3, 99, 100])
        np.testing.assert_array_equal(reader.take(rows), data.read("pixels")[rows])
        assert reader.group(15) == Group(1, 1)


def test_files_of_one_frame_a_chunk_and_images_in_memory_are_shuffled_whole(
    released: Callable, tmp_path: Path
) -> None:
    source = released("two-room", (250, 61))
    convert(source, tmp_path / "fine.h5")
    for path, limit in ((tmp_path / "fine.h5", 0), (source, 2**30)):
        with open_episodes(path) as data:
            windows = Windows(data, [0, 1], 4, 5, memory_limit=limit)
            expected = np.random.default_rng(3).permutation(len(windows))
            np.testing.assert_array_equal(windows.order(np.random.default_rng(3)), expected)
