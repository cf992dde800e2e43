from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.check.run import check_file
from lewm_probe.data.convert import Converted, convert
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.formats.folder import format as folder_format
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile, EpisodeWriter
from lewm_probe.data.formats.registry import open_episodes
from lewm_probe.data.sampling.windows import Windows

GOLDEN = Path(__file__).parents[1] / "golden"


def everything(data: Episodes) -> dict[str, np.ndarray]:
    return {name: data.read(name) for name in data.columns}


@pytest.mark.parametrize("world", ["push-t", "two-room", "ogb-cube", "reacher"])
def test_hdf5_and_folders_hold_the_same_bits(
    released: Callable, tmp_path: Path, world: str
) -> None:
    source = released(world, (23, 14))
    assert convert(source, tmp_path / "folder") == Converted(2, 37, (12, 12))
    convert(tmp_path / "folder", tmp_path / "back.h5")
    folder, back = tmp_path / "folder", tmp_path / "back.h5"
    with open_episodes(source) as one, open_episodes(folder) as two, open_episodes(back) as three:
        assert one.columns == two.columns == three.columns
        before = everything(one)
        for data in (two, three):
            for name, values in everything(data).items():
                assert values.dtype == before[name].dtype, name
                np.testing.assert_array_equal(values, before[name])
        assert one.fingerprint == two.fingerprint == three.fingerprint
        assert three.chunk_rows == 1
        assert three.attrs == one.attrs


def test_the_golden_file_goes_through_every_kind(tmp_path: Path) -> None:
    """What the published reader returned, from each of them (``test_windows``); JPEG but nearly."""
    golden = np.load(GOLDEN / "released_windows.npz")
    source = GOLDEN / "released_layout.h5"
    for name in ("a", "b.h5", "c.lance"):
        convert(source, tmp_path / name)
        source = tmp_path / name
        with open_episodes(source) as data:
            column = data.episode_column
            assert column is not None
            windows = Windows(data, range(4), 4, 5, columns=["proprio", "step_idx", column])
            batch = windows.batch(golden["index"])
        for place, index in enumerate(golden["index"]):
            for key in ("action", "proprio", "step_idx"):
                np.testing.assert_array_equal(batch[key][place], golden[f"{key}_{index}"])
            np.testing.assert_array_equal(batch[column][place], golden[f"ep_idx_{index}"])
            pixels = batch["pixels"][place].transpose(0, 3, 1, 2)
            off = np.abs(pixels.astype(int) - golden[f"pixels_{index}"])
            assert off.max() == 0 if name != "c.lance" else off.mean() < 8


def test_awkward_numbers_survive(tmp_path: Path) -> None:
    values = np.array([0.1 + 0.2, 1e-310, -0.0, np.inf, np.nan, 2.0**-1074, np.pi * 1e300])
    columns = {
        "pixels": np.zeros((7, 4, 4, 3), np.uint8),
        "action": np.full((7, 1), 1 / 3, np.float32),
        "plain": values,
        "single": values.clip(-3e38, 3e38).astype(np.float32).reshape(7, 1),
        "matrix": np.arange(42).reshape(7, 2, 3),
        "flag": np.arange(7) % 2 == 0,
        "small": np.arange(7, dtype=np.uint8),
    }
    with EpisodeWriter(tmp_path / "a.h5", [4, 3], {"seed": 3, "note": "ä: 1"}) as writer:
        writer.append({name: v[:4] for name, v in columns.items()})
        writer.append({name: v[4:] for name, v in columns.items()})
    convert(tmp_path / "a.h5", tmp_path / "b")
    convert(tmp_path / "b", tmp_path / "c.h5")
    with open_episodes(tmp_path / "c.h5") as data:
        assert data.attrs == {"seed": 3, "note": "ä: 1"}
        for name, stored in columns.items():
            found = data.read(name)
            assert (found.dtype, found.shape) == (stored.dtype, stored.shape)
            np.testing.assert_array_equal(found, stored)
            assert np.array_equal(np.signbit(found), np.signbit(stored)) or name != "plain"


