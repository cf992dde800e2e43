"""What a data set file must look like: the released HDF5 layout, checked before anything is read.

One file, flat rows, one HDF5 data set a column; episode i is the rows ``ep_offset[i]`` up to
``ep_offset[i] + ep_len[i]``. Files may be untrusted, so nothing in them is believed: links that
lead out of the file, storage that was never written, and offsets that point nowhere are refused
before they can turn into wrong numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from lewm_probe.core.errors import UserError

T = TypeVar("T")

EPISODE_COLUMNS = ("ep_idx", "episode_idx")
"""Names of the episode column: ``episode_idx`` in Push-T, ``ep_idx`` elsewhere."""

LARGEST_IMAGE = 4096
"""Pixels on a side beyond which a header is taken to be damaged (released: 224)."""
LARGEST_CHUNK = 2**28
"""Bytes that one chunk may decode to; released chunks hold 100 frames of 224 px, 15 MB."""
LARGEST_COLUMN = 2**32
"""Bytes of a column beside pixels, which is read in one go; released: 450 MB."""
PACKED = {"pixels": (2**31, 2000), "others": (2**28, 200)}
"""From so many bytes on, a column may not have been compressed so many times: a bomb is. TwoRoom's
nearly blank images are compressed 24 times; other columns are read in one go."""
_LONGEST_ATTRIBUTE = 2**15


@dataclass(frozen=True)
class Layout:
    """The shape of a data set file that was found sound.

    Attributes:
        columns: names of the numeric row columns, sorted.
        rows: rows of every column.
        offsets: first row of each episode, int64 (episodes,).
        lengths: rows of each episode, int64 (episodes,).
        attrs: the file's attributes that are plain text or numbers.
    """

    columns: tuple[str, ...]
    rows: int
    offsets: np.ndarray
    lengths: np.ndarray
    attrs: dict[str, str | int | float]


def read_layout(file: h5py.File, path: Path) -> Layout:
    """Check an open file against the released layout.

    Raises:
        UserError: what does not fit, and what was expected.
    """
    datasets = _own_datasets(file, path)
    missing = [n for n in ("pixels", "action", "ep_offset", "ep_len") if n not in datasets]
    if missing:
        found = ", ".join(sorted(datasets)) or "nothing"
        raise UserError(
            f"{path} is not a data set of episodes: it lacks {', '.join(missing)} "
            f"(found: {found}). Expected the columns pixels, action, ep_offset and ep_len. Give "
            "another file, or collect one with `lewm-probe data collect`."
        )
    rows = _check_pixels(datasets["pixels"], path)
    _check_action(datasets["action"], path, rows)
    offsets, lengths = _episodes(datasets, path, rows)
    columns = []
    for name, dataset in sorted(datasets.items()):
        if name in ("ep_offset", "ep_len") or dataset.dtype.kind not in "biuf" or not dataset.ndim:
            continue
        if len(dataset) != rows:
            raise _damaged(path, f"column '{name}' has {len(dataset)} rows, but pixels has {rows}")
        _check_written(dataset, name, path)
        size = dataset.dtype.itemsize * _count(dataset.shape)
        if name != "pixels" and size > LARGEST_COLUMN:
            raise _damaged(path, f"column '{name}' claims {size} bytes")
        columns.append(name)
    return Layout(tuple(columns), rows, offsets, lengths, _attributes(file))


def _own_datasets(file: h5py.File, path: Path) -> dict[str, h5py.Dataset]:
    """Data sets stored in this very file; one that points elsewhere could read any file at all."""
    datasets = {}
    for name in file:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise _damaged(path, f"'{name}' is a link, and links are not followed")
        item = file[name]
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                raise _damaged(path, f"'{name}' keeps its values in another file")
            datasets[name] = item
    return datasets


def _check_pixels(pixels: h5py.Dataset, path: Path) -> int:
    if pixels.dtype != np.uint8:
        raise UserError(
            f"The pixels in {path} are {pixels.dtype}{_not_finite(pixels)}; expected uint8 grey "
            "levels 0–255. Convert them (values × 255, rounded) and write the file again."
        )
    if pixels.ndim != 4 or pixels.shape[3] != 3:
        raise UserError(
            f"The pixels in {path} have shape {pixels.shape}; expected (rows, height, width, 3), "
            "channels last. Transpose them and write the file again."
        )
    if not pixels.shape[0] or not all(1 <= side <= LARGEST_IMAGE for side in pixels.shape[1:3]):
        raise _damaged(path, f"pixels has the impossible shape {pixels.shape}")
    _check_written(pixels, "pixels", path)
    return int(pixels.shape[0])


def _not_finite(values: h5py.Dataset) -> str:
    """Says so when floating-point pixels hold NaN, so that both faults are fixed at once."""
    if values.dtype.kind != "f" or values.ndim < 1 or not values.size:
        return ""
    row_bytes = values.dtype.itemsize * _count(values.shape[1:])
    if row_bytes > LARGEST_CHUNK or (values.chunks and _chunk_bytes(values) > LARGEST_CHUNK):
        return ""
    some = np.unique(np.linspace(0, len(values) - 1, 32).astype(int))
    bad = any(not np.isfinite(values[int(row)]).all() for row in some)
    return ", some of them NaN or infinite" if bad else ""


def _check_action(action: h5py.Dataset, path: Path, rows: int) -> None:
    if action.dtype.kind != "f":
        raise UserError(
            f"The actions in {path} are {action.dtype}; expected float32, one row a step, the last "
            "of each episode NaN. Convert them and write the file again."
        )
    if action.ndim != 2 or not 1 <= action.shape[1] <= LARGEST_IMAGE:
        raise UserError(
            f"The actions in {path} have shape {action.shape}; expected (rows, action width). "
            "Reshape them and write the file again."
        )
    if len(action) != rows:
        raise _damaged(path, f"column 'action' has {len(action)} rows, but pixels has {rows}")


def _episodes(
    datasets: dict[str, h5py.Dataset], path: Path, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    offset, length = datasets["ep_offset"], datasets["ep_len"]
    for name, dataset in (("ep_offset", offset), ("ep_len", length)):
        if dataset.dtype.kind not in "iu" or dataset.ndim != 1:
            raise _damaged(
                path, f"{name} is {dataset.dtype} of shape {dataset.shape}, not a list of integers"
            )
    if len(offset) != len(length):
        raise _damaged(path, f"ep_offset lists {len(offset)} episodes, but ep_len {len(length)}")
    if not 1 <= len(offset) <= rows:
        raise _damaged(path, f"it lists {len(offset)} episodes over {rows} rows")
    for name, dataset in (("ep_offset", offset), ("ep_len", length)):
        _check_written(dataset, name, path)
    # Compared as Python integers: unsigned values near 2^64 would wrap round in int64.
    if int(offset[:].max()) > rows or int(length[:].max()) > rows:
        raise _damaged(path, f"an episode reaches past the {rows} rows of the file")
    offsets, lengths = offset[:].astype(np.int64), length[:].astype(np.int64)
    if (offsets < 0).any() or (lengths < 1).any():
        raise _damaged(path, "an episode has a negative offset or no rows")
    if int((offsets + lengths).max()) > rows:
        first = int(np.argmax(offsets + lengths > rows))
        raise _damaged(
            path,
            f"episode {first} claims the rows {offsets[first]} to {offsets[first] + lengths[first]}"
            f", but the file has {rows}",
        )
    order = np.argsort(offsets, kind="stable")
    overlap = offsets[order][1:] < (offsets + lengths)[order][:-1]
    if overlap.any():
        at = int(np.argmax(overlap))
        raise _damaged(path, f"the episodes {order[at]} and {order[at + 1]} share rows")
    return offsets, lengths


def _check_written(dataset: h5py.Dataset, name: str, path: Path) -> None:
    """Refuse values that were declared but never stored: HDF5 would read them as zeros."""
    if dataset.chunks:
        if _chunk_bytes(dataset) > LARGEST_CHUNK:
            raise _damaged(path, f"column '{name}' has chunks of {_chunk_bytes(dataset)} bytes")
        expected = 1
        for side, chunk in zip(dataset.shape, dataset.chunks, strict=True):
            expected *= -(-side // chunk)
        if dataset.id.get_num_chunks() != expected:
            raise _damaged(
                path,
                f"column '{name}' holds {dataset.id.get_num_chunks()} of the {expected} chunks "
                "that its size promises",
            )
        size, stored = dataset.dtype.itemsize * _count(dataset.shape), dataset.id.get_storage_size()
        least, most = PACKED["pixels" if name == "pixels" else "others"]
        if size > least and size > most * stored:
            raise _damaged(path, f"column '{name}' claims {size} bytes, unpacked from {stored}")
    elif dataset.id.get_storage_size() < dataset.dtype.itemsize * _count(dataset.shape):
        raise _damaged(path, f"column '{name}' promises values that were never written")


def _chunk_bytes(dataset: h5py.Dataset) -> int:
    return int(dataset.dtype.itemsize) * _count(dataset.chunks)


def _count(shape: tuple[int, ...]) -> int:
    # Python integers: a header may claim sizes whose product overflows int64.
    total = 1
    for side in shape:
        total *= int(side)
    return total


def _attributes(file: h5py.File) -> dict[str, str | int | float]:
    plain: dict[str, str | int | float] = {}
    for name in file.attrs:
        if file.attrs.get_id(name).get_storage_size() > _LONGEST_ATTRIBUTE:
            continue
        value: Any = file.attrs[name]
        if isinstance(value, bytes):
            value = value.decode("utf-8", errors="replace")
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, str) and len(value) > _LONGEST_ATTRIBUTE:
            continue  # text of any length is stored as a short reference
        if isinstance(value, (str, int, float)):
            plain[str(name)] = value
    return plain


def _damaged(path: Path, what: str) -> UserError:
    return UserError(
        f"{path} is damaged or was not written as a data set of episodes: {what}. "
        "Fetch or collect it again."
    )


_FAILURES = (
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
)


def guarded(path: Path, read: Callable[[], T]) -> T:
    """Run a read of HDF5 and turn the library's many complaints into one readable error."""
    try:
        return read()
    except _FAILURES as error:
        reason = str(error).strip("'\"").rstrip(".") or type(error).__name__
        raise UserError(
            f"{path} cannot be read as HDF5 ({reason}): it is truncated, damaged, or another kind "
            "of file. Fetch or collect it again."
        ) from error
