"""Lance tables (``*.lance``), the newer default of stable-worldmodel: read them, write them.

One row a step: ``episode_idx`` and ``step_idx`` int32, ``pixels`` as JPEG bytes, every other column
a fixed-size list of float32; dots in names become ``_``. JPEG is lossy, so that probes and surprise
measured on such a table differ from those on the HDF5 file it came from. Lance is an extra:
``pip install 'lewm-probe[lance]'``.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, TypeVar

import numpy as np
from PIL import Image
from pydantic import Field, ValidationError

from lewm_probe.core.addresses.address import place
from lewm_probe.core.config import Config
from lewm_probe.core.errors import UserError
from lewm_probe.core.processes.stopping import deferred, requested
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.formats.hdf5.layout import EPISODE_COLUMNS, LARGEST_IMAGE
from lewm_probe.data.formats.images import BadImage, decode
from lewm_probe.data.formats.lance.guard import check_lance_files, guarded_lance, try_lance

QUALITY = 95
NOTE = f"images are stored as lossy JPEG (quality {QUALITY} as a rule): numbers differ from HDF5"
METADATA = "lewm_probe"
"""Key of the table's metadata under which ours keep attributes, shapes and types."""
_LONGEST_METADATA = 2**18

T = TypeVar("T")


class _Kept(Config):
    """What ours keep in the metadata."""

    attrs: dict[str, str | int | float] = {}
    shapes: dict[str, tuple[Annotated[int, Field(ge=1)], ...]] = {}