def test_lance_is_exact_up_to_float32_and_jpeg(released: Callable, tmp_path: Path) -> None:
    source = released("two-room", (23, 14))
    convert(source, tmp_path / "t.lance")
    convert(tmp_path / "t.lance", tmp_path / "back.h5")
    table, back = tmp_path / "t.lance", tmp_path / "back.h5"
    with open_episodes(source) as one, open_episodes(table) as two, open_episodes(back) as three:
        assert [*two.lengths] == [*one.lengths] == [23, 14]
        for name in ("action", "proprio", "pos_agent", "pos_target", "observation"):
            for data in (two, three):
                found = data.read(name)
                assert found.dtype == np.float32
                np.testing.assert_array_equal(found, one.read(name).astype(np.float32))
        held = io.BytesIO()  # oracle: Pillow's own JPEG of one frame
        Image.fromarray(one.row("pixels", 5)).save(held, "JPEG", quality=95, subsampling=0)
        np.testing.assert_array_equal(two.row("pixels", 5), np.asarray(Image.open(held)))
        np.testing.assert_array_equal(two.read("pixels"), three.read("pixels"))
        assert "lossy JPEG" in str(two.attrs["note"])
        assert three.attrs["note"] == two.attrs["note"]
        assert two.episode_column == three.episode_column == "episode_idx"


def test_windows_do_not_care_for_the_storage(released: Callable, tmp_path: Path) -> None:
    source = released("push-t", (40, 30))
    batches = []
    for name in ("a.h5", "b", "c.lance"):
        convert(source, tmp_path / name)
        for limit in (0, 2**30):
            with open_episodes(tmp_path / name) as data:
                windows = Windows(data, [0, 1], 4, 5, columns=["state"], memory_limit=limit)
                batches.append(windows.batch([30, 2, 2, 17]))
    for number, batch in enumerate(batches):
        reference = batches[4 if number >= 4 else 0]
        for key, values in batch.items():
            np.testing.assert_array_equal(values, reference[key])
        np.testing.assert_array_equal(batch["state"], batches[0]["state"])


def test_long_episodes_are_converted_in_blocks(
    collected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Episodes.images, "__defaults__", (7 * 16 * 16 * 3,))
    read = EpisodeFile.read
    longest = []

    def counted(self: EpisodeFile, column: str, start: int = 0, stop: int | None = None) -> object:
        values = read(self, column, start, stop)
        longest.append(len(values) if column == "pixels" else 0)
        return values

    monkeypatch.setattr(EpisodeFile, "read", counted)
    for name in ("a.h5", "b", "c.lance"):
        convert(collected, tmp_path / name)
        assert max(longest) == 7
    monkeypatch.undo()
    with open_episodes(collected) as whole:
        for name in ("a.h5", "b"):
            with open_episodes(tmp_path / name) as data:
                np.testing.assert_array_equal(data.read("pixels"), whole.read("pixels"))
        with open_episodes(tmp_path / "c.lance") as data:
            np.testing.assert_array_equal(data.read("action"), whole.read("action"))
            assert data.lengths.tolist() == whole.lengths.tolist()


def test_some_episodes_smaller_images_mended_actions(collected: Path, tmp_path: Path) -> None:
    target = tmp_path / "t.h5"
    done = convert(collected, target, size=4, episodes=(2, 5))
    assert done == Converted(3, 93, (4, 4))
    with open_episodes(collected) as whole, open_episodes(target) as part:
        assert part.attrs["picture_size"] == 4
        assert part.attrs["resized_from"] == 16
        assert part.attrs["resize_filter"] == "box: mean over the area"
        assert part.attrs["source_episodes"] == "2:5"
        assert part.read("ep_idx").tolist() == [0] * 31 + [1] * 31 + [2] * 31
        pixels = whole.episode(3, ["pixels"])["pixels"].astype(float)
        means = pixels.reshape(31, 4, 4, 4, 4, 3).mean(axis=(2, 4))
        assert np.abs(part.episode(1, ["pixels"])["pixels"] - means).max() < 1
        np.testing.assert_array_equal(part.episode(1)["pos_agent"], whole.episode(3)["pos_agent"])
    same = tmp_path / "same.h5"
    convert(collected, same, size=16)
    with open_episodes(collected) as whole, open_episodes(same) as copy:
        assert copy.fingerprint == whole.fingerprint
        assert copy.attrs == whole.attrs


