"""Images and episodes that occur twice, told by their hashes.

Whole episodes are compared in every file. Images are compared in as many evenly spaced episodes
as decode to two gigabytes, which is all of them up to 170,000 frames of 64 px.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lewm_probe.core.progress import NoProgress, Progress
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.formats.hdf5.layout import EPISODE_COLUMNS

IMAGE_BYTES = 2**31
"""Bytes of images that are decoded and compared."""
RUN = 4
"""Successive images that are compared as one."""
_ODD = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio, made odd: the usual multiplier to mix hashes with."""


@dataclass(frozen=True)
class FrameHashes:
    """Hashes of the images of some episodes.

    Attributes:
        episodes: which episodes, int64 (E,).
        episode: episode of each image, int64 (N,).
        hashes: hash of each image, uint64 (N,), in the order of rows.
    """

    episodes: np.ndarray
    episode: np.ndarray
    hashes: np.ndarray

    def same_as_before(self) -> int:
        """Images equal to the one before in the same episode."""
        same = (self.hashes[1:] == self.hashes[:-1]) & (self.episode[1:] == self.episode[:-1])
        return int(same.sum())

    def runs(self) -> FrameHashes:
        """Hashes of four successive images of an episode, where something moves.

        Single images agree by chance now and then (two agents in one corner), and the more, the
        larger the data set; four in a row hardly ever do.
        """
        count = max(0, len(self.hashes) - RUN + 1)
        if not count:
            return FrameHashes(self.episodes, self.episode[:0], self.hashes[:0])
        windows = sliding_window_view(self.hashes, RUN)  # (N − 3, 4)
        moving = (windows[:, 1:] != windows[:, :-1]).any(axis=1)
        usable = moving & (self.episode[RUN - 1 :] == self.episode[:count])
        mixed = np.zeros(count, dtype=np.uint64)
        for column in windows.T:
            mixed = mixed * _ODD ^ column  # wraps round modulo 2^64, as hashes do
        return FrameHashes(self.episodes, self.episode[:count][usable], mixed[usable])

    def seen_elsewhere(self) -> int:
        """How many occur in another episode too."""
        once_each = np.unique(np.stack([self.hashes, self.episode.astype(np.uint64)]), axis=1)
        shared, counts = np.unique(once_each[0], return_counts=True)
        return int(np.isin(self.hashes, shared[counts > 1]).sum())

    def of(self, episodes: np.ndarray) -> np.ndarray:
        """The hashes of some episodes."""
        return self.hashes[np.isin(self.episode, episodes)]


def hash_frames(
    file: Episodes, limit: int = IMAGE_BYTES, progress: Progress | None = None
) -> FrameHashes:
    """Hash every image of as many evenly spaced episodes as ``limit`` bytes allow."""
    frame_bytes = int(np.prod(file.frame_shape))
    count = int(limit / (file.lengths.mean() * frame_bytes))
    count = max(1, min(len(file), count))
    chosen = np.unique(np.linspace(0, len(file) - 1, count).astype(np.int64))
    hashes: list[int] = []
    with (progress or NoProgress()).task("Comparing images", len(chosen)) as task:
        for index in chosen:
            for block in file.images(int(index)):
                for frame in block:
                    digest = hashlib.blake2b(frame.data, digest_size=8).digest()
                    hashes.append(int.from_bytes(digest, "little"))
            task.advance()
    episode = np.repeat(chosen, file.lengths[chosen])
    return FrameHashes(chosen, episode, np.array(hashes, dtype=np.uint64))


def identical_episodes(file: Episodes) -> list[tuple[int, ...]]:
    """Groups of episodes that agree in every column and in their first image."""
    own = [n for n in file.columns if n not in ("pixels", "step_idx", *EPISODE_COLUMNS)]
    values = [file.read(name) for name in own]
    groups: dict[bytes, list[int]] = {}
    for index, (start, length) in enumerate(zip(file.offsets, file.lengths, strict=True)):
        digest = hashlib.blake2b(str(length).encode(), digest_size=16)
        for column in values:
            digest.update(np.ascontiguousarray(column[start : start + length]).tobytes())
        groups.setdefault(digest.digest(), []).append(index)
    found: list[tuple[int, ...]] = []
    for group in groups.values():
        if len(group) > 1:
            by_image: dict[bytes, list[int]] = {}
            for index in group:
                first = file.row("pixels", int(file.offsets[index])).tobytes()
                by_image.setdefault(first, []).append(index)
            found += [tuple(same) for same in by_image.values() if len(same) > 1]
    return found
