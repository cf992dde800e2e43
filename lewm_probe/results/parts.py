"""What would be a large file, in parts.

Raw rows are ``rows.parquet``, ``rows-2.parquet``, …; metrics are in ``results.json``, and go on in
``metrics-2.json``, ….
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import atomic_path, write_text

FIRST = "rows.parquet"
MOST_BYTES = 5_000_000
"""Of one file: many hosts of repositories and of attachments refuse larger ones, or hide them."""

_FRAME = 2000
"""Bytes of a file of metrics that are no rows, at most: the names of its columns."""

_LATER = re.compile(r"(?:rows|metrics)-([1-9][0-9]{0,3})\.(?:parquet|json)")


def part_name(number: int) -> str:
    """The name of a part, from 1 on.

    >>> part_name(1), part_name(2)
    ('rows.parquet', 'rows-2.parquet')
    """
    return FIRST if number == 1 else f"rows-{number}.parquet"


def write_parts(rows: pd.DataFrame, folder: Path) -> None:
    """Write rows in their order, each file whole; parts of an earlier result are taken away.

    Raises:
        UserError: the disk is full, or the folder may not be written.
    """
    count = 0
    for count, content in enumerate(_encoded(rows), 1):
        with atomic_path(folder / part_name(count)) as path:
            path.write_bytes(content)
    _take_away(folder, "rows-*.parquet", count)


def metrics_name(number: int) -> str:
    """The name of the file in which metrics go on, from 2 on.

    >>> metrics_name(2)
    'metrics-2.json'
    """
    return f"metrics-{number}.json"


def split(lines: Iterable[str], head: int) -> list[list[str]]:
    """Lines in their order, for files of at most ``MOST_BYTES``; the first holds ``head`` more.

    >>> split(["a"], 0)
    [['a']]
    """
    groups: list[list[str]] = [[]]
    size = head + _FRAME
    for line in lines:
        length = len(line.encode()) + 2
        if size + length > MOST_BYTES and groups[-1]:
            groups.append([])
            size = _FRAME
        groups[-1].append(line)
        size += length
    return groups


def write_metrics(texts: Sequence[str], folder: Path) -> None:
    """Write what does not stand in ``results.json``; parts of an earlier result are taken away.

    Raises:
        UserError: the disk is full, or the folder may not be written.
    """
    for number, text in enumerate(texts, 2):
        write_text(folder / metrics_name(number), text)
    _take_away(folder, "metrics-*.json", 1 + len(texts))


def find_parts(folder: Path) -> list[Path]:
    """The files of a result's rows, in order; none where it has no rows.

    Raises:
        UserError: one in between is missing.
    """
    later = [(n, path) for n, path in _later(folder, "rows-*.parquet") if path.is_file()]
    first = folder / FIRST
    found = [(1, first)] if first.is_file() else []  # a pipe would be waited for
    found += later
    for place, (number, _) in enumerate(found, 1):
        if number != place:
            raise UserError(
                f"{folder / part_name(place)} is missing, and {part_name(number)} continues it. "
                "Get the folder again from where it came, or run the analysis that wrote it again."
            )
    return [path for _, path in found]


def _take_away(folder: Path, pattern: str, count: int) -> None:
    for number, path in _later(folder, pattern):
        if number > count:
            path.unlink(missing_ok=True)


def _later(folder: Path, pattern: str) -> list[tuple[int, Path]]:
    matches = ((_LATER.fullmatch(path.name), path) for path in folder.glob(pattern))
    return sorted((int(m[1]), path) for m, path in matches if m)


def _encoded(rows: pd.DataFrame) -> Iterator[bytes]:
    whole = _bytes(rows)
    if len(whole) <= MOST_BYTES or len(rows) < 2:
        yield whole
        return
    count = math.ceil(len(whole) / MOST_BYTES)
    edges = np.linspace(0, len(rows), count + 1).astype(int)
    for start, stop in zip(edges, edges[1:], strict=False):
        yield from _encoded(rows.iloc[start:stop])  # parts need not compress alike


def _bytes(rows: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.to_parquet(buffer, compression="zstd", index=False)
    return buffer.getvalue()