@pytest.mark.parametrize("name", ["m.h5", "m", "m.lance"])
def test_last_actions_are_found_and_mended(changed: Callable, tmp_path: Path, name: str) -> None:
    """The fault of stable-worldmodel, 2026-04-24 to 2026-07-21, in every kind of data set."""

    def repeat(file: h5py.File) -> None:
        file["action"][file["ep_offset"][:] + 30] = file["action"][file["ep_offset"][:]]

    faulty = tmp_path / f"faulty{Path(name).suffix}"
    convert(changed(repeat), faulty)
    with open_episodes(faulty) as data:
        (found,) = [c for c in check_file(data) if c.name == "last actions"]
    assert (found.verdict, found.finding) == (
        "problem",
        "the first action stands again in the last row of 12 episodes (0, 1, 2, 3, 4, …), a fault "
        "of stable-worldmodel from 2026-04-24 to 2026-07-21: set it to NaN, for example with "
        "`lewm-probe data convert --mend-last-actions`",
    )
    convert(faulty, tmp_path / f"mended-{name}", mend_last_actions=True)
    with open_episodes(tmp_path / f"mended-{name}") as data:
        checks = {c.name: c for c in check_file(data)}
        assert checks["last actions"].finding == "NaN in every episode"
        assert not [c for c in checks.values() if c.verdict == "problem"]
        assert data.attrs["last_actions"] == "set to NaN"


@pytest.mark.parametrize("name", ["t.h5", "t", "t.lance"])
def test_an_existing_data_set_is_replaced_only_when_asked(
    collected: Path, tmp_path: Path, name: str
) -> None:
    target = tmp_path / name
    convert(collected, target, episodes=(0, 1))
    with pytest.raises(UserError) as error:
        convert(collected, target)
    assert str(error.value) == (
        f"{target} exists already. Choose another name, or give --overwrite."
    )
    convert(collected, target, episodes=(0, 2), overwrite=True)
    with open_episodes(target) as data:
        assert len(data) == 2
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_folder_that_is_no_data_set_is_never_replaced(collected: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").write_text("dear")
    with pytest.raises(UserError) as error:
        convert(collected, home, overwrite=True)
    assert str(error.value) == (
        f"{home} is not a data set of that kind, and is not replaced. Choose another name."
    )
    assert (home / "thesis.tex").read_text() == "dear"
    for inside in (collected, collected.parent):
        with pytest.raises(UsageError) as usage:
            convert(collected, inside, overwrite=True)
        assert str(usage.value) == (
            f"{inside} and {collected} overlap; a data set cannot be converted into itself. Choose "
            "another place."
        )


@pytest.mark.parametrize("name", ["t.h5", "t", "t.lance"])
def test_interrupted_it_leaves_nothing(
    collected: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / name
    convert(collected, target, episodes=(0, 1))
    read = EpisodeFile.episode

    def stop(self: EpisodeFile, index: int, columns: object = None) -> object:
        if index == 3:
            raise KeyboardInterrupt
        return read(self, index, columns)

    monkeypatch.setattr(EpisodeFile, "episode", stop)
    with pytest.raises(KeyboardInterrupt):
        convert(collected, target, overwrite=True)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == [name]
    with open_episodes(target) as data:
        assert len(data) == 1


def test_a_full_disk(collected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder_format, "_exact", full)
    with pytest.raises(UserError) as error:
        convert(collected, tmp_path / "t")
    assert str(error.value) == (
        f"The disk is full: {tmp_path / 't'} could not be written. Nothing half-written was left "
        "behind. Free some space, or choose another place with --out, and run the command again."
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            {"episodes": (12, None)},
            "No episode of SOURCE is left: it has 12, counted from 0. Ask for some of them, e.g. "
            "--episodes 0:10.",
        ),
        ({"size": 5000}, "Images of 5000 px cannot be written; choose 1 to 4096."),
    ],
)
def test_impossible_wishes(collected: Path, tmp_path: Path, how: dict, message: str) -> None:
    with pytest.raises(UsageError) as error:
        convert(collected, tmp_path / "t.h5", **how)
    assert str(error.value) == message.replace("SOURCE", str(collected))


