"""The images of an episode in a folder data set: numbered PNG files, or one video."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lewm_probe.core.errors import UserError
from lewm_probe.data.formats.folder.table import regular_file
from lewm_probe.data.formats.hdf5.layout import LARGEST_IMAGE
from lewm_probe.data.formats.images import LARGEST_ENCODED, BadImage, decode

VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm")
_COUNTED = (".mp4", ".mov", ".avi")  # the others only estimate their number of frames


class Frames(Protocol):
    """Where the images of one episode are."""

    def read(self, step: int) -> np.ndarray:
        """The image of a step, uint8 (H, W, 3).

        Raises:
            UserError: it cannot be decoded.
        """

    def close(self) -> None:
        """Let go of the file."""


def find_frames(folder: Path, episode: str, length: int) -> Frames:
    """The images of an episode, their number checked.

    Raises:
        UserError: there are none, of two kinds, links, or another number than lines in the table.
    """
    videos = [folder / f"{episode}{suffix}" for suffix in VIDEOS]
    found = [path for path in (folder / episode, *videos) if path.exists() or path.is_symlink()]
    if len(found) != 1:
        names = ", ".join(path.name for path in found)
        raise UserError(
            f"{folder} has {f'more than one source ({names})' if found else 'no source'} of "
            f"images for episode '{episode}'. Expected the folder {episode}/ of 000000.png …, or "
            f"one video {episode}.mp4 ({', '.join(VIDEOS)})."
        )
    (path,) = found
    if path.suffix in VIDEOS and not path.is_dir():
        return Video(path, length)
    return Stills(path, length)


class Stills:
    """A folder of images, ``000000.png`` for step 0 and so on."""

    def __init__(self, path: Path, length: int) -> None:
        if path.is_symlink() or not path.is_dir():
            raise UserError(
                f"{path} is a link or a file, not a folder of images; links in data sets are not "
                "followed. Put the images themselves there."
            )
        self._path = path
        with os.scandir(path) as entries:
            count = sum(1 for entry in entries if entry.name.endswith(".png"))
        if count != length:
            raise UserError(
                f"{path} holds {count} PNG images, but episodes.csv has {length} lines of "
                "this episode. There must be one image a line, 000000.png for step 0."
            )

    def read(self, step: int) -> np.ndarray:
        """The image of a step, uint8 (H, W, 3)."""
        path = self._path / f"{step:06d}.png"
        regular_file(path)
        with open(path, "rb") as file:
            encoded = file.read(LARGEST_ENCODED + 1)
        try:
            return decode(encoded, "PNG")
        except BadImage as error:
            raise UserError(f"{path} {error}. Write it again.") from error

    def close(self) -> None:
        """Nothing is held open."""


class Video:
    """One video file, decoded forward; to go back is to decode from the start again."""

    def __init__(self, path: Path, length: int) -> None:
        regular_file(path)
        self._path, self._length = path, length
        self._capture: Any = None
        self._next = 0
        if not _is_video(path):
            raise UserError(
                f"{path} is not a video: it does not begin like an MP4, MOV, AVI, MKV or WebM "
                "file. Encode it again, or give a folder of PNG images."
            )
        capture = self._open()
        count = self._count(capture) if path.suffix in _COUNTED else self._grabbed(capture)
        self.close()
        if count != length:
            raise self._other_count(count)

    def read(self, step: int) -> np.ndarray:
        """The image of a step, uint8 (H, W, 3)."""
        import cv2

        if self._capture is None or step < self._next:
            self._capture, self._next = self._open(), 0
        image: Any = None
        while self._next <= step:
            wanted = self._next == step
            good, image = self._capture.read() if wanted else (self._capture.grab(), None)
            if not good:
                raise self._other_count(self._next)
            self._next += 1
        return np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))

    def close(self) -> None:
        """Let go of the file."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _open(self) -> Any:
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # we say ourselves what is wrong
        import cv2

        self.close()
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise UserError(
                f"{self._path} cannot be decoded: it is broken off, damaged, or of a codec that "
                "OpenCV does not have. Encode it again (H.264 in MP4), or give PNG images."
            )
        sides = [capture.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
        if not all(1 <= side <= LARGEST_IMAGE for side in sides):
            raise UserError(
                f"{self._path} claims images of {sides[0]:.0f}×{sides[1]:.0f} px, where 1 to "
                f"{LARGEST_IMAGE} on a side are read. Encode it again, smaller."
            )
        self._capture = capture
        return capture

    def _count(self, capture: Any) -> int:
        import cv2

        return int(capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def _grabbed(self, capture: Any) -> int:
        count = 0
        while count <= self._length and capture.grab():
            count += 1
        return count

    def _other_count(self, count: int) -> UserError:
        return UserError(
            f"{self._path} has {count} images that can be decoded, but episodes.csv has "
            f"{self._length} lines of this episode. There must be one image a line; encode the "
            "video again without dropping or repeating images."
        )


def _is_video(path: Path) -> bool:
    """Whether the first bytes are a video's: ffmpeg follows playlists that name other files."""
    with open(path, "rb") as file:
        first = file.read(12)
    return (
        first[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free")
        or (first[:4] == b"RIFF" and first[8:12] == b"AVI ")
        or first[:4] == b"\x1a\x45\xdf\xa3"
    )
