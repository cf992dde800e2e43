from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from lewm_probe.core.errors import UserError
from lewm_probe.data.convert import convert
from lewm_probe.data.formats.lance.episodes import LanceEpisodes


def jpeg(shade: int, size: int = 16) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (size, size), (shade, shade, shade)).save(held, "JPEG", quality=95)
    return held.getvalue()


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """A table as stable-worldmodel writes them, with changed columns; None leaves one out."""

    def write(**changes: Any) -> Path:
        columns = {
            "episode_idx": pa.array([0] * 4 + [1] * 3, pa.int32()),
            "step_idx": pa.array([0, 1, 2, 3, 0, 1, 2], pa.int32()),
            "pixels": pa.array([jpeg(30 * i) for i in range(7)], pa.binary()),
            "action": pa.array([[i, -i] for i in range(7)], pa.list_(pa.float32(), 2)),
            "pos_agent": pa.array([[i, i + 0.5] for i in range(7)], pa.list_(pa.float32(), 2)),
            "reward": pa.array([[i] for i in range(7)], pa.list_(pa.float32(), 1)),
            "task": pa.array(["reach"] * 7),
            **changes,
        }
        path = tmp_path / "t.lance"
        kept = {name: values for name, values in columns.items() if values is not None}
        lance.write_dataset(pa.table(kept), str(path))
        return path

    return write


def test_a_table_of_the_other_library(table: Callable) -> None:
    with LanceEpisodes(table()) as data:
        assert data.columns == (
            *("action", "episode_idx", "pixels", "pos_agent", "reward", "step_idx"),
        )
        assert (data.rows, data.lengths.tolist(), data.offsets.tolist()) == (7, [4, 3], [0, 4])
        assert data.frame_shape == (16, 16, 3)
        assert data.describe("pos_agent") == "float32 (2,)"
        assert data.describe("reward") == "float32 (1,)"
        assert data.describe("step_idx") == "int32 ()"
        assert data.read("action", 2, 4).tolist() == [[2, -2], [3, -3]]
        assert data.read("action", 7).shape == (0, 2)
        assert data.episode(1, ["pos_agent"])["pos_agent"].tolist() == [
            [4, 4.5],
            [5, 5.5],
            [6, 6.5],
        ]
        whole = data.read("pixels")
        assert [int(p[8, 8, 0]) for p in whole] == pytest.approx([30 * i for i in range(7)], abs=1)
        np.testing.assert_array_equal(data.take("pixels", np.array([5, 0, 5])), whole[[5, 0, 5]])
        np.testing.assert_array_equal(data.row("pixels", 6), whole[6])
        assert data.attrs == {
            "note": "images are stored as lossy JPEG (quality 95 as a rule): numbers differ from "
            "HDF5"
        }


DAMAGED = (
    "{path} is damaged or was not written as a table of episodes: {what}. Fetch or convert it "
    "again."
)
LACKS = (
    "{path} is not a table of episodes: it lacks {what}, or they are not numbers (found: {found}). "
    "Expected pixels, action, episode_idx and step_idx. Give another table."
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"pixels": None},
            LACKS.format(
                path="{path}",
                what="pixels",
                found="episode_idx, step_idx, action, pos_agent, reward, task",
            ),
        ),
        (
            {"action": pa.array(["left"] * 7), "episode_idx": None, "task": None},
            LACKS.format(
                path="{path}",
                what="action, episode_idx",
                found="step_idx, pixels, action, pos_agent, reward",
            ),
        ),
        (
            {"pixels": pa.array(["picture"] * 7)},
            DAMAGED.replace("{what}", "pixels is string, not the bytes of JPEG images"),
        ),
        (
            {"action": pa.array([1.0] * 7)},
            DAMAGED.replace("{what}", "action is not a fixed-size list of float32"),
        ),
        (
            {"step_idx": pa.array([0.0, 1, 2, 3, 0, 1, 2])},
            DAMAGED.replace("{what}", "step_idx is not a column of whole numbers"),
        ),
        (
            {"step_idx": pa.array([0, 1, 2, 3, 0, 2, 1], pa.int32())},
            DAMAGED.replace("{what}", "step_idx does not count from 0 in every episode"),
        ),
        (
            {"episode_idx": pa.array([0, 0, 1, 1, 0, 0, 0], pa.int32())},
            DAMAGED.replace("{what}", "the rows of an episode do not stand together"),
        ),
        (
            {"episode_idx": pa.array([0, 0, 0, 0, 1, None, 1], pa.int32())},
            DAMAGED.replace("{what}", "column 'episode_idx' has empty rows"),
        ),
        (
            {"pixels": pa.array([jpeg(0)[:100]] * 7, pa.binary())},
            "The image in row 0 of {path} is not a whole JPEG image. Fetch or convert the "
            "table again.",
        ),
        (
            {"pixels": pa.array([None, *[jpeg(0)] * 6], pa.binary())},
            "The image in row 0 of {path} is missing. Fetch or convert the table again.",
        ),
    ],
)
def test_faults(table: Callable, changes: dict, message: str) -> None:
    path = table(**changes)
    with pytest.raises(UserError) as error:
        LanceEpisodes(path)
    assert str(error.value) == message.format(path=path)


@pytest.mark.parametrize(
    "kept", [b"[]", b"{", b'{"shapes": {"reward": 5}}', b'{"shapes": {"pos_agent": [-1, -2]}}']
)
def test_metadata_that_is_not_ours(table: Callable, tmp_path: Path, kept: bytes) -> None:
    sound = lance.dataset(str(table())).to_table()
    path = tmp_path / "m.lance"
    lance.write_dataset(sound.replace_schema_metadata({b"lewm_probe": kept}), str(path))
    with pytest.raises(UserError) as error:
        LanceEpisodes(path)
    assert str(error.value) == DAMAGED.format(
        path=path, what="its metadata 'lewm_probe' is not what lewm-probe writes"
    )


def test_images_of_two_sizes(table: Callable) -> None:
    path = table(pixels=pa.array([*[jpeg(0)] * 6, jpeg(0, 8)], pa.binary()))
    with LanceEpisodes(path) as data, pytest.raises(UserError) as error:
        data.read("pixels")
    assert str(error.value) == DAMAGED.format(
        path=path, what="the image in row 6 has the shape (8, 8, 3), not (16, 16, 3)"
    )


def test_lance_is_an_extra(
    collected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "t.lance"
    convert(collected, target, episodes=(0, 1))
    monkeypatch.setitem(sys.modules, "lance", None)
    for use in (lambda: LanceEpisodes(target), lambda: convert(target, tmp_path / "x.h5"),
                lambda: convert(collected, target, overwrite=True)):  # fmt: skip
        with pytest.raises(UserError) as error:
            use()
        assert str(error.value) == (
            f"{target} is a Lance table, and the package that reads and writes them is not "
            "installed. Install it with `pip install 'lewm-probe[lance]'`."
        )


def test_dots_in_names_become_underscores(
    written: Callable, episode: Callable, tmp_path: Path
) -> None:
    one = episode(6)
    source = written([one | {"block.0.pos": one["pos_agent"]}])
    convert(source, tmp_path / "t.lance")
    with LanceEpisodes(tmp_path / "t.lance") as data:
        np.testing.assert_array_equal(data.read("block_0_pos"), one["pos_agent"])
