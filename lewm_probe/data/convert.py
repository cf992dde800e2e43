"""From one kind of data set to another: HDF5, Lance table, folder of PNG images with a CSV file.

HDF5 and folders hold the same numbers bit for bit; a Lance table holds float32 and JPEG images.
Every target appears whole or not at all.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import yaml
from PIL import Image

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.files import atomic_folder
from lewm_probe.core.progress import NoProgress, Progress
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.formats.folder.table import (
    DESCRIPTION,
    DTYPES,
    QUANTITIES,
    TABLE,
    Description,
    StoredColumn,
    declarations_yaml,
    fields_of,
)
from lewm_probe.data.formats.hdf5.layout import EPISODE_COLUMNS, LARGEST_IMAGE
from lewm_probe.data.formats.images import resized
from lewm_probe.data.formats.registry import open_episodes, storage_of
from lewm_probe.data.quantities import ATTRIBUTE, parse_declarations

Columns = dict[str, np.ndarray]
Part = tuple[Columns, Iterator[np.ndarray]]
"""An episode: its columns but for ``pixels``, and its images in blocks."""
Attrs = dict[str, str | int | float]
_PNG_LEVEL = 4
"""zlib's effort: a third of the time of the default 6 for images a few per cent larger."""


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
    """Write a data set anew, of the kind that ``target``'s suffix says (``registry.storage_of``).

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
    source, target = Path(source), Path(target)
    _check_target(source, target, overwrite)
    with open_episodes(source) as data:
        chosen = range(len(data))[slice(*episodes)]
        if not len(chosen):
            raise UsageError(
                f"No episode of {source} is left: it has {len(data)}, counted from 0. Ask for some "
                "of them, e.g. --episodes 0:10."
            )
        attrs: Attrs = dict(data.attrs)
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
        stream = _read(data, chosen, size, mend_last_actions, progress or NoProgress())
        write = {"hdf5": _write_hdf5, "lance": _write_lance, "folder": _write_folder}
        write[storage_of(target)](target, stream, data, chosen, attrs)
        height, width, _ = data.frame_shape
        side = (size, size) if size is not None else (height, width)
        return Converted(len(chosen), int(data.lengths[chosen].sum()), side)


def _read(
    data: Episodes, chosen: range, size: int | None, fix: bool, progress: Progress
) -> Iterator[Part]:
    names = _kept(data)
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


def _write_hdf5(
    target: Path, episodes: Iterator[Part], data: Episodes, chosen: range, attrs: Attrs
) -> None:
    from lewm_probe.data.formats.hdf5.episodes import EpisodeWriter

    lengths = [int(data.lengths[i]) for i in chosen]
    column = data.episode_column or "ep_idx"
    for name in _kept(data):
        # HDF5 would take the first for a group in which nobody looks, the others for itself.
        if "/" in name or name in (".", "..", "ep_len", "ep_offset"):
            raise UserError(
                f"{target} cannot be written: '{name[:80]}' cannot name a column of states in "
                "HDF5. Rename it in the source."
            )
    with EpisodeWriter(target, lengths, attrs, episode_column=column) as writer:
        for columns, images in episodes:
            writer.append(columns, images)


def _write_lance(
    target: Path, episodes: Iterator[Part], data: Episodes, chosen: range, attrs: Attrs
) -> None:
    from lewm_probe.data.formats.lance.episodes import import_lance, write_lance

    import_lance(target)
    for name in _kept(data):
        if re.fullmatch(r"_row.*", name, re.DOTALL):
            raise UserError(
                f"{target} cannot be written: Lance keeps names that begin with _row for itself, "
                f"and a column of the source is called '{name[:80]}'. Rename it in the source."
            )
    with atomic_folder(target) as temporary:
        temporary.rmdir()  # Lance makes its own
        write_lance(temporary, episodes, attrs)


def _write_folder(
    target: Path, episodes: Iterator[Part], data: Episodes, chosen: range, attrs: Attrs
) -> None:
    types = {name: data.row_type(name) for name in _kept(data)}
    for name, (kind, _) in types.items():
        if not re.match(DTYPES, kind.name):
            raise UserError(
                f"{target} cannot be written: column '{name}' of the source is {kind}, which has "
                "no exact text. Convert to HDF5, or leave the column out of the source."
            )
    fields = {name: fields_of(name, shape) for name, (_, shape) in types.items()}
    _check_fields(target, fields)
    declared = attrs.pop(ATTRIBUTE, None)
    with atomic_folder(target) as temporary:
        with open(temporary / TABLE, "w", encoding="utf-8", newline="") as file:
            for number, (columns, images) in enumerate(episodes):
                episode = f"{number:06d}"
                _append_lines(file, episode, columns, fields, header=number == 0)
                (temporary / episode).mkdir()
                for step, image in enumerate(itertools.chain.from_iterable(images)):
                    path = temporary / episode / f"{step:06d}.png"
                    Image.fromarray(image).save(path, "PNG", compress_level=_PNG_LEVEL)
        stored = {n: StoredColumn(dtype=t.name, shape=s) for n, (t, s) in types.items()}
        description = Description(
            episode_column="episode_idx" if data.episode_column == "episode_idx" else "ep_idx",
            attrs=attrs,
            columns=stored,
        )
        text = yaml.safe_dump(description.model_dump(mode="json"), sort_keys=False)
        (temporary / DESCRIPTION).write_text(text, encoding="utf-8")
        if declared is not None:
            known = parse_declarations(json.loads(str(declared)), f"{data.path}")
            (temporary / QUANTITIES).write_text(declarations_yaml(known), encoding="utf-8")


def _append_lines(
    file: TextIO, episode: str, columns: Columns, fields: Mapping[str, list[str]], *, header: bool
) -> None:
    import pandas as pd

    length = len(columns["action"])
    table: dict[str, object] = {"episode": [episode] * length, "step": range(length)}
    for name in sorted(fields, key=lambda name: name != "action"):  # actions first
        flat = _exact(columns[name]).reshape(length, -1)
        table |= {field: flat[:, i] for i, field in enumerate(fields[name])}
    pd.DataFrame(table).to_csv(file, header=header, index=False, na_rep="nan", lineterminator="\n")


def _exact(values: np.ndarray) -> np.ndarray:
    """Values as CSV keeps them exactly: every float as the double that it is."""
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    return values.astype(np.int64)


def _check_fields(target: Path, fields: Mapping[str, list[str]]) -> None:
    flat = ["episode", "step", *(field for own in fields.values() for field in own)]
    twice = next((field for field in flat if flat.count(field) > 1), None)
    if twice is not None:
        raise UserError(
            f"{target} cannot be written: two columns of the source would stand in the CSV field "
            f"'{twice}'. Rename one in the source, or convert to HDF5."
        )


def _check_target(source: Path, target: Path, overwrite: bool) -> None:
    here, there = source.resolve(), target.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise UsageError(
            f"{target} and {source} overlap; a data set cannot be converted into itself. Choose "
            "another place."
        )
    if not target.exists() and not target.is_symlink():
        return
    if not overwrite:
        raise UserError(f"{target} exists already. Choose another name, or give --overwrite.")
    kind = storage_of(target)
    ours = {
        "hdf5": target.is_file(),
        "lance": (target / "_versions").is_dir(),
        "folder": (target / TABLE).is_file(),
    }
    if target.is_symlink() or not ours[kind]:
        raise UserError(
            f"{target} is not a data set of that kind, and is not replaced. Choose another name."
        )