def test_columns_that_would_share_a_field(
    written: Callable, episode: Callable, tmp_path: Path
) -> None:
    one = episode(6)
    source = written([one | {"pos_agent_1": one["pos_agent"][:, 0]}])
    with pytest.raises(UserError) as error:
        convert(source, tmp_path / "t")
    assert str(error.value) == (
        f"{tmp_path / 't'} cannot be written: two columns of the source would stand in the CSV "
        "field 'pos_agent_1'. Rename one in the source, or convert to HDF5."
    )
    source = written([one | {"a.b": one["pos_agent"], "a_b": one["pos_agent"]}])
    with pytest.raises(UserError) as error:
        convert(source, tmp_path / "t.lance")
    assert str(error.value) == (
        "PATH cannot be written: dots in names become '_' in Lance tables, and then two of a.b, "
        "a_b, action, pos_agent are the same. Rename one in the source.".replace(
            "PATH", str(error.value).split(" cannot")[0]
        )
    )
    assert not [p for p in tmp_path.iterdir() if p.suffix != ".h5"]


def test_odd_columns(tmp_path: Path, written: Callable, episode: Callable) -> None:
    one = episode(6)
    odd = {
        "big": one["pos_agent"].astype(">f4"),
        "none": np.zeros((6, 0)),
        "all": 2**64 - 1 - np.arange(6, dtype=np.uint64),
    }
    source = written([one | odd])
    convert(source, tmp_path / "t")
    convert(tmp_path / "t", tmp_path / "back.h5")
    with open_episodes(tmp_path / "back.h5") as data:
        assert "none" not in data.columns  # it holds no number
        np.testing.assert_array_equal(data.read("big"), one["pos_agent"])
        np.testing.assert_array_equal(data.read("all"), odd["all"])
    source = written([one | {"wide": np.zeros(6, np.longdouble)}])
    with pytest.raises(UserError) as error:
        convert(source, tmp_path / "other")
    assert str(error.value) == (
        f"{tmp_path / 'other'} cannot be written: column 'wide' of the source is float128, which "
        "has no exact text. Convert to HDF5, or leave the column out of the source."
    )


@pytest.mark.parametrize("column", ["tip/speed", "/tip", ".", "..", "ep_len", "ep_offset"])
def test_columns_that_hdf5_would_lose_or_take_for_its_own(tmp_path: Path, column: str) -> None:
    source = folder_of(tmp_path / "source", column)
    with pytest.raises(UserError) as error:
        convert(source, tmp_path / "t.h5")
    assert str(error.value) == (
        f"{tmp_path / 't.h5'} cannot be written: '{column}' cannot name a column of states in "
        "HDF5. Rename it in the source."
    )
    assert os.listdir(tmp_path) == ["source"]


def test_columns_that_lance_keeps_for_itself(tmp_path: Path) -> None:
    pytest.importorskip("lance")
    source = folder_of(tmp_path / "source", "_rowid")
    with pytest.raises(UserError) as error:
        convert(source, tmp_path / "t.lance")
    assert str(error.value) == (
        f"{tmp_path / 't.lance'} cannot be written: Lance keeps names that begin with _row for "
        "itself, and a column of the source is called '_rowid'. Rename it in the source."
    )
    assert os.listdir(tmp_path) == ["source"]


def folder_of(folder: Path, column: str) -> Path:
    """A folder data set of one episode of one row, with a column of states."""
    (folder / "a").mkdir(parents=True)
    (folder / "episodes.csv").write_text(f"episode,step,action_0,{column}\na,0,1.0,2.0\n")
    Image.new("RGB", (8, 8)).save(folder / "a" / "000000.png")
    return folder


def test_units_travel_along(written: Callable, episode: Callable, tmp_path: Path) -> None:
    source = written([episode(6), episode(5)])
    declared = {"tip": {"column": "pos_agent", "unit": "m"}}
    with h5py.File(source, "r+") as file:
        file.attrs["quantities"] = json.dumps(declared)
    path = source
    for name in ("a", "b.lance", "c", "d.h5"):
        convert(path, tmp_path / name)
        path = tmp_path / name
    assert (tmp_path / "a" / "quantities.yaml").read_text() == (
        "tip:\n  unit: m\n  column: pos_agent\n"
    )
    with open_episodes(path) as data:
        assert json.loads(str(data.attrs["quantities"])) == declared
