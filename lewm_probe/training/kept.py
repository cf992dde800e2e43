"""What a frozen encoder makes of a data set's frames, encoded once and kept on disk as float16.

A frame of DINO-WM is 196 × 384 numbers, as much as the image itself: a data set's are tens or
hundreds of gigabytes. So the size is said before anything is written, a disk that would not hold it
is refused, the folder as a whole is bounded (what was longest unused goes first), and rows are read
as they are asked for, never the file. A stopped encoding goes on where it was.

An entry's name is a hash of the encoder and of the data set: runs of several seeds share it, and
wait for each other.
"""

from __future__ import annotations

import json
import math
import os
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lewm_probe.core.disk import check_room, megabytes
from lewm_probe.core.errors import UserError
from lewm_probe.core.files import content_hash, write_error, write_text
from lewm_probe.core.processes.locks import in_turn
from lewm_probe.core.processes.stopping import check_soon
from lewm_probe.data.episodes import BLOCK_BYTES, Episodes
from lewm_probe.models.family import Frozen

FOLDER = Path("runs/.cache/tokens")
"""Where entries lie when nothing else is said, beside the latents of analyses."""

GIGABYTE = 10**9
_ENDING = ".f16"
_KIND = np.dtype(np.float16)
_SAVED_EVERY = 2**28
"""Bytes after which the place to go on from is written down."""

Tell = Callable[[Mapping[str, Any]], None]


class KeptFrames:
    """Rows of one entry, read from the file as they are asked for.

    Args:
        path: of the entry.
        shape: of a row.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path, self.shape = path, shape
        self._bytes = math.prod(shape) * _KIND.itemsize
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Some rows in the order asked for, float16 (n, *shape)."""
        found = np.empty((len(rows), *self.shape), _KIND)
        flat = found.reshape(len(rows), -1).view(np.uint8)
        for place, row in zip(flat, rows, strict=True):
            os.preadv(self._file, [place.data], int(row) * self._bytes)
        return found


def keep_frames(
    file: Episodes,
    frozen: Frozen,
    device: torch.device,
    *,
    limit_gb: float,
    folder: Path = FOLDER,
    tell: Tell = lambda record: None,
) -> KeptFrames | None:
    """The encoded frames of a data set, from the folder or made now; None where none are kept.

    Args:
        file: the data set, all of whose rows are encoded.
        frozen: encodes them; where it computes is where its model is.
        device: that place.
        limit_gb: gigabytes that the folder may hold; 0: nothing is kept.
        folder: of all entries.
        tell: called with records of ``split`` ``encoding``: ``frames`` of ``of`` are done, and
            ``megabytes`` will be written; first before anything is.

    Raises:
        UserError: it would take more than the limit or than the disk holds, or an encoding that is
            not finite in float16.
    """
    if limit_gb <= 0:
        return None
    size = file.rows * math.prod(frozen.shape) * _KIND.itemsize
    path = folder / f"{content_hash('kept frames', frozen.fingerprint, file.fingerprint)}{_ENDING}"
    if size > limit_gb * GIGABYTE:
        raise UserError(
            f"The encoded frames of {file.path} would take {megabytes(size)} on disk, more than "
            f"data.cache_gb allows ({limit_gb:g} GB). Raise it, or set it to 0: frames are then "
            "encoded anew at every step, which takes longer and no space."
        )
    if not _whole(path, size):
        with in_turn(path):  # another run may be making it
            if not _whole(path, size):
                _make(path, file, frozen, device, size, limit_gb, tell)
    with suppress(OSError):
        os.utime(path)  # used now
    return KeptFrames(path, frozen.shape)


def _whole(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _make(
    path: Path,
    file: Episodes,
    frozen: Frozen,
    device: torch.device,
    size: int,
    limit_gb: float,
    tell: Tell,
) -> None:
    partial = path.with_name(f"{path.stem}.partial{_ENDING}")
    place = partial.with_suffix(".json")
    done = _done(partial, place, size // file.rows)
    _make_room(path.parent, size, limit_gb * GIGABYTE, but=partial)
    left = size - done * (size // file.rows)
    check_room(path.parent, left, "Keeping the encoded frames", "data.cache_gb=0, which keeps none")
    record = {"split": "encoding", "step": 0, "of": file.rows, "megabytes": size / 1e6}
    tell({**record, "frames": done})
    at_once = max(1, BLOCK_BYTES // math.prod(file.frame_shape))
    try:
        with open(partial, "r+b" if done else "wb") as out:
            out.seek(done * (size // file.rows))
            out.truncate()
            unsaved = 0
            while done < file.rows:
                check_soon()
                upto = min(done + at_once, file.rows)
                encoded = _encoded(file, frozen, device, done, upto)
                out.write(encoded.tobytes())
                done, unsaved = upto, unsaved + encoded.nbytes
                if unsaved > _SAVED_EVERY or done == file.rows:
                    out.flush()
                    os.fsync(out.fileno())
                    write_text(place, json.dumps({"rows": done}))
                    unsaved = 0
                tell({**record, "frames": done})
    except OSError as error:
        raise write_error(partial, error, "another folder") from error
    partial.replace(path)
    place.unlink(missing_ok=True)


def _encoded(
    file: Episodes, frozen: Frozen, device: torch.device, start: int, stop: int
) -> np.ndarray:
    frames = torch.from_numpy(file.read("pixels", start, stop))
    with torch.no_grad():
        parts = [frozen(part.to(device)).cpu() for part in frames.split(64)]
    values = torch.cat(parts).to(torch.float16)
    if not bool(torch.isfinite(values).all()):
        raise UserError(
            f"The frozen encoder gives numbers beyond float16 for frames {start} to {stop - 1} of "
            f"{file.path}. Set data.cache_gb=0 to encode frames anew at every step, in float32."
        )
    encoded: np.ndarray = values.numpy()
    return encoded


def _done(partial: Path, place: Path, row_bytes: int) -> int:
    """Rows that an earlier process has surely written."""
    try:
        rows = int(json.loads(place.read_text(encoding="utf-8"))["rows"])
        return rows if 0 <= rows * row_bytes <= partial.stat().st_size else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _make_room(folder: Path, size: int, limit: float, but: Path) -> None:
    """Remove what was longest unused until ``size`` more bytes are within the limit."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = [path for path in folder.glob(f"*{_ENDING}") if path != but]
    entries.sort(key=lambda path: path.stat().st_mtime)
    held = sum(path.stat().st_size for path in entries)
    for path in entries:
        if held + size <= limit:
            return
        held -= path.stat().st_size
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)
