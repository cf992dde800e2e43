"""A folder of PNG images or videos with a CSV file, for people with robot data.

    my-data/
        episodes.csv          episode, step, action_0 …, gripper_position_x …: one line a step
        pick-01/000000.png …  one image a line, or
        pick-02.mp4           a video of as many images
        quantities.yaml       optional: units of the states

``README.md`` here describes it exactly. Random reads from videos are slow (each goes back to the
video's start): ``lewm-probe data convert`` once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lewm_probe.core.errors import UserError
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.formats.folder.frames import Frames, Video, find_frames
from lewm_probe.data.formats.folder.table import read_table

VIDEO_NOTE = "images come from compressed videos: numbers differ from those on the originals"
_OPEN_VIDEOS = 8


class FolderEpisodes(Episodes):
    """A folder data set; what it offers is described in ``base``.

    Raises:
        UserError: no table, a table that does not describe the images, or links.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        table = read_table(self.path)
        self.rows = int(table.lengths.sum())
        self.lengths = table.lengths
        self.offsets = np.cumsum(table.lengths) - table.lengths
        self.attrs = table.attrs
        episode_column = table.description.episode_column
        ids = np.repeat(np.arange(len(table.lengths), dtype=np.int32), table.lengths)
        steps = np.arange(self.rows) - np.repeat(self.offsets, self.lengths)
        self._values = {**table.columns, episode_column: ids, "step_idx": steps}
        self.columns = tuple(sorted((*self._values, "pixels")))
        self._frames: list[Frames] = [
            find_frames(self.path, name, int(length))
            for name, length in zip(table.names, table.lengths, strict=True)
        ]
        self._opened: list[Frames] = []
        self._shape = self._frames[0].read(0).shape
        if any(isinstance(frames, Video) for frames in self._frames):
            self.attrs.setdefault("note", VIDEO_NOTE)
            self.chunk_rows = max(1, round(float(self.lengths.mean())))

    def close(self) -> None:
        """Let go of the videos."""
        for frames in self._opened:
            frames.close()
        self._opened.clear()

    def row_type(self, column: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
        """Type and shape of a row of a column."""
        self.known_column(column)
        if column == "pixels":
            return np.dtype(np.uint8), self._shape
        values = self._values[column]
        return values.dtype, values.shape[1:]

    def read(self, column: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows ``start`` to ``stop`` of a column.

        Raises:
            UserError: no such column, or an image that does not decode.
        """
        self.known_column(column)
        rows = range(self.rows)[start:stop]
        if column != "pixels":
            return self._values[column][rows.start : rows.stop].copy()
        pixels = np.empty((len(rows), *self._shape), np.uint8)
        self.read_into("pixels", rows.start, pixels)
        return pixels

    def read_into(self, column: str, start: int, into: np.ndarray) -> None:
        """Fill ``into`` (rows, …) with the rows of a column from ``start`` on."""
        if column != "pixels":
            into[...] = self.read(column, start, start + len(into))
            return
        for place in range(len(into)):
            into[place] = self._image(start + place)

    def _image(self, row: int) -> np.ndarray:
        episode = int(np.searchsorted(self.offsets, row, side="right")) - 1
        frames = self._frames[episode]
        if frames not in self._opened:
            self._opened.append(frames)
            if len(self._opened) > _OPEN_VIDEOS:
                self._opened.pop(0).close()
        step = row - int(self.offsets[episode])
        image = frames.read(step)
        if image.shape != self._shape:
            raise UserError(
                f"The image of step {step} of episode {episode} in {self.path} has the shape "
                f"{image.shape}, but the first one {self._shape}. All images of a data set "
                "must have one size: resize them and write them again."
            )
        return image
