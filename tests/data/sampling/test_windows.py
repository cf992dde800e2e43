from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile, EpisodeWriter
from lewm_probe.data.sampling.windows import Windows

GOLDEN = Path(__file__).parents[2] / "golden"
EVERYTHING = 2**40


@pytest.mark.parametrize("memory_limit", [EVERYTHING, 0], ids=["memory", "file"])
def test_agrees_with_the_published_reader(memory_limit: int) -> None:
    golden = np.load(GOLDEN / "released_windows.npz")
    columns = ("proprio", "step_idx", "ep_idx")
    with EpisodeFile(GOLDEN / "released_layout.h5") as file:
        windows = Windows(file, range(4), 4, 5, columns=columns, memory_limit=memory_limit)
        batch = windows.batch(golden["index"])
    assert len(windows) == golden["n_windows"]
    assert windows.too_short == 1  # 19 rows; a window takes 20
    assert windows.in_memory == (memory_limit > 0)
    for place, index in enumerate(golden["index"]):
        channels_first = batch["pixels"][place].transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(channels_first, golden[f"pixels_{index}"])
        for name in ("action", *columns):
            np.testing.assert_array_equal(batch[name][place], golden[f"{name}_{index}"])
            assert batch[name].dtype == golden[f"{name}_{index}"].dtype


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    frames=st.integers(1, 3),
    frame_skip=st.integers(1, 3),
    data=st.data(),
)
def test_every_window_is_a_stretch_of_one_episode(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[int],
    frames: int,
    frame_skip: int,
    data: st.DataObject,
) -> None:
    span = frames * frame_skip
    chosen = data.draw(st.lists(st.sampled_from(range(len(lengths))), min_size=1, unique=True))
    expected = [
        (i, start) for i in chosen for start in range(lengths[i] - span + 1)
    ]  # the plain way: every start of every episode
    path = tmp_path_factory.mktemp("windows") / "numbered.h5"
    with EpisodeWriter(path, lengths, {}) as writer:
        for i, length in enumerate(lengths):
            steps = np.arange(length)
            pixels = np.broadcast_to(steps[:, None, None, None] + 20 * i, (length, 2, 2, 3))
            action = (100.0 * i + steps)[:, None].astype(np.float32)
            writer.append({"pixels": pixels.astype(np.uint8), "action": action})
    with EpisodeFile(path) as file:
        if not expected:
            with pytest.raises(UserError):
                Windows(file, chosen, frames, frame_skip)
            return
        held = Windows(file, chosen, frames, frame_skip, columns=["step_idx"])
        read = Windows(file, chosen, frames, frame_skip, memory_limit=0)
        assert len(held) == len(read) == len(expected)
        batch = held.batch(range(len(expected)))
        np.testing.assert_array_equal(read.batch(range(len(expected)))["pixels"], batch["pixels"])
        for place, (i, start) in enumerate(expected):
            steps = np.arange(start, start + span)
            assert (
                batch["pixels"][place, :, 0, 0, 0].tolist()
                == (steps[::frame_skip] + 20 * i).tolist()
            )
            assert batch["step_idx"][place].tolist() == steps[::frame_skip].tolist()
            assert batch["action"][place].shape == (frames, frame_skip)
            assert batch["action"][place].ravel().tolist() == (100.0 * i + steps).tolist()
            assert held.starts[place] == file.offsets[i] + start


def test_indices_may_come_in_any_order_and_twice(collected: Path) -> None:
    with EpisodeFile(collected) as file:
        for limit in (EVERYTHING, 0):
            windows = Windows(file, [7, 2], 3, 5, memory_limit=limit)
            one_by_one = [windows.batch([i])["pixels"][0] for i in (9, 0, 9, 20)]
            np.testing.assert_array_equal(windows.batch([9, 0, 9, 20])["pixels"], one_by_one)
            with pytest.raises(IndexError):
                windows.batch([len(windows)])


def test_the_last_action_stays_nan(collected: Path) -> None:
    with EpisodeFile(collected) as file:
        windows = Windows(file, [0], 4, 5)
        last = windows.batch([len(windows) - 1])
    assert np.isnan(last["action"][0, -1, -2:]).all()
    assert np.isfinite(last["action"][0].ravel()[:-2]).all()


def test_too_short_episodes_are_named(collected: Path) -> None:
    with EpisodeFile(collected) as file, pytest.raises(UserError) as error:
        Windows(file, [0, 1, 2], 7, 5)
    assert str(error.value) == (
        f"All 3 episodes asked of {collected} are shorter than a window: the longest has 31 rows, "
        "but 7 frames at frame-skip 5 need 35. Collect longer episodes (--length 34 or more), or "
        "ask for fewer frames."
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bad_actions_are_counted(written: Callable, episode: Callable, value: float) -> None:
    broken = [episode(8, seed) for seed in range(3)]
    broken[1]["action"][[2, 5], 1] = value
    path = written(broken)
    with EpisodeFile(path) as file:
        assert len(Windows(file, [0, 2], 2, 2)) == 10  # the others are sound
        with pytest.raises(UserError) as error:
            Windows(file, [0, 1], 2, 2)
    assert str(error.value) == (
        f"2 actions in {path} are NaN or infinite (the first at row 10); only the last of an "
        f"episode may be NaN. `lewm-probe data check {path}` lists what is wrong; fetch or collect "
        "it again."
    )


def test_an_infinite_last_action_is_refused_too(written: Callable, episode: Callable) -> None:
    broken = episode(8)
    broken["action"][-1, 0] = np.inf
    with EpisodeFile(written([broken])) as file, pytest.raises(UserError, match="^1 actions in "):
        Windows(file, [0], 2, 2)


def test_windows_of_nothing_are_refused(collected: Path) -> None:
    with EpisodeFile(collected) as file, pytest.raises(UsageError) as error:
        Windows(file, [0], 0, 5)
    assert str(error.value) == (
        "Windows of 0 frames at frame-skip 5 cannot be cut; both must be at least 1."
    )
