"""Folders of images with a CSV file as a format: every folder that no other format takes."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import numpy as np
import yaml
from PIL import Image

from lewm_probe.core.addresses.address import Address
from lewm_probe.core.errors import UserError
from lewm_probe.core.files import atomic_folder
from lewm_probe.data.formats.folder.episodes import FolderEpisodes
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
from lewm_probe.data.formats.registry import Attrs, Parts
from lewm_probe.data.quantities import ATTRIBUTE, parse_declarations

_PNG_LEVEL = 4
"""zlib's effort: a third of the time of the default 6 for images a few per cent larger."""


class Folder:
    """Exact, unless its images are videos, which are read but not written."""

    def recognises(self, path: Path) -> bool:
        """Any folder, or a name without suffix where nothing is."""
        return path.is_dir() or (not path.exists() and not path.suffix)

    def holds(self, path: Path) -> bool:
        """A folder with the table in it."""
        return (path / TABLE).is_file()

    def open(self, path: Path) -> FolderEpisodes:
        """The folder.

        Raises:
            UserError: no table, a table that does not describe the images, or links; or an
                address, at which a folder is too many files to be asked for one by one.
        """
        if isinstance(path, Address):
            raise UserError(
                f"{path} is a folder, and folders of images are not read by address: every image "
                "would be a request. Copy it to this machine, or convert it to .h5 or .lance where "
                "it lies."
            )
        return FolderEpisodes(path)

    def write(self, path: Path, parts: Parts, attrs: Attrs) -> None:
        """Write a folder of PNG images, with ``dataset.yaml`` and, where known, units.

        Raises:
            UserError: numbers without an exact text, or two columns for one field of the table.
        """
        for name, (kind, _) in parts.types.items():
            if not re.match(DTYPES, kind.name):
                raise UserError(
                    f"{path} cannot be written: column '{name}' of the source is {kind}, which has "
                    "no exact text. Convert to HDF5, or leave the column out of the source."
                )
        fields = {name: fields_of(name, shape) for name, (_, shape) in parts.types.items()}
        _check_fields(path, fields)
        with atomic_folder(path) as temporary:
            with open(temporary / TABLE, "w", encoding="utf-8", newline="") as file:
                for number, (columns, images) in enumerate(parts):
                    episode = f"{number:06d}"
                    _append_lines(file, episode, columns, fields, header=number == 0)
                    (temporary / episode).mkdir()
                    for step, image in enumerate(itertools.chain.from_iterable(images)):
                        image_path = temporary / episode / f"{step:06d}.png"
                        Image.fromarray(image).save(image_path, "PNG", compress_level=_PNG_LEVEL)
            _describe(temporary, parts, dict(attrs))


def _describe(folder: Path, parts: Parts, attrs: dict[str, str | int | float]) -> None:
    """``dataset.yaml`` and ``quantities.yaml``."""
    declared = attrs.pop(ATTRIBUTE, None)
    stored = {n: StoredColumn(dtype=t.name, shape=s) for n, (t, s) in parts.types.items()}
    description = Description(
        episode_column="episode_idx" if parts.episode_column == "episode_idx" else "ep_idx",
        attrs=attrs,
        columns=stored,
    )
    text = yaml.safe_dump(description.model_dump(mode="json"), sort_keys=False)
    (folder / DESCRIPTION).write_text(text, encoding="utf-8")
    if declared is not None:
        known = parse_declarations(json.loads(str(declared)), f"{parts.source}")
        (folder / QUANTITIES).write_text(declarations_yaml(known), encoding="utf-8")


def _append_lines(
    file: TextIO,
    episode: str,
    columns: Mapping[str, np.ndarray],
    fields: Mapping[str, list[str]],
    *,
    header: bool,
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


FORMAT = Folder()
