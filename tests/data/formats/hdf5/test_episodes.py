from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile, EpisodeWriter

GOLDEN = Path(__file__).parents[3] / "golden" / "released_layout.h5"


def test_reads_the_released_layout() -> None:
    with EpisodeFile(GOLDEN) as file, h5py.File(GOLDEN) as raw:
        assert file.columns == ("action", "ep_idx", "pixels", "proprio", "step_idx")
        assert (len(file), file.rows, file.action_width) == (4, 117, 2)
        assert (file.frame_shape, file.image_size) == ((32, 32, 3), 32)
        assert (file.episode_column, file.world, file.attrs) == ("ep_idx", None, {})
        for index in range(4):
            start, stop = raw["ep_offset"][index], raw["ep_offset"][index] + raw["ep_len"][index]
            for name, values in file.episode(index).items():
                np.testing.assert_array_equal(values, raw[name][start:stop])
        assert set(file.episode(1, ["action"])) == {"action"}
        np.testing.assert_array_equal(file.rows_of([2, 0]), [*range(51, 70), *range(31)])
        assert file.rows_of([]).tolist() == []
        assert file.describe("pixels") == "uint8 (32, 32, 3)"


def test_writes_the_released_layout(written: Callable, episode: Callable) -> None:
    episodes = [episode(length, length) for length in (5, 1, 7)]
    path = written(episodes)
    with h5py.File(path) as raw:
        expected = {
            "ep_offset": ("<i8", [0, 5, 6]),
            "ep_len": ("<i4", [5, 1, 7]),
            "ep_idx": ("<i4", [0] * 5 + [1] + [2] * 7),
            "step_idx": ("<i8", [*range(5), 0, *range(7)]),
        }
        for name, (kind, values) in expected.items():
            assert (raw[name].dtype.str, raw[name][:].tolist()) == (kind, values)
        assert raw["pixels"].dtype == np.uint8
        assert raw["pixels"].chunks == (1, 8, 8, 3)
        assert hdf5plugin.Blosc.filter_id == raw["pixels"].id.get_create_plist().get_filter(0)[0]
        assert raw["action"].dtype == np.float32
        assert raw.attrs["world"] == "made-up"
    with EpisodeFile(path) as file:
        assert file.world == "made-up"
        for index, one in enumerate(episodes):
            back = file.episode(index)
            for name, values in one.items():
                np.testing.assert_array_equal(back[name], values)
                assert back[name].dtype == values.dtype


def test_push_t_calls_its_episode_column_differently(tmp_path: Path, episode: Callable) -> None:
    path = tmp_path / "push-t.h5"
    with EpisodeWriter(path, [6], {}, episode_column="episode_idx") as writer:
        writer.append(episode(6))
    with EpisodeFile(path) as file:
        assert file.episode_column == "episode_idx"
        assert "ep_idx" not in file.columns


def test_joined_files_equal_one_written_at_once(
    tmp_path: Path, written: Callable, episode: Callable
) -> None:
    episodes = [episode(length, length) for length in (5, 3, 7, 4)]
    parts = []
    for number, some in enumerate((episodes[:1], episodes[1:])):
        parts.append(tmp_path / f"part{number}.h5")
        shutil.move(written(some), parts[-1])
    whole = written(episodes)
    joined = tmp_path / "joined.h5"
    with EpisodeWriter(joined, [5, 3, 7, 4], {"world": "made-up"}) as writer:
        for part in parts:
            with EpisodeFile(part) as file:
                writer.append_file(file)
    with EpisodeFile(whole) as one, EpisodeFile(joined) as other:
        assert one.columns == other.columns
        for name in one.columns:
            np.testing.assert_array_equal(one.read(name), other.read(name))
        assert one.fingerprint == other.fingerprint


