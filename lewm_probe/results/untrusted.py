"""Reading result folders that untrusted sources wrote: bounded in size, inside their folder, typed.

Sizes are asked of headers before anything is unpacked, so that a small file that claims to be huge
costs nothing. Text columns stay dictionaries until their length is known: a megabyte that every one
of a million rows repeats is a few bytes on disk.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import resolved

MEBIBYTE = 2**20
MAX_JSON = 128 * MEBIBYTE
"""Seven checkpoints of TwoRoom take 5 MiB."""
MAX_FILES = 1000
"""That hold the metrics of a result: those of 18 checkpoints of TwoRoom are in two."""
MAX_DEPTH = 40
"""Levels of settings and configurations; suites have 5."""
MAX_ROWS = 10_000_000
"""Seven checkpoints of TwoRoom have 350,000 rows."""
MAX_ROWS_FILE = 512 * MEBIBYTE
MAX_ROWS_UNPACKED = 2048 * MEBIBYTE
"""Bytes of all columns before compression, dictionaries counted once."""
MAX_TEXT = 1024 * MEBIBYTE
"""Bytes of a text column written out: seven checkpoints of TwoRoom have 5 MiB in each."""
MAX_IMAGES = 1000
MAX_IMAGE_FILE = 64 * MEBIBYTE
MAX_IMAGE_PIXELS = 64 * MEBIBYTE
"""All filmstrips together: 20 frames of 224 px take one mebi-pixel."""

AGAIN = "Get the folder again from where it came, or leave this result out."


def inside(path: Path, folder: Path, limit: int) -> Path:
    """``path``, after checks that it stays within ``folder`` and is no larger than ``limit`` bytes.

    Raises:
        UserError: a link that leaves the folder, or a file that is too large.
    """
    if not resolved(path).is_relative_to(resolved(folder)):
        raise UserError(
            f"{path} is a link that leaves its folder; a result folder is read on its own. Put the "
            "file itself there if you trust what it points to."
        )
    size = path.stat().st_size
    if size > limit:
        raise UserError(
            f"{path} has {size / MEBIBYTE:.0f} MiB; such a file of a result has at most "
            f"{limit // MEBIBYTE} MiB. {AGAIN}"
        )
    return path


def check_depth(path: Path, settings: Any) -> None:
    """Refuse settings that are nested deeper than anything that reads them could follow.

    Raises:
        UserError: they are.
    """
    level = [settings]
    for _ in range(MAX_DEPTH):
        inner = [
            v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list)
        ]
        level = [child for values in inner for child in values]
    if level:
        raise UserError(
            f"{path} holds settings nested more than {MAX_DEPTH} levels deep, which no result has. "
            f"{AGAIN}"
        )


def read_rows(paths: Sequence[Path], folder: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Parquet tables that have none but the given columns, each of its pandas type, as one.

    Limits are of all files together.

    Raises:
        UserError: not Parquet, too large, or other columns or types.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    sizes = [inside(path, folder, MAX_ROWS_FILE).stat().st_size for path in paths]
    _check_sum(folder, sum(sizes), MAX_ROWS_FILE)
    texts = [name for name, kind in columns.items() if kind == "string"]
    rows = unpacked = 0
    for path in paths:
        with _readable(path), pq.ParquetFile(path) as file:
            claimed = _check_claims(path, file, columns)
        rows, unpacked = rows + claimed[0], unpacked + claimed[1]
    if rows > MAX_ROWS:
        raise UserError(
            f"The rows of {folder} claim to be {rows:,} in {len(paths)} files; a result has at "
            f"most {MAX_ROWS:,}. {AGAIN}"
        )
    _check_sum(folder, unpacked, MAX_ROWS_UNPACKED)
    tables = []
    letters: dict[str, int] = {}
    for path in paths:
        with _readable(path):
            with pq.ParquetFile(path) as file:
                there = [name for name in texts if name in file.schema_arrow.names]
            with pq.ParquetFile(path, read_dictionary=there) as file:
                table = file.read()
            for name in table.column_names:
                length = _check_column(path, name, table.column(name), columns[name])
                letters[name] = letters.get(name, 0) + length
                _check_sum(folder, letters[name], MAX_TEXT)
            plain = {
                name: table.column(name).cast(pa.string()) if name in there else table.column(name)
                for name in table.column_names
            }
            tables.append(pa.table(plain))
    with _readable(paths[0]):
        return pa.concat_tables(tables, promote_options="permissive").to_pandas(
            ignore_metadata=True
        )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What Parquet's reader says of a damaged file, as one readable error."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{path} cannot be read as Parquet. It was cut short or is something else; "
            "run the analysis that wrote it again."
        ) from error


def _check_sum(folder: Path, size: int, limit: int) -> None:
    """Refuse files of rows that are too large together, in bytes."""
    if size > limit:
        raise UserError(
            f"The rows of {folder} take {size / MEBIBYTE:,.0f} MiB in all their files; those of a "
            f"result take at most {limit // MEBIBYTE:,} MiB. {AGAIN}"
        )


def read_clip(path: Path, folder: Path) -> np.ndarray:
    """A filmstrip, uint8 (T, H, W, 3): a PNG of T square frames side by side.

    Raises:
        UserError: not a PNG, too large, or not of square frames.
    """
    inside(path, folder, MAX_IMAGE_FILE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG",)) as image:
                width, height = image.size
                if width * height > MAX_IMAGE_PIXELS:
                    raise Image.DecompressionBombError
                if width % height:
                    raise UserError(
                        f"{path} is {width} px by {height} px and no filmstrip: those are square "
                        f"frames side by side. {AGAIN}"
                    )
                clip = np.asarray(image.convert("RGB"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(
            f"{path} claims more than {MAX_IMAGE_PIXELS // MEBIBYTE} million pixels, which no "
            f"filmstrip has. {AGAIN}"
        ) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise UserError(f"{path} cannot be read as a PNG image. {AGAIN}") from error
    return clip.reshape(height, -1, height, 3).transpose(1, 0, 2, 3)  # (T, H, W, 3)


def read_clips(folder: Path) -> dict[str, np.ndarray]:
    """Every filmstrip of a result folder, by name.

    Raises:
        UserError: one that cannot be read, too many, or too large together.
    """
    found = sorted((folder / "pictures").glob("[!.]*.png"))  # no .NAME.partial.png
    paths = [path for path in found if path.is_file()]  # a pipe would be waited for
    if len(paths) > MAX_IMAGES:
        raise UserError(
            f"{folder / 'images'} holds {len(paths)} images; a result has at most "
            f"{MAX_IMAGES}. {AGAIN}"
        )
    clips: dict[str, np.ndarray] = {}
    pixels = 0
    for path in paths:
        clips[path.stem] = read_clip(path, folder)
        pixels += clips[path.stem].size // 3
        if pixels > MAX_IMAGE_PIXELS:
            raise UserError(
                f"The images in {folder / 'images'} have more than "
                f"{MAX_IMAGE_PIXELS // MEBIBYTE} million pixels together, which no result has. "
                f"{AGAIN}"
            )
    return clips


def _check_claims(path: Path, file: Any, columns: Mapping[str, str]) -> tuple[int, int]:
    """What the file's header says of itself, before anything is read: rows and bytes."""
    metadata = file.metadata
    names = file.schema_arrow.names
    unknown = sorted(set(names) - set(columns))
    if unknown or len(set(names)) < len(names):
        raise UserError(
            f"{path} has columns that rows of a result do not have: {', '.join(unknown[:5])}. "
            f"Known: {', '.join(columns)}. {AGAIN}"
        )
    if metadata.num_rows > MAX_ROWS:
        raise UserError(
            f"{path} claims {metadata.num_rows:,} rows; a result has at most {MAX_ROWS:,}. {AGAIN}"
        )
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    unpacked = sum(max(0, group.total_byte_size) for group in groups)
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    if unpacked > MAX_ROWS_UNPACKED or rows > MAX_ROWS:
        raise UserError(
            f"{path} claims {unpacked / MEBIBYTE:,.0f} MiB of rows; a result has at most "
            f"{MAX_ROWS_UNPACKED // MEBIBYTE:,} MiB. {AGAIN}"
        )
    return rows, unpacked


def _check_column(path: Path, name: str, column: Any, kind: str) -> int:
    """Type of a column; the bytes that it has written out, where it is text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = column.type
    of = found.value_type if pa.types.is_dictionary(found) else found
    allowed = {
        "string": (pa.types.is_string, pa.types.is_large_string),
        "I": (pa.types.is_integer,),
        "f": (pa.types.is_floating, pa.types.is_integer),
    }["string" if kind == "string" else kind[0]]
    if not pa.types.is_null(of) and not any(fits(of) for fits in allowed):
        raise UserError(
            f"The column '{name}' of {path} holds {of}, where rows of a result hold {kind}. {AGAIN}"
        )
    if kind != "string" or not pa.types.is_dictionary(found):
        return 0
    lengths = [pc.binary_length(chunk.dictionary).take(chunk.indices) for chunk in column.chunks]
    total = sum(pc.sum(length).as_py() or 0 for length in lengths)
    if total > MAX_TEXT:
        raise UserError(
            f"The column '{name}' of {path} holds {total / MEBIBYTE:,.0f} MiB of text; in a "
            f"result it has at most {MAX_TEXT // MEBIBYTE:,} MiB. {AGAIN}"
        )
    return int(total)
