"""A folder as a person with a robot would write it, and its example in README."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import lewm_probe.data
from lewm_probe.core.errors import UserError
from lewm_probe.data.formats.folder.episodes import FolderEpisodes
from lewm_probe.data.quantities import data_quantities
from lewm_probe.worlds.base import Quantity

README = Path(lewm_probe.data.__file__).with_name("README.md").read_text(encoding="utf-8")
HEADER = "episode,step,action_0,action_1,tip_x,tip_y,tip_z,joints_0,joints_1,joints_2,grip,yaw"


def shade(episode: int, step: int) -> int:
    return 20 * episode + 5 * step + 10


@pytest.fixture
def robot(tmp_path: Path) -> Callable[..., Path]:
    """Two episodes of 6 and 5 lines, each image of one grey; kinds: a suffix for each."""

    def make(*kinds: str) -> Path:
        folder = tmp_path / "robot"
        folder.mkdir()
        lines = [HEADER]
        for episode, (length, kind) in enumerate(zip((6, 5), kinds, strict=True)):
            name = f"pick-{episode}"
            frames = [
                np.full((16, 24, 3), shade(episode, step), np.uint8) for step in range(length)
            ]
            for frame in frames:
                frame[:, :8, 0] = 200  # red on the left
            write_frames(folder / name, frames, kind)
            for step in range(length):
                last = step == length - 1
                action = "," if last else f"{step / 10},-1"
                state = ",".join(str(step + 100 * field) for field in range(8))
                lines.append(f"{name},{step},{action},{state}")
        (folder / "episodes.csv").write_text("\n".join(lines) + "\n")
        return folder

    return make


def write_frames(path: Path, frames: list[np.ndarray], kind: str) -> None:
    if kind == "png":
        path.mkdir()
        for step, frame in enumerate(frames):
            Image.fromarray(frame).save(path / f"{step:06d}.png")
        return
    codec = cv2.VideoWriter.fourcc(*("MJPG" if kind == "avi" else "mp4v"))
    video = cv2.VideoWriter(str(path.with_suffix(f".{kind}")), codec, 10, (24, 16))
    for frame in frames:
        video.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    video.release()


def test_images_actions_and_states(robot: Callable) -> None:
    with FolderEpisodes(robot("png", "png")) as data:
        assert (len(data), data.rows, data.frame_shape) == (2, 11, (16, 24, 3))
        assert data.lengths.tolist() == [6, 5]
        assert data.offsets.tolist() == [0, 6]
        assert data.columns == (
            *("action", "ep_idx", "grip", "joints", "pixels", "step_idx", "tip", "yaw"),
        )
        described = {name: data.describe(name) for name in data.columns}
        assert described["action"] == "float32 (2,)"
        assert described["tip"] == described["joints"] == "float64 (3,)"
        assert described["grip"] == "float64 ()"
        assert data.read("step_idx").tolist() == [*range(6), *range(5)]
        assert data.read("tip", 6, 8).tolist() == [[0, 100, 200], [1, 101, 201]]
        assert data.read("joints")[3].tolist() == [303, 403, 503]
        assert data.row("yaw", 4) == 704
        actions = data.read("action")
        np.testing.assert_allclose(actions[:2], [[0, -1], [0.1, -1]], rtol=1e-6)
        assert np.flatnonzero(np.isnan(actions).all(axis=1)).tolist() == [5, 10]
        pixels = data.read("pixels")
        assert pixels[8, 3, 12].tolist() == [shade(1, 2)] * 3
        assert pixels[8, 3, 3].tolist() == [200, shade(1, 2), shade(1, 2)]
        np.testing.assert_array_equal(data.take("pixels", np.array([9, 2, 9])), pixels[[9, 2, 9]])
        assert (data.chunk_rows, data.attrs) == (1, {})


@pytest.mark.parametrize("kind", ["mp4", "avi", "mkv", "mov"])
def test_videos(robot: Callable, kind: str) -> None:
    with FolderEpisodes(robot("png", kind)) as data:
        assert data.chunk_rows == 6
        assert data.attrs == {
            "note": "images come from compressed videos: numbers differ from those on the originals"
        }
        whole = data.read("pixels")
        for step in (4, 0, 3, 3, 1):  # forth and back
            frame = data.row("pixels", 6 + step)
            np.testing.assert_array_equal(frame, whole[6 + step])
            assert abs(int(frame[8, 18, 1]) - shade(1, step)) < 6
            assert frame[8, 3, 0] > 150 > frame[8, 3, 2]  # red is red, not blue


def test_without_declarations_states_have_no_unit(robot: Callable) -> None:
    with FolderEpisodes(robot("png", "png")) as data:
        found = {name: source.quantity for name, source in data_quantities(data).items()}
    assert found == {
        "grip": Quantity("", ("value",)),
        "joints": Quantity("", ("x", "y", "z")),
        "tip": Quantity("", ("x", "y", "z")),
        "yaw": Quantity("", ("value",)),
    }


def test_declared_quantities(robot: Callable) -> None:
    folder = robot("png", "png")
    (folder / "quantities.yaml").write_text(
        "tip_position: {column: tip, unit: m}\n"
        "yaw: {unit: rad, kind: angle, symmetry: 2}\n"
        "elbow: {column: joints, first: 1, axes: [bend], unit: rad}\n"
    )
    with FolderEpisodes(folder) as data:
        found = data_quantities(data)
        assert {name: source.quantity for name, source in found.items()} == {
            "tip_position": Quantity("m", ("x", "y", "z")),
            "yaw": Quantity("rad", ("value",), "angle", 2),
            "elbow": Quantity("rad", ("bend",)),
        }
        assert found["elbow"].values(data.read("joints"), 5)[3].tolist() == [403]


def test_images_of_two_sizes(robot: Callable) -> None:
    folder = robot("png", "png")
    Image.new("RGB", (24, 17)).save(folder / "pick-1" / "000002.png")
    with FolderEpisodes(folder) as data:
        with pytest.raises(UserError) as error:
            data.read("pixels")
        assert str(error.value) == (
            f"The image of step 2 of episode 1 in {folder} has the shape (17, 24, 3), but the "
            "first one (16, 24, 3). All images of a data set must have one size: resize them and "
            "write them again."
        )
        with pytest.raises(UserError) as error:
            _ = data.image_size
        assert str(error.value) == (
            f"The images in {folder} are 24×16 px; world models here need square ones. Crop or "
            "resize them and write the file again."
        )
        with pytest.raises(UserError) as error:
            data.read("tips")
        assert str(error.value) == (
            f"{folder} has no column 'tips'. It has: action, ep_idx, grip, joints, pixels, "
            "step_idx, tip, yaw."
        )


def test_a_changed_folder_has_another_fingerprint(robot: Callable) -> None:
    folder = robot("png", "png")
    with FolderEpisodes(folder) as data:
        before = data.fingerprint
    Image.new("RGB", (24, 16)).save(folder / "pick-0" / "000003.png")
    with FolderEpisodes(folder) as data:
        assert data.fingerprint != before


def test_the_example_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == "2 24 (32, 32, 3) float64 (2,)\n"
    (declared,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "my-data" / "quantities.yaml").write_text(declared)
    table = tmp_path / "my-data" / "episodes.csv"
    head, *lines = table.read_text().splitlines()
    table.write_text("\n".join([f"{head},yaw,vel_x,vel_y", *(f"{line},1,2,3" for line in lines)]))
    with FolderEpisodes(tmp_path / "my-data") as data:
        assert [q.words() for q in data_quantities(data).values()] == [
            "x, y in m, from tip",
            "value in rad (angle, symmetry 2), from yaw",
            "x, y in m/s (velocity), from vel",
        ]