def test_an_unfinished_file_never_appears(tmp_path: Path, episode: Callable) -> None:
    path = tmp_path / "a.h5"
    one = episode(5)
    short = pytest.raises(ValueError, match="^1 of 2 episodes were written$")
    with short, EpisodeWriter(path, [5, 5], {}) as writer:
        writer.append(one)
    with pytest.raises(KeyboardInterrupt), EpisodeWriter(path, [5, 5], {}):
        raise KeyboardInterrupt
    uneven = pytest.raises(ValueError, match="^'pos_agent' has 4 rows, not 5$")
    with uneven, EpisodeWriter(path, [5], {}) as writer:
        writer.append({**one, "pos_agent": one["pos_agent"][:4]})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, episode: Callable, full_disk: Callable) -> None:
    path = tmp_path / "a.h5"
    with full_disk(), pytest.raises(UserError) as error, EpisodeWriter(path, [5], {}) as writer:
        writer.append(episode(5))
    assert str(error.value) == (
        f"The disk is full: {path} could not be written. Nothing half-written was left behind. "
        "Free some space, or choose another place with --out, and run the command again."
    )
    assert list(tmp_path.iterdir()) == []


def test_the_fingerprint_follows_the_content(
    tmp_path: Path, collected: Path, changed: Callable
) -> None:
    with EpisodeFile(collected) as file:
        original = file.fingerprint
        assert file.fingerprint == original
    other_name = tmp_path / "other.h5"
    shutil.copy(collected, other_name)
    recompressed = tmp_path / "recompressed.h5"
    with h5py.File(collected) as source, h5py.File(recompressed, "w") as target:
        for name in source:
            chunks = source[name].shape if name == "pixels" else None
            target.create_dataset(name, data=source[name][:], chunks=chunks)
    for same in (other_name, recompressed):
        with EpisodeFile(same) as file:
            assert file.fingerprint == original
    seen = {original}

    def nudge(name: str) -> Callable[[h5py.File], None]:
        def change(file: h5py.File) -> None:
            file[name][200] = file[name][200] + np.array(1, file[name].dtype)

        return change

    for name in ("action", "pos_agent", "observation", "distance_to_target", "step_idx"):
        with EpisodeFile(changed(nudge(name))) as file:
            seen.add(file.fingerprint)
    with EpisodeFile(changed(lambda file: file.move("proprio", "state"))) as file:
        seen.add(file.fingerprint)

    def darken(file: h5py.File) -> None:
        file["pixels"][0] = 0

    with EpisodeFile(changed(darken)) as file:
        seen.add(file.fingerprint)
    assert len(seen) == 8


def test_a_file_that_changes_gets_a_new_fingerprint(changed: Callable) -> None:
    path = changed(lambda file: None)
    with EpisodeFile(path) as file:
        before = file.fingerprint
    facts = path.stat()
    with h5py.File(path, "r+") as raw:
        raw["action"][0] = 0.5
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    with EpisodeFile(path) as file:
        assert file.fingerprint != before


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_no_such_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "no.h5" if kind == "missing" else tmp_path
    what = "does not exist" if kind == "missing" else "is a folder, not a file"
    with pytest.raises(UserError) as error:
        EpisodeFile(path)
    assert str(error.value) == (
        f"The data set {path} {what}. Check the path, or collect one with `lewm-probe data collect "
        "two-room --episodes 600 --out FILE.h5`."
    )


def test_no_such_episode_or_column(collected: Path) -> None:
    with EpisodeFile(collected) as file:
        with pytest.raises(UserError) as error:
            file.episode(12)
        assert str(error.value) == (
            f"There is no episode 12 in {collected}: it has 12, counted from 0. Choose one from 0 "
            "to 11."
        )
        with pytest.raises(UserError) as error:
            file.read("state")
        assert str(error.value) == (
            f"{collected} has no column 'state'. It has: action, distance_to_target, ep_idx, "
            "observation, pixels, pos_agent, pos_target, proprio, step_idx."
        )


def test_oblong_images_have_no_size(changed: Callable) -> None:
    def widen(file: h5py.File) -> None:
        del file["pixels"]
        file["pixels"] = np.zeros((372, 4, 6, 3), np.uint8)

    path = changed(widen)
    with EpisodeFile(path) as file, pytest.raises(UserError) as error:
        file.image_size  # noqa: B018
    assert str(error.value) == (
        f"The images in {path} are 6×4 px; world models here need square ones. Crop or resize "
        "them and write the file again."
    )
