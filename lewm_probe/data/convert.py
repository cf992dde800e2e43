"""From one kind of data set to another: HDF5, Lance table, folder of PNG images with a CSV file.

Which kinds there are, and how each is written, is known to ``formats/registry`` alone.

HDF5 and folders hold the same numbers bit for bit; a Lance table holds float32 and JPEG images.
Every target appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lewm_probe.core.addresses.address import place
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.files import resolved
from lewm_probe.core.processes.locks import alone
from lewm_probe.core.progress import NoProgress, Progress
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.formats.hdf5.layout import EPISODE_COLUMNS, LARGEST_IMAGE
from lewm_probe.data.formats.images import resized
from lewm_probe.data.formats.registry import (
    Part,
    Parts,
    WritableFormat,
    open_episodes,
    writable,
)


@dataclass(frozen=True)
class Converted:
    """What ``convert`` wrote: episodes, rows, and the side of an image in px."""

    episodes: int
    rows: int
    size: tuple[int, int]


def convert(
    source: Path,
    target: Path,
    *,
    size: int | None = None,
    episodes: tuple[int | None, int | None] = (None, None),
    mend_last_actions: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Converted:
    """Write a data set anew, of the kind that ``target``'s suffix says (``registry.format_of``).

    Args:
        source: what to read.
        target: ``.h5``, ``.lance``, or a name without suffix for a folder.
        size: resize the (square) images to this side, by area; the attributes tell.
        episodes: the first and the one after the last; None for the ends.
        mend_last_actions: set the last action of every episode to NaN.
        overwrite: replace a data set that is there already.
        progress: shows how far it is.

    Raises:
        UsageError: no episode is left, an impossible size, or source and target overlap.
        UserError: the source is broken, the target exists, or the disk is full.
    """
    source, target = place(source), place(target)
    kind = _checked_format(source, target, overwrite)
    with open_episodes(source) as data:
        chosen = range(len(data))[slice(*episodes)]
        if (last := episodes[1]) is not None and last > len(data):
            raise UsageError(
                f"--episodes asks for those up to {last}, and {source} has {len(data)}, counted "
                f"from 0. Ask for some of them, e.g. --episodes 0:{len(data)}."
            )
        if not len(chosen):
            raise UsageError(
                f"No episode of {source} is left: it has {len(data)}, counted from 0. Ask for some "
                "of them, e.g. --episodes 0:10."
            )
        attrs = dict(data.attrs)
        if size is not None:
            if not 1 <= size <= LARGEST_IMAGE:
                raise UsageError(
                    f"Images of {size} px cannot be written; choose 1 to {LARGEST_IMAGE}."
                )
            if size != data.image_size:
                attrs |= {"picture_size": size, "resized_from": data.image_size}
                attrs["resize_filter"] = "box: mean over the area"
        if len(chosen) < len(data):
            attrs["source_episodes"] = f"{chosen.start}:{chosen.stop}"
        if mend_last_actions:
            attrs["last_actions"] = "set to NaN"
        names = _kept(data)
        parts = Parts(
            _read(data, names, chosen, size, mend_last_actions, progress or NoProgress()),
            tuple(int(data.lengths[i]) for i in chosen),
            {name: data.row_type(name) for name in names},
            data.episode_column,
            data.path,
        )
        with alone(target, None, beside=True):
            _checked_format(source, target, overwrite)  # something may have come there
            kind.write(target, parts, attrs)
        height, width, _ = data.frame_shape
        side = (size, size) if size is not None else (height, width)
        return Converted(len(chosen), int(data.lengths[chosen].sum()), side)


def _read(
    data: Episodes,
    names: list[str],
    chosen: range,
    size: int | None,
    fix: bool,
    progress: Progress,
) -> Iterator[Part]:
    with progress.task("Converting episodes", len(chosen)) as task:
        for index in chosen:
            columns = data.episode(index, names)
            if fix:
                columns["action"] = columns["action"].copy()
                columns["action"][-1] = np.nan
            yield columns, _images(data, index, size)
            task.advance()


def _kept(data: Episodes) -> list[str]:
    """Columns that are carried over; the others are made anew, or hold no number at all."""
    names = [n for n in data.columns if n not in (*EPISODE_COLUMNS, "step_idx", "pixels")]
    return [name for name in names if 0 not in data.row_type(name)[1]]


def _images(data: Episodes, index: int, size: int | None) -> Iterator[np.ndarray]:
    for block in data.images(index):
        if size is not None and size != data.image_size:
            yield np.stack([resized(image, size) for image in block])
        else:
            yield block


def _checked_format(source: Path, target: Path, overwrite: bool) -> WritableFormat:
    """The format of the target, which may be written."""
    here, there = resolved(source), resolved(target)
    if here == there or here in there.parents or there in here.parents:
        raise UsageError(
            f"{target} and {source} overlap; a data set cannot be converted into itself. Choose "
            "another place."
        )
    kind = writable(target)
    there_already = target.exists() or target.is_symlink()
    if there_already and not overwrite:
        raise UserError(f"{target} exists already. Choose another name, or give --overwrite.")
    holds = getattr(kind, "holds", kind.recognises)
    if there_already and (target.is_symlink() or not holds(target)):
        raise UserError(
            f"{target} is not a data set of that kind, and is not replaced. Choose another name."
        )
    return kind