class LanceEpisodes(Episodes):
    """A Lance table of episodes; what it offers is described in ``base``.

    Raises:
        UserError: Lance is not installed, or the table is damaged or of another layout.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = place(path)
        lance = import_lance(self.path)
        check_lance_files(self.path)
        try_lance(self.path, self._stamp())
        self._table = self._guarded(lambda: lance.dataset(str(self.path)))
        self.rows = int(self._guarded(self._table.count_rows))
        self._types = self._checked_schema()
        self.columns = tuple(sorted(self._types))
        kept = self._metadata()
        for name, shape in kept.shapes.items():
            if name not in ("action", "pixels") and name in self._types:
                kind, flat = self._types[name]
                if _count(shape) == _count(flat):
                    self._types[name] = (kind, shape)
        self.attrs = {"note": NOTE, **kept.attrs}
        self.offsets, self.lengths = self._episodes()
        self._types["pixels"] = (np.dtype(np.uint8), self.read("pixels", 0, 1).shape[1:])

    def close(self) -> None:
        """Let go of the table."""
        self._table = None

    def row_type(self, column: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
        """Type and shape of a row of a column."""
        self.known_column(column)
        return self._types[column]

    def read(self, column: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows ``start`` to ``stop`` of a column.

        Raises:
            UserError: no such column, or the stored bytes do not decode.
        """
        self.known_column(column)
        rows = range(self.rows)[start:stop]
        if not len(rows):
            kind, shape = self._types[column]
            return np.zeros((0, *shape), kind)
        found = self._guarded(
            lambda: self._table.to_table(columns=[column], offset=rows.start, limit=len(rows))
        )
        return self._array(column, found[column], rows)

    def take(self, column: str, rows: np.ndarray) -> np.ndarray:
        """Some rows of a column, in the order asked for, in one request to the table."""
        self.known_column(column)
        once, places = np.unique(np.asarray(rows, np.int64), return_inverse=True)
        found = self._guarded(lambda: self._table.take(once.tolist(), columns=[column]))
        return self._array(column, found[column], once)[places]

    def _array(self, column: str, found: Any, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        if len(found) != len(rows):
            raise self._damaged(f"{len(found)} of {len(rows)} rows of '{column}' are there")
        if column == "pixels":
            return self._images(found, rows)
        kind, shape = self._types[column]
        flat = self._guarded(found.combine_chunks)
        if flat.null_count:
            raise self._damaged(f"column '{column}' has empty rows")
        if shape or hasattr(flat.type, "list_size"):
            flat = flat.flatten()
            if flat.null_count and kind.kind != "f":
                raise self._damaged(f"column '{column}' has empty numbers")
        values = self._guarded(lambda: flat.to_numpy(zero_copy_only=False))
        return np.array(values, kind).reshape(len(rows), *shape)

    def _images(self, found: Any, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        pixels: np.ndarray | None = None
        for at, row in enumerate(rows):
            encoded = found[at].as_py()
            try:
                if encoded is None:
                    raise BadImage("is missing")
                image = decode(encoded, "JPEG")
            except BadImage as error:
                raise UserError(
                    f"The image in row {row} of {self.path} {error}. Fetch or convert the table "
                    "again."
                ) from error
            expected = self._types["pixels"][1] or image.shape
            if image.shape != expected:
                raise self._damaged(
                    f"the image in row {row} has the shape {image.shape}, not {expected}"
                )
            if pixels is None:
                pixels = np.empty((len(rows), *image.shape), np.uint8)
            pixels[at] = image
        assert pixels is not None
        return pixels

    def _checked_schema(self) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
        """Type and shape of a row of each column that is read; what is not understood is left."""
        import pyarrow as pa

        types: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}
        schema = self._guarded(lambda: self._table.schema)
        for field in schema:
            kind: Any = field.type
            shape: tuple[int, ...] = ()
            if field.name == "pixels":
                if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
                    raise self._damaged(f"pixels is {kind}, not the bytes of JPEG images")
                types["pixels"] = (np.dtype(np.uint8), ())
                continue
            if pa.types.is_fixed_size_list(kind):
                kind, shape = kind.value_type, (int(kind.list_size),)
            if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
                continue
            if shape and not 1 <= shape[0] <= LARGEST_IMAGE:
                raise self._damaged(f"a row of '{field.name}' holds {shape[0]} numbers")
            types[field.name] = (np.dtype(kind.to_pandas_dtype()), shape)
        episode = next((name for name in EPISODE_COLUMNS if name in types), None)
        missing = [n for n in ("pixels", "action", "step_idx") if n not in types]
        missing += [] if episode else ["episode_idx"]
        if missing:
            raise UserError(
                f"{self.path} is not a table of episodes: it lacks {', '.join(missing)}, or they "
                f"are not numbers (found: {', '.join(schema.names[:20]) or 'nothing'}). Expected "
                "pixels, action, episode_idx and step_idx. Give another table."
            )
        action, width = types["action"]
        if action.kind != "f" or len(width) != 1:
            raise self._damaged("action is not a fixed-size list of float32")
        for name in (episode, "step_idx"):
            if name and (types[name][0].kind not in "iu" or types[name][1]):
                raise self._damaged(f"{name} is not a column of whole numbers")
        return types

    def _episodes(self) -> tuple[np.ndarray, np.ndarray]:
        if not self.rows:
            raise self._damaged("it has no rows")
        column = self.episode_column
        assert column is not None
        owner = self.read(column).astype(np.int64)
        steps = self.read("step_idx").astype(np.int64)
        offsets = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
        if len(np.unique(owner)) != len(offsets):
            raise self._damaged("the rows of an episode do not stand together")
        lengths = np.diff(np.r_[offsets, self.rows])
        if not np.array_equal(steps, np.arange(self.rows) - np.repeat(offsets, lengths)):
            raise self._damaged("step_idx does not count from 0 in every episode")
        return offsets.astype(np.int64), lengths.astype(np.int64)

    def _metadata(self) -> _Kept:
        stored = (self._table.schema.metadata or {}).get(METADATA.encode(), b"{}")
        try:
            return _Kept.model_validate_json(stored[:_LONGEST_METADATA])
        except ValidationError as error:
            raise self._damaged(f"its metadata '{METADATA}' is not what lewm-probe writes") from (
                error
            )

    def _guarded(self, work: Callable[[], T]) -> T:
        return guarded_lance(self.path, work)

    def _damaged(self, what: str) -> UserError:
        return UserError(
            f"{self.path} is damaged or was not written as a table of episodes: {what}. Fetch or "
            "convert it again."
        )


def write_lance(
    path: Path,
    episodes: Iterator[tuple[Mapping[str, np.ndarray], Iterator[np.ndarray]]],
    attrs: Mapping[str, str | int | float],
) -> None:
    """Write episodes as a new table.

    Args:
        path: a folder that does not exist yet.
        episodes: for each one its columns but ``pixels``, {name: (length, …)}, ``action`` among
            them, and its images in blocks (rows, H, W, C).
        attrs: kept in the table's metadata.

    Raises:
        UserError: Lance is not installed, or two columns get one name.
    """
    import pyarrow as pa

    lance = import_lance(path)
    numbered = enumerate(episodes)
    first = next(numbered)
    columns = first[1][0]
    names = {column: column.replace(".", "_") for column in sorted(columns)}
    if len(set(names.values())) < len(names):
        raise UserError(
            f"{path} cannot be written: dots in names become '_' in Lance tables, and then two of "
            f"{', '.join(names)} are the same. Rename one in the source."
        )
    shapes = {name: columns[column].shape[1:] for column, name in names.items()}
    fields = [pa.field(name, pa.int32()) for name in ("episode_idx", "step_idx")]
    fields.append(pa.field("pixels", pa.binary()))
    fields += [pa.field(n, pa.list_(pa.float32(), _count(shape))) for n, shape in shapes.items()]
    kept = {METADATA: json.dumps({"attrs": dict(attrs), "shapes": shapes})}
    schema = pa.schema(fields, metadata=kept)

    def episode(
        number: int, part: tuple[Mapping[str, np.ndarray], Iterator[np.ndarray]]
    ) -> Iterator[Any]:
        columns, blocks = part
        at = 0
        for block in blocks:
            rows = slice(at, at + len(block))
            arrays = [pa.array([number] * len(block), pa.int32())]
            arrays.append(pa.array(range(rows.start, rows.stop), pa.int32()))
            arrays.append(pa.array([_jpeg(frame) for frame in block], pa.binary()))
            for column, name in names.items():
                flat = pa.array(np.asarray(columns[column][rows], np.float32).ravel())
                arrays.append(pa.FixedSizeListArray.from_arrays(flat, _count(shapes[name])))
            yield pa.record_batch(arrays, schema=schema)
            at = rows.stop

    failed: list[BaseException] = []

    def batches() -> Iterator[Any]:
        # A failure ends the table early: told to Lance, it would give up at once, while threads of
        # its own write on for a while, into a folder that is being removed.
        try:
            for number, part in itertools.chain([first], numbered):
                for batch in episode(number, part):
                    if requested():
                        return
                    yield batch
        except BaseException as error:  # noqa: BLE001  # raised below
            failed.append(error)

    with deferred():
        lance.write_dataset(pa.RecordBatchReader.from_batches(schema, batches()), str(path))
    if failed:
        raise failed[0]


def import_lance(path: Path) -> ModuleType:
    """The package ``lance``.

    Raises:
        UserError: it is not installed.
    """
    try:
        import lance
    except ImportError as error:
        raise UserError(
            f"{path} is a Lance table, and the package that reads and writes them is not "
            "installed. Install it with `pip install 'lewm-probe[lance]'`."
        ) from error
    return lance


def _jpeg(frame: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(frame).save(held, "JPEG", quality=QUALITY, subsampling=0)
    return held.getvalue()


def _count(shape: Sequence[int]) -> int:
    total = 1
    for side in shape:
        total *= int(side)
    return total
