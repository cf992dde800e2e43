from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from lewm_probe.core.errors import UserError
from lewm_probe.data.formats.folder.frames import Stills, Video, find_frames


def stills(folder: Path, count: int) -> Path:
    (folder / "a").mkdir()
    for step in range(count):
        Image.new("RGB", (8, 8), (step, 0, 0)).save(folder / "a" / f"{step:06d}.png")
    return folder / "a"


def video(path: Path, count: int) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (16, 16))
    for step in range(count):
        writer.write(np.full((16, 16, 3), 20 * step, np.uint8))
    writer.release()
    return path


def message(folder: Path, length: int) -> str:
    with pytest.raises(UserError) as error:
        frames = find_frames(folder, "a", length)
        for step in range(length):
            frames.read(step)
    return str(error.value)


def test_numbered_images(tmp_path: Path) -> None:
    stills(tmp_path, 3)
    frames = find_frames(tmp_path, "a", 3)
    assert isinstance(frames, Stills)
    assert [int(frames.read(step)[0, 0, 0]) for step in (2, 0, 1)] == [2, 0, 1]


def test_a_video_goes_forth_and_back(tmp_path: Path) -> None:
    video(tmp_path / "a.avi", 9)
    frames = find_frames(tmp_path, "a", 9)
    assert isinstance(frames, Video)
    for step in (0, 5, 8, 2, 2):
        assert abs(int(frames.read(step)[8, 8, 1]) - 20 * step) < 4
    frames.close()
    assert abs(int(frames.read(1)[8, 8, 1]) - 20) < 4


def test_faults(tmp_path: Path) -> None:
    assert message(tmp_path, 3) == (
        f"{tmp_path} has no source of images for episode 'a'. Expected the folder a/ of "
        "000000.png …, or one video a.mp4 (.mp4, .mov, .avi, .mkv, .webm)."
    )
    folder = stills(tmp_path, 3)
    assert message(tmp_path, 4) == (
        f"{folder} holds 3 PNG images, but episodes.csv has 4 lines of this episode. There must "
        "be one image a line, 000000.png for step 0."
    )
    (folder / "000001.png").rename(folder / "1.png")
    assert message(tmp_path, 3) == (
        f"{folder / '000001.png'} does not exist. A folder data set has episodes.csv and, for each "
        "episode in it, a folder of images <episode>/000000.png … or a video <episode>.mp4; "
        "lewm_probe/data/README.md shows one."
    )
    (folder / "1.png").rename(folder / "000001.png")
    (folder / "000001.png").write_bytes((folder / "000002.png").read_bytes()[:45])
    assert message(tmp_path, 3) == (
        f"{folder / '000001.png'} is not a whole PNG image. Write it again."
    )
    video(tmp_path / "a.avi", 9)
    assert message(tmp_path, 3) == (
        f"{tmp_path} has more than one source (a, a.avi) of images for episode 'a'. Expected the "
        "folder a/ of 000000.png …, or one video a.mp4 (.mp4, .mov, .avi, .mkv, .webm)."
    )


def test_a_video_of_another_length(tmp_path: Path) -> None:
    path = video(tmp_path / "a.avi", 9)
    for length in (8, 10):
        assert message(tmp_path, length) == (
            f"{path} has 9 images that can be decoded, but episodes.csv has {length} lines of "
            "this episode. There must be one image a line; encode the video again without "
            "dropping or repeating images."
        )


def test_a_playlist_is_not_followed(tmp_path: Path) -> None:
    """ffmpeg would read whatever a playlist names."""
    video(tmp_path / "secret.avi", 3)
    path = tmp_path / "a.mp4"
    path.write_text("#EXTM3U\n#EXTINF:1,\nsecret.avi\n#EXT-X-ENDLIST\n")
    assert message(tmp_path, 3) == (
        f"{path} is not a video: it does not begin like an MP4, MOV, AVI, MKV or WebM file. Encode "
        "it again, or give a folder of PNG images."
    )
